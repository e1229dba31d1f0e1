"""The lines of an export: a header, entities, facts, blocks, working memory, and an end that counts them.

    {"kind": "umi", "version": 1, "scope": "ada", "exported_at_ms": …}
    {"kind": "entity", "entity": {…}}
    {"kind": "fact", "fact": {…}, "why": {…}, "mentions": ["Bob"], "evolutions": […]}
    {"kind": "past", "fact": {…}, "why": {…}}
    {"kind": "block", "block": {…}}
    {"kind": "working", "key": "draft", "text": "…", "expires_ms": …}
    {"kind": "end", "entities": 1, "facts": 1, "past": 1, "blocks": 1, "working": 1}

Tenant and scope stand in the header alone: whoever imports says where it goes. Entities come before the facts that
mention them, and after a fact the versions it had before, newest first. What isn't in the file, because it follows from
the rest, is made anew: indexes, vectors, claims by key.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from umi import archival, core, limits
from umi.archival.facts import Why
from umi.archival.transfer import Bearing, EntityRow
from umi.entity import Block, Fact, check_json, check_text
from umi.errors import ImportRefused, InvalidInput, LimitExceeded

VERSION = 1
ACTIONS = frozenset(("add", "update", "supersede", "restore", "forget", "undo"))
_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_INT64_MAX = 2**63 - 1


class Header(msgspec.Struct, frozen=True, kw_only=True, tag="umi", tag_field="kind"):
    version: int
    scope: str
    exported_at_ms: int = 0
    tenant: str = ""


class EntityLine(msgspec.Struct, frozen=True, kw_only=True, tag="entity", tag_field="kind"):
    entity: EntityRow


class FactLine(msgspec.Struct, frozen=True, kw_only=True, tag="fact", tag_field="kind"):
    """What is held of a fact now, or that it was forgotten. `mentions` are names of entities."""

    fact: Fact
    why: Why
    mentions: list[str] = []
    evolutions: list[Bearing] = []


class PastLine(msgspec.Struct, frozen=True, kw_only=True, tag="past", tag_field="kind"):
    """A version that ended, of the fact that stands before it."""

    fact: Fact
    why: Why


class BlockLine(msgspec.Struct, frozen=True, kw_only=True, tag="block", tag_field="kind"):
    block: Block


class WorkingLine(msgspec.Struct, frozen=True, kw_only=True, tag="working", tag_field="kind", omit_defaults=True):
    """Either `text`, or bytes (as base64)."""

    key: str
    text: str | None = None
    data: bytes | None = None
    expires_ms: int


class Exported(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="kind"):
    entities: int = 0
    facts: int = 0
    past: int = 0
    blocks: int = 0
    working: int = 0


Line = Header | EntityLine | FactLine | PastLine | BlockLine | WorkingLine | Exported
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_headers = msgspec.json.Decoder(Header)
encode = msgspec.json.Encoder().encode


def decode(text: bytes, number: int) -> Line:
    """One line of an export. Raises ImportRefused for what isn't one."""
    if number == 1:
        return _decode_head(text)
    try:
        return _lines.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ImportRefused(f"this is no line of an export: {error}", line=number) from None


def _decode_head(text: bytes) -> Header:
    try:
        head = _headers.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ImportRefused(
            'an export of umi begins with a line {"kind": "umi", …}; this file does not', line=1
        ) from None
    if head.version > VERSION:
        raise ImportRefused(
            f"this export was written by a newer version (format {head.version}, known is {VERSION}); upgrade first",
            line=1,
        )
    if head.version < 1:
        raise ImportRefused(f"there is no format {head.version}", line=1)
    return head


def check(line: Line) -> None:
    """Raise InvalidInput or LimitExceeded for a line whose content could not be stored."""
    match line:
        case EntityLine():
            _check_entity(line.entity)
        case FactLine():
            _check_version(line.fact, line.why)
            _check_bearings(line)
        case PastLine():
            _check_version(line.fact, line.why)
            if line.fact.known_to_ms is None:
                raise InvalidInput(f"this version of fact '{line.fact.id:.80}' ended, but doesn't say when")
        case BlockLine():
            _check_id("a block's id", line.block.id)
            _check_times(line.block.created_at_ms, line.block.updated_at_ms)
            core.check(line.block)
            if line.block.type not in (None, *core.TYPES):
                raise InvalidInput(f"there is no type of block '{line.block.type:.50}'")
        case WorkingLine():
            _check_times(line.expires_ms)
            if (line.text is None) == (line.data is None):
                raise InvalidInput("an entry of working memory holds either a text or data")


def _check_entity(entity: EntityRow) -> None:
    _check_id("an entity's id", entity.id)
    _check_short("an entity's type", entity.type)
    for name in (entity.name, *entity.aliases):
        _check_short("an entity's name", name)
    check_json(f"the attributes of '{entity.name}'", entity.attributes, limits.FACT_METADATA_BYTES_MAX)
    _check_bounded("an entity's summary", entity.summary, limits.ENTITY_CONTENT_BYTES_MAX)
    if not 0 <= entity.importance <= 1:
        raise InvalidInput(f"an entity's importance must be between 0 and 1, not {entity.importance}")
    for count in (entity.mentions, entity.accesses):
        if not 0 <= count <= _INT64_MAX:
            raise InvalidInput(f"an entity can't be mentioned or recalled {count} times")
    _check_times(entity.first_seen_ms, entity.last_seen_ms, entity.last_access_ms)


def _check_version(fact: Fact, why: Why) -> None:
    _check_id("a fact's id", fact.id)
    if not 1 <= fact.version <= _INT64_MAX:
        raise InvalidInput(f"a version is a number from 1, not {fact.version}")
    _check_times(fact.document_time_ms, fact.event_time_ms, fact.valid_from_ms, fact.valid_to_ms)
    _check_times(fact.known_from_ms, fact.known_to_ms, fact.created_at_ms)
    _check_times(*(claim.ended_ms for claim in fact.claims))
    archival.check(fact)
    _check_why(why)


def _check_bearings(line: FactLine) -> None:
    for name in line.mentions:
        _check_short("an entity's name", name)
    for bearing in line.evolutions:
        _check_id("a fact's id", bearing.old_id)
        _check_short("a kind of evolution", bearing.kind)
        _check_bounded("the reason of an evolution", bearing.reason, limits.EVOLUTION_REASON_BYTES_MAX)
        _check_times(bearing.at_ms)
        if not 0 <= bearing.confidence <= 1:
            raise InvalidInput(f"confidence must be between 0 and 1, not {bearing.confidence}")


def _check_why(why: Why) -> None:
    if why.action not in ACTIONS:
        raise InvalidInput(f"'{why.action:.50}' is none of {', '.join(sorted(ACTIONS))}")
    for what, text in (("an actor", why.actor), ("a change's id", why.change_id)):
        if text is not None:
            _check_bounded(what, text, limits.ENTITY_NAME_BYTES_MAX)
    if why.reason is not None:
        _check_bounded("a reason", why.reason, limits.EVOLUTION_REASON_BYTES_MAX)


def _check_id(what: str, text: str) -> None:
    if not text.strip():
        raise InvalidInput(f"{what} is blank")
    _check_bounded(what, text, limits.ENTITY_ID_BYTES_MAX)


def _check_short(what: str, text: str) -> None:
    if not text.strip():
        raise InvalidInput(f"{what} is blank")
    _check_bounded(what, text, limits.ENTITY_NAME_BYTES_MAX)


def _check_bounded(what: str, text: str, bytes_max: int) -> None:
    check_text(what, text)
    if len(text.encode()) > bytes_max:
        raise LimitExceeded(what, len(text.encode()), bytes_max, "bytes")


def _check_times(*moments_ms: int | None) -> None:
    for moment_ms in moments_ms:
        if moment_ms is not None and abs(moment_ms) > _MS_MAX:
            raise InvalidInput(f"{moment_ms} lies beyond the year 9999; times are in ms since 1970")


_COUNTED: dict[type, str] = {
    EntityLine: "entities",
    FactLine: "facts",
    PastLine: "past",
    BlockLine: "blocks",
    WorkingLine: "working",
}


class Counter:
    """Sees every line of a file go by, in order, and knows at its end whether it was whole."""

    def __init__(self) -> None:
        self._seen = dict.fromkeys(_COUNTED.values(), 0)
        self._ended = False
        self._fact: tuple[str, int] | None = None  # the fact whose past may follow, and its oldest version so far

    def see(self, line: Line, number: int) -> None:
        """Raises ImportRefused for a line that can't stand here."""
        if self._ended:
            raise ImportRefused("something follows after the end of the export", line=number)
        if isinstance(line, Header):
            if number != 1:
                raise ImportRefused("a second export begins here; import one file at a time", line=number)
        elif isinstance(line, Exported):
            self._ended = True
            if msgspec.structs.asdict(line) != self._seen:
                raise ImportRefused(f"lines are missing: it should hold {_words(line)}", line=number)
        else:
            self._seen[_COUNTED[type(line)]] += 1
            self._follow(line, number)

    def _follow(self, line: Line, number: int) -> None:
        """What was before a fact stands right after it, each version older than the one above."""
        if isinstance(line, PastLine):
            fact_id, version = self._fact or ("", 0)
            if fact_id != line.fact.id or line.fact.version >= version:
                raise ImportRefused(
                    f"version {line.fact.version} of '{line.fact.id:.80}' doesn't stand below a later one", line=number
                )
        self._fact = (line.fact.id, line.fact.version) if isinstance(line, FactLine | PastLine) else None

    def end(self) -> Exported:
        """What an export ends with after what was seen."""
        return Exported(**self._seen)

    def finish(self, number: int) -> None:
        """Raises ImportRefused if the file was cut."""
        if not self._ended:
            raise ImportRefused(
                "the file ends before the export does: it was cut, or is still being written", line=number
            )


def _words(line: Exported) -> str:
    return ", ".join(f"{count} {what}" for what, count in msgspec.structs.asdict(line).items())


class Numbered(NamedTuple):
    number: int
    line: Line
    size_bytes: int


def numbered(texts: Iterable[bytes]) -> Iterator[Numbered]:
    """The lines of a file, each checked. Raises ImportRefused."""
    counter = Counter()
    number = 0
    for number, text in enumerate(texts, 1):
        if len(text) > limits.PORTABLE_LINE_BYTES_MAX:
            raise ImportRefused(f"the line is longer than {limits.PORTABLE_LINE_BYTES_MAX:,} bytes", line=number)
        line = decode(text, number)
        counter.see(line, number)
        try:
            check(line)
        except (InvalidInput, LimitExceeded) as error:
            raise ImportRefused(str(error), line=number) from None
        yield Numbered(number, line, len(text))
    counter.finish(number + 1)
