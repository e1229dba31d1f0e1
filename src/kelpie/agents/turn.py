"""The turn: one acknowledged run, from its input to its end.

Each step is a model call and its tool calls. A step whose calls touch only our store commits once, with its results.
A step that reaches outside commits twice: the reply and its intents before the first call, the results after the
last. Whatever stops the process in between, the next activation finds the intents and tells the model that they
were interrupted; it never runs them again. Only what was committed is published as final.
"""

from dataclasses import dataclass

import msgspec

from kelpie.actors import Placement
from kelpie.agents import calls, limits, scene
from kelpie.agents.context import compile_request
from kelpie.agents.history import History
from kelpie.agents.scene import Scene, Workshop
from kelpie.agents.stream import Committed, Ended, Provisional, RunStream
from kelpie.errors import Conflict, GuardFailed, ModelError
from kelpie.events import RunEnded, StepEnded
from kelpie.tools.tool import Outcome, ToolContext
from kelpie.trajectories import content, messages, runs, steps
from kelpie.trajectories.records import Call, Run, RunStatus, Step, StopReason, StoredMessage
from umi.storage import Changes, View
from umi.wire.types import Delta, Message, Reply, Request, ToolCall


@dataclass(slots=True)
class _Work:
    """One step under way: its record, what it adds to the history, and the calls it makes."""

    scene: Scene
    step: Step
    reply: Reply
    incoming: list[StoredMessage]
    assistant: StoredMessage
    prepared: list[calls.Prepared]
    base: Changes  # what commits with the reply, whatever its calls come to
    streamed: bool


class Turn:
    def __init__(self, workshop: Workshop, placement: Placement, history: History, run: Run, stream: RunStream) -> None:
        self._shop = workshop
        self._placement = placement
        self._history = history
        self._run = run
        self._stream = stream
        self._steps: list[Step] = []
        self._started_ms = workshop.host.clock.monotonic_ms()

    async def take(self) -> Ended:
        """Bring the run to its end. Raises Fenced, StoreError or NotFound if it can't go on here; it is then open
        still, or gone."""
        view = View(self._shop.database)
        if self._run.status == "running":
            self._steps = await steps.of_run(view, self._run.tenant, self._run.id)
            if self._steps and self._steps[-1].state == "intent":
                await self._interrupt(self._steps[-1])
        while self._stream.ended is None:
            await self._step(len(self._steps) + 1)
        return self._stream.ended

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
            now = await scene.read(self._shop, self._run.tenant, self._run.agent_id, self._run.options.model)
            step = msgspec.structs.replace(
                step,
                model=now.card.handle,
                provider=now.card.provider,
                provider_type=now.card.provider_type,
                model_name=now.card.name,
                model_version=now.card.version,
                context_window_tokens=now.agent.context_window_tokens or now.card.context_window_tokens,
            )
            request = self._compile(now, incoming)
            on_delta = self._on_delta(message_id, step.id)
            reply = await now.model.reply(request, on_delta)
        except ModelError as error:
            duration_ms = clock.monotonic_ms() - started_ms
            await self._fail(msgspec.structs.replace(step, model_duration_ms=duration_ms), incoming, error)
            return
        duration_ms = clock.monotonic_ms() - started_ms
        step = msgspec.structs.replace(step, model_duration_ms=duration_ms)
        await self._commit_reply(now, step, incoming, message_id, reply, streamed=on_delta is not None)

    def _compile(self, now: Scene, incoming: list[StoredMessage]) -> Request:
        conversation = [*self._history.conversation(), *(message.body for message in incoming)]
        specs = [tool.spec for tool in now.tools.values()]
        return compile_request(now.agent, now.blocks, specs, conversation, now.card, self._shop.host.clock.now_ms())

    def _incoming(self, step_id: str) -> list[StoredMessage]:
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

    def _on_delta(self, message_id: str, step_id: str) -> "_Publish | None":
        if not (self._run.options.stream_tokens and self._stream.is_watched):
            return None
        return _Publish(self._stream, message_id, step_id)

    async def _commit_reply(
        self,
        now: Scene,
        step: Step,
        incoming: list[StoredMessage],
        message_id: str,
        reply: Reply,
        *,
        streamed: bool,
    ) -> None:
        """Make the reply durable, with what its calls came to."""
        reply = self._with_call_ids(reply)
        hashes, stored = content.plan_put(step.tenant, [*reply.raw_request, reply.raw_response])
        step = msgspec.structs.replace(
            step,
            model_name=reply.model,
            finish=reply.finish,
            usage=reply.usage,
            request=hashes[:-1],
            response=hashes[-1],
            provider_request_id=reply.provider_request_id,
        )
        assistant = self._stored(message_id, reply.as_message(), len(incoming), step.id)
        work = _Work(
            scene=now,
            step=step,
            reply=reply,
            incoming=incoming,
            assistant=assistant,
            prepared=[calls.prepare(number, call, now.tools) for number, call in enumerate(reply.tool_calls)],
            base=stored.extend(messages.plan_add([*incoming, assistant])),
            streamed=streamed,
        )
        if any(call.is_outside for call in work.prepared):
            await self._commit_intents(work)
        await self._commit_results(work)

    def _with_call_ids(self, reply: Reply) -> Reply:
        """Every call of a step needs an id of its own; some local servers send none, or one for all."""
        given = [call.id for call in reply.tool_calls]
        if all(given) and len(set(given)) == len(given):
            return reply
        fresh = [
            ToolCall(id=self._shop.host.ids.new("call"), name=call.name, arguments=call.arguments, extra=call.extra)
            for call in reply.tool_calls
        ]
        return msgspec.structs.replace(reply, tool_calls=fresh)

    # ---- the two commits

    async def _commit_intents(self, work: _Work) -> None:
        """First commit of a step that reaches outside: reply and intents, before any call is made."""
        changes = work.base.extend(steps.plan_add(work.step))
        changes.extend(steps.plan_put_calls(self._call(work, prepared) for prepared in work.prepared))
        await self._placement.commit(changes.extend(runs.plan_start(self._run)))
        self._history.append([*work.incoming, work.assistant])
        self._publish(work.step, [work.assistant], streamed=work.streamed)
        work.base, work.incoming = Changes(), []

    async def _commit_results(self, work: _Work) -> None:
        """The last commit of a step: results, the step's record, and the end of the run if this was it.

        Store tools are planned anew if another writer was first; outside tools have run and are not run again.
        """
        kept: dict[int, tuple[Outcome, float]] = {}
        with_intents = not work.base
        for attempt in range(limits.STORE_CALL_ATTEMPTS_MAX + 1):
            if attempt == limits.STORE_CALL_ATTEMPTS_MAX:
                text = "the memory this tool writes is being changed by too many writers at once; nothing was changed"
                kept.update({p.number: (Outcome(text, is_error=True), 0.0) for p in work.prepared if not p.is_outside})
            outcomes, planned = await self._perform(work, kept)
            stop = self._stop(work, [outcome for outcome, _ in outcomes])
            results = self._results(work, outcomes, offset=0 if with_intents else len(work.incoming) + 1)
            done = msgspec.structs.replace(
                work.step, state="done", stop_reason=stop, completed_at_ms=self._shop.host.clock.now_ms()
            )
            changes = Changes().extend(work.base).extend(planned).extend(messages.plan_add(results))
            changes.extend(steps.plan_finish(done) if with_intents else steps.plan_add(done))
            changes.extend(
                steps.plan_put_calls(
                    self._call(work, prepared, outcome, results[prepared.number].id, duration_ms)
                    for prepared, (outcome, duration_ms) in zip(work.prepared, outcomes, strict=True)
                )
            )
            changes.extend(self._plan_run(stop))
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
        self, work: _Work, step: Step, results: list[StoredMessage], stop: StopReason | None, *, with_intents: bool
    ) -> None:
        fresh = results if with_intents else [work.assistant, *results]
        self._history.append([*work.incoming, *fresh])
        self._steps.append(step)
        self._emit_step(step)
        self._publish(step, fresh, streamed=work.streamed and not with_intents)
        if stop is not None:
            self._end("completed", stop)

    async def _perform(
        self, work: _Work, kept: dict[int, tuple[Outcome, float]]
    ) -> tuple[list[tuple[Outcome, float]], Changes]:
        """Run the calls in order; each sees what the earlier ones planned. Outside outcomes go into `kept`."""
        planned = Changes()
        outcomes: list[tuple[Outcome, float]] = []
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
                    agent_metadata=work.scene.agent.metadata,
                )
                outcome, duration_ms = await calls.run(prepared, context, self._shop.events)
                if prepared.is_outside:
                    kept[prepared.number] = (outcome, duration_ms)
            else:
                outcome, duration_ms = kept[prepared.number]
            planned.extend(outcome.changes)
            outcomes.append((outcome, duration_ms))
        return outcomes, planned

    def _results(self, work: _Work, outcomes: list[tuple[Outcome, float]], offset: int) -> list[StoredMessage]:
        """A message per call, in order, then what the tools said to the user."""
        bodies = [
            Message(
                role="tool",
                content=outcome.text,
                tool_call_id=prepared.call.id,
                name=prepared.call.name,
                is_error=outcome.is_error,
            )
            for prepared, (outcome, _) in zip(work.prepared, outcomes, strict=True)
        ]
        bodies += [Message(role="assistant", content=outcome.says) for outcome, _ in outcomes if outcome.says]
        new = self._shop.host.ids.new
        return [self._stored(new("message"), body, offset + at, work.step.id) for at, body in enumerate(bodies)]

    def _call(
        self,
        work: _Work,
        prepared: calls.Prepared,
        outcome: Outcome | None = None,
        result_message_id: str | None = None,
        duration_ms: float = 0.0,
    ) -> Call:
        """The call's record: an intent, or with its outcome."""
        return Call(
            tenant=self._run.tenant,
            step_id=work.step.id,
            run_id=self._run.id,
            agent_id=self._run.agent_id,
            number=prepared.number,
            tool_call_id=prepared.call.id,
            tool=prepared.call.name,
            arguments=prepared.call.arguments,
            state="intent" if outcome is None else "done",
            result_message_id=result_message_id,
            is_error=outcome is not None and outcome.is_error,
            level=outcome.level if outcome else "",
            stdout=outcome.stdout if outcome else [],
            stderr=outcome.stderr if outcome else [],
            duration_ms=duration_ms,
        )

    def _stop(self, work: _Work, outcomes: list[Outcome]) -> StopReason | None:
        """Why the run ends with this step, or None if it goes on."""
        if not work.prepared:
            return "max_tokens_exceeded" if work.reply.finish == "length" else "end_turn"
        if any(outcome.ends_turn and not outcome.is_error for outcome in outcomes):
            return "end_turn"
        return "max_steps" if work.step.number >= self._run.options.max_steps else None

    # ---- ends

    def _plan_run(self, stop: StopReason | None) -> Changes:
        if stop is None:
            return runs.plan_start(self._run)
        return runs.plan_end(self._run, "completed", stop, self._shop.host.clock.now_ms())

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
        await self._placement.commit(changes.extend(runs.plan_end(self._run, "failed", stop, now_ms, record)))
        self._history.append(incoming)
        self._steps.append(failed)
        self._emit_step(failed)
        self._end("failed", stop, record)

    async def _interrupt(self, step: Step) -> None:
        """Answer the intents a stopped process left behind, so that the model learns what is unknown."""
        view = View(self._shop.database)
        open_calls = await steps.calls_of(view, step.tenant, step_id=step.id)
        new = self._shop.host.ids.new
        results = [
            self._stored(
                new("message"),
                Message(
                    role="tool",
                    content=calls.INTERRUPTED_TEXT,
                    tool_call_id=call.tool_call_id,
                    name=call.tool,
                    is_error=True,
                ),
                offset,
                step.id,
            )
            for offset, call in enumerate(open_calls)
        ]
        ended = [
            msgspec.structs.replace(call, state="interrupted", is_error=True, result_message_id=message.id)
            for call, message in zip(open_calls, results, strict=True)
        ]
        done = msgspec.structs.replace(step, state="done", completed_at_ms=self._shop.host.clock.now_ms())
        changes = messages.plan_add(results).extend(steps.plan_put_calls(ended)).extend(steps.plan_finish(done))
        await self._placement.commit(changes.extend(runs.plan_start(self._run)))
        self._history.append(results)
        self._steps[-1] = done
        self._publish(done, results, streamed=False)

    def _end(self, status: RunStatus, stop: StopReason, error: dict[str, object] | None = None) -> None:
        now_ms = self._shop.host.clock.now_ms()
        self._run = msgspec.structs.replace(
            self._run, status=status, stop_reason=stop, error=error, completed_at_ms=now_ms
        )
        self._stream.publish(Ended(self._run, list(self._steps)))
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

    def _publish(self, step: Step, fresh: list[StoredMessage], *, streamed: bool) -> None:
        self._stream.publish(Committed(step, fresh, streamed))

    def _emit_step(self, step: Step) -> None:
        self._shop.events.emit(
            StepEnded(
                tenant=step.tenant,
                agent_id=step.agent_id,
                run_id=step.run_id,
                step_id=step.id,
                model=step.model,
                prompt_tokens=step.usage.prompt_tokens,
                completion_tokens=step.usage.completion_tokens,
                model_duration_ms=step.model_duration_ms,
                duration_ms=step.model_duration_ms,
                outcome="error" if step.state == "failed" else "ok",
                error=step.error["kind"] if step.error else "",
            )
        )


@dataclass(frozen=True, slots=True)
class _Publish:
    """Passes the pieces of a reply on to whoever watches the run."""

    stream: RunStream
    message_id: str
    step_id: str

    def __call__(self, delta: Delta) -> None:
        self.stream.publish(Provisional(self.message_id, self.step_id, delta))
