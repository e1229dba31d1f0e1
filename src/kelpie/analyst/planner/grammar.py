"""How a question asks: for a ranking, a development, a table; and which of its words mean nothing here."""

from kelpie.analyst.catalog import Catalog
from kelpie.analyst.planner import english
from kelpie.analyst.planner.asked import Refused, Show
from kelpie.analyst.planner.reading import Reading, Stop

TREND = "trend"
_ARTICLES = (["a"], ["an"], ["one"])


def read_show(reading: Reading) -> Show | None:
    """Whether this question itself asks for a table or a chart; "no charts" asks for a table."""
    show: Show | None = None
    for at, word in enumerate(reading.words):
        if not reading.is_free(at) or word not in english.SHOW_WORDS:
            continue
        reading.known.add(at)
        if word in english.TABLE_WORDS | english.CHART_WORDS:
            negations = [p for p in range(max(0, at - 3), at) if reading.words[p] in english.NEGATIONS]
            reading.known.update(negations)
            wants_table = (word in english.TABLE_WORDS) != bool(negations)
            show = show or ("table" if wants_table else "chart")
    return show


def read_ranking(reading: Reading) -> tuple[str, int | None]:
    """The superlative, and how many the question asks for: "top 5", "which three carriers had the worst …"."""
    superlative, count = "", None
    for at, word in enumerate(reading.words):
        if not reading.is_free(at) or word not in english.SUPERLATIVES or reading.words[at - 1 : at] == ["at"]:
            continue  # "at least 5" is a condition, not a ranking
        reading.known.add(at)
        superlative = superlative or word
        for place in (at + 1, at - 1):
            if count is None and (count := reading.number_at(place)) is not None:
                reading.known.add(place)
    if superlative and count is None:
        for mention in reading.mentions:
            if mention.kind == "dimension" and (count := reading.number_at(mention.start - 1)) is not None:
                reading.known.add(mention.start - 1)
                break
    return superlative, count


def read_grain(reading: Reading) -> str | None:
    """A grain, or TREND for a development whose grain is left open. Stops if the data don't have it."""
    grain: str | None = None
    for at in range(len(reading.words)):
        if reading.is_free(at) and (found := _grain_at(reading.words, at)) is not None:
            grain = found if found != TREND else grain or TREND
            reading.known.add(at)
    time = reading.catalog.time
    if grain is not None and time is None:
        raise Stop(Refused("These data have no dates, so nothing can be said about a development."))
    if grain is not None and grain != TREND and time is not None and grain not in time.grains:
        raise Stop(Refused(f"These data can be shown by {', '.join(time.grains)}, not by {grain}."))
    return grain


def _grain_at(words: list[str], at: int) -> str | None:
    word, before, after = words[at], words[at - 1] if at else "", words[at + 1 : at + 3]
    if word in english.GRAIN_ADVERBS:
        return english.GRAIN_ADVERBS[word]
    noun = english.GRAIN_NOUNS.get(word)
    if noun is not None:
        said_twice = after in (["by", word], ["over", word], ["on", word], ["after", word])
        return noun if before in english.BEFORE_GRAIN or word.endswith("s") or said_twice else None
    is_trend = word in english.TREND or word == "when" or words[at : at + 2] == ["over", "time"]
    return TREND if is_trend else None


def unknown_words(reading: Reading) -> list[str]:
    """Words that mean nothing here, in the order they were said."""
    # "A worse than B" compares two members; "worse than B" alone would be a condition.
    compares = sum(mention.kind == "value" for mention in reading.mentions) > 1
    said = english.FUNCTION_WORDS | english.AGGREGATION_WORDS | english.PRONOUNS
    if compares:
        said |= english.COMPARATIVES
    # "more than an hour" asks for a length of time, not for numbers by hour.
    meant_otherwise = {
        m.start for m in reading.of_kind("dimension") if reading.words[m.start - 1 : m.start] in _ARTICLES
    }
    unknown = [
        reading.tokens[at].text
        for at, word in enumerate(reading.words)
        if at in meant_otherwise or (reading.is_free(at) and word not in said)
    ]
    return list(dict.fromkeys(unknown))


def check_aggregation(reading: Reading, catalog: Catalog, metric_name: str) -> None:
    """Stop at "total" for a metric that is an average: another aggregation is another question."""
    metric = catalog.metric(metric_name)
    if metric is None:
        return
    fitting = english.AGGREGATIONS.get(metric.aggregation, frozenset())
    for at, word in enumerate(reading.words):
        if reading.is_free(at) and word in english.AGGREGATION_WORDS and word not in fitting:
            raise Stop(Refused(f"I know the {metric.label}, but not as “{word}”."))
