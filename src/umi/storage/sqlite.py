"""A Database in one SQLite file.

Callers append jobs; while a batch runs on the writer thread the next one gathers, so that under load many commits
share one sync and alone a commit waits for nobody. Everything outside `_run_batch` happens on one event loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from umi import limits
from umi.dst import Host
from umi.errors import StoreClosed
from umi.storage.changes import Changes
from umi.storage.database import Migration, Row, View
from umi.storage.engine import Batch, Commit, Engine, Read

CommitListener = Callable[[int, float], None]  # (commits in the group, duration in ms)


class SqliteDatabase:
    """Open with `await SqliteDatabase.open(path, migrations)`; at most one process may hold the file."""

    def __init__(self, engine: Engine, host: Host, writer: ThreadPoolExecutor, on_group: CommitListener | None) -> None:
        self._engine = engine
        self._host = host
        self._writer = writer
        self._on_group = on_group
        self._waiting: list[tuple[Read | Commit, asyncio.Future[Any]]] = []
        self._running = False
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: str,
        migrations: Iterable[Migration],
        *,
        host: Host | None = None,
        on_group: CommitListener | None = None,
        vfs: str | None = None,
    ) -> "SqliteDatabase":
        """Create or open `path` and bring its schema up to date.

        on_group  called on the loop after each group of commits, with its size and its duration in ms
        Raises StoreInUse, StoreNewer, StoreCorrupt, StoreReadOnly.
        """
        writer = ThreadPoolExecutor(1, thread_name_prefix="umi-writer")
        loop = asyncio.get_running_loop()
        try:
            engine = await loop.run_in_executor(writer, lambda: Engine(path, list(migrations), vfs=vfs))
        except BaseException:
            writer.shutdown(wait=False)
            raise
        return cls(engine, host or Host(), writer, on_group)

    @property
    def path(self) -> str:
        return self._engine.path

    def view(self, changes: Changes | None = None) -> View:
        return View(self, changes)

    async def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> list[list[Row]]:
        rows: list[list[Row]] = await self._submit(Read(queries, over))
        return rows

    async def commit(self, changes: Changes) -> list[Row]:
        returned: list[Row] = await self._submit(Commit(changes)) if changes.writes else []
        for hook in changes.after_commit:
            hook()
        return returned

    async def close(self) -> None:
        """Finish what was submitted, checkpoint, and let go of the file."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        while self._running:
            await asyncio.sleep(0.001)
        await loop.run_in_executor(self._writer, self._engine.close)
        self._writer.shutdown(wait=True)

    async def _submit(self, job: Read | Commit) -> Any:
        if self._closed:
            raise StoreClosed(f"{self.path} was closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((job, done))
        if not self._running:
            self._running = True
            self._start_batch(loop)
        # Shielded: a caller that goes away must not un-happen a commit that is under way.
        return await asyncio.shield(done)

    def _start_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs, self._waiting = self._waiting[: limits.COMMIT_GROUP_MAX], self._waiting[limits.COMMIT_GROUP_MAX :]
        batch = Batch(
            reads=[job for job, _ in jobs if isinstance(job, Read)],
            commits=[job for job, _ in jobs if isinstance(job, Commit)],
        )
        started_ms = self._host.clock.monotonic_ms()
        running = loop.run_in_executor(self._writer, self._engine.run, batch)
        running.add_done_callback(lambda ran: self._finish_batch(loop, jobs, batch, started_ms, ran))

    def _finish_batch(
        self,
        loop: asyncio.AbstractEventLoop,
        jobs: list[tuple[Read | Commit, asyncio.Future[Any]]],
        batch: Batch,
        started_ms: float,
        ran: asyncio.Future[None],
    ) -> None:
        broken = ran.exception()
        for job, done in jobs:
            if done.cancelled():
                continue
            if broken is not None or isinstance(job.outcome, Exception):
                done.set_exception(broken if broken is not None else job.outcome)  # type: ignore[arg-type]
            else:
                done.set_result(job.outcome)
        if batch.commits and self._on_group is not None:
            self._on_group(len(batch.commits), self._host.clock.monotonic_ms() - started_ms)
        if self._waiting:
            self._start_batch(loop)
        else:
            self._running = False
