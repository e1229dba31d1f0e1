"""The API for people: one page from the shipped description, without scripts and without anything from elsewhere."""

from html import escape
from importlib import resources
from typing import Any

import msgspec
from fastapi import APIRouter, Response

FILE = "openapi.json"
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8882;border-radius:3px;padding:0 .3em}h2{margin-top:2em}"
    "summary{cursor:pointer}dl{margin:.3em 0 1em 1.5em}dt{font-family:monospace}:root{color-scheme:light dark}"
)

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def description() -> Response:
    """As it was built: computing it takes 75 ms, in which nothing else would run."""
    return Response(shipped(), media_type="application/json")


@router.get("/docs")
async def page() -> Response:
    """The operations by resource, with their parameters and bodies."""
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(render(msgspec.json.decode(shipped())), media_type="text/html; charset=utf-8", headers=headers)


def shipped() -> bytes:
    return resources.files("kelpie.api").joinpath(FILE).read_bytes()


def render(described: dict[str, Any]) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            shown = _operation(method.upper(), path, operation, described["components"]["schemas"])
            by_tag.setdefault(operation.get("tags", ["more"])[0], []).append(shown)
    sections = "".join(f"<h2>{escape(tag)}</h2>{''.join(shown)}" for tag, shown in sorted(by_tag.items()))
    title, text = escape(described["info"]["title"]), escape(described["info"]["description"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{text} For programs: <code>/openapi.json</code></p>"
        f"{sections}"
    )


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    fields = [
        (one["name"], one["in"], one.get("required", False), one["schema"]) for one in operation.get("parameters", [])
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        schema = schemas[body["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        fields += [(name, "body", name in required, one) for name, one in schema.get("properties", {}).items()]
    terms = "".join(
        f"<dt>{escape(name)}</dt><dd>{where}{', required' if needed else ''}: {escape(_kind(schema))}</dd>"
        for name, where, needed, schema in fields
    )
    text = escape(operation.get("description", ""))
    return f"<details><summary><code>{method} {escape(path)}</code> {text}</summary><dl>{terms}</dl></details>"


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))
