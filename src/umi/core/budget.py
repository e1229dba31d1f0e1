"""Bounds of a scope's core memory, in bytes. They hold inside the commit, whoever else writes at the same time."""

from collections.abc import Iterable

from umi import limits
from umi.entity import Block
from umi.errors import InvalidInput, LimitExceeded
from umi.storage import Changes

GUARD = "core"

_BLOCKS = (
    "FROM block_scope s JOIN block ON block.tenant = s.tenant AND block.id = s.block_id"
    " WHERE s.tenant = ?1 AND s.scope = ?2"
)
_BYTES = f"SELECT 1 WHERE (SELECT coalesce(sum(octet_length(block.value)), 0) {_BLOCKS}) <= ?3"
_BLOCK_BYTES = f"SELECT 1 {_BLOCKS} AND s.label = ?3 AND octet_length(block.value) <= ?4"
_COUNT = f"SELECT 1 WHERE (SELECT count(*) {_BLOCKS}) <= ?3"
_TYPED = ("s.scope = ?2", "s.scope = ?2 AND block.type IS NOT NULL")


def used_bytes(blocks: Iterable[Block]) -> int:
    """What the values of the blocks take."""
    return sum(len(block.value.encode()) for block in blocks)


def check_bytes_max(bytes_max: int) -> int:
    """Raise InvalidInput for what core memory can't be bounded to."""
    least, most = limits.CORE_MEMORY_SIZE_BYTES_MIN, limits.CORE_MEMORY_SIZE_BYTES_MAX
    if isinstance(bytes_max, bool) or not isinstance(bytes_max, int) or not least <= bytes_max <= most:
        raise InvalidInput(f"core memory holds {least:,} to {most:,} bytes, not {bytes_max!r}")
    return bytes_max


def check_label(label: str) -> None:
    size = len(label.encode("utf-8", "surrogatepass"))
    if size > limits.CORE_MEMORY_BLOCK_LABEL_BYTES_MAX:
        raise LimitExceeded("the block label", size, limits.CORE_MEMORY_BLOCK_LABEL_BYTES_MAX, "bytes")


def check_room(blocks: Iterable[Block], label: str, value: str, bytes_max: int) -> None:
    """Raise LimitExceeded if the block of this label can't hold `value` beside the others."""
    others = [block for block in blocks if block.label != label]
    size, count = len(value.encode()), len(others) + 1
    if size > limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX:
        raise LimitExceeded(f"block '{label}'", size, limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX, "bytes")
    if count > limits.CORE_MEMORY_BLOCKS_COUNT_MAX:
        raise LimitExceeded("core memory", count, limits.CORE_MEMORY_BLOCKS_COUNT_MAX, "blocks")
    if used_bytes(others) + size > bytes_max:
        raise LimitExceeded("core memory", used_bytes(others) + size, bytes_max, "bytes")


def plan_within(tenant: str, scope: str, bytes_max: int, *, blocks_max: int, typed_only: bool = False) -> Changes:
    """Guard "core": after what was planned before, the scope's blocks (with a type) keep within these bounds."""
    sizes, count = (sql.replace(*_TYPED) if typed_only else sql for sql in (_BYTES, _COUNT))
    return Changes().guard(GUARD, sizes, tenant, scope, bytes_max).guard(GUARD, count, tenant, scope, blocks_max)


def plan_block_within(tenant: str, scope: str, label: str, bytes_max: int) -> Changes:
    """Guard "core": after what was planned before, this block is there and holds no more than this."""
    return Changes().guard(GUARD, _BLOCK_BYTES, tenant, scope, label, bytes_max)
