"""A silo: the process's set of activations and their mailboxes.

A mailbox is a deque, and a task drains it only while there is mail: an idle actor costs a slot, not a task. The
mailbox belongs to the slot, not to the activation. So a command that waited while its actor was dropped runs on the
new activation, never on the zombie. A command that is to be tried again after a fault keeps its place: what came after
it waits, so that the order of acknowledgement is the order of work.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from kelpie.actors import limits
from kelpie.actors.directory import Placement
from kelpie.actors.identity import ActorId
from kelpie.errors import CallerError, InternalError, NotFound, QueueFull
from kelpie.events import ActivationChanged, Events, QueueChanged
from umi.dst import Host
from umi.storage import Changes, Database


class Actor(Protocol):
    """What a room implements: one command at a time, all its writes through `placement.commit`."""

    async def activate(self) -> None:
        """Load state. It sees every write of earlier epochs."""
        ...

    async def receive(self, command: Any) -> Any: ...


ActorFactory = Callable[[Placement], Actor]
ExistsGuard = Callable[[ActorId], Changes]
# After how many ms a command that failed is tried again, before any later one; None answers its sender with the error.
Again = Callable[[Exception], float | None]


class _Mail(NamedTuple):
    command: Any
    done: "asyncio.Future[Any]"
    again: Again | None


class _Slot:
    __slots__ = ("actor", "draining", "last_used_ms", "mailbox", "reserved")

    def __init__(self) -> None:
        self.mailbox: deque[_Mail] = deque()
        self.actor: Actor | None = None
        self.draining = False
        self.reserved = 0
        self.last_used_ms = 0.0

    @property
    def is_at_rest(self) -> bool:
        return not (self.draining or self.mailbox or self.reserved)


class Silo:
    def __init__(
        self,
        name: str,
        database: Database,
        host: Host,
        events: Events,
        *,
        idle_ms: float = limits.IDLE_BEFORE_DEACTIVATION_MS,
        mailbox_messages_max: int = limits.MAILBOX_MESSAGES_MAX,
    ) -> None:
        self.name = name
        self.mailbox_messages_max = mailbox_messages_max
        self._database = database
        self._host = host
        self._events = events
        self._idle_ms = idle_ms
        self._kinds: dict[str, tuple[ActorFactory, ExistsGuard]] = {}
        self._slots: dict[ActorId, _Slot] = {}
        self._live = 0
        self._waiting = 0

    def register(self, kind: str, factory: ActorFactory, exists: ExistsGuard = lambda _: Changes()) -> None:
        """`exists` gives the guard that an activation of this kind demands of the store."""
        self._kinds[kind] = (factory, exists)

    def start(self) -> None:
        """Begin to deactivate what is idle."""
        self._host.spawn(self._sweep(), "silo sweep")

    def ref(self, kind: str, key: str, tenant: str) -> "ActorRef":
        assert kind in self._kinds, f"no actor of kind {kind} is registered"
        return ActorRef(self, ActorId(kind, key, tenant))

    @property
    def live(self) -> int:
        """How many activations this silo holds."""
        return self._live

    @property
    def slots(self) -> int:
        """How many actors have an activation, mail, or a reserved place here."""
        return len(self._slots)

    @property
    def reserved(self) -> int:
        """How many places in mailboxes are taken for commands that are being made durable."""
        return sum(slot.reserved for slot in self._slots.values())

    def reserve(self, actor_id: ActorId) -> None:
        """Take a place in the mailbox before the command is made durable. Raises QueueFull: store nothing then."""
        slot = self._slots.setdefault(actor_id, _Slot())
        if len(slot.mailbox) + slot.reserved >= self.mailbox_messages_max:
            raise QueueFull(
                f"{actor_id} has {self.mailbox_messages_max} messages waiting; nothing was stored, try again later"
            )
        slot.reserved += 1

    def release(self, actor_id: ActorId) -> None:
        """Give a reserved place back."""
        slot = self._slots[actor_id]
        slot.reserved -= 1
        if slot.actor is None and slot.is_at_rest:
            del self._slots[actor_id]  # nobody lives there, perhaps nobody ever did

    def tell(self, actor_id: ActorId, command: Any, again: Again | None = None) -> "asyncio.Future[Any]":
        """Put a command into the mailbox; the future is its answer. Commands run one at a time, in this order."""
        slot = self._slots.setdefault(actor_id, _Slot())
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        slot.mailbox.append(_Mail(command, done, again))
        self._count_waiting(+1)
        if not slot.draining:
            slot.draining = True
            self._host.spawn(self._drain(actor_id, slot), f"drain {actor_id}")
        return done

    async def _drain(self, actor_id: ActorId, slot: _Slot) -> None:
        try:
            while slot.mailbox:
                mail = slot.mailbox.popleft()
                self._count_waiting(-1)
                await self._deliver(actor_id, slot, mail)
        finally:
            slot.draining = False
            slot.last_used_ms = self._host.clock.monotonic_ms()

    async def _deliver(self, actor_id: ActorId, slot: _Slot, mail: _Mail) -> None:
        """Run the command until it is answered: with its result, or with an error nobody wants to try again."""
        done = mail.done
        try:
            while (error := await self._attempt(actor_id, slot, mail)) is not None:
                delay_ms = mail.again(error) if mail.again is not None else None
                if delay_ms is None:
                    break
                await self._host.clock.sleep(delay_ms)
        except asyncio.CancelledError:
            done.cancel()
            raise
        if error is not None and not done.done():
            done.set_exception(error)

    async def _attempt(self, actor_id: ActorId, slot: _Slot, mail: _Mail) -> Exception | None:
        """Answer the sender and return None, or return why that failed."""
        failed: Exception
        try:
            if slot.actor is None:
                await self._activate(actor_id, slot)
            assert slot.actor is not None
            answer = await slot.actor.receive(mail.command)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: something the command awaited was cancelled under it. For the actor that is
            # a fault like any other; taken for a stop of the process it would leave the mailbox undrained.
            failed = InternalError(f"what {actor_id} waited for was cancelled")
            failed.__cause__ = error
        except Exception as error:  # noqa: BLE001 - the actor boundary: the caller gets the error, the silo lives on
            failed = error
        else:
            if not mail.done.done():
                mail.done.set_result(answer)
            return None
        # A refusal leaves the state as it was. After anything else the state in memory may not be what is stored (a
        # commit of unknown outcome, a fence, a deletion): the next command loads it again.
        if not isinstance(failed, CallerError) or isinstance(failed, NotFound):
            self._drop(actor_id, slot, "dropped")
        return failed

    async def _activate(self, actor_id: ActorId, slot: _Slot) -> None:
        factory, exists = self._kinds[actor_id.kind]
        actor = factory(await Placement.claim(self._database, actor_id, self.name, exists(actor_id)))
        await actor.activate()
        slot.actor = actor
        self._live += 1
        self._emit(actor_id, "activated")

    def _drop(self, actor_id: ActorId, slot: _Slot, change: Any) -> None:
        if slot.actor is not None:
            slot.actor = None
            self._live -= 1
            self._emit(actor_id, change)

    async def _sweep(self) -> None:
        while True:
            await self._host.clock.sleep(limits.SWEEP_INTERVAL_MS)
            self.deactivate_idle()

    def deactivate_idle(self) -> int:
        """Let go of actors without mail for longer than the idle time. Returns how many."""
        now_ms = self._host.clock.monotonic_ms()
        idle = [
            (actor_id, slot)
            for actor_id, slot in self._slots.items()
            if slot.is_at_rest and now_ms - slot.last_used_ms >= self._idle_ms
        ]
        for actor_id, slot in idle:
            self._drop(actor_id, slot, "deactivated")
            del self._slots[actor_id]
        return len(idle)

    def _count_waiting(self, change: int) -> None:
        self._waiting += change
        self._events.emit(QueueChanged(waiting=self._waiting))

    def _emit(self, actor_id: ActorId, change: Any) -> None:
        self._events.emit(
            ActivationChanged(tenant=actor_id.tenant, actor=str(actor_id), change=change, live=self._live)
        )


class ActorRef:
    """How to call an actor. Holding one costs nothing and activates nothing."""

    __slots__ = ("_silo", "actor_id")

    def __init__(self, silo: Silo, actor_id: ActorId) -> None:
        self._silo = silo
        self.actor_id = actor_id

    def reserve(self) -> None:
        self._silo.reserve(self.actor_id)

    def release(self) -> None:
        self._silo.release(self.actor_id)

    def tell(self, command: Any, again: Again | None = None) -> "asyncio.Future[Any]":
        return self._silo.tell(self.actor_id, command, again)
