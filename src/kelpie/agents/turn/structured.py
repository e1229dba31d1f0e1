"""Structured answers: what an answer must be, and whether it is.

A format is what the chat completions API calls one: {"type": "text"}, {"type": "json_object"}, or {"type":
"json_schema", "json_schema": {"name", "schema"}}. Providers hold their models to it as far as they can; what they send
is checked here all the same, as nobody who asked for a schema can do anything with an answer that is not one.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from kelpie.agents import limits
from kelpie.errors import InvalidInput, LimitExceeded, ModelError
from umi.wire.types import Reply

Format = dict[str, Any]


def checked_format(given: Mapping[str, Any]) -> Format:
    """A format as it is kept. Raises InvalidInput, LimitExceeded."""
    kind = given.get("type")
    if kind in ("text", "json_object"):
        return {"type": kind}
    if kind != "json_schema":
        raise InvalidInput(f"response_format.type must be text, json_object or json_schema, not {str(kind)[:100]!r}")
    described = given.get("json_schema")
    if not isinstance(described, Mapping) or not isinstance(described.get("schema"), Mapping):
        raise InvalidInput("response_format.json_schema must hold the schema under 'schema', and may name it")
    schema, name = described["schema"], described.get("name") or "answer"
    size = len(msgspec.json.encode(described))
    if size > limits.ANSWER_SCHEMA_BYTES_MAX:
        raise LimitExceeded("the schema of response_format", size, limits.ANSWER_SCHEMA_BYTES_MAX, "bytes")
    if not isinstance(name, str):
        raise InvalidInput("response_format.json_schema.name must be a text")
    from kelpie.agents.turn import schemas

    fault = schemas.fault_in(schema)
    if fault is not None:
        raise InvalidInput(f"the schema of response_format is no JSON schema: {fault[:500]}")
    return {"type": kind, "json_schema": {**described, "name": name, "schema": schema}}


def is_free(form: Format | None) -> bool:
    """Whether any text will do."""
    return form is None or form["type"] == "text"


def schema_of(form: Format) -> dict[str, Any]:
    """What an answer of a format that is not free must match."""
    schema: dict[str, Any] = form["json_schema"]["schema"] if form["type"] == "json_schema" else {"type": "object"}
    return schema


def problem(form: Format, value: Any) -> str | None:
    """Why a value is no answer of this format; None if it is. A text is read as JSON."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            return f"it is not JSON ({error})"
    from kelpie.agents.turn import schemas

    found = schemas.mismatch(schema_of(form), value)
    return found if found is None else found[:500]


def as_text(value: Any) -> str:
    """An answer as it is shown: as JSON, unless it came as such."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def demand(form: Format | None, reply: Reply) -> None:
    """Raise ModelError("invalid_response") if a reply that ends the turn is not what was asked for."""
    if form is None or is_free(form) or reply.tool_calls:
        return
    why = problem(form, reply.text or "")
    if why is None:
        return
    if reply.finish == "length":
        why = "it was cut where the reply reached its greatest length"
    elif reply.finish == "content_filter":
        why = "the model declined to answer"
    raise ModelError(
        "invalid_response",
        f"the model's answer is not what response_format asks for: {why}",
        raw_request=reply.raw_request,
        raw_response=reply.raw_response,
    )
