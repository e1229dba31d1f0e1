"""A DuckDB file as a data source that can only be read.

Two walls stand between a query and harm. The guard (guard.py) decides on the statement before it comes here. This
module is the other: the file is opened read-only, the engine may touch no other file, load no extension and look at
no Python variable, and its settings are locked, so that no statement can turn any of that back.
"""

import os
from typing import TYPE_CHECKING, Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.table import Table, bounded_rows
from kelpie.analyst.workers import Job, Stopped, Workers
from kelpie.errors import InvalidInput, MissingExtra, QueryFailed
from umi.dst import Host

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",  # or `FROM name` would read a variable of this process
    "max_temp_directory_size": "0B",
    "memory_limit": f"{limits.SOURCE_MEMORY_MB_MAX}MB",
    "threads": str(limits.SOURCE_THREADS),
    "lock_configuration": "true",
}
_COLUMNS = """
SELECT table_name, column_name, data_type FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'main' AND NOT internal
ORDER BY table_name, column_index
"""


# Names, types, rows, and whether rows were left out.
_Rows = tuple[list[str], list[str], list[list[Any]], bool]


class SourceTable(msgspec.Struct, frozen=True):
    """A table or view of a source: its columns as (name, type) and its number of rows."""

    name: str
    columns: list[tuple[str, str]]
    row_count: int


class Snapshot(msgspec.Struct, frozen=True):
    """Which state of the data a result stands on: the file as it was when it was opened for the query."""

    path: str
    size_bytes: int
    modified_ms: int


class DuckDbSource:
    """Open with `await DuckDbSource.open(...)`. Queries may overlap; each has its own cursor."""

    def __init__(self, host: Host, snapshot: Snapshot, workers: Workers, connection: "DuckDBPyConnection") -> None:
        self.snapshot = snapshot  # a reader keeps the file it opened, so this holds until it is opened again
        self._host = host
        self._workers = workers
        self._connection = connection
        self._closing = False
        self._running: dict[Job[_Rows], DuckDBPyConnection] = {}  # each query's job and its cursor

    @classmethod
    async def open(cls, host: Host, path: str, workers: Workers) -> "DuckDbSource":
        """Raises InvalidInput if there is no DuckDB database at `path`, MissingExtra without the package."""
        try:
            import duckdb
        except ImportError as error:
            raise MissingExtra("a duckdb connection", "analyst") from error
        if not os.path.isfile(path):  # noqa: ASYNC240 - one stat, at opening
            raise InvalidInput(f"there is no file {path}; give the path of a DuckDB database")

        def connect() -> "DuckDBPyConnection":
            return duckdb.connect(path, read_only=True, config=_CONFIG)

        try:
            snapshot = _snapshot(path)
            connection = await workers.run(connect)
        except duckdb.Error as error:
            raise InvalidInput(f"{path} can't be opened as a DuckDB database: {_first_line(error)}") from error
        return cls(host, snapshot, workers, connection)

    def is_current(self) -> bool:
        """Whether the file is still the one that was opened."""
        try:
            return _snapshot(self.snapshot.path) == self.snapshot
        except OSError:
            return False

    async def schema(self) -> list[SourceTable]:
        """The tables and views of the main schema, by name."""
        found = await self.query(_COLUMNS, rows_max=limits.QUERY_ROWS_MAX)
        columns: dict[str, list[tuple[str, str]]] = {}
        for table, column, data_type in found.rows:
            columns.setdefault(table, []).append((column, data_type))
        tables = []
        for name, its_columns in columns.items():
            quoted = name.replace('"', '""')
            counted = await self.query(f'SELECT count(*) FROM "{quoted}"', rows_max=1)
            tables.append(SourceTable(name, its_columns, counted.rows[0][0]))
        return tables

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        """At most `rows_max` rows of `sql`, which the guard has passed.

        Cancelling the call stops the query. Raises QueryFailed: the engine refused it, or it took too long.
        """
        started_ms = self._host.clock.monotonic_ms()
        try:
            cursor = self._connection.cursor()
        except Exception as error:  # a closed connection; duckdb's classes are not imported here
            raise QueryFailed(f"the source is closed: {_first_line(error)}") from error
        job = self._workers.start(lambda: _run(cursor, sql, rows_max))
        self._running[job] = cursor
        try:
            async with self._host.clock.timeout(timeout_ms):
                columns, types, rows, truncated = await job.wait()
        except TimeoutError as error:
            await job.stop(cursor.interrupt)
            raise QueryFailed(
                f"the query took longer than {timeout_ms:,.0f} ms and was stopped; narrow it down and ask again"
            ) from error
        except Stopped as error:
            raise QueryFailed("the query was stopped before it began, because its source was closed") from error
        except BaseException:
            await job.stop(cursor.interrupt)  # after an error of its own there is nothing left to stop
            raise
        finally:
            del self._running[job]
            if self._closing and not self._running:
                self._connection.close()
        duration_ms = self._host.clock.monotonic_ms() - started_ms
        return Table(columns=columns, types=types, rows=rows, truncated=truncated, duration_ms=duration_ms)

    async def close(self) -> None:
        """Let go of the file, once the queries that run have ended: closing would take their results away."""
        self._closing = True
        if not self._running:
            await self._workers.run(self._connection.close)

    async def stop(self) -> None:
        """Interrupt what runs, then close: the process need not wait for a query nobody will read."""
        running = list(self._running.items())
        for job, _ in running:
            job.call_off()
        for job, cursor in running:
            await job.stop(cursor.interrupt)
        await self.close()


def _snapshot(path: str) -> Snapshot:
    state = os.stat(path)
    return Snapshot(path, state.st_size, state.st_mtime_ns // 1_000_000)


def _run(cursor: "DuckDBPyConnection", sql: str, rows_max: int) -> _Rows:
    import duckdb

    try:
        cursor.execute(sql)
        described = cursor.description or []
        rows, truncated = bounded_rows(cursor.fetchmany(rows_max + 1), rows_max)
    except duckdb.Error as error:
        raise QueryFailed(_in_words(error)) from error
    finally:
        cursor.close()
    return [column[0] for column in described], [str(column[1]) for column in described], rows, truncated


def _in_words(error: Exception) -> str:
    if "pytz" in str(error):
        return "the result holds a TIMESTAMP WITH TIME ZONE, which can't be shown: cast it to TIMESTAMP or DATE"
    return f"the data source refused the query: {str(error).strip()}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
