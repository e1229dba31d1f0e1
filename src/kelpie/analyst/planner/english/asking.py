"""Words that ask for nothing by themselves, and the small words that tie a question together.

FILLERS can be left out of any question without changing it. What could change it is no filler: "more", "not", "only",
"between", "without", "still" need a construction that reads them, or the question is refused.
"""

from collections.abc import Mapping

from kelpie.analyst.planner.english.patterns import Phrases

FILLERS = frozenset(
    """
    a an the this that these those such there here it its itself they them their theirs he him his she her
    i me my mine we us our ours you your yours anybody anyone somebody someone everybody everyone
    am is are was were be been being do does did doing done has have having had can could would shall should
    i'd i'm i've we'd we're we've you'd
    what which who whom whose where how much many
    please kindly thank thanks hi hello hey ok okay well
    show shows showing tell tells give gives get gets getting got list lists display report reports reporting reported
    look looks looked looking find see sees seeing saw seen know knows want wants wanted need needs like wonder
    wondering interested curious learn check let take try understand calculate compute determine produce
    provide pull fetch say says said answer ask
    happen happened happens go goes going gone went come comes came coming perform performs performed performing
    performance make makes made making
    data dataset figure figures number numbers value values amount amounts result results statistics stats info
    information question overview summary view
    just simply also too so then actually really exactly altogether quick quickly please
    respective respectively individual individually given certain specific
    """.split()
)

# A part of a question, by what it is. Small words may stand only before certain parts: see BEFORE.
METRIC, DIMENSION, VALUE, AXIS, NOUN, BACKGROUND = "metric", "dimension", "value", "axis", "noun", "background"
PERIOD, GRAIN, TREND, RANK, CONDITION = "period", "grain", "trend", "rank", "condition"
SHARE, COMPARISON, SHOW, SMALL = "share", "comparison", "show", "small"

_THINGS = frozenset({METRIC, DIMENSION, VALUE, NOUN, BACKGROUND})
_ALL = _THINGS | {AXIS, PERIOD, GRAIN, TREND, RANK, CONDITION, SHARE, COMPARISON, SHOW}
# What a small word may stand before. "to" and "into" need a cue of the data, "without" and "except" a reader of their
# own; "after", "since" and the like are read with the period that follows. Anywhere else they are not understood.
BEFORE: Mapping[str, frozenset[str]] = {
    "of": _ALL - {SHOW},
    "in": _ALL - {AXIS},
    "on": _THINGS | {PERIOD, AXIS, GRAIN, SHOW},
    "at": _THINGS - {METRIC} | {PERIOD, AXIS},
    "for": _ALL - {SHOW},
    "from": _THINGS - {METRIC} | {PERIOD, RANK},
    "with": _THINGS - {METRIC, NOUN} | {RANK, CONDITION, SHARE, COMPARISON, SHOW},
    "by": _ALL - {PERIOD, CONDITION, TREND, NOUN, BACKGROUND},
    "per": frozenset({DIMENSION, GRAIN}),
    "across": frozenset({DIMENSION, VALUE, PERIOD, GRAIN, NOUN, BACKGROUND}),
    "over": frozenset({PERIOD, GRAIN, TREND}),
    "during": frozenset({PERIOD, GRAIN}),
    "within": frozenset({PERIOD, VALUE}),
    "throughout": frozenset({PERIOD}),
    "through": frozenset({VALUE, PERIOD}),
    "via": frozenset({VALUE}),
    "using": frozenset({VALUE}),
    "among": frozenset({DIMENSION, VALUE, NOUN, BACKGROUND}),
    "amongst": frozenset({DIMENSION, VALUE, NOUN, BACKGROUND}),
    "as": frozenset({SHARE, SHOW}),
    "about": frozenset({METRIC, COMPARISON, TREND, RANK, VALUE, DIMENSION, PERIOD}),
    "each": frozenset({DIMENSION, GRAIN}),
    "every": frozenset({DIMENSION, GRAIN}),
    "all": _ALL,
    "any": frozenset({DIMENSION, NOUN, METRIC, GRAIN, VALUE}),
    "both": frozenset({VALUE, METRIC, PERIOD, DIMENSION}),
    "either": frozenset({VALUE, METRIC, PERIOD}),
    "only": frozenset({VALUE, PERIOD}),
    "same": frozenset({METRIC, DIMENSION, PERIOD, GRAIN}),
    "and": _ALL,
    "or": frozenset({METRIC, VALUE, PERIOD, DIMENSION}),
    "&": _ALL,
    "vs": frozenset({VALUE, METRIC, PERIOD}),
    "versus": frozenset({VALUE, METRIC, PERIOD}),
    "against": frozenset({VALUE, METRIC, PERIOD}),
    "when": frozenset({TREND, RANK, METRIC, VALUE, DIMENSION}),
}
JOINERS = frozenset({"and", "or", "&", "vs", "versus", "against"})

# Phrases that mean nothing beyond the words they introduce.
SMALL_PHRASES: Phrases[str] = Phrases(
    {
        "broken|break|split|grouped|sliced|separated|sorted|ordered|listed|drilled down|out|up? by": SMALL,
        "breakdown|split|grouping of|by|for|across": SMALL,
        "in terms of": SMALL,
        "with respect|regard to": SMALL,
        "for|in|at|on|of|with each|every of?": SMALL,
        "at|by the end of each|every": SMALL,
        "according to": SMALL,
        "as well as": SMALL,
        "along|together with": SMALL,
        "would|'d like": SMALL,
        "what|how about": SMALL,
        # Of any quantity one asks how high it is; a pole of its own ("how high were the highest") stands apart.
        "how high|large|big|great|low|small|strong|good|bad": SMALL,
        "to see|know|understand|find|show|get|have": SMALL,
        "find out": SMALL,
        "please|kindly state|name|indicate|summarise|summarize": SMALL,
        "on average": SMALL,
        "look|looking at": SMALL,
        "based on": SMALL,
        "side by side": SMALL,
        "add|adds|added up": SMALL,
    }
)
JOINING_PHRASES: Phrases[str] = Phrases({"as well as": SMALL, "along|together with": SMALL, "and also": SMALL})

GREETINGS = frozenset(
    "hi hello hey thanks thank good morning afternoon evening bye goodbye ok okay great perfect nice cheers".split()
)
HELP = frozenset({"help", "metrics", "capabilities"})
WHY = frozenset({"why"})
FUTURE = frozenset(
    """
    forecast forecasts forecasted predict prediction predictions predicted expect expected projection projections
    projected tomorrow next will future upcoming
    """.split()
)
TODAY = frozenset({"today", "yesterday", "tonight", "nowadays"})
PRONOUNS = frozenset({"it", "that", "this", "these", "those", "they", "them", "their", "its", "same"})
OPENERS = ("and", "what about", "how about", "also", "same", "now", "only", "just")
_POINTING = PRONOUNS - {"this", "that"}


def points_back(words: list[str]) -> bool:
    """Whether a question itself says that it goes on from the last one: "and in July?", "the same for Europe"."""
    text = " ".join(words)
    return bool(_POINTING & set(words)) or any(text.startswith(f"{opener} ") for opener in OPENERS)
