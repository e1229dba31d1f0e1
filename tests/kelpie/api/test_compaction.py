"""Compaction through the API: on its own, by hand, in each mode; and what clients are shown of it."""

import importlib.util
import json

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker

MODEL = "openai/gpt-4o-mini"
NOBODY = "agent-123e4567-e89b-42d3-8456-426614174000"
MODES = ["sliding_window", "all", "self_compact_sliding_window", "self_compact_all"]
WINDOW = 3_000
LONG = "lorem ipsum " * 100  # about 300 tokens
SDK = {"x-stainless-package-version": "1.12.1"}
SUMMARY = "SUMMARY: the user and the agent talked."


@pytest.fixture(scope="module")
def talked(live):
    """`talked(mode)`: an agent of a small window that has had to compact; made once for each."""
    made = {}

    def of(mode):
        if mode not in made:
            agent = live.agent(
                context_window_limit=WINDOW,
                compaction_settings={"mode": mode},
                metadata={"memory": {"recall": False, "remember": False}},
            )
            for number in range(9):
                answer = live.send(agent["id"], f"question {number} {LONG} [[say:answer {number}]]")
                assert [one["message_type"] for one in answer.json()["messages"]] == ["assistant_message"]
            made[mode] = agent["id"]
        return made[mode]

    return of


@pytest.fixture
def checker(needs):
    needs("letta-openapi", LETTA.is_file(), "the reference beside this repository")
    schemas = json.loads(LETTA.read_bytes())["components"]["schemas"]
    return Checker(schemas), schemas


@pytest.fixture
def letta(live, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as client:
        yield client


def listed(live, agent_id, headers=SDK, **params):
    answer = live.http.get(
        f"/v1/agents/{agent_id}/messages", params={"order": "asc", "limit": 200, **params}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_summarises_and_loses_nothing(live, talked, mode):
    agent_id = talked(mode)
    shown = listed(live, agent_id)
    summaries = [one for one in shown if one["message_type"] == "summary_message"]
    assert summaries
    assert {one["summary"] for one in summaries} == {SUMMARY}
    said = [one["content"] for one in shown if one["message_type"] == "assistant_message"]
    assert said == [f"answer {number}" for number in range(9)]
    asked = [one for one in shown if one["message_type"] == "user_message"]
    assert [one["content"].split()[1] for one in asked] == [str(number) for number in range(9)]
    links = live.http.get(f"/v1/agents/{agent_id}/summaries", params={"order": "asc"}).json()
    assert [one["id"] for one in links] == [one["id"] for one in summaries]
    assert {one["mode"] for one in links} == {mode}
    assert [one["previous_summary_id"] for one in links] == [None, *(one["id"] for one in links[:-1])]
    messages = [one for one in shown if one["message_type"] != "summary_message"]
    positions = {one["id"]: at for at, one in enumerate(messages)}
    begins = 0
    for link in links:
        assert positions[link["first_message_id"]] == begins
        assert link["messages_unseen"] == 0
        begins = positions[link["last_message_id"]] + 1
    found = live.http.post("/v1/messages/search", json={"query": "question 0", "limit": 50, "agent_id": agent_id})
    assert messages[1]["id"] in [one["message_id"] for one in found.json()]
    steps = live.http.get("/v1/steps/", params={"agent_id": agent_id, "limit": 100}).json()
    assert len(steps) == 9 + len(summaries)
    assert sum(one.get("kelpie_kind") == "compaction" for one in steps) == len(summaries)


@pytest.mark.parametrize("mode", MODES)
def test_the_context_adds_up_to_what_is_sent(live, talked, checker, mode):
    agent_id = talked(mode)
    context = live.http.get(f"/v1/agents/{agent_id}/context").json()
    faults, schemas = checker[0].faults, checker[1]
    assert faults(context, schemas["ContextWindowOverview"]) == []
    parts = [value for name, value in context.items() if name.startswith("num_tokens_")]
    assert sum(parts) == context["context_window_size_current"] <= WINDOW
    assert context["num_tokens_summary_memory"] > 0
    assert SUMMARY in context["summary_memory"]
    raw = live.http.post(
        f"/v1/agents/{agent_id}/messages/preview-raw-payload", json={"messages": [{"role": "user", "content": "x"}]}
    ).json()
    sent = raw["messages"]
    assert sent[1]["content"] == context["summary_memory"]
    assert context["num_messages"] == len(sent) - 1
    assert sum(len(json.dumps(one)) for one in sent) / 4 < 1.3 * context["context_window_size_current"]


def test_older_clients_are_shown_an_alert_of_the_user(live, talked):
    shown = listed(live, talked("all"), headers={"user-agent": "old"})
    assert "summary_message" not in {one["message_type"] for one in shown}
    [alert, *_] = [one for one in shown if '"system_alert"' in one.get("content", "")]
    assert alert["message_type"] == "user_message"
    assert SUMMARY in json.loads(alert["content"])["message"]


@pytest.mark.parametrize("path", ["messages", "messages/stream"])
def test_who_asks_for_it_is_told_of_the_event_and_the_summary(live, path):
    agent, told = live.agent(context_window_limit=WINDOW)["id"], []
    for number in range(8):
        body = {"input": f"{number} {LONG}", "include_compaction_messages": True}
        answer = live.http.post(f"/v1/agents/{agent}/{path}", json=body)
        if path == "messages":
            told += answer.json()["messages"]
        else:
            lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
            told += [json.loads(line) for line in lines]
    event, summary = (
        next(one for one in told if one["message_type"] == f"{kind}_message") for kind in ("event", "summary")
    )
    assert (event["event_type"], event["event_data"]["trigger"]) == ("compaction", "post_step_context_check")
    assert (summary["id"], summary["summary"]) == (event["id"], SUMMARY)
    stats = summary["compaction_stats"]
    assert stats["context_window"] == WINDOW
    assert stats["messages_count_after"] < stats["messages_count_before"]
    assert summary["otid"] != event["otid"]


def test_a_conversation_is_compacted_by_hand(live, letta):
    agent = live.agent()["id"]
    for number in range(4):
        live.send(agent, f"question {number} [[say:answer]]")
    made = letta.agents.messages.compact(agent, compaction_settings={"mode": "all", "model": MODEL})
    assert (made.summary, made.num_messages_before, made.num_messages_after) == (SUMMARY, 8, 1)
    context = live.http.get(f"/v1/agents/{agent}/context").json()
    assert (context["num_messages"], context["num_recall_memory"]) == (2, 10)
    nothing = live.http.post(f"/v1/agents/{agent}/summarize")
    assert nothing.status_code == 400
    assert "nothing to summarise" in nothing.json()["detail"]
    assert live.send(agent, "go on [[say:gladly]]").json()["messages"][0]["content"] == "gladly"
    again = letta.agents.messages.compact(agent)
    assert (again.num_messages_before, again.num_messages_after) == (3, 1)
    runs = live.http.get("/v1/runs/", params={"agent_id": agent, "order": "desc"}).json()
    assert runs[0]["stop_reason"] == "end_turn"
    assert next(iter(letta.agents.messages.list(agent, limit=1))).message_type == "summary_message"


def test_each_conversation_is_compacted_for_itself(live, letta):
    agent, other = live.agent()["id"], live.agent()["id"]
    one = letta.conversations.create(agent_id=agent).id
    live.send(agent, "in the main one [[say:yes]]")
    for number in range(2):
        said = live.http.post(
            f"/v1/conversations/{one}/messages", json={"input": f"aside {number} [[say:no]]", "streaming": False}
        )
        assert said.status_code == 200, said.text
    made = letta.conversations.messages.compact(one, compaction_settings={"mode": "all", "model": MODEL})
    assert (made.num_messages_before, made.num_messages_after) == (4, 1)
    path, of_one = f"/v1/agents/{agent}/summaries", {"conversation_id": one}
    [link] = live.http.get(path, params=of_one).json()
    assert (link["conversation_id"], link["messages_summarised"]) == (one, 4)
    assert live.http.get(path).json() == []
    assert live.http.get(f"/v1/agents/{agent}/context").json()["summary_memory"] is None
    assert live.http.get(f"/v1/agents/{agent}/context", params=of_one).json()["num_messages"] == 2
    by_default = live.http.post("/v1/conversations/default/compact", json={"agent_id": agent})
    assert by_default.json()["num_messages_before"] == 2
    assert len(live.http.get(path).json()) == 1
    again = live.http.post(f"/v1/conversations/{agent}/compact", json=None)
    assert again.status_code == 400, "an agent's id stands for its main conversation, which is summarised already"
    assert live.http.get(f"/v1/agents/{other}/summaries", params=of_one).status_code == 404
    assert live.http.post("/v1/conversations/default/compact", json={}).status_code == 422
    assert live.http.post("/v1/conversations/default/compact", json={"agent_id": NOBODY}).status_code == 404
    nobodys = NOBODY.replace("agent", "conv")
    assert live.http.post(f"/v1/conversations/{nobodys}/compact").status_code == 404


def test_settings_are_kept_given_back_and_act(live, letta):
    given = {"mode": "all", "clip_chars": 7, "prompt": "Summarise it.", "prompt_acknowledgement": True, "model": MODEL}
    agent = letta.agents.create(model=MODEL, compaction_settings=given)
    kept = letta.agents.retrieve(agent.id).compaction_settings
    assert {name: getattr(kept, name) for name in given} == given
    live.send(agent.id, "hello")
    assert letta.agents.messages.compact(agent.id).summary == SUMMARY[:7]
    changed = letta.agents.update(agent.id, compaction_settings={"mode": "sliding_window", "model": MODEL})
    assert changed.compaction_settings.mode == "sliding_window"
    assert letta.agents.create(model=MODEL).compaction_settings is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "burn"},
        {"clip_chars": 0},
        {"sliding_window_percentage": 1.5},
        {"prompt": ""},
        {"prompt": "x" * 20_001},
        {"model_settings": {"temperature": 9}},
        {"prompt_acknowledgement": "perhaps"},
    ],
)
def test_settings_that_make_no_sense_are_refused(live, wrong):
    body = {"compaction_settings": wrong}
    assert live.http.post("/v1/agents/", json={"model": MODEL, **body}).status_code == 422
    assert live.http.post(f"/v1/agents/{NOBODY}/summarize", json=body).status_code == 422


def test_who_is_nobodys_agent_has_no_summaries(live):
    assert live.http.post(f"/v1/agents/{NOBODY}/summarize").status_code == 404
    assert live.http.get(f"/v1/agents/{NOBODY}/summaries").status_code == 404
    assert live.http.post("/v1/agents/agent-1/summarize").status_code == 422
    agent = live.agent()["id"]
    assert live.http.get(f"/v1/agents/{agent}/summaries").json() == []
    assert live.http.get(f"/v1/agents/{agent}/summaries", params={"limit": 0}).status_code == 422


def test_what_fails_to_be_summarised_is_said(live):
    agent = live.agent()["id"]
    live.send(agent, "hello")
    given = {"compaction_settings": {"mode": "all", "prompt": "[[err:500]] Sum it up.", "model": MODEL}}
    assert live.http.post(f"/v1/agents/{agent}/summarize", json=given).status_code == 200, "directives are the user's"


def test_a_compacted_agent_travels_with_its_summary_before_what_came_since(live, talked):
    agent = talked("sliding_window")
    found = live.http.get(f"/v1/agents/{agent}/export").json()
    head, summary, *since = found["agents"][0]["messages"]
    assert head["role"] == "system"
    assert SUMMARY in summary["content"][0]["text"]
    assert since[-1]["content"][0]["text"] == "answer 8"
    older = found["kelpie"]["agents"]["agent-0"]["history"]
    said = [one for one in listed(live, agent) if one["message_type"] != "summary_message"]
    assert len(since) + len(older) + 1 == len(said)
