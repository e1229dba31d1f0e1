"""The analyst's own words on the wire: they are ours, so they are the rooms' words."""

from typing import Any

import msgspec
from pydantic import BaseModel, Field

from kelpie.analyst import limits
from kelpie.analyst.answers import Answer
from kelpie.analyst.connections import Sharing
from kelpie.analyst.sources.engines import ENGINES


class CreateConnection(BaseModel):
    """`config` is the engine's own, see docs/analyst.md: for DuckDB {"path": "file.duckdb"} under the data folder.

    A password never stands in it: `password_env` names the environment variable that holds it.
    """

    name: str = Field(min_length=1, max_length=limits.CONNECTION_NAME_CHARS_MAX)
    engine: str = Field(default="duckdb", description=f"one of: {', '.join(ENGINES)}")
    config: dict[str, Any]
    sharing: Sharing = "rows"


class CreateSemanticModel(BaseModel):
    connection_id: str
    yaml: str


class DraftSemanticModel(BaseModel):
    """`name` is what the model calls itself; the connection's name if it is left out."""

    name: str | None = Field(default=None, max_length=limits.SEMANTIC_MODEL_NAME_CHARS_MAX)


class AskQuestion(BaseModel):
    """`semantic_model` is an id or a name; `model` a handle; questions of one `session` follow each other. `as` says
    for whom it is asked: a person's handle or name, or a team's name for somebody of that team.

    check  re-derive the numbers another way before answering; false: not at all. By default a stream does it after the
           answer, where that is quick
    """

    question: str
    semantic_model: str | None = None
    session: str = "default"
    model: str | None = None
    stream: bool = False
    check: bool | None = None
    as_: str | None = Field(default=None, alias="as")


class ConfirmAnswer(BaseModel):
    """`question` in words that stand alone, needed unless it was the first of its session; `query_id` if the answer
    stands on several queries. `as`: who says so, by default the one it was asked for."""

    question: str | None = None
    query_id: str | None = None
    as_: str | None = Field(default=None, alias="as")


class RejectAnswer(BaseModel):
    """`sql` is the query that is right; it answers the question from now on. The rest is as for a confirmation."""

    reason: str = ""
    sql: str | None = None
    question: str | None = None
    as_: str | None = Field(default=None, alias="as")


class CrossCheck(BaseModel):
    """The connection to ask the same of."""

    connection_id: str


def shown(value: msgspec.Struct) -> dict[str, Any]:
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
