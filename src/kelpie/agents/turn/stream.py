"""What a run tells those who watch it: provisional pieces, then what was committed, then its end."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

import msgspec

from kelpie.agents import limits
from kelpie.agents.turn import pieces
from kelpie.trajectories.records import Run, Step, StoredMessage, Told
from umi.wire.types import Delta


class Provisional(msgspec.Struct, frozen=True):
    """A piece of a reply that is not durable yet. `message_id` is the id the message will have, `attempt` the attempt
    at the run: if that is cut, this piece is void. `thinks`: what the agent thinks is among its calls' arguments."""

    message_id: str
    step_id: str
    delta: Delta
    attempt: int = 0
    thinks: bool = False


class Committed(msgspec.Struct, frozen=True):
    """Messages of a step that are on disk, in order; the input of the run is not among them. The step says in which
    pieces its reply went out before."""

    step: Step
    messages: list[StoredMessage]


class Ended(msgspec.Struct, frozen=True):
    """The run is over. `steps` are all of its steps; the run has its final status, stop reason and error."""

    run: Run
    steps: list[Step]


RunEvent = Provisional | Committed | Ended
T = TypeVar("T")


class Cancelled(Exception):
    """The run was cancelled while the turn waited for something; that has stopped."""


class RunStream:
    """The events of one run. Watching is optional, and a watcher that leaves or lags changes nothing for the run.

    A watcher sees every event from the moment it began to watch. What was committed before is given first, then the
    pieces so far of the reply that is under way: whoever comes in the middle of a reply can still show all of it.
    """

    def __init__(self, run: Run, *, is_new: bool = False) -> None:
        """`is_new`: the run was just accepted, and nobody can have begun with it."""
        self.run = run
        self.is_new = is_new
        self.ended: Ended | None = None
        self.is_cancelled = False
        self._waiting: asyncio.Task[Any] | None = None  # the turn, while it waits for a model or a tool
        self._over = asyncio.Event()
        self._past: list[Committed] = []
        self._pieces: list[Provisional] = []  # since the last commit
        self._watchers: list[asyncio.Queue[RunEvent | None]] = []

    @property
    def is_watched(self) -> bool:
        return bool(self._watchers)

    @property
    def committed_ids(self) -> set[str]:
        """The messages that were published as committed."""
        return {message.id for event in self._past for message in event.messages}

    def cancel(self) -> None:
        """Ask the turn to end: what it waits for is stopped, what was committed stays, and the run ends as cancelled.
        A run that has ended, or that another process has, is not touched by it."""
        if not self.is_cancelled:
            self.is_cancelled = True
            if self._waiting is not None:
                self._waiting.cancel()

    async def until_cancelled(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises Cancelled, once `work` has stopped, if the run is cancelled meanwhile."""
        if self.is_cancelled:
            work.close()
            raise Cancelled
        task = asyncio.current_task()
        assert task is not None, "a turn is a task"
        self._waiting = task
        try:
            result = await work
        except asyncio.CancelledError:
            self._waiting = None
            if self.is_cancelled and task.uncancel() == 0:
                raise Cancelled from None
            raise  # the process stops, or the actor does
        except BaseException:
            self._waiting = None
            if self.is_cancelled:
                task.uncancel()  # it came while `work` failed by itself
            raise
        self._waiting = None
        if self.is_cancelled:
            task.uncancel()  # it came while `work` was past caring
        return result

    def told(self) -> Told | None:
        """What a step keeps of the pieces that went out since the last commit."""
        return pieces.told(self.run.attempt, (piece.delta for piece in self._pieces))

    def begin_attempt(self) -> None:
        self.is_new = False
        self._pieces.clear()  # what an earlier attempt had heard of a reply will not be committed

    def publish(self, event: RunEvent) -> None:
        if isinstance(event, Provisional):
            self._pieces.append(event)
        else:
            self._pieces.clear()
        if isinstance(event, Committed):
            self._past.append(event)
        elif isinstance(event, Ended):
            self.ended = event
            self.run = event.run
            self._over.set()
        for queue in list(self._watchers):
            if queue.qsize() >= limits.STREAM_EVENTS_WAITING_MAX:
                self._watchers.remove(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    async def watch(self) -> AsyncGenerator[RunEvent]:
        """Events until the run ended. Ends early, without an Ended, for a watcher that lagged too far behind."""
        queue: asyncio.Queue[RunEvent | None] = asyncio.Queue()
        for committed in self._past:
            queue.put_nowait(committed)
        for piece in self._pieces:
            queue.put_nowait(piece)
        if self.ended is not None:
            queue.put_nowait(self.ended)
        self._watchers.append(queue)
        try:
            while (event_or_end := await queue.get()) is not None:
                yield event_or_end
                if isinstance(event_or_end, Ended):
                    return
        finally:
            if queue in self._watchers:
                self._watchers.remove(queue)

    async def wait(self) -> tuple[Ended, list[Committed]]:
        """The end of the run and all that it committed while this process ran it."""
        await self._over.wait()
        assert self.ended is not None
        return self.ended, self._past
