"""Many requests to agents at once: create, list, retrieve, their messages, cancel."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import batches
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.ids import pattern
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import jobs as wire
from kelpie.trajectories import messages

router = APIRouter(tags=["batches"])
BatchId = Annotated[str, Path(pattern=pattern("job"))]


class BatchesQuery(PageQuery):
    order_by: Literal["created_at"] = "created_at"


class BatchMessagesQuery(BatchesQuery):
    agent_id: str | None = None


@router.post("/v1/messages/batches")
async def create_batch(request: Request, body: wire.CreateBatch) -> Response:
    """Acknowledge many requests at once. Each becomes a run of its own, a few at a time; ask the batch what became of
    them."""
    who = caller(request)
    requests = body.checked(who.workshop.host.ids)
    for agent_id in dict.fromkeys(one.agent_id for one in requests):
        await agents.get(who.view, who.tenant, agent_id)
    for model in {one.options.model for one in requests} - {None}:
        who.workshop.models.resolve(str(model), who.tenant)
    who.house.quotas.take_messages(who.tenant, sum(len(one.input) for one in requests))
    return answer(wire.of_batch(await who.house.batching.begin(who.tenant, requests)))


@router.get("/v1/messages/batches")
async def list_batches(request: Request, query: Annotated[BatchesQuery, Query()]) -> Response:
    """Batches, newest first."""
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    found = window.ordered(await batches.list_batches(who.view, who.tenant, window.page))
    return answer([wire.of_batch(one) for one in found])


@router.get("/v1/messages/batches/{batch_id}")
async def retrieve_batch(request: Request, batch_id: BatchId) -> Response:
    """One batch; its metadata say what became of each of its requests."""
    who = caller(request)
    batch = await batches.get(who.view, who.tenant, batch_id)
    return answer(wire.of_batch(batch, await batches.items_of(who.view, batch)))


@router.get("/v1/messages/batches/{batch_id}/messages")
async def list_batch_messages(
    request: Request, batch_id: BatchId, query: Annotated[BatchMessagesQuery, Query()]
) -> Response:
    """The messages of its runs, newest first."""
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    batch = await batches.get(who.view, who.tenant, batch_id)
    items = await batches.items_of(who.view, batch)
    wanted = [one.run_id for one in items if query.agent_id in (None, one.request.agent_id)]
    found = await messages.list_messages(who.view, who.tenant, window.page, run_ids=wanted)
    return answer({"messages": [wire.stored(one) for one in window.ordered(found)]})


@router.patch("/v1/messages/batches/{batch_id}/cancel")
async def cancel_batch(request: Request, batch_id: BatchId) -> Response:
    """Begin nothing more of it, and end what is under way. 409 if it came to its end."""
    who = caller(request)
    return answer(wire.of_batch(await who.house.batching.cancel(who.tenant, batch_id)))
