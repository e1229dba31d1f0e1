"""How ids look: a prefix and a version-4 UUID. An id of another form is refused before anything is looked up."""

from typing import Annotated

from fastapi import Path

_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
UUID_CHARS = 36


def pattern(prefix: str) -> str:
    return f"^{prefix}-{_UUID4}$"


AgentId = Annotated[str, Path(pattern=pattern("agent"))]
BlockId = Annotated[str, Path(pattern=pattern("block"))]
ToolId = Annotated[str, Path(pattern=pattern("tool"))]
MessageId = Annotated[str, Path(pattern=pattern("message"))]
RunId = Annotated[str, Path(pattern=pattern("run"))]
StepId = Annotated[str, Path(pattern=pattern("step"))]
McpServerId = Annotated[str, Path(pattern=pattern("mcp_server"))]
FolderId = Annotated[str, Path(pattern=pattern("source"))]
SourceId = Annotated[str, Path(alias="source_id", pattern=pattern("source"))]  # the same, under its old name
FileId = Annotated[str, Path(pattern=pattern("file"))]
ArchiveId = Annotated[str, Path(pattern=pattern("archive"))]
PassageId = Annotated[str, Path(pattern=pattern("passage"))]


def otid(message_id: str, number: int) -> str:
    """The id that one of the pieces has, into which a stored message is taken apart: its UUID, ending in `number`."""
    uuid = message_id[-UUID_CHARS:]
    return f"{uuid[:-2]}{number:02x}"
