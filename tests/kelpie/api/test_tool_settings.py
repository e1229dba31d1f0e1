"""A custom tool's settings and an agent's secrets on the wire; a source run once."""

import pytest

SOURCE = 'def roll(sides: int) -> int:\n    """Roll a die."""\n    return sides\n'
FIELD = "kelpie_sandbox"
USUAL = {
    "trust": "reviewed",
    "timeout_ms": None,
    "egress": None,
    "secrets": None,
    "capabilities": ["agent_state"],
    "workspace": False,
}
TOKEN = "s3cret-of-adas-agent"


def made(http, **fields):
    answer = http.put("/v1/tools/", json={"source_code": SOURCE, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_settings_are_shown_as_they_hold_and_stay_unless_they_are_given(start):
    http = start().http
    tool = made(http)
    assert tool[FIELD] == USUAL
    given = {
        "trust": "untrusted",
        "timeout_ms": 5_000,
        "egress": {"hosts": ["example.com"], "calls_max": 2},
        "capabilities": ["blocks:read", "archival:search"],
        "secrets": ["TOKEN"],
        "workspace": True,
    }
    shown = made(http, **{FIELD: given})[FIELD]
    assert shown == {
        **given,
        "capabilities": ["archival:search", "blocks:read"],
        "egress": {"hosts": ["example.com"], "bytes_max": 16 << 20, "calls_max": 2},
    }
    assert made(http)[FIELD] == shown
    path = f"/v1/tools/{tool['id']}"
    changed = http.patch(path, json={FIELD: {"egress": None, "secrets": None, "trust": None}}).json()[FIELD]
    assert changed == {**shown, "egress": None, "secrets": None}
    assert http.get(path).json()[FIELD] == changed
    assert http.get("/v1/tools/", params={"name": "roll"}).json()[0][FIELD] == changed


@pytest.mark.parametrize(
    ("sandbox", "status", "text"),
    [
        ({"trust": "operator"}, 422, "'reviewed' or 'untrusted'"),
        ({"level": "none"}, 422, "Extra inputs"),
        ({"timeout_ms": 1}, 422, "timeout_ms is from 100"),
        ({"egress": {"hosts": ["*"]}}, 422, "is no host"),
        ({"egress": {"hosts": ["example.com"], "proxy": "x"}}, 422, "Extra inputs"),
        ({"capabilities": ["everything"]}, 422, "no capability 'everything'"),
    ],
)
def test_what_a_tool_can_not_have_is_refused(http, sandbox, status, text):
    answer = http.post("/v1/tools/", json={"source_code": SOURCE, FIELD: sandbox})
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


def test_packages_are_in_lettas_words(start):
    http = start().http
    packages = [{"name": "tabulate", "version": "0.9.0"}, {"name": "rich"}, {"name": "attrs", "version": ">=23,<25"}]
    tool = made(http, pip_requirements=packages)
    assert tool["pip_requirements"] == [
        {"name": "tabulate", "version": "0.9.0"},
        {"name": "rich", "version": None},
        {"name": "attrs", "version": ">=23,<25"},
    ]
    assert tool["npm_requirements"] is None
    assert made(http)["pip_requirements"] == tool["pip_requirements"]
    assert made(http, pip_requirements=[])["pip_requirements"] is None
    for wrong, status in (
        ({"npm_requirements": [{"name": "x"}]}, 501),
        ({"pip_requirements": [{"name": "../x"}]}, 422),
        ({"pip_requirements": [{"name": "x", "version": "1; print()"}]}, 422),
    ):
        answer = http.put("/v1/tools/", json={"source_code": SOURCE, **wrong})
        assert answer.status_code == status, answer.text


def test_strictly_the_field_is_neither_read_nor_shown(start):
    http = start(strict_letta=True).http
    tool = made(http, **{FIELD: {"trust": "untrusted"}})
    assert FIELD not in tool
    assert FIELD not in http.get(f"/v1/tools/{tool['id']}").json()


def test_an_agents_secrets_go_in_and_never_come_out(start):
    live = start()
    http = live.http
    agent = live.agent(secrets={"TOKEN": TOKEN}, tool_exec_environment_variables={"OTHER": TOKEN})
    path = f"/v1/agents/{agent['id']}"
    assert [(one["key"], one["value"], one["agent_id"]) for one in agent["secrets"]] == [
        ("OTHER", "", agent["id"]),
        ("TOKEN", "", agent["id"]),
    ]
    assert agent["tool_exec_environment_variables"] == agent["secrets"]
    workshop = live.server.app.state.house.workshop
    kept = live.run(workshop.database.read([("SELECT value FROM agent_secret", ())]))
    assert [value.startswith("sealed1:") for (value,) in kept[0]] == [True, True]
    for answer in (http.get(path), http.get("/v1/agents/"), http.patch(path, json={"description": "x"})):
        assert (answer.status_code, TOKEN in answer.text) == (200, False)
        assert '"TOKEN"' in answer.text
    replaced = http.patch(path, json={"secrets": {"NEW": TOKEN}}).json()
    assert [one["key"] for one in replaced["secrets"]] == ["NEW"]
    assert http.patch(path, json={"secrets": {}}).json()["secrets"] == []


@pytest.mark.parametrize(
    ("secrets", "text"),
    [
        ({"PATH": TOKEN}, "the variable PATH"),
        ({"A-B": TOKEN}, "named like"),
        ({"A": TOKEN + "\0"}, "NUL"),
        ({"A": 1}, ""),
    ],
)
def test_a_secret_that_can_not_be_is_refused_without_being_repeated(http, secrets, text):
    answer = http.post("/v1/agents/", json={"model": "openai/gpt-4o-mini", "secrets": secrets})
    assert (answer.status_code, text in answer.text, TOKEN in answer.text) == (422, True, False), answer.text


def test_a_source_is_run_once_and_kept_nowhere(start, sandbox):
    live = start()
    body = {
        "source_code": 'import os\ndef f(x: int) -> str:\n    print("out")\n    return os.getenv("WHO") * x\n',
        "args": {"x": 2},
        "env_vars": {"WHO": "ab"},
    }
    answer = live.http.post("/v1/tools/run", json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["tool_return"], shown["status"], shown["stdout"], shown["name"]) == (
        "abab",
        "success",
        ["out\n"],
        "f",
    )
    failed = live.http.post("/v1/tools/run", json={**body, "env_vars": {}}).json()
    assert (failed["status"], "TypeError" in failed["tool_return"]) == ("error", True)
    refused = live.http.post("/v1/tools/run", json={**body, "args": {"y": 1}})
    assert (refused.status_code, "unknown argument y" in refused.text) == (400, True)
    other = live.http.post("/v1/tools/run", json={**body, "name": "g"})
    assert (other.status_code, "the tool of this source is 'f'" in other.text) == (422, True)
    assert live.http.get("/v1/tools/", params={"name": "f"}).json() == []
    rows = live.http.get("/v1/audit/tools").json()
    assert [(row["state"], row["is_error"], row["level"]) for row in rows] == [
        ("refused", True, None),
        ("ran", True, "process"),
        ("ran", False, "process"),
    ]
    assert [row["agent_id"] for row in rows] == [None] * 3


def test_where_every_place_is_taken_a_client_is_told_when_to_come_back(start):
    from kelpie.errors import SandboxBusy

    live = start()

    async def full(call, trust, wanted=None):
        raise SandboxBusy("process", 7)

    live.server.bench.sandbox.exec = full
    answer = live.http.post("/v1/tools/run", json={"source_code": SOURCE, "args": {"sides": 1}})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    (row,) = live.http.get("/v1/audit/tools").json()
    assert (row["state"], row["refusal"][:13]) == ("refused", "sandbox_busy:")
