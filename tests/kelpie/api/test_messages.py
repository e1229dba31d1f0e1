"""What happens around messages: full mailboxes, deleted agents, deleted runs, and clients of older generations."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_a_full_mailbox_is_429_and_nothing_is_stored(live, http, monkeypatch):
    monkeypatch.setattr(live.server.app.state.house.inbox.silo, "mailbox_messages_max", 1)
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}/messages/async"
    answers = [http.post(path, json={"input": "[[delay_ms:200]]"}) for _ in range(5)]
    refused = [answer for answer in answers if answer.status_code == 429]
    accepted = [answer.json()["id"] for answer in answers if answer.status_code == 200]
    assert refused
    assert "nothing was stored" in refused[0].json()["detail"]
    assert refused[0].headers["retry-after"] == "1"
    runs = [run["id"] for run in http.get("/v1/runs/", params={"agent_id": agent["id"]}).json()]
    assert sorted(runs) == sorted(accepted)
    inbox = live.server.app.state.house.inbox
    for run_id in accepted:
        stream = inbox.stream_of(run_id)
        if stream is not None:
            live.run(stream.wait())


def test_an_agent_that_is_deleted_while_it_thinks_answers_404(live, http):
    agent = live.agent()
    inbox = live.server.app.state.house.inbox
    with ThreadPoolExecutor(1) as others:
        waiting = others.submit(live.send, agent["id"], "[[delay_ms:700]] [[say:too late]]")
        while not inbox.open:
            assert not waiting.done(), "it should have been thinking"
            time.sleep(0.01)
        assert http.delete(f"/v1/agents/{agent['id']}").status_code == 200
        answer = waiting.result(20)
    assert (answer.status_code, "detail" in answer.json()) == (404, True)
    assert http.get("/v1/runs/", params={"agent_id": agent["id"]}).json() == []


def test_a_deleted_run_leaves_its_messages_to_the_agent(live, http):
    agent = live.agent()
    said = live.send(agent["id"], "[[say:remember me]]").json()["messages"][0]
    run, step = said["run_id"], said["step_id"]
    assert http.delete(f"/v1/runs/{run}").status_code == 200
    for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/messages", f"/v1/steps/{step}"):
        assert http.get(path).status_code == 404
    shown = http.get(f"/v1/agents/{agent['id']}/messages", params={"limit": 1}).json()[0]
    assert (shown["id"], shown["content"], shown["run_id"]) == (said["id"], "remember me", None)
    again = live.send(agent["id"], '[[tool:conversation_search {"query": "remember"}]]').json()["messages"]
    assert "remember me" in again[1]["tool_return"]


def test_a_run_that_has_not_ended_is_not_deleted(live, http):
    agent = live.agent()
    run = http.post(f"/v1/agents/{agent['id']}/messages/async", json={"input": "[[delay_ms:300]]"}).json()
    refused = http.delete(f"/v1/runs/{run['id']}")
    assert (refused.status_code, "has not ended" in refused.text) == (409, True)
    stream = live.server.app.state.house.inbox.stream_of(run["id"])
    if stream is not None:
        live.run(stream.wait())
    assert http.get(f"/v1/runs/{run['id']}").json()["status"] == "completed"


def test_a_message_of_the_system_stays_in_view_after_its_step(live, http):
    agent = live.agent()
    live.http.post(
        f"/v1/agents/{agent['id']}/messages", json={"messages": [{"role": "system", "content": "Speak like a pirate."}]}
    )
    live.send(agent["id"], "hello")
    house = live.server.app.state.house

    async def last_request():
        from kelpie.trajectories import content, steps
        from umi.storage import Page, View

        view = View(house.workshop.database)
        newest = (await steps.list_steps(view, "default", Page(limit=1, ascending=False), agent_id=agent["id"]))[0]
        return await content.get(view, "default", newest.request)

    assert b"Speak like a pirate." in live.run(last_request())


@pytest.mark.parametrize(
    ("headers", "is_new"),
    [
        ({"x-stainless-package-version": "1.12.1"}, True),
        ({"x-stainless-package-version": "2.0.0"}, True),
        ({"x-stainless-package-version": "0.1.9"}, False),
        ({"user-agent": "letta-client/1.7.12"}, True),
        ({"user-agent": "letta-client/0.9"}, False),
        ({}, False),
    ],
)
def test_clients_get_what_their_generation_expects(live, http, headers, is_new):
    agent = live.agent(tags=["t"], memory_blocks=[{"label": "human", "value": ""}])
    tool = http.get("/v1/tools/", params={"name": "send_message"}).json()[0]["id"]
    for verb in ("attach", "detach"):
        answer = http.patch(f"/v1/agents/{agent['id']}/tools/{verb}/{tool}", headers=headers).json()
        assert (answer is None) if is_new else (answer["id"] == agent["id"])
    listed = http.get("/v1/agents/", params={"name": agent["name"]}, headers=headers).json()[0]
    assert (listed["tools"], listed["tags"]) == (([], []) if is_new else (agent["tools"], ["t"]))
    asked = {"name": agent["name"], "include": ["agent.tags"]}
    listed = http.get("/v1/agents/", params=asked, headers=headers).json()[0]
    assert (listed["tools"], listed["tags"]) == ([], ["t"])
    assert http.get(f"/v1/agents/{agent['id']}", headers=headers).json() == agent


def test_a_server_with_as_many_open_runs_as_it_may_is_429_and_nothing_is_stored(live, http, monkeypatch):
    inbox = live.server.app.state.house.inbox
    monkeypatch.setattr(inbox, "runs_open_max", 1)
    slow, other = live.agent(), live.agent()
    path = f"/v1/agents/{slow['id']}/messages/async"
    run = http.post(path, json={"input": "[[delay_ms:300]]"}).json()
    refused = live.send(other["id"], "Hi")
    assert refused.status_code == 429
    assert "open runs; nothing was stored" in refused.json()["detail"]
    assert http.get("/v1/runs/", params={"agent_id": other["id"]}).json() == []
    live.run(inbox.stream_of(run["id"]).wait())
    while inbox.open:
        time.sleep(0.01)
    assert live.send(other["id"], "Hi").status_code == 200
