"""The analyst's ground: connections to data, and semantic models over them."""

import msgspec
from fastapi import APIRouter, Request, Response

from kelpie.analyst import connections, learned
from kelpie.analyst.semantic import records
from kelpie.analyst.service import Analyst
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.wire import analyst as wire
from kelpie.errors import InvalidModel, MissingExtra

router = APIRouter(prefix="/v1/analyst", tags=["analyst"])


def analyst_of(who: Caller) -> Analyst:
    """Raises MissingExtra where the analyst is not installed."""
    if who.house.analyst is None:
        raise MissingExtra("the analyst", "analyst")
    return who.house.analyst


@router.post("/connections")
async def create_connection(request: Request, body: wire.CreateConnection) -> Response:
    """Connect a data source; it is opened once, read-only, before it is kept."""
    who = caller(request)
    made, changes = await analyst_of(who).plan_connection(
        who.view, who.tenant, body.name, body.config, body.engine, body.sharing
    )
    await who.workshop.database.commit(changes)
    return answer(wire.shown(made))


@router.get("/connections")
async def list_connections(request: Request) -> Response:
    who = caller(request)
    return answer([wire.shown(one) for one in await connections.list_all(who.view, who.tenant)])


@router.get("/connections/{connection_id}/check")
async def check_connection(request: Request, connection_id: str) -> Response:
    """What answers there, and what the account may do beyond reading; 503 says why nothing does."""
    who = caller(request)
    connection = await connections.get(who.view, who.tenant, connection_id)
    return answer(msgspec.to_builtins(await analyst_of(who).check_connection(connection)))


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
    made, changes = await analyst_of(who).plan_model(who.view, who.tenant, body.connection_id, body.yaml)
    await who.workshop.database.commit(changes)
    return answer(wire.shown(made))


@router.post("/connections/{connection_id}/draft")
async def draft_semantic_model(request: Request, connection_id: str, body: wire.DraftSemanticModel) -> Response:
    """A first draft of a semantic model as YAML, from what the source says of itself; nothing is kept."""
    from kelpie.analyst.semantic.infer import infer

    who = caller(request)
    connection = await connections.get(who.view, who.tenant, connection_id)
    source = await analyst_of(who).open_source(connection)
    return answer({"yaml": await infer(source, body.name or connection.name)})


@router.post("/semantic-models/check")
async def check_semantic_model(request: Request, body: wire.CreateSemanticModel) -> Response:
    """What is wrong with a semantic model, each with its line; nothing is kept."""
    from kelpie.analyst.semantic.checks import find_problems
    from kelpie.analyst.semantic.reading import read_model

    who = caller(request)
    connection = await connections.get(who.view, who.tenant, body.connection_id)
    try:
        model = read_model(body.yaml)
    except InvalidModel as error:
        return answer({"problems": [str(error)]})
    return answer({"problems": await find_problems(model, await analyst_of(who).open_source(connection))})


@router.get("/semantic-models")
async def list_semantic_models(request: Request) -> Response:
    who = caller(request)
    return answer([wire.shown(one) for one in await records.list_all(who.view, who.tenant)])


@router.delete("/semantic-models/{model_id}")
async def delete_semantic_model(request: Request, model_id: str) -> Response:
    who = caller(request)
    changes = await records.plan_delete(who.view, who.tenant, model_id)
    await who.workshop.database.commit(changes.extend(learned.plan_forget_model(who.tenant, model_id)))
    return answer({"id": model_id})
