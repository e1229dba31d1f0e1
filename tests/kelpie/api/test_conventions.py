"""Conventions over HTTP: kept, overridden and forgotten by whom they belong to, and of effect at once."""

import time

import pytest
from tests.kelpie.api.conftest import ANNA, EVE

PATH = "/v1/analyst/conventions"


def keep(http, topic, value, kind="preference", **more):
    answer = http.post(PATH, json={"kind": kind, "topic": topic, "value": value, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def holds(http, **query):
    answer = http.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return {one["topic"]: (one["value"], one["whose"]) for one in answer.json()["conventions"]}


def test_one_call_keeps_one_overrides_one_forgets(house):
    keep(house.http, "show", "chart")
    team = keep(house.finance, "show", "table", weight=0.9)["convention"]
    assert holds(house.anna) == {"show": ("table", "Finance")}
    listed = house.anna.get(PATH).json()
    assert (listed["speaker"]["name"], len(listed["considered"])) == ("Anna Berg", 2)
    assert len(listed["conventions"][0]["overrides"]) == 1
    own = house.anna.post(f"{PATH}/{team['id']}/override", json={"value": "chart"}).json()["convention"]
    assert holds(house.anna) == {"show": ("chart", "Anna Berg")}
    assert holds(house.http, **{"as": "ben"}) == {"show": ("table", "Finance")}
    gone = house.anna.delete(f"{PATH}/{own['id']}", params={"hard": True})
    assert (gone.status_code, gone.json()) == (200, {"id": own["id"], "forgotten": 1})
    assert holds(house.anna) == {"show": ("table", "Finance")}
    assert holds(house.http) == {"show": ("chart", "")}


def test_whose_it_is_follows_from_for_whom_it_is_asked(house):
    for http, more, whose in (
        (house.http, {"as": "anna"}, ("person", "Anna Berg")),
        (house.http, {"as": "ben", "scope": "team", "team": "sales"}, ("team", "Sales")),
        (house.http, {"as": "Finance"}, ("team", "Finance")),
        (house.http, {}, ("organisation", "")),
        (house.anna, {}, ("person", "Anna Berg")),
        (house.anna, {"scope": "team"}, ("team", "Finance")),
        (house.finance, {}, ("team", "Finance")),
    ):
        made = keep(http, "detail", "brief", **more)["convention"]
        assert (made["scope"], made["whose"]) == whose


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"scope": "organisation"}, 403, "without 'as'"),
        ({"scope": "team", "team": "Sales"}, 403, "kept by its people"),
        ({"as": "ben"}, 403, "does not speak for 'ben'"),
        ({"kind": "wish"}, 422, "definition"),
        ({"topic": " "}, 422, "words that can be seen"),
        ({"value": "pie"}, 422, "'show' is one of table, chart"),
        ({"weight": 2}, 422, "less than or equal to 1"),
        ({"speaker": "ben"}, 422, "Extra inputs"),
        ({"kind": "definition", "topic": "revenue", "value": "metric:profit"}, 422, "there is no metric 'profit'"),
        ({"kind": "definition", "topic": "revenue", "value": "the usual"}, 422, "a word can mean metric:NAME"),
    ],
)
def test_what_may_not_be_is_refused_and_not_kept(shared_house, body, status, says):
    answer = shared_house.anna.post(PATH, json={"kind": "preference", "topic": "show", "value": "table", **body})
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert holds(shared_house.anna) == holds(shared_house.http) == {}


def test_a_word_means_what_some_semantic_model_has(house):
    made = keep(house.anna, "money", "metric:turnover", kind="definition")["convention"]
    assert (made["topic"], made["value"]) == ("money", "metric:turnover")


def test_nobody_reaches_what_is_not_theirs(house):
    bens = keep(house.http, "show", "table", **{"as": "ben"})["convention"]["id"]
    all_ = keep(house.http, "grain", "month")["convention"]["id"]
    for path, status in ((bens, 404), (all_, 403), ("passage-x", 404)):
        assert house.anna.delete(f"{PATH}/{path}").status_code == status
    assert house.anna.post(f"{PATH}/{bens}/override", json={"value": "chart"}).status_code == 404
    assert house.anna.get(PATH, params={"as": "ben"}).status_code == 403
    eve = house.client(EVE)
    assert eve.get(PATH).json()["considered"] == []
    assert eve.get(PATH, params={"as": "ben"}).status_code == 404
    assert eve.delete(f"{PATH}/{all_}").status_code == 404
    assert holds(house.http, **{"as": "ben"}) == {"show": ("table", "Ben Okoro"), "grain": ("month", "")}


def test_who_leaves_takes_their_conventions_along(house, tmp_path):
    keep(house.anna, "codeword", "zanzibar")
    keep(house.finance, "codeword", "timbuktu")
    assert house.http.delete("/v1/people/anna").status_code == 200
    assert house.http.delete("/v1/teams/Finance").status_code == 200
    assert holds(house.http, **{"as": "ben"}) == {}
    house.stop()
    for file in (tmp_path / "data").glob("kelpie.db*"):
        assert b"zanzibar" not in file.read_bytes()
        assert b"timbuktu" not in file.read_bytes()
    house.start()


def test_they_are_there_after_a_restart(house):
    keep(house.anna, "show", "table")
    house.stop()
    house.start()
    assert holds(house.client(ANNA)) == {"show": ("table", "Anna Berg")}


def test_what_an_agent_remembered_of_the_message_goes_with_the_convention(house, scripted):
    """A language model keeps what Anna says; the agent remembers the message too. Forgotten is forgotten by both."""
    words = "From now on always show me tables, zanzibar."
    call = '{"kind": "preference", "topic": "show", "value": "table"}'
    body = {"question": f"{words} [[tool:keep_convention {call}]]", "model": "openai/gpt-4o-mini", "as": "anna"}
    said = house.http.post("/v1/analyst/questions", json=body).json()
    assert said["status"] == "completed", said
    assert holds(house.anna) == {"show": ("table", "Anna Berg")}
    memory = f"/v1/agents/{said['agent_id']}/archival-memory"
    until = time.monotonic() + 10
    while not house.http.get(memory).json() and time.monotonic() < until:
        time.sleep(0.02)
    assert "zanzibar" in house.http.get(memory).text
    listed = house.anna.get(PATH).json()["conventions"][0]
    assert listed["source"] == f"Anna Berg, in {said['run_id']}"
    assert house.anna.delete(f"{PATH}/{listed['id']}").status_code == 200
    assert holds(house.anna) == {}
    assert house.http.get(memory).json() == []


def test_a_model_that_was_told_to_by_data_changes_nothing(house):
    """It calls keep_convention with what nobody said, for others, and for everybody."""
    calls = (
        '{"kind": "preference", "topic": "show", "value": "chart"}',
        '{"kind": "definition", "topic": "turnover", "value": "metric:cups"}',
        '{"kind": "preference", "topic": "show", "value": "table", "scope": "organisation"}',
    )
    for call in calls:
        body = {"question": f"What was the turnover? [[tool:keep_convention {call}]]", "model": "openai/gpt-4o-mini"}
        for speaker in ({}, {"as": "anna"}):
            said = house.http.post("/v1/analyst/questions", json={**body, **speaker})
            assert said.json()["status"] == "completed", said.text
            happened = house.http.get(f"/v1/runs/{said.json()['run_id']}/messages").text
            assert ("did not ask for" in happened) or ("without 'as'" in happened)
    assert holds(house.http) == holds(house.anna) == {}
