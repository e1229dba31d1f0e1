"""Which lines fit: by score, into blocks that are bounded and may hold lines of people's."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umi import limits
from umi.errors import InvalidInput, LimitExceeded


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What core memory may take, in bytes of the values of its blocks.

    core_bytes_max   all blocks of the scope together, those of people's included
    typed_only       of people's, count those with a type alone: where blocks without one have bounds of their own
    lines_max        how many promoted lines there may be at once
    """

    core_bytes_max: int = limits.EVICTION_CORE_MEMORY_SIZE_BYTES_MAX
    block_bytes_max: int = limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX
    blocks_max: int = limits.CORE_MEMORY_BLOCKS_COUNT_MAX
    lines_max: int = limits.PROMOTION_CORE_MEMORY_ENTITIES_MAX
    typed_only: bool = False

    def __post_init__(self) -> None:
        for name in ("core_bytes_max", "block_bytes_max", "blocks_max", "lines_max"):
            value = getattr(self, name)
            if isinstance(value, bool) or value < 0:
                raise InvalidInput(f"{name} must be 0 or more, not {value!r}")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A line that asks for room in a block of the type `block`."""

    entity_id: str
    block: str
    line: str
    score: float
    importance: float
    incumbent: bool  # in core memory already
    is_self: bool


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What isn't promotion's to give: of people's blocks the bytes and the number, and for each type whose promoted
    block has lines of people's, the bytes of these (at least 0: they may be one empty line).

    standing  types whose promoted block stays, also without a line
    bounds    what the promoted block of a type may hold, where somebody bounded it
    """

    core_bytes: int
    blocks: int
    own: Mapping[str, int]
    standing: frozenset[str] = frozenset()
    bounds: Mapping[str, int] = {}


def choose(items: Sequence[Item], taken: Taken, budget: Budget) -> list[Item]:
    """Those that fit, best first; what one line says is not said again in its block. What is in already has a small
    bonus, so that two of equal worth don't take turns.

    The same items and, afterwards, the chosen ones as incumbents give the same choice: what was passed over finds no
    more room than before. Raises LimitExceeded if Self alone doesn't fit.
    """
    chosen: list[Item] = []
    core_bytes = taken.core_bytes + sum(taken.own.values())
    block_bytes = dict(taken.own)
    blocks = taken.blocks + len(taken.standing | set(taken.own))
    said: set[tuple[str, str]] = set()
    for item in sorted(items, key=_rank):
        if (item.block, item.line) in said:
            continue
        size = len(item.line.encode()) + (1 if item.block in block_bytes else 0)  # the line feed before it
        core_size = core_bytes + size
        block_size = block_bytes.get(item.block, 0) + size
        block_max = min(budget.block_bytes_max, taken.bounds.get(item.block, budget.block_bytes_max))
        is_new = item.block not in block_bytes and item.block not in taken.standing
        for what, wanted, most, unit in (
            ("core memory with what is known of Self", core_size, budget.core_bytes_max, "bytes"),
            (f"the block '{item.block}' with what is known of Self", block_size, block_max, "bytes"),
            ("core memory with what is known of Self", blocks + is_new, budget.blocks_max, "blocks"),
            ("core memory with Self", len(chosen) + 1, budget.lines_max, "lines"),
        ):
            if wanted > most:
                if item.is_self:
                    raise LimitExceeded(what, wanted, most, unit)
                break
        else:
            chosen.append(item)
            said.add((item.block, item.line))
            core_bytes, block_bytes[item.block], blocks = core_size, block_size, blocks + is_new
    return chosen


def rank(is_self: bool, score: float, incumbent: bool, importance: float, entity_id: str) -> tuple[Any, ...]:
    """The place in line; what is smaller comes first."""
    bonus = limits.PROMOTION_INCUMBENT_BONUS if incumbent else 0.0
    return (not is_self, -(score + bonus), -importance, entity_id)


def _rank(item: Item) -> tuple[Any, ...]:
    return rank(item.is_self, item.score, item.incumbent, item.importance, item.entity_id)
