"""A Database in one SQLite file.

Callers append jobs; what one turn of the loop asks for, and all that comes while a batch runs on the writer thread, is
the next batch, so that under load many commits share one sync and alone a commit waits for nobody. Everything outside
`Engine.run` happens on one event loop.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from umi import limits
from umi.dst import Host
from umi.errors import StoreClosed
from umi.storage.changes import Changes
from umi.storage.database import Migration, Row, View
from umi.storage.engine import Engine
from umi.storage.jobs import Commit, Job, Read, batch_of, commit_of

CommitListener = Callable[[int, float], None]  # (commits in the group, duration in ms)


class SqliteDatabase:
    """Open with `await SqliteDatabase.open(path, migrations)`; one process holds the file, unless `shared`."""

    def __init__(self, engine: Engine, host: Host, writer: ThreadPoolExecutor, on_group: CommitListener | None) -> None:
        self._engine = engine
        self._host = host
        self._writer = writer
        self._on_group = on_group
        self._waiting: list[Job] = []
        self._idle = asyncio.Event()  # no batch is running
        self._idle.set()
        self._closed = False
        self._released: asyncio.Future[None] | None = None

    @classmethod
    async def open(
        cls,
        path: str,
        migrations: Iterable[Migration],
        *,
        host: Host | None = None,
        on_group: CommitListener | None = None,
        vfs: str | None = None,
        shared: bool = False,
    ) -> "SqliteDatabase":
        """Create or open `path` and bring its schema up to date.

        on_group  called on the loop after each group of commits, with its size and its duration in ms
        vfs       the name of an apsw VFS to open the file through; such a file isn't locked against other processes
        shared    other processes may open the file as well, if they say so too; without it, none may
        Raises StoreInUse, StoreNewer, StoreCorrupt, StoreReadOnly, StoreFull.
        """
        writer = ThreadPoolExecutor(1, thread_name_prefix="umi-writer")
        opening = writer.submit(Engine, path, list(migrations), vfs=vfs, shared=shared)
        try:
            engine = await asyncio.wrap_future(opening)
        except BaseException:
            # Cancelled, the caller will never close what the thread may still be opening.
            opening.add_done_callback(_close_opened)
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
        # Copied: the writer thread must not see what the loop adds meanwhile.
        rows: list[list[Row]] = await self._submit(Read(tuple(queries), tuple(over.writes) if over else ()))
        return rows

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
        """Finish what was submitted, checkpoint, and let go of the file."""
        self._closed = True
        await self._idle.wait()
        if self._released is None:
            self._released = asyncio.get_running_loop().run_in_executor(self._writer, self._engine.close)
            self._writer.shutdown(wait=False)
        await asyncio.shield(self._released)  # every caller returns when the file is free; none can interrupt it

    async def _submit(self, work: Read | Commit, hooks: Sequence[Callable[[], None]] = ()) -> Any:
        if self._closed:
            raise StoreClosed(f"{self.path} was closed")
        loop = asyncio.get_running_loop()
        job = Job(work, loop.create_future(), hooks)
        self._waiting.append(job)
        if self._idle.is_set():
            self._idle.clear()
            loop.call_soon(self._start_batch, loop)
        # A caller that goes away cancels this future alone; what it submitted happens all the same.
        return await job.done

    def _start_batch(self, loop: asyncio.AbstractEventLoop) -> None:
        jobs, self._waiting = self._waiting[: limits.COMMIT_GROUP_MAX], self._waiting[limits.COMMIT_GROUP_MAX :]
        batch = batch_of(jobs)
        started_ms = self._host.clock.monotonic_ms()
        running = loop.run_in_executor(self._writer, self._engine.run, batch)
        running.add_done_callback(lambda ran: self._finish_batch(loop, jobs, len(batch.commits), started_ms, ran))

    def _finish_batch(
        self,
        loop: asyncio.AbstractEventLoop,
        jobs: list[Job],
        commits: int,
        started_ms: float,
        ran: asyncio.Future[None],
    ) -> None:
        duration_ms = self._host.clock.monotonic_ms() - started_ms
        for job in jobs:
            job.finish(ran.exception())
        if self._waiting:
            loop.call_soon(self._start_batch, loop)
        else:
            self._idle.set()
        if commits and self._on_group is not None:
            self._on_group(commits, duration_ms)  # last: a listener that raises must not stop the store


def _close_opened(opening: "Future[Engine]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
