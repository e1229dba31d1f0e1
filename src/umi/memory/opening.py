"""The store of a Memory, opened at its first use."""

import asyncio
from collections.abc import Sequence
from typing import Any

from umi import archival, core, embed, working
from umi.dst import Host
from umi.entity import check_text
from umi.errors import CalledFromElsewhere, InvalidInput, StoreClosed
from umi.storage import Changes, Database, Row, SqliteDatabase

MIGRATIONS = [*core.MIGRATIONS, *archival.MIGRATIONS, *embed.MIGRATIONS, *working.MIGRATIONS]


class LazyDatabase:
    """A Database at a path or URL that opens when it is first used. It stays closed once it was closed.

    It belongs to the event loop that first uses it: what waits in one loop can't be woken from another.
    """

    def __init__(self, store: str, host: Host, *, shared: bool) -> None:
        check_text("the path of a memory", store)
        if not store.strip():
            raise InvalidInput("the path of a memory is blank; Memory('memory.db') makes a file in this folder")
        self._store, self._host, self._shared = store, host, shared
        self._database: Database | None = None
        self._opening: asyncio.Task[Database] | None = None  # one for all who wait: none of them can break it off
        self._loops: dict[str, asyncio.AbstractEventLoop] = {}
        self._closed = False

    def enter(self) -> None:
        """Raise CalledFromElsewhere unless the running loop is the one that first used it, or is the first."""
        running = asyncio.get_running_loop()
        # One step, since two threads may come first at once.
        if self._loops.setdefault("owner", running) is not running:
            raise CalledFromElsewhere(
                f"the memory in {self._name()} is used in another event loop; make one for each loop (shared=True),"
                " or use umi.sync.Memory, which any number of threads may call"
            )

    async def open(self) -> Database:
        """Raises StoreError: in use, newer, corrupt, read-only, closed; CalledFromElsewhere."""
        self.enter()
        if self._closed:
            raise self._was_closed()
        if self._database is not None:
            return self._database
        if self._opening is None:
            self._opening = self._host.spawn(self._begin(), "open a memory")
            self._opening.add_done_callback(self._opened)
        await asyncio.shield(self._opening)
        return await self.open()  # unless it was closed meanwhile

    async def _begin(self) -> Database:
        database = await self._open()
        if self._closed:
            await database.close()
            raise self._was_closed()
        self._database = database
        return database

    def _opened(self, opening: "asyncio.Task[Database]") -> None:
        self._opening = None  # what failed is tried again by whoever comes next
        if not opening.cancelled():
            opening.exception()  # it was told to those who waited, and perhaps nobody does

    def _was_closed(self) -> StoreClosed:
        return StoreClosed(f"the memory in {self._name()} was closed; make a new one")

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
        return await (await self.open()).read(queries, over)

    async def commit(self, changes: Changes) -> list[Row]:
        return await (await self.open()).commit(changes)

    async def close(self) -> None:
        """Let go of the file, also of one that is just being opened. Raises CalledFromElsewhere."""
        if not self._is_orphan():
            self.enter()
        self._closed = True
        if self._opening is not None and not self._opening.done():
            await asyncio.wait([self._opening])  # it closes what it opened
        if self._database is not None:
            await self._database.close()

    def _is_orphan(self) -> bool:
        """Whether the loop that used it ended, and left it open."""
        owner = self._loops.get("owner")
        return owner is not None and owner.is_closed()
