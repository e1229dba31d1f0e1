"""The words of memory: a Block that is always in view, a Fact that is found when needed."""

from typing import Any

import msgspec


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
