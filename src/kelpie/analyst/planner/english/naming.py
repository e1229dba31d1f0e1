"""How words point at what the data know: at a number, at values to keep or leave out, at what to group by."""

from collections.abc import Mapping
from typing import Literal

from kelpie.analyst.planner.english.patterns import Phrases

# --- numbers ----------------------------------------------------------------------------------------------------------

COUNTED: Phrases[bool] = Phrases({"number|numbers|count|counts of the?": True, "how many": True, "amount of": False})
AGGREGATIONS: Mapping[str, frozenset[str]] = {
    "average": frozenset({"average", "averaged", "averages", "mean", "typical", "typically", "avg"}),
    "sum": frozenset({"total", "totals", "sum", "sums", "overall", "combined", "altogether"}),
    "count": frozenset({"count", "counts", "total", "totals", "overall", "combined", "altogether"}),
    "share": frozenset({"share", "shares", "percentage", "percent", "proportion", "fraction", "rate", "ratio"}),
}
# Words that ask for an aggregation. One that does not fit the metric is a different question.
AGGREGATION_WORDS = frozenset(
    """
    average averaged averages mean typical typically avg total totals sum sums combined count counts cumulative
    median percentile quantile deviation variance distribution overall rate ratio
    """.split()
)
TOGETHER: Phrases[bool] = Phrases(
    {"combined": True, "together": True, "in total": True, "taken|put together": True, "all together": True}
)
# Phrases that ask what a metric is, not how much.
DEFINING = frozenset(
    {"define", "defined", "definition", "meaning", "calculated", "computed", "measured", "mean", "means"}
)

# --- values -----------------------------------------------------------------------------------------------------------

Mode = Literal["in", "not_in", "all"]
# Before a value, or before the preposition that leads to it.
LEAVING_OUT: Phrases[Mode] = Phrases(
    {
        "except|excluding|exclude|excludes|excluded|without|besides|omitting|minus|ignoring|less for?": "not_in",
        "except|apart|aside for|from": "not_in",
        "other than": "not_in",
        "but not": "not_in",
        "not": "not_in",
        "non": "not_in",
        "outside of?": "not_in",
        "not counting|including": "not_in",
        "if? you|we|i? leave|leaves|leaving|left out|aside": "not_in",
        "if you|we|i exclude|ignore|omit|drop|skip": "not_in",
        "ignore|omit|skip": "not_in",
        "isn't|aren't|wasn't|weren't": "not_in",
        "including|include|incl|counting": "all",
        "with|and including": "all",
    }
)
ALONE = frozenset({"only", "just", "exclusively", "solely"})
# Between "except" and its value, or between a cue and its value.
LEADING_IN = frozenset("the a an for and or in at of to with those from on any all both that is are by".split())
# Before a dimension: rows without a value of it, or with one.
MISSING: Phrases[bool] = Phrases(
    {
        "without a|an|any|the? known?": True,
        "with|have|has|having|had no|missing|unknown|empty|blank": True,
        "missing|unknown|lacking|unspecified a|an|any|the?": True,
        "with|have|has|having|had a|an? known": False,
    }
)
AFTER_MISSING: Phrases[bool] = Phrases(
    {"is|are|was|were missing|unknown|empty|blank|unspecified": True, "is|are|was|were not known|given|set": True,
     "is|are|was|were known|given|set": False, "isn't|aren't|wasn't known|given|set": True}
)  # fmt: skip

# Verbs of a way from one thing to another: "from A" is where it began, which is no value of what it is now.
MOVES = frozenset(
    "upgrade downgrade switch move movement migrate migration transfer convert conversion transition shift"
    " change".split()
)

# --- groups -----------------------------------------------------------------------------------------------------------

GROUPING = frozenset({"by", "per", "each", "every", "which", "what", "across", "among", "amongst"})
GROUPING_AFTER = frozenset({"breakdown", "split", "wise", "comparison", "ranking"})
SINGLE = (["a"], ["an"], ["one"])
