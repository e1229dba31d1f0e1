"""Changes to an agent that several rooms take part in: its fields together with its blocks and tools, in one commit."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.create import check_labels, check_rules
from kelpie.agents.folders import plan_replace
from kelpie.agents.rules.rules import Approved
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, LimitExceeded, NotFound
from kelpie.identities import records as identities
from kelpie.tools import custom, secrets
from kelpie.tools import limits as tool_limits
from kelpie.tools.secrets import Secrets
from umi import core
from umi.storage import Changes, View


async def modify(
    workshop: Workshop,
    tenant: str,
    agent_id: str,
    fields_of: Callable[[Agent], dict[str, Any]],
    *,
    block_ids: Sequence[str] | None = None,
    tool_ids: Sequence[str] | None = None,
    folder_ids: Sequence[str] | None = None,
    identity_ids: Sequence[str] | None = None,
    own_secrets: Secrets | None = None,
) -> Agent:
    """Change some fields, and make `block_ids`, `tool_ids`, `folder_ids`, `identity_ids` and `own_secrets`, where
    given, exactly what the agent has.

    fields_of  the new values, given the agent as it is; called again if somebody else changed it meanwhile
    Raises NotFound, Conflict (two blocks of one label), InvalidInput, LimitExceeded, and ModelError for a model
    handle that no provider serves. Nothing is written then.
    """
    view = View(workshop.database)
    for _ in range(limits.STORE_CALL_ATTEMPTS_MAX):
        old = await agents.get(view, tenant, agent_id)
        fields = fields_of(old)
        if "model" in fields:
            workshop.models.resolve(fields["model"], tenant)
        if fields.get("rules", old.rules) != old.rules:
            await check_rules(view, tenant, fields["rules"])
        new = msgspec.structs.replace(old, **fields)
        stored, changes = agents.plan_update(old, new, workshop.host.clock.now_ms())
        if block_ids is not None:
            changes.extend(await _plan_blocks(view, tenant, agent_id, block_ids))
        if tool_ids is not None:
            changes.extend(await _plan_tools(view, tenant, agent_id, tool_ids))
        if folder_ids is not None:
            changes.extend(await plan_replace(View(workshop.database, changes), tenant, agent_id, folder_ids))
        if identity_ids is not None:
            changes.extend(await identities.plan_give(view, "agent", tenant, agent_id, identity_ids))
        if own_secrets is not None:
            changes.extend(secrets.plan_replace(workshop.host, tenant, agent_id, own_secrets, workshop.seal))
        try:
            await workshop.database.commit(changes)
        except (GuardFailed, Conflict):
            continue  # somebody changed the agent, or attached a block of the same label, since it was read
        return stored
    raise Conflict(f"agent '{agent_id}' is being changed by too many writers at once; try again")


async def _plan_blocks(view: View, tenant: str, agent_id: str, block_ids: Sequence[str]) -> Changes:
    wanted = [await core.get(view, tenant, block_id) for block_id in dict.fromkeys(block_ids)]
    check_labels(wanted)
    changes = core.plan_detach_all(tenant, agent_id)
    for block in wanted:
        changes.extend(core.plan_attach(tenant, agent_id, block.id, block.label))
    return changes


async def _plan_tools(view: View, tenant: str, agent_id: str, tool_ids: Sequence[str]) -> Changes:
    wanted = [(await custom.get(view, tenant, tool_id)).id for tool_id in dict.fromkeys(tool_ids)]
    if len(wanted) > tool_limits.TOOLS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of tools", len(wanted), tool_limits.TOOLS_PER_AGENT_MAX, "tools")
    changes = agents.plan_detach_all_tools(tenant, agent_id)
    for tool_id in wanted:
        changes.extend(agents.plan_attach_tool(tenant, agent_id, tool_id))
    return changes


async def attach_block(workshop: Workshop, tenant: str, agent_id: str, block_id: str) -> None:
    """Attach a block; attaching it twice is harmless. Raises NotFound, Conflict if its label is taken."""
    view = View(workshop.database)
    block = await core.get(view, tenant, block_id)
    attached = await core.of_scope(view, tenant, agent_id)
    if any(one.id == block_id for one in attached):
        return
    taken = Conflict(f"agent '{agent_id}' has a block labelled '{block.label}' already; detach that one first")
    if any(one.label == block.label for one in attached):
        raise taken
    changes = agents.exists(agents.actor_id(tenant, agent_id))
    changes.extend(core.plan_attach(tenant, agent_id, block_id, block.label))
    try:
        await workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"no agent has the id '{agent_id}'") from None
    except Conflict:
        if agent_id not in await core.scopes_of(view, tenant, block_id):  # else somebody attached it meanwhile
            raise taken from None


async def set_approval(workshop: Workshop, tenant: str, agent_id: str, tool: str, *, is_needed: bool) -> None:
    """Say whether a person is asked before an agent's calls of a tool, whatever the tool itself says.

    Raises NotFound: the agent, or it has no such tool.
    """
    view = View(workshop.database)
    attached = [(await custom.get(view, tenant, one)).name for one in await agents.tool_ids(view, tenant, agent_id)]

    def fields_of(old: Agent) -> dict[str, Any]:
        if tool not in attached:
            raise NotFound(f"agent '{agent_id}' has no tool named '{tool}'")
        others = [rule for rule in old.rules if not isinstance(rule, Approved) or rule.tool != tool]
        return {"rules": [*others, Approved(tool=tool, is_needed=is_needed)]}

    await modify(workshop, tenant, agent_id, fields_of)


async def attach_tool(workshop: Workshop, tenant: str, agent_id: str, tool_id: str) -> None:
    """Attach a tool as the last; attaching it twice is harmless. Raises NotFound, LimitExceeded."""
    view = View(workshop.database)
    await custom.get(view, tenant, tool_id)
    count = len(await agents.tool_ids(view, tenant, agent_id)) + 1
    if count > tool_limits.TOOLS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of tools", count, tool_limits.TOOLS_PER_AGENT_MAX, "tools")
    changes = agents.exists(agents.actor_id(tenant, agent_id))
    try:
        await workshop.database.commit(changes.extend(agents.plan_attach_tool(tenant, agent_id, tool_id)))
    except GuardFailed:
        raise NotFound(f"no agent has the id '{agent_id}'") from None
