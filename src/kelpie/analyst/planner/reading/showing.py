"""Whether a question itself asks for a table or a chart."""

from kelpie.analyst.planner.asked import Show
from kelpie.analyst.planner.english.asking import SHOW
from kelpie.analyst.planner.english.showing import CHART_WORDS, KINDS_OF_CHART, NEGATIONS, SHOW_WORDS, TABLE_WORDS
from kelpie.analyst.planner.reading.reading import Reading


def read_show(reading: Reading) -> Show | None:
    """What the words ask for; "no charts" asks for a table."""
    show: Show | None = None
    for at, word in enumerate(reading.words):
        if not reading.is_free(at) or word not in SHOW_WORDS:
            continue
        reading.claim(at, at + 1, SHOW)
        if word in CHART_WORDS and at and reading.words[at - 1] in KINDS_OF_CHART and reading.is_free(at - 1):
            reading.claim(at - 1, at, SHOW)
        if word in TABLE_WORDS | CHART_WORDS:
            negations = [p for p in range(max(0, at - 3), at) if reading.words[p] in NEGATIONS and reading.is_free(p)]
            for place in negations:
                reading.claim(place, place + 1, SHOW)
            wants_table = (word in TABLE_WORDS) != bool(negations)
            show = show or ("table" if wants_table else "chart")
    return show
