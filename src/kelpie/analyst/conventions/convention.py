"""A convention, and what one may say. Whatever else is wished for is refused, with what there is."""

import re
from typing import Literal, get_args

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.semantic.model import GRAINS
from kelpie.errors import InvalidInput
from umi.entity import Fact, check_number, check_size
from umi.limits import MEMORY_IMPORTANCE_DEFAULT, MEMORY_IMPORTANCE_MAX, MEMORY_IMPORTANCE_MIN

Kind = Literal["definition", "preference", "correction"]
Scope = Literal["person", "team", "organisation"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCOPES: tuple[Scope, ...] = get_args(Scope)
WEIGHT_DEFAULT = MEMORY_IMPORTANCE_DEFAULT
# What the planner acts on. Other preferences are free words, which a language model reads.
SHOWN = ("table", "chart")
_PREFERENCES = {"show": SHOWN, "grain": GRAINS}
_NAME = "[a-z][a-z0-9_]{0,62}"
_MEANING = re.compile(rf"(metric|dimension|time):{_NAME}|year:(fiscal|calendar)|value:{_NAME}=\S.*")
# The attributes of facts: a correction takes the place of a definition, and the other way round.
MEANS, PREFERS = "means", "preference"


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """One that holds.

    topic       what is spoken of: words as people say them, in lower case; of a preference "show", "grain", "detail", …
    value       "metric:NAME", "dimension:NAME", "time:NAME", "year:fiscal", "year:calendar" or "value:DIMENSION=VALUE";
                of a preference what is preferred
    whose       the name of the person or team; "" for the organisation
    weight      0 to 1
    source      who said it, and where
    overrides   ids of those that say otherwise of the same topic and don't hold because of it, the strongest first
    disagrees   those among them that are as close to the speaker: another team of theirs says otherwise
    """

    id: str
    kind: Kind
    topic: str
    value: str
    scope: Scope
    whose: str
    weight: float
    source: str
    said_at_ms: int
    overrides: list[str] = []
    disagrees: list[str] = []


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to hold, checked and in its one spelling."""

    kind: Kind
    topic: str
    value: str
    weight: float = WEIGHT_DEFAULT

    @property
    def attribute(self) -> str:
        return attribute_of(self.kind)

    @property
    def text(self) -> str:
        return f"{self.topic} means {self.value}" if self.attribute == MEANS else f"{self.topic}: {self.value}"


def wish(kind: str, topic: str, value: str, weight: float = WEIGHT_DEFAULT) -> Wish:
    """Raises InvalidInput, LimitExceeded."""
    if kind not in KINDS:
        raise InvalidInput(f"the kind is one of {', '.join(KINDS)}, not '{kind[:50]}'")
    topic, value = _words("the topic", topic).casefold(), _words("the value", value)
    check_size("the topic", topic, limits.CONVENTION_TOPIC_BYTES_MAX)
    check_size("the value", value, limits.CONVENTION_VALUE_BYTES_MAX)
    check_number("the weight", weight, MEMORY_IMPORTANCE_MIN, MEMORY_IMPORTANCE_MAX)
    if kind == "preference":
        value = value.casefold()
        allowed = _PREFERENCES.get(topic, ())
        if allowed and value not in allowed:
            raise InvalidInput(f"'{topic}' is one of {', '.join(allowed)}, not '{value}'")
    elif not _MEANING.fullmatch(value):
        raise InvalidInput(
            f"a word can mean metric:NAME, dimension:NAME, time:NAME, year:fiscal, year:calendar or"
            f" value:DIMENSION=VALUE, not '{value}'"
        )
    return Wish(kind=kind, topic=topic, value=value, weight=float(weight))


def _words(what: str, text: str) -> str:
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be a text")
    text = " ".join(text.split())
    check_size(what, text, limits.CONVENTION_VALUE_BYTES_MAX)
    if not text or not text.isprintable():
        raise InvalidInput(f"{what} must be words that can be seen")
    return text


def attribute_of(kind: Kind) -> str:
    return PREFERS if kind == "preference" else MEANS


def convention_of(fact: Fact, scope: Scope, whose: str) -> Convention:
    """The convention that a fact of one of these scopes is."""
    claim = fact.claims[0]
    return Convention(
        id=fact.id,
        kind=fact.metadata["kind"],
        topic=claim.subject,
        value=claim.value,
        scope=scope,
        whose=whose,
        weight=fact.importance,
        source=_source(fact),
        said_at_ms=fact.valid_from_ms,
    )


def _source(fact: Fact) -> str:
    who = fact.speaker or "somebody who may speak for all"
    run_id = fact.source.get("run_id")
    return f"{who}, in {run_id}" if run_id else f"{who}, through the API"
