"""What a server offers: its tools, read page by page within bounds, and how they differ from what was added.

A tool is held to what it said when a person added it: the model was shown that and nothing else. What it says now is
compared as JSON, whole.
"""

from typing import Any

import msgspec

from kelpie.errors import ToolFailed
from kelpie.tools import limits as tool_limits
from kelpie.tools.mcp import limits


class OfferedTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as its server lists it; a description that is too long is cut. `annotations` are its word and no more."""

    name: str
    description: str
    parameters: dict[str, Any]
    title: str | None = None
    output_schema: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a server found."""

    tools: list[OfferedTool] = []
    has_resources: bool = False
    has_prompts: bool = False


async def read_offer(session: Any) -> Offer:
    """Ask an initialized session of the SDK. Raises ToolFailed for a list that is out of bounds, and what the session
    raises."""
    capabilities = session.server_capabilities
    tools: list[OfferedTool] = []
    if capabilities is not None and capabilities.tools is not None:
        tools = await _read_tools(session)
    return Offer(
        tools=tools,
        has_resources=capabilities is not None and capabilities.resources is not None,
        has_prompts=capabilities is not None and capabilities.prompts is not None,
    )


async def _read_tools(session: Any) -> list[OfferedTool]:
    from mcp_types import PaginatedRequestParams

    tools: dict[str, OfferedTool] = {}
    cursor, size = None, 0
    for _ in range(limits.MCP_PAGES_MAX):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        for listed in page.tools:
            tool = _offered(listed)
            size += len(msgspec.json.encode(tool))
            if tool.name in tools:
                raise ToolFailed(f"lists the tool '{tool.name[:100]}' twice")
            tools[tool.name] = tool
            if len(tools) > limits.MCP_TOOLS_MAX:
                raise ToolFailed(f"lists more than {limits.MCP_TOOLS_MAX} tools")
            if size > limits.MCP_LISTING_BYTES_MAX:
                raise ToolFailed(f"its tools take more than {limits.MCP_LISTING_BYTES_MAX:,} bytes to describe")
        cursor = page.next_cursor
        if not cursor:
            return list(tools.values())
    raise ToolFailed(f"lists its tools on more than {limits.MCP_PAGES_MAX} pages")


def _offered(listed: Any) -> OfferedTool:
    parameters = dict(listed.input_schema)
    return OfferedTool(
        name=listed.name,
        description=(listed.description or listed.title or listed.name)[: limits.MCP_DESCRIPTION_CHARS_MAX],
        parameters=parameters if parameters.get("type") == "object" else {**parameters, "type": "object"},
        title=listed.title,
        output_schema=listed.output_schema,
        annotations=listed.annotations.model_dump(by_alias=True, mode="json", exclude_none=True)
        if listed.annotations is not None
        else None,
    )


def changes_of(name: str, description: str, parameters: dict[str, Any], now: OfferedTool | None) -> list[str]:
    """What a tool says now that it did not say when it was added, one phrase each; nothing if it is the same."""
    if now is None:
        return [f"it no longer offers '{name}'"]
    changes = []
    if now.description != description:
        changes.append("its description")
    if _json(now.parameters) != _json(parameters):
        changes += _changed_parameters(parameters, now.parameters)
    return changes


def _changed_parameters(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    before, after = _properties(old), _properties(new)
    changes = [f"parameter '{name[:100]}' is new" for name in after if name not in before]
    changes += [f"parameter '{name[:100]}' is gone" for name in before if name not in after]
    both = [name for name in before if name in after and _json(before[name]) != _json(after[name])]
    changes += [f"parameter '{name[:100]}' is another" for name in both]
    most = tool_limits.ARGUMENT_PROBLEMS_SHOWN_MAX
    return changes[:most] or ["its schema"]


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its own definitions in the place of references to them, for a check of arguments.

    What is too large or refers to itself is left open there: the server checks it as well.
    """
    definitions = {f"#/{kind}/": schema.get(kind) for kind in ("$defs", "definitions")}
    parts = 0

    def resolve(value: Any, depth: int) -> Any:
        nonlocal parts
        parts += 1
        if depth > limits.MCP_SCHEMA_DEPTH_MAX or parts > tool_limits.TOOL_SCHEMA_PARTS_MAX:
            return {}
        if isinstance(value, list):
            return [resolve(one, depth + 1) for one in value]
        if not isinstance(value, dict):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str):
            head, slash, name = reference.rpartition("/")
            found = definitions.get(head + slash)
            return resolve(found.get(name, {}), depth + 1) if isinstance(found, dict) else {}
        return {name: resolve(one, depth + 1) for name, one in value.items() if name not in ("$defs", "definitions")}

    whole = resolve(schema, 0)
    assert isinstance(whole, dict)
    if not isinstance(whole.get("properties"), dict) or not whole["properties"]:
        whole.setdefault("additionalProperties", True)  # a schema without names takes any
    return whole
