"""A Database in memory on a disk that fails and loses power under one seed: for the tests of whoever embeds umi.

The engine is the real one. It runs on the caller's thread, since its disk never waits, and every commit is a group of
its own: so one seed means one order, without a simulated loop as well as under one.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from umi.dst import Host, Rng
from umi.dst.disk import SimDisk
from umi.dst.faults import DISK_KINDS, Faults
from umi.errors import StoreClosed
from umi.storage.changes import Changes
from umi.storage.database import Migration, Row
from umi.storage.engine import Engine
from umi.storage.jobs import Batch, Read, commit_of

# Those that happen by plan or chance; the others are a test's own doing, on a SimDisk it holds.
KINDS = {kind: DISK_KINDS[kind] for kind in DISK_KINDS if kind not in ("disk.bit_flip", "disk.crash_in_recovery")}


class SimulatedDatabase:
    """Opens when it is first used, and again after a crash.

    faults  what goes wrong with its disk: `faults.plan("disk.sync_error", where="-wal")`, see umi.dst.faults. After a
            "disk.power_cut" everything fails until `crash`.
    """

    def __init__(self, seed: int | str, migrations: Iterable[Migration], *, host: Host) -> None:
        rng = Rng(seed).fork("disk")
        self.faults = Faults(rng.fork("faults"), KINDS)
        self._disk = SimDisk(rng, faults=self.faults, clock=host.clock)
        self._migrations = list(migrations)
        self._host = host
        self._engine: Engine | None = None
        self._closed = False

    def open(self) -> Engine:
        """Create or recover the file, unless it is open."""
        if self._closed:
            raise StoreClosed("the simulated database was closed")
        if self._engine is None:
            self._engine = Engine(f"{self._disk.mount()}/store.db", self._migrations, vfs=self._disk.vfs)
        return self._engine

    def crash(self) -> None:
        """The power goes. Of what was not synced the seed decides what is left; the next use recovers the rest."""
        self._disk.crash()
        if self._engine is not None:
            self._engine.close()  # a dead process: it reaches files that nobody sees
            self._engine = None

    async def read(
        self, queries: Sequence[tuple[str, tuple[Any, ...]]], over: Changes | None = None
    ) -> list[list[Row]]:
        read = Read(tuple(queries), tuple(over.writes) if over else ())
        before_ms = self._disk.delayed_ms
        self.open().run(Batch(reads=[read]))
        await self._catch_up(before_ms)
        assert read.outcome is not None, "the engine fills in every outcome"
        if isinstance(read.outcome, Exception):
            raise read.outcome
        return read.outcome

    async def commit(self, changes: Changes) -> list[Row]:
        commit = commit_of(changes)
        commit.outcome = []
        before_ms = self._disk.delayed_ms
        if commit.writes or commit.scrub:
            self.open().run(Batch(commits=[commit]))
        if not isinstance(commit.outcome, Exception):
            for hook in changes.after_commit:
                hook()
        await self._catch_up(before_ms)
        assert commit.outcome is not None, "the engine fills in every outcome"
        if isinstance(commit.outcome, Exception):
            raise commit.outcome
        if commit.unscrubbed is not None:
            raise commit.unscrubbed
        return commit.outcome

    async def _catch_up(self, before_ms: int) -> None:
        """Let others run, for as long as the disk took."""
        await self._host.clock.sleep(self._disk.delayed_ms - before_ms)

    async def close(self) -> None:
        self._closed = True
        if self._engine is not None:
            self._engine.close()
            self._engine = None
