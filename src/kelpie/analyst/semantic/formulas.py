"""Formulas: metrics made of other metrics, "mrr / paying_customers". Read by Python's own parser, never run by it."""

import ast

from kelpie.analyst import limits
from kelpie.analyst.semantic.model import Metric, SemanticModel

_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.UAdd, ast.USub)


def parse(text: str) -> ast.expr:
    """The formula as a tree of names, numbers and + - * /. Raises ValueError that says what is wrong with it."""
    if len(text) > limits.FORMULA_CHARS_MAX:
        raise ValueError(f"has {len(text)} characters; at most {limits.FORMULA_CHARS_MAX}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError("is no formula") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Name | ast.Load | ast.operator | ast.unaryop):
            known = not isinstance(node, ast.operator | ast.unaryop) or isinstance(node, _OPERATORS)
        else:
            known = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        if not known:
            raise ValueError("is made of names of metrics, numbers, + - * / and parentheses, and nothing else")
    return tree


def names(text: str) -> list[str]:
    """The metrics it is made of, each once, in order. Raises ValueError."""
    return list(dict.fromkeys(node.id for node in ast.walk(parse(text)) if isinstance(node, ast.Name)))


def bases(model: SemanticModel, metric: Metric) -> list[Metric]:
    """The metrics that are aggregated for it: itself, or all that its formula comes down to, each once.

    `model` has been read: its formulas name metrics and do not go in circles.
    """
    found: dict[str, Metric] = {}
    waiting, seen = [metric], {metric.name}
    while waiting:
        part = waiting.pop(0)
        if part.formula is None:
            found[part.name] = part
            continue
        inside = [known for name in names(part.formula) if (known := model.metric(name)) and name not in seen]
        seen |= {known.name for known in inside}
        waiting = inside + waiting
    return list(found.values())


def terms(model: SemanticModel, metric: Metric) -> int:
    """How many metrics stand in its formula once every formula inside is written out.

    Raises ValueError that says what is wrong: no formula, no such metric, a circle, too many terms.
    """
    return _terms(model, metric, [], {})


def _terms(model: SemanticModel, metric: Metric, way: list[str], counted: dict[str, int]) -> int:
    if metric.formula is None:
        return 1
    if metric.name in way:
        raise ValueError(f"goes in a circle: {' -> '.join([*way, metric.name])}")
    if metric.name in counted:
        return counted[metric.name]
    total = 0
    for node in ast.walk(parse(metric.formula)):
        if isinstance(node, ast.Name):
            part = model.metric(node.id)
            if part is None:
                raise ValueError(f"names '{node.id}', which is no metric")
            total += _terms(model, part, [*way, metric.name], counted)
    if not 0 < total <= limits.FORMULA_TERMS_MAX:
        raise ValueError(f"comes down to {total} metrics; it must be 1 to {limits.FORMULA_TERMS_MAX}")
    counted[metric.name] = total
    return total
