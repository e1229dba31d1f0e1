"""A chart's title says numbers too: none that the result doesn't hold."""

from collections.abc import Iterable

from kelpie.analyst.provenance.numbers import read_numbers
from kelpie.analyst.results import StoredQuery
from kelpie.errors import NumberWithoutSource


def sourced(title: str | None, query: StoredQuery, stated: Iterable[str] = ()) -> str | None:
    """The title, or None if a number in it stands neither in the result nor among what was `stated`: the chart then
    gets the name of what it shows."""
    if title is None:
        return None
    try:
        read_numbers(title, [query.table], stated)
    except NumberWithoutSource:
        return None
    return title
