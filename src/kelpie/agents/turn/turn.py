"""The turn: one acknowledged run, from its input to its end.

Each step is a model call and its tool calls, committed as committing.py says. Whatever stops the process in between,
the next activation finds the intents and tells the model that they were interrupted; it never runs them again. Only
what was committed is published as final.
"""

from typing import Any

import msgspec

from kelpie.actors import Placement
from kelpie.agents import limits
from kelpie.agents.context import compacting, summarising
from kelpie.agents.context.context import compile_request, estimate_tokens
from kelpie.agents.context.history import History
from kelpie.agents.context.summarising import Full
from kelpie.agents.memory.recalling import Recollection, recall, recall_again
from kelpie.agents.rules.approving import answers_of
from kelpie.agents.rules.ruling import Ruling
from kelpie.agents.turn import asking, committing, pausing, scene, structured
from kelpie.agents.turn.calls import Prepared, prepare
from kelpie.agents.turn.recording import Recording
from kelpie.agents.turn.replies import mended
from kelpie.agents.turn.scene import Scene, Workshop
from kelpie.agents.turn.stream import Cancelled, Ended, RunStream
from kelpie.agents.turn.work import Publish, Work
from kelpie.errors import CallerError, MissingExtra, ModelError
from kelpie.trajectories import content, messages
from kelpie.trajectories.records import Run, Step, StoredMessage
from umi.storage import Changes
from umi.wire.types import Message, Reply, Request, ToolCall


class Turn:
    def __init__(self, workshop: Workshop, placement: Placement, history: History, run: Run, stream: RunStream) -> None:
        self._shop = workshop
        self._placement = placement
        self._history = history
        self._stream = stream
        self._record = Recording(workshop, placement, history, run, stream)
        self._ruling: Ruling | None = None  # of the latest step

    async def take(self) -> Ended:
        """Bring the run to its end. Raises Fenced, StoreError or NotFound if it can't go on here; it is then open
        still, or gone."""
        record = self._record
        await record.resume()
        if self._stream.ended is None and record.is_interrupted:
            await record.interrupt()
        if self._stream.ended is None:
            await record.look_back()
            if record.unanswered is not None and answers_of(record.run):
                await self._make_answered(record.unanswered)
        while self._stream.ended is None:
            await (self._step() if record.run.options.compact is None else self._summarise(record.run.options.compact))
        return self._stream.ended

    async def close(self, error: dict[str, Any]) -> Ended:
        """End the run as failed, as every attempt at it met a bug of ours. What was sent stays in the history, and no
        intent stays open: the next run must not begin with calls that nobody answers."""
        await self._record.resume()
        if self._stream.ended is None:
            await self._record.look_back()
        return self._stream.ended or await self._record.close(error)

    async def first_request(self, now: Scene) -> Request:
        """What the model would be asked first. Raises ModelError."""
        self._record.agent = now.agent
        await self._record.look_back()
        await self._recollect(now)
        self._ruling = Ruling(self._record.run, self._history, now)
        return self._compile(now, self._conversation(self._record.incoming(None)))

    async def _make_answered(self, asked: StoredMessage) -> None:
        """The first step of a run that brings answers: the calls of an earlier message are made, without a model."""
        record, step = self._record, self._new_step()
        if self._stream.is_cancelled:
            await record.cancel()
            return
        try:
            now = await self._scene()
        except ModelError as error:
            await record.fail(step, record.incoming(step.id), error)
            return
        record.agent = now.agent
        ruling = Ruling(record.run, self._history, now, asked)
        prepared = self._prepared(ruling, now, asked.body.tool_calls)
        work = Work(
            scene=now,
            step=msgspec.structs.replace(self._asked_of(step, now), kind="answered"),
            reply=None,
            incoming=[],
            assistant=asked,
            prepared=pausing.answered(prepared, answers_of(record.run)),
            base=Changes(),
            ruling=ruling,
        )
        await committing.commit_intents(record, work)
        await committing.commit_results(record, work)

    def _prepared(self, ruling: Ruling, now: Scene, made: list[ToolCall]) -> list[Prepared]:
        def one(number: int, call: ToolCall) -> Prepared:
            return asking.prepared(prepare(number, call, now.tools), now.agent, self._record.run.options)

        return ruling.prepared(made, one)

    async def _summarise(self, given: dict[str, Any]) -> None:
        """The whole of a run that was asked for to compact its conversation. One that has nothing to summarise ends
        without a step."""
        step = self._new_step()
        try:
            now = await self._scene()
            step, settings = self._asked_of(step, now), compacting.read_settings(given) if given else None
            self._record.agent, self._ruling = now.agent, Ruling(self._record.run, self._history, now)
            planned = summarising.plan(self._record, now, self._compile(now, []), [], settings)
            if planned is not None:
                await summarising.compact(self._record, now, step, planned, "manual", stop="end_turn")
                return
        except Cancelled:
            await self._record.cancel()
            return
        except ModelError as error:
            await self._record.fail(step, [], error)
            return
        await self._placement.commit(await self._record.plan_run("end_turn"))
        self._record.end("completed", "end_turn")

    async def _scene(self) -> Scene:
        run = self._record.run
        return await scene.read(self._shop, self._placement, run.options.model, run.conversation_id)

    # ---- one step

    def _new_step(self) -> Step:
        clock, ids = self._shop.host.clock, self._shop.host.ids
        return Step(
            tenant=self._record.run.tenant,
            id=ids.new("step"),
            run_id=self._record.run.id,
            agent_id=self._record.run.agent_id,
            number=len(self._record.steps) + 1,
            state="intent",
            model=self._record.run.options.model or "",
            provider="",
            provider_type="",
            model_name="",
            model_version="",
            context_window_tokens=0,
            started_at_ms=clock.now_ms(),
        )

    def _asked_of(self, step: Step, now: Scene) -> Step:
        return msgspec.structs.replace(
            step,
            model=now.card.handle,
            provider=now.card.provider,
            provider_type=now.card.provider_type,
            model_name=now.card.name,
            model_version=now.card.version,
            context_window_tokens=now.agent.context_window_tokens or now.card.context_window_tokens,
            instead_of=now.card.instead_of,
        )

    async def _step(self) -> None:
        clock, step = self._shop.host.clock, self._new_step()
        incoming = self._record.incoming(step.id)
        message_id = self._shop.host.ids.new("message")
        started_ms = clock.monotonic_ms()
        try:
            now = await self._scene()
            self._record.agent, self._record.is_overheard = now.agent, now.is_overheard
            self._ruling = Ruling(self._record.run, self._history, now)
            recollection = await self._recollect(now)
            recalled = recollection.record if step.number == 1 else None
            step = msgspec.structs.replace(self._asked_of(step, now), recalled=recalled)
            asking = self._ask(now, incoming, message_id, step.id)
            reply = await self._stream.until_cancelled(asking)
        except Full as full:
            await self._compact(full, step)
            return
        except Cancelled:
            await self._record.cancel()
            return
        except ModelError as error:
            duration_ms = clock.monotonic_ms() - started_ms
            await self._record.fail(msgspec.structs.replace(step, model_duration_ms=duration_ms), incoming, error)
            return
        duration_ms = clock.monotonic_ms() - started_ms
        step = msgspec.structs.replace(step, model_duration_ms=duration_ms)
        await self._commit_reply(now, step, incoming, message_id, reply)

    async def _recollect(self, now: Scene) -> Recollection:
        """What memory adds to the context of this run, the same for all of its steps."""
        if self._record.recollection is None:
            record = self._record.steps[0].recalled if self._record.steps else None
            if record is not None:
                self._record.recollection = await recall_again(self._shop, now.agent, record)
            else:
                self._record.recollection = (
                    Recollection() if self._record.steps else await recall(self._shop, now, self._record.run)
                )
        return self._record.recollection

    async def _ask(self, now: Scene, incoming: list[StoredMessage], message_id: str, step_id: str) -> Reply:
        """The model's reply. A window that is smaller than we thought, or text that takes more tokens than we counted,
        is met with less history: an agent must not be lost to a wrong estimate. Raises ModelError, and Full if the
        conversation has to be compacted first."""
        options, on_delta = self._record.run.options, None
        if options.stream_tokens:
            on_delta = Publish(self._stream, message_id, step_id, asking.thinks_in_calls(now.agent, options))
        conversation = self._conversation(incoming)
        request = self._first(now, incoming, conversation)
        for attempt in range(limits.CONTEXT_SHRINKS_MAX + 1):
            try:
                reply = await now.model.reply(request, on_delta)
                form, ruling = asking.format_of(now.agent, options), self._ruling
                is_told_to_call = ruling is not None and ruling.may_remind and bool(ruling.missing([]))
                if not is_told_to_call:  # else it is no answer yet
                    structured.demand(form, reply)
                return mended(reply, now.tools, self._taken_ids(reply), lambda: self._shop.host.ids.new("call"))
            except ModelError as error:
                shown = request.messages[1:]
                if (
                    error.model_error_kind != "context_overflow"
                    or len(shown) < 2
                    or attempt == limits.CONTEXT_SHRINKS_MAX
                ):
                    raise
                if (planned := self._planned(now, incoming)) is not None:
                    raise Full(now, planned, "context_window_exceeded") from error
                try:
                    request = self._compile(now, conversation, sum(map(estimate_tokens, shown)) // 2)
                except ModelError:
                    raise error from None  # what must be shown does not fit; the provider says it best
            except (CallerError, MissingExtra) as error:
                # A model in this process refuses the request, or is not installed: trying again changes nothing.
                raise ModelError("bad_request", str(error)) from error
        raise AssertionError("the last attempt returns or raises")

    def _taken_ids(self, reply: Reply) -> set[str]:
        return self._history.call_ids() if reply.tool_calls else set()

    def _first(self, now: Scene, incoming: list[StoredMessage], conversation: list[Message]) -> Request:
        """The request with all of the conversation; or with what fits of it, where it can't be compacted."""
        error: ModelError | None = None
        try:
            request = self._compile(now, conversation)
            head = summarising.shown_summary(self._record)
            if len(request.messages) >= 1 + len(head) + len(conversation) and not self._history.is_full:
                return request
        except ModelError as overflow:
            error = overflow
        if (planned := self._planned(now, incoming)) is not None:
            raise Full(now, planned, "post_step_context_check")
        if error is not None:
            raise error
        return request

    async def _compact(self, full: Full, step: Step) -> None:
        """The step becomes the making of a summary; the next one asks again."""
        try:
            await summarising.compact(self._record, full.now, step, full.planned, full.trigger)
        except Cancelled:
            await self._record.cancel()

    def _planned(self, now: Scene, incoming: list[StoredMessage]) -> summarising.Plan | None:
        if now.agent.forgets or not summarising.may_compact(self._record):
            return None
        try:
            return summarising.plan(self._record, now, self._compile(now, []), incoming)
        except ModelError:
            return None  # prompt and tools alone fill the window: no summary makes room

    def _conversation(self, incoming: list[StoredMessage]) -> list[Message]:
        """What is to be shown after the summary: the history, what memory adds, and the run's input."""
        recalled = self._record.recollection.message if self._record.recollection is not None else None
        before = None if recalled is None else (self._record.run.input[0].id, recalled)
        agent = self._record.agent
        forgets = agent is not None and agent.forgets
        of_runs = self._history.turn_of(self._record.run) if forgets else None
        conversation = self._history.conversation(before, of_runs=of_runs)
        if incoming and recalled is not None:
            conversation.append(recalled)
        return conversation + [message.body for message in incoming]

    def _compile(self, now: Scene, conversation: list[Message], history_tokens_max: int | None = None) -> Request:
        head, options, ruling = summarising.shown_summary(self._record), self._record.run.options, self._ruling
        assert ruling is not None, "a step looks before it asks"
        request = compile_request(
            now.agent,
            now.blocks,
            asking.specs(now.agent, ruling.offered(), options),
            conversation,
            now.card,
            self._shop.host.clock.now_ms(),
            summary=head[0] if head else None,
            history_tokens_max=history_tokens_max,
            directories=now.directories,
            rewritten=asking.rewriting(options),
        )
        return asking.completed(ruling.applied(request), now.agent, now.card, options)

    async def _commit_reply(
        self,
        now: Scene,
        step: Step,
        incoming: list[StoredMessage],
        message_id: str,
        reply: Reply,
    ) -> None:
        """Make the reply durable, with what its calls came to."""
        hashes, stored = content.plan_put(step.tenant, step.agent_id, [*reply.raw_request, reply.raw_response])
        step = msgspec.structs.replace(
            step,
            model_name=reply.model,
            finish=reply.finish,
            usage=reply.usage,
            request=hashes[:-1],
            response=hashes[-1],
            provider_request_id=reply.provider_request_id,
            told=self._stream.told(),
            tokens=asking.tokens_of(reply, self._record.run.options),
        )
        said, ruling = asking.said(reply, now.agent, self._record.run.options), self._ruling
        assert ruling is not None, "a step looks before it asks"
        assistant = self._record.stored(message_id, said, len(incoming), step.id)
        work = Work(
            scene=now,
            step=step,
            reply=reply,
            incoming=incoming,
            assistant=assistant,
            prepared=self._prepared(ruling, now, reply.tool_calls),
            base=Changes().extend(stored).extend(messages.plan_add([*incoming, assistant])),
            contents=stored,
            ruling=ruling,
        )
        await committing.commit(self._record, work)
