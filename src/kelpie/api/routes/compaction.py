"""Compacting a conversation by hand, and what its summaries stand for."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.api import claims
from kelpie.api.answer import answer
from kelpie.api.failures import of_failed_run
from kelpie.api.house import Caller, caller
from kelpie.api.ids import AgentId, ConversationFilter, ConversationPlace
from kelpie.api.paging import PageQuery, Window
from kelpie.api.places import DEFAULT, place_of
from kelpie.api.wire import compaction as wire
from kelpie.errors import Conflict
from kelpie.trajectories import summaries
from kelpie.trajectories.records import MAIN, RunOptions

router = APIRouter(tags=["compaction"])


@router.post("/v1/agents/{agent_id}/summarize")
async def summarize_messages(request: Request, agent_id: AgentId, body: wire.Compact | None = None) -> Response:
    """Have the oldest of the agent's own conversation summarised, and its window begin with the summary. It is a run
    like any other: it waits behind those before it, survives a restart and can be cancelled."""
    return await compacted(caller(request), agent_id, MAIN, body or wire.Compact())


@router.post("/v1/conversations/{conversation_id}/compact")
async def compact_conversation(
    request: Request, conversation_id: ConversationPlace, body: wire.CompactConversation | None = None
) -> Response:
    """The same of any conversation: by its id, by `default` with an agent, or by the agent's own id."""
    who, body = caller(request), body or wire.CompactConversation()
    return await compacted(who, *await place_of(who, conversation_id, body.agent_id), body)


async def compacted(who: Caller, agent_id: str, conversation_id: str, body: wire.Compact) -> Response:
    """Raises NotFound, QueueFull, Conflict if it is cancelled, and CallerError if there is nothing to summarise."""
    inbox, claim = who.house.inbox, claims.current()
    if claim is not None and claim.resumes is not None:
        stream = await inbox.resume(who.tenant, claim.resumes)
    else:
        run_id = who.workshop.host.ids.new("run")
        if claim is not None:
            claim.run_id = run_id
        options = RunOptions(compact=body.settings())
        async with who.house.quotas.room_for_run(who.tenant):
            stream = await inbox.accept(
                who.tenant, agent_id, [], options, conversation_id=conversation_id, run_id=run_id
            )
    ended, committed = await stream.wait()
    if ended.run.status == "failed":
        return of_failed_run(ended.run, who.house)
    if ended.run.status == "cancelled":
        raise Conflict(f"run '{ended.run.id}' was cancelled before there was a summary")
    made = [one for step in committed for one in step.messages if one.compacted is not None]
    return answer(wire.response(made[-1] if made else None))


@router.get("/v1/agents/{agent_id}/summaries")
async def list_summaries(
    request: Request,
    agent_id: AgentId,
    query: Annotated[PageQuery, Query()],
    conversation_id: ConversationFilter = DEFAULT,
) -> Response:
    """The summaries of the agent's main conversation, or of another, the newest first, each with the messages it stands
    for. These stay in the list of messages, and are found by search."""
    who, window = caller(request), Window(query)
    _, conversation = await place_of(who, conversation_id, agent_id)
    found = window.ordered(
        await summaries.list_summaries(
            who.view, who.tenant, window.page, agent_id=agent_id, conversation_id=conversation
        )
    )
    ends = [await summaries.ends(who.view, one) for one in found]
    await agents.get(who.view, who.tenant, agent_id)
    return answer([wire.link(one, both) for one, both in zip(found, ends, strict=True)])
