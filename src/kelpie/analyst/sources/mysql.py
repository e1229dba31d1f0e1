"""A MySQL or MariaDB server as a data source that can only be read.

Each query has a connection of its own and, on it, one read-only transaction; the session is read-only too, so that a
statement that ends the transaction wins nothing. The driver sends one statement at a time, and only what begins as a
query is sent at all: SET, KILL or FLUSH are no writes to the server. The server ends a query at its deadline by itself,
and is told to when the caller goes away.
"""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.sources import mysql_catalog as catalog
from kelpie.analyst.sources.config import ServerConfig, Surroundings
from kelpie.analyst.sources.mysql_session import Session
from kelpie.analyst.sources.mysql_types import shown, type_of
from kelpie.analyst.sources.queries import Queries, first_line, too_slow
from kelpie.analyst.sources.source import Check, CostHint, SourceTable, quoted
from kelpie.analyst.table import Snapshot, Table, bounded_rows
from kelpie.analyst.workers import Workers
from kelpie.errors import MissingExtra, QueryFailed, SourceUnavailable

T = TypeVar("T")

_QUERY = re.compile(r"[\s(]*(select|with|values|table)\b", re.IGNORECASE)
# MariaDB's and MySQL's word for a deadline; killed, shut down, gone.
_TOO_SLOW = (1969, 3024)
_GONE = (1053, 1927, 2006, 2013)
_INTERRUPTED = 1317
# Warnings that mean: the rows are not what was asked for. A text was taken for a number (1292, 1366, 1411), a value was
# cut to fit (1260, 1264, 1265, 1301, 1441), a recursion was left off (1931). Other engines fail there.
_DOUBTFUL = (1260, 1264, 1265, 1292, 1301, 1366, 1411, 1441, 1931)


class MySqlSource:
    """Queries may overlap, up to SOURCE_CONNECTIONS_MAX of them."""

    engine = "mysql"
    dialect = "mysql"

    def __init__(self, config: ServerConfig, surroundings: Surroundings) -> None:
        self._config = config
        self._password = surroundings.password(config)
        self._name = f"{config.host}{f':{config.port}' if config.port else ''}/{config.database}"
        # Threads of its own: a slow server must not keep files waiting, nor a query its own end.
        self._workers = Workers(surroundings.host, limits.SOURCE_CONNECTIONS_MAX)
        self._killers = Workers(surroundings.host, 1)
        self._queries = Queries(surroundings.host, self._workers, self._release)
        self._closed = self._stopped = False
        self.snapshot = Snapshot(where=self._name, state="", certain=False)  # until the first look

    def is_current(self) -> bool:
        """Every query connects anew."""
        return not self._closed

    async def look(self, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Snapshot:
        _, snapshot, _ = await self._ask(lambda _: None, timeout_ms)
        return snapshot

    async def check(self) -> Check:
        def work(session: Session) -> Check:
            name = "MariaDB" if session.is_mariadb else "MySQL"
            return Check(version=f"{name} {session.version}", beyond_reading=catalog.beyond_reading(session))

        found, _, _ = await self._ask(work)
        return found

    async def schema(self) -> list[SourceTable]:
        """Row counts are the server's estimates."""
        found, _, _ = await self._ask(catalog.tables)
        return found

    async def sample(self, table: str, rows_max: int) -> Table:
        whole = f"{quoted(self._config.database, '`')}.{quoted(table, '`')}"
        return await self.query(f"SELECT * FROM {whole} LIMIT {rows_max}", rows_max=rows_max)

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        _refuse_other(sql)
        table, snapshot, duration_ms = await self._ask(lambda session: _table(session, sql, rows_max), timeout_ms)
        return msgspec.structs.replace(table, duration_ms=duration_ms, snapshot=snapshot)

    async def cost(self, sql: str) -> CostHint | None:
        _refuse_other(sql)
        plan, _, _ = await self._ask(lambda session: session.rows(f"EXPLAIN {sql}"))
        return catalog.cost_of(plan)

    async def close(self) -> None:
        self._closed = True
        await self._queries.close()

    async def stop(self) -> None:
        self._closed = self._stopped = True
        await self._queries.stop()

    def _release(self) -> None:
        self._workers.close()
        self._killers.close()

    async def _ask(
        self, work: Callable[[Session], T], timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT
    ) -> tuple[T, Snapshot, float]:
        """What `work` finds in one read-only transaction, the state of the data there, and how many ms it took."""
        session = Session(self._config, self._password)

        async def interrupt() -> None:
            await self._killers.run(session.kill)

        def run() -> tuple[T, Snapshot]:
            self._connect(session)
            session.begin(timeout_ms)
            snapshot = catalog.snapshot(session, self._name)  # before the rows: it may be too old, never too new
            session.start()
            return work(session), snapshot

        def late(after_ms: float) -> QueryFailed:
            if session.thread_id is not None:
                return too_slow(after_ms)
            return SourceUnavailable(f"MySQL at {self._name} did not answer within {after_ms:,.0f} ms")

        def answer() -> tuple[T, Snapshot]:
            return self._answered(run, timeout_ms)

        try:
            (found, snapshot), duration_ms = await self._queries.run(answer, interrupt, timeout_ms, late)
        finally:
            session.close()
        self.snapshot = snapshot
        return found, snapshot, duration_ms

    def _connect(self, session: Session) -> None:
        import pymysql

        try:
            session.connect()
        except (pymysql.Error, OSError, RuntimeError) as error:  # the last: encryption that needs another package
            raise SourceUnavailable(f"MySQL at {self._name} can't be reached: {_said(error)}") from error

    def _answered(self, run: Callable[[], T], timeout_ms: float) -> T:
        import pymysql

        try:
            return run()
        except (pymysql.Error, OSError) as error:
            code = error.args[0] if error.args else None
            if self._stopped and code in (*_GONE, _INTERRUPTED):
                raise QueryFailed("the query was stopped, because its source was closed") from error
            if code in _TOO_SLOW:
                raise too_slow(timeout_ms) from error
            if code in _GONE or isinstance(error, OSError):
                gone = f"MySQL at {self._name} went away while it was asked: {_said(error)}"
                raise SourceUnavailable(gone) from error
            raise QueryFailed(f"the data source refused the query: {_said(error)}") from error


async def open_mysql(config: ServerConfig, surroundings: Surroundings) -> MySqlSource:
    """Raises InvalidInput (a server too old), SourceUnavailable, MissingExtra."""
    try:
        import pymysql  # noqa: F401 - whether it is there
    except ImportError as error:
        raise MissingExtra("a connection to MySQL", "mysql") from error
    source = MySqlSource(config, surroundings)
    try:
        await source.look(limits.SOURCE_CONNECT_TIMEOUT_MS)
    except BaseException:
        await source.stop()
        raise
    return source


def _refuse_other(sql: str) -> None:
    if not _QUERY.match(sql):
        raise QueryFailed("the data source refused the query: only SELECT is sent to the server")


def _table(session: Session, sql: str, rows_max: int) -> Table:
    with session.asking(sql) as cursor:
        described = cursor.description or ()
        words = [type_of(column)[0] for column in described]
        found = itertools.islice(iter(cursor.fetchone, None), rows_max + 1) if described else ()
        binary: set[int] = set()

        def cells(row: Sequence[Any]) -> list[Any]:
            values = [shown(value, word) for value, word in zip(row, words, strict=True)]
            binary.update(place for place, value in enumerate(values) if isinstance(value, bytes))
            return values

        rows, truncated = bounded_rows(map(cells, found), rows_max)
    if not truncated:
        _refuse_doubtful(session)
    typed = [type_of(column, is_binary=place in binary) for place, column in enumerate(described)]
    return Table(
        columns=[column[0] for column in described],
        types=[word for word, _ in typed],
        kinds=[kind for _, kind in typed],
        rows=rows,
        truncated=truncated,
    )


def _refuse_doubtful(session: Session) -> None:
    for _, code, said in session.rows("SHOW WARNINGS"):
        if code in _DOUBTFUL:
            raise QueryFailed(f"the data source warns that its answer may be wrong, so it is not shown: {said}")


def _said(error: Exception) -> str:
    """A driver's error is (number, text)."""
    return str(error.args[1]) if len(error.args) > 1 else first_line(error)
