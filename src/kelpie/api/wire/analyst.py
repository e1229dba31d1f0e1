"""The analyst's own words on the wire: they are ours, so they are the rooms' words."""

from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from kelpie.agents.stream import Committed, Provisional, RunEvent
from kelpie.analyst import limits
from kelpie.analyst.connections import Connection
from kelpie.analyst.provenance import Provenance
from kelpie.analyst.questions import Answer
from kelpie.analyst.results import Chart
from kelpie.analyst.semantic.records import SemanticModelRecord


class CreateConnection(BaseModel):
    """`config` for DuckDB is {"path": "file.duckdb"}, relative to the server's data folder."""

    name: str = Field(min_length=1, max_length=limits.CONNECTION_NAME_CHARS_MAX)
    engine: Literal["duckdb"] = "duckdb"
    config: dict[str, Any]


class CreateSemanticModel(BaseModel):
    connection_id: str
    yaml: str


class AskQuestion(BaseModel):
    """`semantic_model` is an id or a name; `model` a handle; questions of one `session` follow each other."""

    question: str
    semantic_model: str | None = None
    session: str = "default"
    model: str | None = None
    stream: bool = False


def shown(value: Connection | SemanticModelRecord | Provenance | Chart) -> dict[str, Any]:
    """A record as JSON, without the tenant: a caller knows its own."""
    plain: dict[str, Any] = _without_tenant(msgspec.to_builtins(value))
    return plain


def _without_tenant(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_tenant(inner) for name, inner in value.items() if name != "tenant"}
    if isinstance(value, list):
        return [_without_tenant(inner) for inner in value]
    return value


def answered(answer: Answer) -> dict[str, Any]:
    """The answer, with its charts' ids but not their specifications: those are fetched one by one."""
    plain: dict[str, Any] = _without_tenant(msgspec.to_builtins(answer))
    plain["charts"] = [{name: chart[name] for name in ("id", "query_id")} for chart in plain["charts"]]
    return plain


def told(event: RunEvent) -> list[dict[str, Any]]:
    """A run's event as steps a person can follow."""
    if isinstance(event, Provisional):
        return [{"event": "text", "text": event.delta.text}] if event.delta.kind == "text" else []
    if not isinstance(event, Committed):
        return []
    steps: list[dict[str, Any]] = []
    for message in event.messages:
        body = message.body
        steps += [{"event": "tool_call", "name": c.name, "arguments": c.arguments} for c in body.tool_calls]
        if body.role == "tool":
            steps.append({"event": "tool_return", "name": body.name, "is_error": body.is_error, "text": body.text})
    return steps
