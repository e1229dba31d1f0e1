"""Letta's database, read in one state, by one connection that can't write, a batch at a time."""

import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from kelpie.errors import InvalidInput, MissingExtra, SourceUnavailable
from kelpie.moving import limits
from kelpie.moving.letta.tables import IGNORED, LEFT, TAKEN

if TYPE_CHECKING:  # the driver is an extra
    from psycopg import AsyncConnection

Row = dict[str, Any]
_COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    " AND table_name IN (SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    " AND table_type = 'BASE TABLE')"
)
# Letta's own settings name a driver of SQLAlchemy's in the address.
_SCHEMES = ("postgres", "postgresql")


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator["Source"]:
    """Raises InvalidInput for an address of another kind, MissingExtra, SourceUnavailable: none repeats the address,
    which may hold a password."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] not in _SCHEMES or not rest:
        raise InvalidInput("a database is named postgresql://user:password@host/name")
    try:
        import psycopg
        from psycopg.rows import dict_row
    except ModuleNotFoundError as error:
        raise MissingExtra("reading a PostgreSQL database", "postgres") from error
    try:
        connection = await psycopg.AsyncConnection.connect(
            f"postgresql://{rest}", row_factory=dict_row, connect_timeout=limits.DATABASE_CONNECT_TIMEOUT_S
        )
    except psycopg.Error as error:
        raise SourceUnavailable(f"the database can't be reached: {_said(error, rest)}") from None
    try:
        async with connection:
            await connection.set_read_only(True)
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            yield Source(connection)
    except psycopg.Error as error:
        raise SourceUnavailable(f"the database broke off: {_said(error, rest)}") from None


def _said(error: Exception, address: str) -> str:
    """What the driver says. An address that it misreads may come back in pieces, and so may the password in it."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    password = address.rpartition("@")[0].partition(":")[2]
    for piece in re.split(r"[@:/?]", password):
        text = text.replace(piece, "…") if piece else text
    return text


class Source:
    def __init__(self, connection: "AsyncConnection[Row]") -> None:
        self._connection = connection
        self._tables: set[str] = set()
        self._cursors = 0

    async def check(self) -> list[str]:
        """Raise InvalidInput unless it has the tables and columns that are read. Returns the tables nobody knows."""
        columns: dict[str, set[str]] = {}
        for row in await self._all(_COLUMNS):
            columns.setdefault(row["table_name"], set()).add(row["column_name"])
        self._tables = set(columns)
        missing = sorted(
            f"{table}.{column}"
            for table, taken in TAKEN.items()
            for column in taken.columns
            if column not in columns.get(table, ())
        )
        if missing:
            shown = ", ".join(missing[:5])
            raise InvalidInput(
                f"this is no database of Letta 0.16: {len(missing)} columns that are read are not there ({shown}"
                f"{' …' if len(missing) > 5 else ''}); bring that server to 0.16.7 first"
            )
        return sorted(self._tables - set(TAKEN) - set(LEFT) - IGNORED)

    def has(self, table: str) -> bool:
        return table in self._tables

    async def organizations(self) -> list[str]:
        """Those that have agents, blocks, tools or archives."""
        tables = ("agents", "block", "tools", "archives")
        sql = " UNION ".join(f"SELECT organization_id FROM {table}" for table in tables)
        return sorted(row["organization_id"] for row in await self._all(sql) if row["organization_id"])

    async def count(self, table: str, where: str = "true", *params: Any) -> int:
        return int((await self._all(f"SELECT count(*) AS rows FROM {_name(table)} WHERE {where}", *params))[0]["rows"])

    async def rows(self, table: str, where: str = "true", *params: Any) -> AsyncIterator[Row]:
        """The rows of a table that is taken, in their order of age; a passage says too whether it has an embedding."""
        taken = TAKEN[table]
        columns = [f'"{column}"' for column in taken.columns]
        if table == "archival_passages":
            columns.append("embedding IS NOT NULL AS has_embedding")
        sql = f"SELECT {', '.join(columns)} FROM {_name(table)} WHERE {where} ORDER BY {taken.orders}"
        async for row in self._streamed(sql, *params):
            yield row

    async def keys(self, table: str, where: str = "true", *params: Any) -> AsyncIterator[str]:
        """What names the rows of a table, taken or not."""
        key = TAKEN[table].key if table in TAKEN else LEFT[table].key
        async for row in self._streamed(f"SELECT {key} AS key FROM {_name(table)} WHERE {where}", *params):
            yield str(row["key"])

    async def _streamed(self, sql: str, *params: Any) -> AsyncIterator[Row]:
        self._cursors += 1
        async with self._connection.cursor(name=f"kelpie_{self._cursors}") as cursor:
            cursor.itersize = limits.DATABASE_BATCH_ROWS
            await cursor.execute(sql, params)
            async for row in cursor:
                yield row

    async def _all(self, sql: str, *params: Any) -> Sequence[Row]:
        cursor = await self._connection.execute(sql, params)
        return await cursor.fetchall()


def _name(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'
