"""Answers: plain dicts, encoded once."""

from typing import Any

import msgspec
from starlette.responses import Response

JSON = "application/json"
_encode = msgspec.json.Encoder().encode


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response of dicts, lists, Structs and parts that are encoded already (msgspec.Raw)."""
    return Response(_encode(body), status, headers, JSON)


def encoded(body: Any) -> msgspec.Raw:
    """A part that several answers, or several places of one answer, share."""
    return msgspec.Raw(_encode(body))
