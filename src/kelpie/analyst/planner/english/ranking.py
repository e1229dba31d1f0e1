"""Rankings: superlatives, which way they point, and what they are said of."""

from collections.abc import Mapping
from typing import Literal

from kelpie.analyst.planner.english.patterns import Phrases

# "high" and "low" are about the number itself; "best" and "worst" follow what is good for the metric.
Pole = Literal["high", "low", "best", "worst", "ranked"]

SUPERLATIVES: Mapping[str, Pole] = {
    **dict.fromkeys(
        "highest most largest biggest greatest longest maximum max top leading strongest heaviest busiest".split(),
        "high",
    ),
    **dict.fromkeys("lowest least fewest smallest shortest minimum min bottom weakest".split(), "low"),
    **dict.fromkeys(("best",), "best"),
    **dict.fromkeys(("worst",), "worst"),
    **dict.fromkeys("rank ranked ranking rankings".split(), "ranked"),
}  # fmt: skip
# Extremes of single rows, which a metric over many rows is not.
SINGLE_EXTREMES = frozenset({"maximum", "max", "minimum", "min", "longest", "shortest"})
# Said of members ("the largest regions"), where "most" and "fewest" are said of the number ("the most orders").
OF_MEMBERS = frozenset("top bottom best worst largest biggest smallest leading strongest weakest".split())
COMPARATIVES = frozenset(
    "more worse better higher lower larger bigger smaller longer shorter fewer less greater faster slower".split()
)
PERFORMING: Phrases[bool] = Phrases({"performing|performers|performer": True})
# "The second highest": one row further down, which a list of the first few does not single out.
PLACED = frozenset("second third fourth fifth 2nd 3rd 4th 5th runner-up next".split())
