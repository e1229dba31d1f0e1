"""Rankings: the most and the best, how many of them, and by which number."""

from typing import Literal

import msgspec

from kelpie.analyst.catalog import CatalogMetric
from kelpie.analyst.planner.english import ranking as english
from kelpie.analyst.planner.english.asking import RANK
from kelpie.analyst.planner.english.dates import NUMBER_WORDS
from kelpie.analyst.planner.english.words import number_of
from kelpie.analyst.planner.reading.lexicon import Mention
from kelpie.analyst.planner.reading.reading import Reading, refuse

RANKING_ROWS = 5
FINE_RANKING_ROWS = 10  # of days and weeks


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """`word` as it was said, its pole, how many members are asked for, and the metric that it is said of."""

    word: str
    pole: english.Pole
    count: int | None = None
    mention: Mention | None = None


def find_ranking(reading: Reading) -> Ranking | None:
    """The superlative; claims its words. "The highest and the lowest" together are no ranking, but a whole list."""
    found = [at for at, word in enumerate(reading.words) if word in english.SUPERLATIVES and reading.is_free(at)]
    # "At least" and "at most" are bounds, "the most recent" is a time.
    found = [
        at for at in found if reading.words[at - 1 : at] != ["at"] and reading.words[at + 1 : at + 2] != ["recent"]
    ]
    if not found:
        return None
    for at in found:
        reading.claim(at, at + 1, RANK)
        if reading.words[at - 1] in english.PLACED and at > 0 and reading.roles[at - 1] == "":
            raise refuse(f"I can list the first few, not only the {reading.words[at - 1]}: ask for the top few.")
    for _, start, end in list(reading.phrases(english.PERFORMING)):
        reading.claim(start, end, RANK)
    poles = {english.SUPERLATIVES[reading.words[at]] for at in found}
    if len(poles - {"ranked"}) > 1:
        return None
    first = next((at for at in found if english.SUPERLATIVES[reading.words[at]] != "ranked"), found[0])
    word = reading.words[first]
    return Ranking(
        word=word, pole=english.SUPERLATIVES[word], count=_count(reading, first), mention=_said_of(reading, first)
    )


def _count(reading: Reading, at: int) -> int | None:
    """ "top 5", "the three worst", "which 3 regions have the highest …"."""
    for place in (at + 1, at - 1):
        count = reading.number_at(place) if reading.role(place) == "" else None
        if count is not None:
            reading.claim(place, place + 1, RANK)
            return count
    for mention in reading.mentions:
        place = mention.start - 1
        if mention.kind == "dimension" and place >= 0 and reading.role(place) == "":
            number = number_of(reading.tokens[place], NUMBER_WORDS)
            if number is not None and reading.words[place] != "one":
                reading.claim(place, place + 1, RANK)
                return number
    return None


def _said_of(reading: Reading, at: int) -> Mention | None:
    """The metric a superlative is about: the next one, or the last one before it."""
    metrics = [mention for mention in reading.mentions if mention.kind == "metric"]
    around = next((mention for mention in metrics if mention.start < at < mention.end), None)
    if around is not None:
        return around  # "cancelled the most flights"
    after = next((mention for mention in metrics if mention.start > at), None)
    return after or next((mention for mention in reversed(metrics) if mention.end <= at), None)


def direction(metric: CatalogMetric, ranking: Ranking, *, flipped: bool) -> tuple[Literal["asc", "desc"], str]:
    """The order that a superlative means for a metric, and how to say it of the metric itself."""
    if ranking.pole in ("worst", "best"):
        high_is_worse = metric.direction == "higher_is_worse"
        return ("desc" if high_is_worse == (ranking.pole == "worst") else "asc"), ranking.word
    wants_high = (ranking.pole in ("high", "ranked")) != flipped
    return ("desc", "highest") if wants_high else ("asc", "lowest")
