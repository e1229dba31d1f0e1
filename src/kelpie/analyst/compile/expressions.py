"""The model's SQL texts as trees: expressions over `entity.column`, aggregates with their filters, formulas."""

import ast
import math

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from kelpie.analyst.compile.dialects import is_keyword, ratio
from kelpie.analyst.metric_query import Filter, Value
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Metric, SemanticModel
from kelpie.errors import InvalidInput, InvalidModel

_OPERATIONS: dict[type[ast.operator], type[exp.Binary]] = {ast.Add: exp.Add, ast.Sub: exp.Sub, ast.Mult: exp.Mul}


def expression(text: str, line: int, dialect: str = "duckdb") -> exp.Expr:
    """One SQL expression over `entity.column`s. Raises InvalidModel with `line`."""
    try:
        tree = sqlglot.parse_one(text, dialect=dialect, into=exp.Condition)
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise InvalidModel(f"line {line}: '{text}' is not an SQL expression") from error
    if not isinstance(tree, exp.Condition | exp.Filter | exp.WithinGroup | exp.AtTimeZone):
        raise InvalidModel(f"line {line}: '{text}' is not an SQL expression")
    for column in tree.find_all(exp.Column):
        if not column.table or column.db or column.table.startswith("_"):
            raise InvalidModel(f"line {line}: write '{column.sql()}' as entity.column")
        if is_keyword(column.table, dialect):  # an entity may be called order
            column.args["table"].set("quoted", True)
    return tree


def aggregate(metric: Metric, dialect: str = "duckdb") -> exp.Expr:
    """The metric's aggregate, with its filters on every aggregate in it; a ratio is null where nothing is below.

    `metric` is no formula: those are made of results (`formula_tree`).
    """
    conditions = [expression(text, metric.line, dialect) for text in metric.filters]
    if metric.kind != "ratio":
        return _filtered(expression(metric.expr or "", metric.line, dialect), conditions, dialect)
    above = _filtered(expression(metric.numerator or "", metric.line, dialect), conditions, dialect)
    below = _filtered(expression(metric.denominator or "", metric.line, dialect), conditions, dialect)
    return ratio(above, below, dialect)


def expressions_of(metric: Metric, dialect: str) -> list[exp.Expr]:
    """Every expression of a metric that is no formula: what decides which entities it needs."""
    texts = (metric.expr, metric.numerator, metric.denominator, metric.since, metric.until, metric.at)
    return [expression(text, metric.line, dialect) for text in (*texts, *metric.filters) if text is not None]


def is_additive(model: SemanticModel, metric: Metric, dialect: str) -> bool:
    """Whether its values for parts can be held against its value for the whole: sums, counts, and sums of them."""
    if metric.formula is not None:
        return _is_linear(model, formulas.parse(metric.formula), dialect)
    if metric.kind == "ratio":
        return False
    return _adds_up(expression(metric.expr or "", metric.line, dialect))


def _adds_up(tree: exp.Expr) -> bool:
    match tree:
        case exp.Sum() | exp.Count() | exp.CountIf():
            return True
        case exp.Add() | exp.Sub():
            return _adds_up(tree.this) and _adds_up(tree.expression)
        case exp.Mul() if not _holds_aggregate(tree.this):
            return _adds_up(tree.expression)
        case exp.Mul() | exp.Div() if not _holds_aggregate(tree.expression):
            return _adds_up(tree.this)
        case exp.Paren() | exp.Cast() | exp.Filter() | exp.Neg() | exp.Coalesce() | exp.Round():
            return _adds_up(tree.this)
        case _:
            return False


def _holds_aggregate(tree: exp.Expr) -> bool:
    return tree.find(exp.AggFunc) is not None


def _is_linear(model: SemanticModel, node: ast.expr, dialect: str) -> bool:
    match node:
        case ast.Name(id=name):
            metric = model.metric(name)
            return metric is not None and is_additive(model, metric, dialect)
        case ast.UnaryOp(operand=operand):
            return _is_linear(model, operand, dialect)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return _is_linear(model, left, dialect) and _is_linear(model, right, dialect)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
            sides = [side for side in (left, right) if any(isinstance(inner, ast.Name) for inner in ast.walk(side))]
            return sides == [left] and _is_linear(model, left, dialect)
        case _:
            return False


def formula_tree(model: SemanticModel, metric: Metric, dialect: str, suffix: str = "") -> exp.Expr:
    """The formula over columns named as its base metrics, each with `suffix`.

    A sum or count that has no rows in a group counts as 0 there, so that revenue without refunds is net revenue; where
    none of the metrics has any, the formula has no value.
    """
    tree = _formula(model, formulas.parse(metric.formula or ""), dialect, suffix)
    columns = [exp.column(base.name + suffix, quoted=True) for base in formulas.bases(model, metric)]
    if len(columns) == 1:
        return tree
    none_known = exp.Is(this=exp.func("COALESCE", *columns), expression=exp.Null())
    return exp.Case(ifs=[exp.If(this=exp.Not(this=none_known), true=tree)])


def _formula(model: SemanticModel, node: ast.expr, dialect: str, suffix: str) -> exp.Expr:
    match node:
        case ast.Constant(value=value):
            return exp.Literal.number(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return exp.Neg(this=exp.paren(_formula(model, operand, dialect, suffix), copy=False))
        case ast.UnaryOp(operand=operand):
            return _formula(model, operand, dialect, suffix)
        case ast.BinOp(left=left, op=op, right=right):
            above, below = (_formula(model, side, dialect, suffix) for side in (left, right))
            if isinstance(op, ast.Div):
                return ratio(above, below, dialect)
            operation = _OPERATIONS[type(op)]
            return exp.paren(operation(this=above, expression=below), copy=False)
        case ast.Name(id=name):
            return _part_of_formula(model, name, dialect, suffix)
    raise AssertionError("checked when the model was read")


def _part_of_formula(model: SemanticModel, name: str, dialect: str, suffix: str) -> exp.Expr:
    metric = model.metric(name)
    assert metric is not None, "checked when the model was read"
    if metric.formula is not None:
        return _formula(model, formulas.parse(metric.formula), dialect, suffix)
    column = exp.column(name + suffix, quoted=True)
    return exp.func("COALESCE", column, exp.Literal.number(0)) if is_additive(model, metric, dialect) else column


def condition(model: SemanticModel, rule: Filter, dialect: str) -> exp.Expr:
    """A filter of a query. Raises InvalidInput for a value of another type than the dimension's."""
    dimension = model.dimension(rule.dimension)
    assert dimension is not None, "checked before"
    tree = expression(dimension.expr, dimension.line, dialect)
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
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return exp.Literal.number(value)
    raise InvalidInput(f"'{value}' can't be a value of '{dimension}', which holds {kind} values")


def _filtered(tree: exp.Expr, conditions: list[exp.Expr], dialect: str) -> exp.Expr:
    if not conditions:
        return tree

    def add_filter(node: exp.Expr) -> exp.Expr:
        # A replaced node is not entered again: the aggregate inside a filter is met only through its filter.
        if isinstance(node, exp.Filter):
            own = node.expression.this
            return exp.Filter(this=node.this.copy(), expression=exp.Where(this=exp.and_(own, *conditions)))
        if isinstance(node, exp.AggFunc):
            if dialect == "mysql":
                return _of_rows(node, exp.and_(*conditions))
            return exp.Filter(this=node.copy(), expression=exp.Where(this=exp.and_(*conditions)))
        return node

    return tree.transform(add_filter)


def _of_rows(node: exp.AggFunc, condition: exp.Expr) -> exp.Expr:
    """The aggregate of the rows that `condition` holds for, where the engine has no FILTER."""

    def only(value: exp.Expr) -> exp.Expr:
        counted = exp.Literal.number(1) if isinstance(value, exp.Star) else value.copy()
        return exp.Case(ifs=[exp.If(this=condition.copy(), true=counted)])

    found = node.copy()
    if isinstance(node.this, exp.Distinct):
        found.set("this", exp.Distinct(expressions=[only(value) for value in node.this.expressions]))
    else:
        found.set("this", only(node.this))
    return found
