"""Pieces of an answer: periods, filters, bounds, members."""

from decimal import Decimal
from typing import Any

from kelpie.analyst.catalog import Catalog, CatalogMetric
from kelpie.analyst.formats import cell_text, exact_number, number_text, with_unit
from kelpie.analyst.metric_query import Filter
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.english.words import listed, with_article
from kelpie.analyst.planner.reading.bounding import OPERATORS
from kelpie.analyst.table import ResultColumn, ResultTable

NO_VALUE = "(none)"
Row = list[Any]


def when(intent: Intent, catalog: Catalog) -> str:
    """ " in summer 2013 (June–August 2013)", or what the data cover if the question says nothing."""
    if not catalog.times:
        return ""
    by_axis = f" by {intent.axis}" if intent.axis and intent.period else ""
    metric = catalog.metric(intent.metrics[0])
    is_stock = metric is not None and metric.kind == "stock"
    if not intent.period:
        if is_stock and intent.grain is None:
            return f" on {metric.last}" if metric is not None and metric.last else ""
        return "" if is_stock else " over all the data"
    if " to " in intent.period:
        return f" from {intent.period}{by_axis}"
    if intent.first == intent.last:
        return f" on {intent.period}{by_axis}"
    return f" {'at the end of' if is_stock and intent.grain is None else 'in'} {intent.period}{by_axis}"


def of_what(intent: Intent, catalog: Catalog) -> str:
    """ " (carrier: JetBlue Airways)": the filters, or nothing. Members that are listed anyway are left out."""
    parts = [
        _rule(rule, catalog) for rule in intent.filters if not (rule.op == "in" and rule.dimension in intent.dimensions)
    ]
    return f" ({'; '.join(parts)})" if parts else ""


def _rule(rule: Filter, catalog: Catalog) -> str:
    dimension = catalog.dimension(rule.dimension)
    label = dimension.label if dimension else rule.dimension
    if None in rule.values and len(rule.values) > 1 and rule.dimension in [one.dimension for one in catalog.defaults]:
        return f"{dimension.plural if dimension else label} included"
    names = [NO_VALUE if value is None else ("yes" if value else "no") if isinstance(value, bool) else str(value)
             for value in rule.values]  # fmt: skip
    return (
        f"{label}: {'without ' if rule.op == 'not_in' else ''}{listed(names, 'and' if rule.op == 'not_in' else 'or')}"
    )


def with_bounds(intent: Intent, table: ResultTable) -> str:
    """ " with an MRR of more than 10,000": the bounds, or nothing."""
    parts = []
    for bound in intent.having:
        column = table.columns[table.place(bound.metric)]
        if bound.value == 0 and bound.metric.endswith("_change"):
            parts.append(f"where the {column.label} is {'above' if bound.op == 'gt' else 'below'} zero")
            continue
        value = number_text(bound.value, column.format if column.format.endswith("%") else "")
        unit = f" {column.unit}" if column.unit else ""
        how = OPERATORS[bound.op]
        parts.append(f"with {with_article(column.label)} of {how} {value}{unit}")
    return f" {listed(parts)}" if parts else ""


def number(cell: Any) -> Decimal | None:
    """The number in a cell of a metric; None for no value. Money that a float would change is a text there."""
    if isinstance(cell, bool) or cell is None:
        return None
    return Decimal(str(cell)) if isinstance(cell, int | float) else exact_number(cell)


def member_text(row: Row, places: list[tuple[int, ResultColumn]]) -> str:
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


def bold(row: Row, table: ResultTable, name: str) -> str:
    """A cell with its unit, in bold."""
    place = table.place(name)
    return f"**{with_unit(row[place], table.columns[place])}**"


def plain(row: Row, table: ResultTable, name: str) -> str:
    place = table.place(name)
    return cell_text(row[place], table.columns[place])


def of_kind(catalog: Catalog, intent: Intent) -> CatalogMetric:
    """The metric the answer is about."""
    metric = catalog.metric(intent.metrics[0])
    assert metric is not None, "the intent was made from this catalog"
    return metric
