"""Groups on the wire: agents that answer together, and how their turns are ordered."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.ids import pattern
from kelpie.errors import CallerError
from kelpie.groups import limits as group_limits
from kelpie.groups.records import TERMINATION_TOKEN, Group

AgentRef = Annotated[str, Field(pattern=pattern("agent"))]
BlockRef = Annotated[str, Field(pattern=pattern("block"))]
AgentRefs = Annotated[list[AgentRef], Field(max_length=group_limits.GROUP_AGENTS_MAX)]
BlockRefs = Annotated[list[BlockRef], Field(max_length=group_limits.GROUP_BLOCKS_MAX)]
Turns = Annotated[int, Field(ge=1, le=group_limits.GROUP_TURNS_MAX)]
Frequency = Annotated[int, Field(ge=1, le=group_limits.GROUP_FREQUENCY_MAX)]
Token = Annotated[str, Field(max_length=group_limits.GROUP_TOKEN_CHARS_MAX)]
# The parts of a manager's settings, in our words.
_FIELDS = {
    "manager_agent_id": "manager",
    "termination_token": "token",
    "max_turns": "turns_max",
    "sleeptime_agent_frequency": "frequency",
}


class Ordering(BaseModel):
    """How a group's turns are ordered; which of these fields count depends on its type."""

    manager_type: Literal["round_robin", "supervisor", "dynamic", "sleeptime", "voice_sleeptime"] = "round_robin"
    manager_agent_id: AgentRef | None = None
    termination_token: Token | None = TERMINATION_TOKEN
    max_turns: Turns | None = None
    sleeptime_agent_frequency: Frequency | None = None

    def fields(self, *, given: bool) -> dict[str, Any]:
        """In our words, those of the type; `given`: only what was said. Raises CallerError."""
        if self.manager_type == "voice_sleeptime":
            raise CallerError("a group of the kind voice_sleeptime is not made here: voice is not built")
        taken = {
            "round_robin": ("max_turns",),
            "supervisor": ("manager_agent_id",),
            "dynamic": ("manager_agent_id", "termination_token", "max_turns"),
            "sleeptime": ("manager_agent_id", "sleeptime_agent_frequency"),
        }[self.manager_type]
        said = self.model_fields_set if given else taken
        found = {_FIELDS[name]: getattr(self, name) for name in taken if name in said}
        if found.get("frequency", 0) is None:
            found["frequency"] = group_limits.GROUP_FREQUENCY_DEFAULT
        if found.get("manager", "") is None:
            del found["manager"]  # null: it stays
        return found


class OfFile(BaseModel):
    """What an agent file says of a group besides how it is ordered and who is in it."""

    description: str = Field(default="", max_length=group_limits.GROUP_DESCRIPTION_CHARS_MAX)
    hidden: bool | None = None
    project_id: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)


class CreateGroup(BaseModel):
    agent_ids: AgentRefs
    description: str = Field(max_length=group_limits.GROUP_DESCRIPTION_CHARS_MAX)
    manager_config: Ordering = Ordering()
    shared_block_ids: BlockRefs = []
    hidden: bool | None = None
    project_id: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)

    def group(self, tenant: str, group_id: str, now_ms: int) -> Group:
        """Raises CallerError."""
        manager = self.manager_config.fields(given=False)
        return Group(
            tenant=tenant,
            id=group_id,
            kind=self.manager_config.manager_type,  # type: ignore[arg-type]  # voice was refused above
            description=self.description,
            agents=self.agent_ids,
            blocks=list(dict.fromkeys(self.shared_block_ids)),
            hidden=bool(self.hidden),
            extras={} if self.project_id is None else {"project_id": self.project_id},
            created_at_ms=now_ms,
            **manager,
        )


class ModifyGroup(BaseModel):
    """What is not given stays; lists replace what there is. The kind of a group stays."""

    agent_ids: AgentRefs | None = None
    description: str | None = Field(default=None, max_length=group_limits.GROUP_DESCRIPTION_CHARS_MAX)
    manager_config: Ordering | None = None
    shared_block_ids: BlockRefs | None = None
    project_id: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)

    @property
    def kind(self) -> str | None:
        return None if self.manager_config is None else self.manager_config.manager_type

    def fields(self) -> dict[str, Any]:
        """In our words. Raises CallerError."""
        found = {"agents": self.agent_ids, "description": self.description, "blocks": self.shared_block_ids}
        fields: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
        if self.project_id is not None:
            fields["extras"] = {"project_id": self.project_id}
        return fields | ({} if self.manager_config is None else self.manager_config.fields(given=True))


def group(one: Group) -> dict[str, Any]:
    return {
        "id": one.id,
        "manager_type": one.kind,
        "agent_ids": one.agents,
        "description": one.description,
        "project_id": one.extras.get("project_id"),
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "shared_block_ids": one.blocks,
        "manager_agent_id": one.manager,
        "termination_token": one.token,
        "max_turns": one.turns_max,
        "sleeptime_agent_frequency": one.frequency,
        "turns_counter": one.turns if one.kind == "sleeptime" else None,
        "last_processed_message_id": one.told,
        "max_message_buffer_length": None,
        "min_message_buffer_length": None,
        "hidden": one.hidden or None,
    }


def said_by(shown: Sequence[dict[str, Any]], agents: Mapping[str, str]) -> list[dict[str, Any]]:
    """Messages with who said them; `agents` by the id of the stored message."""
    return [
        one if one["message_type"] == "user_message" else {**one, "sender_id": agents.get(one["id"])} for one in shown
    ]
