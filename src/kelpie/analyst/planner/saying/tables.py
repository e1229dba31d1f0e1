"""Results as Markdown tables."""

from collections.abc import Sequence
from typing import Any

from kelpie.analyst.formats import cell_text, header_text
from kelpie.analyst.planner.saying.phrases import NO_VALUE, number
from kelpie.analyst.table import ResultTable

TABLE_ROWS_SHOWN = 25


def rows_as_markdown(table: ResultTable, *, newest: bool = False) -> str:
    """The first rows, one line each; the last ones where the `newest` of a development matter most."""
    heads = [header_text(column) for column in table.columns]
    lines = [
        [NO_VALUE if cell is None and column.kind == "dimension" else cell_text(cell, column)
         for cell, column in zip(row, table.columns, strict=True)]
        for row in (table.rows[-TABLE_ROWS_SHOWN:] if newest else table.rows[:TABLE_ROWS_SHOWN])
    ]  # fmt: skip
    numeric = [column.kind == "metric" or _all_numbers(table, place) for place, column in enumerate(table.columns)]
    return markdown(heads, lines, numeric)


def series_as_markdown(table: ResultTable, order: Sequence[Any]) -> str:
    """A time series by one dimension: a row for each period, a column for each member, in `order`.
    Of a long one the last periods."""
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
        for period in periods[-TABLE_ROWS_SHOWN:]
    ]
    return markdown(heads, lines, [False] + [True] * len(members))


def markdown(heads: Sequence[str], lines: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    def row(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rule = "|" + "|".join("---:" if is_number else "---" for is_number in numeric) + "|"
    return "\n".join([row(heads), rule, *map(row, lines)])


def _all_numbers(table: ResultTable, place: int) -> bool:
    cells = [row[place] for row in table.rows if row[place] is not None]
    return bool(cells) and all(not isinstance(cell, str) and number(cell) is not None for cell in cells)
