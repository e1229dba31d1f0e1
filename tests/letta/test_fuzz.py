"""Requests made from our own description, what it allows and what it just doesn't, with ids of things that are there
and of others: the server answers each of them, and none with an error of its own. The same requests in every run."""

import json
from collections import Counter

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from tests.letta import clients, table
from tests.letta.house import FUZZ, keys_of
from tests.letta.scenario import Scenario

from kelpie.api import reference, unserved

CASES = 1_000
MANY = 10_000
UNKNOWN = "agent-123e4567-e89b-42d3-8456-426614174000"
# What is refused on purpose, and a server of somebody else's that can't be reached.
ALLOWED = {501, 502}
# Each runs a program, connects to a server, or asks a model for a long text: their own tests send them what is wrong.
SLOW = {
    ("POST", "/v1/tools/run"),
    ("POST", "/v1/mcp-servers"),
    ("PATCH", "/v1/mcp-servers/{}"),
    ("PUT", "/v1/tools/mcp/servers"),
    ("PATCH", "/v1/tools/mcp/servers/{}"),
    ("POST", "/v1/tools/mcp/servers/test"),
    ("POST", "/v1/tools/mcp/servers/connect"),
}


@pytest.fixture(scope="module")
def furnished(house):
    """One of everything, by the names of the paths' parameters; nothing of it was removed."""
    http = clients.Http(house.url)
    scenario = Scenario(http, *keys_of(FUZZ))
    scenario.kept.update(house.given(FUZZ))
    rows = [row for row in table.load() if row.method != "DELETE"]
    there = {}
    for row in rows:
        give = table.filled(row.give, scenario.kept)
        scenario.success(row, give)
        there[row.method, unserved.nameless(row.path)] = {name: give[name] for name in row.places}
    http.close()
    return there


def operations(there):
    """What the description has, with places for ids that mostly hold the id of something that is there."""
    description = json.loads(reference.shipped())
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            ids = there.get((method.upper(), unserved.nameless(path)), {})
            for one in operation.get("parameters", []):
                if one["in"] == "path" and one["name"] in ids:
                    one["schema"] = {"type": "string", "enum": [ids[one["name"]], UNKNOWN, "no-id"]}
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        operation = found.ok()
        if (operation.method.upper(), unserved.nameless(operation.path)) not in SLOW:
            yield operation


def cases_of(operation):
    """Requests of both kinds; an operation that takes nothing can't be asked wrongly."""
    kinds = [operation.as_strategy(generation_mode=mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    return st.one_of(*kinds, kinds[0]) if operation.body or operation.query or operation.path_parameters else kinds[0]


@pytest.mark.slow
@pytest.mark.parametrize("total", [CASES, pytest.param(MANY, marks=pytest.mark.fuzz)])
def test_no_request_breaks_the_server(house, furnished, total, capsys):
    # Some can be asked in a few ways only: these come first, and what is left of their share is the others'.
    described = sorted(operations(furnished), key=lambda one: (bool(one.body), len(one.query)))
    session, answered, broken = requests.Session(), Counter(), []
    session.trust_env = False
    session.headers["authorization"] = f"Bearer {keys_of(FUZZ)[0]}"
    for place, operation in enumerate(described):
        each = -(-(total - sum(answered.values())) // (len(described) - place))
        for status, told in _answers(operation, each, house.url, session):
            answered[status] += 1
            if status >= 500 and status not in ALLOWED:
                broken.append((operation.label, status, told))
    session.close()
    with capsys.disabled():
        print(f"\n{sum(answered.values())} requests: {dict(sorted(answered.items()))}")  # noqa: T201
    assert not broken, "\n".join(map(str, broken))
    assert sum(answered.values()) >= total
    assert answered[200] > total // 50, "nothing reaches what is behind the checks"


def _answers(operation, count, url, session):
    """The statuses of so many requests, and what was sent."""
    found = []

    @seed(7)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases_of(operation))
    def send(case):
        answer = case.call(base_url=url, session=session, timeout=30)
        told = f"{case.as_curl_command()} {answer.text[:300]}" if answer.status_code >= 500 else ""
        found.append((answer.status_code, told))

    send()
    return found
