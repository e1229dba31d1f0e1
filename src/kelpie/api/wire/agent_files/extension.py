"""What is ours in an agent file, under the key `kelpie`, which other servers ignore.

{"version": 1,
 "agents": {"agent-0": {"memory": {…}, "history": […], "passages": […], "schedules": […], "left_out": {…}}},
 "blocks": {"block-0": {"type": "preference", "importance": 0.7}},
     "tools": {"tool-0": {"trust": "untrusted"}}}
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from kelpie.agents.agent import AgentMemory
from kelpie.errors import InvalidInput
from umi.entity import Block, Claim, Fact

KEY = "kelpie"
VERSION = 1


class Passage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fact, without what only its own store knows. Times are in ms since 1970; `id` means something in this file."""

    id: str
    text: str
    tags: list[str] = []
    importance: float = 0.5
    metadata: dict[str, Any] = {}
    source: dict[str, Any] = {}
    speaker: str | None = None
    session: str | None = None
    claims: list[Claim] = []
    document_time_ms: int | None = None
    event_time_ms: int | None = None
    valid_from_ms: int = 0
    valid_to_ms: int | None = None

    def fact(self) -> Fact:
        return Fact(tenant="", scope="", **{name: getattr(self, name) for name in self.__struct_fields__})


class OfAgent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """
    history    messages that are older than those in the file's own list, oldest first
    schedules  as the API takes them
    left_out   what is not in the file: {"messages": 12}
    settings   in the older format: fields it has no place for
    """

    memory: AgentMemory = AgentMemory()
    history: list[dict[str, Any]] = []
    passages: list[Passage] = []
    schedules: list[dict[str, Any]] = []
    left_out: dict[str, int] = {}
    settings: dict[str, Any] = {}


class OfBlock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    type: str | None = None
    importance: float = 0.5


class Extension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int = VERSION
    agents: dict[str, OfAgent] = {}
    blocks: dict[str, OfBlock] = {}
    tools: dict[str, dict[str, Any]] = {}  # as the API takes them, in `kelpie_sandbox`


def read(file: Mapping[str, Any]) -> Extension:
    """Raises InvalidInput."""
    found = file.get(KEY)
    if found is None:
        return Extension()
    version = found.get("version") if isinstance(found, dict) else None
    if not isinstance(version, int) or version < 1:
        raise InvalidInput(f"'{KEY}' of an agent file is an object with a version, {VERSION} at present")
    if version > VERSION:
        raise InvalidInput(
            f"this agent file was written by a newer kelpie (version {version} of its extension, {VERSION} is known"
            f" here): upgrade first, or remove '{KEY}' from it and lose passages, older messages and schedules"
        )
    try:
        return msgspec.convert(found, Extension)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"'{KEY}' of the agent file: {error!s:.300}") from None


def passages_of(facts: list[Fact]) -> list[Passage]:
    """Facts as they travel. A claim's link to a fact that stays behind is cut."""
    refs = {fact.id: f"passage-{number}" for number, fact in enumerate(facts)}
    names = [name for name in Passage.__struct_fields__ if name not in ("id", "claims")]
    return [
        Passage(
            id=refs[fact.id],
            claims=[_claim(claim, refs) for claim in fact.claims],
            **{name: getattr(fact, name) for name in names},
        )
        for fact in facts
    ]


def _claim(claim: Claim, refs: Mapping[str, str]) -> Claim:
    kept = [refs[one] for one in claim.kept if one in refs]
    return msgspec.structs.replace(claim, ended_by=refs.get(claim.ended_by or ""), kept=kept)


def block_extra(block: Block) -> OfBlock:
    return OfBlock(type=block.type, importance=block.importance)
