"""When a reminder is due: once, every so often, or as a cron expression says on the clocks of a time zone."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from kelpie.actors import limits
from kelpie.errors import InvalidInput, LimitExceeded, MissingExtra


class Once(msgspec.Struct, frozen=True, tag="once"):
    """At one moment, in ms since 1970 UTC."""

    at_ms: int


class Every(msgspec.Struct, frozen=True, tag="every"):
    """Each `interval_ms`, counted from `from_ms`: a late one doesn't move those after it."""

    interval_ms: int
    from_ms: int


class Cron(msgspec.Struct, frozen=True, tag="cron"):
    """Five fields, read as Debian's cron does, on the clocks of a time zone of the IANA database.

    What falls into the hour that clocks skip is due when they have skipped it; what falls into the hour that they
    repeat is due the first time. An expression whose minutes or hours begin with a star goes by the time that passes.
    """

    expression: str
    timezone: str = "UTC"


When = Once | Every | Cron


def first_due_ms(when: When, now_ms: int) -> int:
    """When a new reminder is due first. Raises InvalidInput, LimitExceeded, MissingExtra."""
    if isinstance(when, Once):
        _check_moment(when.at_ms, now_ms)
        return when.at_ms
    if isinstance(when, Every) and when.interval_ms < limits.REMINDER_INTERVAL_MS_MIN:
        raise InvalidInput(
            f"an interval must be at least {limits.REMINDER_INTERVAL_MS_MIN} ms long, not {when.interval_ms}"
        )
    due_ms = next_due_ms(when, now_ms)
    if due_ms is None:
        raise InvalidInput(f"{_shown(when)} is never due")
    _check_moment(due_ms, now_ms)
    return due_ms


def next_due_ms(when: When, now_ms: int) -> int | None:
    """When it is due next, after `now_ms`; what was missed meanwhile is not made up for. None if never again."""
    if isinstance(when, Once):
        return None
    if isinstance(when, Every):
        passed = max(0, now_ms - when.from_ms) // when.interval_ms
        return when.from_ms + (passed + 1) * when.interval_ms
    return _next_of_cron(when, now_ms)


def _check_moment(due_ms: int, now_ms: int) -> None:
    if due_ms < now_ms - limits.REMINDER_PAST_MS_MAX:
        raise InvalidInput(
            f"{due_ms} is in the past; a moment is given in milliseconds since 1970, and now is {now_ms}"
        )
    if due_ms > now_ms + limits.REMINDER_AHEAD_MS_MAX:
        raise LimitExceeded("the time until a reminder", due_ms - now_ms, limits.REMINDER_AHEAD_MS_MAX, "ms")


def _next_of_cron(when: Cron, now_ms: int) -> int | None:
    try:
        from cronsim import CronSim, CronSimError
    except ImportError as error:
        raise MissingExtra("a cron expression", "server") from error

    if len(when.expression) > limits.REMINDER_CRON_CHARS_MAX:
        raise LimitExceeded("the cron expression", len(when.expression), limits.REMINDER_CRON_CHARS_MAX, "characters")
    if len(when.expression.split()) != 5:
        raise InvalidInput(f"{_shown(when)} must have five fields: minute, hour, day of month, month, day of week")
    now = datetime.fromtimestamp(now_ms / 1000, _zone(when.timezone))
    try:
        for due in CronSim(when.expression, now):
            # Within the hour that is repeated it counts from that hour's beginning, and so may give what has been.
            due_ms = round(due.timestamp() * 1000)
            if due_ms > now_ms:
                return due_ms
    except (CronSimError, OverflowError) as error:
        raise InvalidInput(f"{_shown(when)} is no cron expression: {error}") from None
    return None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # what cronsim knows as the zone whose clocks never change
    try:
        return ZoneInfo(name[: limits.REMINDER_TIMEZONE_CHARS_MAX])
    except (KeyError, ValueError, OSError):  # KeyError: there is none of that name; the others: it is a path, a folder
        shown = name[: limits.REMINDER_TIMEZONE_CHARS_MAX]
        raise InvalidInput(f"{shown!r} is no time zone; give one like 'Europe/Berlin' or 'UTC'") from None


def _shown(when: When) -> str:
    return f"{when.expression[: limits.REMINDER_CRON_CHARS_MAX]!r}" if isinstance(when, Cron) else str(when)
