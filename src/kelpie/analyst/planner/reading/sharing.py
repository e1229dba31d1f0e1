"""Shares: "what share of X comes from Y", "X by Z as a share of total"."""

import msgspec

from kelpie.analyst.metric_query import Filter
from kelpie.analyst.planner.english import comparing as english
from kelpie.analyst.planner.english.asking import FILLERS, METRIC, SHARE, VALUE
from kelpie.analyst.planner.english.words import INFLECTED, listed
from kelpie.analyst.planner.reading.choosing import Choice
from kelpie.analyst.planner.reading.lexicon import Mention
from kelpie.analyst.planner.reading.reading import Reading, refuse

_VERBS = frozenset({"is", "are", "was", "were", "been", "be", "did", "does", "do", "got", "that", "who", "which"})
_FROM = frozenset({"from", "by", "through", "via", "due"})


class Sharing(msgspec.Struct, frozen=True):
    """The words from `part` on, if any, say which part of the whole is asked for; those before it, of what whole."""

    part: int | None = None
    owners: frozenset[int] = frozenset()  # the values whose share it is: "A's share", "the share of A"
    of_total: bool = False  # said of a total, not only "the percentage of", which may be the metric's own


def find_sharing(reading: Reading) -> Sharing | None:
    """Whether parts of a whole are asked for; claims its words."""
    of_total = [*reading.phrases(english.OF_TOTAL), *_how_much_of(reading)]
    for _, start, end in of_total:
        reading.claim(start, end, SHARE)
    nouns = [at for at, word in enumerate(reading.words) if word in english.SHARE_NOUNS and reading.is_free(at)]
    # "In percent" alone may be about growth; "the percentage" alone may be the metric's own.
    _check_predicates(reading, nouns)
    if not of_total and not any(_shares(reading, at) for at in nouns):
        return None
    reading_part = None
    for at in nouns:
        reading.claim(at, at + 1, SHARE)
        reading_part = at if reading_part is None else reading_part
    part = _part(reading, reading_part) if reading_part is not None else None
    owners = frozenset(at for noun in nouns for at in _owners(reading, noun))
    return Sharing(part, owners, any(of_whole for of_whole, _, _ in of_total))


def _check_predicates(reading: Reading, nouns: list[int]) -> None:
    """Stop where the part is told by a verb of the metric's own, or where the metric is a share and is shared again.

    "What share of A's orders were returned" is no share of returned orders; "what share of returned orders were A's" is
    not A's share of orders that were returned.
    """
    for mention in reading.mentions:
        if mention.kind != "metric":
            continue
        told = any(noun < mention.start for noun in nouns) and _tells(reading, mention)
        first = reading.words[mention.start]
        after = english.PART.at(reading.words, reading.after(mention.end, frozenset()))
        shared = first in english.SHARE_NOUNS and after is not None and reading.role(reading.after(after[1])) == VALUE
        if told or shared:
            reading.problems.append(f"I don't understand which share “{reading.said(mention)}” is to be here.")


def _tells(reading: Reading, mention: Mention) -> bool:
    """Whether the phrase is a noun with its verb behind it: "orders (that) were returned", "customers left"."""
    stems = [reading.tokens[at].stem for at in mention.places]
    verb_last = len(stems) > 1 and stems[-1].endswith(INFLECTED) and not stems[0].endswith(INFLECTED)
    return verb_last or bool(_VERBS & set(reading.words[mention.start : mention.end]))


def _how_much_of(reading: Reading) -> list[tuple[bool, int, int]]:
    """ "How much of X is from A" may ask for an amount or a share: both are shown."""
    words = reading.words
    places = [at for at in range(len(words) - 3) if words[at : at + 3] == ["how", "much", "of"]]
    return [(True, at, at + 3) for at in places if reading.role(reading.after(at + 3)) == "metric"]


def _shares(reading: Reading, at: int) -> bool:
    """ "Share of X", "X share": a metric beside the word that is no share itself."""
    if reading.words[at] == "part" and reading.words[at - 1 : at] != ["what"]:
        return False
    after = reading.after(at + 1)
    if after < len(reading.words) and reading.words[after] == "of":
        return True
    before = reading.before(at)
    return before >= 0 and reading.role(before) in ("metric", "value", "dimension")


def _owners(reading: Reading, noun: int) -> list[int]:
    """Where the value begins that stands right before the word "share", or behind "share of"."""
    before = reading.mention_at(noun - 1) if noun else None
    if before is not None and before.kind == "dimension":
        before = reading.mention_at(before.start - 1) or before  # "the Enterprise plan's share"
    after = reading.mention_at(reading.after(noun + 2)) if reading.words[noun + 1 : noun + 2] == ["of"] else None
    if after is not None and reading.role(reading.after(after.end)) == METRIC:
        after = None  # in "the share of A's orders" A tells what whole it is
    return [mention.start for mention in (before, after) if mention is not None and mention.kind == "value"]


def _part(reading: Reading, noun: int) -> int | None:
    """Where the part begins: after "comes from", "is", or "from" behind the whole."""
    whole = next((m for m in reading.mentions if m.start > noun and "metric" in m.kinds), None)
    if whole is None:
        return None
    for at in range(whole.end, len(reading.words)):
        found = english.PART.at(reading.words, at)
        if found is not None and all(reading.is_free(place) for place in range(at, found[1])):
            for place in range(at, found[1]):
                if reading.words[place] not in FILLERS | _FROM:
                    reading.claim(place, place + 1, SHARE)
            return found[1]
    for at in range(whole.end, len(reading.words)):
        if reading.words[at] in _FROM and reading.is_free(at) and reading.role(reading.after(at + 1)) == VALUE:
            return at
    return None


def shared_dimensions(
    reading: Reading, sharing: Sharing, grouped: list[str], filters: list[tuple[int, Filter]]
) -> list[str]:
    """The dimensions whose whole each row is a part of.

    grouped  dimensions of the breakdown
    filters  values that were named, with the token they begin at
    """
    named = list(dict.fromkeys(rule.dimension for _, rule in filters))
    parts = list(dict.fromkeys(rule.dimension for at, rule in filters if at in sharing.owners))
    if parts:
        return parts  # "the share of A in each group", "A's share by group"
    if grouped and sharing.part is not None and any(at >= sharing.part for at, _ in filters):
        return _within(reading, grouped, [rule.dimension for at, rule in filters if at >= sharing.part])
    if grouped:
        return _of_groups(reading, grouped)
    if not named:
        raise refuse("Say whose share: name a part of the whole, or what to break it down by.")
    if len(named) == 1:
        return named
    if sharing.part is not None:
        part = {rule.dimension for at, rule in filters if at >= sharing.part}
        whole = {rule.dimension for at, rule in filters if at < sharing.part}
        if part and whole and not part & whole:
            return [name for name in named if name in part]
    options = [named, *([name] for name in named)]
    choices = [Choice("of the whole"), *(Choice(_rest(filters, name)) for name in named)]
    return options[reading.choose("A share of what?", "", choices)]


def _rest(filters: list[tuple[int, Filter]], name: str) -> str:
    """What the whole is if only `name` tells the part from it."""
    rest = [str(value) for _, rule in filters if rule.dimension != name for value in rule.values]
    return f"of {listed(rest)} alone"


def _within(reading: Reading, grouped: list[str], part: list[str]) -> list[str]:
    """ "What share of X comes from A, by group": of each group's, or each group's part of A's."""
    first = list(dict.fromkeys(part))
    label = _label(reading, grouped[0])
    choices = [Choice(f"of each {label}'s own total"), Choice(f"each {label}'s part of it")]
    return [first, grouped][reading.choose("Shares of what?", "", choices)]


def _of_groups(reading: Reading, grouped: list[str]) -> list[str]:
    if len(grouped) == 1:
        return grouped
    choices = [Choice("of the total")]
    options = [grouped]
    for name in grouped:
        choices.append(Choice(f"within each {_label(reading, name)}"))
        options.append([other for other in grouped if other != name])
    return options[reading.choose("Shares of the total, or within each group?", "", choices)]


def _label(reading: Reading, name: str) -> str:
    dimension = reading.catalog.dimension(name)
    return dimension.label if dimension else name
