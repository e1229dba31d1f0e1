"""Lists: what is asked for and nothing else, in the order that was asked for, and every item on some page."""

import pytest

SOURCE = 'def {name}(a: int) -> int:\n    """Number {name}.\n\n    Args:\n        a: A number.\n    """\n    return a\n'


@pytest.fixture(scope="module")
def stocked(new_live, tmp_path_factory):
    """A server with five of everything."""
    live = new_live(tmp_path_factory.mktemp("lists"))
    agent = live.agent(name="host", memory_blocks=[{"label": f"own{n}", "value": str(n)} for n in range(5)])
    for number in range(5):
        live.agent(name=f"agent {number}", tags=["all", f"n{number}", "even" if number % 2 == 0 else "odd"])
        live.http.post("/v1/tools/", json={"source_code": SOURCE.format(name=f"tool_{number}")})
        tags = ["all", "even" if number % 2 == 0 else "odd"]
        block = {
            "label": f"label{number % 2}",
            "value": f"Value {number}",
            "description": f"Words {number}",
            "tags": tags,
        }
        live.http.post("/v1/blocks/", json=block)
        live.http.post(f"/v1/agents/{agent['id']}/archival-memory", json={"text": f"Fact {number} of tea"})
        live.send(agent["id"], f"[[say:answer {number}]]")
    live.host_id = agent["id"]
    yield live
    live.stop()


PATHS = (
    "/v1/agents/",
    "/v1/blocks/",
    "/v1/tools/",
    "/v1/runs/",
    "/v1/steps/",
    "/v1/agents/{host}/messages",
    "/v1/agents/{host}/archival-memory",
    "/v1/agents/{host}/tools",
    "/v1/agents/{host}/core-memory/blocks",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_paging_forwards_and_backwards_meets_every_item_once(stocked, path, order):
    path = path.format(host=stocked.host_id)

    def page(**query):
        answer = stocked.http.get(path, params={"order": order, **query})
        assert answer.status_code == 200, answer.text
        # One stored message may show as several: the cursor is the id they share.
        return list(dict.fromkeys(item["id"] for item in answer.json()))

    whole = page(limit=1000)
    assert len(whole) >= 3
    opposite = stocked.http.get(path, params={"order": "asc" if order == "desc" else "desc", "limit": 1000}).json()
    assert list(dict.fromkeys(item["id"] for item in opposite)) == whole[::-1]
    forwards, last = [], None
    while found := page(limit=2, **({"after": last} if last else {})):
        assert len(found) <= 2
        forwards += found
        last = found[-1]
    assert forwards == whole
    backwards, first = [], whole[-1]
    while found := page(limit=2, before=first):
        backwards = found + backwards
        first = found[0]
    assert backwards == whole[:-1]
    assert page(after=whole[0], before=whole[-1], limit=1000) == whole[1:-1]


def names(stocked, **query):
    return sorted(agent["name"] for agent in stocked.http.get("/v1/agents/", params=query).json())


def test_agents_are_found_by_name_tags_and_text(stocked):
    assert names(stocked, name="agent 3") == ["agent 3"]
    assert names(stocked, tags=["even"]) == ["agent 0", "agent 2", "agent 4"]
    assert names(stocked, tags=["even", "n3"]) == ["agent 0", "agent 2", "agent 3", "agent 4"]
    assert names(stocked, tags=["even", "n2"], match_all_tags=True) == ["agent 2"]
    assert names(stocked, query_text="AGENT") == [f"agent {n}" for n in range(5)]
    assert names(stocked, query_text="%") == []
    assert names(stocked, tags=["nobody's"]) == []


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({}, 6),
        ({"name": "agent 3"}, 1),
        ({"tags": ["even"]}, 3),
        ({"tags": ["even", "n2"], "match_all_tags": True}, 1),
        ({"query_text": "agent"}, 5),
    ],
)
def test_agents_are_counted_as_they_are_listed(stocked, query, total):
    assert stocked.http.get("/v1/agents/count", params=query).json() == total
    assert len(stocked.http.get("/v1/agents/", params=query).json()) == total


def values(stocked, **query):
    return [block["value"] for block in stocked.http.get("/v1/blocks/", params={"limit": 100, **query}).json()]


def test_blocks_are_found_by_label_text_and_tags(stocked):
    assert values(stocked, label="label1") == ["Value 1", "Value 3"]
    assert values(stocked, label_search="LABEL1") == ["Value 1", "Value 3"]
    assert values(stocked, value_search="value 4") == ["Value 4"]
    assert values(stocked, description_search="words 2") == ["Value 2"]
    assert values(stocked, tags=["odd"]) == ["Value 1", "Value 3"]
    assert values(stocked, tags=["odd", "all"], match_all_tags=True) == ["Value 1", "Value 3"]
    assert values(stocked, tags=["odd", "even"], match_all_tags=True) == []
    for query in ({}, {"label": "label1"}, {"tags": ["odd"]}):
        assert stocked.http.get("/v1/blocks/count", params=query).json() == len(values(stocked, **query))


def test_a_hidden_block_is_in_no_list_and_still_there(stocked):
    made = stocked.http.post("/v1/blocks/", json={"label": "veiled", "value": "x", "hidden": True}).json()
    assert values(stocked, label="veiled") == []
    assert stocked.http.get(f"/v1/blocks/{made['id']}").json() == made
    stocked.http.delete(f"/v1/blocks/{made['id']}")


def tools(stocked, **query):
    return {tool["name"] for tool in stocked.http.get("/v1/tools/", params={"limit": 100, **query}).json()}


def test_tools_are_found_by_name_kind_and_text(stocked):
    ours = {f"tool_{number}" for number in range(5)}
    assert tools(stocked, name="tool_1") == {"tool_1"}
    assert tools(stocked, names=["tool_1", "tool_2", "nothing"]) == {"tool_1", "tool_2"}
    assert tools(stocked, tool_types=["custom"]) == tools(stocked, exclude_letta_tools=True) == ours
    assert tools(stocked, return_only_letta_tools=True) == tools(stocked) - ours
    assert "send_message" in tools(stocked, tool_types=["letta_core"])
    assert tools(stocked, tool_types=["letta_memory_core"]) == {"core_memory_append", "core_memory_replace"}
    assert tools(stocked, tool_types=["letta_memory_core"], names=["tool_1", "core_memory_append"]) == {
        "core_memory_append"
    }
    assert not tools(stocked, exclude_tool_types=["letta_core"], tool_types=["letta_core"])
    assert tools(stocked, search="number TOOL_3") == {"tool_3"}
    for query in ({}, {"tool_types": ["custom"]}, {"return_only_letta_tools": True}, {"search": "tool_"}):
        assert stocked.http.get("/v1/tools/count", params=query).json() == len(tools(stocked, **query))
    mixed = stocked.http.get("/v1/tools/", params={"tool_types": ["custom", "letta_core"]})
    assert mixed.status_code == 501


def test_runs_and_steps_are_found_by_agent_and_status(stocked):
    http, host = stocked.http, stocked.host_id
    other = stocked.agent()["id"]
    stocked.send(other, "[[err:400]]")
    assert len(http.get("/v1/runs/", params={"agent_id": host}).json()) == 5
    assert len(http.get("/v1/runs/", params={"agent_ids": [host, other]}).json()) == 6
    assert [run["agent_id"] for run in http.get("/v1/runs/", params={"statuses": ["failed"]}).json()] == [other]
    assert len(http.get("/v1/runs/", params={"stop_reason": "end_turn"}).json()) == 5
    assert http.get("/v1/runs/", params={"active": True}).json() == []
    assert http.get("/v1/runs/", params={"background": True}).json() == []
    assert len(http.get("/v1/steps/", params={"agent_id": host}).json()) == 5
    assert len(http.get("/v1/steps/", params={"model": "openai/gpt-4o-mini"}).json()) == 6
    assert http.get("/v1/steps/", params={"model": "openai/other"}).json() == []


def test_archival_memory_is_searched_by_words_dates_and_tags(stocked):
    path = f"/v1/agents/{stocked.agent()['id']}/archival-memory"
    for day, tags in ((1, ["a"]), (2, ["a", "b"]), (3, ["b"])):
        moment = f"2024-05-0{day}T12:00:00Z"
        stocked.http.post(path, json={"text": f"Day {day} brought rain", "tags": tags, "created_at": moment})

    def found(**query):
        results = stocked.http.get(f"{path}/search", params={"query": "rain", **query}).json()["results"]
        return sorted(result["content"][4] for result in results)

    assert found() == ["1", "2", "3"]
    assert found(tags=["a"]) == ["1", "2"]
    assert found(tags=["a", "b"], tag_match_mode="all") == ["2"]
    assert found(start_datetime="2024-05-02") == ["2", "3"]
    assert found(end_datetime="2024-05-02T12:00:00+00:00") == ["1", "2"]
    assert found(start_datetime="2024-05-02", end_datetime="2024-05-02T23:00:00+05:00") == ["2"]
    assert len(found(top_k=1)) == 1
    assert stocked.http.get(f"{path}/search", params={"query": "snow"}).json() == {"results": [], "count": 0}
    assert [one["text"][4] for one in stocked.http.get(path, params={"search": "day 2"}).json()] == ["2"]
    assert stocked.http.get(path).json()[0]["created_at"] == "2024-05-01T12:00:00+00:00"
