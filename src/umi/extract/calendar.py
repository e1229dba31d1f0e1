"""Words of the calendar, as data for umi.extract.dates."""

import calendar as gregorian
import datetime as dt

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MS = dt.timedelta(milliseconds=1)
FIRST_MS = (dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MS
END_MS = (dt.datetime(9999, 12, 31, tzinfo=dt.UTC) - _EPOCH) // _MS

_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
# "sat" and "sun" are words of their own.
WEEKDAYS = {name: n for n, name in enumerate(_WEEKDAYS)} | {
    "mon": 0,
    "tue": 1,
    "tues": 1,
    "wed": 2,
    "thu": 3,
    "thur": 3,
    "thurs": 3,
    "fri": 4,
}
_MONTHS = "january february march april may june july august september october november december".split()
MONTHS_SPELLED = frozenset(_MONTHS)
MONTHS = {name: n for n, name in enumerate(_MONTHS, 1)} | {
    **{name[:3]: n for n, name in enumerate(_MONTHS, 1)},
    "sept": 9,
}
ALSO_VERBS = frozenset(("may", "march", "mar"))
ALSO_NAMES = frozenset(("april", "may", "june", "august", "march"))  # dates only where a preposition says so
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # with the first month
DAY_PARTS = frozenset("morning afternoon evening night noon".split())
DIRECTIONS = {"last": -1, "past": -1, "previous": -1, "this": 0, "next": 1, "coming": 1, "following": 1}
NAMED_DAYS = {"today": 0, "tonight": 0, "yesterday": -1, "tomorrow": 1, "tmrw": 1}
BESIDE = {("before", "yesterday"): -2, ("after", "tomorrow"): 2}
COUNTS = {
    **{word: n for n, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)},
    "a": 1,
    "an": 1,
    "couple": 2,
    "few": 3,
    "several": 4,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
}
_UNITS = ("minute", "hour", "day", "week", "weekend", "month", "year", "decade")
UNITS = {plural: unit for unit in _UNITS for plural in (unit, unit + "s")}
# Every date holds one of these or a digit.
WORDS = frozenset((*WEEKDAYS, *MONTHS, *SEASONS, *DAY_PARTS, *NAMED_DAYS, *UNITS))
UNIT_MS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000, "weekend": 604_800_000}


def days_in(year: int, month: int) -> int:
    """Days of a month. Raises ValueError outside the years 1 to 9999."""
    dt.date(year, month, 1)
    return gregorian.monthrange(year, month)[1]
