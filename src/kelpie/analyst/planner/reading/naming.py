"""Which numbers a question names, and what it asks about that the data can't tell."""

from typing import Literal

import msgspec

from kelpie.analyst.catalog import CatalogMetric
from kelpie.analyst.planner.asked import Defined
from kelpie.analyst.planner.english import asking, naming
from kelpie.analyst.planner.english.asking import FILLERS, JOINERS, JOINING_PHRASES
from kelpie.analyst.planner.reading.bounding import Bound
from kelpie.analyst.planner.reading.keys import phrase_key
from kelpie.analyst.planner.reading.lexicon import Mention, Term
from kelpie.analyst.planner.reading.quantities import currency_of
from kelpie.analyst.planner.reading.ranking import Ranking
from kelpie.analyst.planner.reading.reading import Reading, refuse

Use = Literal["asked", "ranked", "bounded", "spoken of"]
_ROLES: dict[Use, str] = {"ranked": asking.RANK, "bounded": asking.CONDITION}
# Before a metric these only lead to it: "and their number of", "and what is the".
_LEADING = FILLERS | {"total", "of", "for", "in", "average", "by"}


def refuse_topics(reading: Reading) -> None:
    """Stop at a topic that the model lists as unanswerable, and at questions for reasons and for the future."""
    for mention in reading.of_kind("refusal"):
        raise refuse(reading.catalog.refusals[int(mention.terms[0].name)].reason)
    for at, word in enumerate(reading.words):
        if not reading.is_free(at):
            continue
        if word in asking.WHY:
            raise refuse("I can say what the numbers are, not why they are so.")
        if word in asking.FUTURE:
            raise refuse("I report what the data hold; I make no forecasts.")
        if word in asking.TODAY:
            axes = reading.catalog.times
            span = f" They cover {axes[0].first} to {axes[0].last}." if axes else ""
            raise refuse(f"The data don't tell about {word}.{span}")


def read_definition(reading: Reading) -> Defined | None:
    """ "What does X mean?", "how is X calculated?": a question about a metric, not for its value."""
    metrics = [mention for mention in reading.mentions if mention.kind == "metric"]
    defining = [at for at, word in enumerate(reading.words) if word in naming.DEFINING and reading.is_free(at)]
    others = [m for m in reading.mentions if m.kind in ("value", "dimension", "period", "axis")]
    small = FILLERS | naming.DEFINING | {"of", "for", "by"}
    if not metrics or not defining or others:
        return None
    if not all(word in small for at, word in enumerate(reading.words) if reading.is_free(at)):
        return None
    if {"mean", "means"} & set(reading.words) and not {"do", "does", "by"} & set(reading.words):
        return None  # "the mean X" asks for a number
    return Defined(list(dict.fromkeys(term.name for mention in metrics for term in mention.terms)))


class NamedMetric(msgspec.Struct, frozen=True):
    """What a mention of a metric does in the question."""

    mention: Mention
    use: Use
    counted: bool = False


def find_metrics(reading: Reading, ranking: Ranking | None, bounds: list[Bound]) -> list[NamedMetric]:
    """The metrics, in the order they are named. Stops where two stand together in a way that is not understood."""
    mentions = reading.of_kind("metric")
    strong = [mention for mention in mentions if not all(term.weak for term in mention.terms)]
    bounded = [bound.mention for bound in bounds if bound.mention is not None]
    found: list[NamedMetric] = []
    for mention in mentions:
        counted = _counted(reading, mention)
        use: Use = "asked"
        if mention in bounded:
            use = "bounded"
        elif ranking is not None and ranking.mention == mention and mention != mentions[0]:
            use = "ranked"
        elif (strong and mention != strong[0] and not counted and _is_subject(reading, mention, strong)) or (
            mention not in strong and strong and not counted and _is_subject(reading, mention, strong)
        ):
            use = "spoken of"
        elif any(one.mention.terms == mention.terms for one in found):
            use = "spoken of"  # once more
        elif found and not _is_listed(reading, mention, found):
            one = reading.said(next(n.mention for n in reversed(found)))
            problem = f"I don't understand how “{one}” and “{reading.said(mention)}” belong together here."
            reading.problems.append(problem)
        if use == "asked" and reading.words[mention.start - 1 : mention.start] in (["which"], ["who"]):
            problem = f"I can tell how many, not which: “{reading.said(mention)}” is a number here."
            reading.problems.append(problem)
        reading.use(mention, _ROLES.get(use, asking.METRIC))
        found.append(NamedMetric(mention, use, counted))
    return found


def _counted(reading: Reading, mention: Mention) -> bool:
    start = mention.start
    while start > 0 and reading.words[start - 1] in ("the", "our", "all", "different"):
        start -= 1
    found = naming.COUNTED.ending_at(reading.words, start)
    if found is not None:
        reading.claim(found[1], start, "small")
    return found is not None and found[0]


def _is_subject(reading: Reading, mention: Mention, strong: list[Mention]) -> bool:
    """Whether a noun only names what the numbers beside it are about: "delays of flights", "revenue of customers".

    The rows that a metric counts are no condition on it, nor is what each of them belongs to. Other things are:
    "orders with refunds".
    """
    others = [other for other in strong if other != mention]
    metrics = [reading.catalog.metric(term.name) for other in others for term in other.terms]
    after = reading.after(mention.end)
    if after < len(reading.words) and reading.words[after] in JOINERS:
        return False  # "orders and cancelled orders" are two numbers
    return _is_about(reading, mention, [metric for metric in metrics if metric is not None])


def _is_about(reading: Reading, mention: Mention, metrics: list[CatalogMetric]) -> bool:
    said = phrase_key(reading.said(mention))
    if any(said == phrase_key(metric.counts) for metric in metrics):
        return True
    before = reading.before(mention.start)
    while before >= 0 and reading.role(before) == asking.VALUE:
        before = reading.before(before)  # "of our German customers"
    leads = before >= 0 and reading.words[before] in ("of", "for", "from", "across", "among")
    # "The trial conversion rate of trials": a noun of the number's own name says nothing new.
    named = any(set(said) <= set(phrase_key(phrase)) for m in metrics for phrase in (m.label, *m.synonyms))
    return leads and ("dimension" in mention.might or (named and said not in [phrase_key(m.label) for m in metrics]))


def _is_listed(reading: Reading, mention: Mention, found: list[NamedMetric]) -> bool:
    """Whether "and", a comma or the like puts a metric beside the one before it."""
    at = mention.start
    while at > 0:
        if "," in reading.tokens[at].before or "." in reading.tokens[at].before:
            return True
        if JOINING_PHRASES.ending_at(reading.words, at) is not None or reading.words[at - 1] in JOINERS:
            return True
        if reading.roles[at - 1] in ("comparison", "rank", "share"):
            return True
        if any(n.mention.start < at <= n.mention.end for n in found):
            return False
        if reading.words[at - 1] not in _LEADING and reading.roles[at - 1] != "small":
            return False
        at -= 1
    return False


Named = list[tuple[NamedMetric, Term]]


def settle_metrics(reading: Reading, named: list[NamedMetric]) -> Named:
    """Each metric settled to one meaning; those only spoken of are left out."""
    settled = []
    for one in named:
        if one.use == "spoken of":
            continue
        term = reading.settle(one.mention, "What do you mean by")
        metric = reading.catalog.metric(term.name)
        if one.counted and metric is not None and not _countable(metric, reading.said(one.mention)):
            raise refuse(f"I know the {metric.label}, not how many there are.")
        settled.append((one, term))
    return settled


def _countable(metric: CatalogMetric, said: str) -> bool:
    """ "How many" fits counts, sums without a unit (seats), and sums whose unit is what is said (miles)."""
    if metric.aggregation in ("average", "share"):
        return False
    return not metric.unit or (metric.unit.lower() in said.lower() and not currency_of(metric.unit))


def check_aggregations(reading: Reading, metrics: list[CatalogMetric]) -> None:
    """Stop at "total" for a metric that is an average: another aggregation is another question."""
    for at, word in enumerate(reading.words):
        if reading.roles[at] or not reading.is_free(at) or word not in naming.AGGREGATION_WORDS:
            continue
        for metric in metrics:
            if word not in naming.AGGREGATIONS.get(metric.aggregation, frozenset()):
                raise refuse(f"I know the {metric.label}, but not as “{word}”.")


def check_nouns(reading: Reading, metrics: list[CatalogMetric]) -> None:
    """Stop at a thing that is neither what the metrics count nor what their rows belong to: it may be a condition."""
    for mention in reading.of_kind("noun"):
        if not _is_about(reading, mention, metrics):
            raise refuse(f"I don't understand what “{reading.said(mention)}” is to say here.")
        reading.use(mention)
