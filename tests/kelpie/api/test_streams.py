"""Streams that are left and taken up again, and runs that are cancelled: by their numbers, whoever asks."""

import importlib.util
import json
import threading

import pytest

from kelpie.api import limits

MODEL = "openai/gpt-4o-mini"
SPEAKS = (
    '[[tool:memory_insert {"label": "human", "new_string": "likes tea and long walks"}]] [[think:a b]] [[say:c d e]]'
)
NOBODY = "123e4567-e89b-42d3-8456-426614174000"


def events(answer):
    """The data of each event, decoded, without pings; the last is "[DONE]"."""
    lines = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    found = [json.loads(line) if line != "[DONE]" else line for line in lines]
    return [one for one in found if one == "[DONE]" or one["message_type"] != "ping"]


def sent(live, agent_id, text=SPEAKS, **options):
    body = {"input": text, "streaming": True, "background": True, "stream_tokens": True, **options}
    with live.http.stream("POST", f"/v1/agents/{agent_id}/messages", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        return answer.headers["x-kelpie-run-id"], events(answer)


def again(live, run_id, **body):
    with live.http.stream("POST", f"/v1/runs/{run_id}/stream", json=body) as answer:
        assert answer.status_code == 200, answer.read()
        return events(answer)


def untimed(parts):
    return [part if part == "[DONE]" else {k: v for k, v in part.items() if k != "date"} for part in parts]


@pytest.fixture
def agent(live):
    return live.agent(memory_blocks=[{"label": "human", "value": ""}])["id"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stream_tokens": False},
        {"use_assistant_message": False},
        {"include_return_message_types": ["user_message"]},
    ],
    ids=lambda one: " ".join(one) or "by token",
)
def test_a_run_that_ended_is_told_again_from_any_event_as_its_sender_saw_it(live, agent, options):
    run_id, first = sent(live, agent, **options)
    *told, stop, usage, done = first
    assert [one["seq_id"] for one in told] == list(range(1, len(told) + 1))
    assert bool(told) == ("include_return_message_types" not in options)
    assert [stop["message_type"], usage["message_type"], done] == ["stop_reason", "usage_statistics", "[DONE]"]
    for after in range(len(told) + 2):
        assert untimed(again(live, run_id, starting_after=after)) == untimed([*told[after:], stop, usage, done])


def test_a_run_is_told_the_same_after_a_restart(start):
    live = start()
    agent_id = live.agent(memory_blocks=[{"label": "human", "value": ""}])["id"]
    run_id, first = sent(live, agent_id)
    live.stop()
    live.start()
    assert untimed(again(live, run_id)) == untimed(first)
    assert untimed(again(live, run_id, starting_after=3)) == untimed(first[3:])


def test_who_comes_in_the_middle_of_a_reply_hears_its_beginning_and_its_end(live, agent):
    body = {"input": "[[pace_ms:60]] [[n:20]]", "streaming": True, "background": True, "stream_tokens": True}
    heard = []
    with live.http.stream("POST", f"/v1/agents/{agent}/messages", json=body) as answer:
        run_id = answer.headers["x-kelpie-run-id"]
        for line in answer.iter_lines():
            if line.startswith("data: ") and '"assistant_message"' in line:
                heard.append(json.loads(line[6:]))
            if len(heard) == 5:
                break
    assert live.http.get(f"/v1/runs/{run_id}").json()["status"] in ("created", "running"), "it should go on"
    rest = again(live, run_id, starting_after=5)
    whole = again(live, run_id)
    assert [one["seq_id"] for one in [*heard, *rest[:-3]]] == list(range(1, 21))
    assert [one["content"] for one in [*heard, *rest[:-3]]] == [one["content"] for one in whole[:-3]]


def test_a_run_that_failed_ends_as_it_did(live, agent):
    with live.http.stream(
        "POST", f"/v1/agents/{agent}/messages", json={"input": "[[err:400]]", "streaming": True}
    ) as answer:
        run_id, first = answer.headers["x-kelpie-run-id"], events(answer)
    assert again(live, run_id) == first
    assert [one["message_type"] for one in first[:-1]] == ["stop_reason", "error_message"]


def test_pings_come_unless_they_are_not_wanted(live, agent):
    run_id, _ = sent(live, agent)
    for body, expected in (({}, True), ({"include_pings": None}, True), ({"include_pings": False}, False)):
        text = live.http.post(f"/v1/runs/{run_id}/stream", json=body).text
        assert ('"ping"' in text) == expected
    assert live.http.post(f"/v1/runs/{run_id}/stream").text.endswith("data: [DONE]\n\n"), "no body is needed"


def test_what_is_sent_again_by_its_otid_is_the_same_run_told_again(live, agent):
    message = {"role": "user", "content": "[[say:one two]]", "otid": "of-mine"}
    body = {"messages": [message], "streaming": True, "background": True, "stream_tokens": True}
    runs, heard = [], []
    for _ in range(2):
        with live.http.stream("POST", f"/v1/agents/{agent}/messages", json=body) as answer:
            runs.append(answer.headers["x-kelpie-run-id"])
            heard.append(untimed(events(answer)))
    assert runs[0] == runs[1]
    assert heard[0] == heard[1]


def test_a_stream_of_nothing_or_from_nowhere_is_refused(live, agent):
    run_id, _ = sent(live, agent)
    assert live.http.post(f"/v1/runs/run-{NOBODY}/stream", json={}).status_code == 404
    wrong = (
        {"starting_after": -1},
        {"starting_after": "x"},
        {"starting_after": limits.STREAM_NUMBER_MAX + 1},
        {"poll_interval": 0},
        {"batch_size": 0},
        {"batch_size": limits.STREAM_BATCH_MAX + 1},
    )
    for body in wrong:
        assert live.http.post(f"/v1/runs/{run_id}/stream", json=body).status_code == 422, body


# ---- cancelling


def under_way(live, agent_id, *texts):
    """Runs in the background, in their order; the first has reached its model."""
    paths = f"/v1/agents/{agent_id}/messages/async"
    return [live.http.post(paths, json={"input": text}).json()["id"] for text in texts]


def status_of(live, run_id):
    run = live.http.get(f"/v1/runs/{run_id}").json()
    return run["status"], run["stop_reason"]


def test_all_runs_of_an_agent_are_cancelled_also_those_that_wait(live, agent):
    runs = under_way(live, agent, "[[delay_ms:20000]]", "[[delay_ms:20000]] second")
    answer = live.http.post(f"/v1/agents/{agent}/messages/cancel")
    assert (answer.status_code, answer.json()) == (200, dict.fromkeys(runs, "cancelled"))
    assert [status_of(live, one) for one in runs] == [("cancelled", "cancelled")] * 2
    stop, usage, done = again(live, runs[0])
    assert (stop["stop_reason"], usage["message_type"], done) == ("cancelled", "usage_statistics", "[DONE]")
    assert live.send(agent, "[[say:still here]]").json()["stop_reason"]["stop_reason"] == "end_turn"
    nothing = live.http.post(f"/v1/agents/{agent}/messages/cancel", json={})
    assert (nothing.status_code, "nothing to cancel" in nothing.json()["detail"]) == (409, True)


def test_only_the_runs_that_are_named_are_cancelled(live, agent):
    first, second = under_way(live, agent, "[[delay_ms:20000]]", "[[say:mine]]")
    answer = live.http.post(f"/v1/agents/{agent}/messages/cancel", json={"run_ids": [first]})
    assert answer.json() == {first: "cancelled"}
    assert [one["content"] for one in again(live, second)[:-3]] == ["mine"]
    assert status_of(live, second) == ("completed", "end_turn")
    ended = live.http.post(f"/v1/agents/{agent}/messages/cancel", json={"run_ids": [first, second]})
    assert ended.status_code == 409


def test_of_runs_that_are_named_one_that_has_ended_stays_as_it_ended(live, agent):
    done = live.send(agent, "[[say:x]]").json()["messages"][0]["run_id"]
    (slow,) = under_way(live, agent, "[[delay_ms:20000]]")
    answer = live.http.post(f"/v1/agents/{agent}/messages/cancel", json={"run_ids": [done, slow]})
    assert answer.json() == {done: "failed", slow: "cancelled"}
    assert status_of(live, done) == ("completed", "end_turn")


def test_who_waits_for_a_run_that_is_cancelled_is_told(live, agent):
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(live.send(agent, "[[delay_ms:20000]]")))
    waiting.start()
    path = f"/v1/agents/{agent}/messages/cancel"
    assert any(live.http.post(path).status_code == 200 for _ in range(1_000)), "the run never began"
    waiting.join(20)
    assert answers[0].json()["stop_reason"]["stop_reason"] == "cancelled"


def test_a_cancel_of_what_is_not_ones_own_is_refused(live, agent):
    other = live.agent()["id"]
    (run,) = under_way(live, other, "[[delay_ms:20000]]")
    path = f"/v1/agents/{agent}/messages/cancel"
    for body, status in (
        ({"run_ids": [run]}, 404),
        ({"run_ids": [f"run-{NOBODY}"]}, 404),
        ({"run_ids": ["run-1"]}, 422),
        ({"run_ids": [run] * (limits.CANCEL_RUNS_MAX + 1)}, 422),
    ):
        assert live.http.post(path, json=body).status_code == status, body
    assert live.http.post(f"/v1/agents/agent-{NOBODY}/messages/cancel").status_code == 404
    assert live.http.post(f"/v1/agents/{other}/messages/cancel").json() == {run: "cancelled"}, "it was at work still"


def test_another_tenant_cancels_and_watches_nothing(start):
    mine, theirs = "first-key-0123456789abcdef", "other-key-0123456789abcdef"
    live = start(keys={mine: "a", theirs: "b"})
    agent_id = live.agent()["id"]
    (run,) = under_way(live, agent_id, "[[delay_ms:20000]]")
    other = live.client(theirs)
    assert other.post(f"/v1/agents/{agent_id}/messages/cancel").status_code == 404
    assert other.post(f"/v1/runs/{run}/stream", json={}).status_code == 404
    foreign = other.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    answer = other.post(f"/v1/agents/{foreign}/messages/cancel", json={"run_ids": [run]})
    assert (answer.status_code, run in answer.text) == (404, True)
    assert status_of(live, run)[0] in ("created", "running")
    assert live.http.post(f"/v1/agents/{agent_id}/messages/cancel").json() == {run: "cancelled"}


def test_the_published_client_cancels_and_takes_up_a_stream(live, agent, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "pip install letta-client")
    from letta_client import Letta

    with Letta(base_url=live.url, _strict_response_validation=True, max_retries=0) as letta:
        run_id, first = sent(live, agent)
        taken_up = letta.runs.messages.stream(run_id, starting_after=2, include_pings=False, poll_interval=0.1)
        assert [one.message_type for one in taken_up] == [one["message_type"] for one in first[2:-1]]
        (run,) = under_way(live, agent, "[[delay_ms:20000]]")
        assert letta.agents.messages.cancel(agent) == {run: "cancelled"}
