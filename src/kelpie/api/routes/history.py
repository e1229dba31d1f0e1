"""Messages of all agents: listed, found by their words, read one by one. What was said is never changed."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import MessageId, pattern
from kelpie.api.paging import Window
from kelpie.api.places import place_of
from kelpie.api.routes.messages import MessagesQuery, calls_of, listed
from kelpie.api.wire import messages as wire
from kelpie.api.wire import searching
from kelpie.trajectories import messages
from kelpie.trajectories.records import StoredMessage
from umi.storage import Page

router = APIRouter(tags=["messages"])
_FOUND_BY_DEFAULT = ("user", "assistant")


@router.get("/v1/messages")
async def list_messages(
    request: Request,
    query: Annotated[MessagesQuery, Query()],
    conversation_id: Annotated[str | None, Query(pattern=pattern("conv"))] = None,
) -> Response:
    """The messages of all agents, or of one conversation, newest first. The page counts stored messages: one may show
    as several."""
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    if conversation_id is not None:
        return await listed(who, request, query, await place_of(who, conversation_id))
    stored = window.ordered(await messages.list_messages(who.view, who.tenant, window.page))
    return answer(wire.shown(stored, await calls_of(who, stored), query.fashion(request)))


@router.get("/v1/messages/{message_id}")
async def retrieve_message(request: Request, message_id: MessageId) -> Response:
    """One stored message, in the parts it shows as."""
    who = caller(request)
    stored = await messages.get(who.view, who.tenant, message_id)
    return answer(wire.shown([stored], await calls_of(who, [stored]), wire.Fashion()))


@router.post("/v1/messages/search")
async def search_all(request: Request, body: searching.SearchAll) -> Response:
    """What users and agents said that shares words with the query, best first."""
    found = await _found(caller(request), body, body.query, _FOUND_BY_DEFAULT)
    return answer([searching.listed(message) for message in found])


@router.post("/v1/agents/messages/search")
async def search_of_agents(request: Request, body: searching.SearchOfAgents) -> Response:
    """The same with ranks; without a query, the newest messages."""
    who = caller(request)
    if body.query:
        found = await _found(who, body, body.query, tuple(body.roles or _FOUND_BY_DEFAULT))
    else:
        page, roles, bounds = Page(limit=body.limit, ascending=False), body.roles or (), body.bounds()
        agent, conversation = await _within(who, body)
        found = await messages.list_messages(
            who.view, who.tenant, page, agent_id=agent, conversation_id=conversation, roles=roles, **bounds
        )
    return answer(searching.ranked(found, is_searched=bool(body.query)))


async def _found(who: Caller, asked: searching.Search, query: str, roles: tuple[str, ...]) -> list[StoredMessage]:
    bounds = asked.bounds()
    agent, conversation = await _within(who, asked)
    wanted = [agent] if agent is not None else await agents.ids(who.view, who.tenant)
    return await messages.search(
        who.view, who.tenant, wanted, query, conversation_id=conversation, limit=asked.limit, roles=roles, **bounds
    )


async def _within(who: Caller, asked: searching.Search) -> tuple[str | None, str | None]:
    """Whose messages are searched, and in which conversation: None for all. Raises NotFound, InvalidInput."""
    if asked.conversation_id is not None:
        return await place_of(who, asked.conversation_id, asked.agent_id)
    if asked.agent_id is not None:
        await agents.get(who.view, who.tenant, asked.agent_id)
    return asked.agent_id, None
