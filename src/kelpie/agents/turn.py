"""The turn: one acknowledged run, from its input to its end.

Each step is a model call and its tool calls. A step whose calls touch only our store commits once, with its results.
A step that reaches outside commits twice: the reply and its intents before the first call, the results after the
last. Whatever stops the process in between, the next activation finds the intents and tells the model that they
were interrupted; it never runs them again. Only what was committed is published as final.
"""

from typing import Any

import msgspec

from kelpie.actors import Placement
from kelpie.agents import agent as agents
from kelpie.agents import auditing, calls, limits, scene
from kelpie.agents.agent import Agent
from kelpie.agents.context import compile_request, estimate_tokens
from kelpie.agents.history import History
from kelpie.agents.recalling import Recollection, recall, recall_again
from kelpie.agents.remembering import plan_errand
from kelpie.agents.replies import mended
from kelpie.agents.scene import Scene, Workshop
from kelpie.agents.stream import Cancelled, Committed, Ended, RunStream
from kelpie.agents.work import Performed, Publish, Work, interrupted_body, step_ended, unwritten
from kelpie.errors import CallerError, Conflict, GuardFailed, MissingExtra, ModelError
from kelpie.events import RunEnded
from kelpie.people.speaker import NOBODY
from kelpie.tools.tool import Outcome, ToolContext
from kelpie.trajectories import content, messages, runs, steps
from kelpie.trajectories.records import OPEN_STATUSES, Run, RunStatus, Step, StopReason, StoredMessage
from umi.storage import Changes, View
from umi.wire.types import Message, Reply, Request

CANCELLED_TEXT = "stopped: the run was cancelled"


class Turn:
    def __init__(self, workshop: Workshop, placement: Placement, history: History, run: Run, stream: RunStream) -> None:
        self._shop = workshop
        self._placement = placement
        self._history = history
        self._run = run
        self._stream = stream
        self._steps: list[Step] = []
        self._agent: Agent | None = None  # as the latest step found it
        self._recollection: Recollection | None = None  # until the first step that looks
        self._started_ms = workshop.host.clock.monotonic_ms()

    async def take(self) -> Ended:
        """Bring the run to its end. Raises Fenced, StoreError or NotFound if it can't go on here; it is then open
        still, or gone."""
        await self._resume()
        if self._stream.ended is None and self._steps and self._steps[-1].state == "intent":
            await self._interrupt(self._steps[-1])
        while self._stream.ended is None:
            await self._step(len(self._steps) + 1)
        return self._stream.ended

    async def close(self, error: dict[str, Any]) -> Ended:
        """End the run as failed, as every attempt at it met a bug of ours. What was sent stays in the history, and no
        intent stays open: the next run must not begin with calls that nobody answers."""
        await self._resume()
        if self._stream.ended is not None:
            return self._stream.ended
        now_ms = self._shop.host.clock.now_ms()
        fresh, changes = self._incoming(None), Changes()
        if self._steps and self._steps[-1].state == "intent":
            self._steps[-1], fresh, changes = await self._plan_interrupted(self._steps[-1], "error")
        else:
            changes.extend(messages.plan_add(fresh))
        await self._placement.commit(changes.extend(await self._plan_end("failed", "error", now_ms, error)))
        self._history.append(fresh)
        return self._end("failed", "error", error)

    async def _resume(self) -> None:
        """Take up what an earlier attempt committed. It may have been stopped, or not have heard of its own commit,
        before it told those who watch."""
        if self._run.status == "created":
            return
        view, tenant = View(self._shop.database), self._run.tenant
        self._steps = await steps.of_run(view, tenant, self._run.id)
        known = self._stream.committed_ids | {one.id for one in self._run.input}
        missed = [one for one in await messages.of_run(view, tenant, self._run.id) if one.id not in known]
        for step in self._steps:
            fresh = [message for message in missed if message.step_id == step.id]
            if fresh:
                self._publish(step, fresh)
        if self._run.status not in OPEN_STATUSES:
            self._stream.publish(Ended(self._run, self._steps))

    async def first_request(self, now: Scene) -> Request:
        """What the model would be asked first. Raises ModelError."""
        await self._recollect(now)
        return self._compile(now, self._incoming(None))

    # ---- one step

    async def _step(self, number: int) -> None:
        clock, ids = self._shop.host.clock, self._shop.host.ids
        step = Step(
            tenant=self._run.tenant,
            id=ids.new("step"),
            run_id=self._run.id,
            agent_id=self._run.agent_id,
            number=number,
            state="intent",
            model=self._run.options.model or "",
            provider="",
            provider_type="",
            model_name="",
            model_version="",
            context_window_tokens=0,
            started_at_ms=clock.now_ms(),
        )
        incoming = self._incoming(step.id)
        message_id = ids.new("message")
        started_ms = clock.monotonic_ms()
        try:
            now = await scene.read(self._shop, self._placement, self._run.options.model)
            self._agent = now.agent
            recollection = await self._recollect(now)
            step = msgspec.structs.replace(
                step,
                recalled=recollection.record if number == 1 else None,
                model=now.card.handle,
                provider=now.card.provider,
                provider_type=now.card.provider_type,
                model_name=now.card.name,
                model_version=now.card.version,
                context_window_tokens=now.agent.context_window_tokens or now.card.context_window_tokens,
                instead_of=now.card.instead_of,
            )
            reply = await self._stream.until_cancelled(self._ask(now, incoming, message_id, step.id))
        except Cancelled:
            await self._cancel(self._incoming(None))
            return
        except ModelError as error:
            duration_ms = clock.monotonic_ms() - started_ms
            await self._fail(msgspec.structs.replace(step, model_duration_ms=duration_ms), incoming, error)
            return
        duration_ms = clock.monotonic_ms() - started_ms
        step = msgspec.structs.replace(step, model_duration_ms=duration_ms)
        await self._commit_reply(now, step, incoming, message_id, reply)

    async def _recollect(self, now: Scene) -> Recollection:
        """What memory adds to the context of this run, the same for all of its steps."""
        if self._recollection is None:
            record = self._steps[0].recalled if self._steps else None
            if record is not None:
                self._recollection = await recall_again(self._shop, now.agent, record)
            else:
                self._recollection = Recollection() if self._steps else await recall(self._shop, now, self._run)
        return self._recollection

    async def _ask(self, now: Scene, incoming: list[StoredMessage], message_id: str, step_id: str) -> Reply:
        """The model's reply. A window that is smaller than we thought, or text that takes more tokens than we counted,
        is met with less history: an agent must not be lost to a wrong estimate. Raises ModelError."""
        on_delta = Publish(self._stream, message_id, step_id) if self._run.options.stream_tokens else None
        request = self._compile(now, incoming)
        for attempt in range(limits.CONTEXT_SHRINKS_MAX + 1):
            try:
                reply = await now.model.reply(request, on_delta)
                return mended(reply, now.tools, self._taken_ids(reply), lambda: self._shop.host.ids.new("call"))
            except ModelError as error:
                shown = request.messages[1:]
                if (
                    error.model_error_kind != "context_overflow"
                    or len(shown) < 2
                    or attempt == limits.CONTEXT_SHRINKS_MAX
                ):
                    raise
                try:
                    request = self._compile(now, incoming, sum(map(estimate_tokens, shown)) // 2)
                except ModelError:
                    raise error from None  # what must be shown does not fit; the provider says it best
            except (CallerError, MissingExtra) as error:
                # A model in this process refuses the request, or is not installed: trying again changes nothing.
                raise ModelError("bad_request", str(error)) from error
        raise AssertionError("the last attempt returns or raises")

    def _taken_ids(self, reply: Reply) -> set[str]:
        return self._history.call_ids() if reply.tool_calls else set()

    def _compile(self, now: Scene, incoming: list[StoredMessage], history_tokens_max: int | None = None) -> Request:
        recalled = self._recollection.message if self._recollection is not None else None
        before = None if recalled is None else (self._run.input[0].id, recalled)
        conversation = self._history.conversation(before)
        if incoming and recalled is not None:
            conversation.append(recalled)
        conversation += [message.body for message in incoming]
        specs = [tool.spec for tool in now.tools.values()]
        now_ms = self._shop.host.clock.now_ms()
        return compile_request(
            now.agent,
            now.blocks,
            specs,
            conversation,
            now.card,
            now_ms,
            history_tokens_max=history_tokens_max,
            directories=now.directories,
        )

    def _incoming(self, step_id: str | None) -> list[StoredMessage]:
        """The run's own messages, if they are not in the history yet: they are committed with the first step."""
        if self._steps:
            return []
        return [
            self._stored(one.id, one.body, offset, step_id, otid=one.otid) for offset, one in enumerate(self._run.input)
        ]

    def _stored(
        self, message_id: str, body: Message, offset: int, step_id: str | None, otid: str | None = None
    ) -> StoredMessage:
        return StoredMessage(
            tenant=self._run.tenant,
            id=message_id,
            agent_id=self._run.agent_id,
            position=self._history.next_position + offset,
            run_id=self._run.id,
            step_id=step_id,
            body=body,
            otid=otid,
            created_at_ms=self._shop.host.clock.now_ms(),
        )

    async def _commit_reply(
        self,
        now: Scene,
        step: Step,
        incoming: list[StoredMessage],
        message_id: str,
        reply: Reply,
    ) -> None:
        """Make the reply durable, with what its calls came to."""
        hashes, stored = content.plan_put(step.tenant, [*reply.raw_request, reply.raw_response])
        step = msgspec.structs.replace(
            step,
            model_name=reply.model,
            finish=reply.finish,
            usage=reply.usage,
            request=hashes[:-1],
            response=hashes[-1],
            provider_request_id=reply.provider_request_id,
            told=self._stream.told(),
        )
        assistant = self._stored(message_id, reply.as_message(), len(incoming), step.id)
        work = Work(
            scene=now,
            step=step,
            reply=reply,
            incoming=incoming,
            assistant=assistant,
            prepared=[calls.prepare(number, call, now.tools) for number, call in enumerate(reply.tool_calls)],
            base=stored.extend(messages.plan_add([*incoming, assistant])),
        )
        if any(call.is_outside for call in work.prepared):
            await self._commit_intents(work)
        await self._commit_results(work)

    # ---- the two commits

    async def _commit_intents(self, work: Work) -> None:
        """First commit of a step that reaches outside: reply and intents, before any call is made."""
        changes = work.base.extend(steps.plan_add(work.step))
        changes.extend(steps.plan_put_calls(work.call(prepared) for prepared in work.prepared))
        changes.extend(auditing.plan_begin(work, self._run, self._shop.host))
        await self._placement.commit(changes.extend(runs.plan_start(self._run)))
        self._history.append([*work.incoming, work.assistant])
        self._publish(work.step, [work.assistant])
        work.base, work.incoming = Changes(), []

    async def _commit_results(self, work: Work) -> None:
        """The last commit of a step: results, the step's record, and the end of the run if this was it.

        Store tools are planned anew if another writer was first; outside tools have run and are not run again.
        """
        kept: dict[int, Performed] = {}
        with_intents = not work.base
        for attempt in range(limits.STORE_CALL_ATTEMPTS_MAX + 1):
            if attempt == limits.STORE_CALL_ATTEMPTS_MAX:
                kept = {call.number: unwritten(kept.get(call.number)) for call in work.prepared}
            outcomes, planned = await self._perform(work, kept)
            stop = "cancelled" if self._stream.is_cancelled else work.stop(outcomes, self._run.options.max_steps)
            offset = 0 if with_intents else len(work.incoming) + 1
            results = self._all_stored(work.result_bodies(outcomes), work.step.id, offset)
            done = msgspec.structs.replace(
                work.step, state="done", stop_reason=stop, completed_at_ms=self._shop.host.clock.now_ms()
            )
            changes = Changes().extend(work.base).extend(planned).extend(messages.plan_add(results))
            changes.extend(steps.plan_finish(done) if with_intents else steps.plan_add(done))
            changes.extend(
                steps.plan_put_calls(
                    work.call(prepared, performed, results[prepared.number].id)
                    for prepared, performed in zip(work.prepared, outcomes, strict=True)
                )
            )
            changes.extend(auditing.plan_end(work, outcomes))
            changes.extend(await self._plan_run(stop))
            try:
                await self._placement.commit(changes)
            except (GuardFailed, Conflict) as error:
                if isinstance(error, GuardFailed) and error.guard in ("run", "step"):
                    raise
                continue
            self._committed(work, done, results, stop, with_intents=with_intents)
            return
        raise Conflict(f"step {work.step.number} of {self._run.id} could not be written: its tables keep changing")

    def _committed(
        self, work: Work, step: Step, results: list[StoredMessage], stop: StopReason | None, *, with_intents: bool
    ) -> None:
        fresh = results if with_intents else [work.assistant, *results]
        self._history.append([*work.incoming, *fresh])
        self._steps.append(step)
        self._shop.events.emit(step_ended(step))
        self._publish(step, fresh)
        if stop is not None:
            self._end(_status(stop), stop)

    async def _perform(self, work: Work, kept: dict[int, Performed]) -> tuple[list[Performed], Changes]:
        """Run the calls in order; each sees what the earlier ones planned. Outside outcomes go into `kept`."""
        planned = Changes()
        outcomes: list[Performed] = []
        for prepared in work.prepared:
            if prepared.number not in kept:
                context = ToolContext(
                    tenant=self._run.tenant,
                    agent_id=self._run.agent_id,
                    run_id=self._run.id,
                    step_id=work.step.id,
                    tool_call_id=prepared.call.id,
                    view=View(self._shop.database, planned),
                    host=self._shop.host,
                    archive=self._shop.archive,
                    agent_metadata=work.scene.agent.metadata,
                    speaker=self._run.options.speaker or NOBODY,
                    said=self._run.input,
                    model=work.scene.card.handle,
                    agent=work.scene.state,
                )
                try:
                    work_done = calls.run(prepared, context, self._shop.events)
                    outcome, duration_ms = await self._stream.until_cancelled(work_done)
                except Cancelled:
                    outcome, duration_ms = Outcome(CANCELLED_TEXT, is_error=True, ran=auditing.CANCELLED), 0.0
                if prepared.is_outside:
                    kept[prepared.number] = (outcome, duration_ms)
            else:
                outcome, duration_ms = kept[prepared.number]
            planned.extend(outcome.changes)
            outcomes.append((outcome, duration_ms))
        return outcomes, planned

    def _all_stored(self, bodies: list[Message], step_id: str, offset: int = 0) -> list[StoredMessage]:
        new = self._shop.host.ids.new
        return [self._stored(new("message"), body, offset + at, step_id) for at, body in enumerate(bodies)]

    # ---- ends

    async def _plan_run(self, stop: StopReason | None) -> Changes:
        if stop is None:
            return runs.plan_start(self._run)
        return await self._plan_end(_status(stop), stop, self._shop.host.clock.now_ms())

    async def _plan_end(
        self, status: RunStatus, stop: StopReason, now_ms: int, error: dict[str, Any] | None = None
    ) -> Changes:
        """Close the run, and leave it to the outbox what memory keeps of it: also of one that failed, as its input
        stays in the history."""
        changes = runs.plan_end(self._run, status, stop, now_ms, error)
        if not self._shop.remembers:
            return changes
        if self._agent is None:
            self._agent = await agents.get(View(self._shop.database), self._run.tenant, self._run.agent_id)
        recalled = self._recollection.facts if self._recollection is not None else ()
        return changes.extend(plan_errand(self._shop.outbox, self._agent.memory, self._run, recalled, now_ms))

    async def _fail(self, step: Step, incoming: list[StoredMessage], error: ModelError) -> None:
        """The model could not answer: keep the input, the failed step with what was sent and received, and why."""
        now_ms = self._shop.host.clock.now_ms()
        stop: StopReason = "invalid_llm_response" if error.model_error_kind == "invalid_response" else "llm_api_error"
        record = runs.error_record(error.model_error_kind, str(error))
        hashes, stored = content.plan_put(step.tenant, [*error.raw_request, error.raw_response])
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
        await self._placement.commit(changes.extend(await self._plan_end("failed", stop, now_ms, record)))
        self._history.append(incoming)
        self._steps.append(failed)
        self._shop.events.emit(step_ended(failed))
        self._end("failed", stop, record)

    async def _cancel(self, incoming: list[StoredMessage]) -> None:
        """End the run between two steps. What was sent stays in the history."""
        now_ms = self._shop.host.clock.now_ms()
        changes = messages.plan_add(incoming).extend(await self._plan_end("cancelled", "cancelled", now_ms))
        await self._placement.commit(changes)
        self._history.append(incoming)
        self._end("cancelled", "cancelled")

    async def _interrupt(self, step: Step) -> None:
        """Answer the intents a stopped process left behind, so that the model learns what is unknown."""
        stop: StopReason | None = "max_steps" if step.number >= self._run.options.max_steps else None
        done, results, changes = await self._plan_interrupted(step, stop)
        await self._placement.commit(changes.extend(await self._plan_run(stop)))
        self._history.append(results)
        self._steps[-1] = done
        self._publish(done, results)
        if stop is not None:
            self._end("completed", stop)

    async def _plan_interrupted(self, step: Step, stop: StopReason | None) -> tuple[Step, list[StoredMessage], Changes]:
        open_calls = await steps.calls_of(View(self._shop.database), step.tenant, step_id=step.id)
        results = self._all_stored([interrupted_body(call) for call in open_calls], step.id)
        ended = [
            msgspec.structs.replace(call, state="interrupted", is_error=True, result_message_id=message.id)
            for call, message in zip(open_calls, results, strict=True)
        ]
        done = msgspec.structs.replace(
            step, state="done", stop_reason=stop, completed_at_ms=self._shop.host.clock.now_ms()
        )
        changes = messages.plan_add(results).extend(steps.plan_put_calls(ended)).extend(steps.plan_finish(done))
        return done, results, changes.extend(auditing.plan_interrupted(step))

    def _end(self, status: RunStatus, stop: StopReason, error: dict[str, Any] | None = None) -> Ended:
        now_ms = self._shop.host.clock.now_ms()
        self._run = msgspec.structs.replace(
            self._run, status=status, stop_reason=stop, error=error, completed_at_ms=now_ms
        )
        ended = Ended(self._run, list(self._steps))
        self._stream.publish(ended)
        self._shop.events.emit(
            RunEnded(
                tenant=self._run.tenant,
                agent_id=self._run.agent_id,
                run_id=self._run.id,
                stop_reason=stop,
                duration_ms=self._shop.host.clock.monotonic_ms() - self._started_ms,
                outcome="ok" if status == "completed" else "error",
                error=str(error["kind"]) if error else "",
            )
        )
        return ended

    def _publish(self, step: Step, fresh: list[StoredMessage]) -> None:
        self._stream.publish(Committed(step, fresh))


def _status(stop: StopReason) -> RunStatus:
    """How a run ends whose last step was committed."""
    return "cancelled" if stop == "cancelled" else "completed"
