"""Whatever stands anywhere in an agent file, it is read or refused in words; nothing is a bug of ours."""

import copy
import json

import pytest
from tests.kelpie.api import agent_files as made

from kelpie.agents import agent as agents
from kelpie.api.wire.agent_files import reading
from kelpie.errors import CallerError
from kelpie.tools import custom
from kelpie.tools.memory import MEMORY_TOOLS
from umi import archival, core

WISHES = reading.Wishes(now_ms=1, nameless="nameless", builtins=frozenset(tool.name for tool in MEMORY_TOOLS))
STRANGE = (None, 7, -1.5, True, "x", "", [], {}, [7], [[]], ["x"], {"a": 1}, [{}], [{"id": []}])


def whole():
    """A file with something of everything, in every list."""
    daily = {"type": "recurring", "cron_expression": "0 7 * * *"}
    body = made.file(memory_blocks=[{"label": "own", "value": "x"}], model_settings={"temperature": 0.5})
    body["tools"][0]["json_schema"] = {
        "name": "lookup",
        "description": "d",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "request_heartbeat": {}},
            "required": [],
        },
    }
    body["sources"] = [{"id": "source-0", "name": "s"}]
    body["files"] = [{"id": "file-0", "source_id": "source-0"}]
    manager = {"manager_type": "supervisor", "manager_agent_id": "agent-0"}
    body["groups"] = [{"id": "group-0", "agent_ids": [], "manager_config": manager, "shared_block_ids": ["block-0"]}]
    ours = {
        "memory": {"recall": True},
        "history": [made.message(100, "user", "long ago")],
        "passages": [{"id": "p", "text": "x", "claims": [{"subject": "a", "attribute": "b", "value": "c"}]}],
        "schedules": [{"messages": [{"role": "user", "content": "x"}], "schedule": daily}],
        "left_out": {"messages": 3},
    }
    extra = {"blocks": {"block-0": {"type": "preference"}}, "tools": {"tool-0": {"egress": {"hosts": ["a.example"]}}}}
    body["kelpie"] = {"version": 1, "agents": {"agent-0": ours}, **extra}
    return body


def older():
    one = {"label": "human", "value": "x", "limit": 9, "metadata_": {}}
    variable = {"key": "K", "value": ""}
    said = {"role": "user", "content": "x", "tool_calls": [], "tool_returns": []}
    body = {"version": "0.6", "name": "x", "agent_type": "memgpt_agent", "llm_config": {"handle": made.MODEL}}
    lists = {"core_memory": [one], "tools": [made.file()["tools"][0]], "messages": [said], "tags": [{"tag": "t"}]}
    places = {"in_context_message_indices": [0], "tool_exec_environment_variables": [variable]}
    return body | lists | places | {"kelpie": {"version": 1, "agents": {"agent-0": {"settings": {"max_tokens": 5}}}}}


def paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from paths(inner, (*path, name))


def changed(body, path, strange):
    if not path:
        return strange
    found = copy.deepcopy(body)
    at = found
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = strange
    return found


def taken(body, host):
    """Whether a file is taken: as far as that is decided before the store is asked. Raises only what is a bug."""
    try:
        parcel = reading.read(json.dumps(body).encode(), WISHES)
        for one in parcel.agents:
            agents.check(one.agent)
            for fact in one.facts:
                archival.check(fact)
        for block in parcel.blocks.values():
            core.check(block)
        for tool in parcel.tools.values():
            if not isinstance(tool, str):
                custom.drafted(host, "t", tool)
    except CallerError as error:
        return not says_what(error)
    return True


def says_what(error):
    """In words, and not too many."""
    assert 0 < len(str(error)) < 1_000
    assert 400 <= error.http_status < 500 or error.http_status == 501
    return True


@pytest.mark.parametrize("body", [whole(), older()], ids=["current", "older"])
def test_anything_anywhere_is_taken_or_refused_in_words(body, host):
    assert taken(body, host)
    answers = [taken(changed(body, path, strange), host) for path in paths(body) for strange in STRANGE]
    assert answers.count(True) > 100
    assert answers.count(False) > 100
