"""Agents on the wire: what a client may ask for, and an agent with all that belongs to it."""

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, Field, SecretStr

from kelpie.agents import kinds
from kelpie.agents import limits as agent_limits
from kelpie.agents.agent import REMEMBERS, Agent, AgentMemory
from kelpie.agents.context.directories import bounds_of
from kelpie.agents.profile import Profile
from kelpie.agents.turn import structured
from kelpie.api import limits
from kelpie.api.answer import encoded
from kelpie.api.bounds import Tag, check_json_bytes
from kelpie.api.wire import (
    blocks,
    folders,
    groups,
    identities,
    memory,
    messages,
    model_settings,
    models,
    tool_rules,
    tools,
)
from kelpie.api.wire.blocks import CreateBlock
from kelpie.api.wire.compaction import CompactionSettings
from kelpie.api.wire.incoming import MessageCreate, message_of
from kelpie.api.wire.times import iso, iso_or_none
from kelpie.api.wire.tool_rules import ToolRule
from kelpie.errors import CallerError, InvalidInput, ModelError, NotServed
from kelpie.files import limits as file_limits
from kelpie.identities import limits as identity_limits
from kelpie.models.model import ModelCard
from kelpie.tools.custom import ToolRecord
from kelpie.tools.secrets import SecretName, Secrets
from kelpie.tools.secrets import check as check_secrets
from umi.entity import Block
from umi.wire.types import Message

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
# Kept for the client and given back; but for the bounds of files they change nothing here. docs/api.md says so.
_KEPT = (
    "compaction_settings",
    "enable_sleeptime",
    "max_files_open",
    "per_file_view_window_char_limit",
    "project_id",
    "template_id",
    "base_template_id",
)
T = TypeVar("T", Block, ToolRecord)
_TIMEZONE = re.compile(r"[A-Za-z0-9_+\-/]{1,64}")


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
    identity_ids: list[str] | None = Field(default=None, max_length=identity_limits.IDENTITIES_PER_OWNER_MAX)
    compaction_settings: CompactionSettings | None = None
    response_format: dict[str, Any] | None = None
    tool_rules: list[ToolRule] | None = Field(default=None, max_length=agent_limits.AGENT_RULES_MAX)
    message_buffer_autoclear: bool | None = None
    enable_sleeptime: bool | None = None
    max_files_open: int | None = Field(default=None, ge=0, le=file_limits.AGENT_FILES_OPEN_MAX)
    per_file_view_window_char_limit: int | None = Field(default=None, ge=1, le=file_limits.AGENT_VIEW_CHARS_MAX)
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None

    def fields(self, extras: dict[str, Any], remembers: AgentMemory | None) -> dict[str, Any]:
        """The given fields in our words; `extras` is what is kept already, `remembers` the memory that the agent has
        (None: its metadata are not read for it). Raises InvalidInput, LimitExceeded."""
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
            "rules": None if self.tool_rules is None else [rule.rule() for rule in self.tool_rules],
            **(model_settings.fields(self.model_settings) if self.model_settings is not None else {}),
            "forgets": self.message_buffer_autoclear,
        }
        if self.response_format is not None:
            given["response_format"] = structured.checked_format(self.response_format)
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
        if self.compaction_settings is not None:
            kept["compaction_settings"] = self.compaction_settings.kept()
        if self.model_settings is not None:
            kept["model_settings"] = model_settings.kept(self.model_settings)
        return kept


class CreateAgent(_AgentFields):
    agent_type: AgentType = "letta_v1_agent"
    memory_blocks: list[CreateBlock] | None = Field(default=None, max_length=limits.BLOCKS_PER_AGENT_MAX)
    tools: list[str] | None = None
    include_base_tools: bool = True
    include_multi_agent_tools: bool = False
    include_base_tool_rules: bool | None = None
    initial_message_sequence: list[MessageCreate] | None = Field(default=None, max_length=limits.FIRST_MESSAGES_MAX)
    from_template: str | None = None

    def agent(self, tenant: str, agent_id: str, name: str, now_ms: int, *, remembers: bool) -> Agent:
        """`remembers`: it has a memory unless its metadata say otherwise. Raises InvalidInput, LimitExceeded,
        NotServed."""
        if self.agent_type in kinds.UNSERVED:
            raise CallerError(f"agents of type {self.agent_type} can't run here: {kinds.UNSERVED[self.agent_type]}")
        if self.from_template:
            raise NotServed("agents made from templates are not served: templates are Letta's cloud's")
        kind = kinds.of(self.agent_type)
        own = REMEMBERS if kind.remembers else AgentMemory()
        given = self.fields({}, own if remembers else None)
        if "model" not in given:
            raise InvalidInput("an agent needs a model: give its handle, provider/model (GET /v1/models/ lists them)")
        given.setdefault("name", name)
        given.setdefault("system", kind.prompt)
        given["forgets"] = kind.forgets or given.get("forgets", False)
        return Agent(
            tenant=tenant,
            id=agent_id,
            agent_type=self.agent_type,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            **given,
        )

    def tool_names(self) -> list[str]:
        kind = kinds.of(self.agent_type)
        base = kinds.beginning_tools(kind, pairs=bool(self.enable_sleeptime)) if self.include_base_tools else ()
        return list(dict.fromkeys([*base, *(self.tools or [])]))

    def wished_tools(self) -> list[str]:
        return list(kinds.MULTI_AGENT_TOOLS) if self.include_multi_agent_tools else []

    def first(self) -> list[Message] | None:
        """What its history begins with after the system message; None: what its kind has. Raises InvalidInput."""
        if self.initial_message_sequence is None:
            return None
        return [message_of(one) for one in self.initial_message_sequence]


class ModifyAgent(_AgentFields):
    pass


class Relations(msgspec.Struct, frozen=True):
    """Which of an agent's relations an answer holds; the others are empty lists."""

    blocks: bool = True
    tools: bool = True
    tags: bool = True
    secrets: bool = True
    sources: bool = True
    identities: bool = True
    managed_group: bool = True


WHOLE = Relations()


def relations(include: list[str] | None, *, is_sdk_1: bool) -> Relations:
    """Clients of generation 1 are given in lists what they ask for; older ones everything."""
    if not is_sdk_1 and not include:
        return WHOLE
    asked = set(include or [])
    return Relations(*(f"agent.{name}" in asked for name in Relations.__struct_fields__))


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
        _relate(state, profile, relations)
        if not strict:
            state[memory.FIELD] = memory.of_agent(profile.agent.memory, profile.agent.id)
            if card.instead_of is not None:
                state[models.FIELD] = models.fallback(card.instead_of, card.handle)
        made.append(state)
    return made


def _relate(state: dict[str, Any], profile: Profile, relations: Relations) -> None:
    """Add what belongs to the agent and is shared with no other of the answer."""
    if relations.secrets:
        names = [_secret(secret) for secret in profile.secrets]
        state["secrets"], state["tool_exec_environment_variables"] = names, names
    if relations.sources:
        state["sources"] = [folders.folder(one) for one in profile.folders]
    if relations.identities:
        state["identities"] = [identities.identity(one) for one in profile.identities]
        state["identity_ids"] = [one.id for one in profile.identities]
    if relations.managed_group and profile.managed is not None:
        state["managed_group"] = state["multi_agent_group"] = groups.group(profile.managed)


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
        "model_settings": model_settings.shown(agent, card),
        "llm_config": models.llm_config(card, agent.context_window_tokens, agent.output_tokens_max, agent.temperature),
        "embedding_config": None,
        "compaction_settings": extras.get("compaction_settings"),
        "response_format": agent.response_format,
        "blocks": of_blocks,
        "memory": {
            "agent_type": agent.agent_type,
            "git_enabled": False,
            "blocks": of_blocks,
            "file_blocks": [],
            "prompt_template": "",
        },
        "tools": of_tools,
        "tool_rules": tool_rules.shown(agent.rules),
        "tags": tags,
        "sources": [],
        "secrets": [],
        "tool_exec_environment_variables": [],
        "identity_ids": [],
        "identities": [],
        "message_ids": None,
        "pending_approval": None if profile.asking is None else messages.approval_request(profile.asking),
        "message_buffer_autoclear": agent.forgets,
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
