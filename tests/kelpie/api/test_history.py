"""Messages of all agents, what the model is shown of them, and what is said of runs and steps afterwards."""

import importlib.util
import json

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker

MODEL = "openai/gpt-4o-mini"
NOBODY = "123e4567-e89b-42d3-8456-426614174000"
USES = '[[tool:memory_insert {"label": "human", "new_string": "tea"}]] [[think:hm]] [[say:noted]]'


@pytest.fixture
def agent(live):
    return live.agent(memory_blocks=[{"label": "human", "value": "Sam"}], description="of history")["id"]


@pytest.fixture
def letta(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as client:
        yield client


def said(live, agent_id, text):
    answer = live.send(agent_id, text).json()
    return answer["messages"][0]["run_id"], answer["messages"][0]["step_id"]


# ---- messages of all agents


def test_messages_of_all_agents_are_listed_and_read_one_by_one(live, agent, letta):
    said(live, agent, "[[say:of the first]]")
    other = live.agent()["id"]
    said(live, other, "[[say:of the second]]")
    listed = live.http.get("/v1/messages/", params={"limit": 4}).json()
    assert [one.get("content") for one in listed[:2]] == ["of the second", "[[say:of the second]]"]
    assert "of the first" in [one.get("content") for one in live.http.get("/v1/messages/").json()]
    older = live.http.get("/v1/messages/", params={"after": listed[0]["id"], "limit": 1}).json()
    assert [one["id"] for one in older] == [listed[1]["id"]]
    users = live.http.get("/v1/messages/", params={"include_return_message_types": "user_message"}).json()
    assert {one["message_type"] for one in users} == {"user_message"}
    assert live.http.get(f"/v1/messages/{listed[0]['id']}").json() == [listed[0]]
    assert live.http.get(f"/v1/messages/message-{NOBODY}").status_code == 404
    assert live.http.get("/v1/messages/message-1").status_code == 422
    assert live.http.get("/v1/messages/", params={"conversation_id": "x"}).status_code == 422
    assert live.http.get("/v1/messages/", params={"conversation_id": f"conv-{NOBODY}"}).status_code == 404
    assert [one.id for one in letta.messages.list(limit=2)] == [one["id"] for one in listed[:2]]
    assert letta.messages.retrieve(listed[0]["id"])[0].id == listed[0]["id"]


def test_messages_are_found_by_their_words_in_all_histories_or_one(live, letta):
    first, second = live.agent()["id"], live.agent()["id"]
    said(live, first, "the zebrafish swims [[say:zebrafish are small]]")
    said(live, second, "my zebrafish is ill [[say:call the vet]]")
    found = letta.messages.search(query="zebrafish")
    assert {(one.agent_id, one.message_type) for one in found} == {
        (first, "user_message"),
        (first, "assistant_message"),
        (second, "user_message"),
    }
    assert {one.agent_id for one in letta.messages.search(query="zebrafish", agent_id=second)} == {second}
    assert len(letta.messages.search(query="zebrafish", limit=1)) == 1
    assert letta.messages.search(query="zebrafish", end_date="2020-01-01") == []
    assert letta.messages.search(query="nobodysaidthis") == []
    ranked = live.http.post("/v1/agents/messages/search", json={"query": "zebrafish", "roles": ["assistant"]}).json()
    assert [(one["embedded_text"], one["fts_rank"]) for one in ranked] == [("zebrafish are small", 1)]
    newest = live.http.post("/v1/agents/messages/search", json={"agent_id": second, "limit": 1}).json()
    assert newest[0]["message"]["content"] == [{"type": "text", "text": "call the vet"}]


@pytest.mark.parametrize("path", ["/v1/messages/search", "/v1/agents/messages/search"])
def test_a_search_that_can_t_be_made_is_refused(live, path):
    for body, status in (
        ({"query": "x", "limit": 0}, 422),
        ({"query": "x", "limit": 101}, 422),
        ({"query": "x" * 10_001}, 422),
        ({"query": "x", "start_date": "soon"}, 422),
        ({"query": "x", "search_mode": "vector"}, 501),
        ({"query": "x", "conversation_id": "conv-1"}, 422),
        ({"query": "x", "conversation_id": f"conv-{NOBODY}"}, 404),
        ({"query": "x", "conversation_id": "default"}, 422),
        ({"query": "x", "agent_id": f"agent-{NOBODY}"}, 404),
    ):
        assert live.http.post(path, json=body).status_code == status, body
    assert live.http.post("/v1/messages/search", json={}).status_code == 422
    assert live.http.post("/v1/agents/messages/search", json={"project_id": "p"}).status_code == 501


def test_what_was_said_is_not_changed(live, agent):
    run, _ = said(live, agent, "[[say:for ever]]")
    message = live.http.get(f"/v1/runs/{run}/messages").json()[-1]["id"]
    refused = live.http.patch(f"/v1/agents/{agent}/messages/{message}", json={"content": "never"})
    assert (refused.status_code, "never changed" in refused.json()["detail"]) == (501, True)
    assert live.http.get(f"/v1/messages/{message}").json()[0]["content"] == "for ever"


# ---- what the model is shown


def test_the_preview_is_what_the_model_is_then_sent(live, agent):
    said(live, agent, USES)
    body = {"messages": [{"role": "user", "content": "[[say:once more]]"}]}
    before = live.http.get(f"/v1/agents/{agent}/messages").json()
    foreseen = live.http.post(f"/v1/agents/{agent}/messages/preview-raw-payload", json=body).json()
    assert live.http.get(f"/v1/agents/{agent}/messages").json() == before, "nothing was stored"
    _, step = said(live, agent, "[[say:once more]]")
    assert live.http.get(f"/v1/steps/{step}/trace").json()["request_json"] == foreseen
    assert foreseen["messages"][-1] == {"role": "user", "content": "[[say:once more]]"}
    streamed = live.http.post(
        f"/v1/agents/{agent}/messages/preview-raw-payload", json=body | {"streaming": True, "stream_tokens": True}
    ).json()
    assert streamed["stream"] is True


def test_the_parts_of_the_context_add_up_to_the_request(live, agent):
    empty = live.http.get(f"/v1/agents/{live.agent()['id']}/context").json()
    assert empty["num_messages"] == 1
    said(live, agent, USES)
    seen = live.http.get(f"/v1/agents/{agent}/context").json()
    parts = [value for name, value in seen.items() if name.startswith("num_tokens_")]
    assert sum(parts) == seen["context_window_size_current"]
    assert all(part >= 0 for part in parts)
    assert "Sam" in seen["core_memory"]
    assert seen["core_memory"] not in seen["system_prompt"]
    assert seen["num_messages"] == len(seen["messages"]) == 5
    assert [one["function"]["name"] for one in seen["functions_definitions"]][:1] == ["memory_insert"]
    payload = live.http.post(f"/v1/agents/{agent}/messages/preview-raw-payload", json={"input": "x"}).json()
    tokens = len(json.dumps([one.get("content") or "" for one in payload["messages"]])) / 4
    assert tokens * 0.5 < seen["context_window_size_current"] < 10 * tokens


def test_the_prompt_is_given_as_it_is_compiled(live, agent, letta):
    prompt = json.loads(letta.agents.recompile(agent, dry_run=True))  # the client gives a text as it came
    assert "<memory_blocks>" in prompt
    assert "Sam" in prompt
    assert live.http.post(f"/v1/agents/{agent}/system-prompt/recompile").json() == prompt
    live.http.patch(f"/v1/agents/{agent}/core-memory/blocks/human", json={"value": "Ada"})
    assert "Ada" in letta.agents.recompile(agent)


def test_a_history_is_begun_anew_and_the_agent_goes_on(live, agent, letta):
    run, _ = said(live, agent, "[[say:soon forgotten zanzibar]]")
    reset = letta.agents.messages.reset(agent)
    assert reset is None or reset.id == agent
    assert [one["message_type"] for one in live.http.get(f"/v1/agents/{agent}/messages").json()] == ["system_message"]
    assert live.http.post("/v1/messages/search", json={"query": "zanzibar"}).json() == []
    assert live.http.get(f"/v1/runs/{run}").json()["status"] == "completed"
    said(live, agent, "[[say:begun anew]]")
    shown = live.http.get(f"/v1/agents/{agent}/messages", params={"order": "asc"}).json()
    assert [one["content"] for one in shown[1:]] == ["[[say:begun anew]]", "begun anew"]


def test_a_history_is_not_taken_from_under_a_run(live, agent):
    run = live.http.post(f"/v1/agents/{agent}/messages/async", json={"input": "[[delay_ms:20000]]"}).json()["id"]
    assert live.http.patch(f"/v1/agents/{agent}/reset-messages", json={}).status_code == 409
    assert live.http.post(f"/v1/agents/{agent}/messages/cancel").json() == {run: "cancelled"}
    assert live.http.patch(f"/v1/agents/{agent}/reset-messages", json={}).status_code == 200


# ---- runs and steps afterwards


def test_runs_and_steps_say_what_they_took_and_what_was_sent(live, agent, letta):
    run, step = said(live, agent, USES)
    metrics = live.http.get(f"/v1/runs/{run}/metrics").json()
    tool = next(one for one in live.http.get("/v1/tools/", params={"name": "memory_insert"}).json())
    assert (metrics["id"], metrics["num_steps"], metrics["tools_used"]) == (run, 2, [tool["id"]])
    assert metrics["run_ns"] >= 0
    spans = letta.runs.trace.retrieve(run)
    assert [one["span_name"] for one in spans] == [
        "run",
        "agent_step",
        "llm_request",
        "tool_call",
        "agent_step",
        "llm_request",
    ]
    ids = {one["span_id"] for one in spans}
    assert len(ids) == len(spans)
    assert {one["parent_span_id"] for one in spans[1:]} <= ids
    assert len(letta.runs.trace.retrieve(run, limit=2)) == 2
    took = letta.steps.metrics.retrieve(step)
    assert (took.id, took.run_id) == (step, run)
    assert took.llm_request_ns > 0
    trace = letta.steps.trace.retrieve(step)
    assert trace.request_json["messages"][-1]["content"] == USES
    assert trace.response_json["choices"]
    assert [one.message_type for one in letta.steps.messages.list(step)] == [
        "user_message",
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
    ]


def test_a_step_is_judged_and_found_by_that(live, agent, letta):
    _, first = said(live, agent, "[[say:a]]")
    _, second = said(live, agent, "[[say:b]]")
    judged = letta.steps.feedback.create(first, feedback="negative", tags=["rude", "rude", "wrong"])
    assert (judged.feedback, judged.tags) == ("negative", ["rude", "wrong"])
    assert letta.steps.retrieve(first).feedback == "negative"

    def found(**wanted):
        return [one.id for one in letta.steps.list(agent_id=agent, **wanted)]

    assert found(feedback="negative") == [first]
    assert found(feedback="positive") == []
    assert found(has_feedback=True) == [first]
    assert found(has_feedback=False) == [second]
    assert found(tags=["wrong", "other"]) == [first]
    assert found(tags=["other"]) == []
    assert found(start_date="2020-01-01") == [second, first]
    assert found(end_date="2020-01-01") == []
    assert letta.steps.feedback.create(first, feedback=None).tags == ["rude", "wrong"]
    assert found(has_feedback=True) == []
    for body in ({"feedback": "so so"}, {"tags": ["x" * 257]}, {"tags": ["x"] * 101}):
        assert live.http.patch(f"/v1/steps/{first}/feedback", json=body).status_code == 422, body


def test_runs_are_found_by_how_they_stand(live, agent, letta):
    done, _ = said(live, agent, "[[say:a]]")
    failed = live.send(agent, "[[err:400]]").headers["x-kelpie-run-id"]
    slow = live.http.post(f"/v1/agents/{agent}/messages/async", json={"input": "[[delay_ms:20000]]"}).json()["id"]

    def found(**wanted):
        return [one.id for one in letta.runs.list(agent_id=agent, **wanted)]

    assert found() == [slow, failed, done]
    assert found(statuses=["completed", "failed"]) == [failed, done]
    assert found(stop_reason="end_turn") == [done]
    assert found(background=True) == found(active=True) == [slow]
    active = live.http.get("/v1/runs/active", params={"agent_id": agent}).json()
    assert [one["id"] for one in active] == [slow]
    assert live.http.get("/v1/runs/active", params={"agent_id": agent, "background": False}).json() == []
    live.http.post(f"/v1/agents/{agent}/messages/cancel")
    assert live.http.get("/v1/runs/active", params={"agent_id": agent}).json() == []


def paths_of(agent, run, step, message):
    yield "get", f"/v1/messages/{message}", None
    for tail in ("metrics", "trace", "messages"):
        yield "get", f"/v1/steps/{step}/{tail}", None
    yield "patch", f"/v1/steps/{step}/feedback", {"feedback": "positive"}
    for tail in ("metrics", "trace"):
        yield "get", f"/v1/runs/{run}/{tail}", None
    yield "get", f"/v1/agents/{agent}/context", None
    yield "post", f"/v1/agents/{agent}/recompile", None
    yield "post", f"/v1/agents/{agent}/messages/preview-raw-payload", {"input": "x"}
    yield "patch", f"/v1/agents/{agent}/reset-messages", {}
    yield "post", "/v1/messages/search", {"query": "said", "agent_id": agent}


def test_what_is_another_tenants_is_not_there(start):
    mine, theirs = "first-key-0123456789abcdef", "other-key-0123456789abcdef"
    live = start(keys={mine: "a", theirs: "b"})
    agent = live.agent()["id"]
    run, step = said(live, agent, "[[say:said in secret]]")
    message = live.http.get(f"/v1/runs/{run}/messages").json()[-1]["id"]
    other = live.client(theirs)
    for method, path, body in paths_of(agent, run, step, message):
        assert other.request(method, path, json=body).status_code == 404, path
        assert live.http.request(method, path, json=body).status_code == 200 or "feedback" in path, path
        if "reset" in path:
            run, step = said(live, agent, "[[say:said in secret]]")
    assert other.get("/v1/messages/").json() == []
    assert other.post("/v1/messages/search", json={"query": "said"}).json() == []
    assert other.post("/v1/agents/messages/search", json={"query": "said"}).json() == []
    assert live.http.post("/v1/messages/search", json={"query": "said"}).json()


def test_the_answers_fit_lettas_schemas(live, agent, needs):
    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    published = json.loads(LETTA.read_text(encoding="utf-8"))
    checker = Checker(published["components"]["schemas"])
    run, step = said(live, agent, USES)
    message = live.http.get(f"/v1/runs/{run}/messages").json()[-1]["id"]
    asked = [
        *paths_of("{agent_id}", "{run_id}", "{step_id}", "{message_id}"),
        ("get", "/v1/messages/", None),
        ("get", "/v1/runs/active", None),
        ("post", "/v1/agents/messages/search", {"query": "tea"}),
    ]
    names = {"agent_id": agent, "run_id": run, "step_id": step, "message_id": message}
    faults = []
    for method, path, body in asked:
        body = {**body, "agent_id": agent} if body and "query" in body else body  # noqa: PLW2901
        answer = live.http.request(method, path.format(**names), json=body)
        assert answer.status_code == 200, (path, answer.text)
        schema = published["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        if method == "patch":
            continue  # steps and whole agents carry fields of ours; their own test looks at them
        faults += [f"{method} {path}{fault}" for fault in checker.faults(answer.json(), schema)]
    assert faults == []
