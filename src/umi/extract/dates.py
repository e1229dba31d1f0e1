"""The dates a text names, made absolute from the moment it was said: "last Tuesday", "two weeks ago", "on 3 May".

A small grammar of our own, English, UTC, over the Gregorian calendar: the `dateparser` library answers with moments
where "last week" is a span, takes "may" and "We" for dates, and costs 250 ms to import and milliseconds a sentence.
Weeks begin on Monday. `03/05/2021` is read month first, as is written most with slashes; `3.5.2021` day first.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable

import msgspec

from umi.extract import calendar
from umi.extract.verbs import FORMS

_WORD = re.compile(r"[A-Za-z]+|\d+|[^\w\s]")
_DIGIT = re.compile(r"\d")
_PAST_AUXILIARIES = frozenset("was were did had".split())
_PRESENT = frozenset("is are am be has have will ll shall can must should may do does re ve m going let s".split())
_BEFORE = frozenset("before until till".split())
_SINCE = frozenset("since after".split())
_ENDS = frozenset(".!?;")
_EPOCH = dt.date(1970, 1, 1).toordinal()
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


class When(msgspec.Struct, frozen=True):
    """A date in a text: the time from `start_ms` up to but not including `end_ms`, milliseconds since 1970 in UTC.

    at_ms       where one moment is wanted: the start, or the middle of what is only roughly known ("two weeks ago")
    start, end  character offsets of the words that say so
    """

    start_ms: int
    end_ms: int
    at_ms: int
    start: int
    end: int


class _Reading:
    """The words of one text, and the day they were said."""

    def __init__(self, text: str, document_time_ms: int) -> None:
        self._matches = list(_WORD.finditer(text))
        self.raw = [match[0] for match in self._matches]
        self.words = [word.lower() for word in self.raw]
        self.now_ms = document_time_ms
        self.today = dt.date.fromordinal(_EPOCH + document_time_ms // _DAY_MS)

    def span(self, index: int) -> tuple[int, int]:
        return self._matches[index].span()

    def at(self, index: int) -> str:
        return self.words[index] if 0 <= index < len(self.words) else ""

    def ahead_of(self, index: int) -> bool:
        """Whether a date without a year or a direction is to come: it is, unless the nearest verb is in the past."""
        if self.at(index - 1) in ("by", "this", "coming"):
            return True
        for step, stop in ((-1, -1), (1, len(self.words))):
            for k in range(index + step, stop, step):
                word = self.words[k]
                if word in _ENDS:
                    break
                if word in _PAST_AUXILIARIES:
                    return False
                if word in _PRESENT:
                    return True
                form = FORMS.get(word)
                if form is not None and form[1] in ("s", "d", "b"):
                    behind = self.words[max(0, k - 2) : k]
                    if form[1] == "d" and not _PRESENT.isdisjoint(behind):
                        continue  # "is planned for Friday"
                    return form[1] != "d"
        return True


# What a rule found: from, to (exclusive), the moment, and the index of the first word after it.
_Found = tuple[int, int, int, int]
_Rule = Callable[[_Reading, int], _Found | None]


def dates(text: str, document_time_ms: int) -> list[When]:
    """Every date of `text` in the order of its words, without overlaps; never raises.

    `document_time_ms` is when the text was said or written. "since" and "after" a date reach up to it, "before" and
    "until" a date begin with the calendar.
    """
    if not calendar.FIRST_MS <= document_time_ms < calendar.END_MS:
        return []
    reading = _Reading(text, document_time_ms)
    if not may_hold_dates(text, reading.words):
        return []
    found: list[When] = []
    index = 0
    while index < len(reading.words):
        word = reading.words[index]
        when = _at(reading, index) if word in _BEGINNINGS or word.isdigit() else None
        if when is None:
            index += 1
        else:
            found.append(_when(reading, index, when))
            index = when[3]
    return found


def may_hold_dates(text: str, words: Iterable[str]) -> bool:
    """False only for a text, and its words in small letters, that certainly name no date."""
    return not calendar.WORDS.isdisjoint(words) or _DIGIT.search(text) is not None


def _when(reading: _Reading, index: int, found: _Found) -> When:
    start_ms, end_ms, at_ms, after = found
    return When(start_ms, end_ms, at_ms, reading.span(index)[0], reading.span(after - 1)[1])


def _at(reading: _Reading, index: int) -> _Found | None:
    """The date that begins exactly at word `index`, with the preposition that turns it into a span."""
    word = reading.words[index]
    if word in _SINCE or word in _BEFORE or word in ("between", "from"):
        inner = _plain(reading, index + 1)
        if inner is None:
            return None
        if word in ("between", "from"):
            return _range(reading, index, inner)
        if word in _SINCE:
            start_ms = inner[0] if word == "since" else inner[1]
            return (start_ms, reading.now_ms, start_ms, inner[3]) if start_ms < reading.now_ms else inner
        if word != "before" and inner[1] > reading.now_ms:  # "I'm here until Friday"
            return (reading.now_ms, inner[1], inner[0], inner[3])
        return (calendar.FIRST_MS, inner[0] if word == "before" else inner[1], inner[0], inner[3])
    return _plain(reading, index)


def _range(reading: _Reading, index: int, first: _Found) -> _Found:
    """ "between May and July", "from 2019 to 2021"; the first date alone where no second follows."""
    joins = ("and",) if reading.words[index] == "between" else ("to", "until", "till", "through", "-", "–")
    if reading.at(first[3]) not in joins:
        return first
    second = _plain(reading, first[3] + 1)
    if second is None:
        return first
    if second[1] <= first[0]:  # "between May and July 2020"
        months = reading.at(index + 1), _year(reading, second[3] - 1)
        if months[0] not in calendar.MONTHS or months[1] is None:
            return first
        first = _month(months[1], calendar.MONTHS[months[0]], second[3])
        if second[1] <= first[0]:
            return second
    return (first[0], second[1], first[0], second[3])


def _plain(reading: _Reading, index: int) -> _Found | None:
    word = reading.at(index)
    if not word:
        return None
    try:
        for rule in _RULES.get(word, _NUMBER if word.isdigit() else ()):
            found = rule(reading, index)
            if found is not None and calendar.FIRST_MS <= found[0] < found[1] <= calendar.END_MS:
                return found
    except (OverflowError, ValueError):  # a date outside the calendar: the 31st of June, a million years ago
        pass
    return None


# --- rules: each looks at the words from `index` on ---


def _days(start: dt.date, end: dt.date, after: int) -> _Found:
    start_ms = (start.toordinal() - _EPOCH) * _DAY_MS
    return (start_ms, (end.toordinal() - _EPOCH) * _DAY_MS, start_ms, after)


def _day(day: dt.date, after: int) -> _Found:
    return _days(day, day + dt.timedelta(1), after)


def _named_day(reading: _Reading, index: int) -> _Found | None:
    offset = calendar.NAMED_DAYS[reading.words[index]]
    after = index + 1
    if reading.at(after) in calendar.DAY_PARTS:
        after += 1
    return _day(reading.today + dt.timedelta(offset), after)


def _the(reading: _Reading, index: int) -> _Found | None:
    """ "the day before yesterday", "the last two weeks", "the summer of 2018"."""
    word = reading.at(index + 1)
    if word == "day" and (beside := (reading.at(index + 2), reading.at(index + 3))) in calendar.BESIDE:
        return _day(reading.today + dt.timedelta(calendar.BESIDE[beside]), index + 4)
    if word in ("last", "past", "previous", "next", "coming", "following", "early", "late", "mid") or (
        word in calendar.SEASONS and reading.at(index + 2) == "of"
    ):
        return _plain(reading, index + 1)
    if word.isdigit() and reading.at(index + 2) in ("st", "nd", "rd", "th"):
        return _ordinal_day(reading, index + 1)
    return _decade(reading, index + 1) if word.isdigit() else None


def _directed(reading: _Reading, index: int) -> _Found | None:
    """last, this, next … of a weekday, a week, a month, a season; "the last three months"."""
    direction = calendar.DIRECTIONS[reading.words[index]]
    word, after = reading.at(index + 1), index + 2
    today = reading.today
    if word in calendar.WEEKDAYS:
        if reading.at(after) in calendar.DAY_PARTS:
            after += 1
        if direction < 0:
            return _day(_weekday(today, calendar.WEEKDAYS[word], direction), after)
        return _day(_of_week(today, calendar.WEEKDAYS[word], direction), after)
    if word in calendar.DAY_PARTS:  # "this morning", "last night"
        return _day(today + dt.timedelta(direction), after) if direction <= 0 else None
    if word in calendar.MONTHS:
        month = calendar.MONTHS[word]
        year = today.year + (direction if (month - today.month) * direction <= 0 and direction else 0)
        return _month(year, month, after)
    if word in calendar.SEASONS:
        return _season(reading, word, direction, after)
    unit = calendar.UNITS.get(word, "")
    if unit in ("day", "week", "weekend", "month", "year", "decade"):
        if unit == "day" and direction == 0:
            return None
        return _unit(today, unit, direction, after)
    count, after = _count(reading, index + 1)
    unit = calendar.UNITS.get(reading.at(after), "")
    if not count or not unit or not direction:
        return None
    there = _moved_ms(reading, unit, direction * count)
    first, last = sorted((there, reading.now_ms))
    return (first, last, first, after + 1)


def _unit(today: dt.date, unit: str, steps: int, after: int) -> _Found:
    """The whole calendar day, week, weekend, month, year or decade, `steps` from the one of today."""
    if unit == "day":
        return _day(today + dt.timedelta(steps), after)
    monday = today - dt.timedelta(today.weekday()) + dt.timedelta(7 * steps)
    if unit == "week":
        return _days(monday, monday + dt.timedelta(7), after)
    if unit == "weekend":
        return _days(monday + dt.timedelta(5), monday + dt.timedelta(7), after)
    if unit == "month":
        year, month = divmod(today.year * 12 + today.month - 1 + steps, 12)
        return _month(year, month + 1, after)
    if unit == "year":
        return _years(today.year + steps, 1, after)
    return _years(today.year // 10 * 10 + 10 * steps, 10, after)


def _month(year: int, month: int, after: int) -> _Found:
    start = dt.date(year, month, 1)
    return _days(start, start + dt.timedelta(calendar.days_in(year, month)), after)


def _years(year: int, count: int, after: int) -> _Found:
    return _days(dt.date(year, 1, 1), dt.date(year + count, 1, 1), after)


def _season(reading: _Reading, word: str, direction: int, after: int) -> _Found:
    """By the northern half of the world: spring is March to May; a winter belongs to the year it begins in."""
    first_month = calendar.SEASONS[word]
    year = reading.today.year
    start, end = _season_of(year, first_month)
    if direction < 0 and end > reading.today:
        start, end = _season_of(year - 1, first_month)
    elif direction > 0 and start <= reading.today:
        start, end = _season_of(year + 1, first_month)
    return _days(start, end, after)


def _season_of(year: int, first_month: int) -> tuple[dt.date, dt.date]:
    end_year, end_month = divmod(year * 12 + first_month - 1 + 3, 12)
    return dt.date(year, first_month, 1), dt.date(end_year, end_month + 1, 1)


def _bare_season(reading: _Reading, index: int) -> _Found | None:
    """ "summer of 2018", "in spring"; a season's word alone is more often no date ("a hot spring", "a fall")."""
    word, after = reading.words[index], index + 1
    if reading.at(after) == "of":
        after += 1
    if (year := _year(reading, after)) is not None:
        return _days(*_season_of(year, calendar.SEASONS[word]), after + 1)
    if reading.at(index - 1) in ("in", "since", "until", "by") and word != "fall":
        return _season(reading, word, 1 if reading.ahead_of(index) else -1, index + 1)
    return None


def _weekday(today: dt.date, weekday: int, direction: int) -> dt.date:
    """The nearest such day before or after today."""
    ahead = (weekday - today.weekday()) % 7 or 7
    return today + dt.timedelta(ahead if direction > 0 else (ahead - 7 or -7))


def _of_week(today: dt.date, weekday: int, weeks: int) -> dt.date:
    """ "this Friday" is the one of the current week, "next Friday" of the week after."""
    return today + dt.timedelta(weekday - today.weekday() + 7 * weeks)


def _bare_weekday(reading: _Reading, index: int) -> _Found | None:
    """ "on Tuesday", "Tuesday last week": to come or gone by, as the verbs of the text say."""
    word, after = reading.words[index], index + 1
    if word not in calendar.WEEKDAYS or (not reading.raw[index][0].isupper() and reading.at(index - 1) != "on"):
        return None
    weekday = calendar.WEEKDAYS[word]
    if reading.at(after) in calendar.DAY_PARTS:
        after += 1
    if reading.at(after) in calendar.DIRECTIONS and reading.at(after + 1) == "week":
        return _day(_of_week(reading.today, weekday, calendar.DIRECTIONS[reading.at(after)]), after + 2)
    return _day(_weekday(reading.today, weekday, 1 if reading.ahead_of(index) else -1), after)


def _count(reading: _Reading, index: int) -> tuple[int, int]:
    """A number of units and the index after it; (0, index) where there is none."""
    word = reading.at(index)
    if word.isdigit() and word.isascii() and len(word) <= 6:
        return int(word), index + 1
    if word in ("a", "an") and reading.at(index + 1) in ("couple", "few"):
        index, word = index + 1, reading.at(index + 1)
    count = calendar.COUNTS.get(word, 0)
    if count and reading.at(index + 1) == "of":
        index += 1
    return count, index + 1 if count else index


def _ago(reading: _Reading, index: int) -> _Found | None:
    """ "two weeks ago", "a year ago", "three days from now"."""
    count, after = _count(reading, index)
    unit = calendar.UNITS.get(reading.at(after), "")
    if not count or not unit:
        return None
    after += 1
    if reading.at(after) == "ago":
        return _roughly(reading, unit, -count, after + 1)
    if reading.at(after) == "from" and reading.at(after + 1) in ("now", "today"):
        return _roughly(reading, unit, count, after + 2)
    return None


def _in(reading: _Reading, index: int) -> _Found | None:
    """ "in two weeks", "in 2019", "in early May"."""
    found = _ago(reading, index + 1)
    if found is not None:
        return found
    count, after = _count(reading, index + 1)
    unit = calendar.UNITS.get(reading.at(after), "")
    if count and unit and reading.at(after + 1) not in ("the", "a", "of", "'"):
        return _roughly(reading, unit, count, after + 1)
    year = _year(reading, index + 1)
    if year is not None and reading.at(index + 2) not in calendar.UNITS:
        return _years(year, 1, index + 2)
    return _plain(reading, index + 1)


def _roughly(reading: _Reading, unit: str, steps: int, after: int) -> _Found:
    """As precise as the unit: the day, seven days around it for weeks, the whole month, the whole year."""
    if unit in ("minute", "hour"):
        at_ms = _moved_ms(reading, unit, steps)
        return (at_ms - _HOUR_MS // 2, at_ms + _HOUR_MS // 2, at_ms, after)
    if unit in ("week", "weekend"):
        day = reading.today + dt.timedelta(7 * steps)
        week = _days(day - dt.timedelta(3), day + dt.timedelta(4), after)
        return (week[0], week[1], week[0] + 3 * _DAY_MS, after)
    return _unit(reading.today, unit, steps, after)


def _moved_ms(reading: _Reading, unit: str, steps: int) -> int:
    if unit in ("month", "year", "decade"):
        months = steps * {"month": 1, "year": 12, "decade": 120}[unit]
        year, month = divmod(reading.today.year * 12 + reading.today.month - 1 + months, 12)
        day = min(reading.today.day, calendar.days_in(year, month + 1))
        there = dt.date(year, month + 1, day)
        return (there.toordinal() - _EPOCH) * _DAY_MS + reading.now_ms % _DAY_MS
    return reading.now_ms + steps * calendar.UNIT_MS[unit]


def _year(reading: _Reading, index: int) -> int | None:
    word = reading.at(index)
    if len(word) == 4 and word.isdigit() and word.isascii() and 1800 <= int(word) <= 2199:
        return int(word)
    return None


def _decade(reading: _Reading, index: int) -> _Found | None:
    """ "1990s", "the 90s"."""
    word, after = reading.words[index], index + 1
    if reading.at(after) in ("'", "’"):
        after += 1
    if reading.at(after) != "s" or not word.endswith("0") or not word.isascii():
        return None
    if len(word) == 2:
        return _years((1900 if int(word) >= 30 else 2000) + int(word), 10, after + 1)
    year = _year(reading, index)
    return None if year is None else _years(year, 10, after + 1)


def _part_of_span(reading: _Reading, index: int) -> _Found | None:
    """ "early 2019", "late May": a third of the year or month."""
    after = index + 1
    if reading.at(after) == "-":
        after += 1
    year = _year(reading, after)
    whole = _plain(reading, after) if year is None else _years(year, 1, after + 1)
    if whole is None or whole[1] - whole[0] < 28 * _DAY_MS:
        return None
    third = (whole[1] - whole[0]) // (3 * _DAY_MS) * _DAY_MS
    part = {"early": 0, "mid": 1, "late": 2}[reading.words[index]]
    start_ms = whole[0] + part * third
    return (start_ms, whole[1] if part == 2 else start_ms + third, start_ms, whole[3])


def _month_first(reading: _Reading, index: int) -> _Found | None:
    """ "May 3rd, 2021", "May 2021", "in May"; "may" and "march" in small letters are verbs."""
    word, after = reading.words[index], index + 1
    if word in calendar.ALSO_VERBS and not reading.raw[index][0].isupper():
        return None
    month = calendar.MONTHS[word]
    if reading.at(after) == "." and len(word) < 5:
        after += 1
    if (year := _year(reading, after)) is not None:
        return _month(year, month, after + 1)
    if reading.at(after) == "of" and (year := _year(reading, after + 1)) is not None:
        return _month(year, month, after + 2)
    number = reading.at(after)
    if number.isdigit() and len(number) <= 2 and reading.at(after + 1) not in (":", "%"):
        return _day_of(reading, month, int(number), _past_ordinal(reading, after + 1), index)
    named = reading.at(index - 1) in ("in", "since", "until", "till", "by", "before", "after", "of", "between", "from")
    if word in calendar.MONTHS_SPELLED and (named or word not in calendar.ALSO_NAMES):
        return _nearest_month(reading, month, index, after)
    return None


def _nearest_month(reading: _Reading, month: int, index: int, after: int) -> _Found:
    year = reading.today.year
    if reading.ahead_of(index):
        return _month(year + (month < reading.today.month), month, after)
    return _month(year - (month > reading.today.month), month, after)


def _past_ordinal(reading: _Reading, index: int) -> int:
    return index + 1 if reading.at(index) in ("st", "nd", "rd", "th") else index


def _day_of(reading: _Reading, month: int, day: int, after: int, index: int) -> _Found:
    comma = reading.at(after) == ","
    year = _year(reading, after + comma)
    if year is not None:
        return _day(dt.date(year, month, day), after + comma + 1)
    this_year = dt.date(reading.today.year, month, day)
    if reading.ahead_of(index) and this_year < reading.today:
        return _day(dt.date(reading.today.year + 1, month, day), after)
    if not reading.ahead_of(index) and this_year > reading.today:
        return _day(dt.date(reading.today.year - 1, month, day), after)
    return _day(this_year, after)


def _ordinal_day(reading: _Reading, index: int) -> _Found | None:
    """ "3 May", "3rd of May 2021", "the 3rd"."""
    word = reading.words[index]
    if len(word) > 2 or not word.isascii():
        return None
    after = _past_ordinal(reading, index + 1)
    ordinal = after > index + 1
    if reading.at(after) == "of":
        after += 1
    month = reading.at(after)
    spelled = month in calendar.MONTHS and (month not in calendar.ALSO_VERBS or reading.raw[after][0].isupper())
    if spelled:
        return _day_of(reading, calendar.MONTHS[month], int(word), after + 1, index)
    if ordinal and reading.at(index - 1) == "the" and reading.at(index - 2) in ("on", "by", "until", "since"):
        return _day_of(reading, reading.today.month, int(word), _past_ordinal(reading, index + 1), index)
    return None


def _numeric(reading: _Reading, index: int) -> _Found | None:
    """ "2021-05-03", "2021-05", "5/3/2021", "3.5.2021"."""
    words = [reading.at(index + n) for n in range(5)]
    first, mark, second = words[:3]
    if mark not in ("-", "/", ".") or not second.isdigit() or not _joined(reading, index, 3):
        return None
    if len(first) == 4 and (year := _year(reading, index)) is not None and len(second) == 2:
        if words[3] == mark and words[4].isdigit() and _joined(reading, index, 5):
            return _day(dt.date(year, int(second), int(words[4])), index + 5)
        return _month(year, int(second), index + 3) if mark == "-" else None
    year = _year(reading, index + 4)
    if words[3] != mark or year is None or len(first) > 2 or len(second) > 2 or not _joined(reading, index, 5):
        return None
    month, day = int(first), int(second)
    if mark == "." or month > 12:
        month, day = day, month
    return _day(dt.date(year, month, day), index + 5)


def _joined(reading: _Reading, index: int, count: int) -> bool:
    """Whether `count` words follow each other without a space."""
    last = min(index + count, len(reading.words))
    return all(reading.span(n)[1] == reading.span(n + 1)[0] for n in range(index, last - 1))


def _quarter(reading: _Reading, index: int) -> _Found | None:
    """ "Q3 2021", "Q3"."""
    quarter = reading.at(index + 1)
    if quarter not in ("1", "2", "3", "4") or not _joined(reading, index, 2):
        return None
    year = _year(reading, index + 2)
    start, end = _season_of(year or reading.today.year, 3 * int(quarter) - 2)
    return _days(start, end, index + 2 if year is None else index + 3)


def _on(reading: _Reading, index: int) -> _Found | None:
    return _plain(reading, index + 1)


def _year_word(reading: _Reading, index: int) -> _Found | None:
    """A bare year counts only after a word that makes it one: "of 2019", "since 2019", "by 2019"."""
    year = _year(reading, index)
    known = reading.at(index - 1) in ("since", "until", "till", "by", "before", "after", "between", "from", "to", "and")
    return _years(year, 1, index + 1) if year is not None and known else None


_NUMBER: tuple[_Rule, ...] = (_numeric, _ago, _ordinal_day, _decade, _year_word)
_RULES: dict[str, tuple[_Rule, ...]] = {
    **dict.fromkeys(calendar.WEEKDAYS, (_bare_weekday,)),
    **dict.fromkeys(calendar.MONTHS, (_month_first,)),
    **dict.fromkeys(calendar.SEASONS, (_bare_season,)),
    **dict.fromkeys(calendar.DIRECTIONS, (_directed,)),
    **dict.fromkeys((*calendar.COUNTS, "a", "an"), (_ago,)),
    **dict.fromkeys(calendar.NAMED_DAYS, (_named_day,)),
    **dict.fromkeys(("early", "mid", "late"), (_part_of_span,)),
    "the": (_the,),
    "in": (_in,),
    "within": (_in,),
    "on": (_on,),
    "q": (_quarter,),
}
_BEGINNINGS = frozenset((*_RULES, *_SINCE, *_BEFORE, "between", "from"))
