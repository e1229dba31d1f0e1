"""What a run has come to, in memory and in the store: its messages and steps, and each way it ends."""

from typing import Any

import msgspec

from kelpie.actors import Placement
from kelpie.agents import agent as agents
from kelpie.agents.agent import Agent
from kelpie.agents.context.history import History
from kelpie.agents.memory.recalling import Recollection
from kelpie.agents.memory.remembering import plan_errand
from kelpie.agents.rules.approving import answer_to, answers_of
from kelpie.agents.together import overhearing
from kelpie.agents.turn import auditing, calls
from kelpie.agents.turn.scene import Workshop
from kelpie.agents.turn.stream import Committed, Ended, RunStream
from kelpie.agents.turn.work import interrupted_body, not_made_body, step_ended
from kelpie.errors import ModelError
from kelpie.events import RunEnded
from kelpie.trajectories import content, messages, runs, steps
from kelpie.trajectories.records import OPEN_STATUSES, Call, CallState, Run, RunStatus, Step, StopReason, StoredMessage
from umi.storage import Changes, View
from umi.wire.types import Message


class Recording:
    """One run under way. The turn reads it; all that it writes is planned and committed here and in committing.py."""

    def __init__(self, workshop: Workshop, placement: Placement, history: History, run: Run, stream: RunStream) -> None:
        self.shop = workshop
        self.placement = placement
        self.history = history
        self.run = run
        self.stream = stream
        self.steps: list[Step] = []
        self.agent: Agent | None = None  # as the latest step found it
        self.is_overheard = False  # the same
        self.recollection: Recollection | None = None  # until the first step that looks
        self.unanswered: StoredMessage | None = None  # calls that an earlier run left, until this one's first commit
        self._became: dict[str, CallState] = {}
        self._started_ms = workshop.host.clock.monotonic_ms()

    @property
    def is_interrupted(self) -> bool:
        """Whether a stopped process left the intents of a step behind."""
        return bool(self.steps) and self.steps[-1].state == "intent"

    async def resume(self) -> None:
        """Take up what an earlier attempt committed. It may have been stopped, or not have heard of its own commit,
        before it told those who watch."""
        if self.run.status == "created":
            return
        view, tenant = View(self.shop.database), self.run.tenant
        self.steps = await steps.of_run(view, tenant, self.run.id)
        known = self.stream.committed_ids | {one.id for one in self.run.input}
        missed = [one for one in await messages.of_run(view, tenant, self.run.id) if one.id not in known]
        for step in self.steps:
            fresh = [message for message in missed if message.step_id == step.id]
            if fresh:
                self.publish(step, fresh)
        if self.run.status not in OPEN_STATUSES:
            self.stream.publish(Ended(self.run, self.steps))

    @property
    def max_steps(self) -> int:
        """How many steps the run may have: the making of a summary is none of those its sender counts."""
        return self.run.options.max_steps + sum(step.kind == "compaction" for step in self.steps)

    def incoming(self, step_id: str | None) -> list[StoredMessage]:
        """The run's own messages, if they are not in the history yet: they are committed with the first step."""
        if self.steps:
            return []
        left = [] if self.unanswered is None else self._left(self.unanswered)
        return left + self._said(step_id, len(left))

    def said_with_answers(self, step_id: str, offset: int) -> list[StoredMessage]:
        """The messages of a run that came with answers to calls: they come after what the calls came to."""
        return self._said(step_id, offset)

    def _said(self, step_id: str | None, offset: int) -> list[StoredMessage]:
        said = [one for one in self.run.input if not one.answers]
        return [self.stored(one.id, one.body, offset + at, step_id, otid=one.otid) for at, one in enumerate(said)]

    async def look_back(self) -> None:
        """See whether calls wait that nobody made. Those of an answer are made by this run; of all others the model
        has to be told, before anything else is said to it."""
        asking = None if self.steps else self.history.unanswered()
        if asking is None:
            return
        self.unanswered = asking
        if asking.step_id is not None and not answers_of(self.run):
            found = await steps.calls_of(View(self.shop.database), asking.tenant, step_id=asking.step_id)
            self._became = {call.tool_call_id: call.state for call in found}

    def _left(self, asking: StoredMessage) -> list[StoredMessage]:
        """What became of calls that were not made. They are no part of this run: its stream tells what it did."""
        bodies = [not_made_body(call, self._became.get(call.id)) for call in asking.body.tool_calls]
        stored = self.all_stored(bodies, asking.step_id)
        return [msgspec.structs.replace(one, run_id=None) for one in stored]

    def stored(
        self, message_id: str, body: Message, offset: int, step_id: str | None, otid: str | None = None
    ) -> StoredMessage:
        return StoredMessage(
            tenant=self.run.tenant,
            id=message_id,
            agent_id=self.run.agent_id,
            position=self.history.next_position + offset,
            run_id=self.run.id,
            step_id=step_id,
            body=body,
            otid=otid,
            created_at_ms=self.shop.host.clock.now_ms(),
            conversation_id=self.run.conversation_id,
        )

    def all_stored(self, bodies: list[Message], step_id: str | None, offset: int = 0) -> list[StoredMessage]:
        new = self.shop.host.ids.new
        return [self.stored(new("message"), body, offset + at, step_id) for at, body in enumerate(bodies)]

    # ---- ends

    async def plan_run(self, stop: StopReason | None) -> Changes:
        if stop is None:
            return runs.plan_start(self.run)
        return await self._plan_end(status_of(stop), stop, self.shop.host.clock.now_ms())

    async def _plan_end(
        self, status: RunStatus, stop: StopReason, now_ms: int, error: dict[str, Any] | None = None
    ) -> Changes:
        """Close the run, and leave it to the outbox what memory keeps of it: also of one that failed, as its input
        stays in the history."""
        changes = runs.plan_end(self.run, status, stop, now_ms, error)
        if self.is_overheard and status == "completed" and stop != "requires_approval":
            changes.extend(overhearing.plan_errand(self.shop.outbox, self.run, now_ms))
        if not self.shop.remembers:
            return changes
        if self.agent is None:
            self.agent = await agents.get(View(self.shop.database), self.run.tenant, self.run.agent_id)
        recalled = self.recollection.facts if self.recollection is not None else ()
        return changes.extend(plan_errand(self.shop.outbox, self.agent.memory, self.run, recalled, now_ms))

    async def close(self, error: dict[str, Any]) -> Ended:
        now_ms = self.shop.host.clock.now_ms()
        fresh, changes = self.incoming(None), Changes()
        was_interrupted = self.is_interrupted
        if was_interrupted:
            self.steps[-1], fresh, changes = await self._plan_interrupted(self.steps[-1], "error")
        else:
            changes.extend(messages.plan_add(fresh))
        await self.placement.commit(changes.extend(await self._plan_end("failed", "error", now_ms, error)))
        self.history.append(fresh)
        if was_interrupted:  # whoever reads the run later is told of these as well
            self.publish(self.steps[-1], self._not_sent(fresh))
        return self.end("failed", "error", error)

    async def fail(self, step: Step, incoming: list[StoredMessage], error: ModelError) -> None:
        """The model could not answer: keep the input, the failed step with what was sent and received, and why."""
        now_ms = self.shop.host.clock.now_ms()
        stop: StopReason = "invalid_llm_response" if error.model_error_kind == "invalid_response" else "llm_api_error"
        record = runs.error_record(error.model_error_kind, str(error))
        hashes, stored = content.plan_put(step.tenant, step.agent_id, [*error.raw_request, error.raw_response])
        failed = msgspec.structs.replace(
            step,
            state="failed",
            stop_reason=stop,
            error=record,
            request=hashes[:-1],
            response=hashes[-1],
            completed_at_ms=now_ms,
        )
        changes = stored.extend(messages.plan_add(incoming)).extend(steps.plan_add(failed))
        await self.placement.commit(changes.extend(await self._plan_end("failed", stop, now_ms, record)))
        self.history.append(incoming)
        self.steps.append(failed)
        self.shop.events.emit(step_ended(failed))
        self.end("failed", stop, record)

    async def cancel(self) -> None:
        """End the run between two steps. What was sent stays in the history."""
        now_ms, incoming = self.shop.host.clock.now_ms(), self.incoming(None)
        changes = messages.plan_add(incoming).extend(await self._plan_end("cancelled", "cancelled", now_ms))
        await self.placement.commit(changes)
        self.history.append(incoming)
        self.end("cancelled", "cancelled")

    async def interrupt(self) -> None:
        """Answer the intents a stopped process left behind, so that the model learns what is unknown."""
        step = self.steps[-1]
        stop: StopReason | None = "max_steps" if step.number >= self.max_steps else None
        done, results, changes = await self._plan_interrupted(step, stop)
        await self.placement.commit(changes.extend(await self.plan_run(stop)))
        self.history.append(results)
        self.steps[-1] = done
        self.publish(done, self._not_sent(results))
        if stop is not None:
            self.end("completed", stop)

    def _not_sent(self, fresh: list[StoredMessage]) -> list[StoredMessage]:
        """All but the messages of the run's own sender: a stream doesn't tell them."""
        own = {one.id for one in self.run.input}
        return [one for one in fresh if one.id not in own]

    async def _plan_interrupted(self, step: Step, stop: StopReason | None) -> tuple[Step, list[StoredMessage], Changes]:
        open_calls = await steps.calls_of(View(self.shop.database), step.tenant, step_id=step.id)
        results = self.all_stored([self._interrupted(call) for call in open_calls], step.id)
        ended = [
            msgspec.structs.replace(call, state="interrupted", is_error=True, result_message_id=message.id)
            for call, message in zip(open_calls, results, strict=True)
        ]
        done = msgspec.structs.replace(
            step, state="done", stop_reason=stop, completed_at_ms=self.shop.host.clock.now_ms()
        )
        is_answer = step.number == 1 and bool(answers_of(self.run))
        said = self.said_with_answers(step.id, len(results)) if is_answer else []
        changes = (
            messages.plan_add([*results, *said]).extend(steps.plan_put_calls(ended)).extend(steps.plan_finish(done))
        )
        return done, [*results, *said], changes.extend(auditing.plan_interrupted(step))

    def _interrupted(self, call: Call) -> Message:
        """What the model reads of a call whose process stopped: of one that was not to be made here, what was said."""
        answer = answer_to(answers_of(self.run), call.tool_call_id)
        if answer is None or not answer.is_final:
            return interrupted_body(call)
        outcome = calls.answered(answer)
        return Message(
            role="tool",
            content=outcome.text,
            tool_call_id=call.tool_call_id,
            name=call.tool,
            is_error=outcome.is_error,
        )

    def end(self, status: RunStatus, stop: StopReason, error: dict[str, Any] | None = None) -> Ended:
        now_ms = self.shop.host.clock.now_ms()
        self.run = msgspec.structs.replace(
            self.run, status=status, stop_reason=stop, error=error, completed_at_ms=now_ms
        )
        ended = Ended(self.run, list(self.steps))
        self.stream.publish(ended)
        self.shop.events.emit(
            RunEnded(
                tenant=self.run.tenant,
                agent_id=self.run.agent_id,
                run_id=self.run.id,
                stop_reason=stop,
                duration_ms=self.shop.host.clock.monotonic_ms() - self._started_ms,
                outcome="ok" if status == "completed" else "error",
                error=str(error["kind"]) if error else "",
            )
        )
        return ended

    def publish(self, step: Step, fresh: list[StoredMessage]) -> None:
        self.stream.publish(Committed(step, fresh))


def status_of(stop: StopReason) -> RunStatus:
    """How a run ends whose last step was committed."""
    return "cancelled" if stop == "cancelled" else "completed"
