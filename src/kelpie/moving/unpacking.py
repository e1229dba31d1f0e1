"""A parcel as one commit: all of it is there afterwards, or nothing."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kelpie.actors.recurrence import When
from kelpie.agents import agent as agents
from kelpie.agents.agent import Agent
from kelpie.agents.create import check_labels, first_message
from kelpie.agents.scheduling import Mailing
from kelpie.agents.together.furnishing import plan_managers_tool
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import CallerError, Conflict, GuardFailed, LimitExceeded, NotFound
from kelpie.groups import Group
from kelpie.groups import records as groups
from kelpie.moving import limits
from kelpie.moving.folders import plan_arrive, plan_give
from kelpie.moving.parcel import Parcel, Told, Traveller, check
from kelpie.sealing import UNSEALED, Seal
from kelpie.tools import custom, secrets
from kelpie.tools import limits as tool_limits
from kelpie.tools.custom import ToolDraft
from kelpie.trajectories import messages
from kelpie.trajectories.records import MAIN, StoredMessage
from umi import archival, core
from umi.dst import Host
from umi.entity import Block, Claim, Fact
from umi.storage import Changes, View

# (tenant, agent id, when, what) -> the changes that have it sent then.
Schedule = Callable[[str, str, When, Mailing], Changes]


async def unpack(
    workshop: Workshop, schedule: Schedule, tenant: str, parcel: Parcel, *, replace_tools: bool
) -> list[Agent]:
    """Make the agents of a parcel, with ids of their own.

    replace_tools  a custom tool that is here under the name of one in the parcel becomes what the parcel says
    Raises InvalidInput, LimitExceeded, InvalidSource, Conflict: nothing is written then.
    """
    check(parcel)
    view = View(workshop.database)
    for _ in range(limits.PARCEL_ATTEMPTS_MAX):
        made, changes = await _plan(view, workshop, schedule, tenant, parcel, replace_tools=replace_tools)
        try:
            await workshop.database.commit(changes)
        except (Conflict, GuardFailed):
            continue  # a tool of the parcel was made or changed since: plan again on what is there now
        for agent in made:
            workshop.archive.wake(tenant, agent.id)
        return made
    raise Conflict("the tools of this file are being changed by too many writers at once; try again")


async def _plan(
    view: View, workshop: Workshop, schedule: Schedule, tenant: str, parcel: Parcel, *, replace_tools: bool
) -> tuple[list[Agent], Changes]:
    host, changes, made = workshop.host, Changes(), []
    now_ms = host.clock.now_ms()
    tool_ids: dict[str, str] = {}
    for ref, tool in parcel.tools.items():
        try:
            tool_ids[ref], planned = await _tool(view, host, tenant, tool, replace_tools=replace_tools)
        except CallerError as error:
            error.args = (f"the tool '{ref[:64]}' of the file: {error}",)
            raise
        changes.extend(planned)
    blocks: dict[str, Block] = {}
    for ref, block in parcel.blocks.items():
        new = {"tenant": tenant, "id": host.ids.new("block"), "created_at_ms": now_ms, "updated_at_ms": now_ms}
        blocks[ref] = msgspec.structs.replace(block, **new)
        changes.extend(core.plan_create(blocks[ref]))
    arrived = await plan_arrive(view, host, workshop.outbox, tenant, parcel)
    changes.extend(arrived.changes)
    seen = View(view.database, arrived.rows)
    for one in parcel.agents:
        agent = msgspec.structs.replace(
            one.agent, tenant=tenant, id=host.ids.new("agent"), created_at_ms=now_ms, updated_at_ms=now_ms
        )
        made.append(agent)
        own = [blocks[ref] for ref in one.blocks]
        changes.extend(plan_agent(host, agent, one, own, [tool_ids[ref] for ref in one.tools], workshop.seal))
        changes.extend(messages.plan_add([first_message(host, agent, own)]))
        renamed = [msgspec.structs.replace(told, ref=host.ids.new("message")) for told in one.told]
        changes.extend(plan_told(tenant, agent.id, renamed, 1))
        held = [
            msgspec.structs.replace(arrived.files[open_one.file], start=open_one.start, length=open_one.length)
            for open_one in one.held
        ]
        changes.extend(await plan_give(seen, agent, [arrived.folders[ref] for ref in one.folders], held, now_ms))
        facts = _renamed(host, one.facts, tenant, agent.id)
        changes.extend(archival.plan_add(facts, workshop.archive.why("add")))
        for when, mailing in one.schedules:
            changes.extend(schedule(tenant, agent.id, when, mailing))
    ids = {one.ref: agent.id for one, agent in zip(parcel.agents, made, strict=True)}
    for group in parcel.groups:
        changes.extend(await _group(view, host, tenant, group, ids, blocks))
    return made, changes


async def _group(
    view: View, host: Host, tenant: str, group: Group, ids: Mapping[str, str], blocks: Mapping[str, Block]
) -> Changes:
    own = msgspec.structs.replace(
        group,
        tenant=tenant,
        id=host.ids.new("group"),
        agents=[ids[ref] for ref in group.agents],
        manager=None if group.manager is None else ids[group.manager],
        blocks=[blocks[ref].id for ref in group.blocks],
        created_at_ms=host.clock.now_ms(),
    )
    return groups.plan_create(own).extend(await plan_managers_tool(view, own))


async def _tool(
    view: View, host: Host, tenant: str, tool: ToolDraft | str, *, replace_tools: bool
) -> tuple[str, Changes]:
    if isinstance(tool, str):
        return (await custom.get_by_name(view, tenant, tool)).id, Changes()
    if not replace_tools:
        name = custom.drafted(host, tenant, tool).name
        try:
            return (await custom.get_by_name(view, tenant, name)).id, Changes()
        except NotFound:
            pass
    record, changes = await custom.plan_upsert(view, host, tenant, tool)
    return record.id, changes


def plan_agent(
    host: Host,
    agent: Agent,
    one: Traveller,
    blocks: Sequence[Block],
    tool_ids: Sequence[str],
    seal: Seal = UNSEALED,
) -> Changes:
    """The agent's row, what is attached to it, and its secrets. The blocks and tools are there, or in the same commit.

    Raises InvalidInput, LimitExceeded, Conflict (two blocks of one label).
    """
    check_labels(blocks)
    tool_ids = list(dict.fromkeys(tool_ids))
    if len(tool_ids) > tool_limits.TOOLS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of tools", len(tool_ids), tool_limits.TOOLS_PER_AGENT_MAX, "tools")
    changes = agents.plan_create(agent)
    for block in blocks:
        changes.extend(core.plan_attach(agent.tenant, agent.id, block.id, block.label))
    for tool_id in tool_ids:
        changes.extend(agents.plan_attach_tool(agent.tenant, agent.id, tool_id))
    if one.secrets:
        changes.extend(secrets.plan_replace(host, agent.tenant, agent.id, one.secrets, seal))
    return changes


def plan_told(
    tenant: str, agent_id: str, history: Sequence[Told], position: int, conversation_id: str = MAIN
) -> Changes:
    """Messages of a history from `position` on, each with its `ref` as its id."""
    return messages.plan_add(
        StoredMessage(
            tenant=tenant,
            id=told.ref,
            agent_id=agent_id,
            position=position + offset,
            run_id=None,
            step_id=None,
            body=told.body,
            otid=told.otid,
            conversation_id=conversation_id,
            created_at_ms=told.created_at_ms,
        )
        for offset, told in enumerate(history)
    )


def _renamed(host: Host, facts: Sequence[Fact], tenant: str, scope: str) -> list[Fact]:
    """The facts as new ones of a scope; what their claims say of one another holds on."""
    ids = {fact.id: host.ids.new("passage") for fact in facts}
    now_ms = host.clock.now_ms()
    return [
        msgspec.structs.replace(
            fact,
            tenant=tenant,
            scope=scope,
            id=ids[fact.id],
            claims=[_claim(claim, ids) for claim in fact.claims],
            known_from_ms=now_ms,
            created_at_ms=now_ms,
        )
        for fact in facts
    ]


def _claim(claim: Claim, ids: Mapping[str, str]) -> Claim:
    kept = [ids[one] for one in claim.kept if one in ids]
    return msgspec.structs.replace(claim, ended_by=ids.get(claim.ended_by or ""), kept=kept)
