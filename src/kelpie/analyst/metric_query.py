"""A question in the words of a semantic model, before any SQL: which metrics, by what, of what, when."""

import datetime as dt
from typing import Any, Literal

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.semantic.model import Grain, SemanticModel
from kelpie.errors import InvalidInput, LimitExceeded

FilterOp = Literal["in", "not_in"]
Value = str | int | float | bool | None


class Filter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rows whose `dimension` is (or is not) one of `values`; null stands for rows without a value."""

    dimension: str
    values: list[Value]
    op: FilterOp = "in"


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    by: str  # a metric, dimension or grain of the query
    direction: Literal["asc", "desc"] = "desc"


class MetricQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`time_from` and `time_to` are days, YYYY-MM-DD, both included."""

    metrics: list[str]
    dimensions: list[str] = []
    filters: list[Filter] = []
    time_from: str | None = None
    time_to: str | None = None
    grain: Grain | None = None
    order: list[Order] = []
    limit: int | None = None


def metric_query(arguments: dict[str, Any]) -> MetricQuery:
    """The query from plain data. Raises InvalidInput that names the field."""
    try:
        return msgspec.convert(arguments, MetricQuery)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the query is not well formed: {error}") from error


def check_query(model: SemanticModel, query: MetricQuery) -> None:
    """Raise InvalidInput or LimitExceeded if `query` asks for what `model` does not have."""
    _check_sizes(query)
    known = ", ".join(metric.name for metric in model.metrics)
    if not query.metrics:
        raise InvalidInput(f"name at least one metric; known metrics: {known}")
    for name in query.metrics:
        if model.metric(name) is None:
            raise InvalidInput(f"there is no metric '{name}'; known metrics: {known}")
    entities = {metric.entity for metric in model.metrics if metric.name in query.metrics}
    if len(entities) > 1:
        raise InvalidInput(f"these metrics count different things ({', '.join(sorted(entities))}): ask for them apart")
    for name in (*query.dimensions, *(rule.dimension for rule in query.filters)):
        if model.dimension(name) is None:
            names = ", ".join(dimension.name for dimension in model.dimensions)
            raise InvalidInput(f"there is no dimension '{name}'; known dimensions: {names}")
    columns = [*query.dimensions, *([query.grain] if query.grain else []), *query.metrics]
    if len(set(columns)) != len(columns):
        raise InvalidInput("a metric or dimension is asked for twice")
    for order in query.order:
        if order.by not in columns:
            raise InvalidInput(f"can't order by '{order.by}': it is not asked for; asked for: {', '.join(columns)}")
    _check_time(model, query)


def _check_sizes(query: MetricQuery) -> None:
    for what, size, most in (
        ("the query's metrics", len(query.metrics), limits.METRICS_PER_QUERY_MAX),
        ("the query's dimensions", len(query.dimensions), limits.DIMENSIONS_PER_QUERY_MAX),
        ("the query's filters", len(query.filters), limits.FILTERS_PER_QUERY_MAX),
        *(("a filter", len(rule.values), limits.FILTER_VALUES_MAX) for rule in query.filters),
        ("the limit", query.limit or 0, limits.QUERY_ROWS_MAX),
    ):
        if size > most:
            raise LimitExceeded(what, size, most, "entries")
    if query.limit is not None and query.limit < 1:
        raise InvalidInput(f"the limit is {query.limit}; it must be at least 1")
    if any(not rule.values for rule in query.filters):
        raise InvalidInput("a filter needs at least one value")


def _check_time(model: SemanticModel, query: MetricQuery) -> None:
    if query.grain is None and query.time_from is None and query.time_to is None:
        return
    if model.time is None:
        raise InvalidInput("this semantic model has no time axis: leave grain, time_from and time_to out")
    if query.grain is not None and query.grain not in model.time.grains:
        raise InvalidInput(f"the grain '{query.grain}' is not offered; grains: {', '.join(model.time.grains)}")
    first, last = day(query.time_from, "time_from"), day(query.time_to, "time_to")
    if first and last and first > last:
        raise InvalidInput(f"time_from {first} is after time_to {last}")


def day(text: str | None, what: str) -> dt.date | None:
    """The date in `text`. Raises InvalidInput."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{what} is '{text}'; write a day as YYYY-MM-DD") from error
