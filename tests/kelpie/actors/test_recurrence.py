"""When reminders are due, also where clocks jump."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.actors import Cron, Every, Once, limits
from kelpie.actors.recurrence import first_due_ms, next_due_ms
from kelpie.errors import InvalidInput, LimitExceeded

NOW = 1_750_000_000_000  # 2025-06-15 15:06:40 UTC


def ms(text, zone=UTC):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def shown(moment_ms, zone="UTC"):
    return datetime.fromtimestamp(moment_ms / 1000, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M %Z")


def times(cron, since, count):
    """The next `count` times, by the zone's own clocks."""
    now, found = since, []
    for _ in range(count):
        now = next_due_ms(cron, now)
        found.append(shown(now, cron.timezone))
    return found


def test_once_is_due_at_its_moment_and_never_again():
    assert first_due_ms(Once(NOW + 5), NOW) == NOW + 5
    assert next_due_ms(Once(NOW + 5), NOW + 5) is None


def test_a_moment_a_little_back_is_due_at_once_and_one_in_seconds_is_refused():
    assert first_due_ms(Once(NOW - 1_000), NOW) == NOW - 1_000
    with pytest.raises(InvalidInput, match="in milliseconds since 1970"):
        first_due_ms(Once(NOW // 1000), NOW)


@pytest.mark.parametrize("when", [Once(NOW + limits.REMINDER_AHEAD_MS_MAX + 1), Every(2**62, NOW), Once(10**300)])
def test_what_is_too_far_ahead_is_refused(when):
    with pytest.raises(LimitExceeded, match="the time until a reminder"):
        first_due_ms(when, NOW)


def test_an_interval_that_is_too_short_is_refused():
    with pytest.raises(InvalidInput, match="at least 1000 ms"):
        first_due_ms(Every(999, NOW), NOW)


@given(st.integers(1_000, 10**9), st.integers(0, 10**12))
def test_an_interval_keeps_its_rhythm_and_makes_up_for_nothing(interval_ms, later_ms):
    due_ms = next_due_ms(Every(interval_ms, NOW), NOW + later_ms)
    assert (due_ms - NOW) % interval_ms == 0
    assert 0 < due_ms - (NOW + later_ms) <= interval_ms


def test_cron_is_due_after_now_and_not_at_it():
    cron = Cron("30 9 * * MON-FRI")
    assert times(cron, ms("2025-06-13T09:29"), 3) == [
        "2025-06-13 09:30 UTC",
        "2025-06-16 09:30 UTC",
        "2025-06-17 09:30 UTC",
    ]
    assert next_due_ms(cron, ms("2025-06-13T09:30")) == ms("2025-06-16T09:30")


def test_a_time_that_clocks_skip_is_due_when_they_have_skipped_it():
    assert times(Cron("30 2 * * *", "Europe/Berlin"), ms("2025-03-29T12:00"), 2) == [
        "2025-03-30 03:00 CEST",
        "2025-03-31 02:30 CEST",
    ]


def test_a_time_that_clocks_repeat_is_due_the_first_time_alone():
    cron = Cron("30 2 * * *", "Europe/Berlin")
    assert times(cron, ms("2025-10-25T12:00"), 2) == ["2025-10-26 02:30 CEST", "2025-10-27 02:30 CET"]
    within = ms("2025-10-26T01:10")  # 02:10 for the second time: the 02:30 that comes is not another one
    assert shown(next_due_ms(cron, within), "Europe/Berlin") == "2025-10-27 02:30 CET"


def test_what_goes_by_the_time_that_passes_does_so_in_the_hours_that_clocks_skip_and_repeat():
    cron = Cron("*/30 * * * *", "Europe/Berlin")
    for start in ("2025-03-30T00:00", "2025-10-26T00:00"):
        now, found = ms(start), []
        for _ in range(6):
            now = next_due_ms(cron, now)
            found.append(now)
        assert [later - ms(start) for later in found] == [n * 1_800_000 for n in range(1, 7)]


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kathmandu"]),
    st.sampled_from(["0 0 * * *", "30 2 * * *", "15 */6 * * *", "*/7 * * * *", "0 1 1 * *", "0 3 * * SUN"]),
    st.integers(0, 400 * 24 * 60),
)
def test_the_next_time_is_always_later(zone, expression, minutes):
    now = NOW + minutes * 60_000
    due = next_due_ms(Cron(expression, zone), now)
    assert now < due < now + timedelta(days=40) / timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("61 * * * *", "Bad minute"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("", "five fields"),
        ("@daily", "five fields"),
        ("0 0 31 2 *", "Bad day-of-month"),
        ("* * */20 * 1L", "never due"),
        ("9" * 200 + " * * * *", "Bad minute"),
        ("a b c d e", "Bad minute"),
        ("٣ * * * *", "Bad minute"),
    ],
)
def test_what_is_no_expression_or_never_due_is_refused(expression, says):
    with pytest.raises(InvalidInput, match=says):
        first_due_ms(Cron(expression), NOW)


def test_an_expression_that_is_too_long_is_refused():
    with pytest.raises(LimitExceeded):
        first_due_ms(Cron("0," * 200 + "0 * * * *"), NOW)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "..", "../../etc/passwd", "Europe", "a\0b", "/etc", "x" * 10_000])
def test_what_is_no_time_zone_is_refused(zone):
    with pytest.raises(InvalidInput, match="no time zone"):
        first_due_ms(Cron("0 0 * * *", zone), NOW)
