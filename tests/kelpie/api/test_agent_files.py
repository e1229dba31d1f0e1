"""Agents leave as files and come back the same, whatever is in them; a bad file is refused, whole."""

import importlib.util
import json

import pytest
from hypothesis import HealthCheck, given, settings
from tests.kelpie.api import agent_files as made
from tests.kelpie.api.agent_files import MODEL, brought, exported, file, send, timeless
from tests.kelpie.api.test_folders import done, upload

ADA, BEN = "ada-key-0123456789abcdef", "ben-key-0123456789abcdef"


@pytest.fixture(scope="module")
def two(scripted, tmp_path_factory):
    """A server with two tenants: what one exports the other has never seen."""
    from tests.kelpie.api.conftest import Live

    from kelpie.config import Config

    config = Config(
        data_folder=str(tmp_path_factory.mktemp("two")), openai_base_url=scripted, keys={ADA: "a", BEN: "b"}
    )
    server = Live(config, [ADA])
    server.ada, server.ben = server.client(ADA), server.client(BEN)
    yield server
    server.stop()


# Round trips


@pytest.mark.parametrize("older", [False, True])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=made.files())
def test_what_is_exported_comes_back_the_same(two, older, drawn):
    first = exported(two.ada, brought(two.ada, drawn), use_legacy_format=older)
    again = exported(two.ben, brought(two.ben, first), use_legacy_format=older)
    assert timeless(again) == timeless(first)


def test_an_agent_that_worked_here_moves_to_another_server(start, tmp_path, live):
    other = start(data_folder=str(tmp_path / "other"))
    agent = live.agent(
        name="Traveller", memory_blocks=[{"label": "human", "value": "Ada"}], tools=["archival_memory_insert"]
    )
    assert live.send(agent["id"], "Hello there").status_code == 200
    http = live.http
    http.post(f"/v1/agents/{agent['id']}/archival-memory", json={"text": "The key is under the mat", "tags": ["home"]})
    gone = exported(http, agent["id"])
    back = exported(other.http, brought(other.http, gone))
    assert timeless(back) == timeless(gone)
    told = {one["text"]: one.get("tags") for one in gone["kelpie"]["agents"]["agent-0"]["passages"]}
    assert told["The key is under the mat"] == ["home"]
    assert [one["role"] for one in gone["agents"][0]["messages"]] == ["system", "user", "assistant"]


def test_an_imported_agent_goes_on_where_it_was(live):
    agent_id = brought(live.http, file())
    answer = live.send(agent_id, "And Bergen?")
    assert answer.status_code == 200, answer.text
    told = live.http.get(f"/v1/agents/{agent_id}/messages", params={"order": "asc"}).json()
    kinds = [one["message_type"] for one in told]
    assert kinds[:6] == [
        "system_message",
        "user_message",
        "assistant_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    assert told[4]["tool_return"] == "Oslo: 4 degrees"


def test_the_older_format_of_another_server_is_read(live):
    older = {
        "version": "0.6.47",
        "name": "Old one",
        "agent_type": "memgpt_agent",
        "system": "You are old.",
        "description": None,
        "llm_config": {"model": "gpt-4o-mini", "model_endpoint_type": "openai", "context_window": 8000},
        "embedding_config": {"embedding_model": "x", "embedding_endpoint_type": "openai", "embedding_dim": 8},
        "core_memory": [{"label": "human", "value": "Ada", "limit": 2000, "metadata_": {"a": 1}, "created_at": "x"}],
        "tools": [{"name": "send_message", "tool_type": "letta_core", "json_schema": {"name": "send_message"}}],
        "tool_rules": [],
        "tags": [{"tag": "old"}],
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "x"}], "created_at": "2025-01-01T00:00:00+00:00"},
            {"role": "user", "text": "Hello", "created_at": "2025-01-01T00:00:01+00:00"},
        ],
        "in_context_message_indices": [0, 1],
        "tool_exec_environment_variables": [{"key": "TOKEN", "value": "", "description": None}],
        "message_buffer_autoclear": False,
        "metadata_": {"team": "blue"},
        "multi_agent_group": None,
    }
    agent_id = brought(live.http, older)
    agent = live.http.get(f"/v1/agents/{agent_id}").json()
    assert (agent["name"], agent["tags"], agent["metadata"]) == ("Old one", ["old"], {"team": "blue"})
    assert agent["model"] == MODEL
    assert [tool["name"] for tool in agent["tools"]] == ["send_message"]
    assert agent["blocks"][0]["metadata"] == {"a": 1}
    assert [secret["key"] for secret in agent["secrets"]] == ["TOKEN"]
    told = live.http.get(f"/v1/agents/{agent_id}/messages", params={"order": "asc"}).json()
    assert told[1]["content"] == "Hello"


def test_messages_beyond_the_context_travel_under_our_own_key(two):
    roles, words = ("assistant", "user"), "word " * 40
    said = [made.message(number, roles[number % 2], f"{number} {words}") for number in range(1, 61)]
    said.insert(0, made.message(0, "system", "x"))
    body = file(messages=said, in_context_message_ids=[], context_window_limit=600)
    found = exported(two.ada, brought(two.ada, body))
    recent = found["agents"][0]["messages"]
    history = found["kelpie"]["agents"]["agent-0"]["history"]
    assert len(recent) < 20
    assert recent[0]["role"] == "system"
    assert len(recent) - 1 + len(history) == 60
    assert found["agents"][0]["in_context_message_ids"] == [one["id"] for one in recent]
    again = exported(two.ben, brought(two.ben, found))
    assert timeless(again) == timeless(found)


def test_blocks_that_agents_of_one_file_share_stay_shared(live):
    body = file()
    body["agents"].append({**body["agents"][0], "id": "agent-1", "name": "Second"})
    first, second = send(live.http, body).json()["agent_ids"]
    blocks = [live.http.get(f"/v1/agents/{one}/core-memory/blocks").json() for one in (first, second)]
    assert blocks[0][0]["id"] == blocks[1][0]["id"]


def test_a_file_that_was_put_into_a_json_string_is_read(live):
    brought(live.http, json.dumps(json.dumps(file())).encode())


def test_how_a_tool_is_trusted_travels_and_the_hosts_it_may_reach_are_named(two):
    sandbox = {"trust": "untrusted", "timeout_ms": 5_000, "egress": {"hosts": ["api.example.com"]}, "workspace": True}
    body = file() | {"kelpie": {"version": 1, "tools": {"tool-0": sandbox}}}
    answer = send(two.ada, body)
    assert any("lookup" in note and "api.example.com" in note for note in answer.json()["kelpie_notes"])
    found = exported(two.ada, answer.json()["agent_ids"][0])
    assert found["kelpie"]["tools"]["tool-0"]["egress"]["hosts"] == ["api.example.com"]
    assert "kelpie_sandbox" not in found["tools"][0]  # Letta refuses a tool with a field that it doesn't know
    assert timeless(exported(two.ben, brought(two.ben, found))) == timeless(found)


def test_a_claim_of_a_tool_to_be_trusted_counts_only_where_it_belongs(live):
    body = file()
    body["tools"][0] |= {"name": "smuggler", "source_code": made.SOURCE.format(name="smuggler", number=1)}
    body["tools"][0]["kelpie_sandbox"] = {"egress": {"hosts": ["evil.example.com"]}}
    brought(live.http, body)
    (tool,) = live.http.get("/v1/tools/", params={"name": "smuggler"}).json()
    assert tool["kelpie_sandbox"]["egress"] is None


# What is asked for with a file


def test_name_model_and_embedding_of_the_request_go_before_the_file(live):
    agent_id = brought(live.http, file(), name="Another", model="openai/gpt-5", embedding="openai/e")
    agent = live.http.get(f"/v1/agents/{agent_id}").json()
    assert (agent["name"], agent["model"], agent["embedding"]) == ("Another", "openai/gpt-5", "openai/e")
    assert agent["llm_config"]["context_window"] == 32_000  # the file's own stays


def test_a_copy_is_called_one_unless_asked_otherwise(live):
    agent_id = brought(live.http, file(), append_copy_suffix="true")
    assert live.http.get(f"/v1/agents/{agent_id}").json()["name"] == "Ada's helper_copy"


def test_a_model_that_is_asked_for_must_be_served(live):
    answer = send(live.http, file(), model="nowhere/x")
    assert answer.status_code == 400
    assert "no provider serves" in answer.json()["detail"]


def test_stripped_of_messages_it_has_its_prompt_alone(live):
    agent_id = brought(live.http, file(), strip_messages="true")
    told = live.http.get(f"/v1/agents/{agent_id}/messages").json()
    assert [one["message_type"] for one in told] == ["system_message"]


def test_secrets_leave_as_names_and_come_with_the_values_that_are_given(live):
    agent_id = brought(live.http, file(), secrets='{"WEATHER_KEY": "sesame-open-1234"}')
    text = json.dumps(exported(live.http, agent_id))
    assert "WEATHER_KEY" in text
    assert "sesame" not in text
    stored = live.run(_secret_values(live, agent_id))
    assert stored == {"WEATHER_KEY": "sesame-open-1234"}


async def _secret_values(live, agent_id):
    from kelpie.tools import secrets
    from umi.storage import View

    workshop = live.server.app.state.house.workshop
    return dict((await secrets.of_agent(View(workshop.database), "default", agent_id, workshop.seal)).values)


def test_tools_that_are_here_are_replaced_only_if_asked_for(live):
    body = file()
    body["tools"][0] |= {"name": "tried", "source_code": made.SOURCE.format(name="tried", number=1)}
    brought(live.http, body)
    body["tools"][0]["source_code"] = made.SOURCE.format(name="tried", number=2)
    brought(live.http, body, override_existing_tools="false")
    (tool,) = live.http.get("/v1/tools/", params={"name": "tried"}).json()
    assert "1 degrees" in tool["source_code"]
    brought(live.http, body)
    (tool,) = live.http.get("/v1/tools/", params={"name": "tried"}).json()
    assert "2 degrees" in tool["source_code"]


def test_a_tool_named_like_a_built_in_one_does_not_become_it(live):
    body = file()
    body["tools"][0] |= {"name": "send_message", "source_code": made.SOURCE.format(name="send_message", number=4)}
    answer = send(live.http, body)
    agent = live.http.get(f"/v1/agents/{answer.json()['agent_ids'][0]}").json()
    assert {tool["name"]: tool["tool_type"] for tool in agent["tools"]}["send_message"] == "letta_core"
    assert any("has the name of a built-in one" in note for note in answer.json()["kelpie_notes"])


def test_what_is_not_taken_is_said(live):
    body = file(identity_ids=["identity-0"], shoe_size=43)
    body["sources"] = [{"id": "source-0", "name": "Manuals"}]
    body["files"] = [{"id": "file-0", "source_id": "source-0", "file_name": "a.txt"}]
    body["mcp_servers"] = [{"id": "mcp_server-0", "server_type": "stdio", "server_name": "x"}]
    body["tools"].append({"id": "tool-2", "name": "web_search_of_theirs", "tool_type": "letta_builtin"})
    body["agents"][0]["tool_ids"].append("tool-2")
    notes = " | ".join(send(live.http, body).json()["kelpie_notes"])
    for what in (
        "the file 'a.txt' is not taken: no text of it is there",
        "mcp_servers",
        "shoe_size",
        "identities",
        "web_search_of_theirs",
    ):
        assert what in notes


def test_calls_that_nobody_answered_are_told_to_be_interrupted(live):
    said = [
        made.message(0, "system", "x"),
        made.message(1, "user", "Go"),
        made.message(2, "assistant", None, tool_calls=[made.call("call-1"), made.call("call-2")]),
        made.returned(3, "call-2", "done"),
        made.returned(4, "call-9", "of a call that is not here"),
    ]
    answer = send(live.http, file(messages=said, in_context_message_ids=[]))
    agent_id = answer.json()["agent_ids"][0]
    told = live.http.get(f"/v1/agents/{agent_id}/messages", params={"order": "asc"}).json()
    returns = [one["tool_call_id"] for one in told if one["message_type"] == "tool_return_message"]
    assert returns == ["call-2", "call-1"]
    assert any("answers no call" in note for note in answer.json()["kelpie_notes"])
    assert live.send(agent_id, "Go on").status_code == 200


# Folders


def _library(**held):
    """A file of Letta's with a folder of two files, of which its agent holds one open."""
    lines = "\n".join(f"line {number}" for number in range(1, 31))
    open_one = {"id": "file_agent-0", "agent_id": "agent-0", "file_id": "file-0", "source_id": "source-0"}
    open_one |= {"file_name": "Manuals/guide.pdf", "is_open": True, "start_line": 11, "end_line": 20} | held
    body = file(source_ids=["source-0"], files_agents=[open_one])
    body["sources"] = [
        {"id": "source-0", "name": "Manuals", "description": "how", "embedding_config": made.EMBEDDING},
        {"id": "source-1", "name": "a/b"},
    ]
    body["files"] = [
        {"id": "file-0", "source_id": "source-0", "file_name": "Manuals/guide.pdf", "content": lines,
         "original_file_name": "guide.pdf", "file_type": "application/pdf", "file_size": 12_345},
        {"id": "file-1", "source_id": "source-0", "file_name": "Manuals/notes.md", "content": "The mat is red."},
    ]  # fmt: skip
    return body


def test_folders_come_with_their_files_and_leave_again(two):
    agent_id = brought(two.ada, _library())
    (folder,) = two.ada.get(f"/v1/agents/{agent_id}/folders").json()
    assert (folder["name"], folder["description"]) == ("Manuals", "how")
    assert folder["embedding_config"]["embedding_chunk_size"] == 100
    tools = [tool["name"] for tool in two.ada.get(f"/v1/agents/{agent_id}/tools").json()]
    assert {"open_files", "grep_files", "semantic_search_files"} <= set(tools)
    (held,) = two.ada.get(f"/v1/agents/{agent_id}/files", params={"is_open": True}).json()["files"]
    assert (held["file_name"], held["start_line"], held["end_line"]) == ("guide.pdf", 11, 20)
    assert "11: line 11\n" in held["visible_content"]
    first = exported(two.ada, agent_id)
    assert [one["file_name"] for one in first["files"]] == ["Manuals/guide.pdf", "Manuals/notes.md"]
    assert (first["files"][0]["file_size"], first["files"][1]["content"]) == (12_345, "The mat is red.")
    assert [one["is_open"] for one in first["agents"][0]["files_agents"]] == [True, False]
    assert "left_out" not in first["kelpie"]["agents"]["agent-0"]
    assert timeless(exported(two.ben, brought(two.ben, first))) == timeless(first)
    broken = upload(two.ada, folder, "broken.pdf", b"%PDF-1.7 of nothing").json()
    assert done(two.ada, folder, broken)["processing_status"] == "error"
    left_out = exported(two.ada, agent_id)["kelpie"]["agents"]["agent-0"]["left_out"]
    assert left_out == {"files": 1}
    older = exported(two.ada, agent_id, use_legacy_format=True)
    assert older["kelpie"]["agents"]["agent-0"]["left_out"] == {"files": 1, "folders": 1}


def test_what_the_files_of_a_file_say_is_found_once_it_is_indexed(two):
    agent_id = brought(two.ada, _library())
    (folder,) = two.ada.get(f"/v1/agents/{agent_id}/folders").json()
    for one in two.ada.get(f"/v1/folders/{folder['id']}/files").json():
        assert done(two.ada, folder, one)["processing_status"] == "completed"
    found = two.ada.get(f"/v1/folders/{folder['id']}/passages").json()
    assert "The mat is red." in [one["text"] for one in found]


def test_a_folder_whose_name_is_taken_and_lines_that_are_not_there(two):
    names = []
    for _ in range(2):
        agent_id = brought(two.ben, _library(start_line=99))
        (folder,) = two.ben.get(f"/v1/agents/{agent_id}/folders").json()
        (held,) = two.ben.get(f"/v1/agents/{agent_id}/files", params={"is_open": True}).json()["files"]
        assert held["start_line"] == 1
        names.append(folder["name"])
    assert len(set(names)) == 2


# Groups


def _crew():
    body = file()
    body["agents"] += [{**body["agents"][0], "id": f"agent-{n}"} for n in (1, 2)]
    return body


def _group(number, kind, members, manager=None, **fields):
    config = {"manager_type": kind, **({} if manager is None else {"manager_agent_id": manager})}
    return {"id": f"group-{number}", "agent_ids": members, "description": kind, "manager_config": config, **fields}


def test_the_groups_of_a_file_come_with_its_agents(live):
    body = _crew()
    body["groups"] = [
        _group(0, "round_robin", ["agent-2", "agent-0"], shared_block_ids=["block-0"]),
        _group(1, "dynamic", ["agent-1"], "agent-0"),
        _group(2, "sleeptime", ["agent-2"], "agent-0"),
        _group(3, "sleeptime", ["agent-1"], "agent-0"),
        _group(4, "voice_sleeptime", ["agent-1"], "agent-2"),
        _group(5, "round_robin", []),
    ]
    answer = send(live.http, body).json()
    first, second, third = answer["agent_ids"]
    found = live.http.get(f"/v1/agents/{first}/groups", params={"order": "asc"}).json()
    shown = [(one["manager_type"], one["agent_ids"], one["manager_agent_id"]) for one in found]
    assert shown == [
        ("round_robin", [third, first], None),
        ("dynamic", [second], first),
        ("sleeptime", [third], first),
    ]
    assert found[0]["shared_block_ids"] == [live.http.get(f"/v1/agents/{first}").json()["blocks"][0]["id"]]
    assert found[1]["termination_token"] == "DONE!"
    assert found[2]["sleeptime_agent_frequency"] == 5
    names = [tool["name"] for tool in live.http.get(f"/v1/agents/{first}/tools").json()]
    assert "choose_next_participant" in names
    notes = [note for note in answer["kelpie_notes"] if "is not taken" in note]
    assert len(notes) == 3
    for note, says in zip(notes, ("another sleeptime group", "voice is not built", "at least one agent"), strict=True):
        assert says in note


# Models that nobody serves


def test_without_a_fallback_an_agent_of_an_unknown_model_is_taken_and_says_what_is_wrong(live):
    agent_id = brought(live.http, file(model="elsewhere/model-7", llm_config=None))
    answer = live.send(agent_id, "Hello")
    assert answer.status_code == 400
    assert "no provider serves 'elsewhere/model-7'" in answer.text


def test_a_fallback_answers_for_it_and_agent_and_step_say_so(start):
    live = start(model_fallback=MODEL)
    agent_id = brought(live.http, file(model="elsewhere/model-7", llm_config=None))
    assert live.send(agent_id, "Hello").status_code == 200
    agent = live.http.get(f"/v1/agents/{agent_id}").json()
    assert agent["model"] == "elsewhere/model-7"
    assert (agent["kelpie_model"]["asked"], agent["kelpie_model"]["used"]) == ("elsewhere/model-7", MODEL)
    (step,) = live.http.get("/v1/steps/", params={"agent_id": agent_id}).json()
    assert (step["model_handle"], step["kelpie_model"]["asked"]) == (MODEL, "elsewhere/model-7")
    refused = live.http.post("/v1/agents/", json={"model": "elsewhere/model-7"})
    assert refused.status_code == 400  # a typing mistake is still told
    assert live.send(agent_id, "Hello", override_model="elsewhere/x").status_code == 400
    found = exported(live.http, agent_id)
    assert found["agents"][0]["model"] == "elsewhere/model-7"


def test_a_strict_server_neither_writes_nor_reads_what_is_ours(start):
    live = start(strict_letta=True)
    body = file() | {"kelpie": {"version": 99}}
    answer = send(live.http, body)
    assert list(answer.json()) == ["agent_ids"]
    assert "kelpie" not in exported(live.http, answer.json()["agent_ids"][0])


# Bad files


def _with(**changes):
    return file() | changes


def _agent(**fields):
    return file(**fields)


def _cycle():
    body = file()
    body["agents"].append({**body["agents"][0], "id": "agent-1"})
    body["groups"] = [
        {"id": f"group-{one}", "agent_ids": [f"agent-{1 - one}"], "description": "",
         "manager_config": {"manager_type": "supervisor", "manager_agent_id": f"agent-{one}"}}
        for one in (0, 1)
    ]  # fmt: skip
    return body


def _told(*messages):
    return file(messages=list(messages), in_context_message_ids=[])


def _deep():
    return b'{"agents": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


_USER = made.message(1, "user", "x")
_SHELF = {"id": "source-0", "name": "Shelf"}
_BOOK = {"id": "file-0", "source_id": "source-0", "file_name": "Shelf/a.txt", "content": "x"}
_LOOKUP, _SEARCH = file()["tools"]
BAD = {
    "no JSON": (b"not json", "an agent file is JSON"),
    "a list": (b"[]", "a JSON object"),
    "nothing of ours": ({"a": 1}, "no agent file"),
    "no agents": (_with(agents=[]), "holds no agent"),
    "agents that are none": (_with(agents=["x"]), "a list of objects"),
    "nested without end": (_deep(), ""),
    "nested too deep": (_agent(metadata=json.loads('{"a":' * 70 + "1" + "}" * 70)), "nesting"),
    "half a surrogate pair": (json.dumps(_agent(system="x")).replace('"x"', '"\\ud800"').encode(), "JSON"),
    "NUL": (_agent(system="a\0b"), "NUL"),
    "NUL in a key": (_agent(metadata={"a\0b": 1}), "NUL"),
    "one id twice": (_with(tools=[_LOOKUP, _SEARCH, {"id": "tool-0", "name": "x"}]), "have the id 'tool-0'"),
    "one message id twice": (_told(_USER, _USER), "message-1"),
    "one tool name twice": (_with(tools=[_LOOKUP, _SEARCH, _LOOKUP | {"id": "t"}]), "the name 'lookup'"),
    "a block that isn't there": (_agent(block_ids=["block-7"]), "'block-7', which is not in the agent file"),
    "a tool that isn't there": (_agent(tool_ids=["tool-7"]), "'tool-7'"),
    "a message that isn't there": (_agent(in_context_message_ids=["message-70"]), "'message-70'"),
    "a folder that isn't there": (_agent(source_ids=["source-7"]), "'source-7', which is not in the agent file"),
    "a file of no folder": (_agent(files_agents=[{"file_id": "file-7"}]), "names 'file-7'"),
    "a file held in another folder": (_library(source_id="source-1"), "is not in the source 'source-1'"),
    "a folder without a name": (_with(sources=[{"id": "source-0"}]), "name: Field required"),
    "two files of one name": (_with(sources=[_SHELF], files=[_BOOK, _BOOK | {"id": "file-1"}]), "the name 'a.txt'"),
    "too many files": (_with(files=[{"id": f"file-{n}"} for n in range(1_001)]), "1,000"),
    "groups in a circle": (_cycle(), "circle"),
    "an unknown role": (_told(made.message(1, "wizard", "x")), "no role 'wizard'"),
    "content of another kind": (_told(_USER | {"content": 7}), "message-1"),
    "a call without a name": (_told(made.message(1, "assistant", tool_calls=[{"id": "c"}])), "message-1"),
    "a date that is none": (_told(_USER | {"created_at": "soon"}), "ISO 8601"),
    "a source that is no tool": (_with(tools=[_SEARCH, _LOOKUP | {"source_code": "def ("}]), "the tool 'tool-0'"),
    "a name that can't be": (_agent(name="a/b"), "agent name"),
    "an agent type that can't run": (_agent(agent_type="voice_convo_agent"), "can't run here"),
    "no model at all": (_agent(llm_config=None), "needs a model"),
    "a block over its limit": (_with(blocks=[{"id": "block-0", "label": "a", "value": "xxxx", "limit": 3}]), "value"),
    "a newer extension": (_with(kelpie={"version": 2}), "newer kelpie"),
    "unknown fields in ours": (_with(kelpie={"version": 1, "agents": {"agent-0": {"shoes": 1}}}), "shoes"),
    "an older format without its version": ({"core_memory": [], "name": "x"}, "version"),
    "an older format with a wrong place": (
        {"version": "0.7", "core_memory": [], "messages": [], "in_context_message_indices": [3]},
        "in_context_message",
    ),
    "too many agents": (_with(agents=[{"id": f"agent-{n}"} for n in range(51)]), "50"),
    "too many messages": (_told(*({"id": f"m{n}", "role": "user", "content": "x"} for n in range(20_001))), "20,000"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_file_is_refused_by_name_and_nothing_of_it_is_here(live, bad):
    body, says = BAD[bad]
    before = [live.http.get(f"/v1/{what}/count").json() for what in ("agents", "blocks", "tools", "folders")]
    answer = send(live.http, body)
    assert 400 <= answer.status_code < 500, answer.text
    assert says in answer.text
    assert len(answer.text) < 2_000
    assert [live.http.get(f"/v1/{what}/count").json() for what in ("agents", "blocks", "tools", "folders")] == before


def test_a_file_over_the_bound_of_requests_is_refused_before_it_is_read(live):
    assert send(live.http, b" " * 33_000_000).status_code == 413


@pytest.mark.parametrize("secrets", ["{", '{"A": 1}', "[]", '{"A": "\\u0000"}', '{"PATH": "x"}', '{"a b": "x"}'])
def test_secrets_that_are_none_are_refused(live, secrets):
    answer = send(live.http, file(), secrets=secrets)
    assert answer.status_code == 422


def test_an_import_without_a_file_is_refused(live):
    assert live.http.post("/v1/agents/import", data={"name": "x"}).status_code == 422


def test_another_tenants_agent_is_not_exported(two):
    agent_id = brought(two.ada, file())
    assert two.ben.get(f"/v1/agents/{agent_id}/export").status_code == 404
    assert two.ben.post(f"/v1/agents/{agent_id}/export", json={}).status_code == 404


def test_skills_are_put_into_the_file(live):
    agent_id = brought(live.http, file())
    skill = {"name": "slack", "files": {"SKILL.md": "# Slack"}}
    found = live.http.post(f"/v1/agents/{agent_id}/export", json={"skills": [skill], "scrub_messages": True}).json()
    assert found["skills"] == [skill]
    assert found["agents"][0]["messages"] == []
    assert exported(live.http, agent_id, scrub_messages=True)["agents"][0]["in_context_message_ids"] == []
    assert live.http.get(f"/v1/agents/{agent_id}/export", params={"conversation_id": "conv-1"}).status_code == 422


# What others make of our files


def test_both_formats_are_what_lettas_description_asks_for(live, needs):
    from tests.kelpie.api.test_contract import LETTA, Checker

    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    schemas = json.loads(LETTA.read_text(encoding="utf-8"))["components"]["schemas"]
    agent_id = brought(live.http, _library())
    assert live.send(agent_id, "And Bergen?").status_code == 200
    checker = Checker(schemas)
    current = exported(live.http, agent_id)
    assert checker.faults(current, {"$ref": "#/components/schemas/AgentFileSchema"}) == []
    older = exported(live.http, agent_id, use_legacy_format=True)
    name = "letta__serialize_schemas__pydantic_agent_schema__AgentSchema"
    assert checker.faults(older, {"$ref": f"#/components/schemas/{name}"}) == []
    with_none = checker.faults({**current, "agents": [{}]}, {"$ref": "#/components/schemas/AgentFileSchema"})
    assert with_none == [".agents[0].id is missing"]


def test_the_sdk_exports_and_imports(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import BadRequestError, Letta

    with Letta(base_url=live.url, api_key="none", _strict_response_validation=True) as client:
        agent_id = brought(live.http, file())
        text = client.agents.export_file(agent_id)
        assert json.loads(text)["agents"][0]["name"] == "Ada's helper"
        made = client.agents.import_file(file=("a.af", text.encode()), name="By SDK", secrets='{"WEATHER_KEY": "v"}')
        (new_id,) = made.agent_ids
        assert client.agents.retrieve(new_id).name == "By SDK"
        with pytest.raises(BadRequestError):
            client.agents.import_file(file=("a.af", text.encode()), model="nowhere/x")
