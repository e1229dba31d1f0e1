"""Moments as other memories write them, in ms since 1970."""

import datetime as dt
from typing import Any

from umi.errors import InvalidInput

_MS_MAX = 253_402_300_799_999  # the end of the year 9999
_SECONDS_MAX = 100_000_000_000  # a number beyond it counts milliseconds, unless it is of the year 5138


def moment_ms(what: str, moment: Any) -> int | None:
    """ms since 1970 of an ISO 8601 text (UTC unless it says otherwise) or a number of seconds or ms; None for none.

    Raises InvalidInput, naming `what`.
    """
    if moment is None or moment == "":
        return None
    if isinstance(moment, int | float) and not isinstance(moment, bool):
        found_ms = moment if abs(moment) > _SECONDS_MAX else moment * 1000
    elif isinstance(moment, str):
        try:
            read = dt.datetime.fromisoformat(moment.strip())
        except ValueError:
            raise InvalidInput(f"{what} is no date or time: {moment!r:.60}") from None
        found_ms = (read if read.tzinfo else read.replace(tzinfo=dt.UTC)).timestamp() * 1000
    else:
        raise InvalidInput(f"{what} is no date or time: {moment!r:.60}")
    if not abs(found_ms) <= _MS_MAX:  # also what is no number
        raise InvalidInput(f"{what} lies beyond the year 9999")
    return round(found_ms)
