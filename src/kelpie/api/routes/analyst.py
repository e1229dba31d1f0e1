"""The analyst: connections to data, semantic models over them, questions, and what each number stands on."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from kelpie.agents.stream import Ended, RunStream
from kelpie.analyst import connections, questions, results
from kelpie.analyst.provenance import provenance
from kelpie.analyst.questions import Question
from kelpie.analyst.semantic import records
from kelpie.analyst.service import Analyst
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.wire import analyst as wire
from kelpie.errors import MissingExtra

router = APIRouter(prefix="/v1/analyst", tags=["analyst"])


def _analyst(who: Caller) -> Analyst:
    if who.house.analyst is None:
        raise MissingExtra("the analyst", "analyst")
    return who.house.analyst


@router.post("/connections")
async def create_connection(request: Request, body: wire.CreateConnection) -> Response:
    """Connect a data source; it is opened once, read-only, before it is kept."""
    who = caller(request)
    made, changes = await _analyst(who).plan_connection(who.view, who.tenant, body.name, body.config, body.engine)
    await who.workshop.database.commit(changes)
    return answer(wire.shown(made))


@router.get("/connections")
async def list_connections(request: Request) -> Response:
    who = caller(request)
    return answer([wire.shown(one) for one in await connections.list_all(who.view, who.tenant)])


@router.delete("/connections/{connection_id}")
async def delete_connection(request: Request, connection_id: str) -> Response:
    """Forget a connection; its file is left alone. 409 while a semantic model stands on it."""
    who = caller(request)
    await who.workshop.database.commit(await connections.plan_delete(who.view, who.tenant, connection_id))
    return answer({"id": connection_id})


@router.post("/semantic-models")
async def create_semantic_model(request: Request, body: wire.CreateSemanticModel) -> Response:
    """Register a semantic model; every expression in it has run on its connection before it is kept."""
    who = caller(request)
    made, changes = await _analyst(who).plan_model(who.view, who.tenant, body.connection_id, body.yaml)
    await who.workshop.database.commit(changes)
    return answer(wire.shown(made))


@router.get("/semantic-models")
async def list_semantic_models(request: Request) -> Response:
    who = caller(request)
    return answer([wire.shown(one) for one in await records.list_all(who.view, who.tenant)])


@router.delete("/semantic-models/{model_id}")
async def delete_semantic_model(request: Request, model_id: str) -> Response:
    who = caller(request)
    await who.workshop.database.commit(await records.plan_delete(who.view, who.tenant, model_id))
    return answer({"id": model_id})


@router.post("/questions")
async def ask(request: Request, body: wire.AskQuestion) -> Response:
    """Ask a question in words. With `stream`, the steps as server-sent events and the answer last."""
    who = caller(request)
    _analyst(who)
    question = Question(
        text=body.question,
        model=body.model or who.house.analyst_model or await questions.default_model(who.workshop.models),
        semantic_model=body.semantic_model,
        session=body.session,
        stream=body.stream,
    )
    stream = await questions.put(who.workshop, who.house.inbox, who.tenant, question)
    if body.stream:
        return StreamingResponse(_events(who, stream), media_type="text/event-stream")
    ended, committed = await stream.wait()
    return answer(wire.answered(await questions.answer(who.view, ended, committed)))


async def _events(who: Caller, stream: RunStream) -> AsyncIterator[bytes]:
    yield _event({"event": "run", "run_id": stream.run.id, "agent_id": stream.run.agent_id})
    async for event in stream.watch():
        for step in wire.told(event):
            yield _event(step)
        if isinstance(event, Ended):
            _, committed = await stream.wait()
            made = await questions.answer(who.view, event, committed)
            yield _event({"event": "answer", "answer": wire.answered(made)})
    yield b"data: [DONE]\n\n"


def _event(body: dict[str, object]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


@router.get("/queries/{query_id}")
async def show_query(request: Request, query_id: str) -> Response:
    """What the numbers of a query stand on: its SQL, rows, metric, connection and the state of the data."""
    who = caller(request)
    return answer(wire.shown(await provenance(who.view, who.tenant, query_id)))


@router.get("/charts/{chart_id}")
async def show_chart(
    request: Request, chart_id: str, form: Annotated[Literal["json", "png"], Query(alias="format")] = "json"
) -> Response:
    """A chart as Vega-Lite with its data, or as a PNG."""
    who = caller(request)
    chart = await results.chart_by_id(who.view, who.tenant, chart_id)
    if form == "json":
        return answer(wire.shown(chart))
    return Response(await _analyst(who).render(chart), media_type="image/png")
