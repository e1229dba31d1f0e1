"""One period in words -> days: "July 2013", "Q1 FY2026", "the last 3 months", "the first half of 2025".

People leave years out and say "last month": what is meant is the latest such period that the data cover, and the
answer says which that was.
"""

import calendar
import datetime as dt
from typing import Literal

import msgspec

from kelpie.analyst.catalog import CatalogPeriod
from kelpie.analyst.formats import range_text
from kelpie.analyst.planner.dates.spans import (
    FIXED,
    MONTHS_OF,
    ONE_DAY,
    YEARS,
    Calendar,
    Days,
    Part,
    Relative,
    months_from,
    named_months,
)
from kelpie.analyst.planner.dates.years import YearKind, kind_at, year_at
from kelpie.analyst.planner.english import dates as english
from kelpie.analyst.planner.english.words import Token, number_of

_UNITS_MAX = 400  # "the last 400 months" is as far as people look back


class PartReader:
    """Reads one period that begins at a token. `first` and `last` are the days the data cover.

    named  token -> the catalog's period that begins there, and where its phrase ends
    taken  tokens that mean something else
    """

    def __init__(
        self,
        tokens: list[Token],
        covered: Days,
        named: dict[int, tuple[CatalogPeriod, int]],
        taken: set[int],
        spans: Calendar,
        year_kind: YearKind,
    ) -> None:
        self.tokens = tokens
        self.first, self.last = covered
        self.spans = spans
        self._named = named
        self._taken = taken
        self._year_kind = year_kind
        self.words = [token.lower if at not in taken else "" for at, token in enumerate(tokens)]

    def word(self, at: int) -> str:
        return self.words[at] if 0 <= at < len(self.words) else ""

    def part(self, at: int) -> Part | None:
        if not self.word(at) and at not in self._named:
            return None
        return (
            self._iso(at) or self._month(at) or self._named_period(at) or self._to_date(at) or self._edge(at)
            or self._part_of_year(at) or self._relative(at) or self._week_of(at) or self._whole(at)
            or self._year_alone(at)
        )  # fmt: skip

    def resolved(self, part: Part) -> Days:
        """The days; without a year those of the latest year in which the data have any of them."""
        if part.year is not None:
            return part.days(part.year)
        for year in range(self.last.year + 1, self.first.year - 2, -1):
            first, last = part.days(year)
            if first <= self.last and last >= self.first:
                return first, last
        return part.days(self.last.year)

    def label(self, part: Part, days: Days) -> str:
        if part.name:
            return f"{part.name} {days[0].year} ({range_text(*days)})"
        return self.spans.name(part.unit, days) if part.count == 1 else range_text(*days)

    # --- days and months ----------------------------------------------------------------------------------------------

    def _iso(self, at: int) -> Part | None:
        text = self.word(at)
        try:
            if len(text) == 10 and text[4] == "-":
                day = dt.date.fromisoformat(text)
                return Part(lambda _: (day, day), FIXED, at + 1, "day") if day.year in YEARS else None
            if len(text) == 7 and text[4] == "-" and int(text[:4]) in YEARS:
                month = months_from(int(text[:4]) * 12 + dt.date(int(text[:4]), int(text[5:]), 1).month - 1, 1)
                return Part(lambda _: month, FIXED, at + 1, "month")
        except ValueError:
            pass
        return None

    def _month(self, at: int) -> Part | None:
        """ "July", "July 2013", "July 4, 2013", "4 July", "the 4th of July 2013"."""
        day, month_at = self._day_number(at), at
        if day is not None:
            month_at = at + 2 if self.word(at + 1) == "of" else at + 1
        number = english.MONTHS.get(self.word(month_at))
        if number is None or (day is None and not self._is_month(month_at)):
            return None
        end = month_at + 1
        if day is None and (day := self._day_number(end)) is not None:
            if self.word(at - 1) == "in" and self.word(end).isdecimal() and not year_at(self.words, end + 1)[0]:
                return None  # "in May 24": the day, or the year?
            end += 1
        year, kind, end = year_at(self.words, end)
        if kind == "fiscal":
            return None  # "May of fiscal 2026" needs no guess which year that is
        if day is None:
            return Part(lambda y: months_from(y * 12 + number - 1, 1), year, end, "month")
        wanted = day

        def one_day(in_year: int) -> Days:
            only = dt.date(in_year, number, min(wanted, calendar.monthrange(in_year, number)[1]))
            return only, only

        return Part(one_day, year, end, "day")

    def _is_month(self, at: int) -> bool:
        token = self.tokens[at]
        doubtful = token.lower in english.DOUBTFUL_MONTHS
        return not doubtful or token.text[0].isupper() or self.word(at - 1) in english.BEFORE_MONTH

    def _day_number(self, at: int) -> int | None:
        word = self.word(at)
        digits = word[:-2] if word[-2:] in ("st", "nd", "rd", "th") else word
        return int(digits) if digits.isdecimal() and len(digits) <= 2 and 1 <= int(digits) <= 31 else None

    def day_before(self, at: int, right: Part) -> Part | None:
        """The "8" of "8 to 12 February 2013": a day of the month that is said with the later one, `right`."""
        day = self._day_number(at)
        if day is None or right.unit != "day" or right.year == FIXED:
            return None

        def one_day(in_year: int) -> Days:
            only = right.days(in_year)[0].replace(day=day)
            return only, only

        later = right.days(self.last.year if right.year is None else right.year)[0]
        return Part(one_day, right.year, at + 1, "day") if day < later.day else None

    def _week_of(self, at: int) -> Part | None:
        """ "the week of 3 June 2024", "the month of May"."""
        if self.word(at) == "month" and self.word(at + 1) == "of":
            return self._month(at + 2)
        if self.word(at) != "week" or self.word(at + 1) not in ("of", "beginning", "starting", "from"):
            return None
        day = self.part(at + 3 if self.word(at + 2) == "the" else at + 2)
        if day is None or day.unit != "day":
            return None
        return Part(lambda year: self.spans.unit_of("week", day.days(year)[0]), day.year, day.end, "week")

    # --- parts of a year ----------------------------------------------------------------------------------------------

    def _named_period(self, at: int) -> Part | None:
        """A period of the catalog, perhaps after its year: "summer 2013", "the 2013 summer"."""
        year, _, begin = year_at(self.words, at)
        found = self._named.get(begin if year is not None else at)
        if found is None:
            return None
        period, end = found
        if year is None:
            year, _, end = year_at(self.words, end)
        return Part(lambda y: named_months(y, period.from_month, period.to_month), year, end, "named", period.name)

    def _part_of_year(self, at: int) -> Part | None:
        """ "Q3 2013", "fiscal Q1", "the third quarter of 2013", "the first half of FY2026"."""
        kind, begin = kind_at(self.words, at)
        word, number, unit, end = self.word(begin), 0, "quarter", begin + 1
        if len(word) == 2 and word[0] in "qh" and word[1].isdecimal():
            number, unit = int(word[1]), "quarter" if word[0] == "q" else "half"
        elif word in english.ORDINALS:
            later, place = kind_at(self.words, begin + 1)
            if self.word(place) in ("quarter", "half"):
                number, unit, end, kind = english.ORDINALS[word], self.word(place), place + 1, later or kind
        elif word == "quarter" and self.word(begin + 1) in ("1", "2", "3", "4"):
            number, end = int(self.word(begin + 1)), begin + 2
        months = MONTHS_OF[unit]
        if not 1 <= number <= 12 // months:
            return None
        year, year_kind, end = year_at(self.words, end)
        if year is None and self.word(end) in ("of", "in") and self._month(end + 1) is not None:
            return None  # "the first half of July" is no half of a year
        unit, is_fiscal, vague = self._unit(unit, year_kind or kind)
        spans = self.spans
        return Part(lambda y: spans.part_of_year(number, months, y, is_fiscal=is_fiscal), year, end, unit, vague=vague)

    def _edge(self, at: int) -> Part | None:
        """ "the first 3 months of 2025", "the last quarter of 2024"."""
        is_first, is_last = self.word(at) in english.FIRST, self.word(at) in ("last", "final")
        if not (is_first or is_last):
            return None
        count, unit_at = self._count(at + 1)
        unit = english.UNITS.get(self.word(unit_at), "")
        if unit not in ("day", "month", "quarter") or self.word(unit_at + 1) not in ("of", "in"):
            return None
        whole = self.part(unit_at + 3 if self.word(unit_at + 2) == "the" else unit_at + 2)
        if whole is None or whole.unit in ("", "day", "week") or (is_first and unit == "quarter" and count == 1):
            return None
        unit, _, vague = self._unit(unit, "fiscal" if whole.unit.startswith("fiscal") else "calendar")

        def within(year: int) -> Days:
            days = whole.days(year)
            if is_first:
                return days[0], self.spans.moved(unit, self.spans.unit_of(unit, days[0]), count - 1)[1]
            return self.spans.moved(unit, self.spans.unit_of(unit, days[1]), 1 - count)[0], days[1]

        return Part(within, whole.year, whole.end, unit if count == 1 else "", vague=vague or whole.vague)

    # --- relative to the data's last day ------------------------------------------------------------------------------

    def _to_date(self, at: int) -> Part | None:
        found = english.TO_DATE.at(self.words, at)
        if found is None:
            return None
        unit, _, vague = self._unit(found[0], "")
        days = (self.spans.unit_of(unit, self.last)[0], self.last)
        return Part(lambda _: days, FIXED, found[1], relative="this", vague=vague)

    def _relative(self, at: int) -> Part | None:
        """ "last month", "the last 3 months", "last summer", "this fiscal year"."""
        word = self.word(at)
        if english.TRAILING_YEAR.at(self.words, at):
            days = self._last_units("month", 12)
            return Part(lambda _: days, FIXED, at + 1, "month", relative="last", count=12)
        if word not in english.LAST | english.THIS:
            return None
        count, after = self._count(at + 1)
        kind, unit_at = kind_at(self.words, after)
        said = english.UNITS.get(self.word(unit_at), "")
        if said and self.word(unit_at + 1) in ("of", "in") and self.part(unit_at + 2) is not None:
            return None  # "the last week of March" is none relative to today
        if said:
            unit, _, vague = self._unit(said, kind)
            days = self._last_units(unit, count) if word in english.LAST else self.spans.unit_of(unit, self.last)
            rolling = word in ("past", "trailing") and said in ("year", "month", "quarter") and unit_at == at + 1
            relative: Relative = "last" if word in english.LAST else "this"
            return Part(
                lambda _: days, FIXED, unit_at + 1, unit, relative=relative, count=count, rolling=rolling, vague=vague
            )
        named = self._named_period(at + 1)
        if named is None or at + 1 not in self._named:
            return None
        return named if named.year else msgspec.structs.replace(named, year=self._latest_whole(named))

    def _whole(self, at: int) -> Part | None:
        """ "the whole year", "the entire period": all that the data cover."""
        if self.word(at) not in english.WHOLE:
            return None
        after = at + 2 if self.word(at + 1) == "the" else at + 1
        if self.word(after) in ("period", "range", "years"):
            return Part(lambda _: (self.first, self.last), FIXED, after + 1)
        if self.word(after) == "year":
            year, kind, end = year_at(self.words, after + 1)
            if year is not None:
                unit, is_fiscal, _ = self._unit("year", kind or "calendar")
                return Part(lambda y: self.spans.year(y, is_fiscal=is_fiscal), year, end, unit)
            if self.first.year == self.last.year:
                return Part(lambda _: (self.first, self.last), FIXED, after + 1)
        return None

    def _latest_whole(self, part: Part) -> int:
        for year in range(self.last.year, self.first.year - 2, -1):
            first, last = part.days(year)
            if first >= self.first and last <= self.last:
                return year
        return self.resolved(part)[0].year

    def _last_units(self, unit: str, count: int) -> Days:
        """The last `count` whole units in the data."""
        if unit == "day":
            return self.last - dt.timedelta(days=count - 1), self.last
        days = self.spans.unit_of(unit, self.last)
        if days[1] > self.last:
            days = self.spans.unit_of(unit, days[0] - ONE_DAY)
        return self.spans.moved(unit, days, 1 - count)[0], days[1]

    # --- pieces -------------------------------------------------------------------------------------------------------

    def _count(self, at: int) -> tuple[int, int]:
        """A number of units, and where it ends; 1 if none is said."""
        if 0 <= at < len(self.tokens) and self.word(at):
            number = number_of(self.tokens[at], english.NUMBER_WORDS)
            if number is not None and 1 <= number <= _UNITS_MAX and self.word(at + 1) not in english.MONTHS:
                return number, at + 1
        return 1, at

    def _unit(self, unit: str, kind: YearKind | Literal[""]) -> tuple[str, bool, str]:
        """The unit by its full name, whether it is fiscal, and the word if that was left open."""
        if unit not in english.VAGUE_UNITS or self.spans.fiscal is None:
            return (f"fiscal_{unit}" if kind == "fiscal" else unit), kind == "fiscal", ""
        is_fiscal = (kind or self._year_kind) == "fiscal"
        return (f"fiscal_{unit}" if is_fiscal else unit), is_fiscal, "" if kind else unit

    def _year_alone(self, at: int) -> Part | None:
        year, kind, end = year_at(self.words, at)
        if year is None or self.word(at) in ("of", "in"):
            return None
        if self.word(end) in ("fiscal", "financial", "calendar") and self.word(end + 1) == "year":
            kind, end = kind_at(self.words, end)[0], end + 2  # "the 2025 fiscal year"
        unit, is_fiscal, _ = self._unit("year", kind or "calendar")
        return Part(lambda y: self.spans.year(y, is_fiscal=is_fiscal), year, end, unit)
