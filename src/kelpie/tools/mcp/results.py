"""What a tool, a resource or a prompt gave, as text for the model: in order, each part cut where the whole ends.

All of it is data of somebody else's. It reaches the model as what a tool returned and in no other place.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    GetPromptResult,
    ImageContent,
    ReadResourceResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from kelpie.tools.mcp import limits


def of_call(result: CallToolResult, chars_max: int) -> str:
    """The parts one below the other; what is structured alone if there is no part."""
    if not result.content and result.structured_content is not None:
        return joined([msgspec.json.encode(result.structured_content).decode()], chars_max)
    return joined((_part(part) for part in result.content), chars_max)


def of_resource(result: ReadResourceResult, chars_max: int) -> str:
    return joined((_contents(one) for one in result.contents), chars_max)


def of_prompt(result: GetPromptResult, chars_max: int) -> str:
    """The messages, each after the role it is written for."""
    return joined((f"{message.role}: {_part(message.content)}" for message in result.messages), chars_max)


def joined(parts: Iterable[str], chars_max: int) -> str:
    """The parts, one a line or more; past `chars_max` characters they are left out with a note that says so."""
    kept, size = [], 0
    for number, part in enumerate(_bounded(parts)):
        if size + len(part) > chars_max:
            kept.append(
                f"{part[: chars_max - size]}\n… [cut: more than {chars_max:,} characters, from part {number + 1}]"
            )
            break
        kept.append(part)
        size += len(part) + 1
    return "\n".join(kept)


def _bounded(parts: Iterable[str]) -> Iterator[str]:
    for number, part in enumerate(parts):
        if number == limits.MCP_RESULT_PARTS_MAX:
            yield f"… [cut: more than {limits.MCP_RESULT_PARTS_MAX:,} parts]"
            return
        yield part


def _part(part: Any) -> str:
    match part:
        case TextContent():
            return part.text
        case ImageContent():
            return _note("image", part.mime_type, part.data)
        case AudioContent():
            return _note("audio", part.mime_type, part.data)
        case EmbeddedResource():
            return _contents(part.resource)
        case ResourceLink():
            return f"[resource {part.uri}: {part.title or part.name}]"
        case _:
            return f"[{type(part).__name__}: not shown]"


def _contents(contents: TextResourceContents | BlobResourceContents) -> str:
    if isinstance(contents, TextResourceContents):
        return f"[resource {contents.uri}]\n{contents.text}"
    return f"[resource {contents.uri}] {_note('data', contents.mime_type, contents.blob)}"


def _note(what: str, mime_type: str | None, base64: str) -> str:
    size = len(base64) * 3 // 4 - base64[-2:].count("=")
    return f"[{what}: {mime_type or 'of unknown type'}, {max(size, 0):,} bytes]"
