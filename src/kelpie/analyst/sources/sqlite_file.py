"""A SQLite file as a data source that can only be read.

Each query has a connection of its own: opened read-only, with an authorizer that lets through SELECT, columns,
functions and recursion, and nothing else; with bounds on one value and on memory; stopped by its progress handler.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.sources.config import FileConfig, Surroundings
from kelpie.analyst.sources.queries import Queries, first_line, within_columns
from kelpie.analyst.sources.source import Check, CostHint, ForeignKey, SourceColumn, SourceTable, quoted
from kelpie.analyst.sources.sqlite_kinds import declared_kind, kind_of_values, shown
from kelpie.analyst.table import Snapshot, Table, bounded_rows
from kelpie.errors import InvalidInput, QueryFailed, SourceUnavailable

if TYPE_CHECKING:
    import apsw

T = TypeVar("T")

_STEPS_BETWEEN_LOOKS = 10_000
_NO_FUNCTIONS = ("load_extension", "fts3_tokenizer")  # code from a file; an address of this process
_TABLES = r"""
SELECT name, type = 'view' FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY name
"""
_COLUMNS = "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid"
_UNIQUE = "SELECT name FROM pragma_index_list(?) WHERE \"unique\" AND NOT partial AND origin = 'u' ORDER BY seq DESC"
_INDEX = "SELECT name FROM pragma_index_info(?) ORDER BY seqno"
_FOREIGN = 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq'


class SqliteSource:
    """Queries may overlap."""

    engine = "sqlite"
    dialect = "sqlite"

    def __init__(self, path: str, surroundings: Surroundings, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._path = path
        self._queries = Queries(surroundings.host, surroundings.workers, lambda: None)

    def is_current(self) -> bool:
        """Each query opens the file anew, so it is enough that there is one."""
        return os.path.isfile(self._path)

    async def look(self) -> Snapshot:
        self.snapshot = _looked(self._path)
        return self.snapshot

    async def check(self) -> Check:
        found = await self.query("SELECT sqlite_version()", rows_max=1)
        return Check(version=f"SQLite {found.rows[0][0]}")

    async def schema(self) -> list[SourceTable]:
        """SQLite keeps no comments. Rows of tables are counted; those of a view may take any time."""
        tables, _ = await self._ask(_tables, limits.QUERY_TIMEOUT_MS_DEFAULT, authorized=False)
        within_columns([column for table in tables for column in table.columns])
        return tables

    async def sample(self, table: str, rows_max: int) -> Table:
        return await self.query(f"SELECT * FROM {quoted(table)} LIMIT {rows_max}", rows_max=rows_max)

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        snapshot = _looked(self._path)  # before the rows: a change between the two makes it too old, never too new
        table, duration_ms = await self._ask(lambda opened: _table(opened, sql, rows_max), timeout_ms)
        self.snapshot = snapshot
        return msgspec.structs.replace(table, duration_ms=duration_ms, snapshot=snapshot)

    async def cost(self, sql: str) -> CostHint | None:  # noqa: ARG002 - the protocol's
        """SQLite tells how it would run a query, but makes no estimate."""
        return None

    async def _ask(
        self, work: "Callable[[apsw.Connection], T]", timeout_ms: float, *, authorized: bool = True
    ) -> tuple[T, float]:
        called_off: list[bool] = []

        async def interrupt() -> None:
            called_off.append(True)

        def run() -> T:
            return _with_connection(self._path, lambda: bool(called_off), work, authorized=authorized)

        return await self._queries.run(run, interrupt, timeout_ms)

    async def close(self) -> None:
        await self._queries.close()

    async def stop(self) -> None:
        await self._queries.stop()


async def open_sqlite(config: FileConfig, surroundings: Surroundings) -> SqliteSource:
    """Raises InvalidInput (no SQLite database there, or outside the folders)."""
    path = surroundings.resolve(config.path)
    if not os.path.isfile(path):  # noqa: ASYNC240 - one stat, at opening
        raise InvalidInput(f"there is no file {path}; give the path of a SQLite database")
    source = SqliteSource(path, surroundings, _snapshot(path))
    try:
        await source.query("SELECT count(*) FROM sqlite_schema", rows_max=1)
    except QueryFailed as error:
        raise InvalidInput(f"{path} can't be opened as a SQLite database: {error}") from error
    return source


def _with_connection(
    path: str, called_off: Callable[[], bool], work: "Callable[[apsw.Connection], T]", *, authorized: bool
) -> T:
    import apsw

    had_bytes = apsw.memory_used()
    grown = False

    def look() -> bool:
        # What it sorts or groups is kept in memory, and SQLite counts that for the whole process.
        nonlocal grown
        grown = apsw.memory_used() - had_bytes > limits.SOURCE_MEMORY_MB_MAX * 1_000_000
        return grown or called_off()

    try:
        connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        try:
            _bound(connection)
            connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
            if authorized:
                connection.authorizer = _authorizer()
            return work(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        if grown:
            raise QueryFailed(f"the query needs more than {limits.SOURCE_MEMORY_MB_MAX} MB and was stopped") from error
        raise QueryFailed(_in_words(error)) from error


def _bound(connection: "apsw.Connection") -> None:
    import apsw

    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)  # or a misspelt "column" is silently a text
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, limits.SOURCE_VALUE_BYTES_MAX)
    connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_busy_timeout(limits.SOURCE_CANCEL_TIMEOUT_MS)
    connection.execute("PRAGMA temp_store = MEMORY").fetchall()  # or a large sort would fill the disk


def _authorizer() -> "apsw.Authorizer":
    import apsw

    allowed = {apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE}

    def decide(operation: int, _: str | None, name: str | None, *__: str | None) -> int:
        if operation == apsw.SQLITE_FUNCTION and name in _NO_FUNCTIONS:
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK if operation in allowed else apsw.SQLITE_DENY

    return decide


def _table(connection: "apsw.Connection", sql: str, rows_max: int) -> Table:
    described: list[tuple[str, str | None]] = []

    def see(cursor: "apsw.Cursor", _sql: str, _bindings: object) -> bool:
        # Called as each statement begins; a description is to be had only while one runs.
        if described:
            raise QueryFailed("the data source refused the query: one statement at a time")
        described.extend((name, declared) for name, declared, *_ in cursor.get_description())
        return True

    connection.exec_trace = see
    cursor = connection.execute(sql)
    found = [row for _, row in zip(range(rows_max + 1), cursor, strict=False)]
    if len(found) <= rows_max:
        cursor.fetchall()  # a second statement, if there is one, begins here
    declared = [declared_kind(word) for _, word in described]
    rows, truncated = bounded_rows(
        ([shown(value, kind) for value, kind in zip(row, declared, strict=True)] for row in found), rows_max
    )
    return Table(
        columns=[name for name, _ in described],
        types=[word or "" for _, word in described],
        kinds=[kind_of_values(kind, [row[place] for row in rows]) for place, kind in enumerate(declared)],
        rows=rows,
        truncated=truncated,
    )


def _tables(connection: "apsw.Connection") -> list[SourceTable]:
    import apsw

    def names(sql: str, of: str) -> list[str]:
        return [str(row[0]) for row in connection.execute(sql, (of,))]

    tables = []
    found: list[Any] = connection.execute(_TABLES).fetchall()
    for name, is_view in found:
        try:
            columns: list[Any] = connection.execute(_COLUMNS, (name,)).fetchall()
            counted: Any = None if is_view else connection.execute(f"SELECT count(*) FROM {quoted(name)}").get
        except apsw.SQLError:  # a view over what is gone: nobody can ask it either
            continue
        primary = [str(column) for column, _, at in sorted(columns, key=lambda column: column[2]) if at]
        tables.append(
            SourceTable(
                name=name,
                columns=[
                    SourceColumn(name=column, type=word, kind=declared_kind(word) or "other")
                    for column, word, _ in columns
                ],
                row_count=counted,
                keys=[key for key in (primary, *(names(_INDEX, index) for index in names(_UNIQUE, name))) if key],
                foreign_keys=_foreign_keys(connection.execute(_FOREIGN, (name,))),
            )
        )
    primary_of = {table.name: table.keys[0] for table in tables if table.keys}
    return [_with_targets(table, primary_of) for table in tables]


def _foreign_keys(rows: Iterable[tuple[Any, ...]]) -> list[ForeignKey]:
    found: dict[int, ForeignKey] = {}
    for number, target, source, column in rows:
        key = found.setdefault(number, ForeignKey(columns=[], target=target, target_columns=[]))
        key.columns.append(source)
        if column is not None:
            key.target_columns.append(column)
    return list(found.values())


def _with_targets(table: SourceTable, primary_of: dict[str, list[str]]) -> SourceTable:
    """A key that names no columns over there means the primary key."""
    keys = [
        key if key.target_columns else msgspec.structs.replace(key, target_columns=primary_of.get(key.target, []))
        for key in table.foreign_keys
    ]
    return msgspec.structs.replace(table, foreign_keys=keys)


def _looked(path: str) -> Snapshot:
    """Raises SourceUnavailable."""
    try:
        return _snapshot(path)
    except OSError as error:
        raise SourceUnavailable(f"{path} is gone ({error.strerror}); was it moved?") from error


def _snapshot(path: str) -> Snapshot:
    """Every commit changes either the file's change counter or, in WAL mode, the header of the log's index."""
    state = os.stat(path)
    with open(path, "rb") as file:
        counter = file.read(28)[24:].hex()
    changed_ns, log = state.st_mtime_ns, ""
    with contextlib.suppress(OSError):
        beside = os.stat(f"{path}-wal")
        if beside.st_size:  # an empty log is what a reader leaves behind
            changed_ns = max(changed_ns, beside.st_mtime_ns)
            log = f" {beside.st_size}"
            with open(f"{path}-shm", "rb") as file:
                log += f" {file.read(48).hex()}"
    return Snapshot(
        where=path, state=f"{state.st_size} {state.st_mtime_ns} {counter}{log}", changed_ms=changed_ns // 1_000_000
    )


def _in_words(error: Exception) -> str:
    import apsw

    if isinstance(error, apsw.AuthError):
        return f"the data source refused the query: it may only read ({first_line(error)})"
    if isinstance(error, apsw.BusyError):
        return "the data source is being written by somebody else; ask again"
    if isinstance(error, apsw.CantOpenError | apsw.NotADBError | apsw.IOError | apsw.CorruptError):
        return f"the data source can't be read: {first_line(error)}"
    return f"the data source refused the query: {first_line(error)}"
