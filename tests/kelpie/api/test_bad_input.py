"""What is wrong with a request is said in one sentence, with the right status, and nothing of it is written."""

import json

import pytest

from kelpie.api import limits

AGENT = "agent-123e4567-e89b-42d3-8456-426614174000"
BLOCK = "block-123e4567-e89b-42d3-8456-426614174000"
TOOL = "tool-123e4567-e89b-42d3-8456-426614174000"
RUN = "run-123e4567-e89b-42d3-8456-426614174000"
STEP = "step-123e4567-e89b-42d3-8456-426614174000"
PASSAGE = "passage-123e4567-e89b-42d3-8456-426614174000"
MODEL = "openai/gpt-4o-mini"
TWICE = [{"label": "human", "value": "a"}, {"label": "human", "value": "b"}]


def counts(http):
    """How much of everything there is: a refused request leaves it as it was."""
    totals = {name: http.get(f"/v1/{name}/count").json() for name in ("agents", "blocks", "tools")}
    return totals | {"runs": len(http.get("/v1/runs/", params={"limit": 1000}).json())}


UNKNOWN = [
    ("GET", f"/v1/agents/{AGENT}", None),
    ("PATCH", f"/v1/agents/{AGENT}", {"name": "x"}),
    ("DELETE", f"/v1/agents/{AGENT}", None),
    ("GET", f"/v1/agents/{AGENT}/tools", None),
    ("GET", f"/v1/agents/{AGENT}/messages", None),
    ("POST", f"/v1/agents/{AGENT}/messages", {"input": "hi"}),
    ("POST", f"/v1/agents/{AGENT}/messages/stream", {"input": "hi"}),
    ("POST", f"/v1/agents/{AGENT}/messages/async", {"input": "hi"}),
    ("GET", f"/v1/agents/{AGENT}/core-memory/blocks", None),
    ("GET", f"/v1/agents/{AGENT}/core-memory/blocks/human", None),
    ("PATCH", f"/v1/agents/{AGENT}/core-memory/blocks/human", {"value": "x"}),
    ("GET", f"/v1/agents/{AGENT}/archival-memory", None),
    ("POST", f"/v1/agents/{AGENT}/archival-memory", {"text": "x"}),
    ("GET", f"/v1/agents/{AGENT}/archival-memory/search?query=x", None),
    ("DELETE", f"/v1/agents/{AGENT}/archival-memory/{PASSAGE}", None),
    ("GET", f"/v1/blocks/{BLOCK}", None),
    ("PATCH", f"/v1/blocks/{BLOCK}", {"value": "x"}),
    ("DELETE", f"/v1/blocks/{BLOCK}", None),
    ("GET", f"/v1/blocks/{BLOCK}/agents", None),
    ("GET", f"/v1/tools/{TOOL}", None),
    ("PATCH", f"/v1/tools/{TOOL}", {"description": "x"}),
    ("DELETE", f"/v1/tools/{TOOL}", None),
    ("GET", f"/v1/runs/{RUN}", None),
    ("GET", f"/v1/runs/{RUN}/messages", None),
    ("GET", f"/v1/runs/{RUN}/usage", None),
    ("GET", f"/v1/runs/{RUN}/steps", None),
    ("DELETE", f"/v1/runs/{RUN}", None),
    ("GET", f"/v1/steps/{STEP}", None),
    ("POST", "/v1/agents/", {"model": MODEL, "block_ids": [BLOCK]}),
    ("POST", "/v1/agents/", {"model": MODEL, "tool_ids": [TOOL]}),
    ("POST", "/v1/agents/", {"model": MODEL, "tools": ["no_such_tool"]}),
]


@pytest.mark.parametrize(("method", "path", "body"), UNKNOWN)
def test_an_unknown_id_is_404_and_named(http, method, path, body):
    before = counts(http)
    answer = http.request(method, path, json=body)
    assert answer.status_code == 404, answer.text
    assert "no " in answer.json()["detail"]
    assert counts(http) == before


@pytest.mark.parametrize("given", ["agent-1", "AGENT-123e4567-e89b-42d3-8456-426614174000", AGENT[:-1], BLOCK, "'; --"])
@pytest.mark.parametrize("path", ["/v1/agents/{}", "/v1/agents/{}/messages", "/v1/agents/{}/archival-memory"])
def test_an_ill_formed_id_is_422_and_shown(http, path, given):
    answer = http.get(path.format(given))
    assert answer.status_code == 422
    problem = answer.json()["detail"][0]
    assert problem["loc"] == ["path", "agent_id"]
    assert "pattern" in problem["msg"]
    assert problem["input"] == given


def test_version_1_ids_are_refused_as_well(http):
    assert http.get("/v1/agents/agent-123e4567-e89b-12d3-a456-426614174000").status_code == 422


@pytest.mark.parametrize("body", [b"{", b"nope", b"", b'{"model": ', b"\xff\xfe", b"[1, 2]", b'"text"', b"null"])
def test_a_body_that_is_no_json_object_is_422(http, body):
    before = counts(http)
    answer = http.post("/v1/agents/", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]
    assert counts(http) == before


def test_malformed_json_says_so(http):
    answer = http.post("/v1/agents/", content=b'{"model": }', headers={"content-type": "application/json"})
    assert "the body is not JSON" in answer.json()["detail"][0]["msg"]


def test_json_of_another_content_type_is_not_read(http):
    """A web page may send text/plain anywhere without being asked for permission; it must not make agents here."""
    answer = http.post("/v1/agents/", content=json.dumps({"model": MODEL}), headers={"content-type": "text/plain"})
    assert answer.status_code == 422


WRONG_AGENTS = [
    ({}, 422, "needs a model"),
    ({"model": "gpt-4"}, 400, "provider/model"),
    ({"model": "nobody/gpt-4"}, 400, "no provider serves 'nobody/gpt-4'"),
    ({"model": 7}, 422, "valid string"),
    ({"model": MODEL, "name": "a/b"}, 422, "may hold letters"),
    ({"model": MODEL, "name": "a\n"}, 422, "may hold letters"),
    ({"model": MODEL, "name": ""}, 422, "may hold letters"),
    ({"model": MODEL, "name": "x" * 10_000}, 422, "at most"),
    ({"model": MODEL, "system": "x" * 2_000_000}, 422, "system prompt"),
    ({"model": MODEL, "tags": ["t" + str(n) for n in range(1_000)]}, 422, "tags"),
    ({"model": MODEL, "tags": "a"}, 422, "valid list"),
    ({"model": MODEL, "tags": ["t" * 300]}, 422, "at most 256"),
    ({"model": MODEL, "description": "d" * 200_000}, 422, "at most 100000"),
    ({"model": MODEL, "memory_blocks": TWICE}, 409, "unique"),
    ({"model": MODEL, "memory_blocks": [{"label": "human"}]}, 422, "Field required"),
    ({"model": MODEL, "memory_blocks": [{"label": "", "value": "x"}]}, 422, "label"),
    ({"model": MODEL, "memory_blocks": [{"label": "a", "value": "long", "limit": 3}]}, 422, "at most 3"),
    ({"model": MODEL, "memory_blocks": [{"label": "a", "value": "x", "limit": 10**9}]}, 422, "limit of block 'a'"),
    ({"model": MODEL, "metadata": {"x": "y" * 2_000_000}}, 422, "metadata"),
    ({"model": MODEL, "compaction_settings": {"x": "y" * 2_000_000}}, 422, "settings"),
    ({"model": MODEL, "timezone": "../../etc/passwd\x00"}, 422, "IANA"),
    ({"model": MODEL, "agent_type": "voice_convo_agent"}, 400, "voice is not built"),
    ({"model": MODEL, "agent_type": "clever_agent"}, 422, "Input should be"),
    ({"model": MODEL, "context_window_limit": 0}, 422, "greater than or equal to 1"),
    ({"model": MODEL, "model_settings": {"temperature": "hot"}}, 422, "temperature must be"),
    ({"model": MODEL, "secrets": {"A-B": "b"}}, 422, "named like a variable"),
    ({"model": MODEL, "initial_message_sequence": [{"role": "user", "content": ""}]}, 422, "must not be empty"),
    ({"model": MODEL, "initial_message_sequence": [{"role": "king", "content": "x"}]}, 422, "Input should be"),
]


@pytest.mark.parametrize(("body", "status", "says"), WRONG_AGENTS)
def test_a_wrong_agent_is_refused_and_nothing_of_it_is_kept(http, body, status, says):
    before = counts(http)
    answer = http.post("/v1/agents/", json=body)
    assert answer.status_code == status, answer.text[:300]
    assert says in answer.text
    assert counts(http) == before


# An agent's type, and what it was made with, can't be changed: a change doesn't look at these fields.
MADE_WITH = {"agent_type", "memory_blocks", "initial_message_sequence"}


@pytest.mark.parametrize(
    ("body", "status", "says"), [one for one in WRONG_AGENTS if one[0] and not MADE_WITH & set(one[0])]
)
def test_a_wrong_change_leaves_the_agent_as_it_was(live, http, body, status, says):
    agent = live.agent()
    answer = http.patch(f"/v1/agents/{agent['id']}", json=body)
    assert answer.status_code == status, answer.text[:300]
    assert says in answer.text
    assert http.get(f"/v1/agents/{agent['id']}").json() == agent


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 422, "either 'messages' or 'input'"),
        ({"input": "a", "messages": [{"role": "user", "content": "b"}]}, 422, "not both"),
        ({"messages": []}, 422, "1 to"),
        ({"messages": [{"role": "user"}]}, 422, "Field required"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 422, "Input should be"),
        ({"input": ""}, 422, "must not be empty"),
        ({"input": [{"type": "video"}]}, 422, "Input should be"),
        ({"input": [{"type": "image", "source": {"type": "url"}}]}, 422, "an image's source"),
        ({"input": "x", "max_steps": 0}, 422, "max_steps"),
        ({"input": "x", "max_steps": 10**6}, 422, "max_steps"),
        ({"input": "x", "stream_tokens": True}, 422, "needs streaming"),
        ({"input": "x", "background": True}, 422, "needs streaming"),
        ({"input": "x", "override_model": "nobody/x"}, 400, "no provider serves"),
        ({"messages": [{"type": "approval", "approvals": []}]}, 422, "an approval has"),
        ({"messages": [{"role": "user", "content": "x"}] * 101}, 422, "at most 100"),
    ],
)
def test_a_wrong_message_is_refused_and_starts_no_run(live, http, body, status, says):
    agent = live.agent()
    before = counts(http)
    for path in ("messages", "messages/stream", "messages/async"):
        if "needs streaming" in says and path != "messages":
            continue
        answer = http.post(f"/v1/agents/{agent['id']}/{path}", json=body)
        assert answer.status_code == status, answer.text
        assert says in answer.text
    assert counts(http) == before


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(:", "line 1"),
        ("x = 1", "function"),
        ("not python at all", "line 1"),
        ("", "function"),
        ("x" * 2_000_000, "at most"),
    ],
)
def test_source_that_is_no_tool_says_where_it_is_wrong(http, source, says):
    before = counts(http)
    for method in ("POST", "PUT"):
        answer = http.request(method, "/v1/tools/", json={"source_code": source})
        assert answer.status_code in (400, 422), answer.text
        assert says in answer.json()["detail"]
    assert counts(http) == before


def test_a_tool_of_a_taken_name_and_a_built_in_one_are_conflicts(http):
    source = 'def once(a: int) -> int:\n    """Do it.\n\n    Args:\n        a: A number.\n    """\n    return a\n'
    made = http.post("/v1/tools/", json={"source_code": source}).json()
    again = http.post("/v1/tools/", json={"source_code": source})
    assert (again.status_code, "exists already" in again.text) == (409, True)
    assert again.headers["x-should-retry"] == "false"
    built_in = http.get("/v1/tools/", params={"name": "send_message"}).json()[0]
    for method, body in (("PATCH", {"description": "x"}), ("DELETE", None)):
        refused = http.request(method, f"/v1/tools/{built_in['id']}", json=body)
        assert (refused.status_code, "built in" in refused.text) == (409, True)
    assert http.delete(f"/v1/tools/{made['id']}").status_code == 200


def test_promises_that_could_not_be_kept_are_refused(http):
    source = 'def f() -> int:\n    """Do it."""\n    return 1\n'
    answer = http.post("/v1/tools/", json={"source_code": source, "npm_requirements": [{"name": "left-pad"}]})
    assert (answer.status_code, "not served yet" in answer.text) == (501, True)


def test_a_taken_label_is_a_conflict_and_changes_nothing(live, http):
    agent = live.agent(memory_blocks=[{"label": "human", "value": "a"}, {"label": "persona", "value": "b"}])
    other = http.post("/v1/blocks/", json={"label": "human", "value": "c"}).json()
    attach = http.patch(f"/v1/agents/{agent['id']}/core-memory/blocks/attach/{other['id']}")
    assert (attach.status_code, "labelled 'human' already" in attach.text) == (409, True)
    rename = http.patch(f"/v1/agents/{agent['id']}/core-memory/blocks/human", json={"label": "persona"})
    assert (rename.status_code, "labelled 'persona' already" in rename.text) == (409, True)
    both = http.patch(f"/v1/agents/{agent['id']}", json={"block_ids": [other["id"], agent["blocks"][0]["id"]]})
    assert (both.status_code, "unique" in both.text) == (409, True)
    assert http.get(f"/v1/agents/{agent['id']}").json()["blocks"] == agent["blocks"]


def test_a_block_over_its_limit_is_refused(live, http):
    agent = live.agent(memory_blocks=[{"label": "human", "value": "a", "limit": 10}])
    path = f"/v1/agents/{agent['id']}/core-memory/blocks/human"
    for body in ({"value": "x" * 11}, {"limit": 0}, {"value": "long enough", "limit": 5}):
        assert http.patch(path, json=body).status_code == 422
    assert http.get(path).json()["value"] == "a"


def test_a_page_is_bounded(http):
    for query in ({"limit": 0}, {"limit": limits.PAGE_ITEMS_MAX + 1}, {"limit": "many"}, {"order": "up"}):
        for path in ("/v1/agents/", "/v1/blocks/", "/v1/tools/", "/v1/runs/", "/v1/steps/"):
            assert http.get(path, params=query).status_code == 422
    assert http.get("/v1/agents/", params={"after": AGENT}).json() == []


def test_a_filter_we_do_not_have_is_refused_rather_than_ignored(http):
    for path, name in (("/v1/agents/", "project_id"), ("/v1/blocks/", "templates_only"), ("/v1/steps/", "trace_ids")):
        answer = http.get(path, params={name: "true"})
        assert (answer.status_code, answer.json()["detail"].startswith(f"the filter '{name}'")) == (501, True)


@pytest.mark.parametrize("created_at", ["yesterday", "2026-13-01", "99999-01-01"])
def test_a_moment_that_is_none_is_refused(live, http, created_at):
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}/archival-memory"
    assert http.post(path, json={"text": "x", "created_at": created_at}).status_code == 422
    assert http.get(f"{path}/search", params={"query": "x", "start_datetime": created_at}).status_code == 422
    assert http.get(path).json() == []


def test_a_fact_that_is_blank_or_too_long_is_refused(live, http):
    agent = live.agent()
    path = f"/v1/agents/{agent['id']}/archival-memory"
    for text in ("", "  \n", "x" * 1_000_001):
        assert http.post(path, json={"text": text}).status_code == 422
    assert http.get(path).json() == []


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/agents", "/v1/agents/x/y/z", "/", "/redoc"])
def test_an_unknown_path_is_404_and_says_so(http, path):
    answer = http.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": f"there is nothing at {path}"})


def test_a_wrong_method_is_405(http):
    answer = http.put(f"/v1/agents/{AGENT}", json={})
    assert (answer.status_code, "does not take PUT" in answer.text) == (405, True)


def test_a_tool_that_raises_or_talks_too_much_is_an_error_the_model_reads(live, http, needs):
    report = live.run(live.server.sandbox.reports())[0]
    needs("sandbox", report.exists, report.reason)
    source = (
        'def fails(big: bool) -> str:\n    """Fail.\n\n    Args:\n        big: How.\n    """\n'
        '    if big:\n        return "x" * 10_000_000\n    raise ValueError("on purpose")\n'
    )
    tool = http.put("/v1/tools/", json={"source_code": source}).json()
    agent = live.agent(tool_ids=[tool["id"]])
    raised = live.send(agent["id"], '[[tool:fails {"big": false}]] [[say:ok]]').json()["messages"]
    assert raised[1]["status"] == "error"
    assert "ValueError: on purpose" in raised[1]["tool_return"]
    large = live.send(agent["id"], '[[tool:fails {"big": true}]] [[say:ok]]').json()["messages"]
    assert len(large[1]["tool_return"]) < 60_000
    assert "cut" in large[1]["tool_return"]
    wrong = live.send(agent["id"], "[[tool:fails {}]] [[tool:absent {}]] [[say:ok]]").json()["messages"]
    assert [message["status"] for message in wrong if message["message_type"] == "tool_return_message"] == [
        "error",
        "error",
    ]
    assert wrong[-1]["content"] == "ok"
    http.delete(f"/v1/tools/{tool['id']}")
