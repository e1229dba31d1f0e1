"""A question in words and a catalog -> what is asked.

Nothing in a question is skipped silently. A word that is neither in the catalog nor part of how English asks makes
the question one that can't be answered: leaving it out would answer another question.
"""

import datetime as dt
from typing import Literal, cast

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog, CatalogPeriod, CatalogTime
from kelpie.analyst.planner import english
from kelpie.analyst.planner.asked import Asked, Intent, Previous, Refused, ShowAgain, Unclear
from kelpie.analyst.planner.follow_up import carried, leans_on_previous
from kelpie.analyst.planner.grammar import (
    TREND,
    check_aggregation,
    read_grain,
    read_ranking,
    read_show,
    unknown_words,
)
from kelpie.analyst.planner.lexicon import Term
from kelpie.analyst.planner.naming import find_values, read_dimensions, read_filters, read_metrics, refuse_topics
from kelpie.analyst.planner.periods import PeriodReader, TimeMention
from kelpie.analyst.planner.reading import Reading, Stop
from kelpie.analyst.semantic.model import Grain

RANKING_ROWS = 5
_FINE_RANKING_ROWS = 10
_DAILY_RANGE_DAYS = 31
_SHORT_RANGE_DAYS = 62


class NotAnAnswer(Exception):
    """What the user said when asked back picks none of the options."""


def understand(question: str, catalog: Catalog, previous: Previous | None, answers: list[str]) -> Asked:
    """What is asked. `answers` are what the user said when asked back about this question.

    Raises NotAnAnswer if the last of them settles nothing: it was something else that the user wanted to say.
    """
    reading = Reading(question, catalog, previous, answers)
    try:
        asked = _asked(reading)
    except Stop as stop:
        asked = stop.asked
    if answers and answers[-1] not in reading.used_answers:
        raise NotAnAnswer(answers[-1])
    return asked


def _asked(reading: Reading) -> Asked:
    times = _times(reading)
    refuse_topics(reading)
    show = read_show(reading)
    superlative, limit = read_ranking(reading)
    grain = read_grain(reading)
    values = find_values(reading)
    # Before anything is asked back: there is no use in settling words of a question that has others nobody knows.
    unknown = unknown_words(reading)
    if unknown:
        return _not_known(unknown)
    metrics = read_metrics(reading)
    filters = read_filters(reading, values)
    dimensions = read_dimensions(reading, filters)
    period = _period(reading, times)
    says_something = metrics or dimensions or filters or period or grain or superlative
    if show is not None and reading.previous is not None and not says_something:
        return ShowAgain(show)
    intent = Intent(
        metrics=[term.name for term in metrics],
        dimensions=dimensions,
        filters=filters,
        grain=None if grain in (None, TREND) else cast("Grain", grain),
        superlative=superlative,
        limit=limit,
        show=show,
    )
    if period is not None:
        intent.first, intent.last, intent.period = period.first, period.last, period.label
    is_trend = grain == TREND
    previous = reading.previous
    if previous is not None and leans_on_previous(reading.words, intent, is_trend=is_trend):
        intent = carried(intent, previous, reading.catalog, is_trend=is_trend)
    return _finished(reading, intent, metrics, is_trend=is_trend)


# --- time -------------------------------------------------------------------------------------------------------------


def _times(reading: Reading) -> list[TimeMention]:
    """Periods in the question; what the catalog knows by other meanings is left to them."""
    time = reading.catalog.time
    if time is None:
        return []
    periods = {period.name: period for period in reading.catalog.periods}
    named: dict[int, tuple[CatalogPeriod, int]] = {}
    taken: set[int] = set()
    for mention in reading.mentions:
        if mention.kind == "period":
            named[mention.start] = (periods[mention.terms[0].name], mention.end)
        elif mention.kind != "background":
            taken.update(range(mention.start, mention.end))
    found = PeriodReader(reading.tokens, *_coverage(time), named, taken).find()
    for time_mention in found:
        reading.known.update(range(time_mention.start, time_mention.end))
    return found


def _coverage(time: CatalogTime) -> tuple[dt.date, dt.date]:
    return dt.date.fromisoformat(time.first), dt.date.fromisoformat(time.last)


def _period(reading: Reading, times: list[TimeMention]) -> TimeMention | None:
    """The one period, or several that follow on each other. Stops if they don't, or if the data have nothing of it."""
    time = reading.catalog.time
    if not times or time is None:
        return None
    whole = times[0]
    for mention in times[1:]:
        if mention.first != whole.last + dt.timedelta(days=1):
            options = [each.label for each in times][: limits.QUESTION_OPTIONS_MAX]
            chosen = reading.chosen(options)
            if chosen is None:
                raise Stop(Unclear("I look at one period at a time. Which one do you mean?", options))
            whole = times[chosen]
            break
        whole = TimeMention(whole.first, mention.last, f"{whole.label} and {mention.label}", whole.start, mention.end)
    first, last = _coverage(time)
    if whole.first > last or whole.last < first:
        raise Stop(Refused(f"The data cover {first} to {last}: they hold nothing for {whole.label}."))
    return whole


def _trend_grain(time: CatalogTime, intent: Intent) -> Grain:
    """Fine for a short range, coarse for a long one."""
    first, last = _coverage(time)
    days = (min(intent.last or last, last) - max(intent.first or first, first)).days
    wanted: list[Grain] = ["month", "quarter", "year"]
    if days <= _SHORT_RANGE_DAYS:
        wanted = ["day", "week", *wanted] if days <= _DAILY_RANGE_DAYS else ["week", *wanted]
    return next((grain for grain in wanted if grain in time.grains), cast("Grain", time.grains[0]))


# --- what the question leaves open ------------------------------------------------------------------------------------


def _finished(reading: Reading, intent: Intent, terms: list[Term], *, is_trend: bool) -> Asked:
    """The intent with what a question leaves to the one who answers; asks where there is a real choice."""
    catalog = reading.catalog
    if not intent.metrics:
        labels = [metric.label for metric in catalog.metrics]
        chosen = reading.chosen(labels)
        if chosen is None:
            return _no_metric(intent, labels)
        intent.metrics = [catalog.metrics[chosen].name]
    check_aggregation(reading, catalog, intent.metrics[0])
    if is_trend and intent.grain is None and catalog.time is not None:
        intent.grain = _trend_grain(catalog.time, intent)
    if not intent.superlative:
        if intent.dimensions and intent.grain is None and not _has_own_order(catalog, intent.dimensions[0]):
            intent.order = "desc"
        return intent
    flipped = any(term.flipped for term in terms)
    intent.order, intent.superlative = _direction(catalog, intent.metrics[0], intent.superlative, flipped=flipped)
    if not intent.dimensions and intent.grain is None:
        unclear = _rank_by_what(reading, intent)
        if unclear is not None:
            return unclear
    if intent.limit is None:
        intent.limit = {None: RANKING_ROWS, "day": _FINE_RANKING_ROWS, "week": _FINE_RANKING_ROWS}.get(intent.grain)
    return intent


def _no_metric(intent: Intent, labels: list[str]) -> Asked:
    if intent.dimensions or intent.filters or intent.period or intent.superlative:
        return Unclear("Which figure do you want?", labels[: limits.QUESTION_OPTIONS_MAX])
    return Refused("I don't understand that question.")


def _rank_by_what(reading: Reading, intent: Intent) -> Unclear | Refused | None:
    """A ranking of what? Taken from the user's answer, or asked for."""
    catalog = reading.catalog
    metric = catalog.metric(intent.metrics[0])
    label = metric.label if metric else intent.metrics[0]
    if english.SINGLE_EXTREMES & set(reading.words):
        return Refused(f"I know the {label}, not the extremes of single cases.")
    grains = list(catalog.time.grains) if catalog.time else []
    options = ([dimension.label for dimension in catalog.dimensions] + grains)[: limits.QUESTION_OPTIONS_MAX]
    chosen = reading.chosen(options)
    if chosen is None:
        return Unclear(f"The {intent.superlative} {label} by what?", options)
    if chosen < len(catalog.dimensions):
        intent.dimensions = [catalog.dimensions[chosen].name]
    else:
        intent.grain = cast("Grain", options[chosen])
    return None


def _has_own_order(catalog: Catalog, name: str) -> bool:
    """Whether the dimension's values have an order of their own, as hours have."""
    dimension = catalog.dimension(name)
    return dimension is not None and dimension.type == "number"


def _direction(catalog: Catalog, name: str, word: str, *, flipped: bool) -> tuple[Literal["asc", "desc"], str]:
    """The order that a superlative means for a metric, and how to say it of the metric itself."""
    metric = catalog.metric(name)
    if word in english.WORST | english.BEST:
        high_is_worse = metric is not None and metric.direction == "higher_is_worse"
        return ("desc" if high_is_worse == (word in english.WORST) else "asc"), word
    wants_high = word in english.RANKED or (word in english.HIGHEST) != flipped
    return ("desc", "highest") if wants_high else ("asc", "lowest")


def _not_known(words: list[str]) -> Refused:
    quoted = " and ".join(f"“{word}”" for word in words[:3])
    return Refused(f"I don't know what {quoted} {'mean' if len(words[:3]) > 1 else 'means'} in these data.")
