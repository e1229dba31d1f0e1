"""How ids look: a prefix and a version-4 UUID. An id of another form is refused before anything is looked up."""

from typing import Annotated

from fastapi import Path, Query

_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
UUID_CHARS = 36


def pattern(prefix: str) -> str:
    return f"^{prefix}-{_UUID4}$"


AgentId = Annotated[str, Path(pattern=pattern("agent"))]
BlockId = Annotated[str, Path(pattern=pattern("block"))]
ToolId = Annotated[str, Path(pattern=pattern("tool"))]
MessageId = Annotated[str, Path(pattern=pattern("message"))]
IdentityId = Annotated[str, Path(pattern=pattern("identity"))]
GroupId = Annotated[str, Path(pattern=pattern("group"))]
RunId = Annotated[str, Path(pattern=pattern("run"))]
StepId = Annotated[str, Path(pattern=pattern("step"))]
McpServerId = Annotated[str, Path(pattern=pattern("mcp_server"))]
FolderId = Annotated[str, Path(pattern=pattern("source"))]
SourceId = Annotated[str, Path(alias="source_id", pattern=pattern("source"))]  # the same, under its old name
FileId = Annotated[str, Path(pattern=pattern("file"))]
ProviderId = Annotated[str, Path(pattern=pattern("provider"))]
ArchiveId = Annotated[str, Path(pattern=pattern("archive"))]
PassageId = Annotated[str, Path(pattern=pattern("passage"))]
ConversationId = Annotated[str, Path(pattern=pattern("conv"))]
# Or "default", of an agent that is named elsewhere in the request, or an agent's id: its main conversation.
ConversationPlace = Annotated[str, Path(alias="conversation_id", pattern=f"^(default|(conv|agent)-{_UUID4})$")]
CONVERSATION = f"^(default|conv-{_UUID4})$"
ConversationFilter = Annotated[str, Query(pattern=CONVERSATION)]


def otid(message_id: str, number: int) -> str:
    """The id that one of the pieces has, into which a stored message is taken apart: its UUID, ending in `number`."""
    uuid = message_id[-UUID_CHARS:]
    return f"{uuid[:-2]}{number:02x}"
