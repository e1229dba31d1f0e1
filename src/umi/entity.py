"""The words of memory: a Block that is always in view, a Fact that is found when needed."""

from typing import Any

import msgspec

from umi.errors import InvalidInput, LimitExceeded


def check_text(what: str, text: str) -> None:
    """Raise InvalidInput for what is no text: a NUL ends it early for SQLite's length(), so that a bound decided in SQL
    would not hold, and half of a surrogate pair has no UTF-8."""
    if "\x00" in text:
        raise InvalidInput(f"{what} holds a NUL character; leave it out")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{what} holds {text[error.start]!a}, which is no character; leave it out") from None


def check_json(what: str, value: dict[str, Any], bytes_max: int) -> None:
    """Raise InvalidInput or LimitExceeded for a value that can't be kept as JSON of at most `bytes_max` bytes."""
    try:
        size = len(msgspec.json.encode(value))
    except (UnicodeEncodeError, TypeError) as error:
        raise InvalidInput(f"{what} can't be written as JSON: {error}") from None
    if size > bytes_max:
        raise LimitExceeded(what, size, bytes_max, "bytes")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled piece of core memory. Labels are unique within a scope; a block may be attached to several scopes."""

    tenant: str
    id: str
    label: str
    value: str
    limit_chars: int
    description: str | None = None
    type: str | None = None  # System, Persona, Human, Facts, Goals or Scratch where umi promotes into it
    read_only: bool = False
    hidden: bool = False
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    version: int = 1  # grows by one with every change; writers state the one they read
    created_at_ms: int = 0
    updated_at_ms: int = 0


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A dated statement in archival memory.

    Two time axes: `valid_*` is when it was true in the world, `known_*` when this memory held it. A forgotten fact
    keeps its row with `known_to_ms` set, unless it was forgotten hard.
    """

    tenant: str
    id: str
    scope: str
    text: str
    tags: list[str] = []
    importance: float = 0.5
    metadata: dict[str, Any] = {}
    source: dict[str, Any] = {}  # what the fact stands on: a message, a document, a person
    valid_from_ms: int = 0
    valid_to_ms: int | None = None
    known_from_ms: int = 0
    known_to_ms: int | None = None


class Recalled(msgspec.Struct, frozen=True):
    """A fact that a query found. `score` is in (0, 1], best first, comparable within one answer only."""

    fact: Fact
    score: float
