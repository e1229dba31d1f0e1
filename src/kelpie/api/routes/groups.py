"""Groups: create, list, count, retrieve, modify, delete; and talking to one."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents.together import furnishing
from kelpie.agents.together.talking import Talk
from kelpie.api import limits, sse
from kelpie.api.answer import answer
from kelpie.api.failures import of_failed_group, of_failed_run
from kelpie.api.house import Caller, caller
from kelpie.api.ids import AgentId, BlockId, GroupId
from kelpie.api.paging import PageQuery, Window, refuse_filters, refuse_orders
from kelpie.api.routes.messages import MessagesQuery, calls_of
from kelpie.api.wire import groups as wire
from kelpie.api.wire import messages as message_wire
from kelpie.api.wire import runs as run_wire
from kelpie.api.wire.incoming import SendMessages
from kelpie.errors import InvalidInput
from kelpie.groups import records
from kelpie.trajectories import messages

router = APIRouter(tags=["groups"])
ManagerType = Literal["round_robin", "supervisor", "dynamic", "sleeptime", "voice_sleeptime", "swarm"]


class GroupsQuery(PageQuery):
    manager_type: ManagerType | None = None


class AgentGroupsQuery(PageQuery):
    manager_type: str | None = None


@router.post("/v1/groups")
async def create_group(request: Request, body: wire.CreateGroup) -> Response:
    """A group of agents that are there. Its manager is given the tool it leads with, everybody its blocks."""
    who = caller(request)
    made = body.group(who.tenant, who.workshop.host.ids.new("group"), who.now_ms())
    return answer(wire.group(await furnishing.found(who.workshop, made)))


@router.get("/v1/groups")
async def list_groups(request: Request, query: Annotated[GroupsQuery, Query()]) -> Response:
    """Groups, newest first."""
    refuse_filters(request, "project_id")
    refuse_orders(request)
    who, window = caller(request), Window(query)
    found = await records.list_groups(who.view, who.tenant, window.page, kind=query.manager_type)
    return answer([wire.group(one) for one in window.ordered(found)])


@router.get("/v1/groups/count")
async def count_groups(request: Request) -> Response:
    """How many groups there are."""
    who = caller(request)
    return answer(await records.count(who.view, who.tenant))


@router.get("/v1/groups/{group_id}")
async def retrieve_group(request: Request, group_id: GroupId) -> Response:
    """One group."""
    who = caller(request)
    return answer(wire.group(await records.get(who.view, who.tenant, group_id)))


@router.patch("/v1/groups/{group_id}")
async def modify_group(request: Request, group_id: GroupId, body: wire.ModifyGroup) -> Response:
    """Change some fields; who comes to it gets what it needs."""
    who = caller(request)
    return answer(wire.group(await furnishing.change(who.workshop, who.tenant, group_id, body.kind, body.fields())))


@router.delete("/v1/groups/{group_id}")
async def delete_group(request: Request, group_id: GroupId) -> Response:
    """Remove a group. Its agents stay, with what they said; what it is talking about ends."""
    who = caller(request)
    await furnishing.delete(who.workshop, who.tenant, group_id)
    return answer({"message": f"Group id={group_id} successfully deleted"})


@router.patch("/v1/groups/{group_id}/blocks/attach/{block_id}")
async def attach_block(request: Request, group_id: GroupId, block_id: BlockId) -> Response:
    """Give a block to the group and everybody in it."""
    who = caller(request)
    await furnishing.share_block(who.workshop, who.tenant, group_id, block_id)
    return answer(None)


@router.patch("/v1/groups/{group_id}/blocks/detach/{block_id}")
async def detach_block(request: Request, group_id: GroupId, block_id: BlockId) -> Response:
    """Take a block from the group and everybody in it."""
    who = caller(request)
    await furnishing.unshare_block(who.workshop, who.tenant, group_id, block_id)
    return answer(None)


@router.get("/v1/agents/{agent_id}/groups")
async def list_groups_of_agent(
    request: Request, agent_id: AgentId, query: Annotated[AgentGroupsQuery, Query()]
) -> Response:
    """The groups that an agent is in or manages, newest first."""
    refuse_orders(request)
    who, window = caller(request), Window(query)
    await agents.get(who.view, who.tenant, agent_id)
    found = await records.list_groups(who.view, who.tenant, window.page, kind=query.manager_type, agent_id=agent_id)
    return answer([wire.group(one) for one in window.ordered(found)])


# ---- talking


async def _accept(who: Caller, group_id: str, body: SendMessages) -> Talk:
    await records.get(who.view, who.tenant, group_id)
    incoming, options = body.run_input(who.workshop.host.ids), body.options()
    if options.model is not None:
        who.workshop.models.resolve(options.model, who.tenant)
    async with who.house.quotas.room_for_run(who.tenant, len(incoming)):
        return await who.house.talking.accept(who.tenant, group_id, incoming, options)


@router.post("/v1/groups/{group_id}/messages")
async def create_message(request: Request, group_id: GroupId, body: SendMessages) -> Response:
    """Say something to a group and wait until all who have a turn have spoken; with `streaming` as they speak."""
    who = caller(request)
    if body.streaming:
        return await _streamed(who, group_id, body)
    if body.stream_tokens or body.background:
        name = "stream_tokens" if body.stream_tokens else "background"
        raise InvalidInput(f"{name} needs streaming: set 'streaming' to true")
    talk = await _accept(who, group_id, body)
    ended = [(await stream.wait()) async for stream in talk.watch()]
    if talk.run.status == "failed":
        failed = [one.run for one, _ in ended if one.run.status == "failed"]
        return of_failed_run(failed[-1], who.house) if failed else of_failed_group(talk.run, who.house)
    said = [message for _, committed in ended for step in committed for message in step.messages]
    shown = message_wire.shown(said, await calls_of(who, said), body.fashion())
    usage = run_wire.usage_statistics([step for one, _ in ended for step in one.steps])
    return answer(
        {
            "messages": wire.said_by(shown, {one.id: one.agent_id for one in said}),
            "stop_reason": run_wire.stop_reason(talk.run.stop_reason),
            "usage": {**usage, "run_ids": [one.run.id for one, _ in ended]},
        }
    )


@router.post("/v1/groups/{group_id}/messages/stream")
async def stream_message(request: Request, group_id: GroupId, body: SendMessages) -> Response:
    """Say something to a group; what is said comes as server-sent events, turn after turn."""
    return await _streamed(caller(request), group_id, body)


async def _streamed(who: Caller, group_id: str, body: SendMessages) -> Response:
    talk = await _accept(who, group_id, body)
    events = sse.group_events(talk, who.house, lambda stored: calls_of(who, stored), pings=body.include_pings)
    return sse.respond(events, talk.run.id)


@router.get("/v1/groups/{group_id}/messages")
async def list_messages(request: Request, group_id: GroupId, query: Annotated[MessagesQuery, Query()]) -> Response:
    """What was said in the group, newest first."""
    refuse_orders(request)
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    stored = window.ordered(await messages.list_messages(who.view, who.tenant, window.page, group_id=group_id))
    shown = message_wire.shown(stored, await calls_of(who, stored), query.fashion(request))
    await records.get(who.view, who.tenant, group_id)  # last: one that is deleted meanwhile has no list
    return answer(wire.said_by(shown, {one.id: one.agent_id for one in stored}))


@router.patch("/v1/groups/{group_id}/reset-messages")
async def reset_messages(request: Request, group_id: GroupId) -> Response:
    """Forget what the group has talked about. Its agents keep it: their histories are theirs."""
    who = caller(request)
    await furnishing.begin_anew(who.workshop, who.tenant, group_id)
    return answer(None)
