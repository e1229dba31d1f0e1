"""Our own MCP server, driven by the SDK's client against a real server."""

import contextlib
import json

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from tests.kelpie.api.conftest import ALL, ANNA, EVE
from tests.kelpie.api.test_questions import QUESTION

from kelpie.api.mcp.operations import OPERATIONS
from kelpie.tenants.records import NO_QUOTA, Quota


@contextlib.asynccontextmanager
async def connected(live, key=None):
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30) as http,
        Client(streamable_http_client(f"{live.url}/mcp", http_client=http)) as client,
    ):
        yield client


async def call(client, name, /, **given):
    result = await client.call_tool(name, given)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content["result"]
    return result.structured_content["result"]


async def refused(client, name, /, **given):
    result = await client.call_tool(name, given)
    assert result.is_error
    return result.structured_content["detail"]


async def test_the_tools_have_parameters_and_say_what_they_change(live):
    async with connected(live) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == OPERATIONS.keys()
    assert tools["send_message"].input_schema["required"] == ["agent_id", "message"]
    assert tools["send_message"].annotations.read_only_hint is False
    assert tools["recall"].annotations.read_only_hint is True
    assert tools["set_block"].annotations.destructive_hint is True
    assert all(tool.description for tool in tools.values())


async def test_a_client_talks_to_an_agent_and_works_on_its_memory(live):
    agent = live.agent(name="Hal", memory_blocks=[{"label": "human", "value": "Sam"}])
    async with connected(live) as client:
        listed = await call(client, "list_agents", text="Hal", limit=1000)
        assert {"id": agent["id"], "name": "Hal", "description": None, "model": agent["model"]} in listed
        said = await call(client, "send_message", agent_id=agent["id"], message="[[say:good morning]]")
        assert (said["status"], said["answer"]) == ("completed", "good morning")
        assert await call(client, "get_answer", run_id=said["run_id"]) == said
        (kept,) = await call(client, "remember", agent_id=agent["id"], text="Sam has a cat called Miso.", tags=["pets"])
        found = await call(client, "recall", agent_id=agent["id"], query="cat")
        assert found["results"][0]["content"] == kept["text"] == "Sam has a cat called Miso."
        assert (await call(client, "list_blocks", agent_id=agent["id"]))[0]["value"] == "Sam"
        await call(client, "set_block", agent_id=agent["id"], label="human", value="Samantha")
    assert live.http.get(f"/v1/agents/{agent['id']}/core-memory/blocks/human").json()["value"] == "Samantha"


async def test_a_slow_answer_is_fetched_later(live):
    agent = live.agent()
    async with connected(live) as client:
        sent = await call(client, "send_message", agent_id=agent["id"], message="[[delay:300]] [[say:late]]", wait_s=0)
        assert sent["status"] in ("created", "running")
        assert sent["answer"] == ""
        got = await call(client, "get_answer", run_id=sent["run_id"], wait_s=20)
        assert (got["status"], got["answer"]) == ("completed", "late")


async def test_a_failed_run_says_why(live):
    agent = live.agent()
    async with connected(live) as client:
        said = await call(client, "send_message", agent_id=agent["id"], message="[[err:400]]")
        assert said["status"] == "failed"
        assert said["error"]


async def test_what_is_wrong_is_told_to_the_model(live):
    async with connected(live) as client:
        assert "agent_id" in await refused(client, "recall", query="x")
        assert "colour" in await refused(client, "list_connections", colour="red")
        assert "no agent has the id" in await refused(client, "list_blocks", agent_id="agent-none")
        assert "600" in await refused(client, "get_answer", run_id="run-none", wait_s=601)
        assert "there is no tool 'dream'" in await refused(client, "dream")


async def test_questions_are_asked_as_over_rest_and_keys_mean_the_same(shared_house):
    live = shared_house
    async with connected(live, ALL) as client:
        assert [one["name"] for one in await call(client, "list_connections")] == ["coffee"]
        assert len(await call(client, "list_semantic_models")) == 1
        asked = await call(client, "ask", question=QUESTION, session="mcp")
        assert asked["queries"]
        assert asked["text"] == live.http.get(f"/v1/analyst/answers/{asked['run_id']}").json()["text"]
        named = await call(client, "ask", question=QUESTION, session="mcp", speaker="ben")
        assert named["run_id"] != asked["run_id"]
    async with connected(live, ANNA) as client:
        assert (await call(client, "ask", question=QUESTION))["queries"]
        assert "speaks for anna alone" in await refused(client, "list_agents")
        assert "speaks for anna alone" in await refused(client, "list_connections")
        whom = await refused(client, "ask", question=QUESTION, speaker="ben")
        assert whom == "this key does not speak for 'ben'; it speaks for anna"
    async with connected(live, EVE) as client:
        assert await call(client, "list_connections") == []
        assert "run" in await refused(client, "get_answer", run_id=asked["run_id"])


async def test_a_question_counts_for_the_quota_as_over_rest(shared_house):
    house = shared_house.server.app.state.house

    def allow(quota):
        shared_house.run(house.workshop.database.commit(house.quotas.plan_set("t", quota)))

    allow(Quota(open_runs=0))
    try:
        async with connected(shared_house, ALL) as client:
            assert "open_runs" in await refused(client, "ask", question=QUESTION)
    finally:
        allow(NO_QUOTA)


async def test_without_a_key_or_from_another_page_there_is_no_way_in(live, shared_house):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepts = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.post(f"{shared_house.url}/mcp", json=body, headers=accepts)).status_code == 401
        foreign = {**accepts, "origin": "https://eve.example"}
        assert (await http.post(f"{live.url}/mcp", json=body, headers=foreign)).status_code == 403
        assert (await http.get(f"{live.url}/mcp", headers=accepts)).status_code == 405
        large = {**body, "params": {"x": "y" * 5_000_000}}
        assert (await http.post(f"{live.url}/mcp", json=large, headers=accepts)).status_code == 413
        assert (await http.post(f"{live.url}/mcp", json=body, headers=accepts)).status_code in (200, 400)


async def test_after_a_restart_it_answers_again(start):
    live = start()
    async with connected(live) as client:
        assert await call(client, "list_connections") == []
    live.stop()
    live.start()
    async with connected(live) as client:
        assert await call(client, "list_connections") == []


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_parameter_is_unbounded_in_number(name):
    """A limit or a time to wait has an end: a model's number is input from outside."""
    import msgspec

    (_,), components = msgspec.json.schema_components([OPERATIONS[name].takes])
    for schema in components.values():
        for parameter, kind in schema.get("properties", {}).items():
            if kind.get("type") == "integer":
                assert "maximum" in kind, (name, parameter)
