"""JSON as both wires write and read it."""

from typing import Any

import msgspec

from umi.errors import InvalidInput

_encoder = msgspec.json.Encoder()

# What msgspec raises for bytes that are no JSON, not of the expected shape, not UTF-8, or nested without end.
UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def encode(value: Any) -> bytes:
    """Raises InvalidInput for text that isn't text: half of a surrogate pair has no UTF-8."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"a message can't be sent: it holds {error.object[error.start]!a}, which is no character"
        ) from None
