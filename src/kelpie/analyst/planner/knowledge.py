"""What is known of the data: a catalog and its lexicon, kept by the text they were read from.

The planner sees the whole conversation at every step, and in it the same list of metrics again and again: reading it
and indexing its words anew each time would cost more than everything else.
"""

import hashlib
from collections import OrderedDict

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog, read_catalog
from kelpie.analyst.planner.dates.spans import Calendar
from kelpie.analyst.planner.reading.lexicon import Lexicon


class Knowledge(msgspec.Struct, frozen=True):
    catalog: Catalog
    lexicon: Lexicon
    spans: Calendar


def know(catalog: Catalog) -> Knowledge:
    return Knowledge(catalog, Lexicon(catalog), Calendar(catalog.fiscal))


class Library:
    """The catalogs read last, at most PLANNER_CATALOGS_MAX of them. It holds no state of any conversation."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Knowledge | None] = OrderedDict()

    def read(self, text: str) -> Knowledge | None:
        """What a result of list_metrics tells; None if it is something else."""
        key = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
        if key not in self._known:
            catalog = _catalog(text)
            self._known[key] = None if catalog is None else know(catalog)
        self._known.move_to_end(key)
        while len(self._known) > limits.PLANNER_CATALOGS_MAX:
            self._known.popitem(last=False)
        return self._known[key]


def _catalog(text: str) -> Catalog | None:
    try:
        return read_catalog(msgspec.json.decode(text))
    except msgspec.DecodeError:
        return None
