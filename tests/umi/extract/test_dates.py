"""Dates in a text, from the moment it was said."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umi.extract import dates
from umi.extract.calendar import END_MS, FIRST_MS

DAY_MS = 86_400_000
EPOCH = dt.date(1970, 1, 1)
WEDNESDAY = dt.date(2026, 3, 4)


def start_of(day):
    return (day - EPOCH).days * DAY_MS


def spans(text, day=WEDNESDAY):
    """(first day, last day) of each date of a text said at noon."""
    found = dates(text, start_of(day) + DAY_MS // 2)
    return [
        (
            (EPOCH + dt.timedelta(days=one.start_ms // DAY_MS)).isoformat(),
            (EPOCH + dt.timedelta(days=(one.end_ms - 1) // DAY_MS)).isoformat(),
        )
        for one in found
    ]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("today", "2026-03-04", "2026-03-04"),
        ("yesterday evening", "2026-03-03", "2026-03-03"),
        ("the day before yesterday", "2026-03-02", "2026-03-02"),
        ("the day after tomorrow", "2026-03-06", "2026-03-06"),
        ("last night", "2026-03-03", "2026-03-03"),
        ("this morning", "2026-03-04", "2026-03-04"),
        ("last Wednesday", "2026-02-25", "2026-02-25"),
        ("last Tuesday", "2026-03-03", "2026-03-03"),
        ("this Friday", "2026-03-06", "2026-03-06"),
        ("next Friday", "2026-03-13", "2026-03-13"),
        ("Monday last week", "2026-02-23", "2026-02-23"),
        ("We met on Monday", "2026-03-02", "2026-03-02"),
        ("We meet on Monday", "2026-03-09", "2026-03-09"),
        ("It is planned for Monday", "2026-03-09", "2026-03-09"),
        ("Pay it by Wednesday", "2026-03-11", "2026-03-11"),
        ("three days ago", "2026-03-01", "2026-03-01"),
        ("in 10 days", "2026-03-14", "2026-03-14"),
        ("two weeks ago", "2026-02-15", "2026-02-21"),
        ("a month ago", "2026-02-01", "2026-02-28"),
        ("two years ago", "2024-01-01", "2024-12-31"),
        ("a couple of days ago", "2026-03-02", "2026-03-02"),
        ("last week", "2026-02-23", "2026-03-01"),
        ("next week", "2026-03-09", "2026-03-15"),
        ("last weekend", "2026-02-28", "2026-03-01"),
        ("next month", "2026-04-01", "2026-04-30"),
        ("last year", "2025-01-01", "2025-12-31"),
        ("the last three days", "2026-03-01", "2026-03-04"),
        ("last summer", "2025-06-01", "2025-08-31"),
        ("next winter", "2026-12-01", "2027-02-28"),
        ("in the summer of 2018", "2018-06-01", "2018-08-31"),
        ("on 3 May", "2026-05-03", "2026-05-03"),
        ("on 3 January we flew", "2026-01-03", "2026-01-03"),
        ("on 3 December we flew", "2025-12-03", "2025-12-03"),
        ("May 3rd, 2021", "2021-05-03", "2021-05-03"),
        ("the 3rd of May 2021", "2021-05-03", "2021-05-03"),
        ("Feb. 2024", "2024-02-01", "2024-02-29"),
        ("in May", "2026-05-01", "2026-05-31"),
        ("in 2019", "2019-01-01", "2019-12-31"),
        ("in the 90s", "1990-01-01", "1999-12-31"),
        ("the 2010s", "2010-01-01", "2019-12-31"),
        ("Q3 2021", "2021-07-01", "2021-09-30"),
        ("early 2019", "2019-01-01", "2019-05-01"),
        ("2021-05-03", "2021-05-03", "2021-05-03"),
        ("5/3/2021", "2021-05-03", "2021-05-03"),
        ("13/3/2021", "2021-03-13", "2021-03-13"),
        ("3.5.2021", "2021-05-03", "2021-05-03"),
        ("since March 2020", "2020-03-01", "2026-03-04"),
        ("until Friday", "2026-03-04", "2026-03-06"),
        ("before 2019", "0001-01-01", "2018-12-31"),
        ("after 2019", "2020-01-01", "2026-03-04"),
        ("from 2019 to 2021", "2019-01-01", "2021-12-31"),
        ("between May and July 2020", "2020-05-01", "2020-07-31"),
        ("What did I do last week?", "2026-02-23", "2026-03-01"),
    ],
)
def test_a_date_however_it_is_worded(text, first, last):
    assert spans(text) == [(first, last)]


@pytest.mark.parametrize(
    "text",
    [
        "I may march on.",
        "It took 2019 steps.",
        "She is 30 years old and waited two weeks.",
        "31 June",
        "2021-13-45",
        "a hot spring and a bad fall",
        "April is my sister.",
        "999999 years ago",
        "version 3.5.1",
        "He paid 12 times.",
        "",
    ],
)
def test_what_is_no_date(text):
    assert spans(text) == []


def test_a_rough_date_has_its_moment_in_the_middle():
    (when,) = dates("two weeks ago", start_of(WEDNESDAY))
    assert when.at_ms == start_of(WEDNESDAY - dt.timedelta(days=14))


def test_several_dates_come_in_order_with_their_words():
    text = "Not today but tomorrow, or on 3 May 2027."
    assert [text[one.start : one.end] for one in dates(text, start_of(WEDNESDAY))] == [
        "today",
        "tomorrow",
        "on 3 May 2027",
    ]


DAYS = st.dates(min_value=dt.date(1800, 1, 1), max_value=dt.date(2199, 12, 31))
FORMATS = ("%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%m/%d/%Y", "on %B %d %Y", "the %dth of %B %Y")


@given(DAYS, st.sampled_from(FORMATS))
def test_a_written_day_is_that_day(day, written):
    (when,) = dates(day.strftime(written), start_of(WEDNESDAY))
    assert (when.start_ms, when.end_ms) == (start_of(day), start_of(day) + DAY_MS)


@given(DAYS, st.integers(1, 3000))
def test_so_many_days_ago_and_to_come(day, count):
    (ago,) = dates(f"{count} days ago", start_of(day))
    (ahead,) = dates(f"in {count} days", start_of(day))
    assert (ago.start_ms, ahead.start_ms) == (start_of(day) - count * DAY_MS, start_of(day) + count * DAY_MS)


@given(DAYS, st.sampled_from("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()))
def test_last_and_next_weekdays(day, weekday):
    (last,) = dates(f"last {weekday}", start_of(day))
    (coming,) = dates(f"next {weekday}", start_of(day))
    assert 0 < start_of(day) - last.start_ms <= 7 * DAY_MS
    assert 0 < coming.start_ms - start_of(day) < 14 * DAY_MS
    assert (coming.start_ms - last.start_ms) % (7 * DAY_MS) == 0


WORDS = st.sampled_from(
    [
        *("last", "next", "this", "the", "of", "in", "on", "since", "until", "before", "between", "and", "from", "to"),
        *(
            "Monday",
            "May",
            "march",
            "31",
            "30",
            "2019",
            "0",
            "99999999",
            "weeks",
            "days",
            "years",
            "ago",
            "summer",
            "early",
        ),
        *(
            "-",
            "/",
            ".",
            ",",
            "st",
            "th",
            "s",
            "'",
            "Q",
            "1",
            "12",
            "13",
            "a",
            "few",
            "couple",
            "morning",
            "today",
            "decades",
        ),
        *("now", "²", "٣", "ⅷ", "🙂"),
    ]
)


@settings(max_examples=400)
@given(
    st.lists(WORDS, max_size=12).flatmap(lambda words: st.sampled_from([" ".join(words), "".join(words)])),
    st.integers(FIRST_MS - 1, END_MS + 1),
)
def test_any_text_at_any_time_gives_spans_in_order(text, now_ms):
    place = 0
    for one in dates(text, now_ms):
        assert FIRST_MS <= one.start_ms < one.end_ms <= END_MS
        assert one.start_ms <= one.at_ms < one.end_ms or one.at_ms < END_MS
        assert place <= one.start < one.end <= len(text)
        place = one.end
