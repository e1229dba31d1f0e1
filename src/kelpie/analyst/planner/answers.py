"""Results -> what the planner says. Every number is a cell's own text; `checked` proves it before anything is shown."""

from collections.abc import Sequence
from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog, CatalogMetric
from kelpie.analyst.formats import cell_text, with_unit
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.phrases import (
    NO_VALUE,
    TABLE_ROWS_SHOWN,
    listed,
    member_places,
    member_text,
    of_what,
    rows_as_markdown,
    series_as_markdown,
    when,
)
from kelpie.analyst.provenance import link_numbers
from kelpie.analyst.table import ResultTable

_RUNNERS_UP = 2


def answer(intent: Intent, catalog: Catalog, table: ResultTable, notes: Sequence[str]) -> str:
    """The answer to `intent` from its result. Raises NumberWithoutSource if a number in it has no cell: our bug."""
    metric = catalog.metric(intent.metrics[0])
    assert metric is not None, "the intent was made from this catalog"
    scope = of_what(intent, catalog) + when(intent, catalog)
    stated = [*_stated(intent, catalog, scope), *notes]
    if not table.rows or all(row[table.place(metric.name)] is None for row in table.rows):
        return checked(f"There are no {metric.counts} with a {metric.label}{scope}: nothing to show.", [table], stated)
    parts = [_sentence(intent, metric, table, scope)]
    parts += _cautions(metric, table)
    if len(table.rows) > 1 or len(table.columns) > 2:
        parts.append(
            series_as_markdown(table, _ranked(intent)) if _is_side_by_side(intent, table) else rows_as_markdown(table)
        )
    if len(table.rows) > TABLE_ROWS_SHOWN and not _is_side_by_side(intent, table):
        parts.append(f"(The first rows of {table.row_count}; all of them are kept under the query.)")
    parts += [*notes, f"Source: {table.query_id}"]
    return checked("\n\n".join(parts), [table], stated)


def sql_answer(table: ResultTable) -> str:
    """The result of SQL that the user wrote, as it is."""
    if not table.rows:
        return f"The query ran and gave no rows.\n\nSource: {table.query_id}"
    parts = ["This is what your query gives:", rows_as_markdown(table)]
    if table.row_count > TABLE_ROWS_SHOWN:
        more = ", and there are more than were kept" if table.truncated else ""
        parts.append(f"(The first rows of {table.row_count}{more}.)")
    parts.append(f"Source: {table.query_id}")
    return checked("\n\n".join(parts), [table], [])


def checked(text: str, tables: list[ResultTable], stated: list[str]) -> str:
    """`text`, once each of its numbers was found in `tables`. Raises NumberWithoutSource."""
    link_numbers(text, tables, stated)
    return text


def _stated(intent: Intent, catalog: Catalog, scope: str) -> list[str]:
    """What the question fixed: numbers in it are not results."""
    labels = [metric.label for metric in catalog.metrics] + [metric.unit for metric in catalog.metrics]
    return [scope.strip(), scope, intent.period, *labels]


def _sentence(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    groups = [column for column in table.columns if column.kind == "dimension"]
    if not groups and intent.grain is None:
        return _scalar(metric, table, scope)
    if intent.superlative:
        return _ranking(intent, metric, table, scope)
    if intent.grain is not None and not groups:
        return _series(metric, table, scope)
    if _is_side_by_side(intent, table):
        return _several_series(intent, metric, table, scope)
    return _spread(metric, table, scope)


def _scalar(metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    place = table.place(metric.name)
    others = [
        f"{column.label} {with_unit(table.rows[0][other], column)}"
        for other, column in enumerate(table.columns)
        if other != place
    ]
    beside = f" ({listed(others)})" if others else ""
    value = with_unit(table.rows[0][place], table.columns[place])
    return f"The {metric.label}{scope} is **{value}**{beside}."


def _ranking(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    place, members = table.place(metric.name), member_places(table)
    column = table.columns[place]
    rows = [row for row in table.rows if row[place] is not None]
    best = f"**{member_text(rows[0], members)}** had the {intent.superlative} {metric.label}{scope}"
    sentence = f"{best}: **{with_unit(rows[0][place], column)}**"
    behind = [f"{member_text(row, members)} ({cell_text(row[place], column)})" for row in rows[1 : 1 + _RUNNERS_UP]]
    return f"{sentence}, followed by {listed(behind)}." if behind else f"{sentence}."


def _spread(metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    place, members = table.place(metric.name), member_places(table)
    column = table.columns[place]
    rows = [row for row in table.rows if row[place] is not None]
    high, low = max(rows, key=lambda row: row[place]), min(rows, key=lambda row: row[place])
    if high[place] == low[place]:
        return f"The {metric.label}{scope} is **{with_unit(high[place], column)}** for {member_text(high, members)}."
    return (
        f"The {metric.label}{scope} is highest for **{member_text(high, members)}** with"
        f" **{with_unit(high[place], column)}** and lowest for **{member_text(low, members)}** with"
        f" **{with_unit(low[place], column)}**."
    )


def _series(metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    place, members = table.place(metric.name), member_places(table)
    column = table.columns[place]
    rows = [row for row in table.rows if row[place] is not None]
    if len(rows) == 1:
        return f"The {metric.label}{scope} is **{with_unit(rows[0][place], column)}**."
    first, last = rows[0], rows[-1]
    high, low = max(rows, key=lambda row: row[place]), min(rows, key=lambda row: row[place])
    return (
        f"The {metric.label}{scope} went from **{with_unit(first[place], column)}** ({member_text(first, members)}) to"
        f" **{with_unit(last[place], column)}** ({member_text(last, members)}). It was highest in"
        f" {member_text(high, members)} with {with_unit(high[place], column)} and lowest in"
        f" {member_text(low, members)} with {with_unit(low[place], column)}."
    )


def _several_series(intent: Intent, metric: CatalogMetric, table: ResultTable, scope: str) -> str:
    group, time, place = (
        next(number for number, column in enumerate(table.columns) if column.kind == kind)
        for kind in ("dimension", "time", "metric")
    )
    column, clock = table.columns[place], table.columns[time]
    by_member: dict[Any, list[list[Any]]] = {}
    for row in table.rows:
        if row[place] is not None:
            by_member.setdefault(row[group], []).append(row)
    members = [member for member in _ranked(intent) if member in by_member] or list(by_member)
    lines = [f"The {metric.label} by {intent.grain}{scope}:", ""]
    for member in members:
        rows = by_member[member]
        name = NO_VALUE if member is None else str(member)
        begin = f"{with_unit(rows[0][place], column)} in {cell_text(rows[0][time], clock)}"
        end = f", {cell_text(rows[-1][place], column)} in {cell_text(rows[-1][time], clock)}" if len(rows) > 1 else ""
        lines.append(f"- **{name}**: {begin}{end}")
    return "\n".join(lines)


def _cautions(metric: CatalogMetric, table: ResultTable) -> list[str]:
    """Members whose number stands on few rows, said aloud: an average of six is no average of thousands."""
    names = [column.name for column in table.columns]
    if metric.support is None or metric.support not in names or not metric.support_few:
        return []
    support, members = table.place(metric.support), member_places(table)
    few = [row for row in table.rows if isinstance(row[support], int) and 0 < row[support] < metric.support_few]
    if not few:
        return []
    label = table.columns[support].label
    told = [f"{member_text(row, members)} ({cell_text(row[support], table.columns[support])})" for row in few[:3]]
    if not members:
        return [f"This stands on few cases ({label}): {cell_text(few[0][support], table.columns[support])}."]
    more = " and others" if len(few) > len(told) else ""
    return [f"Some of this stands on few cases ({label}): {listed(told)}{more}."]


def _is_side_by_side(intent: Intent, table: ResultTable) -> bool:
    """Whether this is a time series of a few members: those are read side by side."""
    kinds = [column.kind for column in table.columns]
    if intent.superlative or kinds.count("dimension") != 1 or kinds.count("time") != 1:
        return False
    return len({row[kinds.index("dimension")] for row in table.rows}) <= limits.CHART_SERIES_MAX


def _ranked(intent: Intent) -> list[Any]:
    """The members asked for, in the order of the ranking they come from."""
    return [value for rule in intent.filters if rule.op == "in" for value in rule.values]
