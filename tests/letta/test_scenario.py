"""We are Letta's API: every operation that is served, called by plain HTTP and by Letta's own clients, old and new, in
Python and JavaScript. Each succeeds, refuses what is wrong, and knows nothing of another tenant; what differs is listed
in differences.yaml, and nothing is listed that doesn't differ."""

import json
import sys

import pytest
from tests.kelpie.api import contract
from tests.kelpie.api.test_contract import LETTA, Checker
from tests.letta import clients, table
from tests.letta.comparing import DIFFERENCES, compared
from tests.letta.house import CALLERS, keys_of
from tests.letta.scenario import KINDS, Scenario

CONTRACT = {f"{row['method']} {row['path']}": row for row in contract.load()}
SERVED = [op for op, row in CONTRACT.items() if row["served"]]
CALLS = {op: row["sdk"] for op, row in CONTRACT.items() if row["sdk"]}
ROWS = table.load()
QUICK = "python-1.12.1"  # in every run; the others in `make letta`
SLOW = [pytest.param(one, marks=pytest.mark.letta) for one in CALLERS if one != QUICK]
FEWEST = 3


RUN = table.Row("POST /v1/tools/run")
SOURCE = 'def one() -> int:\n    """One."""\n    return 1\n'


def caller_named(name, house, needs):
    http = clients.Http(house.url)
    ran = http.call(keys_of(name)[0], RUN, {"source_code": SOURCE, "args": {}}).body
    needs("sandbox", ran["status"] == "success", str(ran["stderr"]))
    if name == "http":
        return http
    kind, _, version = name.partition("-")
    command, why = (clients.python_client if kind == "python" else clients.npm_client)(version)
    needs("letta-clients", not why, why)
    return clients.Client(name, command, house.url, CALLS, http)


def schema_faults():
    """A check of answers against Letta's published schemas; None without them."""
    if not LETTA.exists():
        return None
    published = json.loads(LETTA.read_text(encoding="utf-8"))
    checker = Checker(published["components"]["schemas"])

    def faults(row, answer):
        if answer.status >= 300:
            return []
        responses = published["paths"].get(row.path, {}).get(row.method.lower(), {}).get("responses", {})
        content = responses.get(str(answer.status), {}).get("content", {}).get("application/json", {})
        return checker.faults(answer.body, content["schema"]) if "schema" in content and answer.body is not None else []

    return faults


@pytest.mark.parametrize("name", [QUICK, *SLOW])
def test_every_served_operation_is_lettas(house, needs, name, capsys):
    caller, checking = caller_named(name, house, needs), schema_faults()
    scenario = Scenario(caller, *keys_of(name), checking)
    scenario.kept.update(house.given(name))
    scenario.play(ROWS)
    caller.close()
    with capsys.disabled():
        sys.stdout.write(f"\n{name}: {said(scenario, caller)}\n")
    assert scenario.too_few(SERVED) == {}, "an operation is served and not in tests/letta/operations"
    assert min(sum(scenario.checked[op, kind] for kind in KINDS) for op in SERVED) >= FEWEST
    unlisted, gone = compared(scenario.findings, DIFFERENCES, name, schema=checking is not None)
    assert unlisted == []
    assert gone == []
    assert "Traceback" not in house.said


def said(scenario, caller):
    missing = len(getattr(caller, "missing", ()))
    by_client = len(set(SERVED) & set(CALLS)) - missing if hasattr(caller, "missing") else 0
    return (
        f"{len(SERVED)} operations served, {sum(scenario.checked.values())} assertions; {by_client} called by the"
        f" client, {missing} not in this version"
    )


def test_a_row_for_what_is_not_served_is_noticed():
    assert {row.op for row in ROWS} - set(SERVED) == set()
