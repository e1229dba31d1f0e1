"""Reminders: timers that are kept. A reminder is a row that says when it is due, and each time is due once.

Whoever looks first has its handler commit the effect together with the row's next time (guard "reminder"): a crash in
between leaves both undone, and two processes that see the same one do it once. What came due while nobody looked is
made up for once, however often it was missed; then the reminder goes on in its own rhythm.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from kelpie.actors import limits
from kelpie.actors.identity import ActorId
from kelpie.actors.recurrence import When, first_due_ms, next_due_ms
from kelpie.errors import GuardFailed, InvalidInput, LimitExceeded, NotFound, StoreClosed, StoreError
from umi.dst import Host
from umi.storage import Changes, Database, Migration, Page, Row, View, paged

log = logging.getLogger(__name__)

MIGRATION = Migration(
    "kelpie.actors",
    3,
    """
    CREATE TABLE reminder (
        seq INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, topic TEXT NOT NULL,
        due BLOB NOT NULL, body BLOB NOT NULL, due_at_ms INTEGER NOT NULL, created_at_ms INTEGER NOT NULL,
        UNIQUE (tenant, id)
    ) STRICT;
    CREATE INDEX reminder_due ON reminder (due_at_ms);
    CREATE INDEX reminder_actor ON reminder (tenant, kind, key, seq);
    """,
)
_COLUMNS = "tenant, id, kind, key, topic, due, body, due_at_ms, created_at_ms"
_INSERT = f"INSERT INTO reminder ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROOM = "SELECT 1 WHERE (SELECT count(*) FROM reminder WHERE tenant = ? AND kind = ? AND key = ?) < ?"
_MOVE = "UPDATE reminder SET due_at_ms = ? WHERE tenant = ? AND id = ? AND due_at_ms = ?"
_END = "DELETE FROM reminder WHERE tenant = ? AND id = ? AND due_at_ms = ?"
_DELETE = "DELETE FROM reminder WHERE tenant = ? AND kind = ? AND key = ? AND topic = ? AND id = ?"
_FORGET = "DELETE FROM reminder WHERE tenant = ? AND kind = ? AND key = ?"
_OF_ACTOR = f"SELECT {_COLUMNS} FROM reminder WHERE tenant = ? AND kind = ? AND key = ? AND topic = ?"
_DUE = f"SELECT seq, {_COLUMNS} FROM reminder WHERE due_at_ms <= ? AND seq > ? ORDER BY seq LIMIT ?"
_NEXT = "SELECT min(due_at_ms) FROM reminder WHERE due_at_ms > ?"

_encode = msgspec.msgpack.Encoder().encode
_decode_when = msgspec.msgpack.Decoder(When).decode


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """What an actor is to be reminded of.

    actor      with whose deletion it is gone
    topic      who knows what to do
    due_at_ms  when next, on the wall clock
    """

    id: str
    actor: ActorId
    topic: str
    when: When
    body: dict[str, Any]
    due_at_ms: int
    created_at_ms: int


# Does what a reminder is for, and commits the changes it is given with it. What it raises is tried again.
Handler = Callable[[Reminder, Changes], Awaitable[None]]


class _Postponed(NamedTuple):
    until_ms: float  # monotonic
    delay_ms: float


def new_reminder(host: Host, actor: ActorId, topic: str, when: When, body: dict[str, Any]) -> Reminder:
    """One that is due from now on. Raises InvalidInput, LimitExceeded and MissingExtra for a time that can't be, and
    for a body that can't be kept."""
    now_ms = host.clock.now_ms()
    due_at_ms = first_due_ms(when, now_ms)
    try:
        size = len(_encode(body))
    except UnicodeEncodeError as error:
        raise InvalidInput(f"a text holds {error.object[error.start]!a}, which is no character") from None
    if size > limits.REMINDER_BODY_BYTES_MAX:
        raise LimitExceeded("what an actor is to be reminded of", size, limits.REMINDER_BODY_BYTES_MAX, "bytes")
    return Reminder(
        id=host.ids.new("reminder"),
        actor=actor,
        topic=topic,
        when=when,
        body=body,
        due_at_ms=due_at_ms,
        created_at_ms=now_ms,
    )


def plan_add(reminder: Reminder) -> Changes:
    """Guard "reminders": the actor has not too many already."""
    who = reminder.actor
    changes = Changes().guard("reminders", _ROOM, who.tenant, who.kind, who.key, limits.REMINDERS_PER_ACTOR_MAX)
    return changes.extend(plan_set(reminder))


def plan_set(reminder: Reminder) -> Changes:
    """The same for what an actor has one of at most, and must be able to write. It is looked for within
    REMINDERS_SWEEP_MS."""
    who = reminder.actor
    return Changes().write(
        _INSERT,
        who.tenant,
        reminder.id,
        who.kind,
        who.key,
        reminder.topic,
        _encode(reminder.when),
        _encode(reminder.body),
        reminder.due_at_ms,
        reminder.created_at_ms,
    )


def plan_fired(reminder: Reminder, now_ms: int) -> Changes:
    """It was done for the time it was due. Guard "reminder": nobody has done so before, and it is there still."""
    tenant, next_ms = reminder.actor.tenant, next_due_ms(reminder.when, now_ms)
    if next_ms is None:
        return Changes().guard("reminder", _END, tenant, reminder.id, reminder.due_at_ms)
    return Changes().guard("reminder", _MOVE, next_ms, tenant, reminder.id, reminder.due_at_ms)


def plan_delete(actor: ActorId, topic: str, reminder_id: str) -> Changes:
    """Guard "reminder": it is this actor's, of this topic, and there."""
    return Changes().guard("reminder", _DELETE, actor.tenant, actor.kind, actor.key, topic, reminder_id)


def plan_forget(actor: ActorId) -> Changes:
    """Remove all that an actor is to be reminded of."""
    return Changes().write(_FORGET, actor.tenant, actor.kind, actor.key)


async def get(view: View, actor: ActorId, topic: str, reminder_id: str) -> Reminder:
    row = await view.one(f"{_OF_ACTOR} AND id = ?", actor.tenant, actor.kind, actor.key, topic, reminder_id)
    if row is None:
        raise NotFound(f"{actor} has no reminder of the id '{reminder_id}'")
    return _reminder(row)


async def list_reminders(view: View, actor: ActorId, topic: str, page: Page) -> list[Reminder]:
    """A page of an actor's reminders of one topic, by age."""
    sql, bound = paged(
        _OF_ACTOR, [actor.tenant, actor.kind, actor.key, topic], page, table="reminder", tenant=actor.tenant
    )
    return [_reminder(row) for row in await view.fetch(sql, *bound)]


def _reminder(row: Row) -> Reminder:
    return Reminder(
        id=row[1],
        actor=ActorId(row[2], row[3], row[0]),
        topic=row[4],
        when=_decode_when(row[5]),
        body=msgspec.msgpack.decode(row[6]),
        due_at_ms=row[7],
        created_at_ms=row[8],
    )


class Reminders:
    """One process's look at the reminders that all share."""

    def __init__(self, database: Database, host: Host) -> None:
        self._database, self._host = database, host
        self._handlers: dict[str, Handler] = {}
        self._postponed: dict[tuple[str, str], _Postponed] = {}
        self._changed = asyncio.Event()

    def register(self, topic: str, handler: Handler) -> None:
        self._handlers[topic] = handler

    def start(self) -> None:
        """Look now for what is due, and whenever something comes due."""
        self._host.spawn(self._watch(), "reminders")

    def add(self, reminder: Reminder) -> Changes:
        """Write the reminder, and have it looked for once that is committed."""
        return plan_add(reminder).after(self._changed.set)

    async def fire_due(self) -> int:
        """Do what is due, each once. Returns how many reminders were fired here; what failed is tried again later."""
        now_ms, after, fired = self._host.clock.now_ms(), 0, 0
        seen: set[tuple[str, str]] = set()
        while True:
            rows = await View(self._database).fetch(_DUE, now_ms, after, limits.REMINDERS_PAGE)
            due = [_reminder(row[1:]) for row in rows]
            seen.update((one.actor.tenant, one.id) for one in due)
            fired += sum(await asyncio.gather(*(self._fire(one) for one in due if self._may_be_tried(one))))
            if len(rows) < limits.REMINDERS_PAGE:
                break
            after = rows[-1][0]
        self._postponed = {key: value for key, value in self._postponed.items() if key in seen}
        return fired

    def _may_be_tried(self, reminder: Reminder) -> bool:
        postponed = self._postponed.get((reminder.actor.tenant, reminder.id))
        is_over = postponed is None or self._host.clock.monotonic_ms() >= postponed.until_ms
        return is_over and reminder.topic in self._handlers

    async def _fire(self, reminder: Reminder) -> bool:
        key = reminder.actor.tenant, reminder.id
        try:
            await self._handlers[reminder.topic](reminder, plan_fired(reminder, self._host.clock.now_ms()))
        except StoreClosed:
            raise
        except Exception as error:  # noqa: BLE001 - one reminder's failure must not keep the others from being done
            if isinstance(error, GuardFailed) and error.guard == "reminder":
                self._postponed.pop(key, None)
                return False  # another process was faster, or it is gone
            self._postpone(reminder, error)
            return False
        self._postponed.pop(key, None)
        return True

    def _postpone(self, reminder: Reminder, error: Exception) -> None:
        key = reminder.actor.tenant, reminder.id
        before = self._postponed.get(key)
        delay_ms = float(limits.REMINDER_RETRY_DELAY_MS) if before is None else 2 * before.delay_ms
        delay_ms = min(delay_ms, limits.REMINDER_RETRY_DELAY_MS_MAX)
        self._postponed[key] = _Postponed(self._host.clock.monotonic_ms() + delay_ms, delay_ms)
        level = logging.WARNING if isinstance(error, StoreError) else logging.ERROR
        log.log(level, "reminder %s is tried again in %d ms", reminder.id, delay_ms, exc_info=error)

    async def _watch(self) -> None:
        while True:
            self._changed.clear()  # before the look: what is added during it is looked for again
            try:
                await self.fire_due()
                wait_ms = await self._until_next_ms()
            except StoreClosed:
                return
            except Exception as error:
                log.warning("the reminders can't be looked through; tried again later", exc_info=error)
                wait_ms = limits.REMINDER_RETRY_DELAY_MS
            try:
                async with self._host.clock.timeout(wait_ms):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _until_next_ms(self) -> float:
        """How long nothing is due; bounded, as clocks jump and other processes write reminders too."""
        now_ms, monotonic_ms = self._host.clock.now_ms(), self._host.clock.monotonic_ms()
        row = await View(self._database).one(_NEXT, now_ms)
        waits = [float(limits.REMINDERS_SWEEP_MS), *(one.until_ms - monotonic_ms for one in self._postponed.values())]
        if row is not None and row[0] is not None:
            waits.append(float(row[0] - now_ms))
        return max(0.0, min(waits))
