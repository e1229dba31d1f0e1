"""What is attached to one agent: tools, and blocks by their label."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import modify, profile
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller, is_sdk_1
from kelpie.api.ids import AgentId, BlockId, ToolId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.routes.agents import whole
from kelpie.api.wire import agents as agent_wire
from kelpie.api.wire import blocks as block_wire
from kelpie.api.wire import tool_rules
from kelpie.api.wire import tools as tool_wire
from kelpie.errors import InvalidInput, NotFound
from kelpie.tools import custom
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
    await custom.get(who.view, who.tenant, tool_id)
    await who.workshop.database.commit(agents.plan_detach_tool(who.tenant, agent_id, tool_id))
    return await _tool_answer(request, who, agent_id)


@router.patch("/v1/agents/{agent_id}/tools/approval/{tool_name}")
async def modify_tool_approval(
    request: Request,
    agent_id: AgentId,
    tool_name: Annotated[str, Path(max_length=limits.RULE_NAME_CHARS_MAX)],
    body: tool_rules.ModifyApproval | None = None,
    requires_approval: bool | None = None,
) -> Response:
    """Say whether somebody is asked before the agent calls a tool of its, in the body or, as older clients do, in the
    query. Null for clients of generation 1, else the whole agent."""
    who = caller(request)
    is_needed = requires_approval if body is None else body.requires_approval
    if is_needed is None:
        raise InvalidInput("say whether the tool requires approval: requires_approval is true or false")
    await modify.set_approval(who.workshop, who.tenant, agent_id, tool_name, is_needed=is_needed)
    return await _tool_answer(request, who, agent_id)


@router.get("/v1/agents/{agent_id}/core-memory")
async def retrieve_memory(request: Request, agent_id: AgentId) -> Response:
    """The agent's blocks, as older clients ask for them."""
    who = caller(request)
    found = await profile.read(who.view, who.tenant, agent_id)
    return answer(agent_wire.states([found], who.card_of, strict=True)[0]["memory"])


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
