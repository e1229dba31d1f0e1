"""Core: the core memory of one scope, bounded in bytes."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from umi import limits
from umi.core import blocks as table
from umi.core import budget, ledger
from umi.core.order import TYPES, block_type, ordered
from umi.core.render import Format, Rendered, render, tokens_of
from umi.dst import Host
from umi.entity import Block
from umi.errors import Conflict, GuardFailed, InvalidInput
from umi.storage import Changes, Database, View

T = TypeVar("T")

_DELETE_OWN = (
    "DELETE FROM block WHERE tenant = ?1 AND id IN"
    " (SELECT block_id FROM block_scope WHERE tenant = ?1 AND scope = ?2)"
    " AND NOT EXISTS (SELECT 1 FROM block_scope o WHERE o.tenant = ?1 AND o.block_id = block.id AND o.scope <> ?2)"
)


class Core:
    """The blocks of a scope, within `bytes_max` bytes (of their values) together.

    A block is known by its label; one with a type and no label of its own is labelled like its type. `type` is one of
    umi.core.TYPES in any case. Every bound holds inside the commit. It is the one of this scope: a block that is
    attached to several may be filled through each of them.

    Raises InvalidInput for what is malformed, LimitExceeded for a block, a label, a number of blocks or a core memory
    beyond its bound; nothing is written then. Conflict if others write without end.
    """

    def __init__(
        self,
        database: Database,
        host: Host,
        tenant: str,
        scope: str,
        *,
        bytes_max: int = limits.CORE_MEMORY_SIZE_BYTES_MAX,
    ) -> None:
        self.bytes_max = budget.check_bytes_max(bytes_max)
        self._database = database
        self._host = host
        self._tenant = tenant
        self._scope = scope

    async def blocks(self) -> list[Block]:
        """In the order they are shown in: by type, then those without one."""
        return ordered(await table.of_scope(View(self._database), self._tenant, self._scope))

    async def get_block(self, type: str | None = None, *, label: str | None = None) -> Block | None:  # noqa: A002
        named = _label(type, label)
        return next((block for block in await self.blocks() if block.label == named), None)

    async def has_block(self, type: str | None = None, *, label: str | None = None) -> bool:  # noqa: A002
        return await self.get_block(type, label=label) is not None

    async def block_count(self) -> int:
        return len(await self.blocks())

    async def is_empty(self) -> bool:
        return not await self.blocks()

    async def used_bytes(self) -> int:
        """What the values of the blocks take."""
        return budget.used_bytes(await self.blocks())

    async def available_bytes(self) -> int:
        return max(0, self.bytes_max - await self.used_bytes())

    async def utilization(self) -> float:
        """Used of what may be used; above 1 where an agent's own blocks, which have other bounds, are in this scope."""
        return await self.used_bytes() / self.bytes_max

    async def render(
        self,
        format: Format = "xml",  # noqa: A002
        *,
        tokens_max: int | None = None,
        count: Callable[[str], int] = tokens_of,
    ) -> Rendered:
        """All blocks as one text for a model, see umi.core.render. `left_out` says what a budget took away."""
        return render(await self.blocks(), format=format, tokens_max=tokens_max, count=count)

    async def set_block(
        self,
        type: str | None,  # noqa: A002
        content: str,
        *,
        label: str | None = None,
        importance: float | None = None,
    ) -> Block:
        """Make a block, or replace what it says. Without `importance` it keeps its own (0.5 when it is new)."""
        kind = None if type is None else block_type(type)
        named = _label(kind, label)

        async def plan(view: View) -> tuple[Block, Changes]:
            return await self._plan_set(view, kind, named, content, importance)

        return await self._commit(plan)

    async def _plan_set(
        self, view: View, kind: str | None, label: str, content: str, importance: float | None
    ) -> tuple[Block, Changes]:
        known = await table.of_scope(view, self._tenant, self._scope)
        now_ms = self._host.clock.now_ms()
        old = next((block for block in known if block.label == label), None)
        default = limits.CORE_MEMORY_BLOCK_IMPORTANCE_DEFAULT
        if old is None:
            new = Block(
                tenant=self._tenant,
                id=self._host.ids.new("block"),
                label=label,
                value=content,
                limit_chars=limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX,
                type=kind,
                importance=default if importance is None else importance,
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
            )
            changes = table.plan_create(new).extend(table.plan_attach(self._tenant, self._scope, new.id, label))
        else:
            _check_writable(old, kind)
            new = msgspec.structs.replace(
                old,
                value=content,
                type=kind or old.type,
                importance=old.importance if importance is None else importance,
                metadata=ledger.written(old, None),  # who says what a block says has made it
            )
            changes = table.plan_update(old, new, now_ms)
            new = msgspec.structs.replace(new, version=old.version + 1, updated_at_ms=now_ms)
        if old is None or len(content.encode()) > len(old.value.encode()):  # what shrinks is never too much
            budget.check_room(known, label, content, self.bytes_max)
            changes.extend(self._plan_bounds(label))
        return new, changes

    async def append(self, label: str, text: str) -> Block:
        """Add a line to a block, and make it if there is none: with a type if its label is the word of one."""
        budget.check_label(label)
        kind = label if label in TYPES else None

        async def plan(view: View) -> tuple[None, Changes]:
            known = await table.of_scope(view, self._tenant, self._scope)
            changes = await table.plan_append(
                view,
                self._tenant,
                self._scope,
                label,
                text,
                self._host.ids.new("block"),
                self._host.clock.now_ms(),
                type=kind,
                limit_chars=limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX,
            )
            old = next((block.value for block in known if block.label == label), "")
            budget.check_room(known, label, f"{old}\n{text}" if old else text, self.bytes_max)
            return None, changes.extend(self._plan_bounds(label))

        await self._commit(plan)
        return await table.by_label(View(self._database), self._tenant, self._scope, label)

    async def set_importance(self, importance: float, type: str | None = None, *, label: str | None = None) -> Block:  # noqa: A002
        """Raises NotFound, naming the labels there are."""
        view = View(self._database)
        block = await table.by_label(view, self._tenant, self._scope, _label(type, label))
        return await table.edit(view, self._tenant, block.id, self._host.clock.now_ms(), {"importance": importance})

    async def remove_block(self, type: str | None = None, *, label: str | None = None) -> None:  # noqa: A002
        """Take a block from this scope; it is deleted unless another scope has it too. Raises NotFound."""
        view = View(self._database)
        block = await table.by_label(view, self._tenant, self._scope, _label(type, label))
        changes = Changes().write(f"{_DELETE_OWN} AND id = ?3", self._tenant, self._scope, block.id)
        await self._database.commit(changes.extend(table.plan_detach(self._tenant, self._scope, block.id)))

    def plan_clear(self) -> Changes:
        """Take every block from this scope; those that no other scope has are deleted."""
        changes = Changes().write(_DELETE_OWN, self._tenant, self._scope)
        return changes.extend(table.plan_detach_all(self._tenant, self._scope))

    async def clear(self) -> None:
        """plan_clear, committed."""
        await self._database.commit(self.plan_clear())

    def _plan_bounds(self, label: str) -> Changes:
        return budget.plan_within(
            self._tenant, self._scope, self.bytes_max, blocks_max=limits.CORE_MEMORY_BLOCKS_COUNT_MAX
        ).extend(budget.plan_block_within(self._tenant, self._scope, label, limits.CORE_MEMORY_BLOCK_SIZE_BYTES_MAX))

    async def _commit(self, plan: Callable[[View], Awaitable[tuple[T, Changes]]]) -> T:
        """Plan and commit; anew if somebody wrote in between, since the plan then says what is the matter."""
        for _ in range(limits.BLOCK_EDIT_ATTEMPTS_MAX):
            outcome, changes = await plan(View(self._database))
            try:
                await self._database.commit(changes)
            except (GuardFailed, Conflict):
                continue
            return outcome
        raise Conflict("core memory is being changed by too many writers at once; try again")


def _label(type: str | None, label: str | None) -> str:  # noqa: A002
    if label is None and type is None:
        raise InvalidInput("a block is named by its type or its label; say one of them")
    named = label if label is not None else block_type(type or "")
    budget.check_label(named)
    return named


def _check_writable(block: Block, kind: str | None) -> None:
    if block.read_only:
        raise InvalidInput(f"block '{block.label}' is read-only")
    if kind is not None and block.type not in (None, kind):
        raise InvalidInput(f"block '{block.label}' has the type '{block.type}', not '{kind}'; choose another label")
