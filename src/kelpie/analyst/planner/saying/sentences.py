"""The sentence of a result, by its shape: one number, a ranking, a spread, a series, a comparison, a share."""

from decimal import Decimal
from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog, CatalogMetric
from kelpie.analyst.formats import cell_text, with_unit
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.english.words import is_or_are, listed
from kelpie.analyst.planner.saying.phrases import (
    NO_VALUE,
    Row,
    bold,
    member_places,
    member_text,
    number,
    of_kind,
    of_what,
    plain,
    when,
    with_bounds,
)
from kelpie.analyst.table import ResultTable

_RUNNERS_UP = 2
_TIED_MAX = 3
_NAMED_MAX = 5


def scope_of(intent: Intent, catalog: Catalog) -> str:
    """Of what and of when the numbers are."""
    return of_what(intent, catalog) + when(intent, catalog)


def sentence(intent: Intent, catalog: Catalog, table: ResultTable) -> str:
    metric = of_kind(catalog, intent)
    scope = scope_of(intent, catalog)
    groups = [column for column in table.columns if column.kind == "dimension"]
    if not groups and intent.grain is None:
        return _single(intent, metric, table, scope)
    if intent.having:
        return _bounded(intent, catalog, table, with_bounds(intent, table) + scope)
    if intent.superlative:
        return _ranking(intent, metric, table, scope)
    if intent.grain is not None and not groups:
        return _series(intent, metric, table, scope)
    if is_side_by_side(intent, table):
        return _several_series(intent, metric, table, scope)
    return _spread(intent, metric, table, scope)


def _single(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    row = table.rows[0]
    if intent.compare is not None:
        return " ".join(_compared(intent, name, table, row, scope) for name in intent.metrics)
    value = f"The {metric.label}{scope} {is_or_are(metric.label)} {bold(row, table, metric.name)}"
    if intent.share:
        return f"{value}: {bold(row, table, f'{metric.name}_share')} of the whole."
    others = [
        f"{column.label} {with_unit(row[place], column)}"
        for place, column in enumerate(table.columns)
        if column.name != metric.name
    ]
    return f"{value} ({listed(others)})." if others else f"{value}."


def _compared(intent: Intent, name: str, table: ResultTable, row: Row, scope: str) -> str:
    label = table.columns[table.place(name)].label
    value = f"The {label}{scope} {is_or_are(label)} {bold(row, table, name)}"
    if row[table.place(f"{name}_before")] is None:
        return f"{value}; there is none for {intent.against} to compare it with."
    before = f"against {bold(row, table, f'{name}_before')} in {intent.against}"
    growth = row[table.place(f"{name}_growth")]
    percent = "" if growth is None else f" ({bold(row, table, f'{name}_growth')})"
    return f"{value}, {before}: a change of {bold(row, table, f'{name}_change')}{percent}."


def _ranking(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    by = intent.ranked_by or metric.name
    place, members = table.place(by), member_places(table)
    column = table.columns[place]
    rows = [row for row in table.rows if row[place] is not None]
    tied = [row for row in rows if row[place] == rows[0][place]]
    against = f", compared with {intent.against}" if intent.against else ""
    superlative = f"{intent.superlative} {metric.label}"
    if len(tied) > 1:
        names = listed([f"**{member_text(row, members)}**" for row in tied[:_TIED_MAX]])
        more = " and others" if len(tied) > _TIED_MAX else ""
        return f"{names}{more} share the {superlative}{scope}{against}: **{with_unit(rows[0][place], column)}**."
    best = f"**{member_text(rows[0], members)}** had the {superlative}{scope}{against}"
    text = f"{best}: **{with_unit(rows[0][place], column)}**"
    behind = [f"{member_text(row, members)} ({cell_text(row[place], column)})" for row in rows[1 : 1 + _RUNNERS_UP]]
    return f"{text}, followed by {listed(behind)}." if behind else f"{text}."


def _bounded(intent: Intent, catalog: Catalog, table: ResultTable, scope: str) -> str:
    """How many members are within the bounds: the number of rows, if all of them were kept."""
    dimension = catalog.dimension(intent.dimensions[0]) if len(intent.dimensions) == 1 and not intent.grain else None
    one, more = (dimension.label, dimension.plural) if dimension else ("row", "rows")
    if intent.grain and not intent.dimensions:
        one = intent.grain.replace("_", " ")
        more = f"{one}s"
    if table.truncated or intent.limit is not None:
        named = f"The first {more}" if intent.limit is not None else f"More {more} than can be listed"
        return f"{named}{scope}:"
    members = member_places(table)
    count = f"**{table.row_count:,} {one if table.row_count == 1 else more}**{scope}"
    if table.row_count > _NAMED_MAX:
        return f"{count}."
    return f"{count}: {listed([member_text(row, members) for row in table.rows])}."


def _spread(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    name = f"{metric.name}_share" if intent.share else metric.name
    place, members = table.place(name), member_places(table)
    label = table.columns[place].label
    verb = is_or_are(label)
    rows = [row for row in table.rows if row[place] is not None]
    high, low = _extremes(rows, place)
    against = f" (compared with {intent.against})" if intent.against else ""
    if high[place] == low[place]:
        return f"The {label}{scope} {verb} {bold(high, table, name)} for {member_text(high, members)}{against}."
    return (
        f"The {label}{scope} {verb} highest for **{member_text(high, members)}** with {bold(high, table, name)}"
        f" and lowest for **{member_text(low, members)}** with {bold(low, table, name)}{against}."
    )


def _extremes(rows: list[Row], place: int) -> tuple[Row, Row]:
    """The row with the highest and the one with the lowest number; there is at least one row."""
    by_number = sorted(rows, key=lambda row: number(row[place]) or Decimal(0))
    return next(row for row in by_number if row[place] == by_number[-1][place]), by_number[0]


def _series(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    place, members = table.place(metric.name), member_places(table)
    rows = [row for row in table.rows if row[place] is not None]
    name = metric.name
    if len(rows) == 1:
        return f"The {metric.label}{scope} {is_or_are(metric.label)} {bold(rows[0], table, name)}."
    first, last = rows[0], rows[-1]
    high, low = _extremes(rows, place)
    beside = f" Each {str(intent.grain).replace('_', ' ')} stands beside {intent.against}." if intent.compare else ""
    return (
        f"The {metric.label}{scope} went from {bold(first, table, name)} ({member_text(first, members)}) to"
        f" {bold(last, table, name)} ({member_text(last, members)}). It was highest in"
        f" {member_text(high, members)} with {plain(high, table, name)} and lowest in"
        f" {member_text(low, members)} with {plain(low, table, name)}.{beside}"
    )


def _several_series(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    group, time, place = (
        next(number for number, column in enumerate(table.columns) if column.kind == kind)
        for kind in ("dimension", "time", "metric")
    )
    column, clock = table.columns[place], table.columns[time]
    by_member: dict[Any, list[Row]] = {}
    for row in table.rows:
        if row[place] is not None:
            by_member.setdefault(row[group], []).append(row)
    members = [member for member in ranked(intent) if member in by_member] or list(by_member)
    lines = [f"The {metric.label} by {str(intent.grain).replace('_', ' ')}{scope}:", ""]
    for member in members:
        rows = by_member[member]
        name = NO_VALUE if member is None else str(member)
        begin = f"{with_unit(rows[0][place], column)} in {cell_text(rows[0][time], clock)}"
        end = f", {cell_text(rows[-1][place], column)} in {cell_text(rows[-1][time], clock)}" if len(rows) > 1 else ""
        lines.append(f"- **{name}**: {begin}{end}")
    return "\n".join(lines)


def is_side_by_side(intent: Intent, table: ResultTable) -> bool:
    """Whether this is a time series of a few members: those are read side by side."""
    kinds = [column.kind for column in table.columns]
    if (
        intent.superlative
        or intent.compare
        or intent.share
        or kinds.count("dimension") != 1
        or kinds.count("time") != 1
    ):
        return False
    return len({row[kinds.index("dimension")] for row in table.rows}) <= limits.CHART_SERIES_MAX


def ranked(intent: Intent) -> list[Any]:
    """The members asked for, in the order of the ranking they come from."""
    return [value for rule in intent.filters if rule.op == "in" for value in rule.values]
