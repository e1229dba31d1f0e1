"""Two keys, two tenants: nothing of one can be seen, changed, counted or used by the other."""

import pytest

ADA, EVE = "ada-key-0123456789abcdef", "eve-key-0123456789abcdef"
MODEL = "openai/gpt-4o-mini"
SOURCE = 'def hers() -> int:\n    """Hers alone."""\n    return 1\n'


@pytest.fixture
def two(start):
    live = start(keys={ADA: "ada", EVE: "eve"})
    return live.client(ADA), live.client(EVE)


@pytest.fixture
def hers(two):
    """One of everything, made by Ada."""
    ada, _ = two
    tool = ada.post("/v1/tools/", json={"source_code": SOURCE}).json()
    block = ada.post("/v1/blocks/", json={"label": "secret", "value": "plans"}).json()
    agent = ada.post("/v1/agents/", json={"model": MODEL, "name": "hers", "block_ids": [block["id"]]}).json()
    passage = ada.post(f"/v1/agents/{agent['id']}/archival-memory", json={"text": "a secret fact"}).json()[0]
    assert ada.put(f"/v1/agents/{agent['id']}/workspace/plan.txt", content=b"secret").status_code == 200
    said = ada.post(f"/v1/agents/{agent['id']}/messages", json={"input": "[[say:secret words]]"}).json()
    run_id, step_id = said["messages"][0]["run_id"], said["messages"][0]["step_id"]
    return {"tool": tool, "block": block, "agent": agent, "passage": passage, "run": run_id, "step": step_id}


def test_one_tenants_things_do_not_exist_for_the_other(two, hers):
    ada, eve = two
    agent, block, tool = hers["agent"]["id"], hers["block"]["id"], hers["tool"]["id"]
    own = eve.post("/v1/agents/", json={"model": MODEL}).json()["id"]
    own_block = eve.post("/v1/blocks/", json={"label": "own", "value": ""}).json()["id"]
    before = ada.get(f"/v1/agents/{agent}").json()
    for method, path, body in (
        ("GET", f"/v1/agents/{agent}", None),
        ("PATCH", f"/v1/agents/{agent}", {"name": "mine"}),
        ("DELETE", f"/v1/agents/{agent}", None),
        ("GET", f"/v1/agents/{agent}/tools", None),
        ("PATCH", f"/v1/agents/{agent}/tools/attach/{tool}", None),
        ("PATCH", f"/v1/agents/{own}/tools/attach/{tool}", None),
        ("PATCH", f"/v1/agents/{agent}/tools/detach/{tool}", None),
        ("GET", f"/v1/agents/{agent}/core-memory/blocks", None),
        ("GET", f"/v1/agents/{agent}/core-memory/blocks/secret", None),
        ("PATCH", f"/v1/agents/{agent}/core-memory/blocks/secret", {"value": "x"}),
        ("PATCH", f"/v1/agents/{agent}/core-memory/blocks/attach/{own_block}", None),
        ("PATCH", f"/v1/agents/{own}/core-memory/blocks/attach/{block}", None),
        ("PATCH", f"/v1/agents/{agent}/core-memory/blocks/detach/{block}", None),
        ("GET", f"/v1/agents/{agent}/archival-memory", None),
        ("GET", f"/v1/agents/{agent}/archival-memory/search?query=secret", None),
        ("POST", f"/v1/agents/{agent}/archival-memory", {"text": "x"}),
        ("DELETE", f"/v1/agents/{agent}/archival-memory/{hers['passage']['id']}", None),
        ("DELETE", f"/v1/agents/{own}/archival-memory/{hers['passage']['id']}", None),
        ("GET", f"/v1/agents/{agent}/messages", None),
        ("POST", f"/v1/agents/{agent}/messages", {"input": "hi"}),
        ("POST", f"/v1/agents/{agent}/messages/stream", {"input": "hi"}),
        ("POST", f"/v1/agents/{agent}/messages/async", {"input": "hi"}),
        ("GET", f"/v1/agents/{agent}/workspace", None),
        ("GET", f"/v1/agents/{agent}/workspace/plan.txt", None),
        ("PUT", f"/v1/agents/{agent}/workspace/plan.txt", None),
        ("DELETE", f"/v1/agents/{agent}/workspace/plan.txt", None),
        ("GET", f"/v1/blocks/{block}", None),
        ("PATCH", f"/v1/blocks/{block}", {"value": "x"}),
        ("DELETE", f"/v1/blocks/{block}", None),
        ("GET", f"/v1/blocks/{block}/agents", None),
        ("GET", f"/v1/tools/{tool}", None),
        ("PATCH", f"/v1/tools/{tool}", {"description": "x"}),
        ("DELETE", f"/v1/tools/{tool}", None),
        ("GET", f"/v1/runs/{hers['run']}", None),
        ("GET", f"/v1/runs/{hers['run']}/messages", None),
        ("GET", f"/v1/runs/{hers['run']}/usage", None),
        ("GET", f"/v1/runs/{hers['run']}/steps", None),
        ("DELETE", f"/v1/runs/{hers['run']}", None),
        ("GET", f"/v1/steps/{hers['step']}", None),
        ("POST", "/v1/agents/", {"model": MODEL, "block_ids": [block]}),
        ("POST", "/v1/agents/", {"model": MODEL, "tool_ids": [tool]}),
        ("POST", "/v1/agents/", {"model": MODEL, "tools": ["hers"]}),
        ("PATCH", f"/v1/agents/{own}", {"block_ids": [block]}),
        ("PATCH", f"/v1/agents/{own}", {"tool_ids": [tool]}),
    ):
        answer = eve.request(method, path, json=body)
        assert answer.status_code == 404, (method, path, answer.text)
    assert ada.get(f"/v1/agents/{agent}").json() == before
    assert ada.get(f"/v1/blocks/{block}").json() == hers["block"]
    assert ada.get(f"/v1/tools/{tool}").json() == hers["tool"]


def test_lists_and_counts_hold_ones_own(two, hers):
    ada, eve = two
    for path in ("/v1/agents/", "/v1/blocks/", "/v1/runs/", "/v1/steps/"):
        assert eve.get(path).json() == []
        assert ada.get(path).json() != []
    assert eve.get("/v1/agents/", params={"name": "hers"}).json() == []
    assert eve.get("/v1/agents/", params={"after": hers["agent"]["id"]}).json() == []
    assert eve.get("/v1/tools/", params={"search": "hers alone"}).json() == []
    assert [eve.get(f"/v1/{name}/count").json() for name in ("agents", "blocks")] == [0, 0]
    assert ada.get("/v1/tools/count").json() == eve.get("/v1/tools/count").json() + 1
    assert eve.get("/v1/runs/", params={"agent_id": hers["agent"]["id"]}).json() == []
    exported = eve.get("/v1/trajectories/export", params={"agent_id": hers["agent"]["id"]})
    assert (exported.status_code, exported.content) == (200, b"")


def test_names_of_one_tenant_are_free_for_the_other(two, hers):
    _, eve = two
    made = eve.post("/v1/tools/", json={"source_code": SOURCE}).json()
    assert made["name"] == hers["tool"]["name"]
    assert made["id"] != hers["tool"]["id"]


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong-key-0123456789", f"Basic {ADA}", ADA, f"Bearer {ADA}x"]
)
def test_without_a_known_key_nothing_is_answered(start, header):
    live = start(keys={ADA: "ada"})
    http = live.client()
    headers = {} if header is None else {"authorization": header}
    for path in ("/v1/agents/", "/metrics", "/openapi.json", "/v1/nothing"):
        answer = http.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert ADA not in answer.text
    assert http.get("/v1/health/").status_code == 200


def test_the_word_bearer_may_be_written_as_one_likes(start):
    live = start(keys={ADA: "ada"})
    assert live.client().get("/v1/agents/", headers={"authorization": f"bearer  {ADA}"}).status_code == 200
