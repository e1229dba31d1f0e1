"""The time axis of a chart: every period between the first and the last, how it is written, and which are not whole."""

import datetime as dt
from typing import Any

import msgspec

from kelpie.analyst.formats import time_text
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.table import ResultColumn
from kelpie.errors import InvalidInput

_MONTHS = {"month": 1, "quarter": 3, "fiscal_quarter": 3, "year": 12, "fiscal_year": 12}
_DAYS = {"day": 1, "week": 7}
_PERIODS_MAX = 5_000  # a result has at most 1,000 rows; this bounds what two far dates can make of a day's grain
_MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class Periods(msgspec.Struct, frozen=True):
    """`starts` are first days, YYYY-MM-DD, without a hole. `partial` are those that data or question cut off."""

    grain: str
    starts: list[str]
    partial: list[str]
    clock: str  # what cells carry behind the day: nothing, or midnight
    labels: dict[str, str]  # short: "Mar 2026", "Q1 FY2026"


def periods_of(query: StoredQuery, column: ResultColumn) -> Periods:
    """Raises InvalidInput if the column holds something else than dates."""
    place = query.columns.index(column)
    cells = [row[place] for row in query.rows if row[place] is not None]
    try:
        days = sorted({dt.date.fromisoformat(str(cell)[:10]) for cell in cells})
    except ValueError as error:
        raise InvalidInput(f"'{column.label}' holds something else than dates: {error}") from error
    if not days:
        raise InvalidInput(f"'{column.label}' holds no date: there is no time to draw")
    grain = column.grain or _grain_of(days)
    starts = [days[0]]
    while starts[-1] < days[-1]:
        starts.append(next_start(starts[-1], grain))
        if len(starts) > _PERIODS_MAX:
            raise InvalidInput(f"a chart of {_PERIODS_MAX:,} {grain}s and more shows nothing; ask for a coarser grain")
    if set(days) - set(starts):  # weeks or fiscal months that begin elsewhere: what is there is what is shown
        starts = days
    return Periods(
        grain=grain,
        starts=[day.isoformat() for day in starts],
        partial=[day.isoformat() for day in _partial(query, column, grain, starts)],
        clock=next((str(cell)[10:] for cell in cells if len(str(cell)) > 10), ""),
        labels={day.isoformat(): _short(day, grain, column) for day in starts},
    )


def next_start(day: dt.date, grain: str) -> dt.date:
    """The first day of the period after the one that begins on `day`."""
    if grain in _DAYS:
        return day + dt.timedelta(days=_DAYS[grain])
    months = day.year * 12 + day.month - 1 + _MONTHS[grain]
    return dt.date(months // 12, months % 12 + 1, 1)


def _grain_of(days: list[dt.date]) -> str:
    """Of plain SQL only the dates tell."""
    if any(day.day != 1 for day in days) or len(days) < 2:
        return "day"
    if all(day.month == days[0].month for day in days):
        return "year"
    return "quarter" if all((day.month - days[0].month) % 3 == 0 for day in days) else "month"


def _partial(query: StoredQuery, column: ResultColumn, grain: str, starts: list[dt.date]) -> list[dt.date]:
    if column.kind != "time":
        return []
    asked: dict[str, Any] = query.metric_query or {}
    bounds = [
        [dt.date.fromisoformat(day[:10]) for day in found if day]
        for found in (
            (asked.get("time_from"), query.snapshot.get("first")),
            (asked.get("time_to"), query.snapshot.get("last")),
        )
    ]
    first, last = max(bounds[0], default=dt.date.min), min(bounds[1], default=dt.date.max)
    one_day = dt.timedelta(days=1)
    return [day for day in starts if day < first or next_start(day, grain) - one_day > last]


def axis_labels(periods: Periods, labels_max: int) -> dict[str, list[str]]:
    """What stands under the axis: of at most `labels_max` periods, the year in a second line where it changes."""
    starts = periods.starts
    if periods.grain in _DAYS and len(starts) > labels_max:
        # Many days are found by their months: what begins one.
        firsts = {start[:7]: start for start in reversed(starts)}
        starts = sorted(firsts.values())
        starts = [start for start in starts if start[8:] <= "07"] or starts
        names = {start: f"{_MONTH_NAMES[int(start[5:7]) - 1]} {start[:4]}" for start in starts}
    else:
        names = {start: periods.labels[start] for start in starts}
    shown: dict[str, list[str]] = {}
    year = ""
    for start in starts[:: -(-len(starts) // labels_max)]:
        *words, its_year = names[start].split(" ")
        shown[start] = [" ".join(words) or its_year, *([its_year] if words and its_year != year else [])]
        year = its_year
    return shown


def _short(day: dt.date, grain: str, column: ResultColumn) -> str:
    match grain:
        case "month":
            return f"{_MONTH_NAMES[day.month - 1]} {day.year}"
        case "day" | "week":
            return f"{day.day} {_MONTH_NAMES[day.month - 1]} {day.year}"
        case _:
            return time_text(day.isoformat(), grain, column.year_begins, column.named_by)
