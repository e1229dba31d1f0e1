"""A question in the words of a semantic model, before any SQL: which metrics, by what, of what, when."""

import datetime as dt
import math
from typing import Any, Literal

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.semantic.model import FISCAL_GRAINS, Grain, SemanticModel
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


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Only rows of the result whose `metric` is so. A percentage is written as its fraction."""

    metric: str
    op: Literal["gt", "gte", "lt", "lte", "eq", "ne"]
    value: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Every metric beside its value before: columns `<metric>_before`, `_change` (new - before), `_growth` (of before).

    with_  "previous_period" is the time just before, as long as the query's; with a grain, the row before.
           "previous_year" is a year earlier. "period" is `time_from` to `time_to`.
    """

    with_: Literal["previous_period", "previous_year", "period"] = msgspec.field(name="with")
    time_from: str | None = None
    time_to: str | None = None


class MetricQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`time_from` and `time_to` are days, YYYY-MM-DD, both included.

    time   the time axis, where the metrics may be dated by several
    share  dimensions of the query (grouped or filtered) whose whole each row is a part of: a column `<metric>_share`,
           the row's value over that of all values of these dimensions
    """

    metrics: list[str]
    dimensions: list[str] = []
    filters: list[Filter] = []
    time_from: str | None = None
    time_to: str | None = None
    time: str | None = None
    grain: Grain | None = None
    compare: Comparison | None = None
    share: list[str] = []
    having: list[Condition] = []
    order: list[Order] = []
    limit: int | None = None


def metric_query(arguments: dict[str, Any]) -> MetricQuery:
    """The query from plain data. Raises InvalidInput that names the field."""
    try:
        return msgspec.convert(arguments, MetricQuery)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"the query is not well formed: {error}") from error


def measures_of(query: MetricQuery, name: str) -> list[str]:
    """The columns that the metric `name` has in the result: its own, then what it is compared with, then its share."""
    compared = [f"{name}_{part}" for part in ("before", "change", "growth")] if query.compare else []
    return [name, *compared, *([f"{name}_share"] if query.share else [])]


def check_query(model: SemanticModel, query: MetricQuery) -> None:
    """Raise InvalidInput or LimitExceeded if `query` asks for what `model` does not have."""
    _check_sizes(query)
    known = ", ".join(metric.name for metric in model.metrics)
    if not query.metrics:
        raise InvalidInput(f"name at least one metric; known metrics: {known}")
    for name in query.metrics:
        if model.metric(name) is None:
            raise InvalidInput(f"there is no metric '{name}'; known metrics: {known}")
    for name in (*query.dimensions, *(rule.dimension for rule in query.filters)):
        if model.dimension(name) is None:
            names = ", ".join(dimension.name for dimension in model.dimensions)
            raise InvalidInput(f"there is no dimension '{name}'; known dimensions: {names}")
    _check_time(model, query)
    _check_share(query)
    _check_columns(query)


def _check_sizes(query: MetricQuery) -> None:
    for what, size, most in (
        ("the query's metrics", len(query.metrics), limits.METRICS_PER_QUERY_MAX),
        ("the query's dimensions", len(query.dimensions), limits.DIMENSIONS_PER_QUERY_MAX),
        ("the query's filters", len(query.filters), limits.FILTERS_PER_QUERY_MAX),
        *(("a filter", len(rule.values), limits.FILTER_VALUES_MAX) for rule in query.filters),
        ("the query's conditions", len(query.having), limits.CONDITIONS_PER_QUERY_MAX),
        ("the limit", query.limit or 0, limits.QUERY_ROWS_MAX),
    ):
        if size > most:
            raise LimitExceeded(what, size, most, "entries")
    if query.limit is not None and query.limit < 1:
        raise InvalidInput(f"the limit is {query.limit}; it must be at least 1")
    if any(not rule.values for rule in query.filters):
        raise InvalidInput("a filter needs at least one value")


def _check_time(model: SemanticModel, query: MetricQuery) -> None:
    if query.time is not None and model.axis(query.time) is None:
        known = ", ".join(axis.name for axis in model.times) or "none"
        raise InvalidInput(f"there is no time axis '{query.time}'; time axes: {known}")
    if query.grain in FISCAL_GRAINS and model.fiscal is None:
        raise InvalidInput(f"this semantic model has no fiscal year: '{query.grain}' is not offered")
    first, last = day(query.time_from, "time_from"), day(query.time_to, "time_to")
    if first and last and first > last:
        raise InvalidInput(f"time_from {first} is after time_to {last}")
    if query.compare is not None:
        _check_comparison(query.compare)


def _check_comparison(compare: Comparison) -> None:
    first, last = day(compare.time_from, "compare.time_from"), day(compare.time_to, "compare.time_to")
    if compare.with_ != "period" and (first or last):
        raise InvalidInput(f"a comparison with the {compare.with_.replace('_', ' ')} finds its days by itself")
    if first and last and first > last:
        raise InvalidInput(f"the comparison's time_from {first} is after its time_to {last}")


def _check_share(query: MetricQuery) -> None:
    asked = [*query.dimensions, *(rule.dimension for rule in query.filters)]
    for name in query.share:
        if name not in asked:
            raise InvalidInput(f"a share over '{name}' needs it among the dimensions or the filters")
    if len(set(query.share)) != len(query.share):
        raise InvalidInput("a dimension is named twice in `share`")


def _check_columns(query: MetricQuery) -> None:
    groups = [*query.dimensions, *([query.grain] if query.grain else [])]
    measures = [column for name in query.metrics for column in measures_of(query, name)]
    columns = [*groups, *measures]
    if len(set(columns)) != len(columns):
        raise InvalidInput("a metric or dimension is asked for twice")
    for order in query.order:
        if order.by not in columns:
            raise InvalidInput(f"can't order by '{order.by}': it is not asked for; asked for: {', '.join(columns)}")
    if len({order.by for order in query.order}) != len(query.order):
        raise InvalidInput("a column is named twice in `order`")
    for condition in query.having:
        if condition.metric not in measures:
            raise InvalidInput(f"'{condition.metric}' is not asked for; asked for: {', '.join(measures)}")
        if not math.isfinite(condition.value):
            raise InvalidInput(f"the condition on '{condition.metric}' needs a number, not {condition.value}")


def day(text: str | None, what: str) -> dt.date | None:
    """The date in `text`. Raises InvalidInput."""
    if text is None:
        return None
    try:
        found = dt.date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{what} is '{text}'; write a day as YYYY-MM-DD") from error
    if found.isoformat() != text:
        raise InvalidInput(f"{what} is '{text}'; write a day as YYYY-MM-DD")
    if not limits.YEAR_MIN <= found.year <= limits.YEAR_MAX:
        raise InvalidInput(f"{what} is {text}; years are {limits.YEAR_MIN} to {limits.YEAR_MAX}")
    return found
