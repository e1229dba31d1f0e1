"""Moments on the wire: ISO 8601 in UTC, to the second."""

import datetime as dt

from kelpie.errors import InvalidInput


def iso(moment_ms: int) -> str:
    return dt.datetime.fromtimestamp(moment_ms // 1000, dt.UTC).isoformat()


def iso_or_none(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else iso(moment_ms)


def moment_ms(name: str, text: str | None) -> int | None:
    """A date or time in ISO 8601, UTC unless it says otherwise. Raises InvalidInput."""
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        return int(aware.astimezone(dt.UTC).timestamp() * 1000)  # in UTC it may lie beyond the years there are
    except (ValueError, OverflowError):
        raise InvalidInput(f"{name} must be an ISO 8601 date or time, not {text[:100]!r}") from None
