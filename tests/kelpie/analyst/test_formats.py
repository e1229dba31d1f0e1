"""Cells as people read them: rounded as the metric says, exact where money is, periods in words."""

import datetime as dt
import decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.formats import cell_text, header_text, number_text, range_text, time_text, with_unit
from kelpie.analyst.table import ResultColumn, as_cell


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (65.8333, ",.1f", "65.8"),
        (-0.04, ",.1f", "0.0"),
        (-12.61, ",.1f", "-12.6"),
        (1234567, ",d", "1,234,567"),
        (1234567.0, ",d", "1,234,567"),
        (0.0239, ".1%", "2.4%"),
        (1234.5, ",.2f", "1,234.50"),
        (12, "", "12"),
        (12.0, "", "12"),
        (0.1 + 0.2, "", "0.3"),
        (1 / 3, "", "0.3333"),
        (12345.678912, "", "12,345.6789"),
        (10**30, "", f"{10**30:,}"),
    ],
)
def test_a_number_is_written_in_its_format(value, number_format, text):
    assert number_text(value, number_format) == text


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (None, "metric", "–"),
        (True, "value", "yes"),
        ("JetBlue", "dimension", "JetBlue"),
        ("2013-06-01", "time", "June 2013"),
    ],
)
def test_a_cell_is_written_by_what_its_column_is(cell, kind, text):
    assert cell_text(cell, ResultColumn(name="x", kind=kind, label="x", type="", grain="month")) == text


def test_units_stand_behind_numbers_and_in_headers():
    column = ResultColumn(name="d", kind="metric", label="average delay", type="number", unit="minutes", format=",.1f")
    assert with_unit(3.14, column) == "3.1 minutes"
    assert with_unit(None, column) == "–"
    assert header_text(column) == "Average delay (minutes)"
    assert header_text(ResultColumn(name="n", kind="value", label="count_star()", type="BIGINT")) == "count_star()"


@pytest.mark.parametrize(
    ("grain", "text"),
    [
        ("day", "2013-06-01"),
        ("week", "week of 2013-06-01"),
        ("month", "June 2013"),
        ("quarter", "Q2 2013"),
        ("year", "2013"),
    ],
)
def test_a_period_is_named_by_its_grain(grain, text):
    assert time_text("2013-06-01", grain) == text


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2013-01-01", "2013-12-31", "2013"),
        ("2012-01-01", "2013-12-31", "2012–2013"),
        ("2013-07-01", "2013-07-31", "July 2013"),
        ("2013-06-01", "2013-08-31", "June–August 2013"),
        ("2013-12-01", "2014-02-28", "December 2013–February 2014"),
        ("2012-02-01", "2012-02-29", "February 2012"),
        ("2013-07-04", "2013-07-04", "2013-07-04"),
        ("2013-07-04", "2013-07-31", "2013-07-04 to 2013-07-31"),
    ],
)
def test_a_range_of_days_is_said_as_short_as_it_can_be(first, last, text):
    assert range_text(dt.date.fromisoformat(first), dt.date.fromisoformat(last)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**25), max_value=10**25))
def test_money_never_changes_on_its_way_to_json(amount):
    cell = as_cell(amount)
    assert decimal.Decimal(cell if isinstance(cell, str | int) else repr(cell)) == amount


@pytest.mark.parametrize(
    ("day", "grain", "begins", "named_by", "text"),
    [
        ("2025-02-01", "fiscal_quarter", 2, "end", "Q1 FY2026"),
        ("2026-01-31", "fiscal_quarter", 2, "end", "Q4 FY2026"),
        ("2025-02-01", "fiscal_quarter", 2, "begin", "Q1 FY2025"),
        ("2025-02-01", "fiscal_year", 2, "end", "FY2026"),
        ("2025-01-01", "fiscal_year", 1, "end", "FY2025"),
        ("2025-07-01", "fiscal_quarter", 7, "end", "Q1 FY2026"),
        ("2025-06-30", "fiscal_year", 7, "end", "FY2025"),
    ],
)
def test_a_fiscal_period_has_the_company_s_own_name(day, grain, begins, named_by, text):
    assert time_text(day, grain, begins, named_by) == text
    column = ResultColumn(
        name=grain, kind="time", label="x", type="date", grain=grain, year_begins=begins, named_by=named_by
    )
    assert cell_text(day, column) == text


def test_money_that_is_a_text_to_stay_exact_is_written_like_a_number():
    column = ResultColumn(name="x", kind="metric", label="x", type="number", format=",.2f")
    assert cell_text("12345678901234567.89", column) == "12,345,678,901,234,567.89"
    assert cell_text("12345678901234567.89", ResultColumn(name="x", kind="dimension", label="x", type="text")) != (
        "12,345,678,901,234,567.89"
    )
    assert cell_text("n/a", column) == "n/a"
