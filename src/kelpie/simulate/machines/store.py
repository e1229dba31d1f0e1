"""The store of a cluster: a Database behind the network, and the silos' side of it.

The calls are those of the `Database` protocol, as messages. A silo opens a session with one life of the store, and
numbers its requests in it: the store answers a repeated number with what it answered before, so a request may be sent
again when its answer is late, and a doubled message does nothing twice. A session ends with the store's process, and
with its silo's: the next life of a silo ends what its predecessor had open before it looks at anything, or a commit
that was still on its way would come after that look. What was asked in a session that ended and not answered may have
happened: a commit's outcome is then unknown, as with any other server that breaks a connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from umi import errors
from umi.dst import Host
from umi.dst.network import CAUSE, SimNetwork
from umi.errors import CommitUnknown, GuardFailed, StoreClosed, StoreError, StoreInUse, UmiError
from umi.storage import Changes, Database, Row, Write

STORE = "store"
ANSWER_TIMEOUT_MS = 800.0
ATTEMPTS_MAX = 4
ANSWERS_KEPT_MAX = 10_000  # of one session: more than a silo can have open at once

Query = tuple[str, tuple[Any, ...]]


class Ask(msgspec.Struct, array_like=True):
    """`session` 0 asks for a new one. A commit has writes and no queries. `life` tells the lives of a client apart."""

    client: str
    life: int
    session: int
    number: int
    queries: list[Query] = []
    writes: list[tuple[str, tuple[Any, ...], str | None, int]] = []


class Told(msgspec.Struct, array_like=True):
    """`error` is the class of an error with what it is made of; "session" if the store knows no such session."""

    session: int
    number: int
    rows: list[Any] = []
    error: str = ""
    details: list[Any] = []


_pack = msgspec.msgpack.Encoder().encode
_ask = msgspec.msgpack.Decoder(Ask).decode
_told = msgspec.msgpack.Decoder(Told).decode


@dataclass(slots=True)
class Session:
    """answers  by the number of their request; None while it is worked on
    resting  set while nothing is worked on
    """

    client: str
    life: int
    answers: dict[int, Told | None] = field(default_factory=dict)
    working: int = 0
    resting: asyncio.Event = field(default_factory=asyncio.Event)


class StoreServer:
    """One life of the store's process."""

    def __init__(self, network: SimNetwork, database: Database, host: Host) -> None:
        self._network, self._database, self._host = network, database, host
        self._sessions: dict[int, Session] = {}
        self._lives: set[tuple[str, int]] = set()  # of clients that have asked for a session

    def receive(self, sender: str, message: bytes) -> None:
        self._host.spawn(self._handle(sender, _ask(message)), f"store for {sender}")

    async def _handle(self, sender: str, ask: Ask) -> None:
        if ask.session == 0:
            await self._open_session(sender, ask)
            return
        session = self._sessions.get(ask.session)
        if session is None:
            self._tell(sender, Told(ask.session, ask.number, error="session"))
            return
        answers = session.answers
        if ask.number in answers:
            known = answers[ask.number]
            if known is not None:
                self._tell(sender, known)
            return
        answers[ask.number] = None
        session.working += 1
        session.resting.clear()
        try:
            answers[ask.number] = told = await self._answer(ask)
        finally:
            session.working -= 1
            if not session.working:
                session.resting.set()
        if len(answers) > ANSWERS_KEPT_MAX:
            del answers[next(iter(answers))]
        self._tell(sender, told)

    async def _open_session(self, sender: str, ask: Ask) -> None:
        if (ask.client, ask.life) not in self._lives:
            self._lives.add((ask.client, ask.life))
            await self._end_predecessors(ask)
        # Unguessable, so that a number of an earlier life of the store is not taken for one of this.
        number = self._host.rng.randint(1, 2**53)
        self._sessions[number] = Session(ask.client, ask.life)
        self._tell(sender, Told(number, ask.number))

    async def _end_predecessors(self, ask: Ask) -> None:
        """Nothing more is begun for the client's earlier lives, and what was begun is over."""
        ended = [n for n, one in self._sessions.items() if one.client == ask.client and one.life != ask.life]
        for session in [self._sessions.pop(number) for number in ended]:
            while session.working:
                await session.resting.wait()

    async def _answer(self, ask: Ask) -> Told:
        changes = Changes([Write(*write) for write in ask.writes])
        try:
            if ask.queries:
                rows: list[Any] = await self._database.read(ask.queries, changes or None)
            else:
                rows = await self._database.commit(changes)
        except UmiError as error:
            return Told(ask.session, ask.number, error=type(error).__name__, details=_details(error))
        return Told(ask.session, ask.number, rows)

    def _tell(self, sender: str, told: Told) -> None:
        self._network.send(STORE, sender, "told", _pack(told))


class RemoteStore:
    """A silo's Database. `receive` takes the store's answers."""

    def __init__(self, network: SimNetwork, name: str, host: Host) -> None:
        self._network, self._name, self._host = network, name, host
        self._life = host.rng.fork("life").randint(1, 2**53)
        self._session = 0
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Told]] = {}
        self._opening: asyncio.Task[int] | None = None
        self._closed = False

    def receive(self, _sender: str, message: bytes) -> None:
        told = _told(message)
        waiting = self._waiting.get(told.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(told)

    async def read(self, queries: Sequence[Query], over: Changes | None = None) -> list[list[Row]]:
        for _ in range(ATTEMPTS_MAX):
            told = await self._asked(list(queries), over)
            if told is not None:
                return [[tuple(row) for row in rows] for rows in told.rows]
        raise StoreError("the store gives no answer; the read may be tried again")

    async def commit(self, changes: Changes) -> list[Row]:
        """As SqliteDatabase does: once begun, it and its hooks happen even if the caller is cancelled."""
        return await asyncio.shield(self._host.spawn(self._commit(changes), "remote commit"))

    async def _commit(self, changes: Changes) -> list[Row]:
        hooks = list(changes.after_commit)
        rows: list[Row] = []
        if changes.writes:
            told = await self._asked([], changes)
            if told is None:
                raise CommitUnknown(
                    "the store gave no answer to a commit; its outcome is unknown, reload before going on"
                )
            rows = [tuple(row) for row in told.rows]
        for hook in hooks:
            hook()
        return rows

    async def close(self) -> None:
        self._closed = True

    async def _asked(self, queries: list[Query], changes: Changes | None) -> Told | None:
        """The answer; None if there is none, or if the session ended. Raises what the store raised."""
        if self._closed:
            raise StoreClosed("the store was closed")
        session = await self._open_session()
        writes = [(one.sql, one.params, one.guard, one.rows) for one in changes.writes] if changes else []
        told = await self._call(Ask(self._name, self._life, session, self._next_number(), queries, writes))
        if told is None:
            return None
        if told.error == "session":
            if self._session == session:
                self._session = 0
            return None
        if told.error:
            raise _error(told)
        return told

    async def _open_session(self) -> int:
        """Raises StoreError if the store does not answer: nothing was asked of it then."""
        if not self._session:
            if self._opening is None or self._opening.done():
                self._opening = self._host.spawn(self._hello(), "remote session")
            self._session = await asyncio.shield(self._opening)
        return self._session

    async def _hello(self) -> int:
        told = await self._call(Ask(self._name, self._life, 0, self._next_number()))
        if told is None:
            raise StoreError("the store can't be reached; nothing was written")
        return told.session

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    async def _call(self, ask: Ask) -> Told | None:
        message, waiting = _pack(ask), asyncio.get_running_loop().create_future()
        self._waiting[ask.number] = waiting
        label = f"ask/{_label(ask)}"
        try:
            for _ in range(ATTEMPTS_MAX):
                self._network.send(self._name, STORE, label, message)
                try:
                    async with self._host.clock.timeout(ANSWER_TIMEOUT_MS):
                        return await asyncio.shield(waiting)
                except TimeoutError:
                    continue
            return None
        finally:
            del self._waiting[ask.number]


def _label(ask: Ask) -> str:
    """What kind of request it is, without the ids in it: its fate on the network is keyed by that."""
    first = ask.queries[0][0] if ask.queries else ask.writes[0][0] if ask.writes else "hello"
    return f"{first[:60]}/{CAUSE.get()}"


def _details(error: UmiError) -> list[Any]:
    match error:
        case GuardFailed():
            return [error.guard, error.expected_rows, error.touched_rows]
        case StoreInUse():
            return [error.path, error.holder_pid]
        case _:
            return [str(error)]


def _error(told: Told) -> UmiError:
    made: Callable[..., UmiError] = getattr(errors, told.error)
    return made(*told.details)
