"""Which of several meanings a phrase has: "customers" may be a number, what to group by, or only what is spoken of.

What stands beside it decides, by rules that hold for any data; the first that fits counts.
"""

from kelpie.analyst.planner.english.asking import CONDITION, FILLERS, JOINERS
from kelpie.analyst.planner.english.comparing import CHANGES
from kelpie.analyst.planner.english.dates import BEFORE_MONTH, GRAIN_ADVERBS, NUMBER_WORDS
from kelpie.analyst.planner.english.naming import ALONE, COUNTED, GROUPING, LEADING_IN, LEAVING_OUT
from kelpie.analyst.planner.english.ranking import OF_MEMBERS, SUPERLATIVES
from kelpie.analyst.planner.english.words import number_of
from kelpie.analyst.planner.reading.keys import phrase_ends_at
from kelpie.analyst.planner.reading.lexicon import Mention, TermKind
from kelpie.analyst.planner.reading.reading import Reading

_ARTICLES = frozenset({"the", "a", "an", "our", "all", "their", "its", "your", "my"})
_BEFORE_PERIOD = BEFORE_MONTH | _ARTICLES | {"each", "every", "per", "past", "next"}


def drop_structure(reading: Reading) -> None:
    """Phrases that are English here, though the data have such a word: "other than", "monthly", "did sales fall"."""
    for mention in list(reading.mentions):
        word = reading.words[mention.start]
        if mention.end - mention.start > 1:
            continue
        following = reading.words[mention.end] if mention.end < len(reading.words) else ""
        is_adverb = word in GRAIN_ADVERBS and mention.kinds == {"value"} and not _beside_its_dimension(reading, mention)
        is_verb = "period" in mention.kinds and word in CHANGES and not _may_be_period(reading, mention)
        if is_adverb or is_verb or (word == "other" and following == "than"):
            reading.drop(mention)


def _beside_its_dimension(reading: Reading, mention: Mention) -> bool:
    names = {term.name for term in mention.terms}
    for at in (mention.start - 1, mention.end):
        beside = reading.mention_at(at) if 0 <= at < len(reading.words) else None
        if beside is not None and any(term.kind == "dimension" and term.name in names for term in beside.terms):
            return True
    return _has_cue(reading, mention)


def _may_be_period(reading: Reading, mention: Mention) -> bool:
    return mention.start == 0 or reading.words[mention.start - 1] in _BEFORE_PERIOD


def settle_kinds(reading: Reading) -> None:
    """Leave each mention the terms of one kind."""
    for place, mention in enumerate(reading.mentions):
        reading.mentions[place] = mention.of_kind(_kind(reading, mention))


def _kind(reading: Reading, mention: Mention) -> TermKind:
    kinds = mention.kinds
    if "axis" in kinds:
        if _is_dated(reading, mention) and ("metric" not in kinds or _has_other_metric(reading, mention)):
            return "axis"
        kinds = kinds - {"axis"} or kinds
    telling = kinds - {"background", "noun", "refusal"} or kinds - {"noun"} or kinds
    if len(telling) == 1:
        return next(iter(telling))
    for kind in _fitting(reading, mention):
        if kind in kinds:
            return kind
    order: list[TermKind] = ["metric", "dimension", "value", "period", "refusal", "background", "noun", "axis"]
    return min(kinds, key=order.index)


def _is_dated(reading: Reading, mention: Mention) -> bool:
    """Whether a period stands right beside: "paid in May", "by payment date"."""
    after = reading.after(mention.end, FILLERS | BEFORE_MONTH)
    if after < len(reading.words) and reading.roles[after] == "period":
        return True
    before = reading.before(mention.start)
    return before >= 0 and reading.words[before] == "by"


def _has_other_metric(reading: Reading, mention: Mention) -> bool:
    return any("metric" in other.kinds for other in reading.mentions if other != mention)


def _fitting(reading: Reading, mention: Mention) -> list[TermKind]:
    """The kinds that what stands around the phrase speaks for, the likeliest first."""
    words, start = reading.words, mention.start
    kinds = mention.kinds
    before = _skip_articles(reading, start)
    if "value" in kinds and _points_at_value(reading, mention):
        return ["value"]
    if COUNTED.ending_at(words, before) and COUNTED.ending_at(words, before)[0]:  # type: ignore[index]
        return ["dimension", "metric"] if "dimension" in kinds and _has_bound(reading) else ["metric"]
    if _points_at_members(reading, before):
        return ["dimension"]
    if before and words[before - 1] in SUPERLATIVES:
        return ["metric"]
    return _beside_others(reading, mention)


def _skip_articles(reading: Reading, start: int) -> int:
    while start > 0 and reading.words[start - 1] in _ARTICLES:
        start -= 1
    return start


def _points_at_value(reading: Reading, mention: Mention) -> bool:
    words, at = reading.words, mention.start
    while at > 0 and words[at - 1] in LEADING_IN and not LEAVING_OUT.ending_at(words, at):
        at -= 1
    left_out = LEAVING_OUT.ending_at(words, at)
    alone = words[mention.start - 1 : mention.start] + words[mention.end : mention.end + 1]
    return bool(left_out) or bool(ALONE & set(alone)) or _has_cue(reading, mention)


def _has_cue(reading: Reading, mention: Mention) -> bool:
    names = {term.name for term in mention.terms if term.kind == "value"}
    cues = [dimension.cues for dimension in reading.catalog.dimensions if dimension.name in names]
    return any(phrase_ends_at(reading.tokens, mention.start, phrases) for phrases in cues)


def _points_at_members(reading: Reading, at: int) -> bool:
    """ "by X", "which X", "top 5 X", "by Y and X"."""
    words = reading.words
    if at == 0:
        return False
    word = words[at - 1]
    if word in GROUPING or word in OF_MEMBERS:
        return True
    if number_of(reading.tokens[at - 1], NUMBER_WORDS) is not None and reading.role(at - 1) == "":
        return True
    if word == "and" or "," in reading.tokens[at].before:
        before = reading.mention_at(at - 2 if word == "and" else at - 1)
        by = (
            before is not None
            and words[_skip_articles(reading, before.start) - 1 : _skip_articles(reading, before.start)]
        )
        return bool(by) and by in (["by"], ["per"], ["each"], ["across"])
    return False


def _has_bound(reading: Reading) -> bool:
    return CONDITION in reading.roles


def _beside_others(reading: Reading, mention: Mention) -> list[TermKind]:
    """What is left to say from the rest of the question: another number in it, a ranking, a bound."""
    numbers = [other for other in reading.mentions if other != mention and "metric" in other.kinds]
    others = [other for other in numbers if any(term.kind == "metric" and not term.weak for term in other.terms)]
    if numbers and not _joined_to(reading, mention, numbers):
        if any(word in SUPERLATIVES for word in reading.words) or _has_bound(reading):
            return ["dimension", "value"]
        if others:
            return ["noun", "value", "metric"] if "noun" in mention.kinds else ["value", "metric"]
    return ["metric", "value", "dimension"]


def _joined_to(reading: Reading, mention: Mention, others: list[Mention]) -> bool:
    """Whether "and" or a comma lists the phrase with another number."""
    before, after = reading.before(mention.start), reading.after(mention.end)
    comma = "," in reading.tokens[mention.start].before
    left = reading.before(before) if before >= 0 and reading.words[before] in JOINERS else before if comma else -1
    right = reading.after(after + 1) if after < len(reading.words) and reading.words[after] in JOINERS else -1
    return any(left in other.places or right in other.places for other in others)
