"""A Database on a PostgreSQL server, for several processes and machines (extra `postgres`).

Reads have connections of their own and never wait for writers; what they see is one snapshot. Everything else goes
through the one Writer.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from umi import limits
from umi.dst import Host
from umi.errors import CommitUnknown, StoreClosed, StoreError, StoreNewer
from umi.storage import dialect, nearest
from umi.storage.changes import Changes
from umi.storage.database import Migration, Row, View
from umi.storage.jobs import Commit, Job, Read, batch_of, commit_of
from umi.storage.link import Link, give_up
from umi.storage.nearest import Nearest
from umi.storage.postgres_writer import Writer, exchange, statement_of

if TYPE_CHECKING:
    from psycopg import AsyncConnection

CommitListener = Callable[[int, float], None]  # (commits in the group, duration in ms)

_LOCK_KEY = "SELECT hashtextextended('umi.storage ' || current_schema(), 0), current_schema()"
_CHECKS_KEYS = (
    "SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE condeferrable AND connamespace = current_schema()::regnamespace)"
)
_SCHEMA_TABLE = 'CREATE TABLE IF NOT EXISTS room_schema (room TEXT COLLATE "C" PRIMARY KEY, number BIGINT NOT NULL)'
_RECORD_MIGRATION = "INSERT INTO room_schema VALUES ($1, $2) ON CONFLICT (room) DO UPDATE SET number = $2"


class PostgresDatabase:
    """Open with `await PostgresDatabase.open(url, migrations)`; any number of processes may share a schema.

    It belongs to the event loop it was opened on.
    """

    def __init__(
        self, link: Link, host: Host, writer: Writer, on_group: CommitListener | None, near: Nearest | None
    ) -> None:
        self.nearest = near  # None where the server has no pgvector
        self._link = link
        self._host = host
        self._writer = writer
        self._on_group = on_group
        self._waiting: list[Job] = []
        self._running: asyncio.Task[None] | None = None
        self._readers: list[AsyncConnection[Any]] = []  # those at rest
        self._reading = asyncio.Semaphore(limits.POSTGRES_READERS_MAX)
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        migrations: Iterable[Migration],
        *,
        host: Host | None = None,
        on_group: CommitListener | None = None,
    ) -> "PostgresDatabase":
        """Reach the server at `url` and bring the schema up to date: the first of its search_path.

        url       postgresql://user:password@host:5432/database, with libpq's options
        on_group  called on the loop after each group of commits, with its size and its duration in ms
        Raises StoreError (unreachable, unsuitable, no driver), StoreNewer, StoreReadOnly, StoreCorrupt, InvalidInput.
        """
        host = host or Host()
        link = Link(url)
        connection = await link.connect()
        try:
            lock_key, checks_keys, near = await _prepare(connection, link, list(migrations))
        except Exception as error:
            raise link.translate(error) from error
        finally:
            await give_up(connection)
        writer = Writer(link, host, lock_key=lock_key, checks_keys=checks_keys)
        return cls(link, host, writer, on_group, near)

    @property
    def path(self) -> str:
        """Where the rows are, as people may see it: without user and password."""
        return self._link.name

    def view(self, changes: Changes | None = None) -> View:
        return View(self, changes)

    async def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> list[list[Row]]:
        if over or self._writer.in_doubt:
            rows: list[list[Row]] = await self._submit(Read(tuple(queries), tuple(over.writes) if over else ()))
            return rows
        if self._closed:
            raise StoreClosed(f"{self.path} was closed")
        statements = [statement_of(sql, params) for sql, params in queries]
        if len(statements) > 1:
            statements = [("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", []), *statements, ("COMMIT", [])]
        async with self._reading:
            found = await self._fetch(statements)
        return found[1:-1] if len(found) > 1 else found

    async def commit(self, changes: Changes) -> list[Row]:
        """As the protocol says. Once submitted, a commit and its hooks happen even if the caller is cancelled."""
        hooks = tuple(changes.after_commit)
        if changes.writes or changes.scrub:
            returned: list[Row] = await self._submit(commit_of(changes), hooks)
            return returned
        for hook in hooks:
            hook()
        return []

    async def close(self) -> None:
        """Finish what was submitted, and let go of the server."""
        self._closed = True
        while self._running is not None:
            await asyncio.wait([self._running])
        readers, self._readers = self._readers, []
        for connection in readers:
            await give_up(connection)
        await self._writer.close()

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _fetch(self, statements: Sequence[tuple[str, list[Any]]]) -> list[list[Row]]:
        rested = self._readers.pop() if self._readers else None
        connection = rested or await self._link.connect()
        try:
            done, error = await exchange(connection, statements)
            if error is not None and connection is rested and connection.broken:
                # It was cut while it rested: by a restart of the server, or something between.
                connection = await self._link.connect()
                done, error = await exchange(connection, statements)
            found = [await cursor.fetchall() if cursor.description is not None else [] for cursor in done]
        except BaseException:  # cancelled: it may be in the middle of something
            await give_up(connection)
            raise
        if error is not None or self._closed:
            await give_up(connection)
        else:
            self._readers.append(connection)
        if error is not None:
            raise self._link.translate(error)
        return found

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _submit(self, work: Read | Commit, hooks: Sequence[Callable[[], None]] = ()) -> Any:
        if self._closed:
            raise StoreClosed(f"{self.path} was closed")
        job = Job(work, asyncio.get_running_loop().create_future(), hooks)
        self._waiting.append(job)
        if self._running is None:
            self._running = self._host.spawn(self._work(), "umi-postgres-writer")
        # A caller that goes away cancels this future alone; what it submitted happens all the same.
        return await job.done

    async def _work(self) -> None:
        """Run batches until nothing waits. While one runs, the next one gathers."""
        jobs: list[Job] = []
        try:
            while self._waiting:
                size = limits.POSTGRES_GROUP_MAX
                jobs, self._waiting = self._waiting[:size], self._waiting[size:]
                batch, broken = batch_of(jobs), None
                started_ms = self._host.clock.monotonic_ms()
                try:
                    await self._writer.run(batch)
                except Exception as error:  # noqa: BLE001 - a bug of ours; whoever waits hears of it
                    broken = error
                duration_ms = self._host.clock.monotonic_ms() - started_ms
                for job in jobs:
                    job.finish(broken)
                jobs = []
                if batch.commits and self._on_group is not None:
                    # Not called from here: a listener that raises must not stop the store.
                    asyncio.get_running_loop().call_soon(self._on_group, len(batch.commits), duration_ms)
        finally:
            self._running = None
            self._abandon(jobs)

    def _abandon(self, jobs: list[Job]) -> None:
        """The task was cancelled: its Host is closing. Nobody may wait for an answer that won't come."""
        if jobs:
            self._writer.in_doubt = True
        for job in jobs:
            job.finish(CommitUnknown(f"{self.path} was left in the middle of a commit; reload before going on"))
        if jobs:
            waiting, self._waiting = self._waiting, []
            for job in waiting:
                job.finish(StoreClosed(f"{self.path} was closed before this was begun; nothing was written"))


async def _prepare(
    connection: "AsyncConnection[Any]", link: Link, migrations: list[Migration]
) -> tuple[int, bool, Nearest | None]:
    """Bring the schema up to date in one transaction, one process at a time. Returns what a Writer has to know."""
    known: dict[str, int] = {}
    for migration in migrations:
        assert migration.number == known.get(migration.room, 0) + 1, f"gap in the migrations of {migration.room}"
        known[migration.room] = migration.number
    ((lock_key, schema),) = await (await connection.execute(_LOCK_KEY)).fetchall()
    if schema is None:
        raise StoreError(f"{link.name} has no schema to write to; create the one that its search_path names")
    await connection.execute("BEGIN")
    await connection.execute(f"SELECT pg_advisory_xact_lock({lock_key})")
    await connection.execute(_SCHEMA_TABLE)
    found = dict(await (await connection.execute("SELECT room, number FROM room_schema")).fetchall())
    for room, number in found.items():
        if number > known.get(room, 0):
            raise StoreNewer(link.name, room, number, known.get(room, 0))
    for migration in migrations:
        if migration.number > found.get(migration.room, 0):
            await connection.execute(dialect.schema(migration.postgres or migration.sql))
            await connection.execute(_RECORD_MIGRATION, (migration.room, migration.number))
    ((checks_keys,),) = await (await connection.execute(_CHECKS_KEYS)).fetchall()
    near = await nearest.prepare(connection)
    await connection.execute("COMMIT")
    return int(lock_key), bool(checks_keys), near
