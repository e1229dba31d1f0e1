"""The store of a Memory, opened at its first use."""

import asyncio
from collections.abc import Sequence
from typing import Any

from umi import archival, core, embed, working
from umi.dst import Host
from umi.errors import InvalidInput, StoreClosed
from umi.storage import Changes, Database, Row, SqliteDatabase

MIGRATIONS = [*core.MIGRATIONS, *archival.MIGRATIONS, *embed.MIGRATIONS, *working.MIGRATIONS]


class LazyDatabase:
    """A Database at a path or URL that opens when it is first used. It stays closed once it was closed."""

    def __init__(self, store: str, host: Host, *, shared: bool) -> None:
        if not store.strip():
            raise InvalidInput("the path of a memory is blank; Memory('memory.db') makes a file in this folder")
        self._store, self._host, self._shared = store, host, shared
        self._database: Database | None = None
        self._opening: asyncio.Lock | None = None  # made in the loop that first uses it
        self._closed = False

    async def open(self) -> Database:
        """Raises StoreError: in use, newer, corrupt, read-only, closed."""
        if self._database is not None:
            return self._database
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if self._closed:
                raise StoreClosed(f"the memory in {self._name()} was closed; make a new one")
            if self._database is None:
                self._database = await self._open()
        return self._database

    async def _open(self) -> Database:
        if self._store.startswith(("postgres://", "postgresql://")):
            from umi.storage.postgres import PostgresDatabase

            return await PostgresDatabase.open(self._store, MIGRATIONS, host=self._host)
        return await SqliteDatabase.open(self._store, MIGRATIONS, host=self._host, shared=self._shared)

    def _name(self) -> str:
        """Without what a URL holds of a password."""
        return "the database" if "://" in self._store else self._store

    async def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> list[list[Row]]:
        return await (self._database or await self.open()).read(queries, over)

    async def commit(self, changes: Changes) -> list[Row]:
        return await (self._database or await self.open()).commit(changes)

    async def close(self) -> None:
        self._closed = True
        database, self._database = self._database, None
        if database is not None:
            await database.close()
