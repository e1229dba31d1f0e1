"""A new agent, whole or not at all: its row, blocks, tools and first message in one commit."""

from collections.abc import Sequence

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents.agent import Agent
from kelpie.agents.context import system_prompt
from kelpie.agents.folders import plan_attach
from kelpie.agents.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, LimitExceeded, NotFound
from kelpie.people import NOBODY, Speaker
from kelpie.tools import custom, secrets
from kelpie.tools import limits as tool_limits
from kelpie.tools.secrets import NO_SECRETS, Secrets
from kelpie.trajectories import messages
from kelpie.trajectories.records import StoredMessage
from umi import core
from umi.dst import Host
from umi.entity import Block
from umi.storage import View
from umi.wire.types import Message


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a new agent is made of. `blocks` are new ones, `block_ids` and `tool_ids` exist already; it takes messages
    for `speaker` alone."""

    agent: Agent
    blocks: list[Block] = []
    block_ids: list[str] = []
    tool_ids: list[str] = []
    tool_names: list[str] = []
    folder_ids: list[str] = []
    secrets: Secrets = NO_SECRETS
    speaker: Speaker = NOBODY


async def create(workshop: Workshop, draft: Draft) -> Agent:
    """Raises InvalidInput, LimitExceeded, NotFound (a block, tool or folder), Conflict (two blocks of one label), and
    ModelError for a model handle that no provider serves."""
    workshop.models.resolve(draft.agent.model)
    view = View(workshop.database)
    tenant, agent_id = draft.agent.tenant, draft.agent.id
    attached = [await core.get(view, tenant, block_id) for block_id in draft.block_ids]
    blocks = [*attached, *draft.blocks]
    check_labels(blocks)
    tool_ids = await _tool_ids(view, tenant, draft)
    changes = agents.plan_create(draft.agent, draft.speaker)
    for block in draft.blocks:
        changes.extend(core.plan_create(block))
    for block in blocks:
        changes.extend(core.plan_attach(tenant, agent_id, block.id, block.label))
    for tool_id in tool_ids:
        changes.extend(agents.plan_attach_tool(tenant, agent_id, tool_id))
    if draft.secrets:
        changes.extend(secrets.plan_replace(workshop.host, tenant, agent_id, draft.secrets))
    changes.extend(await plan_attach(view, tenant, agent_id, draft.folder_ids))
    changes.extend(messages.plan_add([first_message(workshop.host, draft.agent, blocks)]))
    try:
        await workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound("a folder that the agent was to have is gone") from None
    return draft.agent


def check_labels(blocks: Sequence[Block]) -> None:
    """Raises Conflict if two blocks of one agent share a label."""
    labels = [block.label for block in blocks]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise Conflict(f"an agent's block labels are unique; used more than once: {', '.join(twice)}")


async def _tool_ids(view: View, tenant: str, draft: Draft) -> list[str]:
    wanted = [(await custom.get(view, tenant, tool_id)).id for tool_id in draft.tool_ids]
    wanted += [(await custom.get_by_name(view, tenant, name)).id for name in draft.tool_names]
    ids = list(dict.fromkeys(wanted))
    if len(ids) > tool_limits.TOOLS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of tools", len(ids), tool_limits.TOOLS_PER_AGENT_MAX, "tools")
    return ids


def first_message(host: Host, agent: Agent, blocks: Sequence[Block]) -> StoredMessage:
    """The system message as compiled now, for people who read the history; each step's request holds its own."""
    now_ms = host.clock.now_ms()
    return StoredMessage(
        tenant=agent.tenant,
        id=host.ids.new("message"),
        agent_id=agent.id,
        position=0,
        run_id=None,
        step_id=None,
        body=Message(role="system", content=system_prompt(agent, blocks, now_ms)),
        created_at_ms=now_ms,
    )
