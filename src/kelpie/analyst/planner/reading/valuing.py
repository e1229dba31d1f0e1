"""Values: which are to be kept, which left out, and rows that have none."""

import msgspec

from kelpie.analyst.metric_query import Filter, Value
from kelpie.analyst.planner.english import naming as english
from kelpie.analyst.planner.english.asking import FILLERS, JOINERS
from kelpie.analyst.planner.english.dates import NUMBER_WORDS
from kelpie.analyst.planner.english.words import INFLECTED, number_of, stem, stems
from kelpie.analyst.planner.reading.keys import phrase_ends_at
from kelpie.analyst.planner.reading.lexicon import Mention, Term
from kelpie.analyst.planner.reading.reading import Reading, refuse


class NamedValue(msgspec.Struct, frozen=True):
    """Meanings of the tokens `start` to before `end`, only those that a cue allows, and whether they are to be kept."""

    start: int
    end: int
    terms: list[Term]
    mode: english.Mode = "in"

    @property
    def mention(self) -> Mention:
        return Mention(self.start, self.end, self.terms)


def find_values(reading: Reading) -> list[NamedValue]:
    """The values in the question. Nothing is settled yet: words like "from" and "except" get their meaning here."""
    found = [*_missing(reading), *_booleans(reading), *_numbers(reading)]
    left_out: set[int] = {at for value in found if value.mode == "not_in" for at in range(value.start, value.end)}
    for mention in reading.of_kind("value"):
        terms = _by_cue(reading, mention)
        mode = _mode(reading, mention.start, left_out)
        if mode == "not_in":
            left_out.update(range(mention.start, mention.end))
        found.append(NamedValue(mention.start, mention.end, terms, mode))
    for value in found:
        reading.use(value.mention)
        _claim_alone(reading, value)
    return sorted(found, key=lambda value: value.start)


def _missing(reading: Reading) -> list[NamedValue]:
    """ "Without a region", "region is missing": rows that have no value of a dimension, or that have one."""
    found = []
    for mention in reading.of_kind("dimension"):
        beside = reading.mention_at(mention.end)
        if _is_boolean(reading, mention) or (beside is not None and beside.kind == "value"):
            continue  # "without the plan Pro" leaves out one
        leading = english.MISSING.ending_at(reading.words, mention.start)
        following = english.AFTER_MISSING.at(reading.words, mention.end)
        if leading is not None and all(reading.is_free(at) for at in range(leading[1], mention.start)):
            is_missing, start, end = leading[0], leading[1], mention.end
        elif following is not None:
            is_missing, start, end = following[0], mention.start, following[1]
        else:
            continue
        reading.claim(start, end, "value")
        terms = [Term("value", term.name, f"no {term.label}", None) for term in mention.terms]
        found.append(NamedValue(mention.start, mention.end, terms, "in" if is_missing else "not_in"))
    return found


def _booleans(reading: Reading) -> list[NamedValue]:
    """A yes-or-no dimension that is no group: "without test accounts", "trial customers"."""
    found = []
    for mention in reading.of_kind("dimension"):
        if not _is_boolean(reading, mention) or phrase_ends_at(reading.tokens, mention.start, ["by", "per", "by the"]):
            continue
        terms = [Term("value", term.name, term.label, value=True) for term in mention.terms]
        found.append(NamedValue(mention.start, mention.end, terms, _mode(reading, mention.start, set())))
    return found


def _is_boolean(reading: Reading, mention: Mention) -> bool:
    known = [reading.catalog.dimension(term.name) for term in mention.terms]
    return all(dimension is not None and dimension.type == "boolean" for dimension in known)


def _numbers(reading: Reading) -> list[NamedValue]:
    """ "Hour 17": a number beside a dimension of numbers."""
    found = []
    for mention in reading.of_kind("dimension"):
        at = mention.end
        if at >= len(reading.words) or not reading.is_free(at) or reading.tokens[at].before:
            continue
        number = number_of(reading.tokens[at], NUMBER_WORDS)
        terms = (
            []
            if number is None
            else [
                Term("value", term.name, f"{number} ({dimension.label})", known.value)
                for term in mention.terms
                if (dimension := reading.catalog.dimension(term.name)) is not None
                for known in dimension.values
                if str(known.value) == str(number)
            ]
        )
        if terms:
            found.append(NamedValue(mention.start, at + 1, terms, _mode(reading, mention.start, set())))
            reading.claim(mention.start, at + 1, "value")
    return found


def _by_name(reading: Reading, mention: Mention) -> list[Term]:
    """Only the meanings of the dimension that is named beside: "the Pro plan", "the Pro, Team and Basic plans"."""
    for step in (1, -1):
        beside = _past_list(reading, mention, step)
        named = {term.name for term in beside.terms} if beside is not None and beside.kind == "dimension" else set()
        terms = [term for term in mention.terms if term.name in named]
        if terms:
            return terms
    return mention.terms


def _past_list(reading: Reading, mention: Mention, step: int) -> Mention | None:
    """What stands beside the list of values that a value is in."""
    at = mention.end if step > 0 else mention.start - 1
    while 0 <= at < len(reading.words):
        beside = reading.mention_at(at)
        if beside is not None and beside.kind != "value":
            return beside
        if beside is None and reading.words[at] not in JOINERS | {"the"}:
            return None
        at = (beside.end if step > 0 else beside.start - 1) if beside is not None else at + step
    return None


def _check_way(reading: Reading, start: int) -> None:
    """Stop at "upgrades from A": the data say where a way led, and "from A to B" is no filter of either."""
    before = reading.words[start - 1] if start else ""
    if before in ("to", "into") and reading.is_free(start - 1):
        if "from" in reading.words[:start] or reading.before(start - 1) < 0:
            return  # not understood, and told so
        reading.claim(start - 1, start, "value")
    moves = {
        stem.removesuffix(INFLECTED) for mention in reading.of_kind("metric") for stem in stems(reading.said(mention))
    }
    if before == "from" and moves & {stem(word) for word in english.MOVES}:
        reading.problems.append(f"I don't know what changed “from {reading.tokens[start].text}”, only what it is now.")


def _by_cue(reading: Reading, mention: Mention) -> list[Term]:
    """Only the meanings that the word before allows: "to" before a city is not where a journey begins."""
    dimensions = reading.catalog.dimensions
    named = _by_name(reading, mention)
    start = mention.start
    while start > 0 and reading.words[start - 1] in ("the", "a", "an", "our", "either", "both"):
        start -= 1
    cued = set()
    for dimension in dimensions:
        words = phrase_ends_at(reading.tokens, start, dimension.cues)
        if words:
            cued.add(dimension.name)
            reading.claim(start - words, start, "value")
    if not cued:
        _check_way(reading, start)
        return named
    terms = [term for term in named if term.name in cued]
    has_cues = {dimension.name for dimension in dimensions if dimension.cues}
    if not terms and all(term.name in has_cues for term in mention.terms):
        labels = " or ".join(dimension.label for dimension in dimensions if dimension.name in cued)
        raise refuse(f"The data have no {labels} “{reading.said(mention)}”.")
    return terms or named


def _mode(reading: Reading, start: int, left_out: set[int]) -> english.Mode:
    """Whether "except" or "including" is before the value, or before one it is listed with; claims the words."""
    at = start
    joined = "," in reading.tokens[start].before
    while at > 0:
        found = english.LEAVING_OUT.ending_at(reading.words, at)
        if found is not None and all(reading.role(place) in ("", "value") for place in range(found[1], at)):
            if left_out and found[0] == "not_in" and reading.is_free(found[1]):
                reading.problems.append("I don't understand what is left out of what is left out.")
            reading.claim(found[1], at, "value")
            return found[0]
        if at - 1 in left_out and joined:
            return "not_in"  # "except A and B"; in "without A in B" B is to be kept
        is_cue = reading.roles[at - 1] == "value" and reading.mention_at(at - 1) is None
        leads = reading.words[at - 1] in english.LEADING_IN and reading.is_free(at - 1)
        if not (leads or is_cue):
            return "in"
        joined = joined or reading.words[at - 1] in JOINERS
        at -= 1
    return "in"


def _claim_alone(reading: Reading, value: NamedValue) -> None:
    """ "Only", before the value or behind it."""
    before = reading.before(value.start, FILLERS | english.LEADING_IN)
    for at in (before, value.end):
        if 0 <= at < len(reading.words) and reading.words[at] in english.ALONE and reading.is_free(at):
            reading.claim(at, at + 1, "value")


def settle_values(reading: Reading, values: list[NamedValue], closed: set[str]) -> list[tuple[int, Filter]]:
    """Filters from values, each settled to one meaning, with the token each begins at.

    closed  dimensions that the question's metrics can't be looked at by
    """
    wanted: dict[tuple[str, english.Mode], list[Value]] = {}
    begins: dict[tuple[str, english.Mode], int] = {}
    for value in values:
        open_terms = [term for term in value.terms if term.name not in closed] or value.terms
        term = reading.settle(Mention(value.start, value.end, open_terms), "Which one do you mean by")
        key = (term.name, value.mode)
        begins.setdefault(key, value.start)
        if term.value not in wanted.setdefault(key, []):
            wanted[key].append(term.value)
    for name, mode in wanted:
        if mode == "all" and ((name, "in") in wanted or (name, "not_in") in wanted):
            raise refuse(f"I can't both include and leave out values of “{name.replace('_', ' ')}”.")
    return [(begins[key], _filter(reading, *key, members)) for key, members in wanted.items()]


def _filter(reading: Reading, name: str, mode: english.Mode, members: list[Value]) -> Filter:
    if mode != "all":
        return Filter(dimension=name, values=members, op=mode)
    default = next((default for default in reading.catalog.defaults if default.dimension == name), None)
    dimension = reading.catalog.dimension(name)
    if default is None or dimension is None:
        label = dimension.label if dimension else name
        raise refuse(f"Nothing is left out by {label}: say which to keep, or which to leave out.")
    # All values and none: what is left out by default is kept.
    every: list[Value] = [True, False] if dimension.type == "boolean" else [known.value for known in dimension.values]
    if not dimension.complete:
        raise refuse(f"I don't know all values of {dimension.label}, so I can't include {members}.")
    return Filter(dimension=name, values=[*every, None])
