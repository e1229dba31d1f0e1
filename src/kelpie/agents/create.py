"""A new agent, whole or not at all: its row, blocks, tools and first message in one commit."""

from collections.abc import Sequence

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents import kinds
from kelpie.agents.agent import Agent
from kelpie.agents.context import beginning
from kelpie.agents.folders import plan_attach
from kelpie.agents.rules.rules import EndsTurn, GoesOn, Rule, named
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.identities import records as identities
from kelpie.people import NOBODY, Speaker
from kelpie.tools import custom, secrets
from kelpie.tools import limits as tool_limits
from kelpie.tools.secrets import NO_SECRETS, Secrets
from kelpie.trajectories import messages
from kelpie.trajectories.records import StoredMessage
from umi import core
from umi.dst import Host
from umi.entity import Block
from umi.storage import Changes, View
from umi.wire.types import Message


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a new agent is made of. `blocks` are new ones, `block_ids` and `tool_ids` exist already; it takes messages
    for `speaker` alone.

    wished_tools    tools by name, of those that this server has
    has_base_rules  whether the rules that belong to named tools of ours come with them; None: as its kind has it
    first           what its history begins with after the system message; None: as its kind has it
    """

    agent: Agent
    blocks: list[Block] = []
    block_ids: list[str] = []
    tool_ids: list[str] = []
    tool_names: list[str] = []
    wished_tools: list[str] = []
    has_base_rules: bool | None = None
    first: list[Message] | None = None
    folder_ids: list[str] = []
    identity_ids: list[str] = []
    secrets: Secrets = NO_SECRETS
    speaker: Speaker = NOBODY


async def create(workshop: Workshop, draft: Draft) -> Agent:
    """Raises what `plan` raises."""
    agent, changes = await plan(workshop, View(workshop.database), draft)
    await commit(workshop, changes)
    return agent


async def commit(workshop: Workshop, changes: Changes) -> None:
    """Commit what was planned of new agents. Raises NotFound."""
    try:
        await workshop.database.commit(changes)
    except GuardFailed as error:
        raise NotFound(f"a {error.guard} that the agent was to have is gone") from None


async def plan(workshop: Workshop, view: View, draft: Draft) -> tuple[Agent, Changes]:
    """The agent as it will be. Guards "folder", "identity". Raises InvalidInput, LimitExceeded, NotFound (a block,
    tool, folder or identity), Conflict (two blocks of one label), and ModelError for a model handle that no provider
    serves."""
    workshop.models.resolve(draft.agent.model, draft.agent.tenant)
    tenant, agent_id = draft.agent.tenant, draft.agent.id
    attached = [await core.get(view, tenant, block_id) for block_id in draft.block_ids]
    blocks = [*attached, *draft.blocks]
    check_labels(blocks)
    tool_ids = await _tool_ids(workshop, view, tenant, draft)
    await check_rules(view, tenant, draft.agent.rules)
    agent = with_base_rules(draft)
    changes = agents.plan_create(agent, draft.speaker)
    for block in draft.blocks:
        changes.extend(core.plan_create(block))
    for block in blocks:
        changes.extend(core.plan_attach(tenant, agent_id, block.id, block.label))
    for tool_id in tool_ids:
        changes.extend(agents.plan_attach_tool(tenant, agent_id, tool_id))
    if draft.secrets:
        changes.extend(secrets.plan_replace(workshop.host, tenant, agent_id, draft.secrets, workshop.seal))
    changes.extend(await plan_attach(view, tenant, agent_id, draft.folder_ids))
    if draft.identity_ids:
        changes.extend(await identities.plan_give(view, "agent", tenant, agent_id, draft.identity_ids))
    changes.extend(messages.plan_add(beginning.messages(workshop.host, agent, blocks, draft.first)))
    return agent, changes


def with_base_rules(draft: Draft) -> Agent:
    """The agent with the rules that come with its tools. What it is given itself about the end of a turn stands."""
    agent = draft.agent
    wanted = kinds.of(agent.agent_type).rules if draft.has_base_rules is None else draft.has_base_rules
    if not wanted:
        return agent
    ruled = {rule.tool for rule in agent.rules if isinstance(rule, EndsTurn | GoesOn)}
    added = [rule for rule in kinds.base_rules(dict.fromkeys(draft.tool_names)) if rule.tool not in ruled]
    return msgspec.structs.replace(agent, rules=[*agent.rules, *added])


async def check_rules(view: View, tenant: str, given: Sequence[Rule]) -> None:
    """Raises InvalidInput if a rule names a tool that is not there."""
    unknown = await custom.unknown_names(view, tenant, sorted(named(given))) if given else []
    if unknown:
        raise InvalidInput(f"the tool rules name tools that don't exist: {', '.join(unknown)}")


def check_labels(blocks: Sequence[Block]) -> None:
    """Raises Conflict if two blocks of one agent share a label."""
    labels = [block.label for block in blocks]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise Conflict(f"an agent's block labels are unique; used more than once: {', '.join(twice)}")


async def _tool_ids(workshop: Workshop, view: View, tenant: str, draft: Draft) -> list[str]:
    wanted = [(await custom.get(view, tenant, tool_id)).id for tool_id in draft.tool_ids]
    wished = [name for name in draft.wished_tools if name in workshop.catalog.builtins]
    wanted += [(await custom.get_by_name(view, tenant, name)).id for name in (*draft.tool_names, *wished)]
    ids = list(dict.fromkeys(wanted))
    if len(ids) > tool_limits.TOOLS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of tools", len(ids), tool_limits.TOOLS_PER_AGENT_MAX, "tools")
    return ids


def first_message(host: Host, agent: Agent, blocks: Sequence[Block]) -> StoredMessage:
    """The system message alone: for an agent that brings its history."""
    return beginning.messages(host, agent, blocks, [])[0]
