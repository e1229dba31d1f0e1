"""Time in words -> days, on data that cover 2013, and on data that end in the middle of a month."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.catalog import CatalogFiscal, CatalogPeriod
from kelpie.analyst.planner.dates.parts import PartReader
from kelpie.analyst.planner.dates.periods import PeriodReader
from kelpie.analyst.planner.dates.spans import Calendar
from kelpie.analyst.planner.english.words import stem, tokenize

SUMMER = CatalogPeriod(name="summer", label="summer", from_month=6, to_month=8)
WINTER = CatalogPeriod(name="winter", label="winter", from_month=12, to_month=2)


PLAIN = Calendar()
FISCAL = Calendar(CatalogFiscal(year_begins=2, named_by="end", default="ask"))


def read(text, first="2013-01-01", last="2013-12-31", spans=PLAIN, kind="calendar"):
    tokens = tokenize(text)
    periods = {period.name: period for period in (SUMMER, WINTER)}
    named = {at: (periods[token.lower], at + 1) for at, token in enumerate(tokens) if token.lower in periods}
    covered = (dt.date.fromisoformat(first), dt.date.fromisoformat(last))
    found = PeriodReader(PartReader(tokens, covered, named, set(), spans, kind)).find()
    return [(str(mention.first), str(mention.last), mention.label) for mention in found]


@pytest.mark.parametrize(
    ("text", "first", "last", "label"),
    [
        ("in 2013", "2013-01-01", "2013-12-31", "2013"),
        ("in July", "2013-07-01", "2013-07-31", "July 2013"),
        ("in Feb 2012", "2012-02-01", "2012-02-29", "February 2012"),
        ("July of 2013", "2013-07-01", "2013-07-31", "July 2013"),
        ("on July 4", "2013-07-04", "2013-07-04", "2013-07-04"),
        ("on the 4th of July, 2013", "2013-07-04", "2013-07-04", "2013-07-04"),
        ("on 4 July 2013", "2013-07-04", "2013-07-04", "2013-07-04"),
        ("on 2013-07-04", "2013-07-04", "2013-07-04", "2013-07-04"),
        ("in 2013-07", "2013-07-01", "2013-07-31", "July 2013"),
        ("Q3 2013", "2013-07-01", "2013-09-30", "July–September 2013"),
        ("the third quarter of 2013", "2013-07-01", "2013-09-30", "July–September 2013"),
        ("in the first half of 2013", "2013-01-01", "2013-06-30", "January–June 2013"),
        ("summer 2013", "2013-06-01", "2013-08-31", "summer 2013 (June–August 2013)"),
        ("in the summer of 2013", "2013-06-01", "2013-08-31", "summer 2013 (June–August 2013)"),
        ("winter 2012", "2012-12-01", "2013-02-28", "winter 2012 (December 2012–February 2013)"),
        ("last summer", "2013-06-01", "2013-08-31", "summer 2013 (June–August 2013)"),
        ("last winter", "2013-12-01", "2014-02-28", "winter 2013 (December 2013–February 2014)"),
        ("from March to May", "2013-03-01", "2013-05-31", "March–May 2013"),
        ("between June and August 2013", "2013-06-01", "2013-08-31", "June–August 2013"),
        ("June until August", "2013-06-01", "2013-08-31", "June–August 2013"),
        ("from 2013-07-04 to 2013-07-10", "2013-07-04", "2013-07-10", "2013-07-04 to 2013-07-10"),
        ("since October", "2013-10-01", "2013-12-31", "October–December 2013"),
        ("until March", "2013-01-01", "2013-03-31", "January–March 2013"),
        ("before March", "2013-01-01", "2013-02-28", "January–February 2013"),
        ("after October", "2013-11-01", "2013-12-31", "November–December 2013"),
        ("last month", "2013-12-01", "2013-12-31", "December 2013"),
        ("in the last 3 months", "2013-10-01", "2013-12-31", "October–December 2013"),
        ("the past two quarters", "2013-07-01", "2013-12-31", "July–December 2013"),
        ("last year", "2013-01-01", "2013-12-31", "2013"),
        ("the last 7 days", "2013-12-25", "2013-12-31", "2013-12-25 to 2013-12-31"),
        ("over the whole year", "2013-01-01", "2013-12-31", "2013"),
        ("in May", "2013-05-01", "2013-05-31", "May 2013"),
        ("in may", "2013-05-01", "2013-05-31", "May 2013"),
        ("in march", "2013-03-01", "2013-03-31", "March 2013"),
    ],
)  # fmt: skip
def test_a_period_is_read_as_its_days(text, first, last, label):
    assert read(text) == [(first, last, label)]


@pytest.mark.parametrize(
    "text", ["they may march", "the top 5", "2013 flights flew 20130", "first class", "last one", "h3", "q9"]
)
def test_what_is_no_period_is_left_alone(text):
    assert [found for found in read(text) if found[2] != "2013"] == []


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("last month", "2024-04-01", "2024-04-30"),
        ("last 2 months", "2024-03-01", "2024-04-30"),
        ("this month", "2024-05-01", "2024-05-31"),
        ("last week", "2024-05-06", "2024-05-12"),
        ("last year", "2023-01-01", "2023-12-31"),
        ("this year", "2024-01-01", "2024-12-31"),
        ("last summer", "2023-06-01", "2023-08-31"),
        ("in March", "2024-03-01", "2024-03-31"),
        ("in October", "2023-10-01", "2023-10-31"),
        ("in February", "2024-02-01", "2024-02-29"),
    ],
)
def test_last_is_the_last_whole_one_in_the_data_and_a_missing_year_the_latest_covered(text, first, last):
    assert read(text, "2023-03-01", "2024-05-15")[0][:2] == (first, last)


@pytest.mark.parametrize(
    ("text", "first", "last", "label"),
    [
        ("Q1 FY2026", "2025-02-01", "2025-04-30", "Q1 FY2026 (February–April 2025)"),
        ("fiscal 2025", "2024-02-01", "2025-01-31", "FY2025 (February 2024–January 2025)"),
        ("the 2025 fiscal year", "2024-02-01", "2025-01-31", "FY2025 (February 2024–January 2025)"),
        ("FY25", "2024-02-01", "2025-01-31", "FY2025 (February 2024–January 2025)"),
        ("this fiscal year", "2025-02-01", "2026-01-31", "FY2026 (February 2025–January 2026)"),
        ("last fiscal quarter", "2025-08-01", "2025-10-31", "Q3 FY2026 (August–October 2025)"),
        ("H1 FY26", "2025-02-01", "2025-07-31", "February–July 2025"),
        ("first quarter of fiscal 2026", "2025-02-01", "2025-04-30", "Q1 FY2026 (February–April 2025)"),
        ("calendar Q1 2025", "2025-01-01", "2025-03-31", "January–March 2025"),
        ("calendar year 2024", "2024-01-01", "2024-12-31", "2024"),
        ("in 2024", "2024-01-01", "2024-12-31", "2024"),
        ("year to date", "2025-01-01", "2025-11-18", "2025-01-01 to 2025-11-18"),
        ("from November to February", "2024-11-01", "2025-02-28", "November 2024–February 2025"),
        ("from November to February 2024", "2023-11-01", "2024-02-29", "November 2023–February 2024"),
        ("Q1-Q3 2025", "2025-01-01", "2025-09-30", "January–September 2025"),
        ("2023–2024", "2023-01-01", "2024-12-31", "2023–2024"),
        ("the first 3 months of 2025", "2025-01-01", "2025-03-31", "January–March 2025"),
        ("the last quarter of 2024", "2024-10-01", "2024-12-31", "October–December 2024"),
        ("the last month of FY2025", "2025-01-01", "2025-01-31", "January 2025"),
        ("the week of June 3", "2025-06-02", "2025-06-08", "week of 2025-06-02"),
        ("the month of May", "2025-05-01", "2025-05-31", "May 2025"),
        ("at the end of October 2025", "2025-10-01", "2025-10-31", "October 2025"),
        ("the trailing twelve months", "2024-11-01", "2025-10-31", "November 2024–October 2025"),
        ("from March 2025 on", "2025-03-01", "2025-11-18", "2025-03-01 to 2025-11-18"),
        ("the last two fiscal years", "2023-02-01", "2025-01-31", "February 2023–January 2025"),
    ],
)  # fmt: skip
def test_a_company_s_own_year_is_told_from_the_calendar_s(text, first, last, label):
    assert read(text, "2022-11-01", "2025-11-18", FISCAL) == [(first, last, label)]


def test_what_a_quarter_is_without_more_words_depends_on_whose_year_counts():
    assert read("Q3 2025", "2022-11-01", "2025-11-18", FISCAL, "calendar")[0][:2] == ("2025-07-01", "2025-09-30")
    assert read("Q3 2025", "2022-11-01", "2025-11-18", FISCAL, "fiscal")[0][:2] == ("2024-08-01", "2024-10-31")


def test_a_year_said_once_holds_for_what_lacks_its_own():
    for text in ("May and July 2024", "in 2024, May or July", "July 2024 and May 2024"):
        assert {found[:2] for found in read(text, "2022-11-01", "2025-11-18") if found[2] != "2024"} == {
            ("2024-05-01", "2024-05-31"),
            ("2024-07-01", "2024-07-31"),
        }


@given(st.text(alphabet="0123456789-/ JulyMarchsumerofQFYtobetwnandlastmonthsfirhlfqxyzicpvk", max_size=60))
def test_no_text_breaks_the_reader_and_every_period_runs_forward(text):
    for spans, kind in ((PLAIN, "calendar"), (FISCAL, "fiscal")):
        for first, last, _ in read(text, spans=spans, kind=kind):
            assert first <= last


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("delayed", "delaying"),
        ("lost", "losing"),
        ("arrived", "arriving"),
        ("cancelled", "canceling"),
        ("carriers", "carrier"),
        ("companies", "company"),
    ],
)
def test_words_of_one_family_share_a_stem(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("arrival", "departure"), ("bus", "bu"), ("price", "prince"), ("plan", "planned"), ("invoice", "invoiced"),
     ("return", "returned")],
)  # fmt: skip
def test_words_of_different_families_do_not(one, other):
    """Nor do a thing and what was done: "planned revenue" is no revenue by plan."""
    assert stem(one) != stem(other)
