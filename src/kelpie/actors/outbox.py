"""The outbox: what is left to do after a commit, written in that commit, and done once.

An errand is a row. Whoever commits it tells the outbox of its process, which has it done; the handler removes the row
in the same commit as the errand's effects (guard "errand"), so that a crash in between leaves the errand, and two
processes that take up the same one do it once. A start takes up what is there; what lies around for too long, because
the process that wrote it is gone or never heard of its own commit, is taken up by anybody who sees it.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from kelpie.actors import limits
from kelpie.errors import StoreClosed, StoreError
from umi.dst import Host
from umi.storage import Changes, Database, Migration, Row, View

log = logging.getLogger(__name__)

MIGRATION = Migration(
    "kelpie.actors",
    2,
    """
    CREATE TABLE outbox (
        seq INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL, topic TEXT NOT NULL, id TEXT NOT NULL, lane TEXT NOT NULL, owner TEXT NOT NULL,
        body BLOB NOT NULL, due_at_ms INTEGER NOT NULL, version INTEGER NOT NULL,
        UNIQUE (tenant, topic, id)
    ) STRICT;
    CREATE INDEX outbox_owner ON outbox (tenant, owner);
    """,
)
_COLUMNS = "tenant, topic, id, lane, owner, body, due_at_ms, version"
_PUT = (
    f"INSERT INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 1)"
    " ON CONFLICT (tenant, topic, id) DO UPDATE SET version = outbox.version + 1"
)
_DONE = "DELETE FROM outbox WHERE tenant = ? AND topic = ? AND id = ? AND version = ?"
_FIND = f"SELECT {_COLUMNS} FROM outbox WHERE tenant = ? AND topic = ? AND id = ?"
_PAGE = f"SELECT seq, {_COLUMNS} FROM outbox WHERE seq > ? AND due_at_ms <= ? ORDER BY seq LIMIT ?"
_ALWAYS_MS = 2**62
_Key = tuple[str, str, str]

_encode = msgspec.msgpack.Encoder().encode


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """Something to do.

    topic    who knows how
    id       one errand of its topic: putting it again while it waits changes nothing but its version
    lane     errands of one lane are done one after the other
    owner    the actor with whose deletion it is void, as a text; none if empty
    due_at_ms  when it may begin, on the wall clock
    once     it is never put again, so whoever put it need not look for it before it is done; of this process alone
    """

    tenant: str
    topic: str
    id: str
    lane: str
    owner: str = ""
    body: dict[str, Any] = {}
    due_at_ms: int = 0
    version: int = 1
    once: bool = False

    @property
    def key(self) -> _Key:
        return self.tenant, self.topic, self.id


# Does an errand and commits `plan_done` with its effects. What it raises is tried again.
Handler = Callable[[Errand], Awaitable[None]]


def plan_put(errand: Errand) -> Changes:
    return Changes().write(
        _PUT,
        errand.tenant,
        errand.topic,
        errand.id,
        errand.lane,
        errand.owner,
        _encode(errand.body),
        errand.due_at_ms,
    )


def plan_done(errand: Errand) -> Changes:
    """Guard "errand": it is there still, and nobody has put it again since it was read."""
    return Changes().guard("errand", _DONE, *errand.key, errand.version)


async def find(view: View, errand: Errand) -> Errand | None:
    """The errand as it is now; None if it was done, or is void."""
    row = await view.one(_FIND, *errand.key)
    return None if row is None else _errand(row)


def _errand(row: Row) -> Errand:
    return Errand(
        tenant=row[0],
        topic=row[1],
        id=row[2],
        lane=row[3],
        owner=row[4],
        body=msgspec.msgpack.decode(row[5]),
        due_at_ms=row[6],
        version=row[7],
    )


class _Lane:
    def __init__(self) -> None:
        self.errands: deque[Errand] = deque()
        self.rests = asyncio.Event()


class Outbox:
    """One process's work on the outbox that all share."""

    def __init__(self, database: Database, host: Host) -> None:
        self._database, self._host = database, host
        self._handlers: dict[str, tuple[Handler, Callable[[Errand], None]]] = {}
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._waiting: set[_Key] = set()  # told of, and not begun
        self._working: set[_Key] = set()
        self._failures: Counter[_Key] = Counter()

    def register(self, topic: str, handler: Handler, gone: Callable[[Errand], None] = lambda _: None) -> None:
        """`gone` hears of an errand that turned out to be done already: perhaps here, by a commit nobody heard of."""
        self._handlers[topic] = handler, gone

    def start(self) -> None:
        """Take up what was left, now, and again and again what nobody seems to work on."""
        self._host.spawn(self._sweep(), "outbox sweep")

    async def recover(self) -> None:
        """Take up everything that is there, whoever left it."""
        await self._take_up(_ALWAYS_MS)

    @property
    def known(self) -> int:
        """How many errands this process is about to do."""
        return len(self._waiting | self._working)

    def put(self, errand: Errand) -> Changes:
        """Write the errand, and have it done once that is committed."""
        return plan_put(errand).after(lambda: self.tell(errand))

    def tell(self, errand: Errand) -> None:
        """Have an errand done that is in the store. One that waits already is read when its turn comes."""
        self._wait(errand, errand.due_at_ms - self._host.clock.now_ms())

    def _wait(self, errand: Errand, wait_ms: float) -> None:
        if errand.key in self._waiting:
            return
        self._waiting.add(errand.key)
        wait_ms = min(wait_ms, limits.OUTBOX_WAIT_MS_MAX)
        if wait_ms > 0:
            self._host.spawn(self._later(errand, wait_ms), f"errand {errand.topic} {errand.id}")
        else:
            self._queue(errand)

    async def settle(self, tenant: str, lane: str, patience_ms: float) -> None:
        """Wait until a lane has nothing to do right now; no longer than `patience_ms`."""
        working = self._lanes.get((tenant, lane))
        if working is None:
            return
        try:
            async with self._host.clock.timeout(patience_ms):
                await working.rests.wait()
        except TimeoutError:
            return

    def _queue(self, errand: Errand) -> None:
        key = errand.tenant, errand.lane
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            self._host.spawn(self._work(key, lane), f"outbox {errand.lane}")
        lane.errands.append(errand)

    async def _work(self, key: tuple[str, str], lane: _Lane) -> None:
        try:
            while lane.errands:
                await self._attempt(lane.errands.popleft())
        finally:
            del self._lanes[key]
            lane.rests.set()

    async def _attempt(self, errand: Errand) -> None:
        """Do it. After a failure it is tried again later; what came after it does not wait for that."""
        self._waiting.discard(errand.key)
        self._working.add(errand.key)
        try:
            await self._do(errand)
        except StoreClosed:
            return  # the next start finds it
        except Exception as error:
            self._failures[errand.key] += 1
            delay_ms = limits.OUTBOX_RETRY_DELAY_MS * 2.0 ** min(self._failures[errand.key] - 1, 10)
            delay_ms = min(delay_ms, limits.OUTBOX_RETRY_DELAY_MS_MAX)
            level = logging.WARNING if isinstance(error, StoreError) else logging.ERROR
            log.log(level, "errand %s %s is tried again in %d ms", errand.topic, errand.id, delay_ms, exc_info=error)
            self._wait(errand, delay_ms)
        else:
            self._failures.pop(errand.key, None)
        finally:
            self._working.discard(errand.key)

    async def _do(self, errand: Errand) -> None:
        handler, gone = self._handlers[errand.topic]
        is_new = errand.once and errand.key not in self._failures
        there = errand if is_new else await find(View(self._database), errand)
        if there is not None:
            await handler(there)
        else:
            gone(errand)

    async def _later(self, errand: Errand, wait_ms: float) -> None:
        await self._host.clock.sleep(wait_ms)
        self._queue(errand)

    async def _sweep(self) -> None:
        """Look first for all that an earlier life of this process has left, then for what nobody works on."""
        has_begun = False
        while True:
            try:
                if has_begun:
                    await self._take_up(self._host.clock.now_ms() - limits.OUTBOX_LEFT_MS)
                else:
                    await self.recover()
                has_begun = True
            except StoreClosed:
                return
            except Exception as error:
                log.warning("the outbox can't be looked through; tried again later", exc_info=error)
            await self._host.clock.sleep(limits.OUTBOX_SWEEP_MS)

    async def _take_up(self, due_ms: int) -> None:
        """Everything that was due then."""
        after, view = 0, View(self._database)
        while True:
            rows = await view.fetch(_PAGE, after, due_ms, limits.OUTBOX_PAGE_ERRANDS)
            for row in rows:
                errand = _errand(row[1:])
                if errand.key not in self._working and errand.topic in self._handlers:
                    self.tell(errand)
            if len(rows) < limits.OUTBOX_PAGE_ERRANDS:
                return
            after = rows[-1][0]
