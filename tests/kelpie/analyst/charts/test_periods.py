"""The time axis has every period, in words people use, and says which are not whole."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.charts.results_to_draw import FLIGHTS, MONTH, QUARTER, period, stored, value

from kelpie.analyst.charts.periods import axis_labels, next_start, periods_of
from kelpie.errors import InvalidInput


def periods(column, days, **more):
    return periods_of(stored([column, FLIGHTS], [[day, 1] for day in days], **{"asked": {}, **more}), column)


def test_periods_without_a_row_are_there():
    found = periods(MONTH, ["2013-01-01", "2013-04-01"])
    assert found.starts == ["2013-01-01", "2013-02-01", "2013-03-01", "2013-04-01"]


@pytest.mark.parametrize(
    ("column", "day", "label"),
    [
        (MONTH, "2013-06-01", "Jun 2013"),
        (QUARTER, "2025-02-01", "Q1 FY2026"),
        (QUARTER, "2025-11-01", "Q4 FY2026"),
        (period("fiscal_quarter", year_begins=2, named_by="begin"), "2025-02-01", "Q1 FY2025"),
        (period("fiscal_year", year_begins=2), "2025-02-01", "FY2026"),
        (period("fiscal_year", year_begins=1), "2025-01-01", "FY2025"),
        (period("quarter"), "2013-04-01", "Q2 2013"),
        (period("year"), "2013-01-01", "2013"),
        (period("week"), "2013-06-03", "3 Jun 2013"),
        (period("day"), "2013-06-03", "3 Jun 2013"),
    ],
)
def test_a_period_has_a_short_name(column, day, label):
    assert periods(column, [day]).labels == {day: label}


@pytest.mark.parametrize(
    ("asked", "first", "last", "partial"),
    [
        ({}, "2013-01-01", "2013-03-31", []),
        ({}, "2013-01-15", "2013-03-31", ["2013-01-01"]),
        ({}, "2013-01-01", "2013-03-30", ["2013-03-01"]),
        (
            {"time_from": "2013-01-02", "time_to": "2013-03-10"},
            "2013-01-01",
            "2013-12-31",
            ["2013-01-01", "2013-03-01"],
        ),
        ({"time_from": "2013-01-01", "time_to": "2013-03-31"}, "2012-01-01", "2014-12-31", []),
    ],
)
def test_periods_that_data_or_question_cut_off_are_named(asked, first, last, partial):
    found = periods(MONTH, ["2013-01-01", "2013-02-01", "2013-03-01"], asked=asked, first=first, last=last)
    assert found.partial == partial


def test_of_plain_sql_the_dates_tell_the_grain_and_nothing_is_called_partial():
    days = value("d", "DATE")
    for dates, grain in (
        (["2013-01-01", "2014-01-01"], "year"),
        (["2013-01-01", "2013-04-01"], "quarter"),
        (["2013-01-01", "2013-02-01"], "month"),
        (["2013-01-01", "2013-01-02"], "day"),
    ):
        found = periods(days, dates, asked=None, first="2013-06-01", last="2013-06-02")
        assert (found.grain, found.partial) == (grain, [])


def test_two_far_days_make_no_endless_axis():
    with pytest.raises(InvalidInput, match="coarser"):
        periods(period("day"), ["1900-01-01", "2013-01-01"])


def test_the_year_stands_where_it_changes():
    found = periods(MONTH, ["2012-11-01", "2013-02-01"])
    assert axis_labels(found, 16) == {
        "2012-11-01": ["Nov", "2012"], "2012-12-01": ["Dec"], "2013-01-01": ["Jan", "2013"], "2013-02-01": ["Feb"],
    }  # fmt: skip


def test_many_days_are_found_by_their_months():
    days = [(dt.date(2013, 1, 1) + dt.timedelta(days=n)).isoformat() for n in range(365)]
    labels = axis_labels(periods(period("day"), days), 16)
    assert list(labels)[:2] == ["2013-01-01", "2013-02-01"]
    assert list(labels.values())[:2] == [["Jan", "2013"], ["Feb"]]


@given(st.dates(dt.date(1990, 1, 1), dt.date(2050, 1, 1)), st.sampled_from(["month", "quarter", "year", "fiscal_year"]))
def test_a_period_ends_where_the_next_begins(day, grain):
    start = day.replace(day=1)
    after = next_start(start, grain)
    months = (after.year - start.year) * 12 + after.month - start.month
    assert (after.day, months) == (1, {"month": 1, "quarter": 3}.get(grain, 12))
