"""Extraction without a model: deterministic, local, no download."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from umi import limits
from umi.entity import Claim, Entity, Extraction, Mention, check_text
from umi.errors import LimitExceeded
from umi.extract import lexicon as lex
from umi.extract.attributes import many_valued
from umi.extract.chunk import cut
from umi.extract.clauses import Walker
from umi.extract.dates import When, dates, may_hold_dates
from umi.extract.discourse import Discourse, Thing
from umi.extract.gazetteer import gazetteer
from umi.extract.names import Name, Spotter
from umi.extract.own_types import EntityType, OwnTypes, RelationType
from umi.extract.phrases import events, projects
from umi.extract.tasks import note_begins
from umi.extract.tokens import Sentence, sentences, words_of

_DAY_MS = 86_400_000
_ASKS = frozenset(
    """
        who what where when why how which whose do does did is are am was were can could should would will have has
        may
    """.split()
)


def note_of(text: str) -> Mention:
    """The whole text as one note, for a caller that found nothing better to keep it under.

    Its name is the first line, cut after a word at EXTRACTION_NOTE_NAME_CHARS_MAX characters.
    """
    line = text.strip().partition("\n")[0].strip()
    if len(line) > limits.EXTRACTION_NOTE_NAME_CHARS_MAX:
        head = line[: limits.EXTRACTION_NOTE_NAME_CHARS_MAX + 1]
        line = (head.rpartition(" ")[0] or head[:-1]).rstrip()
    return Mention(
        name=cut(line, limits.EXTRACTION_ENTITY_NAME_BYTES_MAX),
        type="note",
        content=cut(text.strip(), limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX),
        confidence=limits.EXTRACTION_CONFIDENCE_DEFAULT,
    )


class LocalExtractor:
    """Reads English by lists, rules and one pass over each sentence. The same text gives the same answer everywhere.

    types, relations  the user's own, as EntityType and RelationType or as dicts of their fields. Raises InvalidInput.
    """

    def __init__(
        self,
        types: Sequence[EntityType | Mapping[str, object]] = (),
        relations: Sequence[RelationType | Mapping[str, object]] = (),
    ) -> None:
        self._own = OwnTypes(types, relations)
        self._own_names = self._own.names()

    @property
    def type_names(self) -> list[str]:
        return self._own.type_names

    @property
    def relation_names(self) -> list[str]:
        return self._own.relation_names

    def extract(
        self, text: str, *, document_time_ms: int, speaker: str | None = None, known: Sequence[Entity] = ()
    ) -> Extraction:
        """What `text` names and claims; empty lists where it says nothing.

        document_time_ms  when it was said: relative dates are resolved from it
        speaker           who says "I"; without one the speaker is "self"
        known             entities of the memory: their names are recognised, "Bob" is then "Bob Smith"

        Raises InvalidInput for what is no text, LimitExceeded above EXTRACTION_TEXT_BYTES_MAX.
        """
        check_text("the text", text)
        size_bytes = len(text) if text.isascii() else len(text.encode())
        if size_bytes > limits.EXTRACTION_TEXT_BYTES_MAX:
            raise LimitExceeded("the text", size_bytes, limits.EXTRACTION_TEXT_BYTES_MAX, "bytes")
        lists = gazetteer()
        names_known = {words_of(name): one.type for one in known for name in (one.name, *one.aliases)}
        spotter = Spotter(lists, names_known | self._own_names)
        discourse = Discourse(speaker, _by_key(known, lists.gender))
        parts = [(sentence, spotter.names(sentence)) for sentence in sentences(text)]
        _same_everywhere(parts)
        found: list[tuple[Thing, Sentence, Walker, int]] = []
        stated: list[tuple[int, int]] = []
        for number, (sentence, names) in enumerate(parts):
            discourse.sentence = number
            real = sentence.mark != "?" and not _asks(sentence)
            walker = Walker(text, sentence, _with_phrases(sentence, names, real=real), discourse, real=real)
            start = note_begins(sentence.low) if real else -1
            if start >= 0:
                _note(text, sentence, start, walker)
            else:
                walker.walk()
            if self._own.types or self._own.relations:
                self._own_of(text, sentence, walker)
            if walker.sentence_real:
                stated.append((sentence.starts[0], sentence.ends[-1]))
            found.extend((thing, sentence, walker, i) for thing, i in walker.seen)
        when: list[When] = []
        if stated and may_hold_dates(text, (word for sentence, _ in parts for word in sentence.low)):
            when = [one for one in dates(text, document_time_ms) if any(a <= one.start < b for a, b in stated)]
        return _extraction(text, discourse, found, when, self._own)

    def _own_of(self, text: str, sentence: Sentence, walker: Walker) -> None:
        """Add what the user's own types and relations find in one sentence."""
        begin, end = sentence.starts[0], sentence.ends[-1]
        for type_, start, stop in self._own.matches(text[begin:end]):
            span = (begin + start, begin + stop)
            at = sum(1 for one in sentence.starts if one < span[0])
            thing = walker.discourse.name(text[span[0] : span[1]], type_, "", 0.9, span)
            walker.seen.append((thing, at))
        walker.seen.sort(key=lambda one: one[1])
        if walker.sentence_real:
            self._own.relate(sentence, walker.seen, walker.discourse)


def _by_key(known: Sequence[Entity], gender: Callable[[str], str]) -> dict[str, tuple[str, str, str]]:
    keys: dict[str, tuple[str, str, str]] = {}
    for one in known:
        words = one.name.split() if one.type == "person" else []
        entry = (one.name, one.type, gender(words[0]) if words else "")
        for name in (one.name, *one.aliases):
            keys.setdefault(name.casefold(), entry)
    for one in known:
        words = one.name.split()
        if one.type == "person" and len(words) > 1:
            keys.setdefault(words[0].casefold(), keys[one.name.casefold()])
    return keys


def _same_everywhere(parts: list[tuple[Sentence, list[Name]]]) -> None:
    """A name that one sentence explains is explained in all of them."""
    types: dict[str, tuple[str, str]] = {}
    unknown = []
    for sentence, names in parts:
        for name in names:
            key = " ".join(sentence.low[name.i : name.j])
            if name.type:
                types.setdefault(key, (name.type, name.gender))
            else:
                unknown.append((key, name))
    for key, name in unknown:
        name.type, name.gender = types.get(key, ("", ""))


def _with_phrases(sentence: Sentence, names: list[Name], *, real: bool) -> list[Name]:
    more = projects(sentence.low, names)
    if real:
        more += events(sentence.low, [*names, *more])
    return sorted([*names, *more], key=lambda name: name.i) if more else names


def _asks(sentence: Sentence) -> bool:
    """A question without its mark: "who manages the project"."""
    low = sentence.low
    return (
        len(low) > 2
        and low[0] in _ASKS
        and sentence.mark != "."
        and low[1] in lex.PRONOUNS | lex.AUXILIARIES
        and low[0] not in ("have", "will")
    )


def _note(text: str, sentence: Sentence, start: int, walker: Walker) -> None:
    begin, end = sentence.starts[start], sentence.ends[-1]
    thing = walker.discourse.phrase(text[begin:end], "note", (begin, end), 0.9)
    walker.seen.append((thing, start))
    for name in walker.begins.values():
        if name.type and name.type != "event" and name.i >= start:
            walker.thing(name)


def _extraction(
    text: str, discourse: Discourse, found: list[tuple[Thing, Sentence, Walker, int]], when: list[When], own: OwnTypes
) -> Extraction:
    claims = [
        Claim(
            subject=_name(subject),
            attribute=relation,
            value=_name(value),
            negated=negated,
            many=many_valued(relation) if (many := own.many(relation)) is None else many,
            confidence=round(min(subject.confidence, value.confidence), 2),
        )
        for (_, _, _, negated), (subject, relation, value) in discourse.claims.items()
    ]
    contents: dict[int, str] = {}
    for thing, sentence, walker, i in found:
        clause = _clause(text, sentence, walker.clauses, i)
        if id(thing) not in contents or len(clause) < len(contents[id(thing)]):
            contents[id(thing)] = clause
    things = list(discourse.things)
    me = discourse.me
    if discourse.of_me:
        things.insert(0, me)
    mentions = [
        Mention(
            name=_name(thing),
            type=thing.type,
            content=cut(contents.get(id(thing), text.strip()), limits.EXTRACTION_ENTITY_CONTENT_BYTES_MAX),
            confidence=thing.confidence,
            attributes=own.attributes_of(thing.type, contents.get(id(thing), "")) if own.types else {},
            start=thing.spans[0][0] if thing.spans else -1,
            end=thing.spans[0][1] if thing.spans else -1,
        )
        for thing in things
    ][: limits.EXTRACTION_ENTITIES_COUNT_MAX]
    if own.types:
        claims.extend(
            Claim(subject=one.name, attribute=key, value=value, confidence=one.confidence)
            for one in mentions
            for key, value in one.attributes.items()
        )
    exact = next((one for one in when if one.end_ms - one.start_ms == _DAY_MS or one.at_ms != one.start_ms), None)
    first = exact or (when[0] if when else None)
    claims = claims[: limits.EXTRACTION_RELATIONS_COUNT_MAX]
    return Extraction(mentions=mentions, claims=claims, event_time_ms=first.at_ms if first else None)


def _name(thing: Thing) -> str:
    return cut(thing.name, limits.EXTRACTION_ENTITY_NAME_BYTES_MAX)


def _clause(text: str, sentence: Sentence, clauses: list[int], i: int) -> str:
    """The clause around word i."""
    place = bisect_right(clauses, i)
    start = clauses[place - 1] if place else 0
    end = clauses[place] if place < len(clauses) else len(sentence.low)
    while end > start + 1 and (sentence.low[end - 1] in lex.CONJUNCTIONS or not sentence.low[end - 1][0].isalnum()):
        end -= 1
    if start >= len(sentence.low) or end <= start:
        return text[sentence.starts[0] : sentence.ends[-1]]
    return text[sentence.starts[start] : sentence.ends[end - 1]]
