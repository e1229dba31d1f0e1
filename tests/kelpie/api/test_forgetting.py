"""What is deleted over the API takes the exact bytes along that were sent to the model for it."""

import time

import pytest

WORD = "heliotrope"


def contents(live, word=WORD):
    """How many of the stored bodies hold the word."""
    view = live.server._database.view()
    return live.run(view.fetch("SELECT count(*) FROM content WHERE instr(body, CAST(? AS BLOB)) > 0", word))[0][0]


def swept(live, word=WORD):
    until = time.monotonic() + 20
    while (left := contents(live, word)) and time.monotonic() < until:
        time.sleep(0.02)
    return left


@pytest.fixture
def live(start):
    return start()


def test_an_agent(live):
    agent = live.agent()["id"]
    live.send(agent, f"I like {WORD}.")
    assert contents(live) >= 1
    assert live.http.delete(f"/v1/agents/{agent}").status_code == 200
    assert contents(live) == 0


def test_a_run_but_not_what_another_run_was_shown_as_well(live):
    agent = live.agent()["id"]
    first = live.send(agent, f"I like {WORD}.").json()["messages"][0]["run_id"]
    last = live.send(agent, "And opals.").json()["messages"][0]["run_id"]
    assert live.http.delete(f"/v1/runs/{last}").status_code == 200
    assert swept(live, "opals") == 0
    assert contents(live) >= 1
    step = live.http.get(f"/v1/runs/{first}/steps").json()[0]["id"]
    assert WORD in live.http.get(f"/v1/steps/{step}/trace").text
    assert live.http.delete(f"/v1/runs/{first}").status_code == 200
    assert swept(live) == 0


def test_a_conversation(live):
    agent = live.agent()["id"]
    live.send(agent, "And opals.")
    made = live.http.post("/v1/conversations/", params={"agent_id": agent}, json={}).json()["id"]
    said = live.http.post(
        f"/v1/conversations/{made}/messages",
        json={"messages": [{"role": "user", "content": f"I like {WORD}."}], "streaming": False},
    )
    assert said.status_code == 200
    assert contents(live) >= 1
    assert live.http.delete(f"/v1/conversations/{made}").status_code == 200
    assert swept(live) == 0
    assert contents(live, "opals") >= 1
