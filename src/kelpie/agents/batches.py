"""Batches as rows: many requests to agents, acknowledged together, each of which becomes a run of its own."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from kelpie.agents import limits
from kelpie.errors import InvalidInput, NotFound
from kelpie.trajectories.records import RunInput, RunOptions
from umi.dst import Host
from umi.storage import Changes, Migration, Page, Row, View
from umi.storage.page import paged

MIGRATIONS = [
    Migration(
        "kelpie.batches",
        1,
        """
        CREATE TABLE message_batch (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, items INTEGER NOT NULL,
            created_at_ms INTEGER NOT NULL, cancelled_at_ms INTEGER, completed_at_ms INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX message_batch_open ON message_batch (seq) WHERE completed_at_ms IS NULL;
        -- `run_id` is the run it becomes, or would have become: given before it begins, so that it begins once.
        CREATE TABLE batch_item (
            tenant TEXT NOT NULL, batch_id TEXT NOT NULL, number INTEGER NOT NULL, agent_id TEXT NOT NULL,
            input BLOB NOT NULL, options BLOB NOT NULL, run_id TEXT NOT NULL, state TEXT NOT NULL, error TEXT,
            PRIMARY KEY (tenant, batch_id, number)
        ) STRICT;
        """,
    )
]
_COLUMNS = (
    "tenant, id, items, created_at_ms, cancelled_at_ms, completed_at_ms, EXISTS (SELECT 1 FROM batch_item i"
    " WHERE i.tenant = message_batch.tenant AND i.batch_id = message_batch.id AND i.state != 'waiting')"
)
_SELECT = f"SELECT {_COLUMNS} FROM message_batch WHERE tenant = ?"
_ITEMS = (
    "SELECT number, agent_id, input, options, run_id, state, error FROM batch_item WHERE tenant = ? AND batch_id = ?"
)
_MOVE = (
    "UPDATE batch_item SET state = ?, error = ? WHERE tenant = ? AND batch_id = ? AND number = ? AND state = 'waiting'"
)
STORED_BYTES = ("SELECT sum(octet_length(input) + octet_length(options)) FROM batch_item WHERE tenant = ?",)
BatchStatus = Literal["created", "running", "completed", "cancelled"]
ItemState = Literal["waiting", "begun", "refused", "cancelled"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent is to be sent."""

    agent_id: str
    input: list[RunInput]
    options: RunOptions


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """`error` says why an item was refused: it became no run."""

    number: int
    request: Request
    run_id: str
    state: ItemState = "waiting"
    error: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    id: str
    items: int
    created_at_ms: int
    cancelled_at_ms: int | None = None
    completed_at_ms: int | None = None
    has_begun: bool = False

    @property
    def status(self) -> BatchStatus:
        """A batch is completed when each of its items is, however each of them ended."""
        if self.cancelled_at_ms is not None:
            return "cancelled"
        if self.completed_at_ms is not None:
            return "completed"
        return "running" if self.has_begun else "created"


async def get(view: View, tenant: str, batch_id: str) -> Batch:
    """Raises NotFound."""
    row = await view.one(f"{_SELECT} AND id = ?", tenant, batch_id)
    if row is None:
        raise NotFound(f"no batch has the id '{batch_id}'")
    return _from_row(row)


async def list_batches(view: View, tenant: str, page: Page) -> list[Batch]:
    sql, bound = paged(_SELECT, [tenant], page, table="message_batch", tenant=tenant)
    return [_from_row(row) for row in await view.fetch(sql, *bound)]


async def open_batches(view: View) -> list[Batch]:
    """Of all tenants, those that have not come to their end: what a restart goes on with."""
    rows = await view.fetch(f"SELECT {_COLUMNS} FROM message_batch WHERE completed_at_ms IS NULL ORDER BY seq")
    return [_from_row(row) for row in rows]


async def items_of(view: View, batch: Batch, state: ItemState | None = None) -> list[Item]:
    """In their order; those of one state, if it is given."""
    narrow, more = ("", ()) if state is None else (" AND state = ?", (state,))
    rows = await view.fetch(f"{_ITEMS}{narrow} ORDER BY number", batch.tenant, batch.id, *more)
    return [_item_from_row(row) for row in rows]


async def is_waiting(view: View, batch: Batch, item: Item) -> bool:
    sql = "SELECT 1 FROM batch_item WHERE tenant = ? AND batch_id = ? AND number = ? AND state = 'waiting'"
    return await view.one(sql, batch.tenant, batch.id, item.number) is not None


def plan_create(host: Host, tenant: str, requests: Sequence[Request]) -> tuple[Batch, Changes]:
    """A new batch, whole or not at all. Guard "batches": its tenant has not too many that are open.

    Raises InvalidInput for one that is empty or too long.
    """
    if not 1 <= len(requests) <= limits.BATCH_ITEMS_MAX:
        raise InvalidInput(f"a batch has 1 to {limits.BATCH_ITEMS_MAX:,} requests, not {len(requests):,}")
    batch = Batch(tenant=tenant, id=host.ids.new("job"), items=len(requests), created_at_ms=host.clock.now_ms())
    changes = Changes().guard(
        "batches",
        "INSERT INTO message_batch (tenant, id, items, created_at_ms) SELECT ?1, ?2, ?3, ?4 WHERE"
        " (SELECT count(*) FROM message_batch WHERE tenant = ?1 AND completed_at_ms IS NULL) < ?5",
        *(tenant, batch.id, batch.items, batch.created_at_ms, limits.BATCHES_OPEN_MAX),
    )
    for number, one in enumerate(requests):
        changes.write(
            "INSERT INTO batch_item VALUES (?, ?, ?, ?, ?, ?, ?, 'waiting', NULL)",
            *(tenant, batch.id, number, one.agent_id, msgspec.msgpack.encode(one.input)),
            *(msgspec.msgpack.encode(one.options), host.ids.new("run")),
        )
    return batch, changes


def plan_begin(batch: Batch, item: Item) -> Changes:
    """For the commit that acknowledges the item's run. Guard "batch item": it waits no more."""
    return Changes().guard("batch item", _MOVE, "begun", None, batch.tenant, batch.id, item.number)


def plan_refuse(batch: Batch, item: Item, why: str) -> Changes:
    """It becomes no run. Guard "batch item"."""
    text = why[: limits.BATCH_ERROR_CHARS_MAX]
    return Changes().guard("batch item", _MOVE, "refused", text, batch.tenant, batch.id, item.number)


def plan_cancel(batch: Batch, now_ms: int) -> Changes:
    """Nothing of it begins any more. Guard "batch": it has not come to its end."""
    return (
        Changes()
        .guard(
            "batch",
            "UPDATE message_batch SET cancelled_at_ms = coalesce(cancelled_at_ms, ?)"
            " WHERE tenant = ? AND id = ? AND completed_at_ms IS NULL",
            *(now_ms, batch.tenant, batch.id),
        )
        .write(
            "UPDATE batch_item SET state = 'cancelled' WHERE tenant = ? AND batch_id = ? AND state = 'waiting'",
            *(batch.tenant, batch.id),
        )
    )


def plan_complete(batch: Batch, now_ms: int) -> Changes:
    sql = "UPDATE message_batch SET completed_at_ms = ? WHERE tenant = ? AND id = ? AND completed_at_ms IS NULL"
    return Changes().write(sql, now_ms, batch.tenant, batch.id)


def plan_delete(batch: Batch) -> Changes:
    """Forget a batch that came to its end. Its runs stay. Guard "batch"."""
    who = batch.tenant, batch.id
    ended = "DELETE FROM message_batch WHERE tenant = ? AND id = ? AND completed_at_ms IS NOT NULL"
    return Changes().guard("batch", ended, *who).write("DELETE FROM batch_item WHERE tenant = ? AND batch_id = ?", *who)


def _from_row(row: Row) -> Batch:
    tenant, batch_id, items, created_at_ms, cancelled_at_ms, completed_at_ms, has_begun = row
    return Batch(
        tenant=tenant,
        id=batch_id,
        items=items,
        created_at_ms=created_at_ms,
        cancelled_at_ms=cancelled_at_ms,
        completed_at_ms=completed_at_ms,
        has_begun=bool(has_begun),
    )


def _item_from_row(row: Row) -> Item:
    number, agent_id, given, options, run_id, state, error = row
    request = Request(
        agent_id=agent_id,
        input=msgspec.msgpack.decode(given, type=list[RunInput]),
        options=msgspec.msgpack.decode(options, type=RunOptions),
    )
    return Item(number=number, request=request, run_id=run_id, state=state, error=error)
