"""The agent as an actor: its histories in memory while it lives, one turn at a time in all of its conversations."""

import logging
from typing import Any

import msgspec

from kelpie.actors import Placement
from kelpie.agents.context.history import Histories, History
from kelpie.agents.rules import approving
from kelpie.agents.turn.scene import Workshop
from kelpie.agents.turn.stream import Ended, RunStream
from kelpie.agents.turn.turn import Turn
from kelpie.errors import CallerError, Conflict, Fenced, GuardFailed, InternalError, NotFound, StoreError
from kelpie.trajectories import messages, runs
from kelpie.trajectories.records import OPEN_STATUSES, Run, StoredMessage
from umi.storage import View

log = logging.getLogger(__name__)


class TakeTurn(msgspec.Struct):
    """The command: bring this acknowledged run to its end, and tell the stream.

    give_up  set once every attempt met a bug of ours: close the run with this error instead of trying again
    """

    stream: RunStream
    give_up: dict[str, Any] | None = None


class StartAnew(msgspec.Struct):
    """The command: forget a conversation's history and begin it with these messages, wherever they go. Refused while a
    run of the conversation is open."""

    begun: list[StoredMessage]


class AgentActor:
    def __init__(self, placement: Placement, workshop: Workshop) -> None:
        self._placement = placement
        self._workshop = workshop
        self._histories = Histories("", "")
        self._left_open: list[Run] = []

    async def activate(self) -> None:
        who, view = self._placement.actor_id, View(self._workshop.database)
        self._histories = await Histories.load(view, who.tenant, who.key)
        self._left_open = await runs.open_runs_of(view, who.tenant, who.key)

    async def receive(self, command: TakeTurn | StartAnew) -> Ended | None:
        if isinstance(command, StartAnew):
            await self._start_anew(command.begun)
            return None
        return await self._take(command)

    async def _start_anew(self, begun: list[StoredMessage]) -> None:
        who, positions = self._placement.actor_id, self._histories.positions
        first, *others = [
            msgspec.structs.replace(one, position=positions.next + number) for number, one in enumerate(begun)
        ]
        try:
            changes = messages.plan_begin_anew(first).extend(messages.plan_add(others))
            changes.extend(approving.plan_forget(who.tenant, who.key, first.conversation_id))
            await self._placement.commit(changes)
        except GuardFailed as error:
            if error.guard != "at rest":
                raise
            raise Conflict(f"agent '{who.key}' has a run that has not ended; wait for it, or cancel it") from None
        history = History([], positions, begins_at=first.position)
        history.append([first, *others])
        self._histories.keep(first.conversation_id, history)

    async def _take(self, command: TakeTurn) -> Ended:
        stream = command.stream
        # What an earlier attempt or another process committed is in the store, not in `stream.run`.
        stream.run = await self._stored(stream.run)
        if stream.run.status in OPEN_STATUSES:
            await self._finish_earlier(stream.run.id)
            await self._begin_again(stream)
        stream.begin_attempt()
        turn = await self._turn(stream)
        try:
            return await (turn.take() if command.give_up is None else turn.close(command.give_up))
        except GuardFailed:
            await self._stored(stream.run)  # it is gone if its conversation was deleted: to try again is no use then
            raise

    async def _begin_again(self, stream: RunStream) -> None:
        """Note durably that an earlier attempt may have let pieces of a reply go out that will never be committed."""
        # What is new here may have waited behind others, while another process took it up for somebody who reads it.
        is_first = stream.is_new and stream.run.attempt == 0
        if is_first or not stream.run.options.stream_tokens:
            return
        stream.run, changes = runs.plan_again(stream.run)
        await self._placement.commit(changes)

    async def _finish_earlier(self, run_id: str) -> None:
        """Runs that were acknowledged before this one come first, whoever acknowledged them: when an agent changes
        hands in the middle of a turn, the next message must not come between its steps."""
        while self._left_open:
            run = self._left_open[0]
            if run.id != run_id:
                await self._finish(run)
            del self._left_open[0]
            if run.id == run_id:
                return

    async def _finish(self, left_open: Run) -> None:
        """End a run that somebody else left open. A bug in it ends it, and not the run that waits for it."""
        try:
            stream = RunStream(await self._stored(left_open))
        except NotFound:
            return  # its conversation was deleted with it
        try:
            if stream.run.status in OPEN_STATUSES:
                await self._begin_again(stream)
            await (await self._turn(stream)).take()
        except (StoreError, Fenced, GuardFailed, NotFound):
            raise
        except Exception as error:
            log.exception("run %s, left open by another process, failed unexpectedly", left_open.id)
            record = runs.error_record("internal_error", f"{type(error).__name__}: {error}")
            try:
                await (await self._turn(RunStream(await self._stored(left_open)))).close(record)
            except CallerError as refused:  # of ours, not of the caller's: the activation must not outlive it
                raise InternalError(f"run {left_open.id}, left open by another process, can't be closed") from refused

    async def _stored(self, run: Run) -> Run:
        return await runs.get(View(self._workshop.database), run.tenant, run.id)

    async def _turn(self, stream: RunStream) -> Turn:
        history = await self._histories.of(View(self._workshop.database), stream.run.conversation_id)
        return Turn(self._workshop, self._placement, history, stream.run, stream)
