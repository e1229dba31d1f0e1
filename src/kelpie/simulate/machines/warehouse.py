"""A tiny warehouse for people to ask about: its rows, its semantic model, the questions, and their true answers.

The truth is computed here from the rows, in plain Python: nothing of it goes through SQL or through the analyst.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from kelpie.analyst.sources.source import SourceColumn, SourceTable
from kelpie.analyst.table import Kind

NAME = "harbours"
HARBOURS = ("Ardnave", "Bunessan", "Craobh", "Dunvegan")
FIRST = dt.date(2024, 1, 1)
_TRIPS, _MEMBERS = 120, 48
_TYPES: Mapping[Kind, str] = {"number": "INTEGER", "text": "TEXT", "date": "DATE"}


class Trip(NamedTuple):
    """Two dates, so that a question that names neither has two answers."""

    id: int
    harbour: int
    booked_on: str
    sailed_on: str
    paid: int
    deposit: int


class Member(NamedTuple):
    id: int
    harbour: int
    begins_on: str
    ends_on: str | None


def _day(number: int) -> str:
    return (FIRST + dt.timedelta(days=number)).isoformat()


def _trip(number: int) -> Trip:
    booked, paid = number * 37 % 330, 40 + number * 53 % 211
    sailed = booked + 2 + number * 11 % 33
    return Trip(number, 1 + number * 7 % 11 % 4, _day(booked), _day(sailed), paid, 5 + number * 17 % 29)


def _member(number: int) -> Member:
    begins = number * 61 % 300
    ends = None if number % 3 == 0 else _day(begins + 20 + number * 13 % 90)
    return Member(number, 1 + number * 5 % 7 % 4, _day(begins), ends)


TRIPS = [_trip(number) for number in range(_TRIPS)]
MEMBERS = [_member(number) for number in range(_MEMBERS)]
DAYS = (dt.date.fromisoformat(max(trip.sailed_on for trip in TRIPS)) - FIRST).days  # that the data cover, from FIRST
ROWS: Mapping[str, list[tuple[Any, ...]]] = {
    "harbours": list(enumerate(HARBOURS, 1)),
    "trips": [tuple(trip) for trip in TRIPS],
    "members": [tuple(member) for member in MEMBERS],
}
_COLUMNS: Mapping[str, Mapping[str, Kind]] = {
    "harbours": {"id": "number", "name": "text"},
    "trips": {
        "id": "number",
        "harbour": "number",
        "booked_on": "date",
        "sailed_on": "date",
        "paid": "number",
        "deposit": "number",
    },
    "members": {"id": "number", "harbour": "number", "begins_on": "date", "ends_on": "date"},
}
TABLES = [
    SourceTable(
        name=name,
        columns=[SourceColumn(name=column, type=_TYPES[kind], kind=kind) for column, kind in columns.items()],
        row_count=len(ROWS[name]),
        keys=[["id"]],
    )
    for name, columns in sorted(_COLUMNS.items())
]
MODEL = """\
name: harbours
label: boat trips from four harbours
entities:
  - {name: trip, table: trips, key: id, label: trip, plural: trips}
  - {name: member, table: members, key: id, label: member, plural: members}
  - {name: harbour, table: harbours, key: id, label: harbour, plural: harbours}
joins:
  - {from: trip, to: harbour, on: trip.harbour = harbour.id}
  - {from: member, to: harbour, on: member.harbour = harbour.id}
dimensions:
  - {name: harbour, label: harbour, plural: harbours, expr: harbour.name}
times:
  - {name: sailed, label: day of sailing, expr: trip.sailed_on, synonyms: [sailing, sailed]}
  - {name: booked, label: day of booking, expr: trip.booked_on, synonyms: [booking, booked]}
metrics:
  - {name: takings, label: takings, kind: flow, entity: trip, expr: SUM(trip.paid), times: [sailed], aggregation: sum,
     direction: higher_is_better}
  - {name: deposits, label: deposits, kind: flow, entity: trip, expr: SUM(trip.deposit), times: [booked, sailed],
     aggregation: sum, direction: higher_is_better}
  - {name: members, label: members, kind: stock, entity: member, expr: COUNT(*), since: member.begins_on,
     until: member.ends_on, aggregation: count, direction: higher_is_better}
refusals:
  - {words: [weather, wind], reason: The harbours keep no record of the weather.}
"""


def creation() -> Iterable[tuple[str, list[tuple[Any, ...]]]]:
    """The statements that make it, each with the rows it is run for."""
    for name, columns in _COLUMNS.items():
        typed = ", ".join(f"{column} {_TYPES[kind]}" for column, kind in columns.items())
        yield f"CREATE TABLE {name} ({typed})", [()]
        yield f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", ROWS[name]


# ---- questions


class Question(NamedTuple):
    """How people ask it, and its true answer: the rows of its result as sets of cells, whatever their order.

    reply  what they answer when they are asked back, if the question leaves something open
    truth  of the days from `first` to `last`; None: the data can't say, and no number is right
    """

    text: str
    truth: Callable[[str, str], list[list[Any]]] | None
    reply: str | None = None


def _by_harbour(first: str, last: str) -> list[list[Any]]:
    paid = {
        name: sum(trip.paid for trip in TRIPS if trip.harbour == number and first <= trip.sailed_on <= last)
        for number, name in enumerate(HARBOURS, 1)
    }
    return [[name, total] for name, total in paid.items() if total]


def _by_month(first: str, last: str) -> list[list[Any]]:
    paid: dict[str, int] = {}
    for trip in TRIPS:
        if first <= trip.sailed_on <= last:
            paid[trip.sailed_on[:7]] = paid.get(trip.sailed_on[:7], 0) + trip.paid
    return [[f"{month}-01", total] for month, total in paid.items()]


def _members(_: str, last: str) -> list[list[Any]]:
    """Those of the last day: periods of a stock don't add up."""
    held = [one for one in MEMBERS if one.begins_on <= last and (one.ends_on is None or last < one.ends_on)]
    return [[len(held)]]


def _deposits(first: str, last: str) -> list[list[Any]]:
    paid = [trip.deposit for trip in TRIPS if first <= trip.sailed_on <= last]
    return [[sum(paid) if paid else None]]


QUESTIONS: Mapping[str, Question] = {
    "ranking": Question("What were the takings by harbour from {first} to {last}?", _by_harbour),
    "trend": Question("What were the monthly takings from {first} to {last}?", _by_month),
    "stock": Question("How many members were there on {last}?", _members),
    "asks back": Question("What were the deposits from {first} to {last}?", _deposits, "By the day of sailing"),
    "refused": Question("What was the weather from {first} to {last}?", None),
}


def worded(kind: str, first: str, last: str) -> str:
    """The question as somebody asks it, of the days from `first` to `last` (ISO)."""
    return QUESTIONS[kind].text.format(first=_spelled(first), last=_spelled(last))


def _spelled(day: str) -> str:
    date = dt.date.fromisoformat(day)
    return f"{date.day} {date:%B} {date.year}"
