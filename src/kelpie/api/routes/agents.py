"""Agents: create, list, count, retrieve, modify, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from kelpie.agents import agent as agents
from kelpie.agents import create, modify, profile
from kelpie.agents.together import furnishing
from kelpie.analyst import results
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller, is_sdk_1
from kelpie.api.ids import AgentId
from kelpie.api.names import random_name
from kelpie.api.paging import PageQuery, Window, refuse_filters, refuse_orders
from kelpie.api.wire import agents as wire
from kelpie.errors import GuardFailed, NotFound
from kelpie.identities.records import owners_matching
from kelpie.tools.secrets import NO_SECRETS

router = APIRouter(tags=["agents"])
_UNSERVED_FILTERS = (
    "project_id",
    "template_id",
    "base_template_id",
    "last_stop_reason",
    "created_by_id",
)


class AgentsQuery(PageQuery):
    name: str | None = None
    tags: list[str] | None = None
    match_all_tags: bool = False
    query_text: str | None = None
    identity_id: str | None = None
    identifier_keys: list[str] | None = Field(default=None, max_length=limits.IDENTITY_KEYS_ASKED_MAX)
    include: list[str] | None = None
    include_relationships: list[str] | None = None


async def whole(who: Caller, agent_id: str) -> Response:
    """One agent with all that belongs to it."""
    found = await profile.read(who.view, who.tenant, agent_id)
    return answer(wire.states([found], who.card_of, strict=who.house.strict_letta)[0])


@router.post("/v1/agents")
async def create_agent(request: Request, body: wire.CreateAgent) -> Response:
    """A new agent with its blocks and tools, whole or not at all."""
    who = caller(request)
    host, now_ms = who.workshop.host, who.now_ms()
    remembers = not who.house.strict_letta
    draft = create.Draft(
        agent=body.agent(who.tenant, host.ids.new("agent"), random_name(host.rng), now_ms, remembers=remembers),
        blocks=[block.block(who.tenant, host.ids.new("block"), now_ms) for block in body.memory_blocks or []],
        block_ids=body.block_ids or [],
        tool_ids=body.tool_ids or [],
        tool_names=body.tool_names(),
        wished_tools=body.wished_tools(),
        has_base_rules=body.include_base_tool_rules,
        first=body.first(),
        folder_ids=body.given_folders() or [],
        identity_ids=body.identity_ids or [],
        secrets=body.given_secrets() or NO_SECRETS,
    )
    async with who.house.quotas.room_for_agents(who.tenant, 2 if body.enable_sleeptime else 1):
        make = furnishing.create_pair if body.enable_sleeptime else create.create
        made = await make(who.workshop, draft)
    return await whole(who, made.id)


@router.get("/v1/agents")
async def list_agents(request: Request, query: Annotated[AgentsQuery, Query()]) -> Response:
    """Agents, newest first. Clients of generation 1 get relations only if they ask with `include`."""
    refuse_filters(request, *_UNSERVED_FILTERS)
    refuse_orders(request)
    who, window = caller(request), Window(query)
    wanted = await owners_matching(who.view, "agent", who.tenant, query.identity_id, query.identifier_keys)
    found = await agents.list_agents(
        who.view,
        who.tenant,
        window.page,
        name=query.name,
        tags=query.tags,
        match_all_tags=query.match_all_tags,
        text=query.query_text,
        ids=wanted,
    )
    profiles = await profile.read_all(who.view, who.tenant, window.ordered(found))
    shown = wire.relations(query.include, is_sdk_1=is_sdk_1(request))
    return answer(wire.states(profiles, who.card_of, shown, strict=who.house.strict_letta))


@router.get("/v1/agents/count")
async def count_agents(
    request: Request,
    name: str | None = None,
    tags: Annotated[list[str] | None, Query()] = None,
    match_all_tags: bool = False,
    query_text: str | None = None,
    identity_id: str | None = None,
    identifier_keys: Annotated[list[str] | None, Query(max_length=limits.IDENTITY_KEYS_ASKED_MAX)] = None,
) -> Response:
    """How many agents there are, or match."""
    refuse_filters(request, *_UNSERVED_FILTERS)
    who = caller(request)
    ids = await owners_matching(who.view, "agent", who.tenant, identity_id, identifier_keys)
    total = await agents.count(
        who.view, who.tenant, name=name, tags=tags, match_all_tags=match_all_tags, text=query_text, ids=ids
    )
    return answer(total)


@router.get("/v1/agents/{agent_id}")
async def retrieve_agent(request: Request, agent_id: AgentId) -> Response:
    """One agent with all that belongs to it."""
    return await whole(caller(request), agent_id)


@router.patch("/v1/agents/{agent_id}")
async def modify_agent(request: Request, agent_id: AgentId, body: wire.ModifyAgent) -> Response:
    """Change some fields. `block_ids`, `tool_ids` and `folder_ids` replace what the agent has."""
    who = caller(request)
    await modify.modify(
        who.workshop,
        who.tenant,
        agent_id,
        lambda old: body.fields(old.extras, None if who.house.strict_letta else old.memory),
        block_ids=body.block_ids,
        tool_ids=body.tool_ids,
        folder_ids=body.given_folders(),
        identity_ids=body.identity_ids,
        own_secrets=body.given_secrets(),
    )
    if body.enable_sleeptime:
        async with who.house.quotas.room_for_agents(who.tenant):
            await furnishing.pair(who.workshop, who.tenant, agent_id)
    elif body.enable_sleeptime is not None:
        await furnishing.part(who.workshop, who.tenant, agent_id)
    return await whole(who, agent_id)


@router.delete("/v1/agents/{agent_id}")
async def delete_agent(request: Request, agent_id: AgentId) -> Response:
    """Remove an agent with its messages, runs and archival memory. Its blocks stay."""
    who = caller(request)
    gone = agents.plan_delete(who.tenant, agent_id).extend(results.plan_forget_agent(who.tenant, agent_id))
    try:
        await who.workshop.database.commit(gone)
    except GuardFailed:
        raise NotFound(f"no agent has the id '{agent_id}'") from None
    return answer({"message": f"Agent id={agent_id} successfully deleted"})
