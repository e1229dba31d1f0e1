"""What was acknowledged is there after a restart, and what was under way is finished."""

from kelpie.api.ids import pattern

MODEL = "openai/gpt-4o-mini"
SOURCE = 'def kept(a: int) -> int:\n    """Keep it.\n\n    Args:\n        a: A number.\n    """\n    return a\n'


def everything(http, agent_id):
    """Each list, and each of its items as retrieved by id."""
    lists = {name: http.get(f"/v1/{name}/").json() for name in ("agents", "blocks", "tools", "runs", "steps")}
    items = {name: [http.get(f"/v1/{name}/{one['id']}").json() for one in found] for name, found in lists.items()}
    parts = {
        part: http.get(f"/v1/agents/{agent_id}/{part}").json()
        for part in ("messages", "tools", "core-memory/blocks", "archival-memory")
    }
    return lists, items, parts


def test_lists_and_single_items_are_the_same_before_and_after(start):
    live = start()
    http = live.http
    http.put("/v1/tools/", json={"source_code": SOURCE})
    agent = live.agent(name="kept", memory_blocks=[{"label": "human", "value": "Sam"}], tags=["a"], tools=["kept"])
    live.agent(agent_type="memgpt_agent", metadata={"deep": [1, {"x": None}]}, model_settings={"temperature": 0.5})
    live.send(agent["id"], '[[tool:memory_insert {"label": "human", "new_string": "tea"}]] [[say:noted]]')
    live.send(agent["id"], "[[err:400]]")
    http.post(f"/v1/agents/{agent['id']}/archival-memory", json={"text": "a fact", "tags": ["t"]})
    lists, items, parts = everything(http, agent["id"])
    assert lists == items
    assert all(lists.values())
    assert all(parts.values())
    live.stop()
    live.start()
    assert everything(live.http, agent["id"]) == (lists, items, parts)
    assert live.send(agent["id"], "[[say:still here]]").json()["messages"][0]["content"] == "still here"


def test_a_run_that_was_under_way_is_finished_after_the_restart(start):
    live = start()
    agent = live.agent()
    run = live.http.post(
        f"/v1/agents/{agent['id']}/messages/async", json={"input": "[[delay_ms:1500]] [[say:at last]]"}
    ).json()
    assert run["status"] == "created"
    live.stop()
    live.start()
    inbox = live.server.app.state.house.inbox
    stream = inbox.stream_of(run["id"])
    assert stream is not None, "the run should have been taken up again"
    live.run(stream.wait())
    ended = live.http.get(f"/v1/runs/{run['id']}").json()
    assert (ended["status"], ended["stop_reason"]) == ("completed", "end_turn")
    said = [message["content"] for message in live.http.get(f"/v1/runs/{run['id']}/messages").json()]
    assert said == ["[[delay_ms:1500]] [[say:at last]]", "at last"]


def test_ids_of_built_in_tools_are_the_same_everywhere(start, tmp_path):
    first, second = start(), start(data_folder=str(tmp_path / "other"))
    tools = [{tool["name"]: tool["id"] for tool in live.http.get("/v1/tools/").json()} for live in (first, second)]
    assert tools[0] == tools[1]
    assert len(tools[0]) > 8
    assert pattern("tool")
