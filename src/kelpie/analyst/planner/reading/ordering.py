"""The order of an answer: a ranking by a number or by its growth, and how many rows of it."""

from kelpie.analyst import limits
from kelpie.analyst.metric_query import Order
from kelpie.analyst.planner.asked import Intent
from kelpie.analyst.planner.english import comparing
from kelpie.analyst.planner.english.ranking import SINGLE_EXTREMES
from kelpie.analyst.planner.reading.choosing import Choice
from kelpie.analyst.planner.reading.contrasting import Contrast
from kelpie.analyst.planner.reading.follow_up import Carried
from kelpie.analyst.planner.reading.found import Found
from kelpie.analyst.planner.reading.naming import Named
from kelpie.analyst.planner.reading.ranking import FINE_RANKING_ROWS, RANKING_ROWS, Ranking, direction
from kelpie.analyst.planner.reading.reaching import fix_separate
from kelpie.analyst.planner.reading.reading import Reading, refuse


def settle_order(reading: Reading, found: Found, intent: Intent, named: Named, carried: Carried | None) -> None:
    contrast = found.contrast
    if contrast is not None and contrast.ranked:
        _by_change(reading, intent, contrast, None)
    elif found.ranking is not None and contrast is not None and _ranks_change(reading, found.ranking, contrast):
        _by_change(reading, intent, contrast, found.ranking)
    elif found.ranking is not None:
        _by_value(reading, intent, found.ranking, named)
    elif carried is not None and _keeps_order(found, intent, carried):
        order = carried.query.order[0]
        intent.order = [order]
        intent.superlative = "highest" if order.direction == "desc" else "lowest"
        intent.limit = carried.query.limit
    if intent.superlative:
        _check_members(reading, intent)
        fix_separate(reading, intent)
        intent.limit = intent.limit or _limit(found, intent, carried)
    elif intent.dimensions and intent.grain is None and not _has_own_order(reading, intent.dimensions[0]):
        falling = contrast is not None and contrast.change == "down"
        intent.order = [Order(by=_first_measure(intent), direction="asc" if falling else "desc")]


def _limit(found: Found, intent: Intent, carried: Carried | None) -> int | None:
    """How many rows a ranking shows: as many as were said, or a few; all of "rank all by", and all months."""
    ranking = found.ranking
    if ranking is not None and ranking.count is not None:
        return ranking.count
    if ranking is not None and ranking.pole == "ranked":
        return None
    if ranking is not None and carried is not None and carried.query.limit is not None:
        return carried.query.limit
    if intent.grain in ("day", "week"):
        return FINE_RANKING_ROWS
    return RANKING_ROWS if intent.grain is None else None


def _keeps_order(found: Found, intent: Intent, carried: Carried) -> bool:
    """Whether a follow-up keeps the ranking: it names no other steps or groups."""
    query = carried.query
    same = found.stepping is None and not found.groups and bool(intent.dimensions or query.grain)
    return same and query.limit is not None and bool(query.order) and query.order[0].by in _columns(intent)


def _columns(intent: Intent) -> set[str]:
    parts = ("_growth", "_change") if intent.compare else ()
    return {name + part for name in intent.metrics for part in ("", *parts)}


def _first_measure(intent: Intent) -> str:
    return f"{intent.metrics[0]}_change" if intent.compare and not intent.share else intent.metrics[0]


def _ranks_change(reading: Reading, ranking: Ranking, contrast: Contrast) -> bool:
    """ "Top 5 by X growth" ranks growth; "top 5 by X and how much it grew" ranks X."""
    mention = ranking.mention
    if mention is None or not contrast.change:
        return mention is None and bool(contrast.change)
    before = reading.before(mention.start)
    behind = reading.words[mention.end : mention.end + 1]
    leads = before > 0 and reading.words[before] in ("of", "in") and reading.words[before - 1] in comparing.CHANGES
    return leads or (bool(behind) and behind[0] in comparing.CHANGES)


def _by_change(reading: Reading, intent: Intent, contrast: Contrast, ranking: Ranking | None) -> None:
    high = contrast.ranked == "high" if ranking is None else ranking.pole in ("high", "best", "ranked")
    if contrast.change == "either" and ranking is None:
        raise refuse("Say whether you mean the largest growth or the largest decline.")
    measure = contrast.measure or ("change" if contrast.word in comparing.ABSOLUTE and contrast.ranked else "")
    metric = reading.catalog.metric(intent.metrics[0])
    assert metric is not None, "named from this catalog"
    if not measure:
        absolute = f"absolute, in {metric.unit or 'number'}"
        ask = f"Is the growth of the {metric.label} meant in percent, or as an absolute change?"
        choices = [Choice("in percent"), Choice(absolute)]
        measure = "growth" if reading.choose(ask, "", choices) == 0 else "change"
    wants_high = high != (contrast.change == "down")
    intent.order = [Order(by=f"{metric.name}_{measure}", direction="desc" if wants_high else "asc")]
    named = "growth" if measure == "growth" else "change"
    intent.superlative = f"{'highest' if wants_high else 'lowest'} {named} of"
    reading.say(f"Ranked by {'growth in percent' if measure == 'growth' else 'the change itself'}.")


def _by_value(reading: Reading, intent: Intent, ranking: Ranking, named: Named) -> None:
    said_of = next((term for one, term in named if one.mention == ranking.mention), None)
    name = said_of.name if said_of is not None else intent.metrics[0]
    flipped = said_of is not None and said_of.flipped
    metric = reading.catalog.metric(name)
    assert metric is not None, "named from this catalog"
    if ranking.pole in ("worst", "best") and metric.direction == "neutral":
        ask = f"Is a high {metric.label} good or bad here? Do you mean the highest or the lowest?"
        pole = "high" if reading.choose(ask, "", [Choice("highest"), Choice("lowest")]) == 0 else "low"
        ranking = Ranking(word=pole, pole="high" if pole == "high" else "low", count=ranking.count)
    way, said = direction(metric, ranking, flipped=flipped)
    # The number that the ranking is by comes first: it is what the answer is about.
    intent.metrics = [name, *(other for other in intent.metrics if other != name)]
    intent.order, intent.superlative = [Order(by=name, direction=way)], said


def _check_members(reading: Reading, intent: Intent) -> None:
    """A ranking is of one thing: members of a dimension, or periods. Asks of what, if it says neither."""
    metric = reading.catalog.metric(intent.metrics[0])
    label = metric.label if metric else intent.metrics[0]
    if not intent.dimensions and intent.grain is None:
        if SINGLE_EXTREMES & set(reading.words):
            raise refuse(f"I know the {label}, not the extremes of single cases.")
        _rank_by_what(reading, intent, label)
    separated = set(metric.separate_by) if metric else set()
    members = [name for name in intent.dimensions if name not in separated]
    if len(members) + (intent.grain is not None) > 1:
        raise refuse("I rank by one thing at a time: by one dimension, or by time.")


def _rank_by_what(reading: Reading, intent: Intent, label: str) -> None:
    """A ranking of what? Taken from the user's answer, or asked for."""
    metric = reading.catalog.metric(intent.metrics[0])
    closed = set(metric.not_by) if metric else set()
    dimensions = [d for d in reading.catalog.dimensions if d.name not in closed and d.type != "boolean"]
    grains = list(reading.catalog.times[0].grains) if reading.catalog.times else []
    choices = [Choice(dimension.label) for dimension in dimensions][: limits.QUESTION_OPTIONS_MAX - 2]
    if "month" in grains:
        choices.append(Choice("month"))
    picked = reading.choose(f"The {intent.superlative} {label} by what?", "", choices)
    if picked < len(choices) - ("month" in grains):
        intent.dimensions = [dimensions[picked].name]
    else:
        intent.grain = "month"


def _has_own_order(reading: Reading, name: str) -> bool:
    """Whether the dimension's values have an order of their own, as hours have."""
    dimension = reading.catalog.dimension(name)
    return dimension is not None and dimension.type == "number"
