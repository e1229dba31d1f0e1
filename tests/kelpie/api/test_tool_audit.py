"""The audit over HTTP: of a turn's calls, filtered, paged, and limited to those a key speaks for."""

import pytest
from tests.kelpie.api.conftest import ALL, KEYS

from kelpie.tools import audit
from kelpie.tools.audit import AuditRow, Ran, Sandboxed
from umi.storage import Changes

SOURCE = 'def roll(sides: int) -> int:\n    """Roll a die."""\n    return sides\n'


def row(number, **fields):
    made = {
        "tenant": "t",
        "id": f"audit-{number}",
        "at_ms": number * 1_000,
        "state": "ran",
        "tool": "roll",
        "sandboxed": Sandboxed(trust="reviewed", needs="process", tool_id="tool-1", version=2),
        "agent_id": "agent-1",
        "run_id": "run-1",
        "step_id": "step-1",
        "tool_call_id": f"call-{number}",
        "speaker": "",
        "model": "m",
        "ran": Ran(level="process", backend="bwrap", killed_by="memory", network=["example.com:25"]),
    }
    return AuditRow(**{**made, **fields})


@pytest.fixture
def rows(house):
    """Three rows: of nobody, of Anna, of the team Finance; and one of another tenant."""
    anna = next(one["id"] for one in house.http.get("/v1/people").json() if one["handle"] == "anna")
    made = [
        row(1),
        row(2, speaker=anna, tool="run_code", sandboxed=Sandboxed(trust="untrusted", needs="process")),
        row(3, speaker="team:Finance", state="refused", ran=Ran(state="refused", refusal="why")),
        row(4, tenant="other"),
    ]
    changes = Changes()
    for one in made:
        changes.extend(audit.plan_begin(one))
    house.run(house.server.app.state.house.workshop.database.commit(changes))


def ids(client, **query):
    answer = client.get("/v1/audit/tools", params=query)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()]


@pytest.mark.usefixtures("rows")
def test_rows_say_what_ran_for_whom_and_which_limit_it_hit(house):
    shown = {one["id"]: one for one in house.http.get("/v1/audit/tools").json()}
    assert list(shown) == ["audit-3", "audit-2", "audit-1"]
    first = shown["audit-1"]
    assert (first["at"], first["tool"], first["tool_id"], first["tool_version"]) == (
        "1970-01-01T00:00:01+00:00",
        "roll",
        "tool-1",
        2,
    )
    assert (first["killed_by"], first["network_refused"], first["lowered"]) == ("memory", ["example.com:25"], False)
    assert (shown["audit-2"]["lowered"], shown["audit-2"]["needs"]) == (True, "process")
    assert (shown["audit-3"]["refusal"], shown["audit-3"]["level"]) == ("why", None)


@pytest.mark.usefixtures("rows")
def test_rows_are_filtered_and_paged(house):
    http = house.http
    assert ids(http, tool="run_code") == ids(http, trust="untrusted") == ["audit-2"]
    assert ids(http, state="refused") == ["audit-3"]
    assert ids(http, killed_by="memory", level="process") == ["audit-2", "audit-1"]
    assert ids(http, agent_id="agent-2") == ids(http, run_id="run-2") == []
    assert ids(http, since_ms=2_000, until_ms=3_000) == ["audit-2"]
    assert ids(http, limit=1) == ["audit-3"]
    assert ids(http, limit=1, after="audit-3") == ["audit-2"]
    assert ids(http, order="asc") == ["audit-1", "audit-2", "audit-3"]
    assert http.get("/v1/audit/tools", params={"state": "x"}).status_code == 422
    assert http.get("/v1/audit/tools", params={"limit": 1_001}).status_code == 422


@pytest.mark.usefixtures("rows")
def test_a_key_for_some_people_sees_what_was_run_for_them(house):
    assert ids(house.anna) == ["audit-2"]
    assert ids(house.finance) == ["audit-3"]
    assert ids(house.two) == ["audit-2"]
    assert ids(house.anna, tool="roll") == []
    assert ids(house.client("eve-key-0123456789abcdef")) == ["audit-4"]
    assert {ALL} <= set(KEYS)


def test_a_turns_calls_are_audited(start, sandbox):
    live = start()
    made = live.http.put("/v1/tools/", json={"source_code": SOURCE}).json()
    agent = live.agent(tool_ids=[made["id"]], tools=["run_code"])
    code = '[[tool:run_code {"language": "python", "code": "print(1)"}]]'
    said = live.send(agent["id"], f'[[tool:roll {{"sides": 6}}]] {code} [[say:done]]').json()
    returns = [one for one in said["messages"] if one["message_type"] == "tool_return_message"]
    newest, oldest = live.http.get("/v1/audit/tools", params={"agent_id": agent["id"]}).json()
    assert (oldest["tool"], oldest["state"], oldest["trust"], oldest["level"]) == ("roll", "ran", "reviewed", "process")
    assert (oldest["tool_id"], oldest["run_id"], oldest["step_id"]) == (
        made["id"],
        returns[0]["run_id"],
        returns[0]["step_id"],
    )
    assert oldest["tool_call_id"] == returns[0]["tool_call_id"]
    assert (newest["tool"], newest["trust"], newest["needs"]) == ("run_code", "untrusted", "microvm")
    ran_at = live.http.get("/health").json()["trust"]["untrusted"]["runs_at"]
    assert newest["state"] == ("refused" if ran_at is None else "ran")
    assert (newest["level"] or None) == ran_at


def test_an_operator_may_knowingly_run_unread_code_as_a_process_and_it_is_shown(start, sandbox):
    live = start(sandbox_untrusted="process")
    agent = live.agent(tools=["run_code"])
    said = live.send(agent["id"], '[[tool:run_code {"language": "python", "code": "print(6 * 7)"}]]').json()
    returned = next(one for one in said["messages"] if one["message_type"] == "tool_return_message")
    assert returned["tool_return"] == "42"
    (row,) = live.http.get("/v1/audit/tools").json()
    assert (row["level"], row["needs"], row["lowered"]) == ("process", "process", True)
    assert live.http.get("/health").json()["trust"]["untrusted"] == {
        "needs": "process",
        "runs_at": "process",
        "lowered": True,
    }
