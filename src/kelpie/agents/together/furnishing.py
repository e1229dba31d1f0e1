"""Groups made and changed, with the tools and blocks that their agents need for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents import create, kinds
from kelpie.agents import limits as agent_limits
from kelpie.agents.agent import Agent
from kelpie.agents.create import Draft
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, InvalidInput, NotFound
from kelpie.groups import limits, records
from kelpie.groups import runs as group_runs
from kelpie.groups.records import Group
from kelpie.tools import custom
from kelpie.tools.others import CHOOSE, IN_GROUP
from kelpie.trajectories import runs
from umi import core
from umi.storage import Changes, View

BACKGROUND_TYPE, _SUFFIX = "sleeptime_agent", "-sleeptime"
# What a group's manager needs to lead it.
_MANAGERS_TOOL = {"supervisor": IN_GROUP, "dynamic": CHOOSE}


async def found(workshop: Workshop, group: Group) -> Group:
    """Make a group of agents that are there. Raises NotFound, InvalidInput, LimitExceeded, Conflict (a second sleeptime
    group of one agent, or a block whose label an agent has already)."""
    view = View(workshop.database)
    changes = await _plan_needs(view, group, group.everybody, group.blocks)
    changes.extend(records.plan_create(group))
    await _commit(workshop, group, changes)
    return group


async def change(workshop: Workshop, tenant: str, group_id: str, kind: str | None, fields: Mapping[str, Any]) -> Group:
    """Change some fields; its kind stays. Agents and blocks that come to it are there and get what they need.

    Raises NotFound, InvalidInput, LimitExceeded, Conflict.
    """
    view, now_ms = View(workshop.database), workshop.host.clock.now_ms()
    for _ in range(limits.GROUP_WRITE_ATTEMPTS_MAX):
        old = await records.get(view, tenant, group_id)
        if kind not in (None, old.kind):
            raise InvalidInput(f"group '{group_id}' is of the kind {old.kind}, which stays; make another group")
        new, changes = records.plan_update(old, fields, now_ms)
        changes.extend(await _plan_needs(view, new, new.everybody, new.blocks))
        try:
            await workshop.database.commit(changes)
        except GuardFailed as error:
            if error.guard != records.GUARD:
                raise NotFound("an agent or a block that the group was to have is gone") from None
            continue
        except Conflict:
            raise _second(new) from None
        return new
    raise Conflict(f"group '{group_id}' is being changed by too many writers at once; try again")


async def share_block(workshop: Workshop, tenant: str, group_id: str, block_id: str) -> None:
    """Give a block to everybody in a group; twice is harmless. Raises NotFound, Conflict, LimitExceeded."""
    view = View(workshop.database)
    group = await records.get(view, tenant, group_id)
    await core.get(view, tenant, block_id)
    await change(workshop, tenant, group_id, None, {"blocks": list(dict.fromkeys([*group.blocks, block_id]))})


async def unshare_block(workshop: Workshop, tenant: str, group_id: str, block_id: str) -> None:
    """Take a block from everybody in a group, whether they have it or not. Raises NotFound, Conflict."""
    view = View(workshop.database)
    await core.get(view, tenant, block_id)
    group = await records.get(view, tenant, group_id)
    changes = Changes()
    for agent_id in group.everybody:
        changes.extend(core.plan_detach(tenant, agent_id, block_id))
    left = [one for one in group.blocks if one != block_id]
    await records.edit(view, tenant, group_id, workshop.host.clock.now_ms(), {"blocks": left}, changes)


async def begin_anew(workshop: Workshop, tenant: str, group_id: str) -> None:
    """Forget what a group has talked about; its agents keep it. Raises NotFound, Conflict (it is talking)."""
    await records.get(View(workshop.database), tenant, group_id)
    try:
        changes = group_runs.plan_forget(tenant, group_id).extend(runs.plan_leave_group(tenant, group_id))
        await workshop.database.commit(changes)
    except GuardFailed:
        raise Conflict(f"group '{group_id}' has a message that it has not answered yet; wait for it") from None


async def delete(workshop: Workshop, tenant: str, group_id: str) -> None:
    """Its agents stay, with what they said. What it is talking about ends. Raises NotFound."""
    try:
        changes = records.plan_delete(tenant, group_id).extend(runs.plan_leave_group(tenant, group_id))
        await workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"no group has the id '{group_id}'") from None


async def _plan_needs(view: View, group: Group, agent_ids: Sequence[str], block_ids: Sequence[str]) -> Changes:
    """That its agents are there, that all of them have its blocks, and its manager the tool it leads with.

    Guard "agent". Raises NotFound, Conflict.
    """
    changes, tenant = Changes(), group.tenant
    blocks = [await core.get(view, tenant, block_id) for block_id in block_ids]
    for agent_id in agent_ids:
        await agents.get(view, tenant, agent_id)
        changes.extend(agents.exists(agents.actor_id(tenant, agent_id)))
        has = {block.label: block.id for block in await core.of_scope(view, tenant, agent_id)} if blocks else {}
        for block in blocks:
            if has.get(block.label, block.id) != block.id:
                raise Conflict(f"agent '{agent_id}' has another block labelled '{block.label}' already")
            if block.label not in has:
                changes.extend(core.plan_attach(tenant, agent_id, block.id, block.label))
    return changes.extend(await plan_managers_tool(view, group))


async def plan_managers_tool(view: View, group: Group) -> Changes:
    """Give a group's manager the tool it leads with. A tenant may have a tool of its own by that name: then that one.
    Raises NotFound."""
    name = _MANAGERS_TOOL.get(group.kind)
    if name is None or group.manager is None:
        return Changes()
    tool = await custom.get_by_name(view, group.tenant, name)
    return agents.plan_attach_tool(group.tenant, group.manager, tool.id)


async def _commit(workshop: Workshop, group: Group, changes: Changes) -> None:
    try:
        await workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound("an agent or a block that the group was to have is gone") from None
    except Conflict:
        raise _second(group) from None


def _second(group: Group) -> Conflict:
    if group.kind == "sleeptime":
        return Conflict(f"agent '{group.manager}' has background agents already; change that group")
    return Conflict("an agent of the group has just been given a block of the same label; try again")


# ---- an agent with one in the background


async def create_pair(workshop: Workshop, draft: Draft) -> Agent:
    """A new agent, and a background agent that shares its blocks and is told what it talks about: both or none.

    Raises what `create.plan` raises.
    """
    view = View(workshop.database)
    agent, changes = await create.plan(workshop, view, draft)
    blocks = [*draft.block_ids, *(block.id for block in draft.blocks)]
    changes.extend(await _plan_background(workshop, View(workshop.database, changes), agent, blocks))
    await create.commit(workshop, changes)
    return agent


async def pair(workshop: Workshop, tenant: str, agent_id: str) -> None:
    """Give an agent a background agent, unless it has one. Raises NotFound, and what `create.plan` raises."""
    view = View(workshop.database)
    agent = await agents.get(view, tenant, agent_id)
    if await records.told_by(view, tenant, agent_id) is not None:
        return
    blocks = [block.id for block in await core.of_scope(view, tenant, agent_id)]
    changes = agents.exists(agents.actor_id(tenant, agent_id))
    changes.extend(await _plan_background(workshop, view, agent, blocks))
    try:
        await create.commit(workshop, changes)
    except Conflict:
        return  # somebody else has just done so


async def part(workshop: Workshop, tenant: str, agent_id: str) -> None:
    """Have nobody told any more what an agent talks about. Who was told stays."""
    group = await records.told_by(View(workshop.database), tenant, agent_id)
    if group is not None:
        await delete(workshop, tenant, group.id)


async def _plan_background(workshop: Workshop, view: View, agent: Agent, block_ids: Sequence[str]) -> Changes:
    host, kind = workshop.host, kinds.of(BACKGROUND_TYPE)
    other = msgspec.structs.replace(
        agent,
        id=host.ids.new("agent"),
        name=f"{agent.name[: agent_limits.AGENT_NAME_CHARS_MAX - len(_SUFFIX)]}{_SUFFIX}",
        agent_type=BACKGROUND_TYPE,
        system=kind.prompt,
        description=f"tends the memory of '{agent.name}' in the background",
        tags=[],
        rules=[],
        response_format=None,
        forgets=False,
        heartbeats_from_ms=0,
        extras={},
        metadata={},
        memory=agents.AgentMemory(),
    )
    draft = Draft(agent=other, block_ids=list(block_ids), tool_names=list(kind.base_tools))
    made, changes = await create.plan(workshop, view, draft)
    group = Group(
        tenant=agent.tenant,
        id=host.ids.new("group"),
        kind="sleeptime",
        description=f"agents in the background of '{agent.name}'",
        agents=[made.id],
        manager=agent.id,
        frequency=limits.GROUP_FREQUENCY_DEFAULT,
        created_at_ms=host.clock.now_ms(),
    )
    return changes.extend(records.plan_create(group))
