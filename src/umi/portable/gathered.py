"""What a foreign export is made into: facts with their past and entities, scope by scope, then lines."""

from collections.abc import Iterator
from typing import Any

import msgspec

from umi import limits
from umi.archival.facts import Why
from umi.archival.keys import name_key
from umi.archival.transfer import Bearing, EntityRow
from umi.entity import Claim, Fact
from umi.errors import ImportRefused, InvalidInput, LimitExceeded
from umi.portable.lines import EntityLine, FactLine, Line, Numbered, PastLine, check


class Held(msgspec.Struct, kw_only=True):
    """One fact: its versions, oldest first, each with why it was written."""

    versions: list[tuple[Fact, Why]]
    mentions: list[str] = []
    evolutions: list[Bearing] = []


class Gathered:
    """Facts and entities by scope, and the lines that say them."""

    def __init__(self) -> None:
        self.facts: dict[str, dict[str, Held]] = {}
        self.entities: dict[str, dict[str, EntityRow]] = {}

    def entity(self, scope: str, name: str, **fields: Any) -> None:
        """A named thing; what is said of it first stays."""
        found = EntityRow(tenant="", scope="", name=name, **fields)
        self.entities.setdefault(scope, {}).setdefault(name_key(name), found)

    def fact(self, scope: str, held: Held) -> None:
        """The versions are numbered here."""
        numbered = [
            (msgspec.structs.replace(fact, version=version), why)
            for version, (fact, why) in enumerate(held.versions, 1)
        ]
        held.versions = numbered
        self.facts.setdefault(scope, {})[numbered[-1][0].id] = held

    def sources(self) -> "dict[str, Source]":
        """For each scope, its lines, which are made at each call."""
        scopes = dict.fromkeys((*self.facts, *self.entities))
        return {scope: Source(self, scope) for scope in scopes}

    def lines(self, scope: str) -> Iterator[Line]:
        """Entities with their counts, then facts by age."""
        facts = sorted(self.facts.get(scope, {}).values(), key=_age)
        for entity in self.entities.get(scope, {}).values():
            yield EntityLine(entity=_counted(entity, facts))
        for held in facts:
            *past, (fact, why) = held.versions
            yield FactLine(fact=fact, why=why, mentions=held.mentions, evolutions=held.evolutions)
            for before, its_why in reversed(past):
                yield PastLine(fact=before, why=its_why)


class Source:
    """The lines of one scope, checked and numbered as those of a file are."""

    def __init__(self, gathered: Gathered, scope: str) -> None:
        self._gathered, self._scope = gathered, scope

    def __call__(self) -> Iterator[Numbered]:
        for number, line in enumerate(self._gathered.lines(self._scope), 1):
            try:
                check(line)
            except (InvalidInput, LimitExceeded) as error:
                raise ImportRefused(f"{_named(line)}: {error}") from None
            yield Numbered(number, line, limits.ENTITY_NAME_BYTES_MAX)


def _named(line: Line) -> str:
    match line:
        case EntityLine():
            return f"'{line.entity.name:.80}'"
        case FactLine() | PastLine():
            return f"'{line.fact.id:.80}'"
        case _:
            return "the file"


def _age(held: Held) -> tuple[int, int]:
    fact = held.versions[0][0]
    return (fact.created_at_ms, fact.valid_from_ms)


def _counted(entity: EntityRow, facts: list[Held]) -> EntityRow:
    """With what follows from the facts: how often and when it was mentioned, what the last of them says."""
    key = name_key(entity.name)
    ours = [held.versions[-1][0] for held in facts if key in (name_key(name) for name in held.mentions)]
    if not ours:
        return entity
    seen = [fact.document_time_ms or fact.created_at_ms for fact in ours]
    last = ours[seen.index(max(seen))]
    return msgspec.structs.replace(
        entity,
        summary=entity.summary or last.text[: limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX],
        summary_fact=entity.summary_fact if entity.summary else last.id,
        importance=max(entity.importance, *(fact.importance for fact in ours)),
        mentions=len(ours),
        first_seen_ms=min(seen),
        last_seen_ms=max(seen),
    )


def fitted(value: Any) -> dict[str, Any]:
    """A JSON object as metadata; what is none is kept under one name."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"value": value}


def claim(subject: str, attribute: str, value: str, *, many: bool = False, ended_ms: int | None = None) -> Claim:
    return Claim(subject=subject, attribute=attribute, value=value, whole=True, many=many, ended_ms=ended_ms)
