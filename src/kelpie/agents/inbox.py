"""Where messages to agents are acknowledged, and what keeps every acknowledged run moving to its end.

Accepting commits the run with its input; that commit is the acknowledgement. From then on the run belongs to this
inbox until it ended: after a fault of the store or a lost activation it is told to the actor again, and after a
restart `recover` finds it in the store.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.actors import ActorRef, Silo
from kelpie.agents import agent as agents
from kelpie.agents import limits
from kelpie.agents.actor import AgentActor, TakeTurn
from kelpie.agents.agent import ACTOR_KIND
from kelpie.agents.scene import Workshop
from kelpie.agents.stream import Ended, RunStream
from kelpie.errors import EnvironmentFault, Fenced, GuardFailed, InvalidInput, NotFound, UmiError
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories import runs
from kelpie.trajectories.records import Run, RunInput, RunOptions
from umi.storage import View

log = logging.getLogger(__name__)


class Inbox:
    def __init__(self, workshop: Workshop, silo: Silo) -> None:
        self._workshop = workshop
        self._silo = silo
        self._open: dict[str, RunStream] = {}
        silo.register(ACTOR_KIND, lambda placement: AgentActor(placement, workshop), agents.exists)

    async def accept(self, tenant: str, agent_id: str, incoming: Sequence[RunInput], options: RunOptions) -> RunStream:
        """Acknowledge messages to an agent: when this returns, the run is durable and will reach an end.

        Raises NotFound, QueueFull (nothing was stored), InvalidInput, StoreError.
        """
        if not 1 <= len(incoming) <= trajectory_limits.RUN_INPUT_MESSAGES_MAX:
            raise InvalidInput(
                f"a run takes 1 to {trajectory_limits.RUN_INPUT_MESSAGES_MAX} messages, not {len(incoming)}"
            )
        if not 1 <= options.max_steps <= limits.TURN_STEPS_MAX:
            raise InvalidInput(f"max_steps must be between 1 and {limits.TURN_STEPS_MAX}, not {options.max_steps}")
        host = self._workshop.host
        run = Run(
            tenant=tenant,
            id=host.ids.new("run"),
            agent_id=agent_id,
            status="created",
            input=list(incoming),
            options=options,
            created_at_ms=host.clock.now_ms(),
        )
        ref = self._silo.ref(ACTOR_KIND, agent_id, tenant)
        ref.reserve()
        try:
            await self._workshop.database.commit(agents.exists(ref.actor_id).extend(runs.plan_accept(run)))
        except GuardFailed:
            raise NotFound(f"no agent has the id '{agent_id}'") from None
        finally:
            ref.release()
        return self._tell(run)

    async def recover(self) -> int:
        """Take up every run that was acknowledged and has not ended. Returns how many."""
        found = [run for run in await runs.open_runs(View(self._workshop.database)) if run.id not in self._open]
        for run in found:
            self._tell(run)
        return len(found)

    def stream_of(self, run_id: str) -> RunStream | None:
        """The events of a run that is under way in this process."""
        return self._open.get(run_id)

    @property
    def open(self) -> int:
        """How many acknowledged runs have not ended."""
        return len(self._open)

    def _tell(self, run: Run) -> RunStream:
        stream = RunStream(run)
        self._open[run.id] = stream
        ref = self._silo.ref(ACTOR_KIND, run.agent_id, run.tenant)
        # Told here and not in the task: mail is in the order of acknowledgement, however tasks are scheduled.
        self._workshop.host.spawn(self._see_through(ref, stream, ref.tell(TakeTurn(stream))), f"run {run.id}")
        return stream

    async def _see_through(self, ref: ActorRef, stream: RunStream, answer: "asyncio.Future[Ended]") -> None:
        """Tell the actor until the run ended, however often an activation is lost on the way."""
        delay_ms, bugs = limits.RUN_RETRY_DELAY_MS, 0
        try:
            while stream.ended is None:
                try:
                    await answer
                    continue
                except NotFound as error:
                    # The agent was deleted with its runs: there is nothing left to finish, only somebody to tell.
                    return self._publish_failure(stream, error)
                except (EnvironmentFault, Fenced, GuardFailed):
                    log.warning("run %s goes on after a fault", stream.run.id, exc_info=True)
                except Exception as error:
                    bugs += 1
                    log.exception("run %s failed unexpectedly", stream.run.id)
                    if bugs >= limits.RUN_BUG_ATTEMPTS_MAX:
                        return await self._fail(stream, error)
                await self._workshop.host.clock.sleep(delay_ms)
                delay_ms = min(2 * delay_ms, limits.RUN_RETRY_DELAY_MS_MAX)
                answer = ref.tell(TakeTurn(stream))
        finally:
            self._open.pop(stream.run.id, None)

    async def _fail(self, stream: RunStream, error: Exception) -> None:
        """Our own bug, met on every try: the run has to end all the same, and say so."""
        now_ms = self._workshop.host.clock.now_ms()
        record = runs.error_record("internal_error", f"{type(error).__name__}: {error}")
        await self._workshop.database.commit(runs.plan_end(stream.run, "failed", "error", now_ms, record))
        self._publish_failure(stream, error, record)

    def _publish_failure(self, stream: RunStream, error: Exception, record: dict[str, Any] | None = None) -> None:
        kind = error.kind if isinstance(error, UmiError) else "internal_error"
        record = record or runs.error_record(kind, str(error))
        failed = msgspec.structs.replace(stream.run, status="failed", stop_reason="error", error=record)
        stream.publish(Ended(failed, []))
