"""Agents on the wire: what a client may ask for, and an agent with all that belongs to it."""

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, Field, SecretStr

from kelpie.agents.agent import REMEMBERS, Agent, AgentMemory
from kelpie.agents.directories import bounds_of
from kelpie.agents.profile import Profile
from kelpie.agents.prompts import SYSTEM_PROMPTS
from kelpie.api import limits
from kelpie.api.answer import encoded
from kelpie.api.bounds import Tag, check_json_bytes
from kelpie.api.wire import blocks, folders, memory, models, tools
from kelpie.api.wire.blocks import CreateBlock
from kelpie.api.wire.times import iso, iso_or_none
from kelpie.errors import CallerError, InvalidInput, ModelError, NotServed
from kelpie.files import limits as file_limits
from kelpie.models.model import ModelCard
from kelpie.tools.custom import ToolRecord
from kelpie.tools.secrets import SecretName, Secrets
from kelpie.tools.secrets import check as check_secrets
from umi.entity import Block

AgentType = Literal[
    "memgpt_agent",
    "memgpt_v2_agent",
    "letta_v1_agent",
    "react_agent",
    "workflow_agent",
    "split_thread_agent",
    "sleeptime_agent",
    "voice_convo_agent",
    "voice_sleeptime_agent",
]
# The tools an agent of a type gets unless it asks for none.
BASE_TOOLS: dict[str, tuple[str, ...]] = {
    "letta_v1_agent": ("memory_insert", "memory_replace", "conversation_search"),
    "memgpt_v2_agent": ("send_message", "conversation_search", "memory_insert", "memory_replace"),
    "memgpt_agent": (
        "send_message",
        "conversation_search",
        "core_memory_append",
        "core_memory_replace",
        "archival_memory_insert",
        "archival_memory_search",
    ),
    "react_agent": (),
}
_UNSERVED_TYPES = {
    "workflow_agent": "it forgets its messages with each request, which this server does not do yet",
    "split_thread_agent": "its threads are not built",
    "sleeptime_agent": "its tools for thinking in the background are not built",
    "voice_convo_agent": "voice is not built",
    "voice_sleeptime_agent": "voice is not built",
}
# Kept for the client and given back; but for the bounds of files they change nothing here. docs/api.md says so.
_KEPT = (
    "compaction_settings",
    "response_format",
    "tool_rules",
    "message_buffer_autoclear",
    "enable_sleeptime",
    "max_files_open",
    "per_file_view_window_char_limit",
    "project_id",
    "template_id",
    "base_template_id",
)
_ACTED_SETTINGS = ("provider_type", "max_output_tokens", "temperature", "parallel_tool_calls")
T = TypeVar("T", Block, ToolRecord)
_TIMEZONE = re.compile(r"[A-Za-z0-9_+\-/]{1,64}")


class ToolRule(BaseModel, extra="allow"):
    type: str
    tool_name: str


class _AgentFields(BaseModel):
    """What both creating and changing an agent take. Null stands for what the agent has, or the default."""

    name: str | None = None
    description: str | None = Field(default=None, max_length=limits.DESCRIPTION_CHARS_MAX)
    system: str | None = None
    model: str | None = None
    embedding: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)
    metadata: dict[str, Any] | None = None
    tags: list[Tag] | None = None
    timezone: str | None = None
    hidden: bool | None = None
    context_window_limit: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    parallel_tool_calls: bool | None = None
    model_settings: dict[str, Any] | None = None
    llm_config: dict[str, Any] | None = None
    tool_ids: list[str] | None = None
    block_ids: list[str] | None = Field(default=None, max_length=limits.BLOCKS_PER_AGENT_MAX)
    secrets: dict[str, SecretStr] | None = None
    tool_exec_environment_variables: dict[str, SecretStr] | None = None
    folder_ids: list[str] | None = Field(default=None, max_length=file_limits.AGENT_FOLDERS_MAX)
    source_ids: list[str] | None = Field(default=None, max_length=file_limits.AGENT_FOLDERS_MAX)
    identity_ids: list[str] | None = None
    compaction_settings: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    tool_rules: list[ToolRule] | None = None
    message_buffer_autoclear: bool | None = None
    enable_sleeptime: bool | None = None
    max_files_open: int | None = Field(default=None, ge=0, le=file_limits.AGENT_FILES_OPEN_MAX)
    per_file_view_window_char_limit: int | None = Field(default=None, ge=1, le=file_limits.AGENT_VIEW_CHARS_MAX)
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None

    def refuse_promises(self) -> None:
        """Raise NotServed for what would be believed and not kept."""
        if self.identity_ids:
            raise NotServed("identity_ids are not served yet; leave them out")
        if any(rule.type == "requires_approval" for rule in self.tool_rules or []):
            raise NotServed("approval of tool calls is not served yet: the tool would run without being asked for")

    def fields(self, extras: dict[str, Any], remembers: AgentMemory | None) -> dict[str, Any]:
        """The given fields in our words; `extras` is what is kept already, `remembers` the memory that the agent has
        (None: its metadata are not read for it). Raises InvalidInput, LimitExceeded."""
        self.refuse_promises()
        given: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "system": self.system,
            "model": self.model_handle(),
            "embedding": self.embedding,
            "metadata": self.metadata,
            "tags": None if self.tags is None else list(dict.fromkeys(self.tags)),
            "timezone": self.timezone,
            "hidden": self.hidden,
            "memory": None if remembers is None else memory.settings(self.metadata, remembers),
            "context_window_tokens": self.context_window_limit,
            "output_tokens_max": self.max_tokens,
            "parallel_tool_calls": self.parallel_tool_calls,
            **_settings_fields(self.model_settings or {}),
        }
        if self.timezone is not None and not _TIMEZONE.fullmatch(self.timezone):
            raise InvalidInput(f"timezone must be an IANA name such as Europe/Berlin, not {self.timezone[:64]!r}")
        given["extras"] = {**extras, **self._kept()}
        for what, value in (("the agent's metadata", self.metadata or {}), ("the agent's settings", given["extras"])):
            check_json_bytes(what, value, limits.AGENT_EXTRAS_BYTES_MAX)
        return {name: value for name, value in given.items() if value is not None}

    def given_secrets(self) -> Secrets | None:
        """All the secrets the agent is to have, under either of their names; None if nothing is said of them.

        Raises InvalidInput, LimitExceeded.
        """
        if self.secrets is None and self.tool_exec_environment_variables is None:
            return None
        both = {**(self.tool_exec_environment_variables or {}), **(self.secrets or {})}
        return check_secrets({name: value.get_secret_value() for name, value in both.items()})

    def given_folders(self) -> list[str] | None:
        """The folders the agent is to have, under either of their names; None if nothing is said of them."""
        if self.folder_ids is None and self.source_ids is None:
            return None
        return list(dict.fromkeys([*(self.folder_ids or []), *(self.source_ids or [])]))

    def model_handle(self) -> str | None:
        if self.model is not None or self.llm_config is None:
            return self.model
        if isinstance(self.llm_config.get("handle"), str):
            return str(self.llm_config["handle"])
        provider, name = self.llm_config.get("model_endpoint_type"), self.llm_config.get("model")
        return f"{provider}/{name}" if provider and name else None

    def _kept(self) -> dict[str, Any]:
        kept = {name: value for name in _KEPT if (value := getattr(self, name)) is not None}
        if self.tool_rules is not None:
            kept["tool_rules"] = [rule.model_dump() for rule in self.tool_rules]
        if self.model_settings is not None:
            others = {name: value for name, value in self.model_settings.items() if name not in _ACTED_SETTINGS}
            kept["model_settings"] = others
        return kept


def _settings_fields(settings: dict[str, Any]) -> dict[str, Any]:
    """The model settings we act on. Raises InvalidInput."""
    found: dict[str, Any] = {}
    for name, field, kinds in (
        ("max_output_tokens", "output_tokens_max", (int,)),
        ("temperature", "temperature", (int, float)),
        ("parallel_tool_calls", "parallel_tool_calls", (bool,)),
    ):
        value = settings.get(name)
        if value is None:
            continue
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise InvalidInput(f"model_settings.{name} must be {' or '.join(k.__name__ for k in kinds)}, not {value!r}")
        found[field] = value
    if found.get("output_tokens_max", 1) < 1:
        raise InvalidInput("model_settings.max_output_tokens must be at least 1")
    return found


class CreateAgent(_AgentFields):
    agent_type: AgentType = "letta_v1_agent"
    memory_blocks: list[CreateBlock] | None = Field(default=None, max_length=limits.BLOCKS_PER_AGENT_MAX)
    tools: list[str] | None = None
    include_base_tools: bool = True
    include_multi_agent_tools: bool = False
    initial_message_sequence: list[Any] | None = None
    from_template: str | None = None

    def agent(self, tenant: str, agent_id: str, name: str, now_ms: int, *, remembers: bool) -> Agent:
        """`remembers`: it has a memory unless its metadata say otherwise. Raises InvalidInput, LimitExceeded,
        NotServed."""
        if self.agent_type in _UNSERVED_TYPES:
            raise CallerError(f"agents of type {self.agent_type} can't run here: {_UNSERVED_TYPES[self.agent_type]}")
        if self.initial_message_sequence:
            raise NotServed("initial_message_sequence is not served yet; send the messages after creating the agent")
        if self.include_multi_agent_tools or self.from_template:
            raise NotServed("agents made from templates, and tools between agents, are not served yet")
        given = self.fields({}, REMEMBERS if remembers else None)
        if "model" not in given:
            raise InvalidInput("an agent needs a model: give its handle, provider/model (GET /v1/models/ lists them)")
        given.setdefault("name", name)
        given.setdefault("system", SYSTEM_PROMPTS[self.agent_type])
        return Agent(
            tenant=tenant,
            id=agent_id,
            agent_type=self.agent_type,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            **given,
        )

    def tool_names(self) -> list[str]:
        base = BASE_TOOLS[self.agent_type] if self.include_base_tools else ()
        return list(dict.fromkeys([*base, *(self.tools or [])]))


class ModifyAgent(_AgentFields):
    pass


class Relations(msgspec.Struct, frozen=True):
    """Which of an agent's relations an answer holds; the others are empty lists."""

    blocks: bool = True
    tools: bool = True
    tags: bool = True
    secrets: bool = True
    sources: bool = True


WHOLE = Relations()


def relations(include: list[str] | None, *, is_sdk_1: bool) -> Relations:
    """Clients of generation 1 are given in lists what they ask for; older ones everything."""
    if not is_sdk_1 and not include:
        return WHOLE
    asked = set(include or [])
    return Relations(*(f"agent.{name}" in asked for name in ("blocks", "tools", "tags", "secrets", "sources")))


def states(
    profiles: list[Profile],
    card_of: Callable[[str], ModelCard],
    relations: Relations = WHOLE,
    *,
    strict: bool,
) -> list[dict[str, Any]]:
    """The agents as clients know them. A tool or a block that several of them share is encoded once.

    strict  without the field that is ours
    """
    done: dict[str, msgspec.Raw] = {}

    def once(part: T, show: Callable[[T], dict[str, Any]]) -> msgspec.Raw:
        if part.id not in done:
            done[part.id] = encoded(show(part))
        return done[part.id]

    def show_tool(record: ToolRecord) -> dict[str, Any]:
        return tools.tool(record, strict=strict)

    made = []
    for profile in profiles:
        of_blocks = [once(block, blocks.block) for block in profile.blocks] if relations.blocks else []
        of_tools = [once(tool, show_tool) for tool in profile.tools] if relations.tools else []
        card = card_or_handle(profile.agent.model, card_of)
        state = _state(profile, card, of_blocks, of_tools, profile.agent.tags if relations.tags else [])
        if relations.secrets:
            names = [_secret(secret) for secret in profile.secrets]
            state["secrets"], state["tool_exec_environment_variables"] = names, names
        if relations.sources:
            state["sources"] = [folders.folder(one) for one in profile.folders]
        if not strict:
            state[memory.FIELD] = memory.of_agent(profile.agent.memory, profile.agent.id)
            if card.instead_of is not None:
                state[models.FIELD] = models.fallback(card.instead_of, card.handle)
        made.append(state)
    return made


def _secret(secret: SecretName) -> dict[str, Any]:
    """That there is one. Its value is handed to tools, and shown to nobody."""
    updated = iso(secret.updated_at_ms)
    return {
        "id": secret.id,
        "agent_id": secret.agent_id,
        "key": secret.name,
        "value": "",
        "value_enc": None,
        "description": None,
        "created_at": updated,
        "updated_at": updated,
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def card_or_handle(handle: str, card_of: Callable[[str], ModelCard]) -> ModelCard:
    """The agent's model, or what its handle says where no provider serves it any more."""
    try:
        return card_of(handle)
    except ModelError:
        provider, _, name = handle.partition("/")
        return ModelCard(handle=handle, provider=provider, name=name or handle, provider_type=provider)


def _model_settings(agent: Agent, card: ModelCard) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "provider_type": models.settings_type(card),
        "max_output_tokens": agent.output_tokens_max or card.output_tokens_max,
        "parallel_tool_calls": agent.parallel_tool_calls,
    }
    if agent.temperature is not None:
        shown["temperature"] = agent.temperature
    shown.update(agent.extras.get("model_settings", {}))
    return shown


def _state(
    profile: Profile, card: ModelCard, of_blocks: list[Any], of_tools: list[Any], tags: list[str]
) -> dict[str, Any]:
    agent, last, extras = profile.agent, profile.last_run, profile.agent.extras
    bounds = bounds_of(agent, card)
    return {
        "id": agent.id,
        "name": agent.name,
        "agent_type": agent.agent_type,
        "description": agent.description,
        "metadata": agent.metadata,
        "system": agent.system,
        "model": agent.model,
        "embedding": agent.embedding,
        "model_settings": _model_settings(agent, card),
        "llm_config": models.llm_config(card, agent.context_window_tokens, agent.output_tokens_max, agent.temperature),
        "embedding_config": None,
        "compaction_settings": extras.get("compaction_settings"),
        "response_format": extras.get("response_format"),
        "blocks": of_blocks,
        "memory": {
            "agent_type": agent.agent_type,
            "git_enabled": False,
            "blocks": of_blocks,
            "file_blocks": [],
            "prompt_template": "",
        },
        "tools": of_tools,
        "tool_rules": extras.get("tool_rules", []),
        "tags": tags,
        "sources": [],
        "secrets": [],
        "tool_exec_environment_variables": [],
        "identity_ids": [],
        "identities": [],
        "message_ids": None,
        "pending_approval": None,
        "message_buffer_autoclear": extras.get("message_buffer_autoclear", False),
        "enable_sleeptime": extras.get("enable_sleeptime"),
        "multi_agent_group": None,
        "managed_group": None,
        "last_run_completion": iso_or_none(last.completed_at_ms if last else None),
        "last_run_duration_ms": last.completed_at_ms - last.created_at_ms if last else None,
        "last_stop_reason": last.stop_reason if last else None,
        "timezone": agent.timezone,
        "max_files_open": bounds.files_open,
        "per_file_view_window_char_limit": bounds.view_chars,
        "hidden": agent.hidden or None,
        "project_id": extras.get("project_id"),
        "template_id": extras.get("template_id"),
        "base_template_id": extras.get("base_template_id"),
        "deployment_id": None,
        "entity_id": None,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": iso(agent.created_at_ms),
        "updated_at": iso(agent.updated_at_ms),
    }
