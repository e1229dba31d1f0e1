"""Agent files for tests: one that holds something of everything, many that hypothesis draws, and what to compare."""

import copy
import json
import re

from hypothesis import strategies as st

MODEL = "openai/gpt-4o-mini"
SOURCE = '''\
def {name}(city: str) -> str:
    """Say how warm it is.

    Args:
        city: Where.
    """
    return f"{{city}}: {number} degrees"
'''
EMBEDDING = {
    "embedding_endpoint_type": "openai",
    "embedding_model": "text-embedding-3-small",
    "embedding_dim": 1536,
    "embedding_chunk_size": 100,
}
_ID = re.compile(r"agent-[0-9a-f]{8}-[0-9a-f-]{27}")


def message(number, role, text=None, **fields):
    content = [] if text is None else [{"type": "text", "text": text}]
    at = f"2026-03-01T10:{number // 60:02d}:{number % 60:02d}.{number % 1000:03d}+00:00"
    return {"id": f"message-{number}", "role": role, "content": content, "created_at": at} | fields


def call(call_id, name="lookup", arguments='{"city": "Oslo"}'):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def returned(number, call_id, text, status="success"):
    returns = [{"tool_call_id": call_id, "status": status, "func_response": text, "stdout": None, "stderr": None}]
    return message(number, "tool", text, tool_call_id=call_id, name="lookup", tool_returns=returns)


def file(**agent_fields):
    """As Letta 0.16.7 writes it, in the fields that matter."""
    messages = [
        message(0, "system", "You are Ada's helper."),
        message(1, "user", "How warm is Oslo?"),
        message(2, "assistant", "Let me see.", tool_calls=[call("call-1")]),
        returned(3, "call-1", "Oslo: 4 degrees"),
        message(4, "assistant", "Four degrees."),
    ]
    agent = {
        "id": "agent-0",
        "name": "Ada's helper",
        "system": "You help Ada.",
        "agent_type": "letta_v1_agent",
        "llm_config": {
            "model": "gpt-4o-mini",
            "model_endpoint_type": "openai",
            "context_window": 32000,
            "handle": MODEL,
        },
        "embedding_config": {
            "embedding_endpoint_type": "openai",
            "embedding_model": "x",
            "embedding_dim": 8,
            "handle": "openai/text-embedding-3-small",
        },
        "tags": ["weather"],
        "block_ids": ["block-0"],
        "tool_ids": ["tool-0", "tool-1"],
        "tool_rules": [{"type": "exit_loop", "tool_name": "lookup"}],
        "messages": messages,
        "in_context_message_ids": [one["id"] for one in messages],
        "tool_exec_environment_variables": {"WEATHER_KEY": ""},
        "timezone": "Europe/Oslo",
        "message_buffer_autoclear": False,
    } | agent_fields
    return {
        "agents": [agent],
        "groups": [],
        "blocks": [{"id": "block-0", "label": "human", "value": "Ada lives in Oslo.", "limit": 2000}],
        "files": [],
        "sources": [],
        "tools": [
            {"id": "tool-0", "name": "lookup", "tool_type": "custom", "source_type": "python",
             "source_code": SOURCE.format(name="lookup", number=4), "tags": []},
            {"id": "tool-1", "name": "conversation_search", "tool_type": "letta_core"},
        ],
        "mcp_servers": [],
        "metadata": {"revision_id": "abc"},
        "created_at": "2026-03-01T10:00:00+00:00",
    }  # fmt: skip


def send(http, body, **form):
    """Import a file: a dict, or bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    form = {"append_copy_suffix": "false"} | form
    return http.post("/v1/agents/import", files={"file": ("agent.af", data, "application/json")}, data=form)


def brought(http, body, **form):
    """The id of the one agent of a file that is taken."""
    answer = send(http, body, **form)
    assert answer.status_code == 200, answer.text
    (agent_id,) = answer.json()["agent_ids"]
    return agent_id


def exported(http, agent_id, **query):
    answer = http.get(f"/v1/agents/{agent_id}/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def timeless(exported_file):
    """Without what is another at each import: the agent's id in its prompt, and the times of agent and prompt."""
    found = json.loads(_ID.sub("agent", json.dumps(copy.deepcopy(exported_file))))
    parts = [found, *found.get("core_memory", []), *found.get("tools", []),
             *(one for one in found.get("tool_exec_environment_variables", []) if isinstance(one, dict))]  # fmt: skip
    for part in parts:
        part.pop("created_at", None)
        part.pop("updated_at", None)
    for one in found["agents"][0]["files_agents"] if "agents" in found else ():
        one.pop("last_accessed_at")
    messages = found["agents"][0]["messages"] if "agents" in found else found["messages"]
    for name in ("created_at", "updated_at"):
        messages[0].pop(name, None)
    return found


# What hypothesis draws

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
_words = _text.filter(lambda text: bool(text.strip()))
_name = st.text("abcdef ÄöΩ-_.123", min_size=1, max_size=12).filter(lambda text: bool(text.strip()))
_json = st.dictionaries(_text, st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), _text), max_size=3)


@st.composite
def histories(draw):
    """Turns as a runtime leaves them: every call is answered."""
    messages, number = [message(0, "system", "as compiled")], 1
    for turn in range(draw(st.integers(0, 4))):
        messages.append(message(number, "user", draw(_words)))
        number += 1
        for step in range(draw(st.integers(0, 2))):
            ids = [f"call-{turn}-{step}-{one}" for one in range(draw(st.integers(1, 2)))]
            calls = [call(one, arguments=json.dumps(draw(_json))) for one in ids]
            messages.append(message(number, "assistant", draw(st.none() | _words), tool_calls=calls))
            number += 1
            for one in ids:
                status = draw(st.sampled_from(["success", "error"]))
                messages.append(returned(number, one, draw(_text), status))
                number += 1
        said = message(number, "assistant", draw(_words))
        if draw(st.booleans()):
            reasoning = {"type": "reasoning", "is_native": True, "reasoning": draw(_words), "signature": None}
            said["content"].insert(0, reasoning)
        messages.append(said)
        number += 1
    return messages


_passages = st.lists(
    st.fixed_dictionaries(
        {"text": _words, "tags": st.lists(_words, max_size=2, unique=True), "metadata": _json,
         "valid_from_ms": st.integers(0, 2_000_000_000_000)}
    ),
    max_size=3,
).map(lambda found: [one | {"id": f"passage-{number}"} for number, one in enumerate(found)])  # fmt: skip


@st.composite
def files(draw):
    """A file of one agent with something of everything."""
    drawn = file(
        name=draw(_name).strip(),
        description=draw(st.none() | _text),
        system=draw(_text),
        metadata=draw(_json),
        tags=draw(st.lists(_words, max_size=3, unique=True)),
        messages=draw(histories()),
        in_context_message_ids=[],
        model=draw(st.sampled_from([MODEL, "elsewhere/model-7", None])),
        max_tokens=draw(st.none() | st.integers(1, 9_000)),
        context_window_limit=draw(st.none() | st.sampled_from([200, 8_000])),
        model_settings=draw(st.none() | st.just({"temperature": 0.25, "verbosity": "low"})),
        parallel_tool_calls=draw(st.none() | st.booleans()),
        hidden=draw(st.none() | st.just(True)),
        max_files_open=draw(st.none() | st.integers(1, 9)),
    )
    labels = draw(st.lists(st.sampled_from("human persona notes täg".split()), max_size=3, unique=True))
    drawn["blocks"] = [
        {"id": f"block-{number}", "label": label, "value": draw(_text), "limit": 500, "metadata": draw(_json),
         "description": draw(st.none() | _text), "read_only": draw(st.booleans())}
        for number, label in enumerate(labels)
    ]  # fmt: skip
    drawn["agents"][0]["block_ids"] = [one["id"] for one in drawn["blocks"]]
    daily = {"type": "recurring", "cron_expression": "0 7 * * *", "timezone": "Europe/Oslo"}
    schedules = [{"messages": [{"role": "user", "content": "Good morning"}], "schedule": daily}]
    ours = {
        "memory": draw(
            st.sampled_from([{}, {"recall": True}, {"recall": True, "remember": True, "scope": "user:ada"}])
        ),
        "passages": draw(_passages),
        "schedules": draw(st.sampled_from([[], schedules])),
    }
    drawn["kelpie"] = {"version": 1, "agents": {"agent-0": ours}}
    return drawn
