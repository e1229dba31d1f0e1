"""A provider that fails: the caller is told how, nothing is lost, and the agent goes on."""

import json

import pytest

from umi.wire import Timeouts


def kinds(live, agent_id):
    listed = live.http.get(f"/v1/agents/{agent_id}/messages", params={"order": "asc"}).json()
    return [message["message_type"] for message in listed]


@pytest.mark.parametrize(
    ("directive", "status", "kind"),
    [
        ("[[err:401]]", 401, "llm_authentication"),
        ("[[err:402]]", 402, "llm_insufficient_credits"),
        ("[[err:400]]", 400, "llm_bad_request"),
        ("[[err:429]]", 429, "llm_rate_limit"),
        ("[[err:500]]", 502, "llm_server_error"),
        ("[[err:503]]", 502, "llm_overloaded"),
        ("[[garbage]]", 502, "llm_invalid_response"),
    ],
)
def test_a_failing_provider_is_an_error_that_says_how(live, directive, status, kind):
    agent = live.agent()
    failed = live.send(agent["id"], directive)
    assert failed.status_code == status
    error = failed.json()["error"]
    assert error["type"] == kind
    assert error["message"]
    # The message was accepted: a client that repeats it by itself would say it twice.
    assert failed.headers["x-should-retry"] == "false"
    run = live.http.get(f"/v1/runs/{failed.headers['x-kelpie-run-id']}").json()
    assert run["status"] == "failed"
    assert run["metadata"]["error"]["kind"] == kind.removeprefix("llm_")
    assert kinds(live, agent["id"]) == ["system_message", "user_message"]
    assert live.send(agent["id"], "[[say:better]]").json()["messages"][0]["content"] == "better"


def test_a_provider_that_stalls_is_a_timeout(start):
    live = start()
    agent = live.agent()
    send, asked = live.server.outside.transport.send, []

    async def impatient(method, url, headers, body, timeouts):
        asked.append(url)
        return await send(method, url, headers, body, Timeouts(timeouts.connect_ms, 50))

    live.server.outside.transport.send = impatient
    failed = live.send(agent["id"], "[[delay_ms:5000]]")
    assert asked
    assert failed.status_code == 504
    assert failed.json()["error"]["type"] == "llm_timeout"


def test_a_provider_that_is_not_there_is_a_connection_error(start):
    live = start(openai_base_url="http://127.0.0.1:9/v1")
    failed = live.send(live.agent()["id"], "hello")
    assert failed.status_code == 502
    assert failed.json()["error"]["type"] == "llm_connection"
    assert live.http.get("/v1/models/").json()[0]["handle"] == "kelpie/planner"


@pytest.mark.parametrize("tokens", [True, False])
def test_a_cut_stream_is_an_error_and_not_an_end(live, tokens):
    agent = live.agent()
    body = {"input": "[[cut:3]] [[say:one two three four five]]", "streaming": True, "stream_tokens": tokens}
    with live.http.stream("POST", f"/v1/agents/{agent['id']}/messages", json=body) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert lines[-3] == "event: error"
    error = json.loads(lines[-2][6:])
    assert (error["message_type"], error["error_type"]) == ("error_message", "llm_connection")
    assert json.loads(lines[-4][6:]) == {"message_type": "stop_reason", "stop_reason": "llm_api_error"}
    assert kinds(live, agent["id"]) == ["system_message", "user_message"]


def test_a_key_that_a_provider_repeats_does_not_reach_the_caller(start, serving):
    """OpenAI answers a wrong key with (part of) that key."""
    key, asked = "sk-very-secret-key-0123456789", []

    def answer(request):
        asked.append(request)
        return 401, json.dumps({"error": {"message": f"Incorrect API key provided: {key}."}})

    live = start(openai_api_key=key, openai_base_url=f"{serving(answer)}/v1")
    failed = live.send(live.agent()["id"], "hello")
    assert f"authorization: bearer {key}" in asked[0].lower()
    assert failed.status_code == 401
    assert "Incorrect API key" in failed.text
    told = [failed.text, live.http.get(f"/v1/runs/{failed.headers['x-kelpie-run-id']}").text]
    assert not any(key in text for text in told)
