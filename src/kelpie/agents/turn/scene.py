"""What a step starts from: agent, blocks, tools and model, read anew from one state of the store.

An edit through the API takes effect at the next step, also of a turn that is under way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.actors import ActorId, Outbox, Placement
from kelpie.agents import limits
from kelpie.agents.agent import SELECT_AGENT, Agent, agent_from_row
from kelpie.agents.context import directories
from kelpie.agents.together.switchboard import Switchboard
from kelpie.errors import NotFound
from kelpie.events import Events
from kelpie.files.attached import HAS_FOLDERS
from kelpie.groups.records import HAS_BACKGROUND
from kelpie.models.model import Model, ModelCard
from kelpie.models.registry import Models
from kelpie.sealing import UNSEALED, Seal
from kelpie.tools import custom
from kelpie.tools.blocks import in_place, scope_of
from kelpie.tools.catalog import Catalog
from kelpie.tools.tool import Tool
from kelpie.trajectories import conversations
from kelpie.trajectories.records import MAIN
from umi import core
from umi.dst import Host
from umi.entity import Block
from umi.memory import Archive
from umi.storage import Database, Row, View

_SELECT_AGENT = SELECT_AGENT.replace("SELECT body", f"SELECT body, {HAS_FOLDERS}, {HAS_BACKGROUND}", 1)
SELECT_TOOLS = (
    f"SELECT {', '.join('tool.' + column for column in custom.COLUMNS)} FROM agent_tool a"
    " JOIN tool ON tool.tenant = a.tenant AND tool.id = a.tool_id"
    " WHERE a.tenant = ? AND a.agent_id = ? ORDER BY a.position"
)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every turn works with.

    seal       encrypts what the store must not hold in the open
    remembers  off where no agent recalls or remembers, whatever its settings
    approval_ms  how long a tool call waits for an answer
    filled     scopes (with their tenant) in which there was a fact once: in all others a recall finds nothing
    """

    database: Database
    host: Host
    events: Events
    models: Models
    catalog: Catalog
    archive: Archive
    outbox: Outbox
    remembers: bool = True
    seal: Seal = UNSEALED
    approval_ms: int = limits.APPROVAL_MS_DEFAULT
    filled: set[tuple[str, str]] = field(default_factory=set)
    switchboard: Switchboard = field(default_factory=Switchboard)


@dataclass(frozen=True, slots=True)
class Scene:
    agent: Agent
    blocks: list[Block]
    tools: dict[str, Tool]
    card: ModelCard
    model: Model
    directories: str = ""  # of its folders, as its context shows them
    is_overheard: bool = False  # background agents are told what it talks about

    @property
    def state(self) -> dict[str, Any]:
        """What a tool may be shown of the agent besides its blocks, in the words that Letta's tools know."""
        agent = self.agent
        bounds = directories.bounds_of(agent, self.card)
        return {
            "id": agent.id,
            "name": agent.name,
            "agent_type": agent.agent_type,
            "description": agent.description,
            "model": self.card.handle,
            "system": agent.system,
            "tags": agent.tags,
            "timezone": agent.timezone,
            "metadata": agent.metadata,
            "max_files_open": bounds.files_open,
            "per_file_view_window_char_limit": bounds.view_chars,
            "tools": [{"name": tool.name, "description": tool.spec.description} for tool in self.tools.values()],
        }


async def read(
    workshop: Workshop, placement: Placement, model_handle: str | None, conversation_id: str = MAIN
) -> Scene:
    """Raises NotFound for an agent that was deleted, Fenced if another activation has it now (or one of a new agent
    with its id: what this one remembers must not be shown to a model), ModelError for a handle nobody serves."""
    return await _read(workshop, placement.actor_id, model_handle, conversation_id, placement)


async def look(workshop: Workshop, who: ActorId, model_handle: str | None, conversation_id: str = MAIN) -> Scene:
    """The same for somebody who only looks, whoever has the agent. Raises NotFound, ModelError."""
    return await _read(workshop, who, model_handle, conversation_id, None)


async def _read(
    workshop: Workshop, who: ActorId, model_handle: str | None, conversation_id: str, placement: Placement | None
) -> Scene:
    tenant, agent_id = who.tenant, who.key
    beside = conversation_id != MAIN
    agents, blocks, tools, *more = await View(workshop.database).all(
        (_SELECT_AGENT, (tenant, agent_id)),
        (core.OF_SCOPE, (tenant, agent_id)),
        (SELECT_TOOLS, (tenant, agent_id)),
        *((placement.held,) if placement is not None else ()),
        *(((conversations.SELECT, (tenant, conversation_id)),) if beside else ()),
        *(((core.OF_SCOPE, (tenant, scope_of(agent_id, conversation_id))),) if beside else ()),
    )
    if not agents:
        raise NotFound(f"no agent has the id '{agent_id}'")
    if placement is not None:
        placement.demand(more.pop(0))
    agent = agent_from_row(agents[0])
    own = [core.block_from_row(row) for row in blocks]
    if beside:
        agent = _as_in(agent, more[0], conversation_id)
        own = in_place(own, [core.block_from_row(row) for row in more[1]])
    models = workshop.models
    # What somebody names for one run is refused if nobody serves it; an agent may have been brought from elsewhere.
    if model_handle:
        card, model = models.resolve(model_handle, tenant)
    else:
        card, model = models.resolve_or_fall_back(agent.model, tenant)
    records = (custom.record_from_row(row) for row in tools)
    return Scene(
        agent=agent,
        blocks=[*own, *await _shared_blocks(workshop, agent, own)],
        tools={record.name: workshop.catalog.tool_for(record) for record in records},
        card=card,
        model=model,
        directories=await directories.read(View(workshop.database), agent, card) if agents[0][1] else "",
        is_overheard=bool(agents[0][2]),
    )


def _as_in(agent: Agent, rows: Sequence[Row], conversation_id: str) -> Agent:
    """The agent with the model and the settings that one of its conversations has for itself."""
    if not rows:
        raise NotFound(f"no conversation has the id '{conversation_id}'")
    one = conversations.conversation_from_row(rows[0])
    if one.settings is not None:
        agent = msgspec.convert({**msgspec.to_builtins(agent), **one.settings.fields}, Agent)
    window = one.context_window_tokens or agent.context_window_tokens
    return msgspec.structs.replace(agent, model=one.model or agent.model, context_window_tokens=window)


async def _shared_blocks(workshop: Workshop, agent: Agent, own: list[Block]) -> list[Block]:
    """What was promoted from a memory that the agent shares with others: it reads these blocks and doesn't write them.
    Where memory is the agent's own, promotion writes among the agent's own blocks."""
    scope = agent.memory.scope_of(agent.id)
    if scope == agent.id or not (workshop.remembers and agent.memory.recall):
        return []
    taken = {block.label for block in own}
    found = await core.of_scope(View(workshop.database), agent.tenant, scope)
    return [msgspec.structs.replace(one, read_only=True) for one in found if one.type and one.label not in taken]
