"""The description we ship is that of our routes, and our answers are what Letta's published description asks for."""

import json
from pathlib import Path

import pytest

from kelpie.api import openapi, reference

LETTA = Path(__file__).resolve().parents[4] / "shared" / "data" / "letta-openapi-0.16.7.json"
MODEL = "openai/gpt-4o-mini"


@pytest.fixture(scope="module")
def letta(needs):
    needs("letta-openapi", LETTA.exists(), f"{LETTA} is not there")
    return json.loads(LETTA.read_text(encoding="utf-8"))


def test_the_shipped_description_is_that_of_the_routes():
    assert json.loads(reference.shipped()) == json.loads(openapi.as_text(openapi.describe())), (
        "the routes changed: run `python -m kelpie.api.openapi`"
    )


def test_the_description_is_served(http):
    assert http.get("/openapi.json").json()["info"]["title"] == "kelpie"


def test_the_page_for_people_shows_every_operation_and_loads_nothing(http):
    page = http.get("/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for path, operations in json.loads(reference.shipped())["paths"].items():
        for method in operations:
            assert f"<code>{method.upper()} {path}</code>" in page.text
    assert "http" not in page.text.replace("kelpie", "")
    assert "<dt>memory_blocks</dt><dd>body: list of CreateBlock or null</dd>" in page.text


class Checker:
    """A value against a schema of the description: types, required fields, enumerations; unions if any part fits."""

    def __init__(self, schemas):
        self._schemas = schemas

    def faults(self, value, schema, where=""):
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            found = [self.faults(value, option, where) for option in options]
            # The option that it comes nearest to: not one of another type.
            return [] if [] in found else min(found, key=lambda one: (one[0].startswith(f"{where}: "), len(one)))
        if "const" in schema and value != schema["const"]:
            return [f"{where}: {value!r} is not {schema['const']!r}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where}: {value!r} is not one of {schema['enum']}"]
        kind = schema.get("type")
        kinds = {
            "string": str,
            "integer": int,
            "number": (int, float),
            "boolean": bool,
            "array": list,
            "object": dict,
            "null": type(None),
        }
        if kind and not isinstance(value, kinds[kind]):
            return [f"{where}: {value!r} is no {kind}"]
        if isinstance(value, list):
            items = schema.get("items", {})
            return [f for n, item in enumerate(value) for f in self.faults(item, items, f"{where}[{n}]")]
        if isinstance(value, dict):
            return self._of_object(value, schema, where)
        return []

    def _of_object(self, value, schema, where):
        known = schema.get("properties", {})
        faults = [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        if schema.get("additionalProperties") is False:
            faults += [f"{where}.{name} is not known" for name in value if name not in known]
        return faults + [
            fault
            for name, one in known.items()
            if name in value
            for fault in self.faults(value[name], one, f"{where}.{name}")
        ]


def test_the_checker_sees_what_is_wrong(letta):
    checker = Checker(letta["components"]["schemas"])
    schema = {"$ref": "#/components/schemas/BlockResponse"}
    assert checker.faults({"id": "block-1", "value": "x"}, schema) == []
    assert checker.faults({"id": "block-1"}, schema) == [".value is missing"]
    assert checker.faults({"id": "block-1", "value": 7}, schema) == [".value: 7 is no string"]
    assert checker.faults({"id": "tool-12345678", "extra": 1}, {"$ref": "#/components/schemas/Tool"}) == [
        ".extra is not known"
    ]


@pytest.mark.parametrize("strict", [False, True])
def test_our_answers_fit_lettas_schemas(letta, start, strict):
    """Nothing is in them that Letta doesn't have, but a field that says what memory did, and one that says what a tool
    is handed; strictly, not even those."""
    live = start(strict_letta=strict)
    http = live.http
    checker, unknown = Checker(letta["components"]["schemas"]), []
    agent = live.agent(
        memory_blocks=[{"label": "human", "value": "Sam"}],
        tags=["t"],
        tool_rules=[{"type": "exit_loop", "tool_name": "memory_insert"}],
        secrets={"TOKEN": "of hers"},
        model_settings={"provider_type": "openai", "temperature": 0.5, "max_output_tokens": 100},
        response_format={"type": "text"},
    )
    agent_path = f"/v1/agents/{agent['id']}"
    http.post(f"{agent_path}/archival-memory", json={"text": "Sam has a cat", "tags": ["pets"]})
    call = '[[tool:memory_insert {"label": "human", "new_string": "tea"}]] [[think:hm]] [[say:noted]]'
    said = live.send(agent["id"], call).json()
    live.send(agent["id"], "[[err:400]]")
    run, step = said["messages"][0]["run_id"], said["messages"][0]["step_id"]
    tool, block = agent["tools"][0]["id"], agent["blocks"][0]["id"]
    source = {
        "source_code": "def f() -> int:\n    return 1\n",
        "pip_requirements": [{"name": "rich", "version": "13.0"}],
    }
    made = http.put("/v1/tools/", json={**source, "kelpie_sandbox": {"workspace": True}}).json()["id"]
    asked = [
        ("get", "/v1/health/", "/v1/health/", None),
        ("get", "/v1/models/", "/v1/models/", None),
        ("get", "/v1/models/embedding", "/v1/models/embedding", None),
        ("post", "/v1/agents/", "/v1/agents/", {"model": MODEL}),
        ("get", "/v1/agents/", "/v1/agents/", None),
        ("get", "/v1/agents/count", "/v1/agents/count", None),
        ("get", "/v1/agents/{agent_id}", agent_path, None),
        ("patch", "/v1/agents/{agent_id}", agent_path, {"description": "x"}),
        ("get", "/v1/agents/{agent_id}/tools", f"{agent_path}/tools", None),
        ("patch", "/v1/agents/{agent_id}/tools/attach/{tool_id}", f"{agent_path}/tools/attach/{tool}", None),
        ("get", "/v1/agents/{agent_id}/core-memory/blocks", f"{agent_path}/core-memory/blocks", None),
        (
            "get",
            "/v1/agents/{agent_id}/core-memory/blocks/{block_label}",
            f"{agent_path}/core-memory/blocks/human",
            None,
        ),
        ("get", "/v1/agents/{agent_id}/messages", f"{agent_path}/messages", None),
        ("post", "/v1/agents/{agent_id}/messages", f"{agent_path}/messages", {"input": call}),
        ("post", "/v1/agents/{agent_id}/messages/async", f"{agent_path}/messages/async", {"input": "hi"}),
        ("get", "/v1/agents/{agent_id}/archival-memory", f"{agent_path}/archival-memory", None),
        (
            "get",
            "/v1/agents/{agent_id}/archival-memory/search",
            f"{agent_path}/archival-memory/search?query=cat",
            None,
        ),
        ("get", "/v1/blocks/", "/v1/blocks/", None),
        ("get", "/v1/blocks/count", "/v1/blocks/count", None),
        ("get", "/v1/blocks/{block_id}", f"/v1/blocks/{block}", None),
        ("get", "/v1/blocks/{block_id}/agents", f"/v1/blocks/{block}/agents", None),
        ("get", "/v1/tools/", "/v1/tools/", None),
        ("get", "/v1/tools/count", "/v1/tools/count", None),
        ("get", "/v1/tools/{tool_id}", f"/v1/tools/{tool}", None),
        ("put", "/v1/tools/", "/v1/tools/", source),
        ("patch", "/v1/tools/{tool_id}", f"/v1/tools/{made}", {"description": "F."}),
        ("get", "/v1/runs/", "/v1/runs/", None),
        ("get", "/v1/runs/{run_id}", f"/v1/runs/{run}", None),
        ("get", "/v1/runs/{run_id}/messages", f"/v1/runs/{run}/messages", None),
        ("get", "/v1/runs/{run_id}/usage", f"/v1/runs/{run}/usage", None),
        ("get", "/v1/runs/{run_id}/steps", f"/v1/runs/{run}/steps", None),
        ("get", "/v1/steps/", "/v1/steps/", None),
        ("get", "/v1/steps/{step_id}", f"/v1/steps/{step}", None),
    ]
    for method, path, filled, body in asked:
        answer = http.request(method, filled, json=body)
        assert answer.status_code == 200, (path, answer.text)
        schema = letta["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        unknown += [f"{method} {path}{fault}" for fault in checker.faults(answer.json(), schema)]
    ours = [
        fault for fault in unknown if fault.endswith((".kelpie_memory is not known", ".kelpie_sandbox is not known"))
    ]
    assert [fault for fault in unknown if fault not in ours] == []
    assert bool(ours) != strict
