"""Days and periods, before any SQL: where periods begin, what a window holds, and what lies a year or a step before.

A window ends with the day *after* its last one. So a month is moved onto a month whatever their lengths: March without
its end is "until 1 April", a month earlier "until 1 March".
"""

import datetime as dt

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.semantic.model import Grain
from kelpie.errors import InvalidInput, LimitExceeded

_DAY = dt.timedelta(days=1)


class Days(msgspec.Struct, frozen=True):
    """The first and the last day that some data cover."""

    first: dt.date
    last: dt.date


class Coverage(msgspec.Struct, frozen=True):
    """The days that the data cover, on each time axis and for each stock, by name."""

    axes: dict[str, Days] = {}
    stocks: dict[str, Days] = {}


def coverage_of(catalog: Catalog) -> Coverage:
    """The days that a catalog says the data cover."""

    def days(first: str, last: str) -> Days:
        return Days(dt.date.fromisoformat(first), dt.date.fromisoformat(last))

    return Coverage(
        axes={axis.name: days(axis.first, axis.last) for axis in catalog.times},
        stocks={one.name: days(one.first, one.last) for one in catalog.metrics if one.kind == "stock" and one.first},
    )


class Window(msgspec.Struct, frozen=True):
    """From `begin` until before `end`; None is without bound."""

    begin: dt.date | None = None
    end: dt.date | None = None

    @property
    def bounded(self) -> bool:
        return self.begin is not None or self.end is not None


class Shift(msgspec.Struct, frozen=True):
    """How much earlier the other side of a comparison lies."""

    days: int = 0
    months: int = 0

    def earlier(self, day: dt.date) -> dt.date:
        return _moved(day, -self.days, -self.months)

    def later(self, day: dt.date) -> dt.date:
        return _moved(day, self.days, self.months)


class Moment(msgspec.Struct, frozen=True):
    """When a stock is looked at: the evening before `after`, for the row of `period`; not before `begin`."""

    period: dt.date | None
    begin: dt.date
    after: dt.date


STEPS: dict[Grain, Shift] = {
    "day": Shift(days=1),
    "week": Shift(days=7),
    "month": Shift(months=1),
    "quarter": Shift(months=3),
    "year": Shift(months=12),
    "fiscal_quarter": Shift(months=3),
    "fiscal_year": Shift(months=12),
}
_YEAR = Shift(months=12)
_YEAR_OF_WEEKS = Shift(days=364)  # a week a year earlier begins on a Monday too


def begin_of(day: dt.date, grain: Grain, year_begins: int = 1) -> dt.date:
    """The first day of the period that holds `day`. Weeks begin on Monday, fiscal years with month `year_begins`."""
    if grain == "day":
        return day
    if grain == "week":
        return day - dt.timedelta(days=day.weekday())
    first = year_begins if grain.startswith("fiscal") else 1
    months_in = (day.month - first) % 12 % STEPS[grain].months
    return _moved(day.replace(day=1), 0, -months_in)


def before(
    now: Window, how: str, other: Window, grain: Grain | None, year_begins: int, days: Days | None
) -> tuple[Window, Shift]:
    """The window to compare `now` with, and how much later its rows have to be read to meet those of `now`.

    how    "previous_period", "previous_year", or "period": that is `other`
    days   what the data cover: the bounds of a window without them
    Raises InvalidInput if `now` or `other` lacks a bound that is needed.
    """
    if grain is not None:
        return _before_by(grain, now, how, other, year_begins, days)
    if how == "period":
        if not other.bounded:
            raise InvalidInput("the period to compare with needs time_from or time_to")
        return other, Shift()
    if not now.bounded:
        raise InvalidInput(f"a comparison with the {how.replace('_', ' ')} needs time_from and time_to, or a grain")
    end = now.end or _known(days).last + _DAY
    if how == "previous_year":
        return Window(now.begin and _YEAR.earlier(now.begin), _YEAR.earlier(end)), Shift()
    if now.begin is None:
        raise InvalidInput("a comparison with the previous period needs time_from")
    if now.begin >= end:  # it lies behind the data
        return Window(now.begin, now.begin), Shift()
    if now.begin.day == 1 and end.day == 1:  # July is compared with June, not with the 31 days before it
        shift = Shift(months=_months(now.begin, end))
    else:
        shift = Shift(days=(end - now.begin).days)
    return Window(shift.earlier(now.begin), now.begin), Shift()


def _before_by(
    grain: Grain, now: Window, how: str, other: Window, year_begins: int, days: Days | None
) -> tuple[Window, Shift]:
    """As `before`, where each row is one period: a row's counterpart is a whole period too."""
    last = now.end - _DAY if now.end else _known(days).last
    if how == "previous_period":
        shift = STEPS[grain]
        aligned = now.begin is not None and begin_of(now.begin, grain, year_begins) == now.begin
        # A first period that is cut has no whole one before it: it gets none.
        begin = shift.earlier(now.begin) if now.begin and aligned else now.begin
        return Window(begin, begin_of(last, grain, year_begins)), shift
    end = now.end or STEPS[grain].later(begin_of(last, grain, year_begins))
    if how == "previous_year":
        shift = _YEAR_OF_WEEKS if grain == "week" else _YEAR
        return Window(now.begin and shift.earlier(now.begin), shift.earlier(end)), shift
    if other.begin is None:
        raise InvalidInput("the period to compare with needs time_from")
    ours = begin_of(now.begin or _known(days).first, grain, year_begins)
    theirs = begin_of(other.begin, grain, year_begins)
    by_days = STEPS[grain].days > 0
    shift = Shift(days=(ours - theirs).days) if by_days else Shift(months=_months(theirs, ours))
    theirs_end = shift.earlier(end)
    return Window(other.begin, min(other.end or theirs_end, theirs_end)), shift


def moments(window: Window, shift: Shift, grain: Grain | None, year_begins: int, days: Days) -> list[Moment]:
    """When to look at a stock for each row of `window`: at each period's end, or that of the data if it is first.

    Empty if no day of the data lies in the window. Raises LimitExceeded for more than can be written out.
    """
    begin = max(window.begin or days.first, days.first)
    end = min(window.end or days.last + _DAY, days.last + _DAY)
    if begin >= end:
        return []
    if grain is None:
        return [Moment(None, begin, end)]
    found = []
    period = begin_of(begin, grain, year_begins)
    while period < end:
        after = STEPS[grain].later(period)
        row = shift.later(period)
        if shift.earlier(row) == period:  # not so for 29 February, which has no day a year later
            found.append(Moment(row, max(period, begin), min(after, end)))
        if len(found) > limits.SPINE_PERIODS_MAX:
            raise LimitExceeded("the series of a stock", len(found), limits.SPINE_PERIODS_MAX, f"{grain}s")
        period = after
    return found


def leap_days(window: Window, days: Days | None) -> list[dt.date]:
    """Every 29 February in the window."""
    begin = window.begin or _known(days).first
    end = window.end or _known(days).last + _DAY
    leap = (dt.date(year, 2, 29) for year in range(begin.year, end.year + 1) if _is_leap(year))
    return [day for day in leap if begin <= day < end]


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _known(days: Days | None) -> Days:
    if days is None:
        raise InvalidInput("the days that the data cover are not known: give time_from and time_to")
    return days


def _months(begin: dt.date, end: dt.date) -> int:
    return (end.year - begin.year) * 12 + end.month - begin.month


def _moved(day: dt.date, days: int, months: int) -> dt.date:
    """A day that the month does not have becomes the first of the next one."""
    count = day.year * 12 + day.month - 1 + months
    try:
        moved = dt.date(count // 12, count % 12 + 1, 1)
        return moved + dt.timedelta(days=day.day - 1 + days) if _has_day(moved, day.day) else _moved(moved, days, 1)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{day} lies too near the end of the calendar to be compared") from error


def _has_day(first: dt.date, day: int) -> bool:
    return (first + dt.timedelta(days=day - 1)).month == first.month
