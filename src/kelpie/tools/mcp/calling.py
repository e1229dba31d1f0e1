"""One request to a server's session: a tool's call, a resource, a prompt; or the list of those.

The SDK's own `call_tool` checks what comes back against the schema the server sent with it. A pattern in such a schema
can take a regular expression for ever, on the loop that serves everybody: the answer is text here, and is not checked.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from mcp import ClientSession
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    PaginatedRequestParams,
    ReadResourceResult,
)
from pydantic import TypeAdapter

from kelpie.tools.mcp import limits, results
from kelpie.tools.mcp.faults import McpFault
from kelpie.tools.mcp.rows import Target

_ANSWER: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(CallToolResult | InputRequiredResult)


async def call(session: ClientSession, target: Target, arguments: dict[str, Any], chars_max: int) -> tuple[str, bool]:
    """(what the model reads, whether it is an error). Raises McpFault, and what the session raises."""
    if target.use == "resource":
        return await _resource(session, target, arguments.get("uri"), chars_max), False
    if target.use == "prompt":
        filled = arguments.get("arguments") or {}
        return await _prompt(session, target, arguments.get("name"), filled, chars_max), False
    request = CallToolRequest(params=CallToolRequestParams(name=target.tool, arguments=arguments))
    result = _no_more_input(await session.send_request(request, _ANSWER), target.server_name)
    assert isinstance(result, CallToolResult)
    text = results.of_call(result, chars_max)
    if result.is_error:
        return text or f"the tool '{target.tool}' failed without saying why", True
    return text, False


async def _resource(session: ClientSession, target: Target, uri: str | None, chars_max: int) -> str:
    if uri is not None:
        read = _no_more_input(await session.read_resource(uri, allow_input_required=True), target.server_name)
        assert isinstance(read, ReadResourceResult)
        return results.of_resource(read, chars_max)
    lines = [
        f"{one.uri}: {one.title or one.name}{f' ({one.mime_type})' if one.mime_type else ''}"
        f"{f' - {one.description}' if one.description else ''}"
        for one in await _pages(session.list_resources, "resources")
    ]
    lines += [
        f"{one.uri_template} (with its parts filled in): {one.title or one.name}"
        for one in await _pages(session.list_resource_templates, "resource_templates")
    ]
    return results.joined(lines or ["there are no resources"], chars_max)


async def _prompt(
    session: ClientSession, target: Target, name: str | None, arguments: dict[str, str], chars_max: int
) -> str:
    if name is not None:
        got = _no_more_input(await session.get_prompt(name, arguments, allow_input_required=True), target.server_name)
        assert isinstance(got, GetPromptResult)
        return results.of_prompt(got, chars_max)
    lines = [
        f"{one.name}({_arguments(one.arguments or ())}): {one.description or one.title or one.name}"
        for one in await _pages(session.list_prompts, "prompts")
    ]
    return results.joined(lines or ["there are no prompts"], chars_max)


def _arguments(arguments: Iterable[Any]) -> str:
    return ", ".join(one.name if one.required else f"{one.name}?" for one in arguments)


async def _pages(listing: Callable[..., Awaitable[Any]], what: str) -> list[Any]:
    """The first MCP_RESOURCES_SHOWN_MAX of a list, over its pages."""
    found: list[Any] = []
    cursor = None
    for _ in range(limits.MCP_PAGES_MAX):
        page = await listing(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        found += getattr(page, what)
        cursor = page.next_cursor
        if not cursor or len(found) >= limits.MCP_RESOURCES_SHOWN_MAX:
            break
    return found[: limits.MCP_RESOURCES_SHOWN_MAX]


def _no_more_input(result: Any, server: str) -> Any:
    """The result, unless the server wants something of its client first. Raises McpFault."""
    if isinstance(result, InputRequiredResult):
        raise McpFault("asked", server, "wants an answer of a person or a model before it goes on: refused")
    return result
