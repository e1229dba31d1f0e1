"""Tools on the wire."""

from typing import Any

from pydantic import BaseModel, Field

from kelpie.errors import NotServed
from kelpie.tools import limits as tool_limits
from kelpie.tools.custom import CUSTOM, ToolDraft, ToolRecord
from kelpie.tools.source import parse_source

# Letta sorts its own tools by kind; ours are sorted alike, by name. What is not named here is its "letta_builtin".
_KINDS = {
    "letta_core": ("send_message", "conversation_search", "archival_memory_insert", "archival_memory_search"),
    "letta_memory_core": ("core_memory_append", "core_memory_replace"),
    "letta_sleeptime_core": ("memory_insert", "memory_replace"),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
OTHER_BUILTIN = "letta_builtin"
TOOL_TYPES = (
    CUSTOM,
    *_KINDS,
    OTHER_BUILTIN,
    "letta_multi_agent_core",
    "letta_voice_sleeptime_core",
    "letta_files_core",
    "external_langchain",
    "external_composio",
    "external_mcp",
)


class _ToolFields(BaseModel):
    """What a client may set. What would have no effect here is refused if it is a promise (approval, packages)."""

    description: str | None = None
    tags: list[str] | None = None
    source_type: str | None = None
    json_schema: dict[str, Any] | None = None
    args_json_schema: dict[str, Any] | None = None
    return_char_limit: int | None = Field(default=None, ge=1, le=tool_limits.TOOL_RETURN_CHARS_MAX)
    pip_requirements: list[Any] | None = None
    npm_requirements: list[Any] | None = None
    default_requires_approval: bool | None = None
    metadata_: dict[str, Any] | None = None

    def refuse_promises(self) -> None:
        if self.default_requires_approval:
            raise NotServed("tools that need approval are not served yet: the tool would run without being asked for")
        if self.pip_requirements or self.npm_requirements:
            raise NotServed("packages for tools are not served yet: a tool may use the standard library")


class CreateTool(_ToolFields):
    source_code: str

    def draft(self) -> ToolDraft:
        """Raises InvalidSource, NotServed."""
        self.refuse_promises()
        source_type = self.source_type or "python"
        return ToolDraft(
            source_code=self.source_code,
            source_type=source_type,
            description=self.description,
            json_schema=_schema(self, self.source_code, source_type),
            tags=self.tags,
            return_chars_max=self.return_char_limit,
            metadata=self.metadata_,
        )


class ModifyTool(_ToolFields):
    source_code: str | None = None

    def fields(self, old: ToolRecord) -> dict[str, Any]:
        """What to change, in our words. A field that is null is left as it is. Raises InvalidSource, NotServed."""
        self.refuse_promises()
        source_code = self.source_code if self.source_code is not None else old.source_code
        given = {
            "source_code": self.source_code,
            "source_type": self.source_type,
            "description": self.description,
            "json_schema": _schema(self, source_code, self.source_type or old.source_type),
            "tags": self.tags,
            "return_chars_max": self.return_char_limit,
            "metadata": self.metadata_,
        }
        return {name: value for name, value in given.items() if value is not None}


def _schema(fields: _ToolFields, source_code: str, source_type: str) -> dict[str, Any] | None:
    """The schema a client gave; one of the arguments alone is completed from the source."""
    if fields.json_schema is not None or fields.args_json_schema is None:
        return fields.json_schema
    source = parse_source(source_code, source_type)
    return {"name": source.name, "description": source.description, "parameters": fields.args_json_schema}


def tool_type(record: ToolRecord) -> str:
    return CUSTOM if record.tool_type == CUSTOM else _KIND_OF.get(record.name, OTHER_BUILTIN)


def names_of(tool_types: set[str], builtins: list[str]) -> list[str]:
    """The built-in tools of some kinds."""
    return [name for name in builtins if _KIND_OF.get(name, OTHER_BUILTIN) in tool_types]


def tool(record: ToolRecord) -> dict[str, Any]:
    is_custom = record.tool_type == CUSTOM
    return {
        "id": record.id,
        "tool_type": tool_type(record),
        "name": record.name,
        "description": record.description,
        "source_type": record.source_type,
        "source_code": record.source_code if is_custom else None,
        "json_schema": record.json_schema,
        "args_json_schema": None,
        "tags": record.tags,
        "return_char_limit": record.return_chars_max,
        "metadata_": record.metadata,
        "pip_requirements": None,
        "npm_requirements": None,
        "default_requires_approval": None,
        "enable_parallel_execution": False,
        "project_id": None,
        "created_by_id": None,
        "last_updated_by_id": None,
    }
