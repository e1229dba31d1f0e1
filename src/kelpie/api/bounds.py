"""Bounds on free-form JSON that clients hand us to keep."""

from typing import Any

import msgspec

from kelpie.errors import LimitExceeded


def check_json_bytes(what: str, value: Any, maximum: int) -> None:
    """Raises LimitExceeded if `value`, as JSON, is longer than `maximum` bytes."""
    size = len(msgspec.json.encode(value))
    if size > maximum:
        raise LimitExceeded(what, size, maximum, "bytes")
