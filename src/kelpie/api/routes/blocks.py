"""Blocks: core memory that several agents may share."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from kelpie.agents import agent as agents
from kelpie.agents import profile
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import caller, is_sdk_1
from kelpie.api.ids import BlockId
from kelpie.api.paging import PageQuery, Window, refuse_filters
from kelpie.api.wire import agents as agent_wire
from kelpie.api.wire import blocks as wire
from kelpie.identities.records import owners_matching
from umi import core

router = APIRouter(tags=["blocks"])
_UNSERVED_FILTERS = (
    "templates_only",
    "name",
    "project_id",
    "connected_to_agents_count_gt",
    "connected_to_agents_count_lt",
    "connected_to_agents_count_eq",
)


class BlocksQuery(PageQuery):
    label: str | None = None
    label_search: str | None = None
    value_search: str | None = None
    description_search: str | None = None
    tags: list[str] | None = None
    match_all_tags: bool = False
    identity_id: str | None = None
    identifier_keys: list[str] | None = Field(default=None, max_length=limits.IDENTITY_KEYS_ASKED_MAX)

    def texts(self) -> dict[str, str]:
        given = {"label": self.label_search, "value": self.value_search, "description": self.description_search}
        return {column: text for column, text in given.items() if text is not None}


class BlockAgentsQuery(PageQuery):
    include: list[str] | None = None


@router.post("/v1/blocks")
async def create_block(request: Request, body: wire.CreateBlock) -> Response:
    """A block that is attached to no agent yet."""
    who = caller(request)
    block = body.block(who.tenant, who.workshop.host.ids.new("block"), who.now_ms())
    await who.workshop.database.commit(core.plan_create(block))
    return answer(wire.block(block))


@router.get("/v1/blocks")
async def list_blocks(request: Request, query: Annotated[BlocksQuery, Query()]) -> Response:
    """Blocks, oldest first. Hidden ones are left out."""
    refuse_filters(request, *_UNSERVED_FILTERS)
    who, window = caller(request), Window(query, ascending=True)
    wanted = await owners_matching(who.view, "block", who.tenant, query.identity_id, query.identifier_keys)
    found = await core.list_blocks(
        who.view,
        who.tenant,
        window.page,
        label=query.label,
        texts=query.texts(),
        tags=query.tags,
        match_all_tags=query.match_all_tags,
        ids=wanted,
    )
    return answer([wire.block(block) for block in window.ordered(found)])


@router.get("/v1/blocks/count")
async def count_blocks(
    request: Request,
    label: str | None = None,
    tags: Annotated[list[str] | None, Query()] = None,
    match_all_tags: bool = False,
    identity_id: str | None = None,
    identifier_keys: Annotated[list[str] | None, Query(max_length=limits.IDENTITY_KEYS_ASKED_MAX)] = None,
) -> Response:
    """How many blocks there are, or match."""
    refuse_filters(request, *_UNSERVED_FILTERS)
    who = caller(request)
    ids = await owners_matching(who.view, "block", who.tenant, identity_id, identifier_keys)
    total = await core.count_blocks(
        who.view, who.tenant, label=label, tags=tags, match_all_tags=match_all_tags, ids=ids
    )
    return answer(total)


@router.get("/v1/blocks/{block_id}")
async def retrieve_block(request: Request, block_id: BlockId) -> Response:
    """One block."""
    who = caller(request)
    return answer(wire.block(await core.get(who.view, who.tenant, block_id)))


@router.patch("/v1/blocks/{block_id}")
async def modify_block(request: Request, block_id: BlockId, body: wire.ModifyBlock) -> Response:
    """Change some fields, whoever else is writing the block."""
    who = caller(request)
    return answer(wire.block(await core.edit(who.view, who.tenant, block_id, who.now_ms(), body.fields())))


@router.delete("/v1/blocks/{block_id}")
async def delete_block(request: Request, block_id: BlockId) -> Response:
    """Remove a block, and it from every agent."""
    who = caller(request)
    await core.get(who.view, who.tenant, block_id)
    await who.workshop.database.commit(core.plan_delete(who.tenant, block_id))
    return answer({"message": f"Block id={block_id} successfully deleted"})


@router.get("/v1/blocks/{block_id}/agents")
async def list_agents(request: Request, block_id: BlockId, query: Annotated[BlockAgentsQuery, Query()]) -> Response:
    """The agents that have the block, newest first."""
    who, window = caller(request), Window(query)
    await core.get(who.view, who.tenant, block_id)
    scopes = await core.scopes_of(who.view, who.tenant, block_id)
    found = await agents.list_agents(who.view, who.tenant, window.page, ids=scopes)
    profiles = await profile.read_all(who.view, who.tenant, window.ordered(found))
    shown = agent_wire.relations(query.include, is_sdk_1=is_sdk_1(request))
    return answer(agent_wire.states(profiles, who.card_of, shown, strict=who.house.strict_letta))
