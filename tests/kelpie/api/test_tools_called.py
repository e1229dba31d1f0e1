"""Tools found by words, and tools of an agent called by a person."""

import importlib.util
import json

import pytest
from tests.kelpie.api.test_contract import LETTA, Checker

A, B = "a-key-0123456789abcdef", "b-key-0123456789abcdef"
SOURCE = '''
def weather_report(city: str) -> str:
    """Say how the weather is.

    Args:
        city (str): where
    """
    import os
    print("looking at", city)
    return f"sunny in {city}, {os.environ.get('TOKEN', 'no token')}"
'''
FAILS = '''
def breaks() -> str:
    """Break."""
    raise ValueError("as it should")
'''


@pytest.fixture(scope="module")
def office(scripted, tmp_path_factory):
    from tests.kelpie.api.conftest import Live

    from kelpie.config import Config

    config = Config(data_folder=str(tmp_path_factory.mktemp("tools")), openai_base_url=scripted, keys={A: "a", B: "b"})
    live = Live(config, [A])
    live.other = live.client(B)
    live.tools = [live.http.post("/v1/tools/", json={"source_code": one}).json() for one in (SOURCE, FAILS)]
    live.tagged = live.http.patch(f"/v1/tools/{live.tools[0]['id']}", json={"tags": ["sky"]}).json()
    yield live
    live.stop()


@pytest.fixture
def agent(office):
    made = office.agent(
        tool_ids=[one["id"] for one in office.tools],
        memory_blocks=[{"label": "human", "value": "Ada"}],
        secrets={"TOKEN": "token-0123456789"},
    )
    return made["id"]


def search(http, status=200, **body):
    found = http.post("/v1/tools/search", json=body)
    assert found.status_code == status, found.text
    return found.json()


def test_tools_are_found_by_their_words(office):
    found = search(office.http, query="Weather, please")
    assert [one["tool"]["name"] for one in found] == ["weather_report"]
    assert (found[0]["fts_rank"], found[0]["combined_score"]) == (1, 1)
    assert search(office.http, query="sky report")[0]["tool"]["name"] == "weather_report"
    assert search(office.http, query="quark") == []
    assert [one["tool"]["name"] for one in search(office.http, tool_types=["custom"])] == ["breaks", "weather_report"]
    assert [one["tool"]["name"] for one in search(office.http, tags=["sky", "sea"])] == ["weather_report"]
    assert len(search(office.http, limit=3)) == 3
    assert search(office.other, query="weather report", tool_types=["custom"]) == []
    search(office.http, status=422, limit=0)
    search(office.http, status=422, search_mode="magic")
    search(office.http, status=422, query="x" * 20_000)


def test_base_tools_are_there_and_stay_one_each(office):
    first = office.http.post("/v1/tools/add-base-tools").json()
    again = office.http.post("/v1/tools/add-base-tools").json()
    assert "memory_insert" in [one["name"] for one in first]
    assert "weather_report" not in [one["name"] for one in first]
    assert [one["id"] for one in first] == [one["id"] for one in again]


def test_a_tool_is_called_as_its_agent_would(needs, office, agent):
    levels = office.http.get("/v1/health/").json()
    needs("sandbox", "process" in json.dumps(levels), "no level of isolation here")
    path = f"/v1/agents/{agent}/tools/weather_report/run"
    ran = office.http.post(path, json={"args": {"city": "Oslo"}})
    assert ran.status_code == 200, ran.text
    assert (ran.json()["status"], ran.json()["stdout"]) == ("success", ["looking at Oslo\n"])
    assert ran.json()["func_return"].startswith("sunny in Oslo, ")
    assert "token-0123456789" not in ran.text  # it was handed the secret, and what it says of it is hidden
    assert "no token" not in ran.text
    broken = office.http.post(f"/v1/agents/{agent}/tools/breaks/run").json()
    assert (broken["status"], "as it should" in broken["func_return"]) == ("error", True)
    audited = office.http.get("/v1/audit/tools", params={"agent_id": agent}).json()
    assert [one["tool"] for one in audited] == ["breaks", "weather_report"]


def test_a_memory_tool_writes_for_its_agent(office, agent):
    assert office.http.get(f"/v1/agents/{agent}/tools").status_code == 200
    path = f"/v1/agents/{agent}/tools/memory_insert/run"
    ran = office.http.post(path, json={"args": {"label": "human", "new_string": " likes tea"}})
    assert (ran.status_code, ran.json()["status"]) == (200, "success"), ran.text
    assert "likes tea" in office.http.get(f"/v1/agents/{agent}/core-memory/blocks/human").json()["value"]
    wrong = office.http.post(path, json={"args": {"label": "nobody", "new_string": "x"}}).json()
    assert (wrong["status"], "nobody" in wrong["func_return"]) == ("error", True)


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("weather_report", {"args": {}}, 400, "city is missing"),
        ("weather_report", {"args": []}, 422, "valid dict"),
        ("nothing", {}, 404, "has no tool named 'nothing'"),
        ("x" * 300, {}, 422, "at most"),
    ],
)
def test_what_can_not_be_called_is_refused_by_name(office, agent, name, body, status, says):
    refused = office.http.post(f"/v1/agents/{agent}/tools/{name}/run", json=body)
    assert (refused.status_code, says in refused.text) == (status, True), refused.text


def test_an_agent_of_others_has_no_tools(office, agent):
    path = f"/v1/agents/{agent}/tools/memory_insert/run"
    assert office.other.post(path, json={"args": {"label": "human", "new_string": "x"}}).status_code == 404
    assert office.http.post("/v1/agents/agent-1/tools/memory_insert/run").status_code == 422


def test_the_published_client_does_both(needs, office, agent):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "letta-client is not installed")
    import letta_client

    with letta_client.Letta(base_url=office.url, api_key=A, _strict_response_validation=True) as client:
        assert client.tools.search(query="weather")[0].tool.name == "weather_report"
        args = {"label": "human", "new_string": " and rain"}
        assert client.agents.tools.run("memory_insert", agent_id=agent, args=args).status == "success"


def test_answers_follow_lettas_schemas(office, agent, needs):
    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    checker = Checker(json.loads(LETTA.read_text(encoding="utf-8"))["components"]["schemas"])
    body = {"args": {"label": "human", "new_string": "x"}}
    ran = office.http.post(f"/v1/agents/{agent}/tools/memory_insert/run", json=body).json()
    faults = checker.faults(ran, {"$ref": "#/components/schemas/ToolExecutionResult"})
    for one in search(office.http, tool_types=["letta_core"]):
        faults += checker.faults(one, {"$ref": "#/components/schemas/ToolSearchResult"})
    assert faults == []
