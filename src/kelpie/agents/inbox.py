"""Where messages to agents are acknowledged, and what keeps every acknowledged run moving to its end.

Accepting commits the run with its input; that commit is the acknowledgement. From then on the run belongs to this
inbox until it ended: after a fault of the store or a lost activation the actor tries it again, before any later run of
the same agent, and after a restart `recover` finds it in the store.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kelpie.actors import ActorId, ActorRef, Silo
from kelpie.agents import agent as agents
from kelpie.agents import conversing, limits, sweeping
from kelpie.agents.actor import AgentActor, StartAnew, TakeTurn
from kelpie.agents.agent import ACTOR_KIND
from kelpie.agents.rules import approving
from kelpie.agents.turn.replaying import ended_stream
from kelpie.agents.turn.scene import Workshop
from kelpie.agents.turn.stream import Ended, RunStream
from kelpie.errors import (
    CallerError,
    CommitUnknown,
    Conflict,
    Fenced,
    GuardFailed,
    InvalidInput,
    NotFound,
    NotPermitted,
    QueueFull,
    StoreClosed,
    StoreError,
    UmiError,
)
from kelpie.people import NOBODY
from kelpie.trajectories import conversations, runs
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories.records import MAIN, OPEN_STATUSES, Run, RunInput, RunOptions, StoredMessage
from umi.storage import Changes, View

log = logging.getLogger(__name__)


def check_steps(options: RunOptions) -> None:
    """Raises InvalidInput for a number of steps that no run may have."""
    if not 1 <= options.max_steps <= limits.TURN_STEPS_MAX:
        raise InvalidInput(f"max_steps must be between 1 and {limits.TURN_STEPS_MAX}, not {options.max_steps}")


class Inbox:
    def __init__(self, workshop: Workshop, silo: Silo, *, runs_open_max: int = limits.RUNS_OPEN_MAX) -> None:
        self.silo = silo
        self.runs_open_max = runs_open_max
        self._workshop = workshop
        self._open: dict[str, RunStream] = {}
        self._in_doubt = 0  # runs of which nobody knows yet whether they are there
        workshop.switchboard.connect(self)
        silo.register(ACTOR_KIND, lambda placement: AgentActor(placement, workshop), agents.exists)

    async def accept(
        self,
        tenant: str,
        agent_id: str,
        incoming: Sequence[RunInput],
        options: RunOptions,
        *,
        conversation_id: str = MAIN,
        run_id: str | None = None,
        also: Changes | None = None,
    ) -> RunStream:
        """Acknowledge messages to an agent: when this returns, the run is durable and will reach an end. Messages that
        were accepted before, by the otid their sender gave them, are not run again: the stream is of the run they had.

        conversation_id  which of the agent's conversations they are said in
        run_id           the id a new run gets, if its caller has noted one
        also             what commits with a new run. Raises GuardFailed if a guard of these refuses
        Raises NotFound, NotPermitted (the agent is somebody else's conversation), QueueFull (nothing was stored),
        Conflict (an otid that another message has), InvalidInput, StoreError.
        """
        least = 1 if options.compact is None else 0
        if not least <= len(incoming) <= trajectory_limits.RUN_INPUT_MESSAGES_MAX:
            raise InvalidInput(
                f"a run takes 1 to {trajectory_limits.RUN_INPUT_MESSAGES_MAX} messages, not {len(incoming)}"
            )
        check_steps(options)
        if len(self._open) + self._in_doubt >= self.runs_open_max:
            raise QueueFull(f"this server has {len(self._open):,} open runs; nothing was stored, try again later")
        host = self._workshop.host
        run = Run(
            tenant=tenant,
            id=run_id or host.ids.new("run"),
            agent_id=agent_id,
            status="created",
            input=list(incoming),
            options=options,
            created_at_ms=host.clock.now_ms(),
            conversation_id=conversation_id,
        )
        ref = self.silo.ref(ACTOR_KIND, agent_id, tenant)
        changes = _plan_accept(run, ref.actor_id, also)
        if approving.answers_of(run):
            try:
                changes.extend(await approving.plan_answered(View(self._workshop.database), run, ref.actor_id))
            except InvalidInput as error:
                return await self._answered_before(run, error)
        ref.reserve()
        place, streams = _Place(ref), list[RunStream]()

        def told() -> None:
            place.give_back()
            streams.append(self._tell(run, is_new=True))

        try:
            # In the commit's hook: a caller that is cancelled while this commits leaves a durable run behind, which
            # has to be worked on all the same. And mail is in the order of acknowledgement, however tasks run.
            await self._workshop.database.commit(changes.after(told))
        except GuardFailed as error:
            place.give_back()
            return await self._refused(run, error)
        except CommitUnknown as unknown:
            refusal = await self._end_doubt(run, place.handed_on(), changes, told, unknown)
            if refusal is not None:
                return await self._refused(run, refusal)
        finally:
            place.give_back()
        return streams[0]

    async def _refused(self, run: Run, error: GuardFailed) -> RunStream:
        """The stream of the run in which these messages were accepted before, or why they can't be."""
        view = View(self._workshop.database)
        if error.guard == "otid" and (earlier := await runs.accepted_as(view, run)) is not None:
            return await self.resume(run.tenant, earlier)
        if error.guard == "conversation":
            await conversations.get(view, run.tenant, run.conversation_id, agent_id=run.agent_id)
        if error.guard in ("approval", "reminder") and approving.answers_of(run):
            raise Conflict(f"what waited of agent '{run.agent_id}' has been answered by somebody else") from None
        if error.guard == "agent":
            await agents.get(view, run.tenant, run.agent_id)
            if await approving.pending(view, run.tenant, run.agent_id, run.conversation_id) is not None:
                return await self._answered_before(run, approving.waits(run.agent_id))
            raise NotPermitted(f"agent '{run.agent_id}' is the conversation of somebody else") from None
        raise error

    async def _answered_before(self, run: Run, refusal: CallerError) -> RunStream:
        """The stream of the run in which these messages were accepted before, if they were: sent again, they meet what
        came of them. Raises `refusal` otherwise."""
        earlier = await runs.accepted_as(View(self._workshop.database), run)
        if earlier is None:
            raise refusal
        return await self.resume(run.tenant, earlier)

    async def resume(self, tenant: str, run_id: str) -> RunStream:
        """The stream of a run that was accepted before: all that it committed, and what is still to come.

        Raises NotFound.
        """
        run = await runs.get(View(self._workshop.database), tenant, run_id)
        if run.status in OPEN_STATUSES:
            return self._tell(run)  # it is at work here, or nobody's: then it is taken up as after a restart
        return await ended_stream(View(self._workshop.database), run)

    async def _end_doubt(
        self, run: Run, place: "_Place", changes: Changes, told: Callable[[], None], unknown: CommitUnknown
    ) -> GuardFailed | None:
        """Nobody knows whether the run is there. It can't be there twice, so it is committed again until the store says
        that it is: left alone, it would wait for the next start. Returns why it can't be there, if so. Raises `unknown`
        if that takes too long for a sender; the run is then acknowledged to nobody, and worked on once it is there."""
        again = self._commit_again(run, place, changes, told)
        known = self._workshop.host.spawn(again, f"end doubt of {run.id}")
        known.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        try:
            async with self._workshop.host.clock.timeout(limits.ACCEPT_DOUBT_MS_MAX):
                return await asyncio.shield(known)
        except TimeoutError:
            raise unknown from None

    async def _commit_again(
        self, run: Run, place: "_Place", changes: Changes, told: Callable[[], None]
    ) -> GuardFailed | None:
        """None once the run is there, or why it can't be. It keeps its place in the mailbox meanwhile."""
        delay_ms = limits.RUN_RETRY_DELAY_MS
        self._in_doubt += 1
        try:
            while True:
                try:
                    await self._workshop.database.commit(changes)
                except Conflict:
                    told()  # it was there all along
                except GuardFailed as refusal:
                    return refusal
                except StoreClosed:
                    raise
                except StoreError as error:
                    log.warning("nobody knows whether run %s is there; it is committed again", run.id, exc_info=error)
                    await self._workshop.host.clock.sleep(delay_ms)
                    delay_ms = min(2 * delay_ms, limits.RUN_RETRY_DELAY_MS_MAX)
                    continue
                return None
        finally:
            self._in_doubt -= 1
            place.give_back()

    async def recover(self) -> int:
        """Take up every run that was acknowledged and has not ended. Returns how many."""
        found = [run for run in await runs.open_runs(View(self._workshop.database)) if run.id not in self._open]
        for run in found:
            self._tell(run)
        return len(found)

    def stream_of(self, run_id: str) -> RunStream | None:
        """The events of a run that is under way in this process."""
        return self._open.get(run_id)

    async def cancel(self, tenant: str, run_id: str) -> Run:
        """End a run that is under way: what it waits for is stopped. Returns the run as it ended, or as it is if that
        takes long: one behind others ends when its turn comes.

        Raises NotFound, Conflict if it has ended already or another process has it.
        """
        stream = self._open.get(run_id)
        if stream is None or stream.run.tenant != tenant:
            run = await runs.get(View(self._workshop.database), tenant, run_id)
            why = "has ended already" if run.completed_at_ms is not None else "is not under way in this server"
            raise Conflict(f"run '{run_id}' {why}: there is nothing to cancel")
        await self._cancelled([stream])
        return stream.run

    async def cancel_of(
        self, tenant: str, agent_id: str, run_ids: Sequence[str] = (), *, conversation_id: str | None = None
    ) -> dict[str, Run]:
        """End runs of an agent, all that are open (in one conversation, or in any) if none is named, as `cancel` does.
        Returns each as it is then: one that had ended stays as it ended.

        Raises NotFound for a run that is not this agent's, Conflict if none of them is under way here.
        """
        view = View(self._workshop.database)
        named = [await runs.get(view, tenant, run_id) for run_id in dict.fromkeys(run_ids)]
        for run in named:
            if run.agent_id != agent_id:
                raise NotFound(f"agent '{agent_id}' has no run with the id '{run.id}'")
        wanted = named if run_ids else await runs.open_runs_of(view, tenant, agent_id)
        if conversation_id is not None:
            wanted = [run for run in wanted if run.conversation_id == conversation_id]
        withdrawn = await self._withdrawn(tenant, agent_id, run_ids, conversation_id)
        streams = [stream for run in wanted if (stream := self._open.get(run.id)) is not None]
        if not streams and not withdrawn:
            raise Conflict(f"no run of agent '{agent_id}' is under way in this server: there is nothing to cancel")
        await self._cancelled(streams)
        return {run.id: run for run in wanted} | {stream.run.id: stream.run for stream in streams} | withdrawn

    async def _withdrawn(
        self, tenant: str, agent_id: str, run_ids: Sequence[str], conversation_id: str | None
    ) -> dict[str, Run]:
        """Take back the questions of runs that wait for an answer: they count as cancelled from then on."""
        view, done = View(self._workshop.database), dict[str, Run]()
        for waiting in await approving.pending_of_agent(view, tenant, agent_id):
            is_named = not run_ids or waiting.run_id in run_ids
            if not is_named or conversation_id not in (None, waiting.conversation_id):
                continue
            try:
                await view.database.commit(approving.plan_withdraw(waiting, agents.actor_id(tenant, agent_id)))
            except GuardFailed:
                continue  # somebody answered, or its time is over
            with contextlib.suppress(NotFound):  # its record was deleted since
                done[waiting.run_id] = await runs.get(view, tenant, waiting.run_id)
        return done

    async def _cancelled(self, streams: Sequence[RunStream]) -> None:
        """Ask all of them to end, before any of them is waited for: one behind another must not begin."""
        for stream in streams:
            stream.cancel()
        with contextlib.suppress(TimeoutError):
            async with self._workshop.host.clock.timeout(limits.CANCEL_WAIT_MS_MAX):
                for stream in streams:
                    await stream.wait()

    async def drop(self, tenant: str, conversation_id: str) -> None:
        """Remove a conversation with its runs; those that are at work are stopped. Raises NotFound, StoreError."""
        shop, view = self._workshop, View(self._workshop.database)
        one = await conversations.get(view, tenant, conversation_id)
        gone = await conversing.plan_drop(view, one)
        gone.extend(sweeping.plan_errand(shop.outbox, tenant, one.agent_id, shop.host.clock.now_ms()))
        try:
            await shop.database.commit(gone)
        except GuardFailed:
            raise NotFound(f"no conversation has the id '{conversation_id}'") from None
        for stream in list(self._open.values()):
            if (stream.run.tenant, stream.run.conversation_id) == (tenant, conversation_id):
                stream.cancel()

    async def start_anew(self, tenant: str, agent_id: str, begun: list[StoredMessage]) -> None:
        """Forget the history of a conversation, that of these messages; it begins with them. Raises NotFound,
        QueueFull, Conflict (a run of its is open), StoreError."""
        ref = self.silo.ref(ACTOR_KIND, agent_id, tenant)
        await agents.get(View(self._workshop.database), tenant, agent_id)
        whose = (tenant, agent_id, begun[0].conversation_id)
        open_runs = (stream.run for stream in self._open.values())
        if any((run.tenant, run.agent_id, run.conversation_id) == whose for run in open_runs):
            raise Conflict(f"agent '{agent_id}' has a run that has not ended; wait for it, or cancel it")
        ref.reserve()
        try:
            answer = ref.tell(StartAnew(begun))
        finally:
            ref.release()
        await answer

    @property
    def open(self) -> int:
        """How many acknowledged runs have not ended."""
        return len(self._open)

    def _tell(self, run: Run, *, is_new: bool = False) -> RunStream:
        """Hand the run to its agent, once however often it is told."""
        known = self._open.get(run.id)
        if known is not None:
            return known
        stream = self._open[run.id] = RunStream(run, is_new=is_new)
        ref = self.silo.ref(ACTOR_KIND, run.agent_id, run.tenant)
        command = TakeTurn(stream)
        answer = ref.tell(command, _Again(command))
        self._workshop.host.spawn(self._see_through(stream, answer), f"run {run.id}")
        return stream

    async def _see_through(self, stream: RunStream, answer: "asyncio.Future[Ended]") -> None:
        try:
            await answer
        except NotFound as error:
            # The agent was deleted with its runs: there is nothing left to finish, only somebody to tell.
            self._publish_failure(stream, error)
        except Exception as error:  # noqa: BLE001 - the boundary of a run: even closing it failed, and it has to end
            await self._fail(stream, error)
        finally:
            self._open.pop(stream.run.id, None)

    async def _fail(self, stream: RunStream, error: Exception) -> None:
        """The last resort: end the run's record and nothing else, as what the actor would write can't be written."""
        record = _record(error)
        try:
            now_ms = self._workshop.host.clock.now_ms()
            await self._workshop.database.commit(runs.plan_end(stream.run, "failed", "error", now_ms, record))
        except (StoreError, GuardFailed):
            log.exception("run %s can't be closed; the next start takes it up", stream.run.id)
        self._publish_failure(stream, error, record)

    def _publish_failure(self, stream: RunStream, error: Exception, record: dict[str, Any] | None = None) -> None:
        record = record or _record(error)
        failed = msgspec.structs.replace(stream.run, status="failed", stop_reason="error", error=record)
        stream.publish(Ended(failed, []))


def _plan_accept(run: Run, who: ActorId, also: Changes | None) -> Changes:
    """Raises InvalidInput for what a store does not take."""
    speaker = run.options.speaker or NOBODY
    if any(one.answers for one in run.input[1:]):
        raise InvalidInput("answers to tool calls come first, in one message; other messages after them")
    if approving.answers_of(run):
        changes = agents.belongs_to(who, speaker)
    else:
        changes = agents.takes_messages(who, speaker, run.conversation_id)
    try:
        changes.extend(conversations.plan_said(run)).extend(runs.plan_accept(run))
    except UnicodeEncodeError as error:
        raise InvalidInput(f"a message holds {error.object[error.start]!a}, which is no character") from None
    return changes.extend(also or Changes())


class _Place:
    """A reserved place in a mailbox, given back once."""

    def __init__(self, ref: ActorRef) -> None:
        """`ref` has reserved it."""
        self._ref: ActorRef | None = ref

    def handed_on(self) -> "_Place":
        """The same place, now somebody else's to give back."""
        assert self._ref is not None, "it was given back"
        other, self._ref = _Place(self._ref), None
        return other

    def give_back(self) -> None:
        if self._ref is not None:
            self._ref.release()
            self._ref = None


class _Again:
    """Whether a run is tried again: after a fault of the store or a lost activation always, with growing pauses;
    after a bug of ours a few times, then to close it, for longer: closing is what keeps its message in the history."""

    def __init__(self, command: TakeTurn) -> None:
        self._command = command
        self._delay_ms = limits.RUN_RETRY_DELAY_MS
        self._bugs = 0

    def __call__(self, error: Exception) -> float | None:
        run_id = self._command.stream.run.id
        if isinstance(error, (NotFound, StoreClosed)):
            return None  # the agent is gone, or this process is going: the next start finds the run
        if isinstance(error, (StoreError, Fenced, GuardFailed)):
            log.warning("run %s goes on after a fault", run_id, exc_info=error)
        else:
            self._bugs += 1
            log.error("run %s failed unexpectedly", run_id, exc_info=error)
            if self._bugs >= limits.RUN_BUG_ATTEMPTS_MAX + limits.RUN_CLOSE_ATTEMPTS_MAX:
                return None
            if self._bugs == limits.RUN_BUG_ATTEMPTS_MAX:
                self._command.give_up = _record(error)
        most_ms = limits.RUN_FENCED_DELAY_MS_MAX if isinstance(error, Fenced) else limits.RUN_RETRY_DELAY_MS_MAX
        delay_ms = min(self._delay_ms, most_ms)
        self._delay_ms = 2 * delay_ms
        return delay_ms


def _record(error: Exception) -> dict[str, Any]:
    if isinstance(error, UmiError):
        return runs.error_record(error.kind, str(error))
    return runs.error_record("internal_error", f"{type(error).__name__}: {error}")
