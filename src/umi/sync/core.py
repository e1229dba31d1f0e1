"""Core whose methods block.

Made from umi.core.tier by tests/tidy/faces.py: change that, not this.
"""
# ruff: noqa: A002 - parameters are named as there

from collections.abc import Callable

import umi.core.tier
from umi.core.render import Format, Rendered, tokens_of
from umi.entity import Block
from umi.sync.loop import Loop


class Core:
    """As umi.Memory's Core, for code without an event loop. See umi.sync."""

    def __init__(self, loop: Loop, core: umi.core.tier.Core) -> None:
        self._loop = loop
        self._core = core

    def blocks(self) -> list[Block]:
        """In the order they are shown in: by type, then those without one."""
        return self._loop.call(self._core.blocks)

    def get_block(self, type: str | None = None, *, label: str | None = None) -> Block | None:
        return self._loop.call(self._core.get_block, type, label=label)

    def has_block(self, type: str | None = None, *, label: str | None = None) -> bool:
        return self._loop.call(self._core.has_block, type, label=label)

    def block_count(self) -> int:
        return self._loop.call(self._core.block_count)

    def is_empty(self) -> bool:
        return self._loop.call(self._core.is_empty)

    def used_bytes(self) -> int:
        """What the values of the blocks take."""
        return self._loop.call(self._core.used_bytes)

    def available_bytes(self) -> int:
        return self._loop.call(self._core.available_bytes)

    def utilization(self) -> float:
        """Used of what may be used; above 1 where an agent's own blocks, which have other bounds, are in this scope."""
        return self._loop.call(self._core.utilization)

    def render(
        self, format: Format = "xml", *, tokens_max: int | None = None, count: Callable[[str], int] = tokens_of
    ) -> Rendered:
        """All blocks as one text for a model, see umi.core.render. `left_out` says what a budget took away."""
        return self._loop.call(self._core.render, format, tokens_max=tokens_max, count=count)

    def set_block(
        self, type: str | None, content: str, *, label: str | None = None, importance: float | None = None
    ) -> Block:
        """Make a block, or replace what it says. Without `importance` it keeps its own (0.5 when it is new)."""
        return self._loop.call(self._core.set_block, type, content, label=label, importance=importance)

    def append(self, label: str, text: str) -> Block:
        """Add a line to a block, and make it if there is none: with a type if its label is the word of one."""
        return self._loop.call(self._core.append, label, text)

    def set_importance(self, importance: float, type: str | None = None, *, label: str | None = None) -> Block:
        """Raises NotFound, naming the labels there are."""
        return self._loop.call(self._core.set_importance, importance, type, label=label)

    def remove_block(self, type: str | None = None, *, label: str | None = None) -> None:
        """Take a block from this scope; it is deleted unless another scope has it too. Raises NotFound."""
        return self._loop.call(self._core.remove_block, type, label=label)

    def clear(self) -> None:
        """plan_clear, committed."""
        return self._loop.call(self._core.clear)
