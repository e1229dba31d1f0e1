"""Moments as people write them, in ms since 1970."""

import datetime as dt

from umi.errors import InvalidInput

Moment = int | dt.datetime | dt.date | str
_MS_MAX = 253_402_300_799_999  # the end of the year 9999


def moment_ms(what: str, moment: Moment) -> int:
    """ms since 1970 of an int (ms already), a datetime, a date or an ISO 8601 text; UTC unless it says otherwise.

    Raises InvalidInput, naming `what`.
    """
    if isinstance(moment, bool) or not isinstance(moment, int | str | dt.date):
        raise InvalidInput(f"{what} must be ms since 1970, a datetime or an ISO 8601 text, not {moment!r:.100}")
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
    """Both ends of a span, None for an open one. Raises InvalidInput for what is no pair, or is inverted."""
    if not isinstance(span, tuple | list) or len(span) != 2:
        raise InvalidInput(f"{what} is a pair (start, end), not {span!r:.100}")
    start, end = (None if one is None else moment_ms(what, one) for one in span)
    if start is not None and end is not None and start > end:
        raise InvalidInput(f"{what} ends before it starts")
    return start, end
