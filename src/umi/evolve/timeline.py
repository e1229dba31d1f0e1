"""When each of several claims about one subject and attribute ends.

The order in which they became known doesn't matter, but for claims that began at the same moment: there the one known
last is right. So a fact that arrives late and tells of an earlier time is born ended, and ends nobody else wrongly.
"""

from collections.abc import Sequence
from typing import NamedTuple

from umi import limits


class Statement(NamedTuple):
    """A claim as the timeline sees it. `place` tells two claims of one fact apart."""

    fact_id: str
    place: int
    from_ms: int
    value: str  # as a key; blank in a denial of any value
    negated: bool
    many: bool
    confidence: float
    kept: frozenset[str]  # facts that may not end it
    own_end_ms: int | None = None  # said with the claim itself


class End(NamedTuple):
    at_ms: int
    by: str | None  # the fact that ended it; None if it said so itself


def ends(statements: Sequence[Statement]) -> dict[tuple[str, int], End]:
    """When each ends, by (fact_id, place); those that are missing hold on. `statements` share a key and come in the
    order they became known."""
    ordered = sorted(statements, key=lambda one: one.from_ms)  # stable: known last comes last
    found: dict[tuple[str, int], End] = {}
    for n, one in enumerate(ordered):
        later = next((other for other in ordered[n + 1 :] if _ends(other, one)), None)
        end = End(later.from_ms, later.fact_id) if later else None
        if one.own_end_ms is not None and (end is None or one.own_end_ms <= end.at_ms):
            end = End(one.own_end_ms, None)
        if end is not None:
            found[one.fact_id, one.place] = end
    return found


def _ends(later: Statement, one: Statement) -> bool:
    """Whether `later`, which began no earlier, means that `one` no longer holds."""
    if later.fact_id == one.fact_id or later.fact_id in one.kept:
        return False
    if later.confidence < limits.EVOLUTION_CONFIDENCE_THRESHOLD_DEFAULT:
        return False
    if one.negated:
        return not later.negated and later.value == one.value
    if later.negated:
        return later.value in {one.value, ""}
    return later.value != one.value and not (one.many or later.many)
