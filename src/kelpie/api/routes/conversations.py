"""Conversations of agents: made, forked, listed, talked in. `default` with an agent, or an agent's id, stands for the
agent's main one wherever messages are sent or shown."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import conversing
from kelpie.agents.context.preview import preview
from kelpie.api.answer import JSON, answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import ConversationId, ConversationPlace, pattern
from kelpie.api.paging import PageQuery, Window
from kelpie.api.places import Place, place_of
from kelpie.api.routes.messages import HistoryQuery, cancelled, listed, responded, watched
from kelpie.api.wire import conversations as wire
from kelpie.errors import GuardFailed, InvalidInput, NotFound
from kelpie.models.payload import payload
from kelpie.trajectories import conversations, messages, runs
from kelpie.trajectories.conversations import Order
from kelpie.trajectories.records import OPEN_STATUSES, Conversation, RunOptions
from umi.storage import Page

router = APIRouter(tags=["conversations"])
AgentQuery = Annotated[str | None, Query(pattern=pattern("agent"))]

_ORDERS: dict[str, Order] = {
    "created_at": "created",
    "last_run_completion": "last_completion",
    "last_message_at": "last_message",
}


class ConversationsQuery(PageQuery):
    agent_id: str | None = None
    summary_search: str | None = None
    order_by: Literal["created_at", "last_run_completion", "last_message_at"] = "created_at"
    archive_status: Literal["unarchived", "archived", "all"] = "unarchived"


class ConversationMessagesQuery(HistoryQuery):
    agent_id: str | None = None
    order_by: Literal["created_at"] = "created_at"
    include_err: bool | None = None  # what failed is in the list in any case


async def _shown(who: Caller, one: Conversation) -> Response:
    isolated = await conversing.isolated_ids(who.view, who.tenant, [one])
    in_context = await conversing.in_context_ids(who.view, one)
    return answer(wire.conversation(one, isolated=isolated[one.id], in_context=in_context))


@router.post("/v1/conversations")
async def create_conversation(
    request: Request,
    agent_id: Annotated[str, Query(pattern=pattern("agent"))],
    body: wire.CreateConversation | None = None,
) -> Response:
    """A new conversation with an agent: of what is said in its others it knows nothing but what they remembered."""
    who, given = caller(request), body or wire.CreateConversation()
    new = _new(who, agent_id, hidden=given.hidden, **given.fields())
    return await _shown(who, await conversing.begin(who.workshop, new, given.isolated_block_labels or ()))


def _new(who: Caller, agent_id: str, **fields: object) -> Conversation:
    made = Conversation(
        tenant=who.tenant,
        id=who.workshop.host.ids.new("conv"),
        agent_id=agent_id,
        created_at_ms=who.now_ms(),
        updated_at_ms=who.now_ms(),
    )
    return msgspec.structs.replace(made, **fields)


@router.get("/v1/conversations")
async def list_conversations(request: Request, query: Annotated[ConversationsQuery, Query()]) -> Response:
    """Conversations of an agent, or of all, the newest first, without those that were put away or are hidden. Agents'
    main ones are not among them."""
    who, window = caller(request), Window(query)
    found = window.ordered(
        await conversations.list_conversations(
            who.view,
            who.tenant,
            window.page,
            agent_id=query.agent_id,
            text=query.summary_search,
            archived={"unarchived": False, "archived": True}.get(query.archive_status),
            order=_ORDERS[query.order_by],
        )
    )
    isolated = await conversing.isolated_ids(who.view, who.tenant, found)
    return answer([wire.conversation(one, isolated=isolated[one.id]) for one in found])


@router.get("/v1/conversations/{conversation_id}")
async def retrieve_conversation(request: Request, conversation_id: ConversationId) -> Response:
    """One conversation, with the ids of the messages its model is shown."""
    who = caller(request)
    return await _shown(who, await conversations.get(who.view, who.tenant, conversation_id))


@router.patch("/v1/conversations/{conversation_id}")
async def modify_conversation(
    request: Request, conversation_id: ConversationId, body: wire.UpdateConversation
) -> Response:
    """Change what is given of it; a model is used from the next step on."""
    who = caller(request)
    old = await conversations.get(who.view, who.tenant, conversation_id)
    new = body.applied(old, who.now_ms())
    if body.model is not None:
        who.workshop.models.resolve(body.model, who.tenant)
    try:
        await who.workshop.database.commit(conversations.plan_update(old, new))
    except GuardFailed:
        raise NotFound(f"no conversation has the id '{conversation_id}'") from None
    return await _shown(who, new)


@router.delete("/v1/conversations/{conversation_id}")
async def delete_conversation(request: Request, conversation_id: ConversationId) -> Response:
    """Remove the conversation, its runs, the blocks it has for itself, and its messages: those that a fork of it shows
    stay as long as the fork does. A run that is at work is stopped."""
    who = caller(request)
    await who.house.inbox.drop(who.tenant, conversation_id)
    return answer(None)


@router.post("/v1/conversations/{conversation_id}/fork")
async def fork_conversation(
    request: Request,
    conversation_id: ConversationPlace,
    agent_id: AgentQuery = None,
    message_id: Annotated[str | None, Query(pattern=pattern("message"))] = None,
    hidden: bool = False,
) -> Response:
    """A new conversation that goes on from where this one is, or from one of its messages; nothing is copied but the
    blocks that it has for itself. Neither sees what is said in the other from then on."""
    who = caller(request)
    agent, source = await place_of(who, conversation_id, agent_id)
    upto = None if message_id is None else await messages.get(who.view, who.tenant, message_id)
    return await _shown(who, await conversing.fork(who.workshop, source, _new(who, agent, hidden=hidden), upto))


@router.get("/v1/conversations/{conversation_id}/messages")
async def list_messages(
    request: Request, conversation_id: ConversationPlace, query: Annotated[ConversationMessagesQuery, Query()]
) -> Response:
    """The conversation's messages, newest first. The page counts stored messages: one may show as several."""
    who = caller(request)
    place = await place_of(who, conversation_id, query.agent_id)
    return await listed(who, request, query, place, query.group_id)


@router.post("/v1/conversations/{conversation_id}/messages")
async def send_message(request: Request, conversation_id: ConversationPlace, body: wire.SendToConversation) -> Response:
    """Send messages; the answer comes as server-sent events, or whole if `streaming` is false. Runs of all of an
    agent's conversations are taken in turn."""
    who = caller(request)
    place = await place_of(who, conversation_id, body.agent_id)
    return await responded(who, body, *place)


@router.post("/v1/conversations/{conversation_id}/messages/preview-raw-payload")
async def preview_request(
    request: Request, conversation_id: ConversationPlace, body: wire.SendToConversation
) -> Response:
    """The request that the model would be sent for these messages, byte for byte. Nothing is sent or stored."""
    who = caller(request)
    agent, conversation = await place_of(who, conversation_id, body.agent_id)
    incoming, options = body.run_input(who.workshop.host.ids), body.options()
    now, asked = await preview(who.workshop, who.tenant, agent, incoming, options, conversation)
    return Response(payload(now.model, asked, streamed=options.stream_tokens), media_type=JSON)


@router.post("/v1/conversations/{conversation_id}/stream")
async def watch_conversation(
    request: Request, conversation_id: ConversationPlace, body: wire.WatchConversation | None = None
) -> Response:
    """The events of the conversation's newest run that has not ended, or of one of its runs, from any of them on."""
    who, asked = caller(request), body or wire.WatchConversation()
    place = await place_of(who, conversation_id, asked.agent_id)
    stream = await who.house.inbox.resume(who.tenant, await _run_of(who, place, asked))
    return watched(who, stream, pings=asked.include_pings is not False, after=asked.starting_after)


async def _run_of(who: Caller, place: Place, asked: wire.WatchConversation) -> str:
    """The id of the run that is asked for. Raises NotFound, InvalidInput if none is under way."""
    if asked.run_id is not None:
        run = await runs.get(who.view, who.tenant, asked.run_id)
        if (run.agent_id, run.conversation_id) != place:
            raise NotFound(f"the conversation has no run with the id '{asked.run_id}'")
        return run.id
    if asked.otid is not None:
        named = await runs.named(who.view, who.tenant, *place, asked.otid)
        if named is None:
            raise NotFound(f"no message of the conversation has the otid '{asked.otid}'")
        return named
    page = Page(limit=1, ascending=False)
    found = await runs.list_runs(
        who.view,
        who.tenant,
        page,
        agent_ids=[place.agent_id],
        conversation_id=place.conversation_id,
        statuses=[*OPEN_STATUSES],
    )
    if not found:
        raise InvalidInput("no run of the conversation is under way; name the run whose events you want")
    return found[0].id


@router.post("/v1/conversations/{conversation_id}/cancel")
async def cancel_conversation(
    request: Request, conversation_id: ConversationPlace, agent_id: AgentQuery = None
) -> Response:
    """End the conversation's runs that are under way. Says of each what became of it."""
    who = caller(request)
    agent, conversation = await place_of(who, conversation_id, agent_id)
    return cancelled(await who.house.inbox.cancel_of(who.tenant, agent, conversation_id=conversation))


@router.post("/v1/conversations/{conversation_id}/recompile")
async def recompile_conversation(
    request: Request, conversation_id: ConversationPlace, body: wire.RecompileConversation | None = None
) -> Response:
    """The system prompt as the conversation's model is shown it. It is compiled for every step: asking changes
    nothing."""
    who, given = caller(request), body or wire.RecompileConversation()
    agent, conversation = await place_of(who, conversation_id, given.agent_id)
    _, asked = await preview(who.workshop, who.tenant, agent, [], RunOptions(), conversation)
    return answer(asked.messages[0].text)
