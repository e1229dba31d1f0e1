"""Groups over HTTP: made, spoken to, listened to. What each kind does is in tests/kelpie/agents/together."""

import json

import pytest
from tests.kelpie.api.test_contract import Checker, letta  # noqa: F401 - a fixture

from kelpie.groups import limits

NOBODY = "123e4567-e89b-42d3-8456-426614174000"
KEYS = {"one-key-0123456789abcdef": "one", "other-key-0123456789abcdef": "other"}


@pytest.fixture
def three(live):
    return [live.agent(name=name) for name in ("Ada", "Bob", "Cleo")]


def make(http, agents, **fields):
    body = {"agent_ids": [one["id"] for one in agents], "description": "a crew", **fields}
    answer = http.post("/v1/groups/", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def say(http, group, text, **options):
    body = {"messages": [{"role": "user", "content": text}], **options}
    return http.post(f"/v1/groups/{group['id']}/messages", json=body)


def told(body):
    """The events of a stream, and how often it ended."""
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"], lines.count("[DONE]")


def wait_until(look):
    for _ in range(2000):
        if found := look():
            return found
    raise AssertionError("it did not come")


def test_a_group_is_made_changed_listed_and_deleted(http, three):
    before = http.get("/v1/groups/count").json()
    one = make(http, three, manager_config={"manager_type": "round_robin", "max_turns": 5})
    path = f"/v1/groups/{one['id']}"
    assert (one["manager_type"], one["max_turns"], one["manager_agent_id"]) == ("round_robin", 5, None)
    assert http.get(path).json() == one
    assert http.get("/v1/groups/count").json() == before + 1
    two = [three[1]["id"], three[0]["id"]]
    body = {"agent_ids": two, "description": "fewer", "manager_config": {"manager_type": "round_robin", "max_turns": 2}}
    changed = http.patch(path, json=body).json()
    assert (changed["agent_ids"], changed["description"], changed["max_turns"]) == (two, "fewer", 2)
    assert http.patch(path, json={"description": "few"}).json()["max_turns"] == 2
    other = http.patch(path, json={"manager_config": {"manager_type": "supervisor", "manager_agent_id": two[0]}})
    assert other.status_code == 422
    assert one["id"] in [each["id"] for each in http.get("/v1/groups/", params={"manager_type": "round_robin"}).json()]
    assert one["id"] not in [each["id"] for each in http.get("/v1/groups/", params={"manager_type": "dynamic"}).json()]
    mine = http.get(f"/v1/agents/{two[0]}/groups").json()
    assert [each["id"] for each in mine] == [one["id"]]
    assert http.get(f"/v1/agents/{three[2]['id']}/groups").json() == []
    assert http.delete(path).status_code == 200
    assert http.get(path).status_code == 404
    assert http.delete(path).status_code == 404


def test_each_in_turn_answers_and_what_was_said_is_listed(http, three):
    group = make(http, three)
    answer = say(http, group, "[[say:hello]]").json()
    spoken = [(one["content"], one["sender_id"]) for one in answer["messages"]]
    assert spoken == [(text, one["id"]) for text, one in zip(("hello", "ok", "ok"), three, strict=True)]
    assert answer["stop_reason"]["stop_reason"] == "end_turn"
    assert len(answer["usage"]["run_ids"]) == answer["usage"]["step_count"] == 3
    listed = http.get(f"/v1/groups/{group['id']}/messages", params={"order": "asc"}).json()
    assert [one["sender_id"] for one in listed if one["message_type"] == "assistant_message"] == [
        one["id"] for one in three
    ]
    page = http.get(f"/v1/groups/{group['id']}/messages", params={"order": "asc", "limit": 2}).json()
    assert page == listed[:2]
    mine = http.get(f"/v1/agents/{three[0]['id']}/messages", params={"group_id": group["id"]}).json()
    assert {one["id"] for one in mine} == {one["id"] for one in listed[:2]}
    http.post(f"/v1/agents/{three[0]['id']}/messages", json={"input": "alone"})
    again = http.get(f"/v1/agents/{three[0]['id']}/messages", params={"group_id": group["id"]}).json()
    assert again == mine
    run = http.get(f"/v1/runs/{answer['usage']['run_ids'][0]}").json()
    assert run["metadata"] == {"group_id": group["id"]}
    assert http.patch(f"/v1/groups/{group['id']}/reset-messages").json() is None
    assert http.get(f"/v1/groups/{group['id']}/messages").json() == []


def test_what_is_said_comes_turn_after_turn_as_one_stream(http, three):
    group = make(http, three[:2])
    body = {"messages": [{"role": "user", "content": "[[say:hello there]]"}], "stream_tokens": True}
    streamed = http.post(f"/v1/groups/{group['id']}/messages/stream", json=body)
    events, ends = told(streamed.text)
    texts = "".join(one["content"] for one in events if one["message_type"] == "assistant_message")
    assert (texts, ends) == ("hello thereok", 1)
    kinds = [one["message_type"] for one in events]
    assert kinds[-2:] == ["stop_reason", "usage_statistics"]
    assert kinds.count("stop_reason") == 1
    assert events[-1]["step_count"] == 2
    same = say(http, group, "[[say:x]]", streaming=True)
    assert same.headers["content-type"].startswith("text/event-stream")
    assert told(same.text)[1] == 1


def test_a_supervisor_is_given_the_tool_it_leads_with(live, http, three):
    boss = live.agent(name="Boss")
    group = make(http, three[:2], manager_config={"manager_type": "supervisor", "manager_agent_id": boss["id"]})
    state = http.get(f"/v1/agents/{boss['id']}").json()
    assert "send_message_to_all_agents_in_group" in [tool["name"] for tool in state["tools"]]
    assert state["managed_group"]["id"] == state["multi_agent_group"]["id"] == group["id"]
    call = '[[tool:send_message_to_all_agents_in_group {"message":"[[say:here]]"}]][[say:all here]]'
    answer = say(http, group, call).json()
    (returned,) = [one["tool_return"] for one in answer["messages"] if one["message_type"] == "tool_return_message"]
    assert [one["reply"] for one in json.loads(returned)] == ["here", "here"]


def test_a_dynamic_group_ends_with_its_word(live, http, three):
    boss = live.agent(name="Boss")
    config = {"manager_type": "dynamic", "manager_agent_id": boss["id"], "max_turns": 3}
    group = make(http, three[:2], manager_config=config)
    assert group["termination_token"] == "DONE!"
    answer = say(http, group, "go")
    assert answer.status_code == 422, "the model says ok, and names nobody"
    assert "chose nobody" in answer.json()["detail"]
    assert answer.headers["x-kelpie-run-id"].startswith("group_run-"), "it is no refusal: the message was taken"
    events, ends = told(say(http, group, "go", streaming=True).text)
    assert (events[-1]["message_type"], events[-1]["error_type"], ends) == ("error_message", "group_failed", 1)


def test_an_agent_with_one_in_its_background_is_listened_to(live, http):
    blocks = [{"label": "human", "value": "Ada"}]
    agent = live.agent(name="Main", enable_sleeptime=True, memory_blocks=blocks)
    group = agent["managed_group"]
    (other,) = group["agent_ids"]
    assert (group["manager_type"], group["sleeptime_agent_frequency"]) == ("sleeptime", 5)
    background = http.get(f"/v1/agents/{other}").json()
    assert (background["name"], background["agent_type"]) == ("Main-sleeptime", "sleeptime_agent")
    assert [one["id"] for one in background["blocks"]] == [one["id"] for one in agent["blocks"]]
    config = {"manager_type": "sleeptime", "sleeptime_agent_frequency": 2}
    assert http.patch(f"/v1/groups/{group['id']}", json={"manager_config": config}).status_code == 200
    for number in (1, 2):
        assert live.send(agent["id"], f"[[say:answer {number}]]").status_code == 200
    run = wait_until(lambda: http.get("/v1/runs/", params={"agent_id": other}).json())[0]
    assert run["background"]
    assert run["metadata"]["called_by"]["agent_id"] == agent["id"]
    wait_until(lambda: http.get(f"/v1/runs/{run['id']}").json()["status"] == "completed")
    (heard,) = [
        one["content"]
        for one in http.get(f"/v1/runs/{run['id']}/messages").json()
        if one["message_type"] == "user_message"
    ]
    assert "Main: answer 1" in heard
    assert "Main: answer 2" in heard
    assert http.get(f"/v1/groups/{group['id']}").json()["turns_counter"] == 2
    assert say(http, group, "hello").status_code == 422
    assert http.patch(f"/v1/agents/{agent['id']}", json={"enable_sleeptime": False}).json()["managed_group"] is None
    assert http.get(f"/v1/agents/{other}").status_code == 200
    again = http.patch(f"/v1/agents/{agent['id']}", json={"enable_sleeptime": True}).json()
    assert again["managed_group"]["manager_type"] == "sleeptime"


def test_agents_that_ask_for_it_can_speak_to_others(live, http):
    bob = live.agent(name="Bob")
    ada = live.agent(name="Ada", include_multi_agent_tools=True)
    names = {tool["name"]: tool["tool_type"] for tool in ada["tools"]}
    assert names["send_message_to_agent_and_wait_for_reply"] == "letta_multi_agent_core"
    arguments = json.dumps({"message": "[[say:four]]", "other_agent_id": bob["id"]})
    answer = live.send(ada["id"], f"[[tool:send_message_to_agent_and_wait_for_reply {arguments}]][[say:done]]").json()
    (returned,) = [one for one in answer["messages"] if one["message_type"] == "tool_return_message"]
    assert returned["tool_return"] == "four"
    (run,) = http.get("/v1/runs/", params={"agent_id": bob["id"]}).json()
    assert run["metadata"]["called_by"]["run_id"] == returned["run_id"]
    trace = http.get(f"/v1/runs/{run['id']}/trace").json()
    assert trace[0]["span_attributes"]["called_by"] == returned["run_id"]


def test_a_block_is_given_to_all_of_a_group_and_taken_again(http, three):
    group = make(http, three[:2])
    block = http.post("/v1/blocks/", json={"label": "plan", "value": "x"}).json()
    path = f"/v1/groups/{group['id']}/blocks"
    assert http.patch(f"{path}/attach/{block['id']}").status_code == 200
    assert http.patch(f"{path}/attach/{block['id']}").status_code == 200
    there = [one["id"] for one in http.get(f"/v1/blocks/{block['id']}/agents").json()]
    assert sorted(there) == sorted(one["id"] for one in three[:2])
    assert http.get(f"/v1/groups/{group['id']}").json()["shared_block_ids"] == [block["id"]]
    late = http.patch(f"/v1/groups/{group['id']}", json={"agent_ids": [one["id"] for one in three]})
    assert late.status_code == 200
    assert len(http.get(f"/v1/blocks/{block['id']}/agents").json()) == 3
    same = http.post("/v1/blocks/", json={"label": "plan", "value": "y"}).json()
    assert http.patch(f"{path}/attach/{same['id']}").status_code == 409
    assert http.patch(f"{path}/detach/{block['id']}").status_code == 200
    assert http.get(f"/v1/blocks/{block['id']}/agents").json() == []
    made = make(http, three[:2], shared_block_ids=[block["id"]])
    assert len(http.get(f"/v1/blocks/{block['id']}/agents").json()) == 2
    assert made["shared_block_ids"] == [block["id"]]


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        ({"agent_ids": []}, 422, "at least one agent"),
        ({"agent_ids": ["agent-1"]}, 422, "agent_ids"),
        ({"agent_ids": [f"agent-{NOBODY}"]}, 404, "no agent"),
        ({"shared_block_ids": [f"block-{NOBODY}"]}, 404, "no block"),
        ({"manager_config": {"manager_type": "supervisor"}}, 422, "needs a manager"),
        ({"manager_config": {"manager_type": "dynamic", "manager_agent_id": f"agent-{NOBODY}"}}, 404, "no agent"),
        ({"manager_config": {"manager_type": "voice_sleeptime"}}, 400, "voice is not built"),
        ({"manager_config": {"manager_type": "swarm"}}, 422, "manager_type"),
        ({"manager_config": {"max_turns": 0}}, 422, "max_turns"),
        ({"manager_config": {"max_turns": limits.GROUP_TURNS_MAX + 1}}, 422, "max_turns"),
        ({"description": "x" * (limits.GROUP_DESCRIPTION_CHARS_MAX + 1)}, 422, "description"),
    ],
)
def test_what_can_t_be_a_group_is_refused_by_name(http, three, fields, status, why):
    body = {"agent_ids": [one["id"] for one in three], "description": "", **fields}
    answer = http.post("/v1/groups/", json=body)
    assert answer.status_code == status, answer.text
    assert why in answer.text


def test_what_nobody_has_is_not_found_and_what_can_t_be_said_is_refused(http, three):
    group, nobody = make(http, three), f"/v1/groups/group-{NOBODY}"
    block = http.post("/v1/blocks/", json={"label": "plan", "value": "x"}).json()["id"]
    for method, path, body in (
        ("get", nobody, None),
        ("patch", nobody, {"description": "x"}),
        ("get", f"{nobody}/messages", None),
        ("post", f"{nobody}/messages", {"input": "x"}),
        ("post", f"{nobody}/messages/stream", {"input": "x"}),
        ("patch", f"{nobody}/reset-messages", None),
        ("patch", f"{nobody}/blocks/attach/{block}", None),
        ("patch", f"{nobody}/blocks/detach/{block}", None),
        ("patch", f"/v1/groups/{group['id']}/blocks/attach/block-{NOBODY}", None),
        ("get", f"/v1/agents/agent-{NOBODY}/groups", None),
        ("get", f"/v1/agents/{three[0]['id']}/messages?group_id=group-{NOBODY}", None),
    ):
        assert http.request(method, path, json=body).status_code == 404, path
    path = f"/v1/groups/{group['id']}/messages"
    for body in (
        {},
        {"messages": []},
        {"input": "x", "messages": []},
        {"input": "x", "background": True},
        {"input": ""},
        {"input": "x", "max_steps": 0},
        {"input": "x", "max_steps": 10_000},
    ):
        assert http.post(path, json=body).status_code == 422, body
    assert http.post(path, json={"input": "x", "override_model": "nobody/x"}).status_code == 400
    assert http.get("/v1/groups/?manager_type=x").status_code == 422
    assert http.get("/v1/groups/?project_id=x").status_code == 501
    assert http.patch(f"{path}/message-{NOBODY}", json={}).status_code == 501


def test_another_tenant_sees_nothing_of_it(start):
    live = start(keys=KEYS)
    one, other = (live.client(key) for key in KEYS)
    agent = one.post("/v1/agents/", json={"model": "openai/gpt-4o-mini"}).json()
    group = make(one, [agent])
    for method, path, body in (
        ("get", "", None),
        ("delete", "", None),
        ("patch", "", {"description": "mine"}),
        ("get", "/messages", None),
        ("post", "/messages", {"input": "x"}),
        ("patch", "/reset-messages", None),
    ):
        answer = other.request(method, f"/v1/groups/{group['id']}{path}", json=body)
        assert answer.status_code == 404, path
    assert other.get("/v1/groups/").json() == []
    assert other.post("/v1/groups/", json={"agent_ids": [agent["id"]], "description": ""}).status_code == 404
    assert one.get(f"/v1/groups/{group['id']}").json() == group


def test_answers_are_what_the_published_description_asks_for(live, http, three, letta):  # noqa: F811
    checker = Checker(letta["components"]["schemas"])
    for config in (
        {"manager_type": "round_robin"},
        *(
            {"manager_type": kind, "manager_agent_id": three[0]["id"]}
            for kind in ("supervisor", "dynamic", "sleeptime")
        ),
    ):
        group = make(http, three[1:], manager_config=config)
        assert checker.faults(group, {"$ref": "#/components/schemas/Group"}) == [], config
    state = http.get(f"/v1/agents/{three[0]['id']}").json()
    assert checker.faults(state, {"$ref": "#/components/schemas/AgentState"}) == [".kelpie_memory is not known"]
    talking = make(http, three[1:])
    answer = say(http, talking, "hello").json()
    assert checker.faults(answer, {"$ref": "#/components/schemas/LettaResponse"}) == []
