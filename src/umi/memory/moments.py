"""Moments as people write them, in ms since 1970."""

import datetime as dt

from umi.entity import shown
from umi.errors import InvalidInput

Moment = int | dt.datetime | dt.date | str
_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_DAY_MS = 86_400_000


def moment_ms(what: str, moment: Moment) -> int:
    """ms since 1970 of an int (ms already), a datetime, a date or an ISO 8601 text; UTC unless it says otherwise.

    Raises InvalidInput, naming `what`.
    """
    if isinstance(moment, bool) or not isinstance(moment, int | str | dt.date):
        raise InvalidInput(f"{what} must be ms since 1970, a datetime or an ISO 8601 text, not {shown(moment)}")
    if isinstance(moment, str):
        try:
            moment = dt.datetime.fromisoformat(moment)
        except ValueError:
            raise InvalidInput(f"{what} must be an ISO 8601 date or time, not {moment!r:.100}") from None
    if isinstance(moment, int):
        found_ms = moment
    else:
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
        found_ms = round((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)
    if abs(found_ms) > _MS_MAX:
        raise InvalidInput(f"{what} lies beyond the year 9999; it is in ms since 1970")
    return found_ms


def span_ms(what: str, span: tuple[Moment | None, Moment | None]) -> tuple[int | None, int | None]:
    """Both ends of a span, None for an open one; a day as its end is all of that day.

    Raises InvalidInput for what is no pair, or is inverted.
    """
    if not isinstance(span, tuple | list) or len(span) != 2:
        raise InvalidInput(f"{what} is a pair (start, end), not {shown(span)}")
    start, end = (None if one is None else moment_ms(what, one) for one in span)
    if end is not None and _is_day(span[1]):
        end += _DAY_MS - 1
    if start is not None and end is not None and start > end:
        raise InvalidInput(f"{what} ends before it starts")
    return start, end


def _is_day(moment: Moment | None) -> bool:
    """Whether it names a day, and no time of it."""
    if isinstance(moment, str):
        try:
            dt.date.fromisoformat(moment)
        except ValueError:
            return False
        return True
    return isinstance(moment, dt.date) and not isinstance(moment, dt.datetime)
