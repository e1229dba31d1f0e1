"""The synchronous half of the SQLite store: everything that touches the connection.

Settings and their reasons (house rules, measured): WAL with FULL sync so that an acknowledged commit survives power
loss; EXCLUSIVE locking, one connection, unless the file is shared; autocheckpoint off, because an automatic checkpoint
that fails makes a commit raise although it is durable. Checkpoints run between batches, from here.

A shared file is locked by SQLite for each transaction. Writers say so at its beginning (BEGIN IMMEDIATE), where they
can wait: one that reads first and then writes could only be refused.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from umi import limits
from umi.errors import CommitUnknown, Conflict, GuardFailed, StoreInUse, StoreNewer
from umi.storage.changes import Write
from umi.storage.database import Migration, Row
from umi.storage.failures import FAILURES, damaged, foreign, has_log, refuse_unusable, translate
from umi.storage.jobs import Batch, Commit, Read, fail
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
_APPLICATION_ID = 0x756D6931  # "umi1", in the file's header
_WAL_SWITCHES_MAX = 100
_SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS room_schema (room TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT"
_RECORD_MIGRATION = "INSERT INTO room_schema VALUES (?1, ?2) ON CONFLICT(room) DO UPDATE SET number = ?2"


class Engine:
    def __init__(
        self, path: str, migrations: Iterable[Migration], *, vfs: str | None = None, shared: bool = False
    ) -> None:
        self.path = path
        self._shared = shared
        self._wal_pages = 0
        self._in_doubt = False
        self._is_suspect = False  # an error of the machine may have left something wrong in the connection's memory
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._lock: FileLock | None = None
        if vfs is None and path != ":memory:":
            self._lock = FileLock(path, shared=shared)
        try:
            if self._lock is not None:
                refuse_unusable(path)
            self._connect()
            self._prepare(list(migrations))
        except (*FAILURES, UnicodeDecodeError) as error:
            self.close()
            raise self._as_store_error(error) from error
        except BaseException:
            self.close()
            raise

    def _connect(self, flags: int = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) -> None:
        self._connection = apsw.Connection(self.path, flags=flags, vfs=self._vfs)
        # A statement is planned once, whatever its values. Else SQLite plans every join anew each time it runs, in case
        # the values bear on it: longer than most of ours run, and we keep no statistics to judge values by.
        self._connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        locking, *others = _PRAGMAS.strip().split("\n")
        if self._shared:
            self._connection.set_busy_timeout(limits.STORE_SHARED_WAIT_MS_MAX)
        else:
            self._execute(locking)
        self._refuse_foreign()
        for pragma in others:
            self._set(pragma)
        self._keep_recovered()
        self._sql.set_wal_hook(self._on_wal_commit)

    def _set(self, pragma: str) -> None:
        for _ in range(_WAL_SWITCHES_MAX):
            try:
                self._execute(pragma)
            except apsw.BusyError:
                # Of several processes that make one file, SQLite lets none wait to switch to the log. A transaction
                # waits for whoever is at it.
                self._execute("BEGIN IMMEDIATE")
                self._execute("ROLLBACK")
            else:
                return
        raise StoreInUse(self.path, None)

    def _refuse_foreign(self) -> None:
        """A file of another program, before anything is written to it. Ours before they had an id have our table."""
        ((found,),) = self._once("PRAGMA application_id")
        if found == _APPLICATION_ID:
            return
        names = [name for (name,) in self._once("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        if found or (names and "room_schema" not in names):
            if has_log(self.path):
                self._let_go()  # its log is not ours to move into it
            raise foreign(self.path, f"application id {found:#x}, tables {', '.join(names[:3]) or 'none'}")

    def _prepare(self, migrations: list[Migration]) -> None:
        self._execute(_SCHEMA_TABLE)
        known: dict[str, int] = {}
        for migration in migrations:
            assert migration.number == known.get(migration.room, 0) + 1, f"gap in the migrations of {migration.room}"
            known[migration.room] = migration.number
        # All or none: after a crash in an upgrade the older version still opens the file.
        self._execute("BEGIN IMMEDIATE")
        try:
            found: dict[str, int] = dict(self._execute("SELECT room, number FROM room_schema"))
            for room, number in found.items():
                if not isinstance(number, int):  # the schema forbids it: another page lies where this one belongs
                    raise damaged(self.path, f"room_schema holds {number!r}")
                if number > known.get(room, 0):
                    raise StoreNewer(self.path, room, number, known.get(room, 0))
            for migration in migrations:
                if migration.number > found.get(migration.room, 0):
                    self._execute(migration.sql)
                    self._execute(_RECORD_MIGRATION, (migration.room, migration.number))
            if self._once("PRAGMA application_id") != [(_APPLICATION_ID,)]:
                self._once(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._execute("COMMIT")
        finally:
            self._roll_back()

    def _keep_recovered(self) -> None:
        """Make durable what a killed process left in the log, before anybody reads it.

        Its last commits may never have been synced: a reader would be shown what a power loss then takes away.
        """
        # A checkpoint first syncs the log: only then can it lack space. Of a shared file, others may be at it.
        with contextlib.suppress(apsw.FullError, apsw.BusyError):
            self._sql.wal_checkpoint(mode=self._checkpoint_mode)

    @property
    def _checkpoint_mode(self) -> int:
        """Of a shared file only what disturbs nobody; what the others read keeps the log long, and once it is too long
        they are waited for."""
        if not self._shared:
            return apsw.SQLITE_CHECKPOINT_TRUNCATE
        is_long = self._wal_pages >= 4 * limits.WAL_PAGES_BEFORE_CHECKPOINT
        return apsw.SQLITE_CHECKPOINT_RESTART if is_long else apsw.SQLITE_CHECKPOINT_PASSIVE

    @property
    def _sql(self) -> apsw.Connection:
        assert self._connection is not None, "the engine is closed"
        return self._connection

    def _execute(self, sql: str, params: tuple[Any, ...] = ()) -> list[Row]:
        """All rows. Fetching them is what runs every statement of `sql` to its end."""
        return self._sql.execute(sql, params).fetchall()

    def _once(self, sql: str) -> list[Row]:
        """The same for what is not asked again: not kept ready, in memory that others need."""
        return self._sql.execute(sql, can_cache=False).fetchall()

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
            self._scrub([commit for commit in batch.commits if commit.scrub])
        if self._wal_pages >= limits.WAL_PAGES_BEFORE_CHECKPOINT:
            self.checkpoint()

    def _is_settled(self, jobs: Iterable[Read | Commit]) -> bool:
        """Whether the connection can be used; else that is the outcome of `jobs`."""
        try:
            self._settle()
        except FAILURES as error:
            fail(jobs, self._as_store_error(error))
            return False
        return True

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file. A failure is harmless here: the log keeps the commits."""
        if self._connection is None:
            return
        with contextlib.suppress(*FAILURES):
            self._sql.wal_checkpoint(mode=self._checkpoint_mode)
        self._wal_pages = 0

    def _scrub(self, commits: list[Commit]) -> None:
        """Leave no byte of what was deleted, in the file or its log. Overwriting it where it stood is not enough: what
        SQLite moves within the file and between its pages stays behind, also with secure_delete. So all of the file is
        written anew."""
        written = [commit for commit in commits if not isinstance(commit.outcome, Exception)]
        if not written:
            return
        try:
            self._settle()
            self._execute("VACUUM")
            self._sql.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._wal_pages = 0
        except FAILURES as error:
            for commit in written:
                commit.unscrubbed = self._as_store_error(error)

    def close(self) -> None:
        """Checkpoint and let go of the file. Harmless when done twice, and when it fails: the log keeps the commits."""
        if self._connection is not None:
            with contextlib.suppress(*FAILURES):
                self._settle()
            if self._in_doubt:
                self._let_go()
            self.checkpoint()
        if self._connection is not None:
            with contextlib.suppress(*FAILURES):
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
            with contextlib.suppress(*FAILURES):
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            with contextlib.suppress(*FAILURES):
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
        if not read.over and not (self._shared and len(read.queries) > 1):
            return [self._execute(sql, params) for sql, params in read.queries]
        # A whole ROLLBACK: ROLLBACK TO a savepoint and RELEASE would write the touched pages to the log and sync.
        self._execute("BEGIN IMMEDIATE" if read.over else "BEGIN")
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
                    fail(commits, commit.outcome)
                    return
            if not all(isinstance(commit.outcome, Exception) for commit in commits):
                self._commit(commits)
        except FAILURES as error:  # from BEGIN, SAVEPOINT or RELEASE
            fail(commits, self._as_store_error(error))
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
            fail(commits, self._as_store_error(error))
        except FAILURES as error:
            self._in_doubt = self._is_suspect = True
            unknown = CommitUnknown(
                f"COMMIT on {self.path} failed ({error}); the outcome is unknown, reload before going on"
            )
            unknown.__cause__ = error
            fail(commits, unknown)

    def _as_store_error(self, error: Exception) -> Exception:
        if isinstance(error, (apsw.IOError, apsw.FullError, apsw.NoMemError, MemoryError)):
            self._is_suspect = True
        return translate(error, self.path)
