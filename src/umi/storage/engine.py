"""The synchronous half of the SQLite store: everything that touches the connection.

Settings and their reasons (house rules, measured): WAL with FULL sync so that an acknowledged commit survives power
loss; EXCLUSIVE locking, one connection; autocheckpoint off, because an automatic checkpoint that fails makes a
commit raise although it is durable. Checkpoints run between batches, from here.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import apsw

from umi import limits
from umi.errors import (
    CommitUnknown,
    Conflict,
    GuardFailed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreNewer,
    StoreReadOnly,
)
from umi.storage.changes import Changes
from umi.storage.database import Migration, Row
from umi.storage.lock import FileLock

_PRAGMAS = """
PRAGMA locking_mode=EXCLUSIVE;
PRAGMA journal_mode=WAL;
PRAGMA synchronous=FULL;
PRAGMA wal_autocheckpoint=0;
PRAGMA foreign_keys=ON;
PRAGMA cache_size=-16000;
PRAGMA temp_store=MEMORY;
"""
_SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS room_schema (room TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT"


@dataclass(slots=True)
class Read:
    queries: Sequence[tuple[str, tuple[Any, ...]]]
    over: Changes | None
    outcome: list[list[Row]] | Exception | None = None


@dataclass(slots=True)
class Commit:
    changes: Changes
    outcome: list[Row] | Exception | None = None


@dataclass(slots=True)
class Batch:
    reads: list[Read] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)


class Engine:
    def __init__(self, path: str, migrations: Iterable[Migration], *, vfs: str | None = None) -> None:
        self.path = path
        self._wal_pages = 0
        self._lock: FileLock | None = FileLock(path) if vfs is None and path != ":memory:" else None
        try:
            if self._lock is not None and os.path.exists(path) and not os.access(path, os.W_OK):
                raise StoreReadOnly(f"{path} is read-only; make it writable for this user")
            self._connection = apsw.Connection(path, vfs=vfs)
            self._prepare(list(migrations))
        except BaseException as error:
            self._release()
            if isinstance(error, apsw.Error):
                raise _translate(error, path) from error
            raise

    def _prepare(self, migrations: list[Migration]) -> None:
        for pragma in _PRAGMAS.strip().split("\n"):
            self._connection.execute(pragma).fetchall()
        self._connection.set_wal_hook(self._on_wal_commit)
        self._connection.execute(_SCHEMA_TABLE)
        found = dict(self._connection.execute("SELECT room, number FROM room_schema").fetchall())
        known: dict[str, int] = {}
        for migration in migrations:
            assert migration.number == known.get(migration.room, 0) + 1, f"gap in the migrations of {migration.room}"
            known[migration.room] = migration.number
        for room, number in found.items():
            if number > known.get(room, 0):
                raise StoreNewer(self.path, room, number, known.get(room, 0))
        for migration in migrations:
            if migration.number > found.get(migration.room, 0):
                with self._connection:
                    self._connection.execute(migration.sql)
                    self._connection.execute(
                        "INSERT INTO room_schema VALUES (?1, ?2) ON CONFLICT(room) DO UPDATE SET number = ?2",
                        (migration.room, migration.number),
                    )

    def _on_wal_commit(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def run(self, batch: Batch) -> None:
        """Fill in the outcome of every job: reads first, on the state before the batch's commits."""
        for read in batch.reads:
            try:
                read.outcome = self._read(read)
            except Exception as error:
                read.outcome = self._as_store_error(error)
        if batch.commits:
            self._commit_group(batch.commits)
        if self._wal_pages >= limits.WAL_PAGES_BEFORE_CHECKPOINT:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file. A failure is harmless here: the log keeps the commits."""
        with contextlib.suppress(apsw.Error):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._wal_pages = 0

    def close(self) -> None:
        self.checkpoint()
        self._connection.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _read(self, read: Read) -> list[list[Row]]:
        if read.over is None:
            return [self._connection.execute(sql, params).fetchall() for sql, params in read.queries]
        self._connection.execute("SAVEPOINT overlay")
        try:
            self._apply(read.over)
            return [self._connection.execute(sql, params).fetchall() for sql, params in read.queries]
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO overlay")
                self._connection.execute("RELEASE overlay")

    def _apply(self, changes: Changes) -> list[Row]:
        """Run the writes in order; returns the rows of RETURNING clauses."""
        returned: list[Row] = []
        for write in changes.writes:
            cursor = self._connection.execute(write.sql, write.params)
            rows = cursor.fetchall()
            if write.guard is not None:
                touched = len(rows) or (0 if write.sql.lstrip()[:6].upper() == "SELECT" else self._connection.changes())
                if touched != write.rows:
                    raise GuardFailed(write.guard, write.rows, touched)
            returned.extend(rows)
        return returned

    def _commit_group(self, commits: list[Commit]) -> None:
        """All commits of a batch share one transaction and one sync; each has its own savepoint and fails alone."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            return _fail(commits, self._as_store_error(error))
        for commit in commits:
            self._connection.execute("SAVEPOINT one")
            try:
                commit.outcome = self._apply(commit.changes)
            except Exception as error:
                commit.outcome = self._as_store_error(error)
                if not self._connection.in_transaction:
                    # A full disk or an I/O error rolls the whole transaction back: nobody's commit was written.
                    return _fail(commits, commit.outcome)
                self._connection.execute("ROLLBACK TO one")
            self._connection.execute("RELEASE one")
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            with contextlib.suppress(apsw.Error):
                self._connection.execute("ROLLBACK")
            full = isinstance(error, apsw.FullError)
            text = f"COMMIT on {self.path} failed ({error}); the outcome is unknown, reload before going on"
            unknown = StoreFull(f"the disk holding {self.path} is full") if full else CommitUnknown(text)
            unknown.__cause__ = error
            _fail([c for c in commits if not isinstance(c.outcome, Exception)], unknown)

    def _as_store_error(self, error: Exception) -> Exception:
        return _translate(error, self.path) if isinstance(error, apsw.Error) else error


def _fail(commits: Iterable[Commit], error: Exception) -> None:
    for commit in commits:
        commit.outcome = error


def _translate(error: apsw.Error, path: str) -> Exception:
    """The apsw error in our words, with what to do about it."""
    translated: Exception
    match error:
        case apsw.ConstraintError():
            translated = Conflict(str(error))
        case apsw.BusyError() | apsw.LockedError():
            translated = StoreInUse(path, None)
        case apsw.NotADBError() | apsw.CorruptError():
            translated = StoreCorrupt(f"{path} is damaged or not a database ({error}); restore it from a backup")
        case apsw.FullError():
            translated = StoreFull(f"the disk holding {path} is full; nothing was written, free some space")
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            translated = StoreReadOnly(f"{path} can't be opened for writing ({error}); check folder and permissions")
        case apsw.IOError():
            translated = StoreError(f"the disk under {path} failed: {error}")
        case _:
            return error  # SQL of ours that is wrong: our bug, shown as it is
    translated.__cause__ = error
    return translated
