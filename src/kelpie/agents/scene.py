"""What a step starts from: agent, blocks, tools and model, read anew from one state of the store.

An edit through the API takes effect at the next step, also of a turn that is under way.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.actors import ActorId, Outbox, Placement
from kelpie.agents import directories
from kelpie.agents.agent import SELECT_AGENT, Agent, agent_from_row
from kelpie.errors import NotFound
from kelpie.events import Events
from kelpie.files.attached import HAS_FOLDERS
from kelpie.models.model import Model, ModelCard
from kelpie.models.registry import Models
from kelpie.tools import custom
from kelpie.tools.catalog import Catalog
from kelpie.tools.tool import Tool
from umi import core
from umi.dst import Host
from umi.entity import Block
from umi.memory import Archive
from umi.storage import Database, View

_SELECT_AGENT = SELECT_AGENT.replace("SELECT body", f"SELECT body, {HAS_FOLDERS}", 1)
SELECT_TOOLS = (
    f"SELECT {', '.join('tool.' + column for column in custom.COLUMNS)} FROM agent_tool a"
    " JOIN tool ON tool.tenant = a.tenant AND tool.id = a.tool_id"
    " WHERE a.tenant = ? AND a.agent_id = ? ORDER BY a.position"
)


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every turn works with.

    remembers  off where no agent recalls or remembers, whatever its settings
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
    filled: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Scene:
    agent: Agent
    blocks: list[Block]
    tools: dict[str, Tool]
    card: ModelCard
    model: Model
    directories: str = ""  # of its folders, as its context shows them

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


async def read(workshop: Workshop, placement: Placement, model_handle: str | None) -> Scene:
    """Raises NotFound for an agent that was deleted, Fenced if another activation has it now (or one of a new agent
    with its id: what this one remembers must not be shown to a model), ModelError for a handle nobody serves."""
    return await _read(workshop, placement.actor_id, model_handle, placement)


async def look(workshop: Workshop, who: ActorId, model_handle: str | None) -> Scene:
    """The same for somebody who only looks, whoever has the agent. Raises NotFound, ModelError."""
    return await _read(workshop, who, model_handle, None)


async def _read(workshop: Workshop, who: ActorId, model_handle: str | None, placement: Placement | None) -> Scene:
    tenant, agent_id = who.tenant, who.key
    agents, blocks, tools, *held = await View(workshop.database).all(
        (_SELECT_AGENT, (tenant, agent_id)),
        (core.OF_SCOPE, (tenant, agent_id)),
        (SELECT_TOOLS, (tenant, agent_id)),
        *((placement.held,) if placement is not None else ()),
    )
    if not agents:
        raise NotFound(f"no agent has the id '{agent_id}'")
    if placement is not None:
        placement.demand(held[0])
    agent = agent_from_row(agents[0])
    models = workshop.models
    # What somebody names for one run is refused if nobody serves it; an agent may have been brought from elsewhere.
    card, model = models.resolve(model_handle) if model_handle else models.resolve_or_fall_back(agent.model)
    records = (custom.record_from_row(row) for row in tools)
    own = [core.block_from_row(row) for row in blocks]
    return Scene(
        agent=agent,
        blocks=[*own, *await _shared_blocks(workshop, agent, own)],
        tools={record.name: workshop.catalog.tool_for(record) for record in records},
        card=card,
        model=model,
        directories=await directories.read(View(workshop.database), agent, card) if agents[0][1] else "",
    )


async def _shared_blocks(workshop: Workshop, agent: Agent, own: list[Block]) -> list[Block]:
    """What was promoted from a memory that the agent shares with others: it reads these blocks and doesn't write them.
    Where memory is the agent's own, promotion writes among the agent's own blocks."""
    scope = agent.memory.scope_of(agent.id)
    if scope == agent.id or not (workshop.remembers and agent.memory.recall):
        return []
    taken = {block.label for block in own}
    found = await core.of_scope(View(workshop.database), agent.tenant, scope)
    return [msgspec.structs.replace(one, read_only=True) for one in found if one.type and one.label not in taken]
