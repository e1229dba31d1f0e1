"""What moves batches along: a few items of each at a time, each begun once, over restarts as well.

An item begins in the commit that acknowledges its run, so it begins once. What was begun is the inbox's to finish.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from kelpie.agents import batches, limits
from kelpie.agents.batches import Batch, Item, Request
from kelpie.agents.inbox import Inbox
from kelpie.errors import (
    CallerError,
    Conflict,
    GuardFailed,
    NotFound,
    QueueFull,
    RateExceeded,
    StoreClosed,
    StoreError,
)
from kelpie.trajectories import runs
from kelpie.trajectories.records import OPEN_STATUSES
from umi.dst import Host
from umi.storage import Database, View

log = logging.getLogger(__name__)

# (tenant, messages) -> within it a run may begin. Raises RateExceeded.
Room = Callable[[str, int], AbstractAsyncContextManager[None]]


class Batching:
    """room  admits runs: the messages of a batch are counted when it is taken, so an item asks for none"""

    def __init__(self, database: Database, host: Host, inbox: Inbox, room: Room) -> None:
        self._database, self._host, self._inbox, self._room = database, host, inbox, room

    async def begin(self, tenant: str, requests: Sequence[Request]) -> Batch:
        """Acknowledge a batch: when this returns each of its items will become a run, or be refused. Raises
        InvalidInput, QueueFull (nothing was stored), StoreError."""
        batch, changes = batches.plan_create(self._host, tenant, requests)
        try:
            await self._database.commit(changes.after(lambda: self._move(batch)))
        except GuardFailed:
            raise QueueFull(
                f"{limits.BATCHES_OPEN_MAX} batches are open, as many as may be: nothing is stored, wait for one to end"
            ) from None
        return batch

    async def recover(self) -> int:
        """Go on with every batch that has not come to its end. Returns how many."""
        found = await batches.open_batches(View(self._database))
        for batch in found:
            self._move(batch)
        return len(found)

    async def cancel(self, tenant: str, batch_id: str) -> Batch:
        """End what of it has not ended: what waits never begins. Raises NotFound, Conflict if it came to its end."""
        view = View(self._database)
        batch = await batches.get(view, tenant, batch_id)
        try:
            await self._database.commit(batches.plan_cancel(batch, self._host.clock.now_ms()))
        except GuardFailed:
            raise Conflict(f"batch '{batch_id}' has ended already: there is nothing to cancel") from None
        for item in await batches.items_of(view, batch, "begun"):
            if self._inbox.stream_of(item.run_id) is not None:
                try:
                    await self._inbox.cancel(tenant, item.run_id)
                except (Conflict, NotFound):
                    continue  # it ended by itself, or its agent is gone
        return await batches.get(view, tenant, batch_id)

    def _move(self, batch: Batch) -> None:
        self._host.spawn(self._see_through(batch), f"batch {batch.id}")

    async def _see_through(self, batch: Batch) -> None:
        """Until it comes to its end, or the store is closed; what the store can't do now is tried again."""
        delay_ms = limits.RUN_RETRY_DELAY_MS
        while True:
            try:
                await self._work(batch)
            except StoreClosed:
                return
            except StoreError as error:
                log.warning("batch %s waits for the store", batch.id, exc_info=error)
                await self._host.clock.sleep(delay_ms)
                delay_ms = min(2 * delay_ms, limits.RUN_RETRY_DELAY_MS_MAX)
            except Exception:
                log.exception("batch %s can't go on; the next start takes it up", batch.id)
                return
            else:
                return

    async def _work(self, batch: Batch) -> None:
        """Some at a time, the first first. A turn of places: as one ends the next begins."""
        view = View(self._database)
        waiting = [*reversed(await batches.items_of(view, batch, "waiting"))]

        async def place() -> None:
            while waiting:
                await self._one(batch, waiting.pop())

        hands = [self._host.spawn(place(), f"a place of {batch.id}") for _ in range(limits.BATCH_ITEMS_AT_ONCE)]
        failed = [one for one in await asyncio.gather(*hands, return_exceptions=True) if one is not None]
        if failed:
            raise failed[0]
        for item in await batches.items_of(view, batch, "begun"):
            await self._ended(batch.tenant, item.run_id)
        await self._database.commit(batches.plan_complete(batch, self._host.clock.now_ms()))

    async def _one(self, batch: Batch, item: Item) -> None:
        """Begin it and wait for its end. Where there is no room it is tried again; what can't be is refused."""
        while True:
            try:
                async with self._room(batch.tenant, 0):
                    stream = await self._inbox.accept(
                        batch.tenant,
                        item.request.agent_id,
                        item.request.input,
                        item.request.options,
                        run_id=item.run_id,
                        also=batches.plan_begin(batch, item),
                    )
            except (QueueFull, RateExceeded):
                await self._host.clock.sleep(limits.BATCH_RETRY_MS)
                if not await batches.is_waiting(View(self._database), batch, item):
                    return
                continue
            except GuardFailed:
                return  # it was cancelled meanwhile, or an earlier life began it
            except CallerError as error:
                await self._refuse(batch, item, str(error))
                return
            if stream.run.id != item.run_id:
                await self._refuse(batch, item, f"its messages were accepted before, in run '{stream.run.id}'")
            await stream.wait()
            return

    async def _refuse(self, batch: Batch, item: Item, why: str) -> None:
        try:
            await self._database.commit(batches.plan_refuse(batch, item, why))
        except GuardFailed:
            return  # it was cancelled meanwhile

    async def _ended(self, tenant: str, run_id: str) -> None:
        """Wait for the end of a run that was begun, perhaps in an earlier life."""
        try:
            run = await runs.get(View(self._database), tenant, run_id)
        except NotFound:
            return  # its record was deleted, or its agent
        if run.status in OPEN_STATUSES:
            await (await self._inbox.resume(tenant, run_id)).wait()
