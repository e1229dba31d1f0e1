"""What is attached to one agent: tools, and blocks by their label."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import modify, profile
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller, is_sdk_1
from kelpie.api.ids import AgentId, BlockId, ToolId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.routes.agents import whole
from kelpie.api.wire import blocks as block_wire
from kelpie.api.wire import tools as tool_wire
from kelpie.errors import NotFound
from umi import core
from umi.entity import Block

router = APIRouter(tags=["agents"])
_PARTS_DEFAULT = 100


async def _tool_answer(request: Request, who: Caller, agent_id: str) -> Response:
    return answer(None) if is_sdk_1(request) else await whole(who, agent_id)


@router.get("/v1/agents/{agent_id}/tools")
async def list_tools(request: Request, agent_id: AgentId, query: Annotated[PageQuery, Query()]) -> Response:
    """The agent's tools, the last attached first."""
    who, window = caller(request), Window(query, limit=_PARTS_DEFAULT)
    found = (await profile.read(who.view, who.tenant, agent_id)).tools
    page = window.cut(found, [tool.id for tool in found], ascending=True)
    return answer([tool_wire.tool(tool, strict=who.house.strict_letta) for tool in page])


@router.patch("/v1/agents/{agent_id}/tools/attach/{tool_id}")
async def attach_tool(request: Request, agent_id: AgentId, tool_id: ToolId) -> Response:
    """Give the agent a tool. Null for clients of generation 1, else the whole agent."""
    who = caller(request)
    await modify.attach_tool(who.workshop, who.tenant, agent_id, tool_id)
    return await _tool_answer(request, who, agent_id)


@router.patch("/v1/agents/{agent_id}/tools/detach/{tool_id}")
async def detach_tool(request: Request, agent_id: AgentId, tool_id: ToolId) -> Response:
    """Take a tool from the agent. Null for clients of generation 1, else the whole agent."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    await who.workshop.database.commit(agents.plan_detach_tool(who.tenant, agent_id, tool_id))
    return await _tool_answer(request, who, agent_id)


@router.get("/v1/agents/{agent_id}/core-memory/blocks")
async def list_blocks(request: Request, agent_id: AgentId, query: Annotated[PageQuery, Query()]) -> Response:
    """The agent's blocks, the last attached first."""
    who, window = caller(request), Window(query, limit=_PARTS_DEFAULT)
    found = (await profile.read(who.view, who.tenant, agent_id)).blocks
    page = window.cut(found, [block.id for block in found], ascending=True)
    return answer([block_wire.block(block) for block in page])


# Before the routes with a label, which would take "attach/block-…" for one.
@router.patch("/v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}")
async def attach_block(request: Request, agent_id: AgentId, block_id: BlockId) -> Response:
    """Give the agent a block that exists already."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    await modify.attach_block(who.workshop, who.tenant, agent_id, block_id)
    return await whole(who, agent_id)


@router.patch("/v1/agents/{agent_id}/core-memory/blocks/detach/{block_id}")
async def detach_block(request: Request, agent_id: AgentId, block_id: BlockId) -> Response:
    """Take a block from the agent. The block stays."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    if agent_id not in await core.scopes_of(who.view, who.tenant, block_id):
        raise NotFound(f"block '{block_id}' is not attached to agent '{agent_id}'")
    await who.workshop.database.commit(core.plan_detach(who.tenant, agent_id, block_id))
    return await whole(who, agent_id)


@router.get("/v1/agents/{agent_id}/core-memory/blocks/{block_label:path}")
async def retrieve_block(request: Request, agent_id: AgentId, block_label: str) -> Response:
    """The agent's block with this label."""
    who = caller(request)
    return answer(block_wire.block(await _block(who, agent_id, block_label)))


@router.patch("/v1/agents/{agent_id}/core-memory/blocks/{block_label:path}")
async def modify_block(request: Request, agent_id: AgentId, block_label: str, body: block_wire.ModifyBlock) -> Response:
    """Change the agent's block with this label; other agents that have it see the change."""
    who = caller(request)
    block = await _block(who, agent_id, block_label)
    return answer(block_wire.block(await core.edit(who.view, who.tenant, block.id, who.now_ms(), body.fields())))


async def _block(who: Caller, agent_id: str, label: str) -> Block:
    await agents.get(who.view, who.tenant, agent_id)
    return await core.by_label(who.view, who.tenant, agent_id, label)
