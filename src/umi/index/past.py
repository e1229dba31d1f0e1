"""An index of what was believed at another time: made for one question, and kept by nobody."""

from itertools import starmap
from typing import TYPE_CHECKING, Any

from umi.index.cache import Query, read_vectors
from umi.storage import Row, View

if TYPE_CHECKING:  # numpy is imported by the first recall
    from umi.index.scope_index import ScopeIndex

# The version of each fact that was known at ?3 and true at ?4 (at any time, where ?5 is 1). It stands in the place of
# its fact, whatever row holds it. `f` is the row, `now` the fact's.
BELIEVED = (
    "f.tenant = ?1 AND f.scope = ?2 AND f.known_from_ms <= ?3 AND (f.known_to_ms IS NULL OR f.known_to_ms > ?3)"
    " AND (?5 = 1 OR (f.valid_from_ms <= ?4 AND (f.valid_to_ms IS NULL OR f.valid_to_ms > ?4)))"
)
PAST = "fact_past f JOIN fact now ON now.tenant = f.tenant AND now.id = f.fact_id"
_WHEN = "f.document_time_ms, f.event_time_ms, f.valid_from_ms, f.valid_to_ms, NULL, f.importance"
_ROWS = f"SELECT f.seq, f.session, f.speaker, f.terms, f.text, {_WHEN} FROM fact f WHERE {BELIEVED}"
_PAST_ROWS = f"SELECT now.seq, f.session, f.speaker, f.text, {_WHEN} FROM {PAST} WHERE {BELIEVED}"
_VECTORS = (
    "SELECT v.fact_seq, v.vector FROM fact_vector v JOIN fact f ON f.seq = v.fact_seq"
    f" WHERE {BELIEVED} AND v.embedder = ?6 ORDER BY v.fact_seq"
)


def believed_params(tenant: str, scope: str, valid_ms: int | None, known_ms: int) -> tuple[Any, ...]:
    """What BELIEVED takes."""
    return tenant, scope, known_ms, valid_ms or 0, int(valid_ms is None)


async def believed_at(
    view: View, tenant: str, scope: str, valid_ms: int | None, known_ms: int, *, embedder: str | None = None
) -> "ScopeIndex":
    """The versions that this memory held at `known_ms` to be true at `valid_ms`, or at any time if that is None.

    Only versions that are still the latest of their fact have a vector.
    """
    return (await believed_with(view, tenant, scope, valid_ms, known_ms, [], embedder=embedder))[0]


async def believed_with(
    view: View,
    tenant: str,
    scope: str,
    valid_ms: int | None,
    known_ms: int,
    others: list[Query],
    *,
    embedder: str | None = None,
) -> tuple["ScopeIndex", list[list[Row]]]:
    """The same, and the answers to other queries from the same state."""
    from umi.index.rows import IndexRow
    from umi.index.scope_index import ScopeIndex

    at = believed_params(tenant, scope, valid_ms, known_ms)
    queries: list[Query] = [(_ROWS, at), (_PAST_ROWS, at)]
    if embedder is not None:
        queries.append((_VECTORS, (*at, embedder)))
    latest, past, *more = await view.all(*queries, *others)
    vectors = more.pop(0) if embedder is not None else []
    rows = list(starmap(IndexRow, latest))
    rows.extend(IndexRow(row[0], row[1], row[2], b"", *row[3:]) for row in past)
    index = ScopeIndex().with_rows(rows)
    if vectors:
        index = index.with_vectors(*read_vectors(vectors))
    return index, more
