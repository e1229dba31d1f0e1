"""Pieces of an answer: periods, filters, lists of names, Markdown tables."""

from collections.abc import Sequence
from typing import Any

from kelpie.analyst.catalog import Catalog
from kelpie.analyst.formats import cell_text, header_text
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.table import ResultColumn, ResultTable

TABLE_ROWS_SHOWN = 25
NO_VALUE = "(none)"


def listed(names: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def when(intent: Intent, catalog: Catalog) -> str:
    """ " in summer 2013 (June–August 2013)", or what the data cover if the question says nothing."""
    if catalog.time is None:
        return ""
    if not intent.period:
        return " over all the data"
    if " to " in intent.period:
        return f" from {intent.period}"
    return f" {'on' if intent.first == intent.last else 'in'} {intent.period}"


def of_what(intent: Intent, catalog: Catalog) -> str:
    """ " (carrier: JetBlue Airways)": the filters, or nothing. Members that are listed anyway are left out."""
    parts = []
    for rule in intent.filters:
        if rule.op == "in" and rule.dimension in intent.dimensions:
            continue
        dimension = catalog.dimension(rule.dimension)
        names = [NO_VALUE if value is None else str(value) for value in rule.values]
        label = dimension.label if dimension else rule.dimension
        parts.append(f"{label}: {'without ' if rule.op == 'not_in' else ''}{listed(names)}")
    return f" ({'; '.join(parts)})" if parts else ""


def member_text(row: list[Any], places: list[tuple[int, ResultColumn]]) -> str:
    """What a row is about: its dimensions and its period."""
    return ", ".join(_member(row[place], column) for place, column in places)


def _member(value: Any, column: ResultColumn) -> str:
    if value is None:
        return NO_VALUE
    text = cell_text(value, column)
    # "highest for 19" says nothing: a number needs the name of what it counts.
    return f"{column.label} {text}" if column.kind == "dimension" and isinstance(value, int | float) else text


def member_places(table: ResultTable) -> list[tuple[int, ResultColumn]]:
    return [(place, column) for place, column in enumerate(table.columns) if column.kind in ("dimension", "time")]


def rows_as_markdown(table: ResultTable) -> str:
    """The first rows, one line each."""
    heads = [header_text(column) for column in table.columns]
    lines = [
        [NO_VALUE if cell is None and column.kind == "dimension" else cell_text(cell, column)
         for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows[:TABLE_ROWS_SHOWN]
    ]  # fmt: skip
    numeric = [column.kind == "metric" or _all_numbers(table, place) for place, column in enumerate(table.columns)]
    return markdown(heads, lines, numeric)


def series_as_markdown(table: ResultTable, order: Sequence[Any]) -> str:
    """A time series by one dimension: a row for each period, a column for each member, in `order`."""
    group, time, metric = (
        next(place for place, column in enumerate(table.columns) if column.kind == kind)
        for kind in ("dimension", "time", "metric")
    )
    found = list(dict.fromkeys(row[group] for row in table.rows))
    members = [member for member in order if member in found] + [member for member in found if member not in order]
    periods = list(dict.fromkeys(row[time] for row in table.rows))
    cells = {(row[time], row[group]): row[metric] for row in table.rows}
    heads = [header_text(table.columns[time]), *(NO_VALUE if member is None else str(member) for member in members)]
    lines = [
        [cell_text(period, table.columns[time])]
        + [cell_text(cells.get((period, member)), table.columns[metric]) for member in members]
        for period in periods[:TABLE_ROWS_SHOWN]
    ]
    return markdown(heads, lines, [False] + [True] * len(members))


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rule = "|" + "|".join("---:" if is_number else "---" for is_number in numeric) + "|"
    return "\n".join([row(heads), rule, *map(row, lines)])


def _all_numbers(table: ResultTable, place: int) -> bool:
    cells = [row[place] for row in table.rows if row[place] is not None]
    return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)
