"""People, teams and keys over HTTP: who may be spoken for, and that nobody's conversation is another's."""

import json

import pytest
from tests.kelpie.api.conftest import ALL, ANNA, EVE, TWO

from kelpie.analyst import questions
from kelpie.api.auth import Keys
from kelpie.config import KeyOwner, from_environment
from kelpie.errors import InvalidInput, NotFound
from kelpie.people.speaker import Speaker
from kelpie.trajectories import runs

QUESTION = "What was the turnover per drink?"


def ask(http, **options):
    answer = http.post("/v1/analyst/questions", json={"question": QUESTION, **options})
    return answer.status_code, answer.json()


def speaker_of(live, run_id):
    database = live.server._database
    return live.run(runs.get(database.view(), "t", run_id)).options.speaker


def test_people_and_teams_are_made_listed_changed_and_removed(start):
    http = start().http
    team = http.post("/v1/teams", json={"name": "Finance"}).json()
    made = http.post("/v1/people", json={"handle": "Anna", "name": "Anna Berg", "teams": ["finance"]})
    assert made.status_code == 200
    anna = made.json()
    assert (anna["handle"], anna["name"], anna["teams"]) == ("anna", "Anna Berg", ["Finance"])
    assert http.get("/v1/people").json() == [anna]
    assert http.get("/v1/people/anna").json() == http.get(f"/v1/people/{anna['id']}/").json() == anna
    assert http.get("/v1/teams").json() == [team]
    changed = http.patch("/v1/people/anna", json={"name": "Anna B.", "teams": []}).json()
    assert changed == {**anna, "name": "Anna B.", "teams": []}
    assert http.delete("/v1/teams/finance").json() == {"id": team["id"]}
    assert http.delete("/v1/people/anna").json() == {"id": anna["id"]}
    assert http.get("/v1/people").json() == http.get("/v1/teams").json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "people", {"handle": "a b"}, 422),
        ("POST", "people", {"handle": "anna"}, 409),
        ("POST", "people", {"handle": "finance"}, 409),
        ("POST", "people", {"handle": "cleo", "teams": ["Ops"]}, 422),
        ("POST", "people", {"handle": "cleo", "team": "Sales"}, 422),
        ("POST", "people", {"name": "Cleo"}, 422),
        ("POST", "people/apply", {"yaml": "people: [{handle: a b}]"}, 422),
        ("POST", "teams", {"name": "anna"}, 409),
        ("POST", "teams", {"name": "FINANCE"}, 409),
        ("POST", "teams", {"name": ""}, 422),
        ("PATCH", "people/anna", {"handle": "other"}, 422),
        ("PATCH", "people/nobody", {"name": "x"}, 404),
        ("GET", "people/nobody", None, 404),
        ("GET", "people/Anna Berg", None, 404),
        ("DELETE", "people/nobody", None, 404),
        ("DELETE", "teams/nobody", None, 404),
    ],
)
def test_what_is_wrong_is_said_and_nothing_of_it_kept(shared_house, method, path, body, status):
    before = [shared_house.http.get(f"/v1/{name}").json() for name in ("people", "teams")]
    answer = shared_house.http.request(method, f"/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert [shared_house.http.get(f"/v1/{name}").json() for name in ("people", "teams")] == before


def test_a_question_is_bound_to_whom_it_is_for(house):
    """To the run, when it is accepted; the same session name is another conversation for each."""
    said = {name: ask(house.http, **({"as": name} if name else {}))[1] for name in (None, "anna", "ben", "Finance")}
    assert len({one["agent_id"] for one in said.values()}) == 4
    people = {one["handle"]: one["id"] for one in house.http.get("/v1/people").json()}
    found = {name: speaker_of(house, one["run_id"]) for name, one in said.items()}
    assert found[None] is None
    assert (found["anna"].person, found["anna"].name, found["anna"].teams) == (
        *(people["anna"], "Anna Berg"),
        ("Finance",),
    )
    assert found["ben"].teams == ("Finance", "Sales")
    assert (found["Finance"].person, found["Finance"].teams) == (None, ("Finance",))
    again = ask(house.http, **{"as": "Anna Berg"})[1]
    assert again["agent_id"] == said["anna"]["agent_id"]
    assert ask(house.anna)[1]["agent_id"] == said["anna"]["agent_id"]
    assert ask(house.finance)[1]["agent_id"] == said["Finance"]["agent_id"]


def test_an_unknown_person_is_refused_with_those_there_are(shared_house):
    runs = len(shared_house.http.get("/v1/runs").json())
    status, body = ask(shared_house.http, **{"as": "eve"})
    assert (status, body["detail"]) == (
        404,
        "nobody here is called 'eve'; people: anna, ben; teams: Finance, Sales",
    )
    assert ask(shared_house.client(EVE), **{"as": "anna"})[0] == 404
    assert "anna" not in ask(shared_house.client(EVE), **{"as": "x"})[1]["detail"]
    assert len(shared_house.http.get("/v1/runs").json()) == runs


@pytest.mark.parametrize("name", ["ben", "Finance", "eve", "nobody", ""])
def test_a_key_speaks_for_those_it_names_alone(shared_house, name):
    status, body = ask(shared_house.anna, **{"as": name})
    assert (status, body["detail"]) == (403, f"this key does not speak for '{name}'; it speaks for anna")
    status, _ = ask(shared_house.two, **{"as": name})
    assert status == 403


def test_a_key_for_several_says_for_whom(house):
    assert ask(house.two)[0] == 422
    assert ask(house.two, **{"as": "Sales"})[0] == ask(house.two, **{"as": "anna"})[0] == 200


def test_a_key_of_people_opens_their_answers_and_nothing_else(house):
    mine, theirs = ask(house.anna)[1], ask(house.http, **{"as": "ben"})[1]
    agent, run, query, chart = (
        theirs["agent_id"],
        theirs["run_id"],
        theirs["queries"][0]["id"],
        theirs["charts"][0]["id"],
    )
    assert house.anna.get(f"/v1/analyst/queries/{mine['queries'][0]['id']}").status_code == 200
    assert house.anna.get(f"/v1/analyst/charts/{mine['charts'][0]['id']}").status_code == 200
    for path in (f"queries/{query}", f"charts/{chart}"):
        assert house.anna.get(f"/v1/analyst/{path}").status_code == 404
        assert house.http.get(f"/v1/analyst/{path}").status_code == 200
    nobodys = ask(house.http)[1]
    assert house.anna.get(f"/v1/analyst/queries/{nobodys['queries'][0]['id']}").status_code == 404
    ids = {"agent_id": agent, "run_id": run, "query_id": query, "chart_id": chart, "person": "ben", "team": "Sales"}
    ids |= {"convention_id": "passage-x", "block_label": "preferences"}
    for method, template in every_route(house):
        path = template if has_other_parameters(template) else template.format(**ids)
        answer = house.anna.request(method, path, json={} if method in ("POST", "PATCH", "PUT") else None)
        if path == "/v1/audit/tools":  # a list of what was run for them
            assert (answer.status_code, answer.json()) == (200, [])
            continue
        assert answer.status_code in (403, 404, 405, 422, 501), (method, path, answer.status_code, answer.text[:200])
        assert "Ben" not in answer.text
        assert agent not in answer.text.replace(f"'{agent}'", "")


def every_route(house):
    """(method, path template) of the description, but those that are for everybody or for people's keys."""
    described = json.loads(json.dumps(house.http.get("/openapi.json").json()))["paths"]
    free = {"/v1/health", "/metrics", "/v1/analyst/questions", "/v1/analyst/conventions", "/v1/models/embedding"}
    return [(method.upper(), path) for path, methods in described.items() if path not in free for method in methods]


def has_other_parameters(path):
    known = {"agent_id", "run_id", "query_id", "chart_id", "person", "team", "convention_id", "block_label"}
    return bool({part.strip("{}") for part in path.split("/") if part.startswith("{")} - known)


def test_a_conversation_is_nobody_elses(house):
    """Neither by writing to its agent nor by changing what the agent says of itself."""
    mine = ask(house.http, **{"as": "anna"})[1]
    path = f"/v1/agents/{mine['agent_id']}"
    refused = house.http.post(f"{path}/messages", json={"input": QUESTION})
    assert (refused.status_code, "the conversation of somebody else" in refused.json()["detail"]) == (403, True)
    assert house.http.patch(path, json={"metadata": {"speaker": "ben", "session": "x"}}).status_code == 200
    assert house.http.post(f"{path}/messages", json={"input": QUESTION}).status_code == 403
    # What an agent needs to know of its data was in the metadata as well; put back, it answers Anna as before.
    model = house.http.get("/v1/analyst/semantic-models").json()[0]["id"]
    assert house.http.patch(path, json={"metadata": {"semantic_model_id": model, "speaker": "ben"}}).status_code == 200
    again = ask(house.http, **{"as": "anna"})[1]
    assert again["agent_id"] == mine["agent_id"]
    assert speaker_of(house, again["run_id"]).name == "Anna Berg"
    said = [
        one["content"] for one in house.http.get(f"{path}/messages").json() if one["message_type"] == "user_message"
    ]
    assert set(said) == {QUESTION}
    assert len(said) == 2


def test_an_agent_is_given_nobodys_memory(start):
    http = start().http
    http.post("/v1/people", json={"handle": "anna"})
    anna = http.get("/v1/people/anna").json()["id"]
    for scope in (f"kelpie:person:{anna}", "kelpie:organisation"):
        body = {"model": "openai/gpt-4o-mini", "metadata": {"memory": {"scope": scope}}}
        assert http.post("/v1/agents/", json=body).status_code == 422
        agent = http.post("/v1/agents/", json={"model": "openai/gpt-4o-mini"}).json()["id"]
        assert http.patch(f"/v1/agents/{agent}", json={"metadata": body["metadata"]}).status_code == 422


def test_a_limited_key_sees_no_people(shared_house):
    for path in ("/v1/people", "/v1/teams", "/v1/people/ben", "/v1/agents/", "/v1/runs", "/v1/trajectories/export"):
        answer = shared_house.anna.get(path)
        assert (answer.status_code, "Ben" in answer.text) == (403, False), path
    assert shared_house.anna.post("/v1/people", json={"handle": "mallory"}).status_code == 403
    assert shared_house.anna.patch("/v1/people/anna", json={"teams": ["Sales"]}).status_code == 403


def test_another_tenant_has_people_of_its_own(house):
    eve = house.client(EVE)
    assert eve.get("/v1/people").json() == eve.get("/v1/teams").json() == []
    assert eve.get("/v1/people/anna").status_code == 404
    assert eve.delete("/v1/people/anna").status_code == 404
    assert eve.post("/v1/people", json={"handle": "anna"}).status_code == 200
    assert len(house.http.get("/v1/people").json()) == 2


def test_a_person_who_is_gone_is_spoken_for_no_more(house):
    assert ask(house.anna)[0] == 200
    assert house.http.delete("/v1/people/anna").status_code == 200
    assert ask(house.anna)[0] == 403
    assert ask(house.http, **{"as": "anna"})[0] == 404


def everything(live):
    """Every table's rows as text, by table."""
    view = live.server._database.view()

    async def read():
        tables = await view.fetch("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%fts%'")
        return {name: repr(await view.fetch(f"SELECT * FROM {name}")) for (name,) in tables}

    return live.run(read())


def test_who_leaves_takes_their_conversations_along_and_nobody_elses(house):
    said = [ask(house.anna, session=f"of anna {n}")[1] for n in range(2)]
    kept = ask(house.http, session="of nobody")[1]
    runs_of_anna = [one["run_id"] for one in said]
    sessions = [json.loads(house.http.get(f"/v1/runs/{run}").text)["agent_id"] for run in runs_of_anna]
    before = everything(house)
    found = {table for table, text in before.items() if any(one in text for one in [*sessions, *runs_of_anna])}
    assert {"agent", "run", "step", "message", "block_scope", "analyst_query", "analyst_answer"} <= found
    blocks = {one["id"] for one in house.http.get(f"/v1/agents/{sessions[0]}/core-memory/blocks").json()}
    assert blocks
    assert house.http.delete("/v1/people/anna").status_code == 200
    after = everything(house)
    left = {table for table, text in after.items() for one in [*sessions, *runs_of_anna, *blocks] if one in text}
    # The audit says what was done; memory keeps the name of a scope, so that no cache shows what it held.
    assert left <= {"audit", "fact_scope"}
    assert "content" in found
    assert house.http.get(f"/v1/runs/{kept['run_id']}").status_code == 200
    assert ask(house.http, session="of nobody")[0] == 200


def test_a_team_of_the_same_name_begins_with_nothing_of_the_one_that_was_removed(house):
    first = ask(house.http, **{"as": "Finance"})[1]
    agent_id = house.http.get(f"/v1/runs/{first['run_id']}").json()["agent_id"]
    assert house.http.delete("/v1/teams/Finance").status_code == 200
    assert house.http.get(f"/v1/agents/{agent_id}").status_code == 404
    assert house.http.post("/v1/teams", json={"name": "Finance"}).status_code == 200
    second = ask(house.http, **{"as": "Finance"})[1]
    assert second["status"] == "completed"
    runs_there = house.http.get("/v1/runs/", params={"agent_id": agent_id}).json()
    assert [one["id"] for one in runs_there] == [second["run_id"]]


def test_a_first_question_that_comes_after_its_speaker_was_removed_makes_no_conversation(house):
    anna = house.http.get("/v1/people/anna").json()
    speaker = Speaker(anna["id"], anna["name"], ())
    assert house.http.delete("/v1/people/anna").status_code == 200
    question = questions.Question(text=QUESTION, model="kelpie/planner", speaker=speaker)
    served = house.server.app.state.house
    with pytest.raises(NotFound, match="'Anna Berg' was removed"):
        house.run(questions.put(served.workshop, served.inbox, "t", question))


@pytest.mark.parametrize("owner", ["t:", "t:anna+", ":", "t: ", "t:+anna"])
def test_a_key_that_names_nobody_is_no_key_for_everybody(owner, tmp_path):
    with pytest.raises(InvalidInput, match="names nobody"):
        Keys({ALL: owner})
    with pytest.raises(InvalidInput, match=r"key 2 of KELPIE_KEYS: .* names nobody"):
        from_environment({"KELPIE_KEYS": f"{EVE},{owner}={ALL}"})


async def test_keys_are_read_as_they_are_written():
    config = from_environment({"KELPIE_KEYS": f"{ALL}, acme={EVE}, acme:anna+R&D ops={ANNA},:ben={TWO}"})
    keys = Keys(config.keys)
    found = [await keys.owner_of(f"Bearer {key}") for key in (ALL, EVE, ANNA, TWO)]
    assert found == [
        KeyOwner("default"),
        KeyOwner("acme"),
        KeyOwner("acme", ("anna", "R&D ops"), "write"),
        KeyOwner("default", ("ben",), "write"),
    ]
    assert keys.tenants == {"default", "acme"}
    assert {ALL, EVE, ANNA, TWO} <= set(config.secrets)
