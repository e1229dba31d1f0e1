"""Growth and comparison: what a number is measured against, and what is asked of the difference.

`find_contrast` finds how it is said; `settle_contrast` makes days of it, once it is known what dates the numbers.
"""

import itertools
from typing import Literal

import msgspec

from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.dates.spans import ONE_DAY
from kelpie.analyst.planner.english import comparing as english
from kelpie.analyst.planner.english.asking import COMPARISON, PERIOD, TREND, VALUE
from kelpie.analyst.planner.english.ranking import COMPARATIVES, SUPERLATIVES
from kelpie.analyst.planner.reading.reading import Reading

Measure = Literal["", "growth", "change"]
_ARTICLES = frozenset({"the", "a", "an", "that", "those", "in", "of", "for", "what", "it", "was", "they", "were"})


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """How a question sets one time against another.

    base      "previous_year" or "previous_period", with the unit it was said of; None if days are given, or none
    against   the period it is measured against
    main      the period that is measured, where the words fix it
    change    which way the question says it went, by which word; "" if it says nothing of change
    ranked    "high" or "low": the members that grew most or least are asked for
    measure   whether growth (percent) or change (absolute) is meant, "" if that was not said
    filtered  only members that changed that way are asked for: "which plans grew"
    """

    base: english.Base | None = None
    against: TimeMention | None = None
    main: TimeMention | None = None
    change: english.Change | Literal[""] = ""
    word: str = ""
    ranked: Literal["", "high", "low"] = ""
    measure: Measure = ""
    filtered: bool = False


def find_contrast(reading: Reading, times: list[TimeMention], *, is_bounded: bool) -> Contrast | None:
    """How one time is set against another; takes the periods it uses from `times`. None if nothing is.

    is_bounded  whether the change itself is bounded ("grew by more than 10%")
    """
    base = _said_base(reading)
    against = None
    main = None
    if base is None:
        base, against = _after_cue(reading, times)
    if base is None and against is None:
        main, against = _side_by_side(reading, times)
    change, at = _change(reading)
    if change and _sets_members_apart(reading, at) and base is None and against is None:
        _claim_change(reading, at)
        between = reading.words.index("between") if "between" in reading.words else at
        reading.claim(between, between + 1, COMPARISON)
        reading.say("Both are shown side by side; I don't subtract one from the other.")
        return None
    if change and base is None and against is None and not is_bounded and _asks_how(reading, at):
        ends = _ends(times, adjacent=True)
        if ends is None:
            reading.claim(at, at + 1, TREND)  # "how did it change": a development shows all of it
            return None
        main, against = ends
    elif change and base is None and against is None and (ends := _ends(times)) is not None:
        main, against = ends
    if not change and base is None and against is None:
        return None
    measure = _measure(reading) if change or base is not None else ""
    ranked, is_speed = _ranked(reading, at) if change else ("", False)
    word = reading.words[at] if change else ""
    if change:
        _claim_change(reading, at)
    way: english.Change | Literal[""] = change
    if not change and against is not None:
        way, at = _comparative(reading)
    filtered = bool(way in ("up", "down") and not ranked and not is_bounded and _asks_which(reading, at))
    change = way if filtered else change
    return Contrast(
        base=base,
        against=against,
        main=main,
        change=change,
        word=word,
        ranked=ranked,
        measure="growth" if is_speed else measure,
        filtered=filtered,
    )


# --- against what -----------------------------------------------------------------------------------------------------


def _said_base(reading: Reading) -> english.Base | None:
    """ "Year over year", "month over month"."""
    found = None
    for base, start, end in list(reading.phrases(english.BASES)):
        reading.claim(start, end, COMPARISON)
        found = found or base
    return found


def _after_cue(reading: Reading, times: list[TimeMention]) -> tuple[english.Base | None, TimeMention | None]:
    """ "Compared with the year before", "than in May", "versus last year"."""
    for at in range(len(reading.words)):
        found = english.AGAINST.at(reading.words, at)
        if found is None or not all(reading.is_free(place) for place in range(at, found[1])):
            continue
        begin = found[1]
        while begin < len(reading.words) and reading.words[begin] in _ARTICLES and reading.roles[begin] != PERIOD:
            begin += 1
        earlier = _earlier(reading, times, (found[1], begin))
        if earlier is not None:
            reading.claim(at, found[1], COMPARISON)
            return earlier, None
        mention = next((time for time in times if time.start == begin), None)
        if mention is not None and not (reading.words[at] in ("versus", "vs") and mention is times[0]):
            if reading.words[at] in ("versus", "vs", "against") and _is_peer(mention, times):
                continue  # "July versus June": neither was said to be the earlier one
            reading.claim(at, begin, COMPARISON)
            times.remove(mention)
            return None, mention
    return None, None


def _is_peer(mention: TimeMention, times: list[TimeMention]) -> bool:
    """Whether the period before it is as good: then the later of the two is measured."""
    before = next((time for time in reversed(times) if time.end <= mention.start), None)
    return before is not None and before.unit == mention.unit and not before.relative and not mention.relative


def _earlier(reading: Reading, times: list[TimeMention], places: tuple[int, int]) -> english.Base | None:
    """ "The same period last year", "a year ago": words of their own, whatever period they contain."""
    for begin in places:
        found = english.EARLIER.at(reading.words, begin)
        if found is not None and all(reading.roles[at] in ("", PERIOD) for at in range(begin, found[1])):
            reading.claim(begin, found[1], COMPARISON)
            for mention in [time for time in times if begin <= time.start < found[1]]:
                times.remove(mention)
            return found[0]
    return None


def _side_by_side(reading: Reading, times: list[TimeMention]) -> tuple[TimeMention, TimeMention] | tuple[None, None]:
    """Two periods of equal standing: the later one is measured against the earlier."""
    compares = any(word in english.COMPARE and reading.is_free(at) for at, word in enumerate(reading.words))
    for one, other in itertools.pairwise(tuple(times)):
        joiner = english.BESIDE.at(reading.words, one.end)
        joined = joiner is not None and reading.after(joiner[1]) == other.start
        compares = compares or (joined and reading.words[one.end] == "or" and _is_comparative(reading))
        if joined and joiner is not None and (joiner[0] or compares):
            reading.claim(one.end, other.start, COMPARISON)
            times.remove(one)
            times.remove(other)
            return _later_first(one, other)
    if compares and (ends := _ends(times)) is not None:
        return ends
    return None, None


def _is_comparative(reading: Reading) -> bool:
    """ "Were there more in June or in July?"."""
    return any(word in COMPARATIVES and reading.is_free(at) for at, word in enumerate(reading.words))


def _later_first(one: TimeMention, other: TimeMention) -> tuple[TimeMention, TimeMention]:
    return (other, one) if (one.first, one.last) < (other.first, other.last) else (one, other)


def _ends(times: list[TimeMention], *, adjacent: bool = False) -> tuple[TimeMention, TimeMention] | None:
    """ "From January to June": the end against the beginning, if both are of one kind."""
    for mention in times:
        if mention.ends is None:
            continue
        begin, end = mention.ends
        one_kind = begin.unit == end.unit or "" in (begin.unit, end.unit)
        if not one_kind or (adjacent and not _is_next(begin, end)):
            return None
        times.remove(mention)
        return end, begin
    return None


def _is_next(begin: TimeMention, end: TimeMention) -> bool:
    return begin.last + ONE_DAY == end.first


# --- change -----------------------------------------------------------------------------------------------------------


def _change(reading: Reading) -> tuple[english.Change | Literal[""], int]:
    """The first word of change, and where it stands."""
    for at, word in enumerate(reading.words):
        if word in english.CHANGES and reading.is_free(at):
            return english.CHANGES[word], at
    return "", -1


def _sets_members_apart(reading: Reading, at: int) -> bool:
    """ "The difference between A and B": of two members, not of two times."""
    between = "between" in reading.words[at:] or "from" in reading.words[at:]
    return reading.words[at] in english.DIFFERENCES and between and sum(VALUE in m.kinds for m in reading.mentions) > 1


def _comparative(reading: Reading) -> tuple[english.Change | Literal[""], int]:
    """ "Which plans had more customers in June than in May": only those with more."""
    for at, word in enumerate(reading.words):
        if word in english.COMPARED_WAYS and reading.is_free(at):
            return english.COMPARED_WAYS[word], at
    return "", -1


def _asks_how(reading: Reading, at: int) -> bool:
    """ "How did X change" asks for a development; "how much did X change" for a difference."""
    words = reading.words
    if any(english.HOW_MUCH.at(words, place) for place in range(len(words))):
        return False
    return "how" in words[:at] and words[words.index("how") + 1] in ("did", "has", "have", "does", "do", "is", "are")


def _asks_which(reading: Reading, at: int) -> bool:
    words = reading.words[:at]
    return (
        bool({"which", "what", "where", "whose", "that"} & set(words))
        and not {"much", "far"} & set(words)
        and "is" not in words
    )


def _ranked(reading: Reading, at: int) -> tuple[Literal["", "high", "low"], bool]:
    """ "Grew the most", "the biggest drop", "fastest growing": the pole, and whether speed is meant."""
    after = reading.after(at + 1)
    before = reading.before(at)
    for place in (after, before):
        if not (0 <= place < len(reading.words) and reading.is_free(place)):
            continue
        word = reading.words[place]
        is_speed = word in english.FASTEST | english.SLOWEST
        pole = SUPERLATIVES.get(word, "high" if word in english.FASTEST else "low" if is_speed else "")
        if pole in ("high", "low"):
            reading.claim(place, place + 1, COMPARISON)
            return ("high" if pole == "high" else "low"), is_speed
    return "", False


def _measure(reading: Reading) -> Measure:
    """Whether the question says that percent or the metric's own unit is meant."""
    said: Measure = ""
    for is_percent, start, end in list(reading.phrases(english.IN_PERCENT)):
        said = "growth" if is_percent else "change"
        reading.claim(start, end, COMPARISON)
    return said


def _claim_change(reading: Reading, at: int) -> None:
    """The word of change, and those that go with it: "how much", "by"."""
    reading.claim(at, at + 1, COMPARISON)
    for place, word in enumerate(reading.words):
        if word in english.CHANGES and reading.is_free(place):
            reading.claim(place, place + 1, COMPARISON)
    for _, start, end in list(reading.phrases(english.HOW_MUCH)):
        reading.claim(start, end, COMPARISON)
