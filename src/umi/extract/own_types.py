"""Types of entities and relations that a user adds: a vehicle by its plate, "drives" between a person and a vehicle."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from umi.entity import ENTITY_TYPES, RELATIONS
from umi.errors import InvalidInput
from umi.extract import lexicon as lex
from umi.extract.discourse import Discourse, Thing
from umi.extract.tokens import Sentence, words_of

_T = TypeVar("_T", "EntityType", "RelationType")


class EntityType(msgspec.Struct, frozen=True, kw_only=True):
    """A type of entity of the user's own.

    words       names of such things, found whatever their capitals
    pattern     a regular expression whose matches are such things
    attributes  attribute -> regular expression, looked for in the clause that names the thing; its first group, or all
                of the match, is the value. Each has one value at a time
    """

    name: str
    words: Sequence[str] = ()
    pattern: str | None = None
    attributes: Mapping[str, str] = {}


class RelationType(msgspec.Struct, frozen=True, kw_only=True):
    """A relation of the user's own: claimed of a thing before one of `words` and the thing after it, in one sentence.

    subjects, values  types it may stand between; empty for any
    many              whether a subject may have several at once
    """

    name: str
    words: Sequence[str]
    subjects: Sequence[str] = ()
    values: Sequence[str] = ()
    many: bool = True


class OwnTypes:
    """What a user has added, compiled. Raises InvalidInput for what can't be used."""

    def __init__(
        self,
        types: Sequence[EntityType | Mapping[str, object]] = (),
        relations: Sequence[RelationType | Mapping[str, object]] = (),
    ) -> None:
        self.types = [_as(EntityType, one) for one in types]
        self.relations = [_as(RelationType, one) for one in relations]
        self.type_names = [one.name for one in self.types]
        self.relation_names = [one.name for one in self.relations]
        self._patterns = [(one.name, _compiled(one.name, one.pattern)) for one in self.types if one.pattern]
        self._attributes = {
            one.name: {key: _compiled(key, pattern) for key, pattern in one.attributes.items()} for one in self.types
        }
        for name in self.type_names:
            if not name.strip() or name in ENTITY_TYPES:
                raise InvalidInput(f"the entity type {name!r} is blank or umi's own; choose another name")
        for relation in self.relations:
            if not relation.name.strip() or relation.name in RELATIONS or not any(words_of(w) for w in relation.words):
                raise InvalidInput(f"the relation {relation.name!r} is blank, umi's own, or has no words")
        self._triggers = [
            (relation, words) for relation in self.relations for word in relation.words if (words := words_of(word))
        ]

    def names(self) -> dict[tuple[str, ...], str]:
        """The words of the names these types list."""
        return {words: one.name for one in self.types for word in one.words if (words := words_of(word))}

    def matches(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Type, start and end of what the patterns find."""
        for name, pattern in self._patterns:
            for match in pattern.finditer(text):
                if match.group().strip():
                    yield name, match.start(), match.end()

    def attributes_of(self, type_: str, clause: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, pattern in self._attributes.get(type_, {}).items():
            match = pattern.search(clause)
            if match is not None:
                value = next((group for group in match.groups() if group), match.group())
                found[key] = value
        return found

    def relate(self, sentence: Sentence, seen: Sequence[tuple[Thing, int]], discourse: Discourse) -> None:
        """Claim the user's relations between the things of one sentence."""
        for relation, words in self._triggers:
            size = len(words)
            for i in range(len(sentence.low) - size + 1):
                if tuple(sentence.low[i : i + size]) != words:
                    continue
                before = [thing for thing, at in seen if at < i and _may(thing, relation.subjects)]
                after = [thing for thing, at in seen if at >= i + size and _may(thing, relation.values)]
                if (
                    not before
                    and not lex.FIRST_PERSON.isdisjoint(sentence.low[:i])
                    and _may(discourse.me, relation.subjects)
                ):
                    before = [discourse.me]
                if before and after:
                    negated = not lex.NEGATIONS.isdisjoint(sentence.low[max(0, i - 4) : i])
                    discourse.claim(before[-1], relation.name, after[0], negated=negated)

    def many(self, relation: str) -> bool | None:
        """None for a relation that isn't the user's."""
        return next((one.many for one in self.relations if one.name == relation), None)


def _may(thing: Thing, types: Sequence[str]) -> bool:
    return not types or thing.type in types or (thing.type == "self" and "person" in types)


def _as(kind: type[_T], value: object) -> _T:
    if isinstance(value, kind):
        return value
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{value!r} describes no {kind.__name__}: {error}") from None


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidInput(f"the pattern {pattern!r} of {name!r} is no regular expression: {error}") from None
