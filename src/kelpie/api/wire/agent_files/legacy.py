"""The older format: one agent without ids, its blocks and tools inside it, its messages named by their place.

What it has no field for stands under `kelpie`, so that coming back is the same agent.
"""

from collections.abc import Mapping
from typing import Any

from kelpie.api.wire.agent_files import extension
from kelpie.errors import InvalidInput

VERSION = "0.16.7"  # of the server whose words these are
AGENT_REF = "agent-0"
_SETTINGS = "model embedding context_window_limit max_tokens model_settings parallel_tool_calls project_id template_id"
# Fields that both formats have under one name.
_SAME = (
    "name description system agent_type llm_config embedding_config tool_rules message_buffer_autoclear response_format"
    " compaction_settings enable_sleeptime timezone max_files_open per_file_view_window_char_limit hidden"
).split()
_ONLY_NEWER = (*_SETTINGS.split(), "base_template_id")


def is_legacy(file: Mapping[str, Any]) -> bool:
    return "agents" not in file and "core_memory" in file


# older -> current


def as_current(old: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InvalidInput."""
    version = old.get("version")
    if not isinstance(version, str):
        raise InvalidInput("an agent file of the older format says the version of its server as a text")
    blocks = [_renamed(one, f"block-{number}") for number, one in enumerate(_list(old, "core_memory"))]
    tools = [{**one, "id": f"tool-{number}"} for number, one in enumerate(_list(old, "tools"))]
    messages = [{**one, "id": f"message-{number}"} for number, one in enumerate(_list(old, "messages"))]
    ours = old.get(extension.KEY)
    agent = {
        **{name: old[name] for name in _SAME if name in old},
        **_settings(ours),
        "id": AGENT_REF,
        "metadata": old.get("metadata_"),
        "tags": [_text(one, "tag") for one in _list(old, "tags")],
        "block_ids": [one["id"] for one in blocks],
        "tool_ids": [one["id"] for one in tools],
        "messages": messages,
        "in_context_message_ids": [f"message-{place}" for place in _places(old, len(messages))],
        "tool_exec_environment_variables": {
            _text(one, "key"): str(one.get("value") or "") for one in _list(old, "tool_exec_environment_variables")
        },
        "include_base_tools": False,
    }
    group = old.get("multi_agent_group")
    return {
        "agents": [agent],
        "groups": [],
        "blocks": blocks,
        "tools": tools,
        **({"groups of the older format": None} if group else {}),
        **({extension.KEY: _without_settings(ours)} if ours is not None else {}),
    }


def _settings(ours: Any) -> dict[str, Any]:
    """What is checked with the rest of the extension is only looked for here."""
    try:
        settings = ours["agents"][AGENT_REF]["settings"]
        return {name: settings[name] for name in _ONLY_NEWER if name in settings}
    except (KeyError, TypeError):
        return {}


def _without_settings(ours: Any) -> Any:
    if not isinstance(ours, dict) or not isinstance(ours.get("agents"), dict):
        return ours
    found = ours["agents"].get(AGENT_REF)
    if not isinstance(found, dict):
        return ours
    kept = {name: value for name, value in found.items() if name != "settings"}
    return {**ours, "agents": {**ours["agents"], AGENT_REF: kept}}


def _renamed(block: Mapping[str, Any], ref: str) -> dict[str, Any]:
    return {**{name: value for name, value in block.items() if name != "metadata_"}, "id": ref} | (
        {"metadata": block["metadata_"]} if block.get("metadata_") is not None else {}
    )


def _list(old: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = old.get(name) or []
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise InvalidInput(f"'{name}' of an agent file of the older format is a list of objects")
    return items


def _text(one: Mapping[str, Any], name: str) -> str:
    found = one.get(name)
    if not isinstance(found, str):
        raise InvalidInput(f"an entry of an agent file of the older format needs a text as its '{name}'")
    return found


def _places(old: Mapping[str, Any], count: int) -> list[int]:
    places = old.get("in_context_message_indices") or []
    if not isinstance(places, list) or not all(isinstance(one, int) and 0 <= one < count for one in places):
        raise InvalidInput("'in_context_message_indices' of the agent file names a message that is not in it")
    return places


# current -> older


def as_older(file: Mapping[str, Any]) -> dict[str, Any]:
    """A file with one agent, as `writing` makes it."""
    (agent,) = file["agents"]
    at = {"created_at": file["created_at"], "updated_at": file["created_at"]}
    place_of = {one["id"]: place for place, one in enumerate(agent["messages"])}
    older = {
        **{name: agent[name] for name in _SAME},
        **at,
        "version": VERSION,
        "metadata_": agent["metadata"],
        "tags": [{"tag": tag} for tag in agent["tags"]],
        "core_memory": [_older_block(one) | at for one in file["blocks"]],
        "tools": [_without_id(one) | at for one in file["tools"]],
        "messages": [_older_message(one) for one in agent["messages"]],
        "in_context_message_indices": [place_of[ref] for ref in agent["in_context_message_ids"]],
        "tool_exec_environment_variables": [
            {"key": name, "value": "", "description": None, **at} for name in agent["secrets"]
        ],
        "multi_agent_group": None,
    }
    if extension.KEY in file:
        ours = file[extension.KEY]
        settings = {name: agent[name] for name in _ONLY_NEWER if agent[name] is not None}
        with_settings = {**ours.get("agents", {}).get(AGENT_REF, {}), "settings": settings}
        if file["sources"]:
            with_settings["left_out"] = {**with_settings.get("left_out", {}), "folders": len(file["sources"])}
        older[extension.KEY] = {**ours, "agents": {AGENT_REF: with_settings}}
    return older


def _without_id(one: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name != "id"}


def _older_block(one: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in _without_id(one).items() if name != "metadata"}
    return kept | {"metadata_": one["metadata"]}


def _older_message(one: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in _without_id(one).items() if name not in ("agent_id", "type")}
    return kept | {
        "tool_calls": one["tool_calls"] or [],
        "tool_returns": one["tool_returns"] or [],
        "updated_at": one["created_at"],
    }
