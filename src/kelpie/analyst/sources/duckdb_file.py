"""A DuckDB file as a data source that can only be read.

The file is opened read-only, the engine may touch no other file, load no extension and look at no Python variable, and
its settings are locked, so that no statement can turn any of that back. Each query has a cursor of its own.
"""

import contextlib
import json
import math
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.sources.config import FileConfig, Surroundings
from kelpie.analyst.sources.queries import Queries, first_line, within_columns
from kelpie.analyst.sources.source import Check, CostHint, ForeignKey, SourceColumn, SourceTable, quoted
from kelpie.analyst.table import Kind, Snapshot, Table, bounded_rows
from kelpie.errors import InvalidInput, MissingExtra, QueryFailed, UmiError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",  # or `FROM name` would read a variable of this process
    "max_temp_directory_size": "0B",
    "memory_limit": f"{limits.SOURCE_MEMORY_MB_MAX}MB",
    "threads": str(limits.SOURCE_THREADS),
}
_COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type, coalesce(c.comment, ''), coalesce(t.comment, v.comment, ''),
    v.view_oid IS NOT NULL
FROM duckdb_columns() c
LEFT JOIN duckdb_tables() t ON t.table_oid = c.table_oid AND t.database_name = c.database_name
LEFT JOIN duckdb_views() v ON v.view_oid = c.table_oid AND v.database_name = c.database_name
WHERE c.database_name = current_database() AND c.schema_name = 'main' AND NOT c.internal
ORDER BY c.table_name, c.column_index
"""
_KEYS = """
SELECT table_name, constraint_type, constraint_column_names, referenced_table, referenced_column_names
FROM duckdb_constraints()
WHERE database_name = current_database() AND schema_name = 'main'
    AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
ORDER BY table_name, constraint_type, constraint_index
"""
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "number"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "number"),
    **dict.fromkeys(("DECIMAL", "DOUBLE", "FLOAT"), "number"),
    **dict.fromkeys(("VARCHAR", "ENUM", "UUID"), "text"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp"),
    "BOOLEAN": "boolean",
    "DATE": "date",
}


# The state in which the engine opened each file. While a connection to a file that was replaced lives on, new ones to
# its path show the old file: they must not be taken for the new one.
_opened: dict[str, Snapshot] = {}


def kind_of(word: str) -> Kind:
    """What DuckDB's name of a type means: "DECIMAL(9,2)" is a number, "INTEGER[]" none."""
    first = re.split(r"[( ]", word, maxsplit=1)[0]
    return "other" if word.endswith("]") else _KINDS.get(first, "other")


class DuckDbSource:
    """A DuckDB database that is open and locked. Queries may overlap.

    snapshot  what it was made from, seen before it was opened; `now` sees it again
    """

    dialect = "duckdb"

    def __init__(
        self,
        surroundings: Surroundings,
        connection: "DuckDBPyConnection",
        snapshot: Snapshot,
        now: Callable[[], Snapshot],
        engine: str = "duckdb",
    ) -> None:
        self.engine = engine
        self.snapshot = snapshot  # a reader keeps what it opened, so this holds until it is opened again
        self.queries = Queries(surroundings.host, surroundings.workers, connection.close)
        self._connection = connection
        self._now = now

    def is_current(self) -> bool:
        try:
            return self._now() == self.snapshot
        except (OSError, UmiError):
            return False

    async def look(self) -> Snapshot:
        return self.snapshot

    async def check(self) -> Check:
        found = await self.query("SELECT version()", rows_max=1)
        return Check(version=f"DuckDB {found.rows[0][0]}")

    async def schema(self) -> list[SourceTable]:
        """The tables and views of the main schema. Rows of tables are counted; those of a view may take any time."""
        columns: dict[str, list[SourceColumn]] = {}
        comments: dict[str, tuple[str, bool]] = {}
        for table, name, word, comment, its_comment, is_view in await self._catalog(_COLUMNS):
            column = SourceColumn(name=name, type=word, kind=kind_of(word), comment=comment)
            columns.setdefault(table, []).append(column)
            comments[table] = its_comment, is_view
        keys: dict[str, list[list[str]]] = {}
        foreign_keys: dict[str, list[ForeignKey]] = {}
        for table, kind, names, target, target_names in await self._catalog(_KEYS):
            if kind == "FOREIGN KEY":
                key = ForeignKey(columns=names, target=target, target_columns=target_names)
                foreign_keys.setdefault(table, []).append(key)
            else:  # in the order of the words: PRIMARY KEY, UNIQUE
                keys.setdefault(table, []).append(names)
        tables = []
        for table, its in columns.items():
            comment, is_view = comments[table]
            counted = None if is_view else await self._catalog(f"SELECT count(*) FROM {quoted(table)}")
            tables.append(
                SourceTable(
                    name=table,
                    columns=its,
                    row_count=counted[0][0] if counted else None,
                    comment=comment,
                    keys=keys.get(table, []),
                    foreign_keys=foreign_keys.get(table, []),
                )
            )
        return tables

    async def sample(self, table: str, rows_max: int) -> Table:
        return await self.query(f"SELECT * FROM {quoted(table)} LIMIT {rows_max}", rows_max=rows_max)

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        table, duration_ms = await self._ask(sql, lambda cursor: _table(cursor, rows_max), timeout_ms)
        return msgspec.structs.replace(table, duration_ms=duration_ms, snapshot=self.snapshot)

    async def cost(self, sql: str) -> CostHint | None:
        ((_, plan),) = await self._catalog(f"EXPLAIN (FORMAT json) {sql}")
        return CostHint(rows=max(_most_rows(node) for node in json.loads(plan)), plan=plan)

    async def _catalog(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows, as the engine has them. Raises QueryFailed if there are too many."""
        rows, _ = await self._ask(
            sql, lambda cursor: cursor.fetchmany(limits.SOURCE_COLUMNS_MAX + 1), limits.QUERY_TIMEOUT_MS_DEFAULT
        )
        return within_columns(rows)

    async def _ask(self, sql: str, take: "Callable[[DuckDBPyConnection], T]", timeout_ms: float) -> tuple[T, float]:
        try:
            cursor = self._connection.cursor()
        except Exception as error:  # a closed connection; duckdb's classes are not imported here
            raise QueryFailed("the source is closed") from error

        async def interrupt() -> None:
            stop(cursor)

        return await self.queries.run(lambda: _execute(cursor, sql, take), interrupt, timeout_ms)

    async def close(self) -> None:
        await self.queries.close()

    async def stop(self) -> None:
        await self.queries.stop()


async def open_duckdb(config: FileConfig, surroundings: Surroundings) -> DuckDbSource:
    """Raises InvalidInput (no DuckDB database there, or outside the folders), MissingExtra."""
    duckdb = driver("a duckdb connection")
    path = surroundings.resolve(config.path)
    if not os.path.isfile(path):  # noqa: ASYNC240 - one stat, at opening
        raise InvalidInput(f"there is no file {path}; give the path of a DuckDB database")

    def opened() -> tuple["DuckDBPyConnection", Snapshot]:
        snapshot = _snapshot(path)
        connection, is_new = connect(path)
        if is_new:
            _opened[path] = snapshot
        return connection, _opened.setdefault(path, snapshot)

    try:
        connection, snapshot = await surroundings.workers.run(opened)
    except duckdb.Error as error:
        raise InvalidInput(f"{path} can't be opened as a DuckDB database: {first_line(error)}") from error
    return DuckDbSource(surroundings, connection, snapshot, lambda: _snapshot(path))


def driver(what: str) -> Any:
    """The package duckdb. Raises MissingExtra, saying `what` needs it."""
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra(what, "analyst") from error
    return duckdb


def connect(path: str) -> tuple["DuckDBPyConnection", bool]:
    """Open a file that only we read, and lock the engine's settings. False: the engine had it open already.

    All connections of this process to one path share one engine and its settings, and the file as it was opened first.
    """
    import duckdb

    connection = duckdb.connect(path, read_only=True, config=SETTINGS)
    is_new = connection.execute("SELECT NOT current_setting('lock_configuration')").fetchall() == [(True,)]
    if is_new:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")  # what day an instant falls on must not depend on the machine
        connection.execute("SET lock_configuration = true")
    return connection, is_new


def stop(connection: "DuckDBPyConnection") -> None:
    """Interrupt what runs on it. It may have ended and been closed by its thread at this very moment."""
    import duckdb

    with contextlib.suppress(duckdb.Error):
        connection.interrupt()


def _snapshot(path: str) -> Snapshot:
    state = os.stat(path)
    return Snapshot(where=path, state=f"{state.st_size} {state.st_mtime_ns}", changed_ms=state.st_mtime_ns // 1_000_000)


def _execute(cursor: "DuckDBPyConnection", sql: str, take: "Callable[[DuckDBPyConnection], T]") -> T:
    import duckdb

    try:
        cursor.execute(sql)
        return take(cursor)
    except duckdb.Error as error:
        raise QueryFailed(_in_words(error)) from error
    finally:
        cursor.close()


def _table(cursor: "DuckDBPyConnection", rows_max: int) -> Table:
    described = cursor.description or []
    rows, truncated = bounded_rows(cursor.fetchmany(rows_max + 1), rows_max)
    types = [str(column[1]) for column in described]
    return Table(
        columns=[column[0] for column in described],
        types=types,
        kinds=[kind_of(word) for word in types],
        rows=rows,
        truncated=truncated,
    )


def _estimate(node: dict[str, Any]) -> int:
    """How many rows a step gives. Those that say nothing pass on what they get, or pair all of it."""
    text = node["extra_info"].get("Estimated Cardinality", "")
    return int(text) if text.isdigit() else math.prod(_estimate(child) for child in node["children"])


def _most_rows(node: dict[str, Any]) -> int:
    return max(_estimate(node), *(_most_rows(child) for child in node["children"]), 0)


def _in_words(error: Exception) -> str:
    if "pytz" in str(error):
        return "the result holds a TIMESTAMP WITH TIME ZONE, which can't be shown: cast it to TIMESTAMP or DATE"
    return f"the data source refused the query: {str(error).strip()}"
