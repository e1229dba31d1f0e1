"""One thing beside another: earlier periods, growth, shares of a whole, bounds."""

from collections.abc import Mapping
from typing import Literal

from kelpie.analyst.planner.english.patterns import Phrases

# --- against what -----------------------------------------------------------------------------------------------------

# Before a period: it is what another is compared with.
AGAINST: Phrases[bool] = Phrases(
    {
        "compared|compare|comparing|comparison|relative|contrasted to|with": True,
        "in comparison|relation|contrast to|with": True,
        "as compared|opposed to|with": True,
        "against": True,
        "than in|during|for|on|at?": True,
        "versus|vs in|during|for|on?": True,
        "up|down from": True,
    }
)
# Between two periods of equal standing: the later one is measured against the earlier.
BESIDE: Phrases[bool] = Phrases({"versus|vs in|during|for?": True, "and|or in|during|for?": False, "with|to": False})
COMPARE = frozenset({"compare", "comparing", "comparison", "compares", "contrast"})

Base = tuple[Literal["previous_year", "previous_period"], str]  # and the unit it is said of, if any
_YEAR: Base = ("previous_year", "")
_BEFORE: Base = ("previous_period", "")
# What it is compared with, said without a cue before it.
BASES: Phrases[Base] = Phrases(
    {
        "year over|on|to|after year": _YEAR,
        "yoy|yearly change|growth?": _YEAR,
        "y o|y y": _YEAR,
        "month over|on|to month": ("previous_period", "month"),
        "mom": ("previous_period", "month"),
        "quarter over|on|to quarter": ("previous_period", "quarter"),
        "qoq": ("previous_period", "quarter"),
        "week over|on|to week": ("previous_period", "week"),
        "wow": ("previous_period", "week"),
        "day over|on|to day": ("previous_period", "day"),
        "period over|on period": _BEFORE,
    }
)
# What follows "compared with", "than", "versus", where no period with a name does.
EARLIER: Phrases[Base] = Phrases(
    {
        "the? same period|time|month|quarter|week|day|days|months of|in|the? last|previous|prior year": _YEAR,
        "the? same period|time|month|quarter|week|day|days|months a|one year ago|earlier|before": _YEAR,
        "the? same period|time|month|quarter|week|day of|in? the year before|earlier": _YEAR,
        "the? year before|earlier|prior": _YEAR,
        "a|one year ago|before|earlier|prior": _YEAR,
        "the? prior year": _YEAR,
        "the? previous|prior|preceding period|one": _BEFORE,
        "the? period before": _BEFORE,
        "the? month before": ("previous_period", "month"),
        "the? prior|preceding month": ("previous_period", "month"),
        "a|one month ago|before|earlier": ("previous_period", "month"),
        "the? quarter before": ("previous_period", "quarter"),
        "the? prior|preceding quarter": ("previous_period", "quarter"),
        "a|one quarter ago|before|earlier": ("previous_period", "quarter"),
        "the? week before": ("previous_period", "week"),
        "the? prior|preceding week": ("previous_period", "week"),
        "the? day before": ("previous_period", "day"),
        "the? one before": _BEFORE,
        "before": _BEFORE,
    }
)

# --- growth -----------------------------------------------------------------------------------------------------------

Change = Literal["up", "down", "either"]
CHANGES: Mapping[str, Change] = {
    **dict.fromkeys("grow grows grew grown growing growth increase increases increased increasing rise rises rose"
                    " risen rising gain gains gained climb climbed climbs expanded expand".split(), "up"),
    **dict.fromkeys("decline declines declined declining decrease decreases decreased decreasing drop drops dropped"
                    " dropping fall falls fell fallen falling shrink shrinks shrank shrunk shrinking".split(), "down"),
    **dict.fromkeys("change changes changed changing difference differences differ differs delta movement gap".split(),
                    "either"),
}  # fmt: skip
COMPARED_WAYS: Mapping[str, Change] = {
    **dict.fromkeys(("more", "higher", "larger", "bigger", "greater"), "up"),
    **dict.fromkeys(("fewer", "less", "lower", "smaller"), "down"),
}  # fmt: skip
# Of these, what says whether the change is meant in percent or in the metric's own unit.
IN_PERCENT: Phrases[bool] = Phrases(
    {
        "in percent|percentages|%|percentage terms?": True,
        "percentage|percent|% growth|change|increase|decrease|rise|drop|decline": True,
        "growth rate|rates": True,
        "relative|relatively terms?": True,
        "in absolute terms|numbers": False,
        "absolute|absolutely": False,
        "in absolute": False,
    }
)
FASTEST = frozenset({"fastest", "quickest"})
SLOWEST = frozenset({"slowest"})
# "The biggest increase" is one in the metric's own unit; "grew most" and "the highest growth" may be either.
ABSOLUTE = frozenset(
    "increase increases decrease decreases gain gains drop drops rise rises fall falls decline declines".split()
)
DIFFERENCES = frozenset({"difference", "differences", "differ", "differs", "gap"})
HOW_MUCH: Phrases[bool] = Phrases(
    {"by? how much|strongly|far": True, "by what percentage|percent": True, "by how many": True}
)

# --- shares -----------------------------------------------------------------------------------------------------------

SHARE_NOUNS = frozenset(
    "share shares percentage percentages percent proportion proportions fraction fractions part %".split()
)
# Phrases that turn the numbers of a breakdown into parts of the whole.
OF_TOTAL: Phrases[bool] = Phrases(
    {
        "as|in a|the? share|shares|percentage|percent|proportion|fraction|% of the|our? total|whole|overall": True,
        "share|shares|percentage|percent|proportion|fraction|% of the|our? total|whole|overall": True,
        "as|in a? share|shares|percentage|percentages|percent|proportions|%|fractions": False,
        "relative to the total|whole": True,
        "percentage|percent|% breakdown|split|distribution": True,
    }
)
# Between a whole and its part: "what share of X comes from Y".
PART: Phrases[bool] = Phrases(
    {
        "come|comes|came|coming|derive|derives|derived|stem|stems|stemmed|originate|originates|originated from": True,
        "is|are|was|were from|in|on|at|by|due|through|via|with? to?": True,
        "belong|belongs|belonged|goes|go|went|falls|fall|fell to|on|under|into": True,
        "did|does|do": True,
        "is|are|was|were": True,
        "made up|accounted for|contributed|generated by": True,
    }
)

# --- bounds -----------------------------------------------------------------------------------------------------------

Bound = Literal["gt", "gte", "lt", "lte", "eq", "ne"]
BOUNDS: Phrases[Bound] = Phrases(
    {
        "more|greater|higher|larger|bigger|longer|later|better than": "gt",
        "over|above|exceeding|exceeds|exceed|exceeded|beyond|surpassing|surpassed|topping|>": "gt",
        "in excess of": "gt",
        "at least": "gte",
        "no|not less|fewer|lower than": "gte",
        "a|the? minimum of": "gte",
        "≥": "gte",
        "> =": "gte",
        "less|fewer|lower|smaller|shorter than": "lt",
        "under|below|beneath|<": "lt",
        "at most": "lte",
        "up to": "lte",
        "no|not more|greater|higher|larger|longer than": "lte",
        "a|the? maximum of": "lte",
        "≤": "lte",
        "< =": "lte",
        "exactly|precisely": "eq",
        "equal|equals to?": "eq",
        "=": "eq",
    }
)
OF_LENGTH = frozenset({"longer", "shorter", "later", "earlier"})  # said of lengths of time and space, not of counts
# After the number: "10 or more".
BOUNDS_AFTER: Phrases[Bound] = Phrases(
    {
        "or|and more|higher|above|over|greater|longer|larger": "gte",
        "or|and less|fewer|lower|below|under|shorter": "lte",
        "+": "gte",
    }
)
# Words that may stand between a metric and the bound on it: "whose X is above", "that had X of more than".
BOUND_LINKS = frozenset(
    "is are was were be of by with being has have had that reached reaches by a an the value values rate".split()
)

NUMBER_WORDS: Mapping[str, int] = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1_000, "million": 1_000_000,
}  # fmt: skip
MULTIPLIERS: Mapping[str, int] = {
    "k": 1_000, "thousand": 1_000, "m": 1_000_000, "mn": 1_000_000, "million": 1_000_000, "millions": 1_000_000,
    "b": 1_000_000_000, "bn": 1_000_000_000, "billion": 1_000_000_000, "hundred": 100,
}  # fmt: skip
PERCENT = frozenset({"%", "percent", "pct"})
CURRENCIES: Mapping[str, str] = {
    "$": "USD", "dollar": "USD", "dollars": "USD", "usd": "USD", "€": "EUR", "euro": "EUR", "euros": "EUR",
    "eur": "EUR",
    "£": "GBP", "pound": "GBP", "pounds": "GBP", "gbp": "GBP", "¥": "JPY", "yen": "JPY", "jpy": "JPY", "chf": "CHF",
    "francs": "CHF",
}  # fmt: skip
