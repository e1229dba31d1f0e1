"""Periods and shifts in four engines' words: each gives the days that Python's calendar gives, whatever the day."""

import datetime as dt
import itertools

import pytest
from sqlglot import exp

from kelpie.analyst.compile import dialects
from kelpie.analyst.compile.windows import STEPS, Shift, begin_of
from kelpie.analyst.guard import guard
from kelpie.analyst.semantic.model import FISCAL_GRAINS
from kelpie.errors import InvalidInput

# Ends of months, of years, of ISO weeks, leap days, and the days around daylight saving's changes.
DAYS = [
    dt.date(year, month, day) for year in (2023, 2024, 2025) for month in range(1, 13) for day in (1, 2, 15, 27, 28)
]
DAYS += [
    dt.date(2024, 2, 29),
    dt.date(2023, 12, 31),
    dt.date(2024, 12, 30),
    dt.date(2024, 3, 31),
    dt.date(2024, 10, 27),
]
TIMES = (dt.time(0, 0), dt.time(2, 30), dt.time(23, 59, 59))


@pytest.fixture
def moments(database_of_dialect):
    """The table `moments`, made once for each database."""
    database = database_of_dialect
    if "moments" not in database.filled:
        stamp = "DATETIME" if database.dialect == "mysql" else "TIMESTAMP"
        rows = [(number, day, f"{day} {TIMES[number % 3]}") for number, day in enumerate(DAYS)]
        database.fill({"moments": ({"id": "INTEGER", "day": "DATE", "stamp": stamp}, rows)})
    return database


def column(database, tree):
    """The values of an expression over the table `moments`, through the guard."""
    select = exp.select(tree).from_("moments").order_by("id")
    sql = guard(select.sql(dialect=database.dialect), ["moments"], dialect=database.dialect).sql
    return [row[0] for row in database.run(sql)]


@pytest.mark.parametrize("grain", STEPS)
def test_a_period_begins_on_the_day_python_says(moments, grain):
    for name, year_begins in itertools.product(("day", "stamp"), (1, 2, 4, 12) if grain in FISCAL_GRAINS else (1,)):
        tree = dialects.period_begin(exp.column(name, table="moments"), grain, year_begins, moments.dialect)
        assert column(moments, tree) == [begin_of(day, grain, year_begins).isoformat() for day in DAYS]


@pytest.mark.parametrize("shift", [Shift(days=1), Shift(days=364), Shift(months=1), Shift(months=12), Shift(months=-7)])
def test_a_shifted_period_is_a_date(moments, shift):
    begin = dialects.period_begin(exp.column("day", table="moments"), "month", 1, moments.dialect)
    found = column(moments, dialects.moved(begin, shift, moments.dialect))
    assert found == [shift.later(day.replace(day=1)).isoformat() for day in DAYS]


def test_a_day_is_compared_as_a_day(moments):
    for name in ("day", "stamp"):
        late = exp.GTE(
            this=exp.column(name, table="moments"), expression=dialects.date(dt.date(2024, 2, 29), moments.dialect)
        )
        select = exp.select(exp.Count(this=exp.Star())).from_("moments").where(late)
        found = moments.run(guard(select.sql(dialect=moments.dialect), ["moments"], dialect=moments.dialect).sql)
        assert found == [[sum(day >= dt.date(2024, 2, 29) for day in DAYS)]]


def test_a_ratio_keeps_its_fraction_and_has_none_over_nothing(moments):
    one, three, none = (exp.Literal.number(number) for number in (1, 3, 0))
    for above, below, value in ((one, three, 1 / 3), (one, none, None)):
        select = exp.select(dialects.ratio(above, below, moments.dialect)).from_("moments").limit(1)
        found = moments.run(guard(select.sql(dialect=moments.dialect), ["moments"], dialect=moments.dialect).sql)
        assert found == [[value if value is None else pytest.approx(value, rel=1e-12)]]


def test_another_dialect_is_refused():
    with pytest.raises(InvalidInput, match="snowflake"):
        dialects.check_dialect("snowflake")
