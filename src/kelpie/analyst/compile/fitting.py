"""What goes with what: which metrics can be dated by which axis, looked at by which dimension, summed and shared."""

from kelpie.analyst.compile.expressions import expression, is_additive
from kelpie.analyst.compile.joins import entities_named, way
from kelpie.analyst.metric_query import Filter, MetricQuery
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import DefaultFilter, Dimension, Metric, SemanticModel, TimeAxis
from kelpie.errors import InvalidInput


def axes_of(model: SemanticModel, metric: Metric, dialect: str) -> list[TimeAxis]:
    """The time axes a flow or ratio may be dated by, the usual one first."""
    if metric.times:
        return [axis for name in metric.times if (axis := model.axis(name)) is not None]
    assert metric.entity is not None, "a flow counts rows"
    for axis in model.times:
        try:
            _check_reach(model, metric.entity, entities_named([expression(axis.expr, axis.line, dialect)]))
        except InvalidInput:
            continue
        return [axis]
    return []


def unreachable(model: SemanticModel, metric: Metric, dimension: Dimension, dialect: str) -> str | None:
    """Why the metric, which is no formula, can't be looked at by the dimension; None if it can."""
    assert metric.entity is not None, "a metric that is no formula counts rows"
    try:
        _check_reach(model, metric.entity, entities_named([expression(dimension.expr, dimension.line, dialect)]))
    except InvalidInput as error:
        return str(error)
    return None


def _check_reach(model: SemanticModel, entity: str, names: set[str]) -> None:
    for name in sorted(names):
        way(model, entity, name)


def separate_by(model: SemanticModel, metric: Metric) -> list[str]:
    """The dimensions that the metric, or a part of its formula, must never be summed across."""
    inside = [name for base in formulas.bases(model, metric) for name in base.separate_by]
    return list(dict.fromkeys([*metric.separate_by, *inside]))


def defaults_of(model: SemanticModel, query: MetricQuery) -> list[DefaultFilter]:
    """The default filters on dimensions that the query says nothing of."""
    named = {*query.dimensions, *(rule.dimension for rule in query.filters)}
    return [default for default in model.default_filters if default.dimension not in named]


def check_fit(model: SemanticModel, query: MetricQuery, dialect: str) -> None:
    """Raise InvalidInput if the metrics of `query`, all known, do not go with the rest of it."""
    for name in query.metrics:
        metric = model.metric(name)
        assert metric is not None, "checked before"
        _check_separate(model, query, metric)
        if query.share and not is_additive(model, metric, dialect):
            raise InvalidInput(f"'{name}' has no share: its values are no parts of a whole")
        bases = formulas.bases(model, metric)
        _check_dimensions(model, query, bases, dialect)
    _check_axis(model, query, dialect)


def _check_separate(model: SemanticModel, query: MetricQuery, metric: Metric) -> None:
    """No sum across currencies, unless the query says one or shows each."""
    for name in separate_by(model, metric):
        if name in query.share:
            raise InvalidInput(f"'{metric.name}' has no whole over '{name}': it is never summed across it")
        rules: list[Filter | DefaultFilter] = [*query.filters, *defaults_of(model, query)]
        fixed = any(rule.dimension == name and rule.op == "in" and len(set(rule.values)) == 1 for rule in rules)
        if not fixed and name not in query.dimensions:
            raise InvalidInput(
                f"'{metric.name}' is never summed across '{name}': add it to the dimensions, or filter to one value"
            )


def _check_dimensions(model: SemanticModel, query: MetricQuery, bases: list[Metric], dialect: str) -> None:
    for name in dict.fromkeys([*query.dimensions, *(rule.dimension for rule in query.filters)]):
        dimension = model.dimension(name)
        assert dimension is not None, "checked before"
        for base in bases:
            problem = unreachable(model, base, dimension, dialect)
            if problem:
                raise InvalidInput(f"'{base.name}' can't be looked at by '{name}': {problem}")


def _check_axis(model: SemanticModel, query: MetricQuery, dialect: str) -> None:
    metrics = [metric for name in query.metrics if (metric := model.metric(name))]
    flows = [base for metric in metrics for base in formulas.bases(model, metric) if base.kind != "stock"]
    if query.time is None or not flows:
        return
    offered = dict.fromkeys(axis.name for base in flows for axis in axes_of(model, base, dialect))
    if query.time not in offered:
        names = ", ".join(dict.fromkeys(base.name for base in flows))
        raise InvalidInput(f"{names} can't be dated by '{query.time}'; time axes: {', '.join(offered) or 'none'}")
