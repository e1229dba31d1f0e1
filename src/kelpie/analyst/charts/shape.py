"""Which columns of a result play which part, and which kind of chart fits that."""

import re
from functools import cached_property
from typing import Any, Literal, get_args

from kelpie.analyst import limits
from kelpie.analyst.charts.periods import Periods, periods_of
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.table import ResultColumn
from kelpie.errors import InvalidInput

ChartKind = Literal["bar", "column", "line", "grouped", "stacked", "heatmap", "scatter", "panels"]
CHART_KINDS: tuple[ChartKind, ...] = get_args(ChartKind)

# What a comparison or a share adds beside a metric: columns of these endings (see kelpie.analyst.metric_query).
BEFORE, CHANGE, SHARE = "_before", "_change", "_share"
_COLUMNS_MAX = 16  # a flow of more periods than these reads better as a line
_GROUPED_MEMBERS_MAX = 4
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:T00:00:00)?")


class Shape:
    """A result, looked at as something to draw. Raises InvalidInput if there is nothing to draw in it.

    time      the column whose rows follow each other in time, or None
    groups    columns whose values are members: carriers, plans
    measures  columns of numbers that were asked for; what stands beside them (before, change, …) is in `beside`
    """

    def __init__(self, query: StoredQuery) -> None:
        self.query = query
        self.columns = query.columns
        self.fields = plain_fields(query.columns)
        numbers = [column for column in query.columns if column.kind == "metric" or self._is_number(column)]
        self.time = next((c for c in query.columns if c.kind == "time" or self._is_date(c)), None)
        self.groups = [c for c in query.columns if c is not self.time and c not in numbers]
        self.measures = [column for column in numbers if not column.of]
        self._numbers = numbers
        if not self.measures or not query.rows:
            raise InvalidInput("there is no number to draw in this result")
        if not self.groups and self.time is None:
            raise InvalidInput("one number needs no chart; the sentence says it")
        if len(self.groups) > (2 if self.time is None else 1):
            raise InvalidInput("a chart shows a number by time, by two dimensions or by both; show this as a table")
        self.measure = self._ordered_by() or self.beside(self.measures[0], SHARE) or self.measures[0]
        if not any(isinstance(self.cell(row, self.measure), int | float) for row in query.rows):
            raise InvalidInput("there is no number to draw in this result")

    @property
    def depth(self) -> int:
        """How many columns the numbers are told apart by."""
        return len(self.groups) + (self.time is not None)

    def field(self, column: ResultColumn) -> str:
        return self.fields[self.columns.index(column)]

    def cell(self, row: list[Any], column: ResultColumn) -> Any:
        return row[self.columns.index(column)]

    def beside(self, measure: ResultColumn, ending: str) -> ResultColumn | None:
        """The column of `measure` with that ending, as `mrr_before` is of `mrr`."""
        return next((column for column in self._numbers if column.name == measure.name + ending), None)

    def members(self, column: ResultColumn) -> list[Any]:
        """The column's distinct values, in the order of the rows."""
        return list(dict.fromkeys(self.cell(row, column) for row in self.query.rows))

    @cached_property
    def periods(self) -> Periods:
        assert self.time is not None, "only asked with a time column"
        return periods_of(self.query, self.time)

    @property
    def is_ordered(self) -> bool:
        """Whether the rows stand in an order that somebody asked for."""
        return self.query.metric_query is None or bool(self.query.metric_query.get("order"))

    def is_additive(self, column: ResultColumn) -> bool:
        """Whether parts of this number add up to a whole that means something. Of plain SQL nobody knows."""
        if column.of:
            return is_share(column)
        basis = self.query.basis.columns.get(column.name)
        return not column.format.endswith("%") if basis is None else basis.is_additive

    def _ordered_by(self) -> ResultColumn | None:
        order = (self.query.metric_query or {}).get("order") or [{}]
        found = next((column for column in self._numbers if column.name == order[0].get("by")), None)
        if found is not None and found.of and found.name == found.of + CHANGE:
            # A change shows best between the two numbers that it lies between.
            return next((column for column in self._numbers if column.name == found.of), found)
        return found

    def _is_number(self, column: ResultColumn) -> bool:
        cells = self._cells(column)
        return bool(cells) and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in cells)

    def _is_date(self, column: ResultColumn) -> bool:
        cells = self._cells(column)
        return bool(cells) and all(isinstance(cell, str) and _DAY.fullmatch(cell) for cell in cells)

    def _cells(self, column: ResultColumn) -> list[Any]:
        """What is in a column of plain SQL, whose meaning only its values tell."""
        if column.kind != "value":
            return []
        return [
            row[self.columns.index(column)] for row in self.query.rows if row[self.columns.index(column)] is not None
        ]


def fitting_kind(shape: Shape) -> ChartKind:
    """The kind that shows this result best when nobody asked for one."""
    before = shape.beside(shape.measure, BEFORE)
    if shape.time is None:
        if len(shape.groups) == 1:
            return "grouped" if before is not None else "bar"
        sizes = [len(shape.members(group)) for group in shape.groups]
        return "grouped" if min(sizes) <= _GROUPED_MEMBERS_MAX and max(sizes) <= limits.CHART_BARS_MAX else "heatmap"
    periods = len(shape.periods.starts)
    if not shape.groups:
        if before is not None:
            return "grouped" if periods <= _COLUMNS_MAX // 2 else "line"
        return (
            "column"
            if shape.is_additive(shape.measure) and not _is_stock(shape) and 2 <= periods <= _COLUMNS_MAX
            else "line"
        )
    if len(shape.members(shape.groups[0])) > limits.CHART_SERIES_MAX:
        return "heatmap"
    return "stacked" if is_share(shape.measure) else "line"


def is_share(column: ResultColumn) -> bool:
    """Whether the column says which part of a whole each row is."""
    return bool(column.of) and column.name == column.of + SHARE


def _is_stock(shape: Shape) -> bool:
    basis = shape.query.basis.columns.get(shape.measure.name)
    return basis is not None and basis.kind == "stock"


def plain_fields(columns: list[ResultColumn]) -> list[str]:
    """The columns' names in the plotted data: their own, or a plain one where Vega could trip over dots or quotes."""
    fields: list[str] = []
    for number, column in enumerate(columns):
        plain = _PLAIN_NAME.fullmatch(column.name) and column.name not in fields
        fields.append(column.name if plain else f"column_{number + 1}")
    return fields
