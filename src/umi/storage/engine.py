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
    InvalidInput,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreNewer,
    StoreReadOnly,
)
from umi.storage.changes import Write
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
_MAGIC = b"SQLite format 3\0"
_SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS room_schema (room TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT"
_RECORD_MIGRATION = "INSERT INTO room_schema VALUES (?1, ?2) ON CONFLICT(room) DO UPDATE SET number = ?2"
# What a call of SQLite raises. Where Python itself finds no memory for the answer, it is Python's own error.
_FAILURES = (apsw.Error, MemoryError)
# A row that breaks these was wrong before it came here; nobody else's change made it so.
_OUR_BUGS = {
    apsw.SQLITE_CONSTRAINT_CHECK,
    apsw.SQLITE_CONSTRAINT_DATATYPE,
    apsw.SQLITE_CONSTRAINT_NOTNULL,
}


@dataclass(slots=True)
class Read:
    queries: Sequence[tuple[str, tuple[Any, ...]]]
    over: Sequence[Write] = ()  # applied first and undone afterwards
    outcome: list[list[Row]] | Exception | None = None


@dataclass(slots=True)
class Commit:
    writes: Sequence[Write]
    outcome: list[Row] | Exception | None = None


@dataclass(slots=True)
class Batch:
    reads: list[Read] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)


class Engine:
    def __init__(self, path: str, migrations: Iterable[Migration], *, vfs: str | None = None) -> None:
        self.path = path
        self._wal_pages = 0
        self._in_doubt = False
        self._is_suspect = False  # an error of the machine may have left something wrong in the connection's memory
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._lock: FileLock | None = FileLock(path) if vfs is None and path != ":memory:" else None
        try:
            if self._lock is not None:
                _refuse_unusable(path)
            self._connect()
            self._prepare(list(migrations))
        except (*_FAILURES, UnicodeDecodeError) as error:
            self.close()
            raise self._as_store_error(error) from error
        except BaseException:
            self.close()
            raise

    def _connect(self, flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) -> None:
        self._connection = apsw.Connection(self.path, flags=flags, vfs=self._vfs)
        for pragma in _PRAGMAS.strip().split("\n"):
            self._execute(pragma)
        self._keep_recovered()
        self._sql.set_wal_hook(self._on_wal_commit)

    def _prepare(self, migrations: list[Migration]) -> None:
        self._execute(_SCHEMA_TABLE)
        found: dict[str, int] = dict(self._execute("SELECT room, number FROM room_schema"))
        known: dict[str, int] = {}
        for migration in migrations:
            assert migration.number == known.get(migration.room, 0) + 1, f"gap in the migrations of {migration.room}"
            known[migration.room] = migration.number
        for room, number in found.items():
            if not isinstance(number, int):  # the schema forbids it: another page lies where this one belongs
                raise _damaged(self.path, f"room_schema holds {number!r}")
            if number > known.get(room, 0):
                raise StoreNewer(self.path, room, number, known.get(room, 0))
        self._execute("BEGIN")  # all or none: after a crash in an upgrade the older version still opens the file
        try:
            for migration in migrations:
                if migration.number > found.get(migration.room, 0):
                    self._execute(migration.sql)
                    self._execute(_RECORD_MIGRATION, (migration.room, migration.number))
            self._execute("COMMIT")
        finally:
            self._roll_back()

    def _keep_recovered(self) -> None:
        """Make durable what a killed process left in the log, before anybody reads it.

        Its last commits may never have been synced: a reader would be shown what a power loss then takes away.
        """
        with contextlib.suppress(apsw.FullError):  # a checkpoint first syncs the log: only then can it lack space
            self._sql.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    @property
    def _sql(self) -> apsw.Connection:
        assert self._connection is not None, "the engine is closed"
        return self._connection

    def _execute(self, sql: str, params: tuple[Any, ...] = ()) -> list[Row]:
        """All rows. Fetching them is what runs every statement of `sql` to its end."""
        return self._sql.execute(sql, params).fetchall()

    def _on_wal_commit(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def run(self, batch: Batch) -> None:
        """Fill in the outcome of every job: reads first, on the state before the batch's commits."""
        for read in batch.reads:
            if self._is_settled([read]):
                try:
                    read.outcome = self._read(read)
                except Exception as error:  # noqa: BLE001 - the boundary of one caller's job: it becomes its outcome
                    read.outcome = self._as_store_error(error)
        if batch.commits and self._is_settled(batch.commits):
            self._commit_group(batch.commits)
        if self._wal_pages >= limits.WAL_PAGES_BEFORE_CHECKPOINT:
            self.checkpoint()

    def _is_settled(self, jobs: Iterable[Read | Commit]) -> bool:
        """Whether the connection can be used; else that is the outcome of `jobs`."""
        try:
            self._settle()
        except _FAILURES as error:
            _fail(jobs, self._as_store_error(error))
            return False
        return True

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file. A failure is harmless here: the log keeps the commits."""
        if self._connection is None:
            return
        with contextlib.suppress(*_FAILURES):
            self._sql.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        self._wal_pages = 0

    def close(self) -> None:
        """Checkpoint and let go of the file. Harmless when done twice, and when it fails: the log keeps the commits."""
        if self._connection is not None:
            with contextlib.suppress(*_FAILURES):
                self._settle()
            if self._in_doubt:
                self._let_go()
            self.checkpoint()
        if self._connection is not None:
            with contextlib.suppress(*_FAILURES):
                self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _settle(self) -> None:
        """End what an earlier job could not: its transaction, if there was no memory for ROLLBACK either, and the doubt
        about its COMMIT. After an error of the machine go on with a new connection."""
        if self._connection is not None:
            if self._sql.in_transaction:
                self._execute("ROLLBACK")
            self._end_doubt()
        if self._is_suspect and self.path != ":memory:":
            self._reconnect()
        self._is_suspect = False

    def _reconnect(self) -> None:
        """What a connection keeps in memory can't be trusted once reading or writing failed under it. SQLite's own
        pages can; its full-text index can't: after one read error, `rank` was NULL for as long as it lived."""
        self._let_go()
        try:
            # Not created: where the folder is gone for a moment, an empty file would pass for the store.
            self._connect(apsw.SQLITE_OPEN_READWRITE)
        except BaseException:
            self._let_go()
            raise

    def _let_go(self) -> None:
        """Close the connection and leave the log as a kill would: the next one keeps whatever it finds there."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*_FAILURES):
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            with contextlib.suppress(*_FAILURES):
                connection.close()

    def _end_doubt(self) -> None:
        """Decide a COMMIT that failed, before anybody reads.

        SQLite forgot that commit, but its frames may stand complete at the end of the log: a restart would bring
        back what a reload didn't see. One more durable commit overwrites them, so that "not there" stays true.
        """
        if self._in_doubt:
            ((version,),) = self._execute("PRAGMA user_version")  # ours to use: nothing else reads it
            self._execute(f"PRAGMA user_version = {(version + 1) % 2**31}")
            self._in_doubt = False

    def _read(self, read: Read) -> list[list[Row]]:
        if not read.over:
            return [self._execute(sql, params) for sql, params in read.queries]
        # A whole ROLLBACK: ROLLBACK TO a savepoint and RELEASE would write the touched pages to the log and sync.
        self._execute("BEGIN")
        try:
            self._apply(read.over)
            return [self._execute(sql, params) for sql, params in read.queries]
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._sql.in_transaction:  # some errors have rolled back already
            # An I/O error is one of a read on the way: SQLite rolls back all the same. Without memory it may not even
            # begin to, and `_settle` does it before anybody reads.
            try:
                self._execute("ROLLBACK")
            except (apsw.IOError, apsw.NoMemError, MemoryError):
                self._is_suspect = True

    def _apply(self, writes: Sequence[Write]) -> list[Row]:
        """Run the writes in order; returns the rows of RETURNING clauses."""
        returned: list[Row] = []
        for write in writes:
            changes_before = self._sql.total_changes()
            rows = self._execute(write.sql, write.params)
            if write.guard is not None:
                # changes() still tells of an earlier statement when this one wrote nothing.
                wrote = self._sql.total_changes() != changes_before
                touched = len(rows) or (self._sql.changes() if wrote else 0)
                if touched != write.rows:
                    raise GuardFailed(write.guard, write.rows, touched)
            returned.extend(rows)
        return returned

    def _commit_group(self, commits: list[Commit]) -> None:
        """All commits of a batch share one transaction and one sync; each has its own savepoint and fails alone."""
        try:
            self._execute("BEGIN IMMEDIATE")
            for commit in commits:
                self._attempt(commit)
                if isinstance(commit.outcome, Exception) and (self._is_suspect or not self._sql.in_transaction):
                    # Some errors of the machine roll the whole transaction back, and on none can the others build.
                    _fail(commits, commit.outcome)
                    return
            if not all(isinstance(commit.outcome, Exception) for commit in commits):
                self._commit(commits)
        except _FAILURES as error:  # from BEGIN, SAVEPOINT or RELEASE
            _fail(commits, self._as_store_error(error))
        finally:
            self._roll_back()

    def _attempt(self, commit: Commit) -> None:
        self._execute("SAVEPOINT one")
        try:
            commit.outcome = self._apply(commit.writes)
            self._refuse_dangling_keys()
        except Exception as error:  # noqa: BLE001 - the boundary of one caller's job: it becomes that job's outcome
            commit.outcome = self._as_store_error(error)
            if not self._sql.in_transaction:
                return
            self._execute("ROLLBACK TO one")
        self._execute("RELEASE one")

    def _refuse_dangling_keys(self) -> None:
        """COMMIT would refuse the whole group for one deferred foreign key that points nowhere."""
        if self._sql.status(apsw.SQLITE_DBSTATUS_DEFERRED_FKS)[0]:
            raise Conflict("FOREIGN KEY constraint failed")

    def _commit(self, commits: list[Commit]) -> None:
        try:
            self._execute("COMMIT")
        except apsw.FullError as error:  # the frame that makes the commit valid is the last one: it isn't there
            _fail(commits, self._as_store_error(error))
        except _FAILURES as error:
            self._in_doubt = self._is_suspect = True
            unknown = CommitUnknown(
                f"COMMIT on {self.path} failed ({error}); the outcome is unknown, reload before going on"
            )
            unknown.__cause__ = error
            _fail(commits, unknown)

    def _as_store_error(self, error: Exception) -> Exception:
        if isinstance(error, (apsw.IOError, apsw.FullError, apsw.NoMemError, MemoryError)):
            self._is_suspect = True
        if isinstance(error, UnicodeEncodeError):
            refused = InvalidInput(f"a text holds {error.object[error.start]!a}, which is no character; leave it out")
            refused.__cause__ = error
            return refused
        if isinstance(error, OverflowError):
            return InvalidInput("a number does not fit into 64 bits; nothing was written")
        if isinstance(error, UnicodeDecodeError):  # nobody could have written it
            return _damaged(self.path, f"a text holds the bytes {error.object[error.start : error.end].hex()}")
        return _translate(error, self.path) if isinstance(error, _FAILURES) else error


def _refuse_unusable(path: str) -> None:
    """What SQLite would let pass: it opens a read-only file and fails at the first write, and takes a file that is
    too short for a database (somebody's notes) for an empty one."""
    if not os.path.isfile(path):
        return
    if not os.access(path, os.W_OK):
        raise StoreReadOnly(f"{path} is read-only; make it writable for this user")
    with open(path, "rb") as file:
        start = file.read(len(_MAGIC))
    # With a journal beside it, a file may be half created: SQLite completes or undoes that itself.
    if start not in (b"", _MAGIC) and not os.path.exists(f"{path}-journal"):
        raise _damaged(path, f"it starts with {start!r}")


def _damaged(path: str, how: str) -> StoreCorrupt:
    return StoreCorrupt(f"{path} is damaged or not a database ({how}); restore it from a backup")


def _fail(jobs: Iterable[Read | Commit], error: Exception) -> None:
    """Give `error` to every job that hasn't failed on its own, and to all that came after the first of these: they
    were judged on rows that nobody wrote, and a refusal would speak of what never was."""
    unwritten = False
    for job in jobs:
        unwritten = unwritten or not isinstance(job.outcome, Exception)
        if unwritten:
            job.outcome = error


def _extended(error: Exception) -> int:
    return int(getattr(error, "extendedresult", 0))  # set by apsw on every error that SQLite reported


def _translate(error: apsw.Error | MemoryError, path: str) -> Exception:
    """The error in our words, with what to do about it."""
    translated: Exception
    match error:
        case apsw.ConstraintError() if _extended(error) not in _OUR_BUGS:
            translated = Conflict(str(error))
        case apsw.BusyError() | apsw.LockedError():
            translated = StoreInUse(path, None)
        case apsw.NotADBError() | apsw.CorruptError():
            translated = _damaged(path, str(error))
        case apsw.FullError():
            translated = StoreFull(f"the disk holding {path} is full; nothing was written, free some space")
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            translated = StoreReadOnly(f"{path} can't be opened for writing ({error}); check folder and permissions")
        case _ if isinstance(error, apsw.NoMemError | MemoryError) or _extended(error) == apsw.SQLITE_IOERR_NOMEM:
            translated = StoreError(
                f"the process ran out of memory while it used {path}; nothing was written, give it more and try again"
            )
        case apsw.IOError():
            translated = StoreError(f"the disk under {path} failed: {error}")
        case _:
            return error  # SQL of ours that is wrong: our bug, shown as it is
    translated.__cause__ = error
    return translated
