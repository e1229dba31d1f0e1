"""A PostgreSQL server as a data source that can only be read.

Each query has a connection of its own and, on it, one read-only transaction that always ends in a rollback: nothing it
sets or locks outlives it. The statement goes through a cursor declared for it, by the extended protocol: the server
takes one statement, and only a query. `SELECT 1; COMMIT; DROP …` is refused whole, and so is COMMIT.

A snapshot is PostgreSQL's own: which transactions the query saw. Equal ones saw the same rows; a write anywhere on the
server makes a new one. On a standby, or over foreign tables, it can't tell everything, and says so.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from kelpie.analyst import limits
from kelpie.analyst.sources import postgres_catalog as catalog
from kelpie.analyst.sources.config import PostgresConfig, Surroundings
from kelpie.analyst.sources.postgres_types import adapters, types_of
from kelpie.analyst.sources.queries import first_line, too_slow
from kelpie.analyst.sources.source import Check, CostHint, SourceTable, quoted
from kelpie.analyst.table import Snapshot, Table, bounded_rows
from kelpie.errors import InvalidInput, MissingExtra, QueryFailed, SourceUnavailable

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor, Error

_VERSION_MIN = 130_000
_PORT = 5432
# One worker adds floats in one order: the same query gives the same bits again. A cursor's plan is as good as any
# other's only if all of its rows are meant to be fetched.
_BEGIN = """
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = {timeout_ms};
SET LOCAL search_path = {schema};
SET LOCAL standard_conforming_strings = on;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL cursor_tuple_fraction = 1
"""
_TLS: dict[str, dict[str, Any]] = {
    "prefer": {"sslmode": "prefer"},
    "require": {"sslmode": "require"},
    "verify": {"sslmode": "verify-full", "sslrootcert": "system"},
}
_STATE = """
SELECT pg_current_snapshot()::text, NOT pg_is_in_recovery() AND NOT EXISTS (SELECT FROM pg_foreign_table)
"""
_CANCEL_AGAIN_MS = 20
_FIRST_ROWS = 10
_FETCH_BYTES = 4_000_000  # about what one fetch may bring


class PostgresSource:
    """Queries may overlap, up to SOURCE_CONNECTIONS_MAX of them."""

    engine = "postgres"
    dialect = "postgres"

    def __init__(self, config: PostgresConfig, surroundings: Surroundings) -> None:
        self._config = config
        self._host = surroundings.host
        self._password = surroundings.password(config)
        self._name = f"{config.host}:{config.port or _PORT}/{config.database}"
        self.snapshot = Snapshot(where=self._name, state="", certain=False)  # until the first look
        self._free = asyncio.Semaphore(limits.SOURCE_CONNECTIONS_MAX)
        self._running: dict[AsyncConnection[Any], None] = {}
        self._closed = self._stopped = False

    def is_current(self) -> bool:
        """Every query connects anew."""
        return not self._closed

    async def look(self) -> Snapshot:
        async with self._transaction() as (_, snapshot):
            return snapshot

    async def has_schema(self) -> bool:
        async with self._transaction() as (cursor, _):
            ((schema,),) = await (await cursor.execute("SELECT current_schema()")).fetchall()
            return schema is not None

    async def check(self) -> Check:
        async with self._transaction() as (cursor, _):
            version = cursor.connection.info.parameter_status("server_version") or ""
            return Check(version=f"PostgreSQL {version}", beyond_reading=await catalog.beyond_reading(cursor))

    async def schema(self) -> list[SourceTable]:
        """Those of the one schema. Row counts are the planner's."""
        async with self._transaction() as (cursor, _):
            return await catalog.tables(cursor)

    async def sample(self, table: str, rows_max: int) -> Table:
        whole = f"{quoted(self._config.schema)}.{quoted(table)}"
        return await self.query(f"SELECT * FROM {whole} LIMIT {rows_max}", rows_max=rows_max)

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        started_ms = self._host.clock.monotonic_ms()
        async with self._transaction(timeout_ms) as (cursor, snapshot):
            await _execute_one(cursor, f"DECLARE asked NO SCROLL CURSOR FOR {sql}")
            rows, truncated = bounded_rows(await _fetch(cursor, rows_max + 1), rows_max)
            types, kinds = await types_of(cursor)
            return Table(
                columns=[column.name for column in cursor.description or []],
                types=types,
                kinds=kinds,
                rows=rows,
                truncated=truncated,
                duration_ms=self._host.clock.monotonic_ms() - started_ms,
                snapshot=snapshot,
            )

    async def cost(self, sql: str) -> CostHint | None:
        async with self._transaction() as (cursor, _):
            await _execute_one(cursor, f"EXPLAIN (FORMAT JSON) {sql}")
            ((plan,),) = await cursor.fetchall()
            return CostHint(rows=max(_plan_rows(plan[0]["Plan"])), plan=json.dumps(plan[0]))

    async def close(self) -> None:
        self._closed = True

    async def stop(self) -> None:
        import psycopg

        self._closed = self._stopped = True
        # Once is not enough: what comes between two statements cancels nothing. A server that can't be told ends the
        # query by its own deadline.
        with contextlib.suppress(TimeoutError, psycopg.Error):
            async with self._host.clock.timeout(limits.SOURCE_CANCEL_TIMEOUT_MS):
                while self._running:
                    for connection in list(self._running):
                        await connection.cancel_safe()
                    await self._host.clock.sleep(_CANCEL_AGAIN_MS)

    @contextlib.asynccontextmanager
    async def _transaction(
        self, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT
    ) -> AsyncIterator[tuple["AsyncCursor[Any]", Snapshot]]:
        """A connection and a read-only transaction on it, gone afterwards whatever happened.

        Raises QueryFailed or SourceUnavailable for whatever goes wrong inside. A cancelled query is cancelled on the
        server by psycopg, before the cancellation goes on.
        """
        import psycopg

        if self._closed:
            raise QueryFailed("the source is closed")
        try:
            async with self._host.clock.timeout(timeout_ms), self._free:
                connection = await self._connect()
                self._running[connection] = None
                try:
                    if self._stopped:
                        raise QueryFailed("the query was stopped before it began, because its source was closed")
                    cursor = connection.cursor()
                    settings = {"timeout_ms": max(1, int(timeout_ms)), "schema": quoted(self._config.schema)}
                    await cursor.execute(_BEGIN.format(**settings).encode())
                    ((state, certain),) = await (await cursor.execute(_STATE)).fetchall()
                    self.snapshot = Snapshot(where=self._name, state=state, certain=certain)
                    yield cursor, self.snapshot
                finally:
                    del self._running[connection]
                    await connection.close()  # the server rolls back
        except TimeoutError as error:
            raise too_slow(timeout_ms) from error
        except psycopg.Error as error:
            raise self._in_words(error, timeout_ms) from error

    async def _connect(self) -> "AsyncConnection[Any]":
        """Raises SourceUnavailable, saying why."""
        import psycopg

        try:
            async with self._host.clock.timeout(limits.SOURCE_CONNECT_TIMEOUT_MS):
                connection = await psycopg.AsyncConnection.connect(
                    host=self._config.host,
                    port=self._config.port or _PORT,
                    dbname=self._config.database,
                    user=self._config.user,
                    password=self._password,
                    passfile=f"{os.devnull}/none",  # the password is the connection's, or there is none
                    application_name="kelpie",
                    client_encoding="UTF8",
                    autocommit=True,  # transactions are begun by hand
                    context=adapters(),
                    **_TLS[self._config.tls],
                )
        except TimeoutError as error:
            waited_s = limits.SOURCE_CONNECT_TIMEOUT_MS // 1000
            raise SourceUnavailable(f"PostgreSQL at {self._name} did not answer within {waited_s} s") from error
        except psycopg.Error as error:
            raise SourceUnavailable(f"PostgreSQL at {self._name} can't be reached: {first_line(error)}") from error
        version = connection.info.server_version
        if version < _VERSION_MIN:
            await connection.close()
            raise InvalidInput(
                f"{self._name} runs PostgreSQL {version // 10_000}; {_VERSION_MIN // 10_000} or newer is needed"
            )
        return connection

    def _in_words(self, error: "Error", timeout_ms: float) -> QueryFailed:
        import psycopg

        code, said = error.sqlstate or "", first_line(error)
        if code == "57014" and self._stopped:
            return QueryFailed("the query was stopped, because its source was closed")
        if code == "57014":
            return too_slow(timeout_ms)
        if code[:2] in ("", "08", "57", "58") and isinstance(error, psycopg.OperationalError):
            return SourceUnavailable(f"PostgreSQL at {self._name} went away while it was asked: {said}")
        return QueryFailed(f"the data source refused the query: {said}")


async def open_postgres(config: PostgresConfig, surroundings: Surroundings) -> PostgresSource:
    """Raises InvalidInput (a server too old, no such schema), SourceUnavailable, MissingExtra."""
    try:
        import psycopg  # noqa: F401 - whether it is there
    except ImportError as error:
        raise MissingExtra("a connection to PostgreSQL", "postgres") from error
    source = PostgresSource(config, surroundings)
    if not await source.has_schema():
        raise InvalidInput(
            f"{config.database} has no schema '{config.schema}' that {config.user} may use; name one as 'schema'"
        )
    return source


async def _execute_one(cursor: "AsyncCursor[Any]", sql: str) -> None:
    """By the extended protocol, which takes one statement: asking for binary is how psycopg is told to use it."""
    await cursor.execute(sql.encode(), binary=True)


async def _fetch(cursor: "AsyncCursor[Any]", rows_max: int) -> list[tuple[Any, ...]]:
    """The first rows of the declared cursor, a few at a time: as many as their size allows."""
    rows: list[tuple[Any, ...]] = []
    count, kept_bytes = _FIRST_ROWS, 0
    while len(rows) < rows_max and kept_bytes <= limits.QUERY_RESULT_BYTES_MAX:
        count = min(count, rows_max - len(rows))
        await cursor.execute(f"FETCH FORWARD {count} FROM asked".encode())
        found = await cursor.fetchall()
        rows += found
        if len(found) < count:
            break
        sizes = [len(value) for row in found for value in row if isinstance(value, str | bytes)]
        kept_bytes += sum(min(size, limits.CELL_CHARS_MAX) for size in sizes)
        count = max(1, _FETCH_BYTES * len(found) // (sum(sizes) + len(found)))
    return rows


def _plan_rows(node: dict[str, Any]) -> Iterator[int]:
    yield int(node["Plan Rows"])
    for child in node.get("Plans", []):
        yield from _plan_rows(child)
