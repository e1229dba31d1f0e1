"""MetricQuery -> SQL. The same query gives the same text, every time: it is built as a tree, never pasted together.

Joins follow from the entities that the expressions name: each is added once, on the way from the entity whose rows
are counted. Since joins lead to at most one row, they can't multiply what is counted.
"""

import datetime as dt

import msgspec
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from kelpie.analyst.guard import DIALECT
from kelpie.analyst.metric_query import Filter, MetricQuery, Value, check_query, day
from kelpie.analyst.semantic.model import Entity, Join, Metric, SemanticModel
from kelpie.analyst.table import ResultColumn
from kelpie.errors import InvalidInput, InvalidModel


class Compiled(msgspec.Struct, frozen=True):
    sql: str
    columns: list[ResultColumn]


def compile_query(model: SemanticModel, query: MetricQuery) -> Compiled:
    """The SQL and what its columns mean. Raises InvalidInput if `query` asks for what `model` does not have."""
    check_query(model, query)
    metrics = [metric for name in query.metrics if (metric := model.metric(name)) is not None]
    dimensions = [dimension for name in query.dimensions if (dimension := model.dimension(name)) is not None]
    groups = [(d.name, expression(d.expr, d.line)) for d in dimensions]
    columns = [ResultColumn(name=d.name, kind="dimension", label=d.label, type=d.type) for d in dimensions]
    if query.grain is not None and model.time is not None:
        groups.append((query.grain, _truncated(expression(model.time.expr, model.time.line), query.grain)))
        columns.append(ResultColumn(name=query.grain, kind="time", label=query.grain, type="date", grain=query.grain))
    values = [(metric.name, metric_expression(metric)) for metric in metrics]
    columns += [
        ResultColumn(name=m.name, kind="metric", label=m.label, type="number", unit=m.unit, format=m.format)
        for m in metrics
    ]
    conditions = [_condition(model, rule) for rule in query.filters] + _time_conditions(model, query)
    select = select_over(model, metrics[0].entity, [*groups, *values], conditions)
    order = _order(query, [name for name, _ in groups])
    if groups:
        select = select.group_by(*(exp.Literal.number(place + 1) for place in range(len(groups))), copy=False)
    if order:
        select = select.order_by(*order, copy=False)
    if query.limit is not None:
        select = select.limit(query.limit, copy=False)
    return Compiled(select.sql(dialect=DIALECT, pretty=True), columns)


def select_over(
    model: SemanticModel, base: str, columns: list[tuple[str, exp.Expr]], conditions: list[exp.Expr] | None = None
) -> exp.Select:
    """`columns` of the rows of the entity `base`, with the joins that their expressions and `conditions` need."""
    select = exp.select(*(exp.alias_(tree, name, quoted=True) for name, tree in columns))
    select = _from(model, select, base, [*(tree for _, tree in columns), *(conditions or [])])
    return select.where(*conditions, copy=False) if conditions else select


def base_of(model: SemanticModel, trees: list[exp.Expr]) -> str:
    """The first entity some metric counts from which all that `trees` name can be reached. Raises InvalidInput."""
    problem: InvalidInput | None = None
    for metric in model.metrics:
        try:
            for name in {column.table for tree in trees for column in tree.find_all(exp.Column)}:
                _way(model, metric.entity, name)
        except InvalidInput as error:
            problem = problem or error
        else:
            return metric.entity
    assert problem is not None, "a model has at least one metric"
    raise problem


def expression(text: str, line: int) -> exp.Expr:
    """One SQL expression over `entity.column`s. Raises InvalidModel with `line`."""
    try:
        tree = sqlglot.parse_one(text, dialect=DIALECT, into=exp.Condition)
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise InvalidModel(f"line {line}: '{text}' is not an SQL expression") from error
    if not isinstance(tree, exp.Condition | exp.Filter | exp.WithinGroup | exp.AtTimeZone):
        raise InvalidModel(f"line {line}: '{text}' is not an SQL expression")
    for column in tree.find_all(exp.Column):
        if not column.table or column.db:
            raise InvalidModel(f"line {line}: write '{column.sql()}' as entity.column")
    return tree


def metric_expression(metric: Metric) -> exp.Expr:
    """The aggregate, with the metric's filters on every aggregate in it; a ratio is null where nothing is below."""
    conditions = [expression(text, metric.line) for text in metric.filters]
    if metric.kind == "flow":
        return _filtered(expression(metric.expr or "", metric.line), conditions)
    above = _filtered(expression(metric.numerator or "", metric.line), conditions)
    below = _filtered(expression(metric.denominator or "", metric.line), conditions)
    return exp.Div(
        this=exp.paren(above), expression=exp.func("NULLIF", below, exp.Literal.number(0)), typed=False, safe=False
    )


def _filtered(tree: exp.Expr, conditions: list[exp.Expr]) -> exp.Expr:
    if not conditions:
        return tree

    def add_filter(node: exp.Expr) -> exp.Expr:
        # A replaced node is not entered again: the aggregate inside a filter is met only through its filter.
        if isinstance(node, exp.Filter):
            own = node.expression.this
            return exp.Filter(this=node.this.copy(), expression=exp.Where(this=exp.and_(own, *conditions)))
        if isinstance(node, exp.AggFunc):
            return exp.Filter(this=node.copy(), expression=exp.Where(this=exp.and_(*conditions)))
        return node

    return tree.transform(add_filter)


def _truncated(tree: exp.Expr, grain: str) -> exp.Expr:
    return exp.cast(exp.func("DATE_TRUNC", exp.Literal.string(grain), tree, dialect=DIALECT), "DATE")


def _condition(model: SemanticModel, rule: Filter) -> exp.Expr:
    dimension = model.dimension(rule.dimension)
    assert dimension is not None, "checked before"
    tree = expression(dimension.expr, dimension.line)
    literals = [_literal(value, dimension.type, dimension.name) for value in rule.values if value is not None]
    tests: list[exp.Expr] = [exp.In(this=tree.copy(), expressions=literals)] if literals else []
    if None in rule.values:
        tests.append(exp.Is(this=tree.copy(), expression=exp.Null()))
    found = exp.or_(*tests)
    # A row without a value is not in a list of values; SQL's NOT would drop it.
    return found if rule.op == "in" else exp.Not(this=exp.func("COALESCE", exp.paren(found), exp.false()))


def _literal(value: Value, kind: str, dimension: str) -> exp.Expr:
    if kind == "text" and isinstance(value, str):
        return exp.Literal.string(value)
    if kind == "boolean" and isinstance(value, bool):
        return exp.Boolean(this=value)
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return exp.Literal.number(value)
    raise InvalidInput(f"'{value}' can't be a value of '{dimension}', which holds {kind} values")


def _time_conditions(model: SemanticModel, query: MetricQuery) -> list[exp.Expr]:
    first, last = day(query.time_from, "time_from"), day(query.time_to, "time_to")
    if model.time is None or not (first or last):
        return []
    tree = expression(model.time.expr, model.time.line)
    conditions: list[exp.Expr] = []
    if first:
        conditions.append(exp.GTE(this=tree.copy(), expression=_date(first)))
    if last:  # the day after, so that the last day counts whole where the axis is a timestamp
        conditions.append(exp.LT(this=tree.copy(), expression=_date(last + dt.timedelta(days=1))))
    return conditions


def _date(value: dt.date) -> exp.Expr:
    return exp.cast(exp.Literal.string(value.isoformat()), "DATE")


def _from(model: SemanticModel, select: exp.Select, base: str, trees: list[exp.Expr]) -> exp.Select:
    needed = {column.table for tree in trees for column in tree.find_all(exp.Column)}
    reached = {base}
    entity = model.entity(base)
    assert entity is not None, "checked when the model was read"
    select = select.from_(table_of(entity), copy=False)
    for name in sorted(needed):
        for join in _way(model, base, name):
            if join.target in reached:
                continue
            target = model.entity(join.target)
            assert target is not None, "checked when the model was read"
            on = expression(join.on, join.line)
            select = select.join(table_of(target), on=on, join_type="left", copy=False)
            reached.add(join.target)
    return select


def _way(model: SemanticModel, base: str, name: str) -> list[Join]:
    """The joins from `base` to `name`, in order. Raises InvalidInput if there is no way."""
    way: list[Join] = []
    at = name
    while at != base:
        join = next((join for join in model.joins if join.target == at), None)
        if join is None or join in way:
            raise InvalidInput(f"'{name}' can't be reached from '{base}': no join leads there")
        way.append(join)
        at = join.source
    return way[::-1]


def table_of(entity: Entity) -> exp.Expr:
    """The entity's table under the entity's name."""
    table = exp.Table(this=exp.to_identifier(entity.table, quoted=True))
    return exp.alias_(table, entity.name, table=True, quoted=True)


def _order(query: MetricQuery, groups: list[str]) -> list[exp.Expr]:
    """What was asked for, then every group: no two rows are equal in it, so the order is always the same one."""
    asked = [(order.by, order.direction == "desc") for order in query.order]
    named = {name for name, _ in asked}
    time_first = sorted((name for name in groups if name not in named), key=lambda name: name != query.grain)
    return [
        exp.Ordered(this=exp.column(name, quoted=True), desc=desc, nulls_first=False)
        for name, desc in (*asked, *((name, False) for name in time_first))
    ]
