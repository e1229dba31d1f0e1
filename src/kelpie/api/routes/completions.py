"""Agents for clients of OpenAI's: `POST /v1/chat/completions` with an agent's id as the model."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents.turn.stream import Committed, Ended, Provisional, RunStream
from kelpie.api import limits, sse
from kelpie.api.answer import answer
from kelpie.api.failures import model_failure, of_failed_run, run_error
from kelpie.api.house import Caller, caller
from kelpie.api.ids import AgentId
from kelpie.api.routes.messages import accept, calls_of
from kelpie.api.wire import completions as wire
from kelpie.api.wire import messages as message_wire
from kelpie.api.wire.messages import Fashion
from kelpie.api.wire.stream import Narrator

router = APIRouter(tags=["chat completions"])
_PING = b": waiting\n\n"
_DONE = b"data: [DONE]\n\n"


@router.post("/v1/chat/completions")
async def create_completion(request: Request, body: wire.ChatCompletion) -> Response:
    """Send an agent what is new in the messages, and answer with what it says."""
    who = caller(request)
    stream = await accept(who, body.model, body.sending())
    if body.stream:
        return sse.respond(_chunks(who, stream, usage=body.wants_usage), stream.run.id)
    ended, committed = await stream.wait()
    if ended.run.status == "failed":
        return of_failed_run(ended.run, who.house)
    said = [message for step in committed for message in step.messages]
    shown = message_wire.shown(said, await calls_of(who, said), Fashion())
    texts = [text for one in shown if (text := wire.text_of(one))]
    return answer(wire.completion(stream.run, ended, "\n".join(texts)))


@router.post("/v1/agents/{agent_id}/generate")
async def generate(request: Request, agent_id: AgentId, body: wire.Generate) -> Response:
    """One answer of the agent's model, without its memory, its tools or its history, of which none is kept."""
    who = caller(request)
    agent = await agents.get(who.view, who.tenant, agent_id)
    models = who.workshop.models
    if body.override_model is not None:
        card, model = models.resolve(body.override_model, who.tenant)
    else:
        card, model = models.resolve_or_fall_back(agent.model, who.tenant)
    asked = body.request(card.name, agent.output_tokens_max or card.output_tokens_max)
    who.house.quotas.take_messages(who.tenant)
    return answer(wire.generated(await model.reply(asked)))


async def _chunks(who: Caller, stream: RunStream, *, usage: bool) -> AsyncIterator[bytes]:
    """What the agent says, as it says it. A client that goes away changes nothing for the run."""
    host, run = who.workshop.host, stream.run
    watch, narrator, teller = sse.Watch(stream, host), Narrator(run.id, Fashion()), _Teller()
    try:
        yield sse.event(wire.chunk(run, {"role": "assistant", "content": ""}))
        while True:
            ready = await watch.next(limits.PING_INTERVAL_MS)
            if not ready:
                yield _PING  # a comment: nothing to a client, and it keeps the connection
            for one in ready:
                if isinstance(one, Provisional | Committed):
                    told = (
                        narrator.pieces(one, host.clock.now_ms())
                        if isinstance(one, Provisional)
                        else narrator.committed(one, await calls_of(who, one.messages))
                    )
                    for piece in filter(None, map(teller.next, told)):
                        yield sse.event(wire.chunk(run, {"content": piece}))
                    continue
                yield _end(who, stream, one, usage=usage)
                return
    finally:
        watch.stop()


class _Teller:
    """The texts of one message follow one another; another message begins on a line of its own."""

    def __init__(self) -> None:
        self._id = ""

    def next(self, shown: dict[str, str]) -> str:
        text = wire.text_of(shown)
        if not text:
            return ""
        is_other, self._id = self._id not in ("", shown["id"]), shown["id"]
        return f"\n{text}" if is_other else text


def _end(who: Caller, stream: RunStream, last: Ended | sse.Lagged, *, usage: bool) -> bytes:
    if isinstance(last, sse.Lagged):
        text = "this client read too slowly and was let go; the run goes on"
        return sse.event(model_failure("error", text)) + _DONE
    if last.run.status == "failed":
        kind, text = run_error(last.run, who.house)
        return sse.event(model_failure(kind, text)) + _DONE
    ended = sse.event(wire.chunk(stream.run, {}, wire.finish(last.run)))
    return ended + (sse.event(wire.last_chunk(stream.run, last.steps)) if usage else b"") + _DONE
