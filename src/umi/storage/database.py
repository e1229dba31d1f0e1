"""The store as every room sees it: rows in, rows out, one way to commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from umi.storage.changes import Changes

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of one room's schema. Written once, never edited: a later change is a later number."""

    room: str
    number: int  # from 1, without gaps within a room
    sql: str  # may hold several statements
    postgres: str | None = None  # in place of it on PostgreSQL, where umi.storage.dialect can't say the same


class Database(Protocol):
    """A store of rows. Queries and writes are data, so that the same calls can cross a network.

    Raises StoreError (see umi.errors) for everything the environment does wrong.
    """

    async def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> list[list[Row]]:
        """The rows of each query, all from one consistent state; `over` is applied first and then undone."""
        ...

    async def commit(self, changes: Changes) -> list[Row]:
        """Make `changes` durable, then run its hooks. Returns the rows of RETURNING clauses, in order.

        Raises GuardFailed or Conflict with nothing written, CommitUnknown if the outcome can't be known.
        """
        ...

    async def close(self) -> None: ...


class View:
    """Reads over a database that see what `changes` would write.

    A room that plans a change reads through the View, so a second plan sees what the first one did although neither
    is committed. Without changes it is a plain reader.
    """

    __slots__ = ("changes", "database")

    def __init__(self, database: Database, changes: Changes | None = None) -> None:
        self.database = database
        self.changes = changes

    async def fetch(self, sql: str, *params: Any) -> list[Row]:
        return (await self.database.read([(sql, params)], self.changes or None))[0]

    async def one(self, sql: str, *params: Any) -> Row | None:
        """The first row, or None."""
        rows = await self.fetch(sql, *params)
        return rows[0] if rows else None

    async def all(self, *queries: tuple[str, tuple[Any, ...]]) -> list[list[Row]]:
        """The rows of several queries from one state."""
        return await self.database.read(queries, self.changes or None)
