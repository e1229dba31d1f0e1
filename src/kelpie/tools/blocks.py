"""The blocks that a call may see: the agent's, and in their places those that its conversation has for itself."""

from collections.abc import Sequence

from kelpie.errors import NotFound
from kelpie.tools.tool import ToolContext
from kelpie.trajectories.records import MAIN
from umi import core
from umi.entity import Block
from umi.storage import Changes


def scope_of(agent_id: str, conversation_id: str) -> str:
    """What the blocks are attached to that one conversation has for itself; without a conversation, the beginning of
    all of these scopes of an agent."""
    return f"{agent_id}/{conversation_id}"


def in_place(blocks: Sequence[Block], isolated: Sequence[Block]) -> list[Block]:
    """`blocks`, each of whose label one is isolated replaced by that one."""
    own = {block.label: block for block in isolated}
    return [*(own.pop(block.label, block) for block in blocks), *own.values()]


async def of(context: ToolContext) -> list[Block]:
    found = await core.of_scope(context.view, context.tenant, context.agent_id)
    if context.conversation_id == MAIN:
        return found
    isolated = await core.of_scope(context.view, context.tenant, scope_of(context.agent_id, context.conversation_id))
    return in_place(found, isolated)


async def scope_for(context: ToolContext, label: str) -> str:
    """Where the call's block of this label is attached, or would be."""
    if context.conversation_id == MAIN:
        return context.agent_id
    scope = scope_of(context.agent_id, context.conversation_id)
    try:
        await core.by_label(context.view, context.tenant, scope, label)
    except NotFound:
        return context.agent_id
    return scope


async def by_label(context: ToolContext, label: str) -> Block:
    """Raises NotFound, naming the labels there are."""
    return await core.by_label(context.view, context.tenant, await scope_for(context, label), label)


async def plan_take(context: ToolContext, block: Block) -> Changes:
    """Take a block from what the calls of this conversation see; one that others have stays with them."""
    return core.plan_detach(context.tenant, await scope_for(context, block.label), block.id)
