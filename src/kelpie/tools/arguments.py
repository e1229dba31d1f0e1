"""A call's arguments against the tool's schema, before anything runs: what the model wrote is input from outside.

Checked are the parts of JSON Schema that source.py writes, plus `oneOf` and `const`; other keywords are left alone.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from kelpie.errors import LimitExceeded, ToolFailed
from kelpie.tools import limits

_KINDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def check_arguments(tool: str, parameters: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments to call with: nulls for what may be left out are left out, whole floats for integers are integers.

    Raises ToolFailed, naming every argument that is unknown, missing or of the wrong type (the first few of them),
    and LimitExceeded.
    """
    try:
        size = len(msgspec.json.encode(arguments))
    except UnicodeEncodeError:
        raise ToolFailed(f"Invalid arguments for {tool}: a text holds half of a surrogate pair") from None
    if size > limits.TOOL_ARGUMENTS_BYTES_MAX:
        raise LimitExceeded(f"the arguments of {tool}", size, limits.TOOL_ARGUMENTS_BYTES_MAX, "bytes")
    properties = _dict(parameters.get("properties"))
    required = _names(parameters.get("required"))
    checked = {}
    for name, value in arguments.items():
        schema = _dict(properties.get(name))
        if value is None and name not in required and "default" in schema and schema["default"] is None:
            continue  # filled in below
        if value is None and name not in required and name in properties and not _allows_null(schema):
            continue  # many models write null where they mean "left out"
        checked[name] = _whole(value, schema)
    problems = list(_problems({"additionalProperties": False, **parameters}, checked, ""))
    if problems:
        shown = "; ".join(problems[: limits.ARGUMENT_PROBLEMS_SHOWN_MAX])
        takes = ", ".join(properties) or "no arguments"
        raise ToolFailed(f"Invalid arguments for {tool}: {shown}. It takes: {takes}")
    for name, schema in properties.items():
        if name not in checked and name not in required and _dict(schema).get("default", ...) is None:
            checked[name] = None
    return checked


def _problems(schema: Any, value: Any, path: str) -> Iterator[str]:
    """One phrase for each thing that is wrong with `value`, which lies at `path`."""
    schema = _dict(schema)
    variants = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(variants, list) and not any(_fits(variant, value) for variant in variants):
        yield f"{path} must be {_wanted(schema)}, not {_kind(value)}"
        return
    types = _types(schema)
    if types and not any(_is(value, kind) for kind in types):
        yield f"{path} must be {_wanted(schema)}, not {_kind(value)}"
        return
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(allowed, list) and not any(_same(value, one) for one in allowed):
        yield f"{path} must be one of {', '.join(msgspec.json.encode(one).decode() for one in allowed)}"
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _problems(schema.get("items"), item, f"{path}[{number}]")
    if isinstance(value, dict):
        yield from _problems_inside(schema, value, path)


def _problems_inside(schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    properties, more = _dict(schema.get("properties")), schema.get("additionalProperties")
    for name in _names(schema.get("required")):
        if name not in value:
            yield f"{_join(path, name)} is missing"
    for name, item in value.items():
        if name in properties:
            yield from _problems(properties[name], item, _join(path, name))
        elif more is False:
            yield f"unknown argument {_join(path, name)}"
        else:
            yield from _problems(more, item, _join(path, name))


def _fits(schema: Any, value: Any) -> bool:
    return next(_problems(schema, value, ""), None) is None


def _types(schema: dict[str, Any]) -> list[str]:
    kinds = schema.get("type")
    known = kinds if isinstance(kinds, list) else [kinds]
    return [kind for kind in known if isinstance(kind, str) and kind in _KINDS]


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return value is None


def _same(value: Any, one: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return value == one and isinstance(value, bool) == isinstance(one, bool)


def _whole(value: Any, schema: dict[str, Any]) -> Any:
    """5.0 is an integer in JSON; Python's range() doesn't think so."""
    return int(value) if isinstance(value, float) and value.is_integer() and _types(schema) == ["integer"] else value


def _allows_null(schema: dict[str, Any]) -> bool:
    return _fits(schema, None)


def _wanted(schema: dict[str, Any]) -> str:
    variants = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(variants, list):
        return " or ".join(dict.fromkeys(_wanted(_dict(variant)) for variant in variants))
    return " or ".join(_KINDS[kind] for kind in _types(schema)) or "something else"


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS.items() if _is(value, kind)), type(value).__name__)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
