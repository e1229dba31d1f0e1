"""The data source of a simulated world: a real SQLite answers from memory, and everything between it and the server
may fail. It counts each query it is asked.

It stands for a machine and the way to it, which can't be simulated; what asks it, from the words of a question to the
SQL, is production's. No thread: the query runs whole, once its time has passed.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import apsw

from kelpie.analyst import limits
from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.queries import too_slow
from kelpie.analyst.sources.source import Check, CostHint, Source, SourceTable, quoted
from kelpie.analyst.sources.sqlite_kinds import declared_kind, kind_of_values
from kelpie.analyst.table import Snapshot, Table, bounded_rows
from kelpie.errors import QueryFailed, SourceUnavailable
from kelpie.simulate.machines.warehouse import NAME, TABLES, creation
from umi.dst import Host
from umi.dst.faults import Faults

CONNECTION_KINDS = {
    "connection.refused": "the data source can't be reached",
    "connection.slow": "a query takes long; beyond its time it is stopped",
    "connection.lost": "the data source goes away in the middle of a query",
}
ENGINE = "sqlite"
CONFIG = {"path": f"{NAME}.sqlite"}
_SNAPSHOT = Snapshot(where=NAME, state="the only one")
_WORK_MS_MAX = 40.0
_SLOW_MS_MAX = 2.0 * limits.QUERY_TIMEOUT_MS_DEFAULT  # half of the slow ones are stopped

OpenSource = Callable[[str, Mapping[str, Any], Surroundings], Awaitable[Source]]


@dataclass(slots=True)
class Ask:
    """A query that the source was asked. Its `outcome` stays "cut" if the asking process died meanwhile."""

    sql: str
    life: str
    outcome: Literal["cut", "answered", "refused", "lost", "stopped"] = "cut"


class SimConnection:
    """`on_ask` is told each SQL before anything else happens to it."""

    def __init__(self, faults: Faults, on_ask: Callable[[str, str], None]) -> None:
        self.asks: list[Ask] = []
        self.faults = faults
        self._on_ask = on_ask
        self._times: Counter[str] = Counter()
        self._engine: apsw.Connection | None = None

    def opener(self, host: Host, silo: str, life: str) -> OpenSource:
        """How one life of a silo opens its sources."""

        async def open_source(_engine: str, _config: Mapping[str, Any], _surroundings: Surroundings) -> Source:
            if self.faults.happens("connection.refused", silo):
                raise SourceUnavailable(f"{NAME} can't be reached: connection refused")
            return SimSource(self, host, silo, life)

        return open_source

    def begin(self, sql: str, life: str) -> tuple[Ask, str]:
        """A query arrives: its record, and the key of its chance."""
        ask = Ask(sql, life)
        self.asks.append(ask)
        self._on_ask(sql, life)
        self._times[sql] += 1
        return ask, f"{sql}/{self._times[sql]}"

    def engine(self) -> apsw.Connection:
        if self._engine is None:
            self._engine = apsw.Connection(":memory:")
            for sql, rows in creation():
                for row in rows:
                    self._engine.execute(sql, row)
        return self._engine


class SimSource:
    """Implements kelpie.analyst.sources.source.Source."""

    engine = ENGINE
    dialect = "sqlite"

    def __init__(self, connection: SimConnection, host: Host, silo: str, life: str) -> None:
        self.snapshot = _SNAPSHOT
        self._connection, self._host, self._silo, self._life = connection, host, silo, life
        self._is_gone = False

    async def schema(self) -> list[SourceTable]:
        return TABLES

    async def sample(self, table: str, rows_max: int) -> Table:
        return await self.query(f"SELECT * FROM {quoted(table)} LIMIT {rows_max}", rows_max=rows_max)

    async def query(self, sql: str, *, rows_max: int, timeout_ms: float = limits.QUERY_TIMEOUT_MS_DEFAULT) -> Table:
        ask, key = self._connection.begin(sql, self._life)
        started_ms = self._host.clock.monotonic_ms()
        try:
            async with self._host.clock.timeout(timeout_ms):
                await self._wait(key)
        except TimeoutError as error:
            ask.outcome = "stopped"
            raise too_slow(timeout_ms) from error
        except SourceUnavailable:
            ask.outcome, self._is_gone = "lost", True
            raise
        try:
            table = _answered(self._connection.engine(), sql, rows_max)
        except apsw.Error as error:
            ask.outcome = "refused"
            raise QueryFailed(f"the data source refused the query: {error}") from error
        ask.outcome = "answered"
        duration_ms = self._host.clock.monotonic_ms() - started_ms
        return Table(
            columns=table.columns,
            types=table.types,
            kinds=table.kinds,
            rows=table.rows,
            truncated=table.truncated,
            duration_ms=duration_ms,
            snapshot=self.snapshot,
        )

    async def _wait(self, key: str) -> None:
        """What passes until the answer is there. Raises SourceUnavailable."""
        clock, faults = self._host.clock, self._connection.faults
        work_ms = _WORK_MS_MAX * faults.share("connection.slow", f"{key}/works")
        if faults.happens("connection.slow", self._silo, key):
            work_ms += _SLOW_MS_MAX * faults.share("connection.slow", f"{key}/how long")
        await clock.sleep(work_ms / 2)
        if self._is_gone or faults.happens("connection.lost", self._silo, key):
            raise SourceUnavailable(f"{NAME} went away in the middle of the query")
        await clock.sleep(work_ms / 2)

    async def cost(self, sql: str) -> CostHint | None:  # noqa: ARG002 - the protocol's
        return None

    async def look(self) -> Snapshot:
        return self.snapshot

    async def check(self) -> Check:
        return Check(version="simulated")

    def is_current(self) -> bool:
        return not self._is_gone

    async def close(self) -> None:
        self._is_gone = True

    async def stop(self) -> None:
        self._is_gone = True


def _answered(engine: apsw.Connection, sql: str, rows_max: int) -> Table:
    described: list[tuple[str, str | None]] = []

    def see(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        # A description is to be had only while a statement runs.
        described.extend((name, declared) for name, declared, *_ in cursor.get_description())
        return True

    engine.exec_trace = see
    found: list[Any] = engine.execute(sql).fetchall()
    engine.exec_trace = None
    rows, truncated = bounded_rows(found, rows_max)
    declared = [declared_kind(word) for _, word in described]
    return Table(
        columns=[name for name, _ in described],
        types=[word or "" for _, word in described],
        kinds=[kind_of_values(kind, [row[place] for row in rows]) for place, kind in enumerate(declared)],
        rows=rows,
        truncated=truncated,
    )
