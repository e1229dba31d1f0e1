"""Which indices are kept, and how they stay equal to the rows.

Every commit that touches a scope's facts raises the scope's revision and stamps the rows with it. So one read says
whether an index is fresh, and one more brings what it lacks: also what another process wrote.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple

from umi import limits
from umi.index.terms import HEADER
from umi.storage import Row, View

if TYPE_CHECKING:  # numpy is imported by the first recall
    import numpy as np
    from numpy.typing import NDArray

    from umi.index.scope_index import ScopeIndex

_REVISION = "SELECT revision, purged_at FROM fact_scope WHERE tenant = ? AND scope = ?"
# What IndexRow holds, in its order. The text comes along where the row's terms are of no use to this version.
_ROWS = (
    "SELECT seq, session, speaker, terms, CASE WHEN substr(terms, 1, 4) = ? THEN NULL ELSE text END,"
    " document_time_ms, event_time_ms, valid_from_ms, valid_to_ms, known_to_ms, importance"
    " FROM fact WHERE tenant = ? AND scope = ?"
)
_ALL_ROWS = f"{_ROWS} AND known_to_ms IS NULL ORDER BY seq"
_LATER_ROWS = f"{_ROWS} AND revision > ? ORDER BY seq"
_ALL_VECTORS = (
    "SELECT fact_seq, vector FROM fact_vector WHERE tenant = ? AND scope = ? AND embedder = ? ORDER BY fact_seq"
)
# Also of rows that come back with a vector that is older than they.
_LATER_VECTORS = (
    "SELECT fact_seq, vector FROM fact_vector WHERE tenant = ?1 AND scope = ?2 AND embedder = ?3 AND (revision > ?4"
    " OR fact_seq IN (SELECT seq FROM fact WHERE tenant = ?1 AND scope = ?2 AND revision > ?4)) ORDER BY fact_seq"
)

_Key = tuple[str, str, str | None]
Query = tuple[str, tuple[Any, ...]]


class _Kept(NamedTuple):
    at: "ScopeIndex"
    revision: int


class IndexCache:
    """The indices of one database that were used last, up to a number of bytes, but always the very last."""

    def __init__(self, bytes_max: int = limits.INDEX_CACHE_BYTES_DEFAULT) -> None:
        self.bytes_max = bytes_max
        self.bytes = 0
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def fresh(self, view: View, tenant: str, scope: str, *, embedder: str | None = None) -> "ScopeIndex":
        """The index of a scope as `view` sees it, uncommitted changes included; with the vectors of `embedder`.

        An index that shows uncommitted changes is made for this call alone.
        """
        return (await self.fresh_with(view, tenant, scope, [], embedder=embedder))[0]

    async def fresh_with(
        self, view: View, tenant: str, scope: str, queries: Sequence[Query], *, embedder: str | None = None
    ) -> tuple["ScopeIndex", list[list[Row]]]:
        """The same, and the answers to other queries from the read that showed the index to be fresh."""
        key = (tenant, scope, embedder)
        kept = self._kept.get(key)
        if kept is not None:
            revision, *answers = await view.all((_REVISION, (tenant, scope)), *queries)
            number, purged_at = revision[0] if revision else (0, 0)
            if number == kept.revision:
                self._kept.move_to_end(key)
                return kept.at, answers
            if number < kept.revision or purged_at > kept.revision:  # rows are gone, or it is another store
                kept = None
        advanced = await _advance(view, key, kept, queries)
        if advanced is None:  # rows went between the two reads
            advanced = await _advance(view, key, None, queries)
        assert advanced is not None, "a whole index needs nothing of an earlier one"
        found, answers = advanced
        if not view.changes:
            self._keep(key, found)
        return found.at, answers

    def _keep(self, key: _Key, found: _Kept) -> None:
        earlier = self._kept.get(key)
        if earlier is not None:
            if earlier.revision > found.revision:
                return  # somebody else read later and was quicker
            self.bytes -= earlier.at.bytes
        self._kept[key] = found
        self._kept.move_to_end(key)
        self.bytes += found.at.bytes
        while self.bytes > self.bytes_max and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self.bytes -= dropped.at.bytes


async def _advance(
    view: View, key: _Key, kept: _Kept | None, others: Sequence[Query]
) -> tuple[_Kept, list[list[Row]]] | None:
    """The index of today, from `kept` or from nothing. None if `kept` holds rows that are gone."""
    from umi.index.rows import IndexRow
    from umi.index.scope_index import ScopeIndex

    tenant, scope, embedder = key
    queries: list[Query] = [(_REVISION, (tenant, scope))]
    if kept is None:
        queries.append((_ALL_ROWS, (HEADER, tenant, scope)))
        queries.append((_ALL_VECTORS, (tenant, scope, embedder)) if embedder else _NOTHING)
    else:
        queries.append((_LATER_ROWS, (HEADER, tenant, scope, kept.revision)))
        queries.append((_LATER_VECTORS, (tenant, scope, embedder, kept.revision)) if embedder else _NOTHING)
    revision, rows, vectors, *answers = await view.all(*queries, *others)
    number, purged_at = revision[0] if revision else (0, 0)
    if kept is not None and (purged_at > kept.revision or number < kept.revision):
        return None
    index = (ScopeIndex() if kept is None else kept.at).with_rows(list(starmap(IndexRow, rows)))
    if vectors:
        index = index.with_vectors(*read_vectors(vectors))
    return _Kept(index, number), answers


_NOTHING: Query = ("SELECT 1 WHERE 1 = 0", ())


def read_vectors(rows: Sequence[Row]) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """(seq, packed float16) as arrays. A vector of another size than the last one's is a leftover, and left out."""
    import numpy as np

    size = len(rows[-1][1])
    rows = [row for row in rows if len(row[1]) == size]
    packed = np.frombuffer(b"".join([row[1] for row in rows]), "<f2").reshape(len(rows), -1)
    return np.fromiter((row[0] for row in rows), np.int64, len(rows)), packed.astype(np.float32)
