"""Whether two results are the same, and where they first differ."""

import decimal
import math
from collections.abc import Sequence
from typing import Any

from kelpie.analyst.formats import exact_number

# Sums of floats depend on the order of adding, which only DuckDB with one thread keeps: the last bits may differ.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-9

Row = Sequence[Any]


def same_cell(one: Any, other: Any) -> bool:
    """Equal, or numbers that differ by less than floats can tell. True is 1 where an engine has no booleans."""
    if one == other:
        return True
    numbers = [_number(cell) for cell in (one, other)]
    if numbers[0] is None or numbers[1] is None:
        return False
    return math.isclose(numbers[0], numbers[1], rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def _number(cell: Any) -> float | None:
    if isinstance(cell, int | float | decimal.Decimal):
        return float(cell)
    exact = exact_number(cell) if isinstance(cell, str) else None  # money that a float would have changed
    return None if exact is None else float(exact)


def same_row(one: Row, other: Row) -> bool:
    return len(one) == len(other) and all(map(same_cell, one, other))


def first_difference(one: Sequence[Row], other: Sequence[Row]) -> int | None:
    """The first row, from 0, that differs or that only one of them has; None if there is none."""
    for number, (here, there) in enumerate(zip(one, other, strict=False)):
        if not same_row(here, there):
            return number
    return None if len(one) == len(other) else min(len(one), len(other))
