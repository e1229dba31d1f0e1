"""Agents with all that belongs to them, for people and clients: read in a few queries, however many they are."""

from collections.abc import Sequence

import msgspec

from kelpie.agents.agent import SELECT_AGENT, Agent, agent_from_row
from kelpie.agents.rules import approving
from kelpie.errors import NotFound
from kelpie.files.folders import OF_AGENTS, Folder, folder_from_body
from kelpie.groups import Group
from kelpie.groups import records as groups
from kelpie.identities import Identity
from kelpie.identities import records as identities
from kelpie.tools import custom, secrets
from kelpie.tools.custom import ToolRecord
from kelpie.tools.secrets import SecretName
from kelpie.trajectories import runs
from kelpie.trajectories.messages import message_from_row
from kelpie.trajectories.records import StoredMessage
from umi import core
from umi.entity import Block
from umi.storage import View

_TOOL_IDS = (
    "SELECT agent_id, tool_id FROM agent_tool WHERE tenant = ? AND agent_id IN (SELECT value FROM json_each(?))"
    " ORDER BY agent_id, position"
)
_TOOLS = (
    f"SELECT {', '.join('tool.' + column for column in custom.COLUMNS)} FROM tool WHERE tool.tenant = ?1 AND tool.id IN"
    " (SELECT tool_id FROM agent_tool WHERE tenant = ?1 AND agent_id IN (SELECT value FROM json_each(?2)))"
)


class LastRun(msgspec.Struct, frozen=True):
    stop_reason: str | None
    created_at_ms: int
    completed_at_ms: int


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`last_run` is the newest run that ended, or None if none did; `asking` the message whose calls wait for an
    answer; `managed` the first group that it manages."""

    agent: Agent
    blocks: list[Block]
    tools: list[ToolRecord]
    secrets: list[SecretName] = []
    folders: list[Folder] = []
    identities: list[Identity] = []
    managed: Group | None = None
    last_run: LastRun | None = None
    asking: StoredMessage | None = None


async def read(view: View, tenant: str, agent_id: str) -> Profile:
    """Raises NotFound."""
    row = await view.one(SELECT_AGENT, tenant, agent_id)
    if row is None:
        raise NotFound(f"no agent has the id '{agent_id}'")
    return (await read_all(view, tenant, [agent_from_row(row)]))[0]


async def read_all(view: View, tenant: str, agents: Sequence[Agent]) -> list[Profile]:
    """The profiles of `agents`, in their order."""
    ids = msgspec.json.encode([agent.id for agent in agents]).decode()
    blocks, pairs, tools, last, kept, given, known, led, waiting = await view.all(
        (core.OF_SCOPES, (tenant, ids)),
        (_TOOL_IDS, (tenant, ids)),
        (_TOOLS, (tenant, ids)),
        (runs.LAST_ENDED, (tenant, ids)),
        (secrets.NAMES, (tenant, ids)),
        (OF_AGENTS, (tenant, ids)),
        (identities.OF_AGENTS, (tenant, ids)),
        (groups.OF_MANAGERS, (tenant, ids)),
        (approving.ASKING, (tenant, ids)),
    )
    records = {record.id: record for record in map(custom.record_from_row, tools)}
    of_blocks: dict[str, list[Block]] = {agent.id: [] for agent in agents}
    for row in blocks:
        of_blocks[row[0]].append(core.block_from_row(row[1:]))
    of_tools: dict[str, list[ToolRecord]] = {agent.id: [] for agent in agents}
    for agent_id, tool_id in pairs:
        if tool_id in records:
            of_tools[agent_id].append(records[tool_id])
    of_secrets: dict[str, list[SecretName]] = {agent.id: [] for agent in agents}
    for secret in (SecretName(*row) for row in kept):
        of_secrets[secret.agent_id].append(secret)
    of_folders: dict[str, list[Folder]] = {agent.id: [] for agent in agents}
    for agent_id, body in given:
        of_folders[agent_id].append(folder_from_body(body))
    of_identities: dict[str, list[Identity]] = {agent.id: [] for agent in agents}
    for agent_id, identity in map(identities.from_row, known):
        of_identities[agent_id].append(identity)
    managed: dict[str | None, Group] = {}
    for group in await groups.with_members(view, tenant, [row[0] for row in led]):
        managed.setdefault(group.manager, group)
    asking = {message.agent_id: message for message in map(message_from_row, waiting)}
    ended = {row[0]: LastRun(row[1], row[2], row[3]) for row in last}
    return [
        Profile(
            agent=agent,
            blocks=of_blocks[agent.id],
            tools=of_tools[agent.id],
            secrets=of_secrets[agent.id],
            folders=of_folders[agent.id],
            identities=of_identities[agent.id],
            managed=managed.get(agent.id),
            last_run=ended.get(agent.id),
            asking=asking.get(agent.id),
        )
        for agent in agents
    ]
