"""What numbers are shown for each of: dimensions, and weeks, months or years."""

from typing import cast

import msgspec

from kelpie.analyst.catalog import CatalogTime
from kelpie.analyst.metric_query import Filter
from kelpie.analyst.planner.english import dates as english
from kelpie.analyst.planner.english.asking import FILLERS, GRAIN, TREND
from kelpie.analyst.planner.english.naming import GROUPING, GROUPING_AFTER, SINGLE
from kelpie.analyst.planner.english.words import number_of
from kelpie.analyst.planner.reading.lexicon import Mention
from kelpie.analyst.planner.reading.reading import Reading, refuse
from kelpie.analyst.planner.reading.valuing import NamedValue
from kelpie.analyst.semantic.model import Grain


class Stepping(msgspec.Struct, frozen=True):
    """A row for each `unit`; "" is a development whose steps are left open. `vague`: whose quarter or year is open."""

    unit: str = ""
    fiscal: str = ""  # "fiscal" or "calendar", if said
    vague: bool = False

    @property
    def is_open(self) -> bool:
        return not self.unit


def find_stepping(reading: Reading) -> Stepping | None:
    """A grain, or a development. Stops at two grains."""
    is_trend = TREND in reading.roles
    for _, start, end in list(reading.phrases(english.TREND)):
        reading.claim(start, end, TREND)
        is_trend = True
    places = range(len(reading.words))
    found = [step for at in places if reading.is_free(at) and (step := _at(reading, at)) is not None]
    units = {(stepping.unit, stepping.fiscal) for stepping in found}
    if len(units) > 1:
        raise refuse(f"I show numbers by one step of time, not by {' and '.join(sorted(unit for unit, _ in units))}.")
    if found:
        return found[0]
    return Stepping() if is_trend else None


def _at(reading: Reading, at: int) -> Stepping | None:
    words = reading.words
    kind = (
        words[at - 1] if at and words[at - 1] in english.FISCAL | english.CALENDAR and reading.is_free(at - 1) else ""
    )
    begin = at - 1 if kind else at
    said = "fiscal" if kind in english.FISCAL else kind
    before, after = words[begin - 1] if begin else "", words[at + 1 : at + 3]
    unit = english.GRAIN_ADVERBS.get(words[at])
    if unit is None:
        unit = english.UNITS.get(words[at])
        said_twice = len(after) == 2 and after[0] in ("by", "over", "on", "after") and after[1] == words[at]
        leads = (
            before in english.BEFORE_GRAIN
            or words[at].endswith("s")
            or said_twice
            or words[at + 1 : at + 2] == ["wise"]
        )
        if unit is None or not leads:
            return None
        if said_twice:
            reading.claim(at + 1, at + 3, GRAIN)
    reading.claim(begin, at + 1, GRAIN)
    if unit == "half":
        raise refuse("I can't show numbers by half-years; by quarter or year I can.")
    return Stepping(unit, said, unit in english.VAGUE_UNITS and not said)


def grain_of(stepping: Stepping, kind: str, offered: list[str]) -> Grain:
    """The grain's name. Stops if the data don't offer it."""
    is_fiscal = stepping.unit in english.VAGUE_UNITS and (stepping.fiscal or kind) == "fiscal"
    grain = f"fiscal_{stepping.unit}" if is_fiscal else stepping.unit
    if grain not in offered:
        named = ", ".join(name.replace("_", " ") for name in offered)
        raise refuse(f"These data can be shown by {named}, not by {grain.replace('_', ' ')}.")
    return cast("Grain", grain)


def offered_grains(axis: CatalogTime | None, axes: list[CatalogTime]) -> list[str]:
    return list((axis or axes[0]).grains) if axes else []


# --- dimensions -------------------------------------------------------------------------------------------------------


class NamedGroup(msgspec.Struct, frozen=True):
    mention: Mention
    counted: bool = False  # "how many X": they are to be counted


def find_groups(reading: Reading, values: list[NamedValue]) -> list[NamedGroup]:
    """Dimensions that the question names in order to group by them; claims the words."""
    groups = []
    for mention in reading.of_kind("dimension"):
        if _names_value(reading, mention, values):
            reading.use(mention)
            continue
        if reading.words[mention.start - 1 : mention.start] in SINGLE:
            reading.drop(mention)  # "more than an hour" asks for no numbers by hour
            continue
        if not _is_group(reading, mention):
            said = reading.said(mention)
            reading.problems.append(f"I am not sure what you want of “{said}”: say “by {said}” to see it for each.")
        _claim_number(reading, mention)
        counted = reading.words[max(0, mention.start - 2) : mention.start] in (["how", "many"], ["number", "of"])
        reading.use(mention)
        groups.append(NamedGroup(mention, counted))
    return groups


def _claim_number(reading: Reading, mention: Mention) -> None:
    """ "Each of the three regions": a number that says how many there are, if that is right."""
    at = mention.start - 1
    if at < 1 or not reading.is_free(at) or reading.words[at] == "one":
        return
    number = number_of(reading.tokens[at], english.NUMBER_WORDS)
    known = [reading.catalog.dimension(term.name) for term in mention.terms]
    counts = {len(dimension.values) for dimension in known if dimension is not None and dimension.complete}
    if number is not None and counts == {number}:
        reading.claim(at, at + 1, GRAIN)


def _names_value(reading: Reading, mention: Mention, values: list[NamedValue]) -> bool:
    """ "The plan Pro" names one plan, "the Pro plan" too; it doesn't ask for all."""
    if reading.words[mention.start - 1 : mention.start] and reading.words[mention.start - 1] in GROUPING - {
        "which",
        "what",
    }:
        return False
    names = {term.name for term in mention.terms}
    for value in values:
        if not names & {term.name for term in value.terms}:
            continue
        links = {"is", "are", "was", "were", "of", "called", "named"} | FILLERS
        after = reading.after(mention.end, frozenset(links))
        if (
            value.end == mention.start
            or value.start == mention.end
            or (after == value.start and after - mention.end <= 2)
        ):
            return True
    return False


def _is_group(reading: Reading, mention: Mention) -> bool:
    """Whether something shows that all of them are meant: "by", "which", a plural, a ranking, a bound."""
    words = reading.words
    if any(role in ("rank", "condition", "share", "comparison", "trend") for role in reading.roles):
        return True
    before = mention.start - 1
    while before >= 0 and words[before] in {"the", "our", "all", "and", "different", "various"}:
        before -= 1
    if before >= 0 and (words[before] in GROUPING or reading.role(before) in ("dimension", "grain", "value", "small")):
        return True
    if mention.end < len(words) and words[mention.end] in GROUPING_AFTER:
        reading.claim(mention.end, mention.end + 1, "small")
        return True
    last = words[mention.end - 1]
    return last.endswith("s") and not last.endswith("ss")


def settle_groups(reading: Reading, groups: list[NamedGroup], filters: list[Filter], metrics: list[str]) -> list[str]:
    """What to group by: dimensions that are named, and those of which several values are compared."""
    dimensions = [rule.dimension for rule in filters if rule.op == "in" and len(rule.values) > 1]
    for group in groups:
        term = reading.settle(reachable(reading, group.mention, metrics), "Which one do you mean by")
        if term.name not in dimensions:
            dimensions.append(term.name)
    return dimensions


def reachable(reading: Reading, mention: Mention, metrics: list[str]) -> Mention:
    """Without the meanings that these metrics can't be looked at by, if others are left."""
    closed = {name for metric in metrics if (known := reading.catalog.metric(metric)) for name in known.not_by}
    terms = [term for term in mention.terms if term.name not in closed]
    return mention.with_terms(terms or mention.terms)
