"""Reading texts, and what was found as short lines."""

import datetime as dt

import pytest

from umi.extract import LocalExtractor

WEDNESDAY = dt.date(2026, 3, 4)


def ms(day):
    """Noon of a day, in milliseconds since 1970."""
    noon = dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC)
    return int(noon.timestamp() * 1000)


@pytest.fixture
def read():
    """`read("Bob works at Acme.")` with what LocalExtractor.extract takes, said on Wednesday, 4 March 2026."""

    def extract(text, *, extractor=None, day=WEDNESDAY, **given):
        return (extractor or LocalExtractor()).extract(text, document_time_ms=ms(day), **given)

    return extract


@pytest.fixture
def things(read):
    """ "person Bob" for each mention."""
    return lambda text, **given: {f"{one.type} {one.name}" for one in read(text, **given).mentions}


@pytest.fixture
def claims(read):
    """ "Bob works_at Acme" for each claim, "not Bob works_at Acme" for a denied one."""

    def found(text, **given):
        return {
            f"{'not ' if one.negated else ''}{one.subject} {one.attribute} {one.value}"
            for one in read(text, **given).claims
        }

    return found
