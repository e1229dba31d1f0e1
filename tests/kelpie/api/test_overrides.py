"""What a sender may set for one request, what an agent's settings ask of its model, and structured answers."""

import json

import pytest

from kelpie.agents.limits import EXIT_REMINDERS_MAX
from kelpie.trajectories import steps
from umi.storage import View

MODEL = "openai/gpt-4o-mini"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
AS_CITY = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
AS_OBJECT = {"type": "json_object"}


def told(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def said(answer):
    return [one["content"] for one in told(answer)["messages"] if one["message_type"] == "assistant_message"]


def request_of(live, agent, **body):
    path = f"/v1/agents/{agent['id']}/messages/preview-raw-payload"
    return told(live.http.post(path, json={"input": "hello", **body}))


@pytest.fixture(scope="module")
def plain(live):
    return live.agent()


# ---- structured answers


@pytest.mark.parametrize("place", ["agent", "settings", "request"])
def test_a_structured_answer_is_asked_for_and_checked(live, place):
    fields = {"agent": {"response_format": AS_CITY}, "settings": {"model_settings": {"response_format": AS_CITY}}}
    agent = live.agent(**fields.get(place, {}))
    options = {"response_format": AS_CITY} if place == "request" else {}
    assert request_of(live, agent, **options)["response_format"] == AS_CITY
    assert said(live.send(agent["id"], '[[say:{"city": "Rome"}]]', **options)) == ['{"city": "Rome"}']
    broken = live.send(agent["id"], '[[say:{"town": "Rome"}]]', **options)
    assert (broken.status_code, broken.json()["error"]["type"]) == (502, "llm_invalid_response")
    assert "'city' is a required property" in broken.text
    (run,) = live.http.get("/v1/runs/", params={"agent_id": agent["id"], "limit": 1}).json()
    assert (run["status"], run["stop_reason"]) == ("failed", "invalid_llm_response")
    assert said(live.send(agent["id"], '[[say:{"city": "Oslo"}]]', **options)) == ['{"city": "Oslo"}']


def test_a_request_may_ask_for_any_text_where_the_agent_wants_json(live):
    agent = live.agent(response_format=AS_OBJECT)
    assert live.send(agent["id"], "[[say:words]]").status_code == 502
    assert said(live.send(agent["id"], "[[say:words]]", response_format={"type": "text"})) == ["words"]
    shown = live.http.patch(f"/v1/agents/{agent['id']}", json={"response_format": {"type": "text"}}).json()
    assert shown["response_format"] == {"type": "text"}
    assert said(live.send(agent["id"], "[[say:words]]")) == ["words"]


def test_calls_on_the_way_to_a_structured_answer_are_made(live):
    agent = live.agent(response_format=AS_CITY)
    answer = live.send(agent["id"], '[[tool:conversation_search {"query": "x"}]] [[say:{"city": "Rome"}]]')
    assert said(answer) == ['{"city": "Rome"}']


def test_words_before_a_call_that_a_rule_demands_are_no_answer_yet(live):
    first = {"type": "required_before_exit", "tool_name": "conversation_search"}
    agent = live.agent(response_format=AS_CITY, tool_rules=[first])
    answer = live.send(agent["id"], "[[say:words]]")  # and words again, each time it is told to call
    assert answer.status_code == 502
    steps_made = told(live.http.get("/v1/steps/", params={"agent_id": agent["id"]}))
    assert [step["status"] for step in steps_made] == ["failed", *["success"] * EXIT_REMINDERS_MAX]


def test_an_agent_that_speaks_by_a_tool_is_structured_there(live):
    agent = live.agent(agent_type="memgpt_agent", response_format=AS_CITY)
    tools = {one["function"]["name"]: one["function"] for one in request_of(live, agent)["tools"]}
    assert tools["send_message"]["parameters"]["properties"]["message"] == CITY
    assert "response_format" not in request_of(live, agent)
    call = '[[tool:send_message {"thinking": "t", "message": {"city": "Rome"}}]]'
    assert [json.loads(one) for one in said(live.send(agent["id"], call))] == [{"city": "Rome"}]
    mended = live.send(agent["id"], f'[[tool:send_message {{"message": {{"town": 1}}}}]] {call}')
    kinds = [one["message_type"] for one in told(mended)["messages"]]
    assert kinds[-1] == "assistant_message"
    failed = next(one for one in told(mended)["messages"] if one["message_type"] == "tool_return_message")
    assert "'city' is a required property" in failed["tool_return"]


def test_a_structured_message_is_told_whole_where_words_would_come_in_pieces(live):
    agent = live.agent(agent_type="memgpt_agent", response_format=AS_CITY)
    call = '[[tool:send_message {"thinking": "t", "message": {"city": "Rome"}}]]'
    path = f"/v1/agents/{agent['id']}/messages/stream"
    with live.http.stream("POST", path, json={"input": call, "stream_tokens": True}) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    (spoken,) = [one["content"] for one in events if one["message_type"] == "assistant_message"]
    assert json.loads(spoken) == {"city": "Rome"}


@pytest.mark.parametrize("bad", [{"type": "xml"}, {"type": "json_schema"}, "json"])
def test_what_is_no_format_is_refused_everywhere(live, http, plain, bad):
    for path, body in (
        ("/v1/agents/", {"model": MODEL, "response_format": bad}),
        ("/v1/agents/", {"model": MODEL, "model_settings": {"response_format": bad}}),
        (f"/v1/agents/{plain['id']}/messages", {"input": "x", "response_format": bad}),
    ):
        assert http.post(path, json=body).status_code in (400, 422)


# ---- one request


def test_another_model_and_system_hold_for_one_request(live, plain):
    asked = request_of(live, plain, override_model="openai/gpt-4.1-mini", override_system="Speak like a pirate.")
    assert (asked["model"], asked["messages"][0]["content"]) == ("gpt-4.1-mini", "Speak like a pirate.")
    assert request_of(live, plain, system="Be brief.")["messages"][0]["content"] == "Be brief."
    again = request_of(live, plain)
    assert (again["model"], "pirate" in again["messages"][0]["content"]) == ("gpt-4o-mini", False)
    refused = live.send(plain["id"], "x", override_model="nobody/nothing")
    assert "no provider serves" in refused.text


def test_a_clients_skills_stand_at_the_end_of_the_system_message(live, plain):
    skill = {"name": "pdf", "description": "Reads PDFs.", "location": "skills/pdf/SKILL.md"}
    with_skills = request_of(live, plain, client_skills=[skill])["messages"][0]["content"]
    without = request_of(live, plain)["messages"][0]["content"]
    assert with_skills.startswith(without)
    assert "- pdf (skills/pdf/SKILL.md): Reads PDFs." in with_skills
    assert live.send(plain["id"], "x", client_skills=[{"name": "pdf"}]).status_code == 422


def test_a_run_takes_no_more_steps_than_it_may(live, plain):
    looks = " ".join(['[[tool:conversation_search {"query": "x"}]]'] * 4)
    answer = told(live.send(plain["id"], looks, max_steps=2))
    assert (answer["stop_reason"]["stop_reason"], answer["usage"]["step_count"]) == ("max_steps", 2)
    for bad in (0, 1_001, "many"):
        assert live.send(plain["id"], "x", max_steps=bad).status_code == 422


def test_only_the_types_that_are_asked_for_come_back(live, plain):
    script = '[[think:hm]] [[tool:conversation_search {"query": "x"}]] [[say:done]]'
    wanted = ["tool_call_message", "assistant_message"]
    answer = told(live.send(plain["id"], script, include_return_message_types=wanted))
    assert [one["message_type"] for one in answer["messages"]] == wanted
    assert live.send(plain["id"], "x", include_return_message_types=["thoughts"]).status_code == 422


def test_speech_is_shown_as_a_call_or_as_words_of_another_tool(live):
    agent = live.agent(agent_type="memgpt_agent")
    as_call = told(live.send(agent["id"], "[[say:hi]]", use_assistant_message=False))
    assert [one["message_type"] for one in as_call["messages"]] == [
        *("reasoning_message", "tool_call_message", "tool_return_message")
    ]
    script = '[[tool:conversation_search {"query": "tea", "request_heartbeat": true}]] [[say:hi]]'
    names = {"assistant_message_tool_name": "conversation_search", "assistant_message_tool_kwarg": "query"}
    assert said(live.send(agent["id"], script, **names))[0] == "tea"
    path = f"/v1/agents/{agent['id']}/messages"
    listed = live.http.get(path, params={**names, "order": "asc"}).json()
    assert "tea" in [one.get("content") for one in listed]


def test_a_sender_can_do_without_thinking(live):
    agent = live.agent(agent_type="memgpt_agent")
    for thinks, required in ((None, ["thinking", "message"]), (True, ["thinking", "message"]), (False, ["message"])):
        tools = request_of(live, agent, **({} if thinks is None else {"enable_thinking": thinks}))["tools"]
        (send,) = [one["function"] for one in tools if one["function"]["name"] == "send_message"]
        assert send["parameters"]["required"] == required
    answer = told(live.send(agent["id"], "[[say:hi]]", enable_thinking="false"))
    assert [one["message_type"] for one in answer["messages"]] == ["assistant_message"]


def test_one_message_or_several_and_never_both(live, plain):
    parts = [{"type": "text", "text": "[[say:"}, {"type": "text", "text": "two]]"}]
    assert live.http.post(f"/v1/agents/{plain['id']}/messages", json={"input": parts}).status_code == 200
    both = {"input": "x", "messages": [{"role": "user", "content": "y"}]}
    for body in (both, {}):
        refused = live.http.post(f"/v1/agents/{plain['id']}/messages", json=body)
        assert (refused.status_code, "either 'messages' or 'input'" in refused.text) == (422, True)


# ---- tokens


def test_the_tokens_of_replies_are_given_back_and_kept_with_the_steps(live, plain):
    script = '[[tool:conversation_search {"query": "x"}]] [[say:one two three]]'
    answer = told(live.send(plain["id"], script, return_logprobs=True, top_logprobs=2, return_token_ids=True))
    assert [one["token"] for one in answer["logprobs"]["content"]] == ["one ", "two ", "three"]
    assert answer["logprobs"]["content"][0]["top_logprobs"] == []
    roles = [one["role"] for one in answer["turns"]]
    assert roles == ["assistant", "tool", "assistant"]
    assert answer["turns"][1]["tool_name"] == "conversation_search"
    assert answer["turns"][2]["output_token_logprobs"][0] == [-0.5, 0, "one "]
    view, run_id = View(live.server.app.state.house.workshop.database), answer["messages"][0]["run_id"]

    async def kept():
        return [one.tokens for one in await steps.of_run(view, "default", run_id)]

    first, last = live.run(kept())
    assert [one.token for one in last.sampled] == ["one ", "two ", "three"]
    assert first.sampled is None


def test_tokens_are_asked_for_only_if_somebody_wants_them(live, plain):
    assert not {"logprobs", "top_logprobs"} & request_of(live, plain).keys()
    asked = request_of(live, plain, return_logprobs=True, top_logprobs=3)
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 3)
    answer = told(live.send(plain["id"], "[[say:hi]]"))
    assert "logprobs" not in answer
    assert "turns" not in answer
    for bad in ({"top_logprobs": 3}, {"return_logprobs": True, "top_logprobs": 21}):
        assert live.send(plain["id"], "x", **bad).status_code == 422


# ---- results of tools


def test_of_a_long_result_the_model_is_shown_a_share_of_the_window(live):
    agent = live.agent(context_window_limit=16_000, metadata={"memory": {"recall": False, "remember": False}})
    live.send(agent["id"], "tea " * 5_000)
    answer = told(live.send(agent["id"], '[[tool:conversation_search {"query": "tea"}]] [[say:done]]'))
    (returned,) = [one for one in answer["messages"] if one["message_type"] == "tool_return_message"]
    assert len(returned["tool_return"]) > 20_000  # it is kept up to its tool's own limit

    def shown():
        return next(one for one in request_of(live, agent)["messages"] if one["role"] == "tool")["content"]

    assert 12_800 < len(shown()) < 12_900  # a fifth of 16,000 tokens of four characters
    assert "12,800 are shown" in shown()
    assert live.http.patch(f"/v1/agents/{agent['id']}", json={"context_window_limit": 100_000}).status_code == 200
    assert shown() == returned["tool_return"]


# ---- settings of a model


def test_what_a_models_settings_ask_is_asked_and_given_back(live):
    settings = {
        "provider_type": "openai",
        "temperature": 0.2,
        "max_output_tokens": 500,
        "parallel_tool_calls": False,
        "reasoning": {"reasoning_effort": "low"},
        "verbosity": "high",
        "strict": True,
    }
    agent = live.agent(model="openai/gpt-5-mini", model_settings=settings)
    assert agent["model_settings"] == settings
    asked = request_of(live, agent)
    assert (asked["reasoning_effort"], asked["verbosity"], asked["temperature"]) == ("low", "high", 0.2)
    assert (asked["max_tokens"], asked["parallel_tool_calls"]) == (500, False)
    assert "reasoning_effort" not in request_of(live, agent, enable_thinking=False)
    plain = live.http.patch(f"/v1/agents/{agent['id']}", json={"model": MODEL}).json()
    assert not {"reasoning_effort", "verbosity"} & request_of(live, plain).keys()  # a model that refuses them
    again = {"model": "openai/gpt-5-mini", "model_settings": {"provider_type": "openai", "verbosity": "low"}}
    changed = live.http.patch(f"/v1/agents/{agent['id']}", json=again).json()
    assert "reasoning" not in changed["model_settings"]
    asked = request_of(live, agent)
    assert (asked.get("reasoning_effort"), asked["verbosity"]) == (None, "low")


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": "hot"},
        {"temperature": 3},
        {"max_output_tokens": 0},
        {"parallel_tool_calls": "yes"},
        {"reasoning": "high"},
        {"reasoning": {"reasoning_effort": "extreme"}},
        {"thinking": {"type": "enabled", "budget_tokens": -1}},
        {"verbosity": "loud"},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(http, bad):
    refused = http.post("/v1/agents/", json={"model": MODEL, "model_settings": bad})
    assert refused.status_code == 422
    assert next(iter(bad)) in refused.text
