"""What a question names: metrics, values to filter by, dimensions to group by, topics the data can't answer."""

import msgspec

from kelpie.analyst.metric_query import Filter, Value
from kelpie.analyst.planner import english
from kelpie.analyst.planner.asked import Refused
from kelpie.analyst.planner.lexicon import BEFORE_DIMENSION, Mention, Term, phrase_ends_at
from kelpie.analyst.planner.reading import Reading, Stop

_BEFORE_VALUE = frozenset("the for and or in at of to with those".split())
_COUNTED = ["number of", "how many", "count of"]


def refuse_topics(reading: Reading) -> None:
    """Stop at a topic that the model lists as unanswerable, and at questions for reasons, for the future, for today."""
    for mention in reading.of_kind("refusal"):
        raise Stop(Refused(reading.catalog.refusals[int(mention.terms[0].name)].reason))
    for at, word in enumerate(reading.words):
        if not reading.is_free(at):
            continue
        if word in english.WHY:
            raise Stop(Refused("I can say what the numbers are, not why they are so."))
        if word in english.FUTURE:
            raise Stop(Refused("I report what the data hold; I make no forecasts."))
        if word in english.TODAY:
            time = reading.catalog.time
            span = f" They cover {time.first} to {time.last}." if time else ""
            raise Stop(Refused(f"The data don't tell about {word}.{span}"))


def read_metrics(reading: Reading) -> list[Term]:
    """The metrics, in the order they are named."""
    mentions = reading.of_kind("metric")
    strong = [mention for mention in mentions if not all(term.weak for term in mention.terms)]
    chosen: list[Term] = []
    for mention in mentions:
        reading.use(mention)
        # "flights" beside another metric only names what is counted, unless "number of" or "how many" is before it.
        counted = phrase_ends_at(reading.tokens, mention.start, _COUNTED) > 0
        if mention not in strong and strong and not counted:
            continue
        term = reading.settle(mention, "What do you mean by")
        metric = reading.catalog.metric(term.name)
        if counted and metric is not None and metric.aggregation in ("average", "share"):
            raise Stop(Refused(f"I know the {metric.label}, not how many there are."))
        if term.name not in [other.name for other in chosen]:
            chosen.append(term)
    return chosen


class NamedValue(msgspec.Struct, frozen=True):
    """A value in the question, with only the meanings its cue allows, and whether it is to be left out."""

    mention: Mention
    excluded: bool


def find_values(reading: Reading) -> list[NamedValue]:
    """The values in the question. Nothing is settled yet: words like "from" and "except" get their meaning here."""
    found: list[NamedValue] = []
    left_out: set[int] = set()
    for mention in reading.of_kind("value"):
        cued = _by_cue(reading, mention)
        excluded = _is_excluded(reading, mention.start, left_out)
        if excluded:
            left_out.update(range(mention.start, mention.end))
        found.append(NamedValue(cued, excluded))
    return found


def read_filters(reading: Reading, values: list[NamedValue]) -> list[Filter]:
    """Filters from values, each settled to one meaning."""
    filters: dict[tuple[str, bool], list[Value]] = {}
    for named in values:
        term = reading.settle(named.mention, "Which one do you mean by")
        reading.use(named.mention)
        wanted = filters.setdefault((term.name, named.excluded), [])
        if term.value not in wanted:
            wanted.append(term.value)
    return [
        Filter(dimension=name, values=values, op="not_in" if excluded else "in")
        for (name, excluded), values in filters.items()
    ]


def _by_cue(reading: Reading, mention: Mention) -> Mention:
    """Only the meanings that the word before allows: "to" before a city is not where a journey begins."""
    dimensions = reading.catalog.dimensions
    cued = set()
    for dimension in dimensions:
        words = phrase_ends_at(reading.tokens, mention.start, dimension.cues)
        if words:
            cued.add(dimension.name)
            reading.known.update(range(mention.start - words, mention.start))
    if not cued:
        return mention
    terms = [term for term in mention.terms if term.name in cued]
    has_cues = {dimension.name for dimension in dimensions if dimension.cues}
    if not terms and all(term.name in has_cues for term in mention.terms):
        labels = " or ".join(dimension.label for dimension in dimensions if dimension.name in cued)
        raise Stop(Refused(f"The data have no {labels} “{reading.said(mention)}”."))
    return Mention(mention.start, mention.end, terms or mention.terms)


def _is_excluded(reading: Reading, start: int, left_out: set[int]) -> bool:
    """Whether "except" or the like is before the value, or before one it is listed with."""
    words, at = reading.words, start - 1
    while at >= 0 and (words[at] in _BEFORE_VALUE or at in left_out):
        at -= 1
    if at >= 0 and words[at] in english.EXCEPT:
        reading.known.add(at)
        return True
    if at >= 1 and (words[at - 1], words[at]) in english.EXCEPT_PAIRS:
        reading.known.update((at - 1, at))
        return True
    return False


def read_dimensions(reading: Reading, filters: list[Filter]) -> list[str]:
    """What to group by: dimensions that are named, and those of which several values are compared."""
    dimensions = [rule.dimension for rule in filters if rule.op == "in" and len(rule.values) > 1]
    values = [mention for mention in reading.mentions if mention.kind == "value"]
    for mention in reading.of_kind("dimension"):
        reading.use(mention)
        term = reading.settle(mention, "Which one do you mean by")
        beside = [value for value in values if value.start == mention.end or mention.start == value.end]
        named = any(term.name in [meaning.name for meaning in value.terms] for value in beside)
        if named and phrase_ends_at(reading.tokens, mention.start, BEFORE_DIMENSION) == 0:
            continue  # "the carrier JetBlue" names one, it doesn't ask for all
        if term.name not in dimensions:
            dimensions.append(term.name)
    return dimensions
