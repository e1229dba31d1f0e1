"""The sandbox's settings in Letta's words, and the variables all custom tools of a tenant are handed."""

import json
from pathlib import Path

import pytest
from tests.kelpie.api.conftest import Live

from kelpie.config import Config

A, B = "a-key-0123456789abcdef", "b-key-0123456789abcdef"
UUID = "123e4567-e89b-42d3-8456-426614174000"
VALUE = "shared-value-0123456789"
SOURCE = '''
def tells() -> str:
    """Tell the length of what it was handed."""
    import os
    return f"{len(os.environ.get('SHARED', ''))} {len(os.environ.get('OWN', ''))}"
'''
PATH = "/v1/sandbox-config"


@pytest.fixture
def office(scripted, tmp_path):
    live = Live(Config(data_folder=str(tmp_path), openai_base_url=scripted, keys={A: "a", B: "b"}), [A])
    live.other = live.client(B)
    yield live
    live.stop()


def put(http, config_id, status=200, **body):
    made = http.post(f"{PATH}/{config_id}/environment-variable", json=body)
    assert made.status_code == status, made.text
    assert VALUE not in made.text
    return made.json()


def test_a_tenant_has_one_config_and_changes_it(office):
    made = office.http.post(f"{PATH}/local/default").json()
    assert (made["type"], made["config"]["use_venv"]) == ("local", False)
    assert office.http.post(f"{PATH}/local/default").json() == made
    assert office.http.post(f"{PATH}/", json={"config": {}}).status_code == 409
    changed = office.http.patch(f"{PATH}/{made['id']}", json={"config": {"sandbox_dir": "/tmp/x"}}).json()
    assert changed["config"]["sandbox_dir"] == "/tmp/x"
    assert office.http.get(f"{PATH}/").json() == [changed]
    assert office.http.get(f"{PATH}/", params={"sandbox_type": "e2b"}).json() == []
    assert office.other.get(f"{PATH}/").json() == []
    assert office.http.delete(f"{PATH}/{made['id']}").status_code == 204
    assert office.http.post(f"{PATH}/local", json={"use_venv": True}).json()["config"]["use_venv"]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/e2b/default", None, 501, "in nobody's cloud"),
        ("/", {"config": {"template": "x"}}, 501, "'e2b' and 'modal'"),
        ("/local/recreate-venv", None, 501, "read-only layer"),
        ("/local", {"pip_requirements": [{"name": "numpy"}]}, 501, "pip_requirements"),
        ("/local", {"use_venv": "perhaps"}, 422, "valid boolean"),
        ("/", {}, 422, "Field required"),
        ("/", {"config": {"sandbox_dir": "x" * 1_000}}, 422, "at most"),
    ],
)
def test_what_is_no_sandbox_of_ours_is_refused_with_the_reason(http, path, body, status, says):
    refused = http.post(f"{PATH}{path}", json=body)
    assert (refused.status_code, says in refused.text) == (status, True), refused.text


def test_variables_are_kept_sealed_shown_by_name_and_handed_to_tools(needs, office):
    config = office.http.post(f"{PATH}/local/default").json()["id"]
    made = put(office.http, config, key="SHARED", value=VALUE, description="for all")
    own = put(office.http, config, key="OWN", value="of-all-012345")
    assert (made["key"], made["value"], made["description"]) == ("SHARED", "", "for all")
    path = f"{PATH}/{config}/environment-variable"
    assert office.http.get(path).json() == [made, own]
    assert office.http.get(path, params={"limit": 1, "after": made["id"]}).json() == [own]
    folder = Path(office.server.config.data_folder)
    assert VALUE.encode() not in b"".join(one.read_bytes() for one in folder.glob("kelpie.db*"))
    changed = office.http.patch(f"{PATH}/environment-variable/{made['id']}", json={"value": VALUE + "x"})
    assert (changed.status_code, changed.json()["description"], VALUE in changed.text) == (200, "for all", False)
    needs("sandbox", "process" in json.dumps(office.http.get("/v1/health/").json()), "no level of isolation here")
    tool = office.http.post("/v1/tools/", json={"source_code": SOURCE}).json()["id"]
    agent = office.agent(tool_ids=[tool], secrets={"OWN": "its-own"})["id"]
    run = f"/v1/agents/{agent}/tools/tells/run"
    assert office.http.post(run).json()["func_return"] == f"{len(VALUE) + 1} {len('its-own')}"
    assert office.http.delete(f"{PATH}/environment-variable/{made['id']}").status_code == 204
    assert office.http.post(run).json()["func_return"] == f"0 {len('its-own')}"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"key": "A"}, 422, "Field required"),
        ({"key": "a b", "value": VALUE}, 422, "named like a variable"),
        ({"key": "PATH", "value": VALUE}, 422, "set by the sandbox"),
        ({"key": "TAKEN", "value": VALUE}, 409, "TAKEN already"),
    ],
)
def test_what_can_be_no_variable_is_refused_and_its_value_not_repeated(office, body, status, says):
    config = office.http.post(f"{PATH}/local/default").json()["id"]
    put(office.http, config, key="TAKEN", value="x")
    other = put(office.http, config, key="OTHER", value="x")
    assert says in json.dumps(put(office.http, config, status=status, **body))
    renamed = office.http.patch(f"{PATH}/environment-variable/{other['id']}", json={"key": "TAKEN"})
    assert renamed.status_code == 409


def test_those_of_others_are_not_there(office):
    config = office.http.post(f"{PATH}/local/default").json()["id"]
    variable = put(office.http, config, key="A", value="x")["id"]
    value = {"key": "B", "value": "y"}
    for method, path, body in (
        ("PATCH", f"{PATH}/{config}", {"config": {}}),
        ("DELETE", f"{PATH}/{config}", None),
        ("GET", f"{PATH}/{config}/environment-variable", None),
        ("POST", f"{PATH}/{config}/environment-variable", value),
        ("PATCH", f"{PATH}/environment-variable/{variable}", value),
        ("DELETE", f"{PATH}/environment-variable/{variable}", None),
    ):
        assert office.other.request(method, path, json=body).status_code == 404, (method, path)
        malformed = path.replace(config, "sandbox-1").replace(variable, "sandbox-env-1")
        assert office.http.request(method, malformed, json=body).status_code == 422
    assert len(office.http.get(f"{PATH}/{config}/environment-variable").json()) == 1


def test_a_variable_that_is_asked_for_twice_is_made_once(office):
    config = office.http.post(f"{PATH}/local/default").json()["id"]
    path, headers = f"{PATH}/{config}/environment-variable", {"idempotency-key": "one-variable"}
    body = {"key": "ONCE", "value": VALUE}
    first, again = (office.http.post(path, json=body, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (200, again.content)
