"""Time in a question -> days. Named parts of the year come from the catalog; "last" is last in the data, not today.

People leave years out and say "last month": what is meant is the latest such period that the data cover, and the
answer says which that was.
"""

import calendar
import datetime as dt
from collections.abc import Callable

import msgspec

from kelpie.analyst.catalog import CatalogPeriod
from kelpie.analyst.formats import range_text
from kelpie.analyst.planner import english
from kelpie.analyst.planner.words import Token, number_of

Days = tuple[dt.date, dt.date]


class TimeMention(msgspec.Struct, frozen=True):
    """Days, both included, and how to call them. The tokens `start` to before `end` say it."""

    first: dt.date
    last: dt.date
    label: str
    start: int
    end: int


class _Part(msgspec.Struct, frozen=True):
    """A period that may still lack its year: `days(year)` gives it for any. `year` 0: it is fixed already."""

    days: Callable[[int], Days]
    year: int | None
    end: int
    name: str = ""  # of a named period

    def label(self, days: Days) -> str:
        text = range_text(*days)
        return f"{self.name} {days[0].year} ({text})" if self.name else text


class PeriodReader:
    """Finds periods in `tokens`. `first` and `last` are the days the data cover; `taken` tokens mean something else.

    named  token -> the catalog's period that begins there, and where its phrase ends
    """

    def __init__(
        self,
        tokens: list[Token],
        first: dt.date,
        last: dt.date,
        named: dict[int, tuple[CatalogPeriod, int]],
        taken: set[int],
    ) -> None:
        self._tokens = tokens
        self._first = first
        self._last = last
        self._named = named
        self._taken = taken

    def find(self) -> list[TimeMention]:
        mentions = []
        at = 0
        while at < len(self._tokens):
            found = None if at in self._taken else self._range(at) or self._single(at)
            if found is not None:
                mentions.append(found)
            at = found.end if found is not None else at + 1
        return mentions

    def _word(self, at: int) -> str:
        return self._tokens[at].lower if 0 <= at < len(self._tokens) and at not in self._taken else ""

    def _single(self, at: int) -> TimeMention | None:
        part = self._part(at)
        if part is None:
            return None
        days = self._resolved(part)
        return TimeMention(*days, part.label(days), at, part.end)

    def _range(self, at: int) -> TimeMention | None:
        """ "from X to Y", "between X and Y", "X to Y", "since X", "until X", "before X", "after X"."""
        word = self._word(at)
        opened = word in ("from", "between")
        if opened or self._part(at) is not None:
            left = self._part(at + 1 if opened else at)
            joiner = self._word(left.end) if left else ""
            joined = joiner == "and" if word == "between" else joiner in ("to", "until", "till", "through", "thru")
            right = self._part(left.end + 1) if left and joined else None
            if left is not None and right is not None:
                days = self._both(left, right)
                return TimeMention(*days, range_text(*days), at, right.end)
        if word in ("since", "until", "till", "before", "after"):
            part = self._part(at + 1)
            if part is not None:
                days = self._resolved(part)
                one_day = dt.timedelta(days=1)
                open_ended: dict[str, Days] = {
                    "since": (days[0], max(self._last, days[0])),
                    "until": (min(self._first, days[1]), days[1]),
                    "till": (min(self._first, days[1]), days[1]),
                    "before": (min(self._first, days[0] - one_day), days[0] - one_day),
                    "after": (days[1] + one_day, max(self._last, days[1] + one_day)),
                }
                return TimeMention(*open_ended[word], range_text(*open_ended[word]), at, part.end)
        return None

    def _both(self, left: _Part, right: _Part) -> Days:
        """A year said once holds for both ends; an end before its beginning is in the next year."""
        if left.year is None and right.year:
            left = msgspec.structs.replace(left, year=right.year)
        begin = self._resolved(left)
        if right.year is None:
            right = msgspec.structs.replace(right, year=begin[0].year)
        end = self._resolved(right)
        if end[1] < begin[0]:
            end = right.days(end[0].year + 1) if right.year else end
        return min(begin[0], end[0]), max(begin[1], end[1])

    def _resolved(self, part: _Part) -> Days:
        """The days; without a year those of the latest year in which the data have any of them."""
        if part.year is not None:
            return part.days(part.year)
        for year in range(self._last.year, self._first.year - 2, -1):
            first, last = part.days(year)
            if first <= self._last and last >= self._first:
                return first, last
        return part.days(self._last.year)

    def _part(self, at: int) -> _Part | None:
        if at >= len(self._tokens) or at in self._taken:
            return None
        return (
            self._iso(at) or self._month(at) or self._part_of_year(at) or self._season(at) or self._relative(at)
            or self._year_alone(at)
        )  # fmt: skip

    def _iso(self, at: int) -> _Part | None:
        text = self._tokens[at].lower
        try:
            if len(text) == 10 and text[4] == "-":
                day = dt.date.fromisoformat(text)
                return _Part(lambda _: (day, day), 0, at + 1)
            if len(text) == 7 and text[4] == "-":
                month = _month_of(int(text[:4]), int(text[5:]))
                return _Part(lambda _: month, 0, at + 1)
        except ValueError:
            pass
        return None

    def _month(self, at: int) -> _Part | None:
        """ "July", "July 2013", "July 4, 2013", "4 July", "the 4th of July 2013"."""
        day, month_at = self._day_number(at), at
        if day is not None:
            month_at = at + 2 if self._word(at + 1) == "of" else at + 1
        number = english.MONTHS.get(self._word(month_at))
        if number is None or (day is None and not self._is_month(month_at)):
            return None
        end = month_at + 1
        if day is None and (day := self._day_number(end)) is not None:
            end += 1
        year, end = self._year(end)
        if day is None:
            return _Part(lambda y: _month_of(y, number), year, end)
        wanted = day

        def one_day(in_year: int) -> Days:
            only = dt.date(in_year, number, min(wanted, calendar.monthrange(in_year, number)[1]))
            return only, only

        return _Part(one_day, year, end)

    def _is_month(self, at: int) -> bool:
        token = self._tokens[at]
        doubtful = token.lower in english.DOUBTFUL_MONTHS
        return not doubtful or token.text[0].isupper() or self._word(at - 1) in english.BEFORE_MONTH

    def _day_number(self, at: int) -> int | None:
        word = self._word(at)
        digits = word[:-2] if word[-2:] in ("st", "nd", "rd", "th") else word
        return int(digits) if digits.isdigit() and len(digits) <= 2 and 1 <= int(digits) <= 31 else None

    def _part_of_year(self, at: int) -> _Part | None:
        """ "Q3 2013", "the third quarter of 2013", "the first half of 2013"."""
        word = self._word(at)
        number, months, end = 0, 3, at + 1
        if len(word) == 2 and word[0] in "qh" and word[1].isdigit():
            number, months = int(word[1]), 3 if word[0] == "q" else 6
        elif word in english.ORDINALS and self._word(at + 1) in ("quarter", "half"):
            number, months, end = english.ORDINALS[word], 3 if self._word(at + 1) == "quarter" else 6, at + 2
        if not 1 <= number <= 12 // months:
            return None
        year, end = self._year(end)
        return _Part(lambda y: _months_of(y, (number - 1) * months + 1, number * months), year, end)

    def _season(self, at: int) -> _Part | None:
        found = self._named.get(at)
        if found is None:
            return None
        period, end = found
        year, end = self._year(end)
        return _Part(lambda y: _months_of(y, period.from_month, period.to_month), year, end, period.name)

    def _relative(self, at: int) -> _Part | None:
        """ "last month", "the last 3 months", "last summer", "this year", "the whole year"."""
        word = self._word(at)
        if word in english.LAST | english.THIS:
            count = number_of(self._tokens[at + 1], english.NUMBER_WORDS) if at + 1 < len(self._tokens) else None
            unit_at = at + 1 if count is None else at + 2
            unit = english.GRAIN_NOUNS.get(self._word(unit_at))
            if unit is not None:
                days = self._last_units(unit, count or 1) if word in english.LAST else self._this_unit(unit)
                return _Part(lambda _: days, 0, unit_at + 1)
            named = self._named.get(at + 1)
            if named is not None:
                season = self._season(at + 1)
                assert season is not None, "a period begins there"
                return season if season.year else msgspec.structs.replace(season, year=self._latest_whole(season))
        if word in english.WHOLE:
            after = at + 2 if self._word(at + 1) == "the" else at + 1
            if self._word(after) in ("year", "years", "time", "period", "range"):
                days = (self._first, self._last)
                return _Part(lambda _: days, 0, after + 1)
        return None

    def _latest_whole(self, part: _Part) -> int:
        for year in range(self._last.year, self._first.year - 2, -1):
            first, last = part.days(year)
            if first >= self._first and last <= self._last:
                return year
        return self._resolved(part)[0].year

    def _last_units(self, unit: str, count: int) -> Days:
        """The last `count` whole units in the data."""
        if unit == "day":
            return self._last - dt.timedelta(days=count - 1), self._last
        first, last = self._this_unit(unit)
        if last > self._last:
            first, last = unit_of(unit, first - dt.timedelta(days=1))
        for _ in range(count - 1):
            first = unit_of(unit, first - dt.timedelta(days=1))[0]
        return first, last

    def _this_unit(self, unit: str) -> Days:
        return unit_of(unit, self._last)

    def _year_alone(self, at: int) -> _Part | None:
        year, end = self._year(at)
        return None if year is None else _Part(lambda y: _months_of(y, 1, 12), year, end)

    def _year(self, at: int) -> tuple[int | None, int]:
        """A year at `at`, perhaps after "of" or "in", and where it ends."""
        place = at + 1 if self._word(at) in ("of", "in") else at
        word = self._word(place)
        if len(word) == 4 and word.isdigit() and 1900 <= int(word) <= 2100:
            return int(word), place + 1
        return None, at


def _month_of(year: int, month: int) -> Days:
    return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])


def _months_of(year: int, from_month: int, to_month: int) -> Days:
    last_year = year if to_month >= from_month else year + 1
    return dt.date(year, from_month, 1), _month_of(last_year, to_month)[1]


def unit_of(unit: str, day: dt.date) -> Days:
    """The week, month, … that `day` is in."""
    match unit:
        case "day":
            return day, day
        case "week":
            monday = day - dt.timedelta(days=day.weekday())
            return monday, monday + dt.timedelta(days=6)
        case "month":
            return _month_of(day.year, day.month)
        case "quarter":
            begin = (day.month - 1) // 3 * 3 + 1
            return _months_of(day.year, begin, begin + 2)
        case _:
            return _months_of(day.year, 1, 12)
