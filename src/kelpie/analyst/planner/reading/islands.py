"""Parts that stand inside a phrase without breaking it: "flights [from Newark to Boston] were cancelled"."""

from kelpie.analyst.planner.dates.periods import TimeMention
from kelpie.analyst.planner.english.asking import BEFORE, CONDITION
from kelpie.analyst.planner.english.ranking import SUPERLATIVES
from kelpie.analyst.planner.reading.reading import Reading

_INSIDE = frozenset({"the", "a", "an", "each", "every", "our", "all", "and", "or", "both"})
_LEADING = frozenset(BEFORE) | {"to", "into"}


def bridge_islands(reading: Reading, times: list[TimeMention]) -> None:
    """Find the metrics whose words stand on both sides of values, groups, periods, bounds and superlatives.

    First with the small words that lead to them ("share of flights [from Newark] cancelled"), then without ("share of
    [Newark] flights cancelled").
    """
    parts = [(m.start, m.end) for m in reading.mentions if m.kinds <= {"value", "dimension"} and "value" in m.kinds]
    led = [(m.start, m.end) for m in reading.mentions if m.kinds == {"dimension"} and _is_led(reading, m.start)]
    fixed = [(time.start, time.end) for time in times]
    fixed += [(at, at + 1) for at, role in enumerate(reading.roles) if role == CONDITION]
    fixed += [(at, at + 1) for at, word in enumerate(reading.words) if word in SUPERLATIVES and reading.is_free(at)]
    bare = {at for start, end in (*parts, *fixed) for at in range(start, end)}
    led_to = {at for start, end in (*parts, *led, *fixed) for at in range(_begin(reading, start), end)}
    reading.bridge(frozenset(bare))
    reading.bridge(frozenset(led_to))


def _begin(reading: Reading, start: int) -> int:
    while start > 0 and reading.words[start - 1] in _INSIDE | _LEADING and reading.is_free(start - 1):
        start -= 1
    return start


def _is_led(reading: Reading, start: int) -> bool:
    while start > 0 and reading.words[start - 1] in _INSIDE:
        start -= 1
    return start > 0 and reading.words[start - 1] in _LEADING
