"""The operations described for people and code generators: OpenAPI, built once, when the server starts."""

from typing import Any

import msgspec

from umi.serve.failures import Failure
from umi.serve.operations import OPERATIONS

_REF = "#/components/schemas/{name}"
_WHERE = [
    {
        "name": "scope",
        "in": "query",
        "schema": {"type": "string", "default": "default"},
        "description": "Whose memory.",
    },
    {"name": "tenant", "in": "query", "schema": {"type": "string"}, "description": "The key's own, unless given."},
]


def describe(version: str) -> dict[str, Any]:
    types = [one.takes for one in OPERATIONS.values()] + [one.result for one in OPERATIONS.values()] + [Failure]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    count = len(OPERATIONS)
    failure = {"description": "what was wrong", "content": _json(schemas[-1])}
    paths: dict[str, Any] = {}
    for place, operation in enumerate(OPERATIONS.values()):
        paths[f"/v1/{operation.name}"] = {
            "post": {
                "operationId": operation.name,
                "summary": operation.doc,
                "tags": [operation.part or "memory"],
                "parameters": _WHERE,
                "requestBody": {"content": _json(schemas[place])},
                "responses": {
                    "200": {"description": "done", "content": _json(schemas[count + place])},
                    "default": failure,
                },
            }
        }
    paths["/v1/export"] = {"get": _moving("export", "All that a scope holds, as lines of JSON.", failure)}
    paths["/v1/import"] = {"post": _moving("import", "Take in the lines of an export.", failure)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "umi", "version": version, "description": "The memory that forgets nothing by accident."},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"key": []}],
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _moving(name: str, summary: str, failure: dict[str, Any]) -> dict[str, Any]:
    lines = {"application/x-ndjson": {"schema": {"type": "string"}}}
    done: dict[str, Any] = {"description": "done"}
    described: dict[str, Any] = {"operationId": name, "summary": summary, "tags": ["moving"], "parameters": _WHERE}
    if name == "export":
        done["content"] = lines
    else:
        described["requestBody"] = {"content": lines, "required": True}
    return {**described, "responses": {"200": done, "default": failure}}
