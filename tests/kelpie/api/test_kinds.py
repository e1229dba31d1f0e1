"""Agents of every kind through the real server: what they begin with, how they speak, and what keeps a turn going."""

import json

import pytest

from kelpie.agents.kinds import KINDS, UNSERVED

LOOK = "[[tool:conversation_search "


def told(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def types(answer):
    return [one["message_type"] for one in told(answer)["messages"]]


def stop_of(answer):
    return told(answer)["stop_reason"]["stop_reason"]


def names(agent):
    return [tool["name"] for tool in agent["tools"]]


def ruled(agent):
    return {rule["tool_name"]: rule["type"] for rule in agent["tool_rules"]}


def history(live, agent):
    return live.http.get(f"/v1/agents/{agent['id']}/messages", params={"order": "asc"}).json()


def request_of(live, agent, **body):
    path = f"/v1/agents/{agent['id']}/messages/preview-raw-payload"
    return told(live.http.post(path, json={"input": "hello", **body}))


def tools_of(payload):
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in payload.get("tools", [])}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_begins_with_its_tools_rules_prompt_and_messages(live, kind):
    agent = live.agent(agent_type=kind)
    described = KINDS[kind]
    assert sorted(names(agent)) == sorted(described.base_tools)
    assert agent["system"] == described.prompt
    assert agent["message_buffer_autoclear"] is described.forgets
    ends = {"send_message", "memory_finish_edits"}
    wanted = {name: "exit_loop" if name in ends else "continue_loop" for name in described.base_tools}
    assert ruled(agent) == (wanted if described.rules else {})
    shown = [one["message_type"] for one in history(live, agent)]
    greeting = ["system_message", "reasoning_message", "assistant_message", "user_message"]
    assert shown == (greeting if described.beginning == "greeting" else ["system_message"])


def test_a_plain_agent_goes_on_after_every_call_and_ends_with_words(live):
    agent = live.agent(agent_type="letta_v1_agent")
    answer = live.send(agent["id"], f'{LOOK}{{"query": "x"}}]] [[say:found nothing]]')
    assert types(answer) == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert (stop_of(answer), told(answer)["usage"]["step_count"]) == ("end_turn", 2)
    payload = request_of(live, agent)
    assert "tool_choice" not in payload
    assert "thinking" not in tools_of(payload)["conversation_search"]["properties"]


@pytest.mark.parametrize("kind", ["memgpt_agent", "memgpt_v2_agent"])
def test_a_speaker_is_made_to_call_and_thinks_in_the_call(live, kind):
    agent = live.agent(agent_type=kind)
    answer = live.send(agent["id"], "[[say:hello Ada]]")
    assert types(answer) == ["reasoning_message", "assistant_message"]
    thought, said = told(answer)["messages"]
    assert (thought["source"], thought["reasoning"], said["content"]) == ("non_reasoner_model", "thinking", "hello Ada")
    assert thought["id"] == said["id"]
    assert thought["otid"] != said["otid"]
    payload = request_of(live, agent)
    assert payload["tool_choice"] == "required"
    tools = tools_of(payload)
    assert tools["send_message"]["required"] == ["thinking", "message"]  # its rule ends the turn: no heartbeat
    assert tools["conversation_search"]["required"][-1] == "request_heartbeat"
    assert [one["message_type"] for one in history(live, agent)][-2:] == ["reasoning_message", "assistant_message"]


def test_a_speakers_calls_are_shown_without_the_thought_and_are_made_without_either(live, http):
    source = (
        "def ring(times: int) -> str:\n    '''Ring.\n\n    Args:\n        times: How often.\n    '''\n    return 'rang'"
    )
    if http.get("/v1/tools/", params={"name": "ring"}).json() == []:
        assert http.post("/v1/tools/", json={"source_code": source}).status_code == 200
    agent = live.agent(agent_type="memgpt_agent", tools=["ring"])
    call = '[[tool:ring {"thinking": "let me", "times": 2, "request_heartbeat": false}]]'
    answer = live.send(agent["id"], call)
    assert types(answer) == ["reasoning_message", "tool_call_message", "tool_return_message"]
    reasoning, called, returned = told(answer)["messages"]
    assert reasoning["reasoning"] == "let me"
    assert json.loads(called["tool_call"]["arguments"]) == {"times": 2, "request_heartbeat": False}
    assert "unknown argument" not in returned["tool_return"]


@pytest.mark.parametrize(("heartbeat", "steps"), [(True, 2), (False, 1), ("true", 2), ("maybe", 1)])
def test_a_heartbeat_goes_on_and_its_absence_ends_the_turn(live, heartbeat, steps):
    agent = live.agent(agent_type="memgpt_agent", tools=["conversation_search_date"], include_base_tool_rules=False)
    span = {"query": "x", "start_date": "2026-01-01", "end_date": "2027-01-01", "request_heartbeat": heartbeat}
    answer = live.send(agent["id"], f"[[tool:conversation_search_date {json.dumps(span)}]] [[say:done]]")
    assert (told(answer)["usage"]["step_count"], stop_of(answer)) == (steps, "end_turn")


def test_a_turn_goes_on_after_a_failure_and_where_a_rule_says_so(live):
    agent = live.agent(agent_type="memgpt_agent", include_base_tool_rules=False)
    broken = '[[tool:conversation_search {"query": 5, "request_heartbeat": false}]] [[say:sorry]]'
    assert told(live.send(agent["id"], broken))["usage"]["step_count"] == 2
    ruled_agent = live.agent(agent_type="memgpt_agent")
    quiet = '[[tool:conversation_search {"query": "x", "request_heartbeat": false}]] [[say:done]]'
    assert told(live.send(ruled_agent["id"], quiet))["usage"]["step_count"] == 2


def test_what_is_said_with_a_heartbeat_is_said_on_the_way(live):
    agent = live.agent(agent_type="memgpt_agent", include_base_tool_rules=False)
    first = '[[tool:send_message {"message": "wait", "request_heartbeat": true}]] [[say:here it is]]'
    said = [
        one for one in told(live.send(agent["id"], first))["messages"] if one["message_type"] == "assistant_message"
    ]
    assert [one["content"] for one in said] == ["wait", "here it is"]


def test_heartbeats_can_be_paused_and_messages_still_come(live):
    agent = live.agent(agent_type="memgpt_agent", tools=["pause_heartbeats"], include_base_tool_rules=False)
    rest = '[[tool:pause_heartbeats {"minutes": 5, "request_heartbeat": true}]] [[say:never]]'
    answer = live.send(agent["id"], rest)
    assert (told(answer)["usage"]["step_count"], stop_of(answer)) == (1, "end_turn")
    asks = '[[tool:conversation_search {"query": "x", "request_heartbeat": true}]] [[say:never]]'
    assert told(live.send(agent["id"], asks))["usage"]["step_count"] == 1
    assert types(live.send(agent["id"], "[[say:still here]]"))[-1] == "assistant_message"
    too_long = live.send(agent["id"], '[[tool:pause_heartbeats {"minutes": 61}]] [[say:so be it]]')
    assert "from 1 to 60" in told(too_long)["messages"][1]["tool_return"]


def test_a_react_agent_has_what_tools_it_is_given_and_answers_in_words(live):
    agent = live.agent(agent_type="react_agent", tools=["conversation_search"])
    answer = live.send(agent["id"], f'{LOOK}{{"query": "x"}}]] [[say:the answer]]')
    assert types(answer)[-1] == "assistant_message"
    assert (names(agent), ruled(agent)) == (["conversation_search"], {})


def test_a_workflow_agent_is_shown_nothing_of_its_earlier_runs(live):
    agent = live.agent(agent_type="workflow_agent", tools=["conversation_search"])
    live.send(agent["id"], "my name is Ada")
    answer = live.send(agent["id"], f'{LOOK}{{"query": "x"}}]] [[say:done]]')
    assert told(answer)["usage"]["step_count"] == 2
    shown = request_of(live, agent)["messages"]
    assert [one["role"] for one in shown] == ["system", "user"]
    assert "Ada" not in json.dumps(shown)
    assert len(history(live, agent)) == 7  # kept all the same
    keeps = live.agent(agent_type="letta_v1_agent", metadata={"memory": {"recall": False, "remember": False}})
    live.send(keeps["id"], "my name is Ada")
    assert "Ada" in json.dumps(request_of(live, keeps)["messages"])
    changed = live.http.patch(f"/v1/agents/{keeps['id']}", json={"message_buffer_autoclear": True}).json()
    assert changed["message_buffer_autoclear"] is True
    assert "Ada" not in json.dumps(request_of(live, keeps)["messages"])


def test_a_sleeptime_agent_edits_memory_until_it_says_that_it_is_done(live):
    agent = live.agent(agent_type="sleeptime_agent", memory_blocks=[{"label": "human", "value": "old"}])
    script = (
        '[[tool:memory_rethink {"label": "human", "new_memory": "likes tea"}]] [[tool:memory_finish_edits {}]]'
        " [[say:never said]]"
    )
    answer = live.send(agent["id"], script)
    assert types(answer) == ["tool_call_message", "tool_return_message"] * 2
    block = live.http.get(f"/v1/agents/{agent['id']}/core-memory/blocks/human").json()
    assert block["value"] == "likes tea"


@pytest.mark.parametrize("kind", sorted(UNSERVED))
def test_a_kind_that_cannot_run_is_refused_with_the_reason(http, kind):
    refused = http.post("/v1/agents/", json={"model": "openai/gpt-4o-mini", "agent_type": kind})
    assert (refused.status_code, UNSERVED[kind] in refused.json()["detail"]) == (400, True)


def test_base_tools_and_rules_are_left_out_or_added_when_asked(live):
    bare = live.agent(agent_type="memgpt_agent", include_base_tools=False, tools=["send_message"])
    assert (names(bare), ruled(bare)) == (["send_message"], {"send_message": "exit_loop"})
    own = [{"type": "continue_loop", "tool_name": "send_message"}]
    mine = live.agent(agent_type="memgpt_agent", include_base_tools=False, tools=["send_message"], tool_rules=own)
    assert ruled(mine) == {"send_message": "continue_loop"}
    asked = live.agent(agent_type="letta_v1_agent", include_base_tool_rules=True)
    assert set(ruled(asked).values()) == {"continue_loop"}
    pair = live.agent(agent_type="letta_v1_agent", include_multi_agent_tools=True)
    assert set(names(live.agent(agent_type="letta_v1_agent"))) <= set(names(pair))


def test_a_history_begins_with_what_it_is_given(live):
    given = [{"role": "user", "content": "I am Ada"}, {"role": "assistant", "content": "Hello Ada"}]
    plain = live.agent(initial_message_sequence=given)
    kinds = [(one["message_type"], one.get("content")) for one in history(live, plain)[1:]]
    assert kinds == [("user_message", "I am Ada"), ("assistant_message", "Hello Ada")]
    speaker = live.agent(agent_type="memgpt_agent", initial_message_sequence=given)
    assert [one["message_type"] for one in history(live, speaker)[1:]] == ["user_message", "assistant_message"]
    shown = request_of(live, speaker)["messages"]
    assert shown[2]["tool_calls"][0]["function"]["name"] == "send_message"
    assert [one["message_type"] for one in history(live, live.agent(initial_message_sequence=[]))] == ["system_message"]


def test_a_history_is_begun_anew_with_or_without_what_its_kind_begins_with(live, http):
    agent = live.agent(agent_type="memgpt_agent")
    live.send(agent["id"], "[[say:hello]]")
    path = f"/v1/agents/{agent['id']}/reset-messages"
    assert http.patch(path, json={"add_default_initial_messages": True}).status_code == 200
    begun = [one["message_type"] for one in history(live, agent)]
    assert begun == ["system_message", "reasoning_message", "assistant_message", "user_message"]
    assert types(live.send(agent["id"], "[[say:hello again]]"))[-1] == "assistant_message"
    assert http.patch(path, json={"add_default_initial_messages": False}).status_code == 200
    assert [one["message_type"] for one in history(live, agent)] == ["system_message"]
    assert http.patch(path, json={"add_default_initial_messages": "perhaps"}).status_code == 422
    foreign = "/v1/agents/agent-00000000-0000-4000-8000-00000000dead/reset-messages"
    assert http.patch(foreign, json={}).status_code == 404


def streamed(live, agent, text):
    path = f"/v1/agents/{agent['id']}/messages/stream"
    with live.http.stream("POST", path, json={"input": text, "stream_tokens": True}) as answer:
        return [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]


def test_a_thought_and_what_is_said_come_piece_by_piece_and_again_the_same(live):
    agent = live.agent(agent_type="memgpt_agent")
    call = {"thinking": "she greets me, so I greet her", "message": "hello there Ada, how are you", "x": 1}
    events = streamed(live, agent, f"[[tool:send_message {json.dumps(call)}]]")
    thought = [one for one in events if one["message_type"] == "reasoning_message"]
    said = [one for one in events if one["message_type"] == "assistant_message"]
    assert "".join(one["reasoning"] for one in thought) == call["thinking"]
    assert "".join(one["content"] for one in said) == call["message"]
    assert len(thought) > 1
    assert len(said) > 1
    run_id = events[0]["run_id"]
    with live.http.stream("POST", f"/v1/runs/{run_id}/stream", json={"starting_after": 0}) as answer:
        again = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    numbered = [(one["seq_id"], one["message_type"]) for one in events if one.get("seq_id")]
    assert numbered == [(one["seq_id"], one["message_type"]) for one in again if one.get("seq_id")]


def test_a_call_that_does_not_speak_is_told_when_it_is_whole(live):
    agent = live.agent(agent_type="memgpt_agent")
    call = {"thinking": "what was it", "query": "tea", "request_heartbeat": True}
    events = streamed(live, agent, f"[[tool:conversation_search {json.dumps(call)}]] [[say:tea]]")
    calls = [one for one in events if one["message_type"] == "tool_call_message"]
    assert len(calls) == 1
    assert json.loads(calls[0]["tool_call"]["arguments"]) == {"query": "tea", "request_heartbeat": True}
    assert "what was it" in "".join(one["reasoning"] for one in events if one["message_type"] == "reasoning_message")
