"""Vectors that the server searches (pgvector): candidates of a scope that is too large to be loaded.

A table beside the rooms' own, filled by the commits that write a vector: it holds nothing that can't be made again, and
a store without the extension has none. The search is exact: all vectors of the scope are compared, on the server.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from umi.storage.changes import Changes
from umi.storage.database import View

if TYPE_CHECKING:
    from psycopg import AsyncConnection

_EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public"
_TABLE = """
CREATE TABLE IF NOT EXISTS nearest (
    seq BIGINT PRIMARY KEY,
    tenant TEXT COLLATE "C" NOT NULL, scope TEXT COLLATE "C" NOT NULL, embedder TEXT COLLATE "C" NOT NULL,
    vector {type} NOT NULL
);
CREATE INDEX IF NOT EXISTS nearest_scope ON nearest (tenant, scope, embedder);
"""
_PUT = (
    "INSERT INTO nearest (seq, tenant, scope, embedder, vector) VALUES (?, ?, ?, ?, CAST(? AS {type}))"
    " ON CONFLICT (seq) DO UPDATE SET tenant = excluded.tenant, scope = excluded.scope,"
    " embedder = excluded.embedder, vector = excluded.vector"
)
# `<#>` is the inner product, negated.
_NEAREST = (
    "SELECT seq, -(vector OPERATOR({schema}.<#>) CAST(?1 AS {type})) FROM nearest"
    " WHERE tenant = ?2 AND scope = ?3 AND embedder = ?4 ORDER BY 2 DESC, seq LIMIT ?5"
)


class Nearest:
    """What a PostgresDatabase has as `nearest`, where its server has pgvector."""

    def __init__(self, schema: str) -> None:
        self._put = _PUT.format(type=f"{schema}.vector")
        self._nearest = _NEAREST.format(schema=schema, type=f"{schema}.vector")

    def plan_put(self, tenant: str, scope: str, embedder: str, seq: int, vector: Sequence[float]) -> Changes:
        """Keep a row's vector, in place of one it had; for the commit that keeps it elsewhere."""
        return Changes().write(self._put, seq, tenant, scope, embedder, _written(vector))

    def plan_forget(self, seqs: Iterable[int]) -> Changes:
        changes = Changes()
        for seq in seqs:
            changes.write("DELETE FROM nearest WHERE seq = ?", seq)
        return changes

    def plan_forget_scope(self, tenant: str, scope: str) -> Changes:
        return Changes().write("DELETE FROM nearest WHERE tenant = ? AND scope = ?", tenant, scope)

    async def search(
        self, view: View, tenant: str, scope: str, embedder: str, vector: Sequence[float], limit: int
    ) -> list[tuple[int, float]]:
        """The `limit` rows of the scope whose vectors have the greatest inner product with `vector`, best first, each
        with it. Vectors of one embedder are of one length."""
        return [
            (seq, like)
            for seq, like in await view.fetch(self._nearest, _written(vector), tenant, scope, embedder, limit)
        ]


async def prepare(connection: "AsyncConnection[object]") -> Nearest | None:
    """Inside the transaction that brings the schema up to date: the extension, if the server has it and lets us."""
    import psycopg

    await connection.execute("SAVEPOINT extension")
    try:
        await connection.execute(_EXTENSION)
    except psycopg.Error:  # not installed, not allowed, or made by somebody else at this moment
        await connection.execute("ROLLBACK TO extension")
    found = await connection.execute(
        "SELECT quote_ident(nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'vector'"
    )
    rows: list[tuple[str]] = await found.fetchall()  # type: ignore[assignment]
    if not rows:
        return None
    await connection.execute(_TABLE.format(type=f"{rows[0][0]}.vector"))
    return Nearest(rows[0][0])


def _written(vector: Sequence[float]) -> str:
    return "[" + ",".join(map(repr, map(float, vector))) + "]"
