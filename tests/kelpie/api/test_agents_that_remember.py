"""Agents that remember, through the real server: what one is told another knows, after a restart, of its user only."""

import json

import pytest

MODEL = "openai/gpt-4o-mini"
NAME = "recalled_memory"
ADA = {"memory": {"scope": "user:ada"}}


class Talk:
    """Conversations with the agents of one server."""

    def __init__(self, server):
        self.server = server

    def say(self, agent, text):
        """Send a message, and wait until what it says is remembered. Returns the run's first step."""
        answer = self.server.send(agent["id"], text)
        assert answer.status_code == 200, answer.text
        return self.step(answer.json()["messages"][0]["run_id"], remembers=agent["kelpie_memory"]["remember"])

    def step(self, run_id, *, remembers):
        for _ in range(2_000):
            step = self.server.http.get(f"/v1/runs/{run_id}/steps").json()[-1]
            if not remembers or (step.get("kelpie_memory") or {}).get("remembered"):
                return step
        raise AssertionError("nothing was remembered")

    def ask(self, agent, text):
        """The recalled block that the model was shown with this question, or None."""
        assert self.server.send(agent["id"], text).status_code == 200
        return self.shown(agent)

    def shown(self, agent):
        lines = self.server.http.get("/v1/trajectories/export", params={"agent_id": agent["id"]}).text.splitlines()
        messages = json.loads(lines[-1])["messages"]
        last = max(at for at, message in enumerate(messages) if message["role"] == "user")
        before = messages[last - 1]
        is_recalled = before["role"] == "user" and f"<{NAME}>" in before["content"]
        assert is_recalled or not any(f"<{NAME}>" in str(message["content"]) for message in messages)
        return before["content"] if is_recalled else None


@pytest.fixture
def server(start):
    return start()


@pytest.fixture
def talk(server):
    return Talk(server)


def test_told_to_one_agent_and_asked_after_a_restart_of_another_that_shares_the_users_memory(server, talk):
    one, other = server.agent(name="One", metadata=ADA), server.agent(name="Other", metadata=ADA)
    stranger = server.agent(name="Stranger", metadata={"memory": {"scope": "user:bob"}})
    loner = server.agent(name="Loner")
    talk.say(one, "I work at Acme.")
    server.stop()
    server.start()
    assert '"I work at Acme."' in talk.ask(other, "Where do I work?")
    assert talk.ask(stranger, "Where do I work?") is None
    assert talk.ask(loner, "Where do I work?") is None
    talk.say(one, "I work at Initech now.")
    shown = talk.ask(other, "Where do I work?")
    assert '"I work at Initech now."' in shown
    assert "Acme" not in shown
    assert talk.ask(stranger, "Where do I work?") is None


def test_another_tenant_with_the_same_scope_knows_nothing(start):
    keys = {"key-of-one-tenant": "one", "key-of-another-tenant": "other"}
    server = start(keys=keys)
    talk = Talk(server)
    ours = server.agent(metadata=ADA)
    talk.say(ours, "I work at Acme.")
    assert "Acme" in talk.ask(ours, "Where do I work?")
    server.http = server.client("key-of-another-tenant")
    theirs = server.agent(metadata=ADA)
    assert talk.ask(theirs, "Where do I work?") is None


def test_a_step_and_the_export_say_what_was_recalled_and_what_was_remembered(server, talk):
    agent = server.agent(metadata=ADA)
    told = talk.say(agent, "I work at Acme.")["kelpie_memory"]
    assert told["recalled"] is None
    (fact_id,) = told["remembered"]["facts"]
    assert told["remembered"]["scope"] == "user:ada"
    assert told["remembered"]["change_id"].startswith("change-")
    changed = talk.say(agent, "I work at Initech now, not at Acme.")["kelpie_memory"]
    assert [one["id"] for one in changed["recalled"]["facts"]] == [fact_id]
    assert 0 < changed["recalled"]["facts"][0]["score"] <= 1
    assert changed["remembered"]["superseded"] == [fact_id]
    lines = server.http.get("/v1/trajectories/export", params={"agent_id": agent["id"]}).text.splitlines()
    metadata = [json.loads(line)["metadata"] for line in lines]
    assert "recalled" not in metadata[0]
    assert metadata[0]["remembered"]["facts"] == [fact_id]
    assert metadata[1]["recalled"]["facts"][0]["id"] == fact_id


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, {"recall": True, "remember": True}),
        ({}, {"recall": True, "remember": True}),
        ({"memory": {}}, {"recall": True, "remember": True}),
        ({"memory": {"recall": False}}, {"recall": False, "remember": True}),
        ({"memory": {"remember": False}, "mine": 1}, {"recall": True, "remember": False}),
        ({"memory": {"recall": False, "remember": False}}, {"recall": False, "remember": False}),
    ],
)
def test_new_agents_remember_unless_their_metadata_say_otherwise(live, given, shown):
    agent = live.agent(**({} if given is None else {"metadata": given}))
    assert agent["kelpie_memory"] == shown | {"scope": agent["id"]}
    assert agent["metadata"] == (given or {})  # given back as it came
    assert live.http.get(f"/v1/agents/{agent['id']}").json() == agent


def test_settings_are_changed_one_by_one_and_other_metadata_change_none(live):
    agent = live.agent(metadata=ADA)
    path = f"/v1/agents/{agent['id']}"
    changed = live.http.patch(path, json={"metadata": {"memory": {"recall": False}}}).json()
    assert changed["kelpie_memory"] == {"recall": False, "remember": True, "scope": "user:ada"}
    changed = live.http.patch(path, json={"metadata": {"mine": 1}, "description": "x"}).json()
    assert changed["kelpie_memory"] == {"recall": False, "remember": True, "scope": "user:ada"}
    assert changed["metadata"] == {"mine": 1}
    changed = live.http.patch(path, json={"metadata": {"memory": {"scope": None, "recall": True}}}).json()
    assert changed["kelpie_memory"] == {"recall": True, "remember": True, "scope": agent["id"]}


@pytest.mark.parametrize(
    ("memory", "said"),
    [
        (True, "metadata.memory"),
        ("on", "metadata.memory"),
        (None, "metadata.memory"),
        ({"recal": True}, "recal"),
        ({"recall": "yes"}, "recall"),
        ({"recall": 1}, "recall"),
        ({"remember": None}, "remember"),
        ({"scope": 7}, "scope"),
        ({"scope": ""}, "blank"),
        ({"scope": " \n"}, "blank"),
        ({"scope": "a\x00b"}, "NUL"),
        ({"scope": "é" * 129}, "at most 256"),
    ],
)
def test_settings_that_are_none_are_refused_by_name_and_change_nothing(live, memory, said):
    before = live.http.get("/v1/agents/count").json()
    refused = live.http.post("/v1/agents/", json={"model": MODEL, "metadata": {"memory": memory}})
    assert refused.status_code == 422, refused.text
    assert said in refused.json()["detail"]
    assert live.http.get("/v1/agents/count").json() == before
    agent = live.agent()
    refused = live.http.patch(f"/v1/agents/{agent['id']}", json={"metadata": {"memory": memory}, "name": "Other"})
    assert refused.status_code == 422
    assert live.http.get(f"/v1/agents/{agent['id']}").json() == agent


@pytest.mark.parametrize(
    ("memory", "is_kept", "is_shown"),
    [
        ({"recall": False, "remember": False}, False, False),
        ({"recall": False}, True, False),
        ({"remember": False}, False, True),
    ],
)
def test_what_is_switched_off_does_not_happen(server, talk, memory, is_kept, is_shown):
    agent = server.agent(metadata={"memory": memory})
    path = f"/v1/agents/{agent['id']}/archival-memory"
    server.http.post(path, json={"text": "The cat is called Miso."})
    assert (talk.ask(agent, "My dog is called Rex. And the cat?") is not None) == is_shown
    if is_kept:
        talk.say(agent, "The hamster is called Tofu.")
    stored = [one["text"] for one in server.http.get(path).json()]
    kept = ["My dog is called Rex. And the cat?", "The hamster is called Tofu."] if is_kept else []
    assert stored == ["The cat is called Miso.", *kept]


def test_under_strict_letta_no_agent_remembers_and_metadata_are_the_clients_own(start):
    server = start()
    talk = Talk(server)
    before = server.agent(metadata=ADA)
    talk.say(before, "I work at Acme.")
    server.stop()
    strict = start(strict_letta=True)
    talk = Talk(strict)
    agent = strict.agent(metadata={"memory": "my own word"})
    assert agent["metadata"] == {"memory": "my own word"}
    assert "kelpie_memory" not in agent
    for one in (before, agent):
        assert talk.ask(one, "Where do I work? My dog is called Rex.") is None
        path = f"/v1/agents/{one['id']}"
        steps = strict.http.get("/v1/steps", params={"agent_id": one["id"]}).json()
        assert "remembered" not in str(steps[0])
        assert strict.http.get(f"{path}/archival-memory").json() == []
        assert [block["label"] for block in strict.http.get(f"{path}/core-memory/blocks").json()] == []
    changed = strict.http.patch(f"/v1/agents/{agent['id']}", json={"metadata": {"memory": {"recall": 3}}})
    assert changed.json()["metadata"] == {"memory": {"recall": 3}}


def test_a_deleted_agents_own_memory_goes_with_it_and_a_shared_one_stays(server, talk):
    own, shared, other = server.agent(), server.agent(metadata=ADA), server.agent(metadata=ADA)
    for agent in (own, shared):
        talk.say(agent, "I work at Acme.")
        assert server.http.delete(f"/v1/agents/{agent['id']}").status_code == 200
    assert "Acme" in talk.ask(other, "Where do I work?")
    assert server.http.get("/v1/blocks/", params={"limit": 1000}).json() != []  # what was promoted of the shared one
    server.http.delete(f"/v1/agents/{other['id']}")
