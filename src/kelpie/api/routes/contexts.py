"""What an agent's model is shown: the exact request, its parts in tokens, the prompt, and a history begun anew."""

from fastapi import APIRouter, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents.context import beginning, compacting
from kelpie.agents.context.preview import preview
from kelpie.api.answer import JSON, answer
from kelpie.api.house import caller
from kelpie.api.ids import AgentId, ConversationFilter
from kelpie.api.places import DEFAULT, place_of
from kelpie.api.routes.agents import whole
from kelpie.api.wire import context as wire
from kelpie.api.wire.incoming import SendMessages
from kelpie.models.payload import payload
from kelpie.tools import collections
from kelpie.trajectories import messages, summaries
from kelpie.trajectories.records import RunOptions
from umi import archival, core
from umi.wire.types import Message

router = APIRouter(tags=["agents"])


@router.post("/v1/agents/{agent_id}/messages/preview-raw-payload")
async def preview_request(request: Request, agent_id: AgentId, body: SendMessages) -> Response:
    """The request that the model would be sent for these messages, byte for byte. Nothing is sent or stored."""
    who = caller(request)
    incoming, options = body.run_input(who.workshop.host.ids), body.options()
    now, asked = await preview(who.workshop, who.tenant, agent_id, incoming, options)
    return Response(payload(now.model, asked, streamed=options.stream_tokens), media_type=JSON)


@router.get("/v1/agents/{agent_id}/context")
async def retrieve_context(
    request: Request, agent_id: AgentId, conversation_id: ConversationFilter = DEFAULT
) -> Response:
    """The context window of the agent's main conversation, or of another, as it stands, part by part; the tokens of the
    parts add up to those of the request."""
    who = caller(request)
    _, conversation = await place_of(who, conversation_id, agent_id)
    now, asked = await preview(who.workshop, who.tenant, agent_id, [], RunOptions(), conversation)
    asked_in = await collections.searched(who.view, who.tenant, agent_id)
    facts = sum([await archival.count(who.view, who.tenant, scope) for scope in asked_in])
    told = await messages.count(who.view, who.tenant, agent_id, conversation)
    newest = await summaries.newest(who.view, who.tenant, agent_id, conversation)
    head = [compacting.shown(newest.body.text, newest.compacted)] if newest and newest.compacted else []
    return answer(wire.overview(now, asked, archival=facts, recall=told, summary=head))


@router.post("/v1/agents/{agent_id}/recompile")
@router.post("/v1/agents/{agent_id}/system-prompt/recompile")
async def recompile(request: Request, agent_id: AgentId) -> Response:
    """The system prompt as the model is shown it. It is compiled for every step here: asking changes nothing."""
    who = caller(request)
    _, asked = await preview(who.workshop, who.tenant, agent_id, [], RunOptions())
    return answer(asked.messages[0].text)


@router.patch("/v1/agents/{agent_id}/reset-messages")
async def reset_messages(request: Request, agent_id: AgentId, body: wire.ResetMessages | None = None) -> Response:
    """Forget the agent's history and begin with its system message, or as a new agent of its kind does. Its memory and
    the records of its runs stay."""
    who = caller(request)
    agent = await agents.get(who.view, who.tenant, agent_id)
    blocks = await core.of_scope(who.view, who.tenant, agent_id)
    given: list[Message] | None = None if body is not None and body.add_default_initial_messages else []
    begun = beginning.messages(who.workshop.host, agent, blocks, given)
    await who.house.inbox.start_anew(who.tenant, agent_id, begun)
    return await whole(who, agent_id)
