"""Days and periods: what lies a step or a year before, whatever the calendar does."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst import limits
from kelpie.analyst.compile.windows import STEPS, Days, Moment, Shift, Window, before, begin_of, leap_days, moments
from kelpie.errors import InvalidInput, LimitExceeded

DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2040, 12, 31))
day = dt.date.fromisoformat


def window(first, after):
    return Window(first and day(first), after and day(after))


COVERED = Days(day("2023-02-15"), day("2025-07-17"))

PERIOD, YEAR = "previous_period", "previous_year"
# How, grain, the window now, and the one before. A window ends with the day after its last.
BEFORE = {
    "a month": (PERIOD, None, ("2025-07-01", "2025-08-01"), ("2025-06-01", "2025-07-01")),
    "March after a leap February": (PERIOD, None, ("2024-03-01", "2024-04-01"), ("2024-02-01", "2024-03-01")),
    "a quarter": (PERIOD, None, ("2025-01-01", "2025-04-01"), ("2024-10-01", "2025-01-01")),
    "a fiscal year": (PERIOD, None, ("2025-02-01", "2026-02-01"), ("2024-02-01", "2025-02-01")),
    "ten days": (PERIOD, None, ("2025-07-08", "2025-07-18"), ("2025-06-28", "2025-07-08")),
    "since a day": (PERIOD, None, ("2025-07-01", None), ("2025-06-14", "2025-07-01")),
    "behind the data": (PERIOD, None, ("2026-01-01", None), ("2026-01-01", "2026-01-01")),
    "a year earlier": (YEAR, None, ("2025-07-01", "2025-08-01"), ("2024-07-01", "2024-08-01")),
    "February against a leap one": (YEAR, None, ("2025-02-01", "2025-03-01"), ("2024-02-01", "2024-03-01")),
    "from a leap day": (YEAR, None, ("2024-02-29", "2024-04-01"), ("2023-03-01", "2023-04-01")),
    "until a day": (YEAR, None, (None, "2025-07-18"), (None, "2024-07-18")),
    "months, each with the one before": (PERIOD, "month", ("2025-01-01", "2025-04-01"), ("2024-12-01", "2025-03-01")),
    "months, the first one cut": (PERIOD, "month", ("2025-01-15", "2025-04-01"), ("2025-01-15", "2025-03-01")),
    "months without bounds": (PERIOD, "month", (None, None), (None, "2025-07-01")),
    "fiscal quarters": (PERIOD, "fiscal_quarter", ("2025-02-01", "2025-08-01"), ("2024-11-01", "2025-05-01")),
    "months, a year earlier": (YEAR, "month", ("2025-01-01", None), ("2024-01-01", "2024-08-01")),
    "weeks, a year of weeks earlier": (YEAR, "week", ("2025-06-02", "2025-06-16"), ("2024-06-03", "2024-06-17")),
}  # fmt: skip


@pytest.mark.parametrize(("how", "grain", "now", "expected"), BEFORE.values(), ids=BEFORE)
def test_what_a_window_is_compared_with(how, grain, now, expected):
    found, shift = before(window(*now), how, Window(), grain, 2, COVERED)
    assert found == window(*expected)
    assert (shift != Shift()) == (grain is not None)


def test_another_period_is_met_row_by_row():
    now, other = window("2025-04-01", "2025-07-01"), window("2024-10-01", "2025-01-01")
    found, shift = before(now, "period", other, "month", 1, COVERED)
    assert (found, shift) == (other, Shift(months=6))
    found, shift = before(now, "period", window("2024-10-05", None), "day", 1, COVERED)
    assert shift == Shift(days=178)
    assert found.end == day("2025-01-04")  # as long as the window now
    # A later period can be the other side, too.
    assert before(other, "period", now, "quarter", 1, COVERED) == (now, Shift(months=-6))


@pytest.mark.parametrize(
    ("how", "grain", "now", "covered"),
    [
        ("previous_period", None, (None, None), COVERED),
        ("previous_year", None, (None, None), COVERED),
        ("previous_period", None, (None, "2025-07-18"), COVERED),
        ("previous_period", None, ("2025-07-18", None), None),
        ("previous_period", "month", (None, None), None),
        ("period", None, ("2025-07-18", None), COVERED),
        ("period", "month", ("2025-07-18", None), COVERED),
    ],
)
def test_a_comparison_that_lacks_a_day_is_refused(how, grain, now, covered):
    with pytest.raises(InvalidInput):
        before(window(*now), how, Window(), grain, 1, covered)


def test_days_at_the_end_of_the_calendar_are_refused():
    with pytest.raises(InvalidInput, match="calendar"):
        before(window("0001-02-01", "0001-03-01"), "previous_year", Window(), None, 1, COVERED)


@given(DAYS, st.sampled_from(list(STEPS)), st.integers(1, 12))
def test_periods_follow_each_other_without_a_gap(one, grain, year_begins):
    begin = begin_of(one, grain, year_begins)
    after = STEPS[grain].later(begin)
    assert begin <= one < after
    assert begin_of(after, grain, year_begins) == after
    assert begin_of(after - dt.timedelta(days=1), grain, year_begins) == begin
    assert STEPS[grain].earlier(after) == begin


@given(DAYS, st.sampled_from(list(STEPS)), st.integers(1, 12))
def test_a_stock_s_last_moment_is_the_end_of_the_data(last, grain, year_begins):
    first = last - dt.timedelta(days=40)
    found = moments(Window(), Shift(), grain, year_begins, Days(first, last))
    assert found[-1].after == last + dt.timedelta(days=1)
    assert found[0].period == begin_of(first, grain, year_begins)
    assert [one.after for one in found[:-1]] == [one.period for one in found[1:]]


def test_moments_lie_inside_window_and_data():
    quarter = Moment(day("2025-07-01"), day("2025-07-01"), day("2025-07-18"))
    assert moments(window("2025-07-01", "2025-10-01"), Shift(), "quarter", 1, COVERED) == [quarter]
    assert moments(window("2026-01-01", None), Shift(), "quarter", 1, COVERED) == []
    assert moments(window(None, "2023-01-01"), Shift(), None, 1, COVERED) == []
    assert moments(Window(), Shift(), None, 1, COVERED) == [Moment(None, COVERED.first, day("2025-07-18"))]


def test_more_moments_than_can_be_written_out_are_refused():
    with pytest.raises(LimitExceeded):
        moments(Window(), Shift(), "day", 1, COVERED)
    some = window("2025-01-01", None)
    assert 0 < len(moments(some, Shift(), "day", 1, COVERED)) <= limits.SPINE_PERIODS_MAX


def test_a_leap_day_has_no_day_a_year_later():
    assert leap_days(window("2023-01-01", "2025-01-01"), None) == [day("2024-02-29")]
    assert leap_days(window("2024-03-01", "2028-02-29"), None) == []
    assert leap_days(Window(), COVERED) == [day("2024-02-29")]
    year = Shift(months=12)
    rows = [one.period for one in moments(window("2024-02-28", "2024-03-02"), year, "day", 1, COVERED)]
    assert rows == [day("2025-02-28"), day("2025-03-01")]
