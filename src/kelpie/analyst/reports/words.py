"""Sentences that both kinds of report say of an answer."""

import datetime as dt

from kelpie.analyst.answers.answer import Answer, ConventionUse
from kelpie.analyst.formats import cell_text
from kelpie.analyst.provenance.records import NumberRecord
from kelpie.analyst.results import StoredQuery

LABELS = {
    "verified": "verified: re-derived another way, or from a query that a person vouches for",
    "derived": "derived: from the definitions of the semantic model",
    "unverified": "unverified: from SQL that nobody has checked",
}


def moment(ms: int) -> str:
    """ "2026-03-01 12:30 UTC"."""
    return dt.datetime.fromtimestamp(ms / 1000, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def asked_line(answer: Answer) -> str:
    """Who asked what, when, of what."""
    whom = f" for {answer.name}" if answer.name else ""
    model = f", semantic model {answer.semantic_model}" if answer.semantic_model else ""
    by = f", answered by {answer.model}" if answer.model else ""
    return f"Asked {moment(answer.asked_at_ms)}{whom}{model}{by}"


def freshness_line(answer: Answer) -> str:
    fresh = answer.freshness
    if fresh is None:
        return ""
    through = f"Data through {fresh.last}. " if fresh.last else ""
    changed = f", which changed last {moment(fresh.changed_ms)}" if fresh.changed_ms else ""
    return f"{through}Source {fresh.where}{changed}."


def convention_line(one: ConventionUse) -> str:
    whose = one.whose or "the organisation"
    return f"{one.kind} of {whose}: {one.topic} = {one.value}{'' if one.used else ' (held, not needed here)'}"


def where_text(record: NumberRecord, query: StoredQuery) -> str:
    """The place of a number: its column, and what its row is about."""
    if record.kind == "row_count":
        return "how many rows the query gave"
    columns = {column.name: column for column in query.columns}
    about = ", ".join(cell_text(cell, columns[name]) for name, cell in record.keys.items())
    label = columns[record.column].label
    return f"{label}, {about}" if about else label


def is_said(caveat: str, text: str) -> bool:
    """Whether an answer's own words say it already."""
    return caveat.rstrip(".").casefold() in text.casefold()
