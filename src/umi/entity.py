"""The words of memory: a Block that is always in view, a Fact that is found when needed."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from umi import limits
from umi.errors import InvalidInput, LimitExceeded


def check_text(what: str, text: str) -> None:
    """Raise InvalidInput for what is no text: a NUL ends it early for SQLite's length(), so that a bound decided in SQL
    would not hold, and half of a surrogate pair has no UTF-8."""
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be a text, not {shown(text)}")
    if "\x00" in text:
        raise InvalidInput(f"{what} holds a NUL character; leave it out")
    if not text.isascii():
        _check_json_text(what, text)


def check_size(what: str, text: str, bytes_max: int) -> None:
    """Raise LimitExceeded for a text of more than `bytes_max` bytes, and what check_text raises."""
    check_text(what, text)
    size = len(text) if text.isascii() else len(text.encode())
    if size > bytes_max:
        raise LimitExceeded(what, size, bytes_max, "bytes")


def check_texts(what: str, texts: Collection[str], count_max: int, bytes_max: int) -> None:
    """Raise InvalidInput or LimitExceeded for what is no list of so many texts of so many bytes each."""
    is_list = type(texts) is list or (isinstance(texts, Collection) and not isinstance(texts, str | bytes | Mapping))
    if not is_list:
        raise InvalidInput(f"the {what} must be a list of texts, not {shown(texts)}")
    if len(texts) > count_max:
        raise LimitExceeded(f"the list of {what}", len(texts), count_max, what)
    for place, text in enumerate(texts):
        if type(text) is str and text.isascii() and text.isprintable() and len(text) <= bytes_max:
            continue  # nearly all of them
        check_size(f"entry {place} of the {what}", text, bytes_max)


def check_number(what: str, number: float, least: float, most: float) -> None:
    """Raise InvalidInput for what is no number from `least` to `most`: a NaN is in no order with either."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= most:
        raise InvalidInput(f"{what} must be between {least:g} and {most:g}, not {shown(number)}")


def check_json(what: str, value: dict[str, Any], bytes_max: int) -> None:
    """Raise InvalidInput or LimitExceeded for what is no dict of JSON values, or takes more than `bytes_max` bytes.

    Every value comes back as it went in: a NaN would come back as null, bytes as a text, the key 1 as "1".
    """
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} must be a dict of JSON values, not {shown(value)}")
    if _is_plain(value, bytes_max):
        return
    level: list[Any] = [value]
    least = 0  # bytes that it takes: what loops or repeats itself is refused before it is walked to its end
    for _ in range(limits.JSON_DEPTH_MAX + 1):
        inside: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                least += sum(_check_json_text(f"a key of {what}", key) for key in one)
                inside += one.values()
            elif type(one) is list:
                inside += one
            else:
                least += _check_json_leaf(what, one)
        least += len(level)
        if least > bytes_max:
            raise LimitExceeded(what, least, bytes_max, "bytes")
        level = inside
        if not level:
            break
    else:
        raise InvalidInput(f"{what} is nested more than {limits.JSON_DEPTH_MAX} deep")
    size = len(msgspec.json.encode(value))
    if size > bytes_max:
        raise LimitExceeded(what, size, bytes_max, "bytes")


def _is_plain(value: dict[str, Any], bytes_max: int) -> bool:
    """Whether it is flat, and certainly small enough: nearly all of them, in a tenth of the time."""
    most = 2
    for key, one in value.items():
        if type(key) is not str or not key.isascii():
            return False
        most += 6 * len(key) + 26  # each character escaped, and the longest number
        if type(one) is str and one.isascii():
            most += 6 * len(one)
        elif one is not None and type(one) is not bool and not (type(one) is int and -(2**63) <= one < 2**63):
            return False
    return most <= bytes_max


def _check_json_text(what: str, text: str) -> int:
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be a text, not {shown(text)}")
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        what = what.encode(errors="backslashreplace").decode()  # it may name the text itself
        raise InvalidInput(f"{what} holds {text[error.start]!a}, which is no character; leave it out") from None


def _check_json_leaf(what: str, value: Any) -> int:
    if type(value) is str:
        return _check_json_text(what, value)
    if type(value) is float and not math.isfinite(value):
        raise InvalidInput(f"{what} holds {value}; numbers of JSON are finite")
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise InvalidInput(f"{what} holds an integer that doesn't fit into 64 bits; make a text of it")
    if value is None or type(value) in (bool, int, float):
        return 0
    raise InvalidInput(f"{what} holds {shown(value)}; it is made of dicts, lists, texts, numbers, true, false and null")


def shown(value: Any) -> str:
    """What a wrong value is, for a message: a number, or its type. Whatever else it is may be large, or no text."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < 64):
        return repr(value)
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A labelled piece of core memory. Labels are unique within a scope; a block may be attached to several scopes."""

    tenant: str
    id: str
    label: str
    value: str
    limit_chars: int
    description: str | None = None
    type: str | None = None  # one of umi.core.TYPES, or None for a block that is known by its label alone
    read_only: bool = False
    hidden: bool = False
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    importance: float = 0.5
    version: int = 1  # grows by one with every change; writers state the one they read
    created_at_ms: int = 0
    updated_at_ms: int = 0


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """A named thing of a scope: a person, an organization, a project. Facts mention entities.

    It is derived from the facts that mention it; `summary` is what the latest of them says of it.
    """

    tenant: str
    id: str
    scope: str
    type: str  # one of ENTITY_TYPES, or a type of the user's own
    name: str
    aliases: list[str] = []
    attributes: dict[str, Any] = {}
    summary: str = ""
    importance: float = 0.5  # the greatest of the facts that mention it
    mentions: int = 0  # how many times a fact mentioned it
    first_seen_ms: int = 0
    last_seen_ms: int = 0


# In the order of their priority for core memory (umi.promote).
ENTITY_TYPES = (
    *("self", "project", "task", "organization", "event", "preference", "person", "location", "topic", "note"),
)
RELATIONS = ("works_at", "knows", "manages", "relates_to", "prefers", "part_of", "located_in")


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a fact says, as subject, attribute and value: "Bob", "works_at", "Acme".

    negated    the fact says that it is not, or no longer, so: "Bob doesn't work at Acme any more"
    many       a subject may have several values of this attribute at once (friends); else a later one supersedes
    whole      the fact says nothing else: it stops being true when this claim (and others like it) ended
    ended_ms   when it stopped being true in the world, or None; `ended_by` is the id of the fact that says so
    kept       ids of facts that were told not to end it (an invalidation that somebody undid)
    """

    subject: str
    attribute: str
    value: str
    negated: bool = False
    many: bool = False
    whole: bool = False
    confidence: float = 1.0
    ended_ms: int | None = None
    ended_by: str | None = None
    kept: list[str] = []


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A dated statement in archival memory, and what Memory returns.

    Two time axes: `valid_*` is when it was true in the world, `known_*` when this memory held this version of it. A
    forgotten fact keeps its row with `known_to_ms` set, unless it was forgotten hard.

    document_time_ms  when it was said or written; event_time_ms when what it tells of happened, if it says
    valid_to_ms       when it stopped being true: all its claims have ended, or somebody said so
    session           facts of one session are each other's neighbours, in the order they were remembered
    version           grows by one with every change; `known_from_ms` is when this version began
    """

    tenant: str
    id: str
    scope: str
    text: str
    tags: list[str] = []
    importance: float = 0.5
    metadata: dict[str, Any] = {}
    source: dict[str, Any] = {}  # what the fact stands on: a message, a document, a person
    speaker: str | None = None
    session: str | None = None
    claims: list[Claim] = []
    document_time_ms: int | None = None
    event_time_ms: int | None = None
    valid_from_ms: int = 0
    valid_to_ms: int | None = None
    known_from_ms: int = 0
    known_to_ms: int | None = None
    created_at_ms: int = 0
    version: int = 1


class Recalled(msgspec.Struct, frozen=True):
    """A fact that a query found.

    score    in (0, 1], best first, comparable within one answer only
    explain  what each channel contributed ("text", "near", "vector", "window", "entity", "time", "speaker"); the sum
             is the score. Empty unless asked for.
    """

    fact: Fact
    score: float
    explain: dict[str, float] = {}


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """An entity as a text names it. `start` and `end` are character offsets of the span, -1 where it isn't spelled out
    (the speaker, a pronoun)."""

    name: str
    type: str
    content: str = ""  # the shortest clause of the text that says something of it
    confidence: float = 0.5
    attributes: dict[str, Any] = {}
    start: int = -1
    end: int = -1


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """What an extractor finds in one text.

    claims         relations between mentions, and attributes of them; `subject` and `value` are names
    event_time_ms  when what the text tells of happened, if it says: relative dates are resolved from document_time
    by             "local", or the handle of the model that answered
    """

    mentions: list[Mention] = []
    claims: list[Claim] = []
    event_time_ms: int | None = None
    by: str = "local"
