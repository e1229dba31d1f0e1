"""Questions in words: asked, streamed as they are worked on, cancelled."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from kelpie.agents.turn.stream import Committed, Ended, RunStream
from kelpie.analyst import questions, results
from kelpie.analyst.answers import Answer, assemble
from kelpie.analyst.answers.assembling import with_check
from kelpie.analyst.answers.steps import step_of
from kelpie.analyst.provenance.checking import check_query, is_cheap, plan_check
from kelpie.analyst.questions import Question
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller_for_people
from kelpie.api.ids import RunId
from kelpie.api.routes.analyst import analyst_of
from kelpie.api.sse import Lagged, Watch, event
from kelpie.api.wire import analyst as wire
from kelpie.api.wire import runs as run_wire
from kelpie.errors import UmiError

router = APIRouter(prefix="/v1/analyst/questions", tags=["analyst"])

_DONE = b"data: [DONE]\n\n"
_STILL_THERE = b": still at work\n\n"
# A proxy that collects a response before passing it on would undo the streaming.
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


@router.post("")
async def ask(request: Request, body: wire.AskQuestion) -> Response:
    """Ask a question in words. With `stream`, the steps as server-sent events and the answer last.

    A client that goes away changes nothing: the run goes on, and its answer can be fetched later.
    """
    who = caller_for_people(request)
    analyst_of(who)
    question = Question(
        text=body.question,
        model=body.model or who.house.analyst_model or await questions.default_model(who.workshop.models, who.tenant),
        semantic_model=body.semantic_model,
        session=body.session,
        speaker=await who.speaker(body.as_),
    )
    async with who.house.quotas.room_for_run(who.tenant):
        stream = await questions.put(who.workshop, who.house.inbox, who.tenant, question)
    if body.stream:
        return StreamingResponse(_events(who, stream, body.check), headers=_HEADERS, media_type="text/event-stream")
    await stream.wait()
    made = await answer_of(who, stream.run.id)
    if body.check:
        made = await _checked(who, made, [query.id for query in made.queries])
    return answer(wire.answered(made))


async def answer_of(who: Caller, run_id: str) -> Answer:
    """The answer of a run; what it shows is kept the first time. Raises NotFound, NumberWithoutSource."""
    made, changes = await assemble(analyst_of(who), who.view, who.tenant, run_id)
    if changes:
        await who.workshop.database.commit(changes)
    return made


async def _checked(who: Caller, made: Answer, query_ids: Sequence[str]) -> Answer:
    """The answer, once the numbers of these of its queries were asked for another way."""
    for query in made.queries:
        if query.id in query_ids:
            check = await check_query(analyst_of(who), who.view, query)
            await who.workshop.database.commit(plan_check(query, check))
            made = with_check(made, check)
    return made


async def _events(who: Caller, stream: RunStream, check: bool | None) -> AsyncIterator[bytes]:
    """The run's id at once, then each step as it is committed, then the answer; last, where it is quick, what came of
    checking it. The model's own words are not streamed: no number is shown before its source is known."""
    yield event({"event": "run", "run_id": stream.run.id, "agent_id": stream.run.agent_id})
    try:
        async for block in _steps(who, stream):
            yield block
        made = await answer_of(who, stream.run.id)
        if check:
            made = await _checked(who, made, [query.id for query in made.queries])
        yield event({"event": "answer", "answer": wire.answered(made)})
        cheap = [query.id for query in made.queries if is_cheap(query)]
        if check is None and cheap:
            with contextlib.suppress(UmiError):  # nobody asked for it: the answer stands without
                made = await _checked(who, made, cheap)
                shown = {"label": made.label, "checks": made.checks, "caveats": made.caveats}
                yield event({"event": "check", "run_id": made.run_id, **msgspec.to_builtins(shown)})
    except UmiError as error:
        yield event({"event": "error", "error_type": error.kind, "message": who.house.redact(str(error))})
    yield _DONE


async def _steps(who: Caller, stream: RunStream) -> AsyncIterator[bytes]:
    """What is done for the answer, as it is done; a comment now and then while nothing is."""
    watch = Watch(stream, who.workshop.host)
    arguments: dict[str, str] = {}
    try:
        while True:
            ready = await watch.next(limits.PING_INTERVAL_MS)
            if not ready:
                yield _STILL_THERE
            for one in ready:
                if isinstance(one, Committed):
                    for block in await _told(who, one, arguments):
                        yield block
                elif isinstance(one, Ended | Lagged):
                    if stream.ended is None:
                        await stream.wait()
                    return
    finally:
        watch.stop()


async def _told(who: Caller, committed: Committed, arguments: dict[str, str]) -> list[bytes]:
    """A committed step as events: its calls before they are made, what came of them after."""
    events: list[bytes] = []
    returned = any(message.body.role == "tool" for message in committed.messages)
    asked = await results.queries_of_run(who.view, who.tenant, committed.step.run_id) if returned else []
    by_call = {query.tool_call_id: query for query in asked}
    for message in committed.messages:
        body = message.body
        for call in body.tool_calls:
            arguments[call.id] = call.arguments
            events.append(event({"event": "tool_call", "name": call.name, "arguments": call.arguments}))
        if body.role == "tool":
            call_id = body.tool_call_id or ""
            told = {"event": "tool_return", "name": body.name, "is_error": body.is_error, "text": body.text}
            step = step_of(message, arguments.get(call_id, "{}"), by_call.get(call_id))
            events += [event(told), event({"event": "step", "step": step})]
    return events


@router.post("/{run_id}/cancel")
async def cancel(request: Request, run_id: RunId) -> Response:
    """End a question that is worked on: its query is stopped in the database. 409 once it has ended."""
    who = caller_for_people(request)
    await who.check_sees(run_id)
    return answer(run_wire.run(await who.house.inbox.cancel(who.tenant, run_id)))
