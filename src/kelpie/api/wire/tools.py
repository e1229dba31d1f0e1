"""Tools on the wire."""

import re
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field, SecretStr

from kelpie.api import limits
from kelpie.api.wire.times import iso
from kelpie.errors import NotServed
from kelpie.sandbox.limits import LAYER_REQUIREMENT_CHARS_MAX
from kelpie.tools import limits as tool_limits
from kelpie.tools.custom import CUSTOM, EXTERNAL, ToolDraft, ToolRecord
from kelpie.tools.others import OTHERS_TOOLS
from kelpie.tools.secrets import Secrets
from kelpie.tools.secrets import check as check_secrets
from kelpie.tools.settings import ChosenTrust
from kelpie.tools.source import parse_source
from kelpie.tools.tool import Outcome

# Letta sorts its own tools by kind; ours are sorted alike, by name. What is not named here is its "letta_builtin".
_KINDS = {
    "letta_core": ("send_message", "conversation_search", "archival_memory_insert", "archival_memory_search"),
    "letta_memory_core": ("core_memory_append", "core_memory_replace"),
    "letta_sleeptime_core": ("memory_insert", "memory_replace"),
    "letta_files_core": ("open_files", "grep_files", "semantic_search_files"),
    "letta_multi_agent_core": tuple(tool.name for tool in OTHERS_TOOLS),
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
OTHER_BUILTIN = "letta_builtin"
PEOPLES = (CUSTOM, EXTERNAL)  # those a person put there; all others are built in
TOOL_TYPES = (
    CUSTOM,
    *_KINDS,
    OTHER_BUILTIN,
    "letta_voice_sleeptime_core",
    "external_langchain",
    "external_composio",
    EXTERNAL,
)


# The field that is ours, and nobody's with --strict-letta.
FIELD = "kelpie_sandbox"


class Requirement(BaseModel):
    """A package; `version` is one version, or bounds such as ">=1.2,<2"."""

    name: str = Field(min_length=1, max_length=LAYER_REQUIREMENT_CHARS_MAX)
    version: str | None = Field(default=None, max_length=LAYER_REQUIREMENT_CHARS_MAX)


class Egress(BaseModel, extra="forbid"):
    hosts: list[str]
    bytes_max: int | None = None
    calls_max: int | None = None


class ToolSandbox(BaseModel, extra="forbid"):
    """How far a tool is trusted, and what it is handed. What is left out stays what it is."""

    trust: ChosenTrust | None = None
    timeout_ms: int | None = None
    egress: Egress | None = None
    secrets: list[str] | None = None
    capabilities: list[str] | None = None
    workspace: bool | None = None

    def settings(self) -> dict[str, Any]:
        """Those that were given, in our words. A null takes back what can be absent."""
        given = self.model_dump(exclude_unset=True)
        if given.get("egress") is not None:
            given["egress"] = {name: value for name, value in given["egress"].items() if value is not None}
        return {name: value for name, value in given.items() if value is not None or name in _MAY_BE_ABSENT}


_MAY_BE_ABSENT = frozenset({"timeout_ms", "egress", "secrets", "capabilities"})


class _ToolFields(BaseModel):
    """What a client may set."""

    description: str | None = None
    tags: list[str] | None = None
    source_type: str | None = None
    json_schema: dict[str, Any] | None = None
    args_json_schema: dict[str, Any] | None = None
    return_char_limit: int | None = Field(default=None, ge=1, le=tool_limits.TOOL_RETURN_CHARS_MAX)
    pip_requirements: list[Requirement] | None = None
    npm_requirements: list[Requirement] | None = None
    kelpie_sandbox: ToolSandbox | None = None
    default_requires_approval: bool | None = None
    metadata_: dict[str, Any] | None = None

    def settings(self, *, strict: bool) -> dict[str, Any] | None:
        """The given settings in our words, None if there are none. Raises NotServed."""
        given = self.kelpie_sandbox.settings() if self.kelpie_sandbox is not None and not strict else {}
        if self.default_requires_approval is not None:
            given["needs_approval"] = self.default_requires_approval
        if self.npm_requirements:
            raise NotServed("packages of npm are not served yet: a tool in JavaScript may use what node brings")
        if self.pip_requirements is not None:
            given["requirements"] = [_requirement(one) for one in self.pip_requirements]
        return given or None


def _requirement(one: Requirement) -> str:
    if one.version is None:
        return one.name
    return f"{one.name}{one.version if one.version[:1] in tuple('=<>!~') else '==' + one.version}"


def _package(requirement: str) -> dict[str, Any]:
    """The other way round."""
    name = re.split(r"[=<>!~]", requirement, maxsplit=1)[0]
    return {"name": name, "version": requirement[len(name) :].removeprefix("==") or None}


class CreateTool(_ToolFields):
    source_code: str

    def draft(self, *, strict: bool) -> ToolDraft:
        """`strict`: without the field that is ours. Raises InvalidSource, InvalidInput, NotServed."""
        source_type = self.source_type or "python"
        return ToolDraft(
            source_code=self.source_code,
            source_type=source_type,
            description=self.description,
            json_schema=_schema(self, self.source_code, source_type),
            tags=self.tags,
            return_chars_max=self.return_char_limit,
            metadata=self.metadata_,
            settings=self.settings(strict=strict),
        )


class ModifyTool(_ToolFields):
    source_code: str | None = None

    def fields(self, old: ToolRecord, *, strict: bool) -> dict[str, Any]:
        """What to change, in our words. A field that is null is left as it is. Raises InvalidSource, InvalidInput,
        NotServed."""
        source_type = self.source_type or old.source_type
        source_code = self.source_code if self.source_code is not None else old.source_code
        given = {
            "source_code": self.source_code,
            "source_type": self.source_type,
            "description": self.description,
            "json_schema": _schema(self, source_code, source_type),
            "tags": self.tags,
            "return_chars_max": self.return_char_limit,
            "metadata": self.metadata_,
            "settings": self.settings(strict=strict),
        }
        return {name: value for name, value in given.items() if value is not None}


def _schema(fields: _ToolFields, source_code: str, source_type: str) -> dict[str, Any] | None:
    """The schema a client gave; one of the arguments alone is completed from the source."""
    if fields.json_schema is not None or fields.args_json_schema is None:
        return fields.json_schema
    source = parse_source(source_code, source_type)
    return {"name": source.name, "description": source.description, "parameters": fields.args_json_schema}


def tool_type(record: ToolRecord) -> str:
    return record.tool_type if record.tool_type in PEOPLES else _KIND_OF.get(record.name, OTHER_BUILTIN)


def names_of(tool_types: set[str], builtins: list[str]) -> list[str]:
    """The built-in tools of some kinds."""
    return [name for name in builtins if _KIND_OF.get(name, OTHER_BUILTIN) in tool_types]


class RunTool(BaseModel):
    """A source and what to call it with: it is run once and not kept."""

    source_code: str
    args: dict[str, Any]
    env_vars: dict[str, SecretStr] = {}
    name: str | None = None
    source_type: str | None = None
    args_json_schema: dict[str, Any] | None = None
    json_schema: dict[str, Any] | None = None
    pip_requirements: list[Requirement] | None = None
    npm_requirements: list[Requirement] | None = None

    def draft(self) -> ToolDraft:
        """Raises InvalidSource, InvalidInput."""
        given = self.model_dump(include=set(CreateTool.model_fields), exclude_unset=True)
        return CreateTool(**given).draft(strict=True)

    def variables(self) -> Secrets:
        """Raises InvalidInput, LimitExceeded."""
        return check_secrets({name: value.get_secret_value() for name, value in self.env_vars.items()})


class RunForAgent(BaseModel):
    args: dict[str, Any] = {}


class SearchTools(BaseModel):
    """Every tool has a few words to it: they are found by these words, whatever the mode says."""

    query: str | None = Field(default=None, max_length=limits.SEARCH_CHARS_MAX)
    search_mode: Literal["vector", "fts", "hybrid"] = "hybrid"
    tool_types: list[str] | None = None
    tags: list[str] | None = None
    limit: int = Field(default=50, ge=1, le=limits.TOOLS_FOUND_MAX)


def found(record: ToolRecord, rank: int, *, strict: bool) -> dict[str, Any]:
    """A tool that was searched for; the first has rank 1."""
    return {
        "tool": tool(record, strict=strict),
        "embedded_text": None,
        "fts_rank": rank,
        "vector_rank": None,
        "combined_score": 1 / rank,
    }


def executed(outcome: Outcome) -> dict[str, Any]:
    """What a call came to, of a tool of ours or of an MCP server: Letta's ToolExecutionResult."""
    return {
        "status": "error" if outcome.is_error else "success",
        "func_return": outcome.text,
        "agent_state": None,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "sandbox_config_fingerprint": None,
    }


def tool_return(message_id: str, call_id: str, name: str, now_ms: int, outcome: Outcome) -> dict[str, Any]:
    """What a run of a source came to, as Letta words it."""
    status = "error" if outcome.is_error else "success"
    return {
        "id": message_id,
        "date": iso(now_ms),
        "name": name,
        "message_type": "tool_return_message",
        "tool_return": outcome.text,
        "status": status,
        "tool_call_id": call_id,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "is_err": outcome.is_error,
    }


def _sandbox(record: ToolRecord) -> dict[str, Any]:
    """The settings that hold."""
    settings = record.settings
    return {
        "trust": settings.trust,
        "timeout_ms": settings.timeout_ms,
        "egress": None if settings.egress is None else msgspec.to_builtins(settings.egress),
        "secrets": settings.secrets,
        "capabilities": sorted(settings.granted),
        "workspace": settings.workspace,
    }


def tool(record: ToolRecord, *, strict: bool) -> dict[str, Any]:
    """`strict`: without the field that is ours."""
    is_custom = record.tool_type == CUSTOM
    shown = {
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
        "pip_requirements": [_package(one) for one in record.settings.requirements] or None,
        "npm_requirements": None,
        "default_requires_approval": record.settings.needs_approval or None,
        "enable_parallel_execution": False,
        "project_id": None,
        "created_by_id": None,
        "last_updated_by_id": None,
    }
    if is_custom and not strict:
        shown[FIELD] = _sandbox(record)
    return shown
