"""What must hold of a whole agent file before any of it is looked at: its shape, its texts, its references."""

import graphlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kelpie.api import limits
from kelpie.errors import InvalidInput, LimitExceeded
from umi.entity import check_text

# What an agent names, and in which list it is.
_NAMED = {"tool_ids": "tools", "block_ids": "blocks", "source_ids": "sources", "folder_ids": "sources"}
LISTS = ("agents", "groups", "blocks", "files", "sources", "tools", "mcp_servers", "skills")


def decoded(data: bytes) -> dict[str, Any]:
    """The JSON of a file; a file whose JSON was put into a JSON string is read all the same.

    Raises InvalidInput for what is no JSON object, also for half of a surrogate pair or nesting without end.
    """
    try:
        found = msgspec.json.decode(data)
        if isinstance(found, str):
            found = msgspec.json.decode(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"an agent file is JSON; this is not: {error!s:.200}") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"an agent file is a JSON object, not a {type(found).__name__}")
    check_texts("the agent file", found)
    return found


def check_texts(what: str, whole: Any) -> None:
    """Raise InvalidInput for a text anywhere inside that no store takes, LimitExceeded for nesting without end."""
    level: list[tuple[str, Any]] = [(what, whole)]
    for _ in range(limits.AGENT_FILE_DEPTH_MAX):
        inside: list[tuple[str, Any]] = []
        for where, value in level:
            if isinstance(value, str):
                check_text(where, value)
            elif isinstance(value, dict):
                for name in value:
                    check_text(f"a key of {where}", name)
                inside += [(f"{where}.{name[:64]}", one) for name, one in value.items()]
            elif isinstance(value, list):
                inside += [(where, one) for one in value]
        level = inside
        if not level:
            return
    most = limits.AGENT_FILE_DEPTH_MAX
    raise LimitExceeded(f"the nesting of {what}", most + 1, most, "levels")


def lists_of(file: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The lists of a file, each of objects; one that older servers didn't write is empty. Raises InvalidInput."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in LISTS:
        items = file.get(name)
        if items is None and name != "agents":
            items = []
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise InvalidInput(f"'{name}' of an agent file is a list of objects")
        found[name] = items
    if not found["agents"]:
        raise InvalidInput("this agent file holds no agent")
    return found


def ids_of(name: str, items: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of one list. Raises InvalidInput for one that is missing or there twice."""
    seen: set[str] = set()
    for place, one in enumerate(items):
        found = one.get("id")
        if not isinstance(found, str) or not found or len(found) > limits.HANDLE_CHARS_MAX:
            raise InvalidInput(f"{name}[{place}] of the agent file needs an id that is a text")
        if found in seen:
            raise InvalidInput(f"two of the {name} of the agent file have the id '{found[:64]}'")
        seen.add(found)
    return seen


def check_references(lists: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Raise InvalidInput for an id that is there twice, a reference to nothing, and groups that manage themselves."""
    ids = {name: ids_of(name, lists[name]) for name in LISTS if name != "skills"}
    for agent in lists["agents"]:
        who = f"the agent '{agent['id'][:64]}'"
        told = ids_of(f"messages of {who}", _objects(who, agent, "messages"))
        _objects(who, agent, "memory_blocks")
        for field, name in _NAMED.items():
            _check_refs(who, agent, field, ids[name])
        for held in _objects(who, agent, "files_agents"):
            for field, name in (("file_id", "files"), ("source_id", "sources")):
                _check_refs(f"files_agents of {who}", {field: [held.get(field)]}, field, ids[name])
        _check_refs(who, agent, "group_ids", ids["groups"])
        _check_refs(who, agent, "in_context_message_ids", told)
    for one in lists["files"]:
        _check_refs(f"the file '{one['id'][:64]}'", {"source_id": [one.get("source_id")]}, "source_id", ids["sources"])
    for group in lists["groups"]:
        who = f"the group '{group['id'][:64]}'"
        _check_refs(who, group, "agent_ids", ids["agents"])
        _check_refs(who, group, "shared_block_ids", ids["blocks"])
    _check_groups(lists["groups"], ids["agents"])


def _objects(who: str, one: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    items = one.get(field) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidInput(f"{field} of {who} is a list of objects")
    return items


def _check_refs(who: str, one: Mapping[str, Any], field: str, among: set[str]) -> None:
    refs = one.get(field) or []
    if not isinstance(refs, list) or not all(isinstance(ref, str) for ref in refs):
        raise InvalidInput(f"{field} of {who} is a list of ids")
    missing = [ref for ref in refs if ref not in among]
    if missing:
        raise InvalidInput(f"{field} of {who} names '{missing[0][:64]}', which is not in the agent file")


def _check_groups(groups: Sequence[Mapping[str, Any]], agents: set[str]) -> None:
    """A manager stands above its members: an agent above itself would wait for itself."""
    above: dict[str, set[str]] = {}
    for group in groups:
        config = group.get("manager_config")
        manager = config.get("manager_agent_id") if isinstance(config, dict) else None
        if manager is None:
            continue
        if not isinstance(manager, str) or manager not in agents:
            raise InvalidInput(f"the manager of the group '{group['id'][:64]}' is not in the agent file")
        for member in group.get("agent_ids") or []:
            above.setdefault(member, set()).add(manager)
    try:
        graphlib.TopologicalSorter(above).prepare()
    except graphlib.CycleError as error:
        members = " → ".join(str(one)[:64] for one in error.args[1][:10])
        raise InvalidInput(f"the groups of the agent file go round in a circle: {members}") from None
