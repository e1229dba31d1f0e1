"""Bounds on what clients hand us to keep."""

from typing import Annotated, Any

import msgspec
from pydantic import StringConstraints

from kelpie.api import limits
from kelpie.errors import LimitExceeded

Tag = Annotated[str, StringConstraints(max_length=limits.TAG_CHARS_MAX)]


def check_json_bytes(what: str, value: Any, maximum: int) -> None:
    """Raises LimitExceeded if `value`, as JSON, is longer than `maximum` bytes."""
    size = len(msgspec.json.encode(value))
    if size > maximum:
        raise LimitExceeded(what, size, maximum, "bytes")
