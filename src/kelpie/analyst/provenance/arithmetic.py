"""Exact arithmetic over cells, as the compiled SQL does it over columns: null where there is nothing."""

import ast
import decimal
from collections.abc import Iterable, Mapping
from typing import Any

from kelpie.analyst.compile.expressions import is_additive
from kelpie.analyst.formats import exact_number
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Metric, SemanticModel

Number = decimal.Decimal | None
_ZERO = decimal.Decimal(0)


class NoNumber(Exception):
    """A cell that should hold a number holds something else."""


def number(cell: Any) -> decimal.Decimal:
    """Exactly what the cell says. Raises NoNumber."""
    found = exact_number(repr(cell) if isinstance(cell, float) else cell)
    if found is None:
        raise NoNumber(repr(cell))
    return found


def total(cells: Iterable[Any]) -> Number:
    """Null if there is nothing to add."""
    numbers = [number(cell) for cell in cells if cell is not None]
    return sum(numbers, _ZERO) if numbers else None


def minus(one: Number, other: Number) -> Number:
    """Nothing counts as 0 beside something."""
    return None if one is None and other is None else (one or _ZERO) - (other or _ZERO)


def divide(above: Any, below: Any) -> Number:
    """Null where it divides by 0."""
    if above is None or below is None or not number(below):
        return None
    return number(above) / number(below)


def calculate(model: SemanticModel, metric: Metric, numbers: Mapping[str, Any], dialect: str) -> Number:
    """The value of a formula. A sum or count that is null counts as 0, unless all parts are null."""
    if len(numbers) > 1 and all(one is None for one in numbers.values()):
        return None
    return _Formula(model, numbers, dialect).value(formulas.parse(metric.formula or ""))


class _Formula:
    def __init__(self, model: SemanticModel, numbers: Mapping[str, Any], dialect: str) -> None:
        self._model, self._numbers, self._dialect = model, numbers, dialect

    def value(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant(value=constant):
                return decimal.Decimal(repr(constant))
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=op, operand=operand):
                inner = self.value(operand)
                return -inner if inner is not None and isinstance(op, ast.USub) else inner
            case ast.BinOp(left=left, op=op, right=right):
                return self._combined(self.value(left), op, self.value(right))
        raise AssertionError("checked when the model was read")

    def _named(self, name: str) -> Number:
        metric = self._model.metric(name)
        assert metric is not None, "checked when the model was read"
        if metric.formula is not None:
            return self.value(formulas.parse(metric.formula))
        found = self._numbers.get(name)
        if found is None:
            return _ZERO if is_additive(self._model, metric, self._dialect) else None
        return number(found)

    def _combined(self, left: Number, op: ast.operator, right: Number) -> Number:
        if left is None or right is None:
            return None
        match op:
            case ast.Add():
                return left + right
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case _:
                return divide(left, right)
