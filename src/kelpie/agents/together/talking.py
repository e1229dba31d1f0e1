"""A message to a group: acknowledged, then turn after turn to its end, whatever stops the process in between.

What is left to do of a group's run is an errand of the outbox. Each turn is a run of its agent, which commits together
with the row that says whose turn it was: so a restart waits for that run, and goes on with the next.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

import msgspec

from kelpie.actors import Errand
from kelpie.actors.outbox import plan_done
from kelpie.agents import limits as agent_limits
from kelpie.agents.inbox import Inbox, check_steps
from kelpie.agents.together import turns
from kelpie.agents.together.turns import Over, Talked
from kelpie.agents.turn.scene import Workshop
from kelpie.agents.turn.stream import Ended, RunStream
from kelpie.errors import (
    CallerError,
    GuardFailed,
    InvalidInput,
    LimitExceeded,
    NotFound,
    QueueFull,
    StoreClosed,
    StoreError,
)
from kelpie.groups import limits, records
from kelpie.groups import runs as group_runs
from kelpie.groups.records import Group
from kelpie.groups.runs import GroupRun, GroupTurn
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories import runs
from kelpie.trajectories.records import RunInput, RunOptions
from umi.storage import View

log = logging.getLogger(__name__)

TOPIC = "group run"


class Talk:
    """A group's run in this process, for who watches it."""

    def __init__(self, run: GroupRun) -> None:
        self.run = run
        self._turns: list[RunStream] = []
        self._changed = asyncio.Event()

    def begin(self, stream: RunStream) -> None:
        if stream.run.id not in {one.run.id for one in self._turns}:
            self._turns.append(stream)
            self._tell()

    def end(self, run: GroupRun) -> None:
        self.run = run
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def watch(self) -> AsyncIterator[RunStream]:
        """The turns as they begin, from the first that this process knows of, until the group's run has ended."""
        known = 0
        while True:
            changed = self._changed
            for stream in self._turns[known:]:
                known += 1
                yield stream
            if known == len(self._turns) and not self.run.is_open:
                return
            if known == len(self._turns):
                await changed.wait()

    async def wait(self) -> GroupRun:
        async for _ in self.watch():
            pass
        return self.run


class Talking:
    def __init__(self, workshop: Workshop, inbox: Inbox) -> None:
        """Made once, before the outbox starts."""
        self._shop, self._inbox = workshop, inbox
        self._open: dict[str, Talk] = {}
        workshop.outbox.register(TOPIC, self._go_on, self._gone)

    async def accept(self, tenant: str, group_id: str, incoming: Sequence[RunInput], options: RunOptions) -> Talk:
        """Acknowledge a message to a group: when this returns, it is durable and will reach an end.

        Raises NotFound, InvalidInput (of a group that is not spoken to), LimitExceeded, QueueFull, StoreError.
        """
        group = await records.get(View(self._shop.database), tenant, group_id)
        if group.kind == "sleeptime":
            raise InvalidInput(f"a sleeptime group is not spoken to; speak to its main agent '{group.manager}'")
        if not incoming:
            raise InvalidInput("a group is told at least one message, not 0")
        if any(one.answers for one in incoming):
            raise InvalidInput("approvals are answered to the agent that asks, and not to its group")
        check_steps(options)
        most = trajectory_limits.RUN_INPUT_MESSAGES_MAX // 2  # the other half is for what the agents say
        if len(incoming) > most:
            raise LimitExceeded("the messages to a group", len(incoming), most, "messages")
        host = self._shop.host
        run = GroupRun(
            tenant=tenant,
            id=host.ids.new("group_run"),
            group_id=group_id,
            status="created",
            input=list(incoming),
            options=msgspec.structs.replace(options, group_id=group_id),
            created_at_ms=host.clock.now_ms(),
        )
        errand = Errand(tenant=tenant, topic=TOPIC, id=run.id, lane=f"group {group_id}", due_at_ms=run.created_at_ms)
        talk = self._open[run.id] = Talk(run)
        try:
            await self._shop.database.commit(group_runs.plan_accept(run).extend(self._shop.outbox.put(errand)))
        except BaseException as error:
            self._open.pop(run.id, None)
            if isinstance(error, GuardFailed):
                await records.get(View(self._shop.database), tenant, group_id)
                most = limits.GROUP_RUNS_OPEN_MAX
                raise QueueFull(f"{most} messages wait for this group; nothing was stored") from None
            if isinstance(error, UnicodeEncodeError):
                raise InvalidInput(f"a message holds {error.object[error.start]!a}, which is no character") from None
            raise
        return talk

    # ---- from the outbox

    def _gone(self, errand: Errand) -> None:
        """It came to its end in a commit that nobody here heard of, or in another process."""
        if (talk := self._open.pop(errand.id, None)) is not None:
            self._shop.host.spawn(self._tell_end(errand, talk), f"end of {errand.id}")

    async def _tell_end(self, errand: Errand, talk: Talk) -> None:
        while True:
            try:
                run = await group_runs.get(View(self._shop.database), errand.tenant, errand.id)
            except NotFound:
                run = _deleted(talk.run)
            except StoreClosed:
                return
            except StoreError as error:
                log.warning("the end of %s is read again", errand.id, exc_info=error)
                await self._shop.host.clock.sleep(agent_limits.RUN_RETRY_DELAY_MS)
                continue
            talk.end(run)
            return

    async def _go_on(self, errand: Errand) -> None:
        view = View(self._shop.database)
        try:
            run = await group_runs.get(view, errand.tenant, errand.id)
            talk = self._open.setdefault(run.id, Talk(run))
            if run.is_open and await group_runs.has_to_wait(view, run):
                self._put_off(errand)
                return
            while run.is_open:
                run = await self._next(errand, run, talk)
        except NotFound:  # the group was deleted with its runs: nothing is left to do, only somebody to tell
            await self._void(errand)
            if (left := self._open.pop(errand.id, None)) is not None:
                left.end(_deleted(left.run))
            return
        talk.end(run)
        self._open.pop(run.id, None)

    def _put_off(self, errand: Errand) -> None:
        """A lane does not wait for what failed in it and is tried again, and other processes have lanes of their own:
        the message before this one may still be answered. Waiting here would keep it from this lane."""
        due_ms = self._shop.host.clock.now_ms() + limits.GROUP_WAIT_MS
        self._shop.outbox.tell(msgspec.structs.replace(errand, due_at_ms=due_ms))

    async def _void(self, errand: Errand) -> None:
        try:
            await self._shop.database.commit(plan_done(errand))
        except GuardFailed:
            log.info("errand %s was done by another process", errand.id)

    async def _next(self, errand: Errand, run: GroupRun, talk: Talk) -> GroupRun:
        """Wait for the turn that has begun, then begin the next or end. Returns the group's run as it is then."""
        view = View(self._shop.database)
        group = await records.get(view, run.tenant, run.group_id)
        taken = await group_runs.turns_of(view, run.tenant, run.id)
        over: Over | None = None
        for turn in taken[-1:]:  # it began when those before it had ended
            stream = await self._stream(run, turn)
            if stream is not None:
                talk.begin(stream)
                over = _broken((await stream.wait())[0])
        if over is not None:
            return await self._end(errand, run, over)
        talked = await Talked.read(view, group, run, taken)
        following = await turns.following(view, self._shop.host.ids, talked)
        if isinstance(following, Over):
            return await self._end(errand, run, following)
        try:
            await self._begin(group, run, len(taken), following, talk)
        except (GuardFailed, NotFound):
            # Another process was faster, or the agent is gone: look at what is there now.
            return await group_runs.get(view, run.tenant, run.id)
        except QueueFull:
            raise  # tried again later
        except CallerError as error:
            return await self._end(errand, run, Over(status="failed", stop_reason="error", error=str(error)))
        return run

    async def _begin(self, group: Group, run: GroupRun, number: int, following: turns.Next, talk: Talk) -> None:
        run_id = self._shop.host.ids.new("run")
        turn = GroupTurn(number=number, agent_id=following.agent_id, part=following.part, run_id=run_id)
        also = group_runs.plan_turn(run, turn)
        accepted = await self._inbox.accept(
            group.tenant, following.agent_id, following.incoming, run.options, run_id=run_id, also=also
        )
        talk.begin(accepted)

    async def _stream(self, run: GroupRun, turn: GroupTurn) -> RunStream | None:
        """Of a turn's run: under way, or as it ended; None if its record was deleted since."""
        if (stream := self._inbox.stream_of(turn.run_id)) is not None:
            return stream
        try:
            return await self._inbox.resume(run.tenant, turn.run_id)
        except NotFound:
            return None

    async def _end(self, errand: Errand, run: GroupRun, over: Over) -> GroupRun:
        error = runs.error_record("group_failed", over.error) if over.error else None
        now_ms = self._shop.host.clock.now_ms()
        ended, changes = group_runs.plan_end(run, over.status, over.stop_reason, now_ms, error)
        try:
            await self._shop.database.commit(changes.extend(plan_done(errand)))
        except GuardFailed:
            return await group_runs.get(View(self._shop.database), run.tenant, run.id)
        return ended


def _deleted(run: GroupRun) -> GroupRun:
    gone = runs.error_record("not_found", "the group was deleted")
    return msgspec.structs.replace(run, status="failed", stop_reason="error", error=gone)


def _broken(ended: Ended) -> Over | None:
    """How the group's run ends because a turn of its did not come to its end."""
    run = ended.run
    if run.status == "completed":
        return None
    why = run.error["message"] if run.error else None
    reason = run.stop_reason or "error"
    return Over(status=run.status, stop_reason=reason, error=f"agent '{run.agent_id}' failed: {why}" if why else None)
