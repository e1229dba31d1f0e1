"""Time in words: months, units, what is relative to the data's last day."""

from collections.abc import Mapping

from kelpie.analyst.planner.english.comparing import NUMBER_WORDS as NUMBERS
from kelpie.analyst.planner.english.patterns import Phrases

MONTHS: Mapping[str, int] = {
    "january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
# "may", "march" and "mar" are other words too: they are months with a capital or after one of these.
DOUBTFUL_MONTHS = frozenset({"may", "march", "mar"})
BEFORE_MONTH = frozenset(
    "in of since until till to from and between during for through versus vs than last this by on before after".split()
)

UNITS: Mapping[str, str] = {
    "day": "day", "days": "day", "week": "week", "weeks": "week", "month": "month", "months": "month",
    "quarter": "quarter", "quarters": "quarter", "half": "half", "year": "year", "years": "year",
}  # fmt: skip
GRAIN_ADVERBS: Mapping[str, str] = {
    "daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year", "annually": "year",
    "annual": "year",
}  # fmt: skip
BEFORE_GRAIN = frozenset(
    "by per each every which what across over the in and best worst highest lowest largest biggest smallest"
    " busiest".split()
)
FISCAL = frozenset({"fiscal", "financial"})
CALENDAR = frozenset({"calendar"})
VAGUE_UNITS = frozenset({"quarter", "half", "year"})  # fiscal or calendar, where a company has a year of its own

LAST = frozenset({"last", "past", "previous", "latest", "recent", "trailing", "preceding"})
THIS = frozenset({"this", "current"})
WHOLE = frozenset({"whole", "entire", "full", "complete", "all"})
FIRST = frozenset({"first"})
ORDINALS: Mapping[str, int] = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4,
}  # fmt: skip
NUMBER_WORDS: Mapping[str, int] = {word: number for word, number in NUMBERS.items() if 1 <= number <= 90}

TO_DATE: Phrases[str] = Phrases(
    {
        "year to date": "year", "ytd": "year", "this year so far": "year", "so far this year": "year",
        "quarter to date": "quarter", "qtd": "quarter",
        "this quarter so far": "quarter", "so far this quarter": "quarter",
        "month to date": "month", "mtd": "month", "this month so far": "month", "so far this month": "month",
    }
)  # fmt: skip
TRAILING_YEAR: Phrases[bool] = Phrases({"ttm": True, "ltm": True})
# All that the data hold. With a metric that holds at a moment "ever" would mean another number.
ALL_TIME: Phrases[bool] = Phrases(
    {
        "of|for|over all time": True, "all time": True, "all-time": True, "ever": True, "in history": True,
        "to date": True, "so far": True, "since the? beginning|start": True, "in total": False, "overall": False,
    }
)  # fmt: skip
# For what holds at a moment: now, which is the data's last day.
NOW: Phrases[bool] = Phrases(
    {
        "now": True, "right now": True, "at the? moment": True, "currently": True, "at present": True, "today": True,
        "as of now|today": True, "these days": True, "latest": True, "current": True, "presently": True,
        "as things stand": True,
    }
)  # fmt: skip
# Before a period: the moment it ends, or all days up to it.
AT_END: Phrases[bool] = Phrases(
    {
        "at|by|as|of|on? the? end of": True, "as of|at": True, "end of": True, "at the close of": True,
        "at|by year-end|year end": True,
    }
)  # fmt: skip

OPENING = frozenset({"from", "between"})
JOINING = frozenset({"to", "until", "till", "through", "thru"})
OPEN_ENDED: Phrases[str] = Phrases(
    {
        "since": "since", "starting|beginning in|from|on|with?": "since", "from": "from", "until|till": "until",
        "up to|until|till": "until", "up through": "until", "through": "until", "before": "before",
        "prior to": "before", "earlier than": "before", "after": "after", "later than": "after",
        "no later than": "until",
    }
)  # fmt: skip
ONWARDS: Phrases[bool] = Phrases({"on|onward|onwards|forward": True, "and|or later|after|since": True})

TREND: Phrases[bool] = Phrases(
    {
        "develop|develops|developed|developing|development|developments": True,
        "trend|trends|trending|trended": True,
        "evolve|evolves|evolved|evolution|evolving": True,
        "progress|progressed|progression|progresses": True,
        "history|timeline|course|trajectory": True,
        "over time": True,
        "over the? years|months|weeks|quarters": True,
        "across|through time": True,
        "time series": True,
        "when": True,
    }
)
