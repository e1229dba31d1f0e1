"""Agents, tools and blocks as agent files and Letta's database word them, turned into ours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kelpie.agents.agent import Agent
from kelpie.api.wire import groups
from kelpie.api.wire.agents import CreateAgent
from kelpie.api.wire.blocks import CreateBlock
from kelpie.api.wire.tools import CreateTool
from kelpie.errors import CallerError, InvalidInput
from kelpie.groups import Group
from kelpie.groups.records import check as check_group
from kelpie.moving import limits
from kelpie.tools.custom import CUSTOM, ToolDraft
from kelpie.tools.secrets import NO_SECRETS, Secrets
from umi.entity import Block

Body = TypeVar("Body", bound=BaseModel)
# A file names its own; what another server calls them is not ours to keep.
_REPLACED = "identity_ids source_ids folder_ids memory_blocks tools block_ids tool_ids initial_message_sequence".split()
# Temperatures that Letta writes where nobody chose one; some models take no other than their own.
_DEFAULT_TEMPERATURES = (0.7, 1.0)
# Of the older description of a model, what would change how it answers and has no place here.
_UNTAKEN_CONFIG = {
    "reasoning_effort": None,
    "effort": None,
    "frequency_penalty": None,
    "verbosity": None,
    "max_reasoning_tokens": 0,
}
# Letta put it into the schemas of tools once, and took it out of the call again.
_HEARTBEAT = "request_heartbeat"


@dataclass
class Notes:
    """What of a file is not taken, in sentences: bounded, each once."""

    lines: dict[str, None] = field(default_factory=dict)

    def add(self, line: str) -> None:
        if len(self.lines) < limits.PARCEL_NOTES_MAX:
            self.lines.setdefault(line)


def validated(what: str, body: type[Body], fields: Mapping[str, Any]) -> Body:
    """Raises InvalidInput, naming what and which field."""
    try:
        return body.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{what}: {where}: {first['msg']}"[:500]) from None


def agent_of(fields: Mapping[str, Any], notes: Notes, *, name: str, now_ms: int) -> tuple[Agent, Secrets]:
    """An agent and the secrets it names. Tenant and id are set where it arrives.

    name  if it has none
    Raises InvalidInput, LimitExceeded, and NotServed or CallerError for what can't run here.
    """
    what = f"the agent '{str(fields.get('name') or name)[:64]}'"
    if fields.get("identity_ids"):  # the format has no place for what they are
        notes.add(f"{what}: its identities are not taken")
    given = {key: value for key, value in fields.items() if key not in _REPLACED and value is not None}
    body = validated(what, CreateAgent, _adopted(given, what, notes))
    try:
        agent = body.agent("", "", name, now_ms, remembers=False)
        secrets = body.given_secrets() or NO_SECRETS
    except CallerError as error:
        error.args = (f"{what}: {error}",)
        raise
    return agent, secrets


def _adopted(given: dict[str, Any], what: str, notes: Notes) -> dict[str, Any]:
    """With the settings that stand in the older descriptions of a model and an embedder alone."""
    config, embedding = given.get("llm_config"), given.get("embedding_config")
    if isinstance(embedding, dict) and isinstance(embedding.get("handle"), str):
        given.setdefault("embedding", embedding["handle"])
    if not isinstance(config, dict) or "model" in given:
        return given
    for name, old in (("context_window_limit", "context_window"), ("max_tokens", "max_tokens")):
        if config.get(old):
            given.setdefault(name, config[old])
    temperature = config.get("temperature")
    settings = given.get("model_settings")
    if isinstance(temperature, int | float) and temperature not in _DEFAULT_TEMPERATURES:
        settings = (
            {"temperature": temperature, **settings} if isinstance(settings, dict) else {"temperature": temperature}
        )
    untaken = [name for name, usual in _UNTAKEN_CONFIG.items() if config.get(name) not in (None, usual)]
    if untaken:
        notes.add(f"{what}: of its llm_config {', '.join(untaken)} change nothing here")
    return given | ({"model_settings": settings} if settings else {})


def block_of(what: str, fields: Mapping[str, Any], now_ms: int) -> Block:
    """Raises InvalidInput, LimitExceeded."""
    given = {name: value for name, value in fields.items() if value is not None}
    return validated(what, CreateBlock, given).block("", "", now_ms)


def tool_of(
    fields: Mapping[str, Any], builtins: Collection[str], notes: Notes, *, strict: bool
) -> ToolDraft | str | None:
    """A custom tool's draft, the name of a built-in tool, or None for one that this server has not.

    Raises InvalidInput, InvalidSource, LimitExceeded, NotServed, each naming the tool.
    """
    schema = fields.get("json_schema")
    name = fields.get("name") or (schema.get("name") if isinstance(schema, dict) else None)
    if not isinstance(name, str) or not name:
        raise InvalidInput(f"the tool '{str(fields.get('id'))[:64]}' has no name")
    what, kind = f"the tool '{name[:64]}'", fields.get("tool_type") or CUSTOM
    if name in builtins:
        if kind == CUSTOM:
            notes.add(f"{what} has the name of a built-in one, which stays: the source that comes with it is not taken")
        return name
    if kind != CUSTOM:
        notes.add(f"{what} ({str(kind)[:64]}) is not part of this server: agents come without it")
        return None
    given = {key: value for key, value in fields.items() if key in CreateTool.model_fields and value is not None}
    if isinstance(schema, dict):
        given |= {"json_schema": _plain_schema(schema, str(fields.get("source_code"))), "args_json_schema": None}
    try:
        draft = validated(what, CreateTool, given).draft(strict=strict)
    except CallerError as error:
        if not str(error).startswith(what):
            error.args = (f"{what}: {error}",)
        raise
    hosts = (draft.settings or {}).get("egress") or {}
    if hosts:
        notes.add(f"{what} may reach {', '.join(hosts['hosts'])[:200]}, as the file says: see that you want that")
    return draft


def _plain_schema(schema: dict[str, Any], source: str) -> dict[str, Any]:
    parameters = schema.get("parameters")
    known = parameters.get("properties") if isinstance(parameters, dict) else None
    if _HEARTBEAT in source or not isinstance(parameters, dict) or not isinstance(known, dict):
        return schema
    properties = {name: one for name, one in known.items() if name != _HEARTBEAT}
    required = parameters.get("required")
    if isinstance(required, list):
        required = [name for name in required if name != _HEARTBEAT]
    return {**schema, "parameters": {**parameters, "properties": properties, "required": required or []}}


def groups_of(lists: Sequence[Mapping[str, Any]], notes: Notes) -> list[Group]:
    """Groups whose agents, manager and blocks are references into the file, which were checked. What can't be a group
    here is left out, and said."""
    found: dict[str, Group] = {}
    for one in lists:
        what = f"the group '{one['id'][:64]}'"
        try:
            group = _group_of(what, one)
            key = f"in the background of {group.manager}" if group.kind == "sleeptime" else one["id"]
            if key in found:
                raise InvalidInput("its manager has another sleeptime group")
            found[key] = group
        except CallerError as error:
            notes.add(f"{what} is not taken: {error}")
    return list(found.values())


def _group_of(what: str, one: Mapping[str, Any]) -> Group:
    config = one.get("manager_config") or {}
    if not isinstance(config, dict):
        raise InvalidInput("its manager_config is no object")
    manager = config.get("manager_agent_id")
    config = {name: value for name, value in config.items() if name != "manager_agent_id"}
    asked = validated(what, groups.Ordering, config)
    shown = validated(what, groups.OfFile, one)
    group = Group(
        tenant="",
        id="",
        kind=asked.manager_type,  # type: ignore[arg-type]  # voice is refused by `fields`
        description=shown.description,
        agents=list(dict.fromkeys(one.get("agent_ids") or [])),
        blocks=list(dict.fromkeys(one.get("shared_block_ids") or [])),
        hidden=bool(shown.hidden),
        extras={} if shown.project_id is None else {"project_id": shown.project_id},
        **{**asked.fields(given=False), "manager": manager},
    )
    check_group(group)
    return group
