"""The analyst over HTTP: data connected, a question asked, and everything its answer stands on fetched again."""

import json

import pytest
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee

ADA, EVE = "ada-key-0123456789abcdef", "eve-key-0123456789abcdef"
QUESTION = "What was the turnover per drink?"


@pytest.fixture
def shop(start, tmp_path):
    """A server with a coffee shop's data, connected by Ada."""
    live = start(keys={ADA: "ada", EVE: "eve"}, analyst_model="kelpie/planner")
    build_coffee(str(tmp_path / "data" / "coffee.duckdb"))
    connection = live.http.post("/v1/analyst/connections", json={"name": "coffee", "config": {"path": "coffee.duckdb"}})
    assert connection.status_code == 200, connection.text
    body = {"connection_id": connection.json()["id"], "yaml": COFFEE_YAML}
    model = live.http.post("/v1/analyst/semantic-models", json=body)
    assert model.status_code == 200, model.text
    live.connection, live.model = connection.json(), model.json()
    return live


def ask(http, question=QUESTION, **options):
    answer = http.post("/v1/analyst/questions", json={"question": question, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_answer_comes_with_its_queries_numbers_and_chart(shop):
    said = ask(shop.http)
    assert (said["status"], said["error"]) == ("completed", None)
    query = said["queries"][0]
    assert query["verdict"]["outcome"] == "run"
    assert query["row_count"] == len(query["rows"]) > 1
    assert said["numbers"], "every number of the answer has its cell"
    kept = shop.http.get(f"/v1/analyst/queries/{query['id']}").json()
    assert kept["query"]["sql"] == query["sql"]
    assert "tenant" not in json.dumps([said, kept])
    chart = said["charts"][0]["id"]
    spec = shop.http.get(f"/v1/analyst/charts/{chart}").json()["spec"]
    assert spec["data"]["values"]
    image = shop.http.get(f"/v1/analyst/charts/{chart}", params={"format": "png"})
    assert (image.headers["content-type"], image.content[:4]) == ("image/png", b"\x89PNG")


def test_a_session_is_one_agent_and_another_session_another(shop):
    first, second = ask(shop.http, session="a"), ask(shop.http, "And per district?", session="a")
    other = ask(shop.http, session="b")
    assert first["agent_id"] == second["agent_id"] != other["agent_id"]
    agents = shop.http.get("/v1/agents/", params={"tags": ["analyst"]}).json()
    assert {agent["id"] for agent in agents} == {first["agent_id"], other["agent_id"]}


def test_what_one_tenant_connected_is_not_there_for_the_other(shop):
    said, eve = ask(shop.http), shop.client(EVE)
    assert eve.get("/v1/analyst/connections").json() == []
    assert eve.get("/v1/analyst/semantic-models").json() == []
    for method, path, body in (
        ("DELETE", f"/v1/analyst/connections/{shop.connection['id']}", None),
        ("DELETE", f"/v1/analyst/semantic-models/{shop.model['id']}", None),
        ("POST", "/v1/analyst/semantic-models", {"connection_id": shop.connection["id"], "yaml": COFFEE_YAML}),
        ("POST", "/v1/analyst/questions", {"question": QUESTION}),
        ("POST", "/v1/analyst/questions", {"question": QUESTION, "semantic_model": shop.model["id"]}),
        ("GET", f"/v1/analyst/queries/{said['queries'][0]['id']}", None),
        ("GET", f"/v1/analyst/charts/{said['charts'][0]['id']}", None),
        ("GET", f"/v1/agents/{said['agent_id']}", None),
    ):
        assert eve.request(method, path, json=body).status_code == 404, path


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("connections", {"name": "x", "config": {"path": "../../etc/passwd"}}, 422),
        ("connections", {"name": "x", "config": {"path": "no-such.duckdb"}}, 422),
        ("connections", {"name": "coffee", "config": {"path": "coffee.duckdb"}}, 409),
        ("connections", {"name": "x", "engine": "oracle", "config": {}}, 422),
        ("semantic-models", {"connection_id": "connection-1", "yaml": "name: x"}, 404),
        ("questions", {"question": ""}, 422),
        ("questions", {"question": QUESTION, "semantic_model": "nope"}, 404),
        ("questions", {"question": QUESTION, "model": "nobody/x"}, 400),
    ],
)
def test_what_is_wrong_is_said_and_nothing_of_it_kept(shop, path, body, status):
    before = [shop.http.get(f"/v1/{name}").json() for name in ("analyst/connections", "runs", "agents")]
    answer = shop.http.post(f"/v1/analyst/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert [shop.http.get(f"/v1/{name}").json() for name in ("analyst/connections", "runs", "agents")] == before


def test_a_connection_in_use_can_be_deleted_after_its_model(shop):
    connection, model = shop.connection["id"], shop.model["id"]
    assert shop.http.delete(f"/v1/analyst/connections/{connection}").status_code == 409
    assert shop.http.delete(f"/v1/analyst/semantic-models/{model}").status_code == 200
    assert shop.http.delete(f"/v1/analyst/connections/{connection}").status_code == 200
    assert shop.http.get("/v1/analyst/connections").json() == []


def test_a_deleted_analyst_leaves_no_query_and_no_chart(shop):
    said = ask(shop.http)
    query, chart = said["queries"][0]["id"], said["charts"][0]["id"]
    assert shop.http.delete(f"/v1/agents/{said['agent_id']}").status_code == 200
    assert shop.http.get(f"/v1/analyst/queries/{query}").status_code == 404
    assert shop.http.get(f"/v1/analyst/charts/{chart}").status_code == 404
    assert ask(shop.http)["agent_id"] == said["agent_id"], "the session begins anew"
