"""Periods as days: weeks, months, quarters and years, of the calendar or of a company's own year."""

import calendar
import datetime as dt
from collections.abc import Callable
from typing import Literal

import msgspec

from kelpie.analyst.catalog import CatalogFiscal
from kelpie.analyst.formats import range_text, time_text

Days = tuple[dt.date, dt.date]  # the first and the last, both included
ONE_DAY = dt.timedelta(days=1)
MONTHS_OF = {"month": 1, "quarter": 3, "half": 6, "year": 12}
YEARS = range(1900, 2101)  # what four digits alone may be a year of


Relative = Literal["", "last", "this"]
FIXED = 0  # the year of a part that needs none


class Part(msgspec.Struct, frozen=True):
    """A period that may still lack its year: `days(year)` gives it for any. It ends before the token `end`.

    unit      the unit it is one of, or `count` of; "" for other spans
    relative  said relative to the data's last day
    rolling   "the past year": the last whole one, or twelve months back from the end?
    vague     "quarter" or "year", where it was not said whether the company's or the calendar's
    """

    days: Callable[[int], Days]
    year: int | None
    end: int
    unit: str = ""
    name: str = ""
    relative: Relative = ""
    count: int = 1
    rolling: bool = False
    vague: str = ""


class Calendar(msgspec.Struct, frozen=True):
    """`fiscal` is the company's own year, or None. Units with the prefix "fiscal_" follow it."""

    fiscal: CatalogFiscal | None = None

    def unit_of(self, unit: str, day: dt.date) -> Days:
        """The week, month, … that `day` is in."""
        if unit == "day":
            return day, day
        if unit == "week":
            monday = day - dt.timedelta(days=day.weekday())
            return monday, monday + dt.timedelta(days=6)
        months = MONTHS_OF[unit.removeprefix("fiscal_")]
        into = (day.month - self._begins(unit)) % 12 % months
        return months_from(day.year * 12 + day.month - 1 - into, months)

    def moved(self, unit: str, days: Days, count: int) -> Days:
        """The unit that lies `count` units after the one `days` is."""
        if unit in ("day", "week"):
            by = dt.timedelta(days=count * (7 if unit == "week" else 1))
            return days[0] + by, days[1] + by
        months = MONTHS_OF[unit.removeprefix("fiscal_")]
        return months_from(days[0].year * 12 + days[0].month - 1 + count * months, months)

    def year(self, number: int, *, is_fiscal: bool) -> Days:
        """The year that is called `number`."""
        if not is_fiscal or self.fiscal is None:
            return months_from(number * 12, 12)
        ends_later = self.fiscal.year_begins > 1
        begins_in = number - 1 if self.fiscal.named_by == "end" and ends_later else number
        return months_from(begins_in * 12 + self.fiscal.year_begins - 1, 12)

    def part_of_year(self, number: int, months: int, year: int, *, is_fiscal: bool) -> Days:
        """The `number`th part of `months` months of a year."""
        first = self.year(year, is_fiscal=is_fiscal)[0]
        return months_from(first.year * 12 + first.month - 1 + (number - 1) * months, months)

    def name(self, unit: str, days: Days) -> str:
        """ "Q1 FY2026 (February–April 2025)", "July 2025"."""
        text = range_text(*days)
        if unit in ("fiscal_quarter", "fiscal_year") and self.fiscal is not None:
            called = time_text(days[0].isoformat(), unit, self.fiscal.year_begins, self.fiscal.named_by)
            return f"{called} ({text})"
        return f"week of {days[0]}" if unit == "week" else text

    def _begins(self, unit: str) -> int:
        return self.fiscal.year_begins if unit.startswith("fiscal_") and self.fiscal is not None else 1


def months_from(month: int, count: int) -> Days:
    """`count` whole months from the one numbered `month`: the year times twelve, plus the month from 0."""
    first = dt.date(month // 12, month % 12 + 1, 1)
    last = month + count - 1
    return first, dt.date(last // 12, last % 12 + 1, calendar.monthrange(last // 12, last % 12 + 1)[1])


def named_months(year: int, from_month: int, to_month: int) -> Days:
    """From a month to another; from a later one to an earlier one it runs into the next year."""
    return months_from(year * 12 + from_month - 1, (to_month - from_month) % 12 + 1)


def a_year_before(days: Days) -> Days:
    """The same days of the year before; a 29 February becomes the 28th, whole months stay whole."""
    first, last = (_back(day) for day in days)
    if (days[1] + ONE_DAY).day == 1:
        last = last.replace(day=calendar.monthrange(last.year, last.month)[1])
    return first, last


def _back(day: dt.date) -> dt.date:
    return day.replace(year=day.year - 1, day=min(day.day, calendar.monthrange(day.year - 1, day.month)[1]))


def just_before(days: Days) -> Days:
    """As much time right before: as many months if `days` are whole months, else as many days."""
    first, last = days
    if first.day == 1 and (last + ONE_DAY).day == 1:
        months = (last.year - first.year) * 12 + last.month - first.month + 1
        return months_from(first.year * 12 + first.month - 1 - months, months)
    return first - (last - first) - ONE_DAY, first - ONE_DAY
