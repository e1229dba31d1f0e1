"""The half of the PostgreSQL store that writes: one connection, one transaction for a group of commits.

Every writer of every process takes one lock of the database before it looks at anything, and holds it until its
transaction ends. So commits happen one after the other, as on SQLite: a statement sees all that was committed before
it, numbers are drawn in the order in which they become visible, nothing deadlocks, and nothing is tried again. What
that costs is made up for by sending a whole group at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from umi import limits
from umi.dst import Host
from umi.errors import CommitUnknown, GuardFailed, StoreError
from umi.storage import dialect
from umi.storage.changes import Write
from umi.storage.database import Row
from umi.storage.jobs import Batch, Commit, Read, fail
from umi.storage.link import Link, give_up, is_worth_repeating

if TYPE_CHECKING:
    from psycopg import AsyncConnection, AsyncCursor

Statement = tuple[str, list[Any]]

T = TypeVar("T")

_RETRY_DELAY_MS = 20
_LOCK_TIMEOUT = "55P03"
_TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = current_schema()"
    " AND tableowner = current_user ORDER BY tablename"
)
# Ends whoever holds the writers' lock and has said nothing for long: a process that was stopped, or a machine that is
# gone. What it had begun is rolled back, and it will hear of it.
_END_STUCK = (
    "SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()"
    " AND (l.classid::bigint << 32) | l.objid::bigint = {key} AND a.state LIKE 'idle in transaction%'"
    " AND a.state_change < clock_timestamp() - interval '{stuck_ms} ms'"
)


class Writer:
    """Runs one batch at a time.

    lock_key     what every writer of this schema locks
    checks_keys  whether the schema has keys that are checked at COMMIT: each commit of a group is then checked alone

    After a commit whose outcome is unknown, `in_doubt` holds until a transaction got the lock again: by then the server
    has ended the doubtful one, so that nobody is shown what was before it.
    """

    def __init__(self, link: Link, host: Host, *, lock_key: int, checks_keys: bool) -> None:
        self.in_doubt = False
        self._link = link
        self._host = host
        self._begin: list[Statement] = [
            ("BEGIN ISOLATION LEVEL READ COMMITTED", []),
            (f"SELECT pg_advisory_xact_lock({lock_key})", []),
        ]
        self._checks_keys = checks_keys
        # No timeout of the server's does this: the driver's last word in an exchange disarms it.
        self._end_stuck = _END_STUCK.format(key=lock_key, stuck_ms=limits.POSTGRES_STUCK_MS)
        self._connection: AsyncConnection[Any] | None = None

    async def close(self) -> None:
        """Let go of the server, which rolls back what was begun."""
        connection, self._connection = self._connection, None
        await give_up(connection)

    async def run(self, batch: Batch) -> None:
        """Fill in the outcome of every job: reads first, on the state before the batch's commits."""
        for read in batch.reads:
            try:
                read.outcome = await self._persist(partial(self._read, read))
            except Exception as error:  # noqa: BLE001 - the boundary of one caller's job: it becomes its outcome
                read.outcome = self._link.translate(error)
        if batch.commits:
            await self._commit_group(batch.commits)

    # --- reads that see what is only planned --------------------------------------------------------------------------

    async def _read(self, read: Read) -> list[list[Row]]:
        over = [statement_of(write.sql, write.params) for write in read.over]
        queries = [statement_of(sql, params) for sql, params in read.queries]
        done = await self._send([*self._begin, *over, *queries, ("ROLLBACK", [])])
        self.in_doubt = False
        done = done[len(self._begin) : -1]
        for write, cursor in zip(read.over, done, strict=False):
            _check_guard(write, cursor)
        return [await cursor.fetchall() for cursor in done[len(over) :]]

    # --- what may go wrong for no fault of the job --------------------------------------------------------------------

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The outcome of `attempt`, made again if others got in its way."""
        for n in range(limits.POSTGRES_ATTEMPTS_MAX):
            try:
                return await attempt()
            except Exception as error:
                # Cut before COMMIT was sent: nothing is written, and the next connection may be better.
                was_cut = self._connection is not None and self._connection.broken
                await self._roll_back()
                is_last = n + 1 == limits.POSTGRES_ATTEMPTS_MAX
                if is_last or not ((was_cut and n == 0) or await self._may_go_well(error)):
                    raise
                await self._host.clock.sleep(_RETRY_DELAY_MS * 2**n)
        raise AssertionError("the last attempt returns or raises")

    async def _roll_back(self) -> None:
        """A new connection would do as well; this one has its statements ready."""
        if self._connection is not None:
            try:
                await self._connection.execute("ROLLBACK")
            except Exception:  # noqa: BLE001 - it is broken: the server rolls back when it is gone
                await self.close()

    async def _may_go_well(self, error: Exception) -> bool:
        if getattr(error, "sqlstate", None) == _LOCK_TIMEOUT:
            return bool(await (await (await self._ready()).execute(self._end_stuck)).fetchall())
        return is_worth_repeating(error)

    # --- commits ------------------------------------------------------------------------------------------------------

    async def _commit_group(self, commits: Sequence[Commit]) -> None:
        try:
            await self._persist(partial(self._try_group, commits))
        except Exception as error:  # noqa: BLE001 - the boundary of the callers' jobs: it becomes their outcome
            fail(commits, self._link.translate(error))
        await self._scrub([one for one in commits if one.scrub and not isinstance(one.outcome, Exception)])

    async def _scrub(self, commits: Sequence[Commit]) -> None:
        """Have the server write all tables of the schema anew: deleted rows stay in a table's file until then."""
        if not commits:
            return
        try:
            connection = await self._ready()
            for (table,) in await (await connection.execute(_TABLES)).fetchall():
                await connection.execute(f"VACUUM (FULL) {table}")
        except Exception as error:  # noqa: BLE001 - the boundary of the callers' jobs: they hear of it
            await self.close()
            for commit in commits:
                commit.unscrubbed = self._link.translate(error)

    async def _try_group(self, commits: Sequence[Commit]) -> None:
        """All commits in one transaction; each has a savepoint and fails alone.

        They are sent together, and looked at together. After one that failed, its successors are sent again: one
        alone, and twice as many whenever all went well.
        """
        for commit in commits:
            commit.outcome = None
        position, window = 0, len(commits)
        while position < len(commits):
            sent = commits[position : position + window]
            good = await self._attempt(sent, [] if position else self._begin)
            position += good
            if good < len(sent):
                position += 1
                window = 1
            else:
                window *= 2
        if any(not isinstance(commit.outcome, Exception) for commit in commits):
            await self._commit(commits)
        else:
            await self._send([("ROLLBACK", [])])

    async def _attempt(self, commits: Sequence[Commit], begin: list[Statement]) -> int:
        """How many commits, from the first, went well. The one after them has its refusal as its outcome, and neither
        it nor what came after it wrote anything."""
        statements = list(begin)
        starts: list[int] = []  # where the writes of each commit begin
        ends: list[int] = []
        malformed: Exception | None = None
        for n, commit in enumerate(commits):
            try:
                own = [statement_of(write.sql, write.params) for write in commit.writes]
            except Exception as refused:  # noqa: BLE001 - values that no statement can carry: its outcome
                malformed = refused
                break
            statements.append((f"SAVEPOINT s{n}", []))
            if self._checks_keys:
                own.append(("SET CONSTRAINTS ALL IMMEDIATE", []))
                statements.append(("SET CONSTRAINTS ALL DEFERRED", []))
            starts.append(len(statements))
            statements += own
            ends.append(len(statements))
        done, error = await self._try_send(statements)
        if error is not None and len(done) < len(begin):
            raise error
        self.in_doubt = False
        for n, (commit, start, end) in enumerate(zip(commits, starts, ends, strict=False)):
            refusal = await self._judge(commit, done[start:end])
            if refusal is None and end > len(done):
                refusal = error
            if refusal is not None:
                commit.outcome = self._as_refusal(refusal)
                await self._send([(f"ROLLBACK TO s{n}", [])])
                return n
        if malformed is not None:
            commits[len(starts)].outcome = malformed
        return len(starts)

    async def _judge(self, commit: Commit, done: Sequence["AsyncCursor[Any]"]) -> Exception | None:
        """The refusal of a guard that ran; else the rows so far become the outcome."""
        rows: list[Row] = []
        for write, cursor in zip(commit.writes, done, strict=False):
            try:
                _check_guard(write, cursor)
            except GuardFailed as refused:
                return refused
            if cursor.description is not None:
                rows += await cursor.fetchall()
        commit.outcome = rows
        return None

    def _as_refusal(self, error: Exception) -> Exception:
        """The outcome of the one commit that `error` is about. Raises what ends the whole group."""
        translated = self._link.translate(error)
        is_of_the_machine = isinstance(translated, StoreError) or is_worth_repeating(error)
        if is_of_the_machine or self._connection is None or self._connection.broken:
            raise error
        return translated

    async def _commit(self, commits: Sequence[Commit]) -> None:
        try:
            await self._send([("COMMIT", [])])
        except Exception as error:
            if getattr(error, "sqlstate", None) and not getattr(self._connection, "broken", True):
                raise  # the server says that it did not
            self.in_doubt = True
            unknown = CommitUnknown(
                f"COMMIT on {self._link.name} failed ({error}); the outcome is unknown, reload before going on"
            )
            unknown.__cause__ = error
            await self.close()
            fail(commits, unknown)

    # --- the connection -----------------------------------------------------------------------------------------------

    async def _send(self, statements: Sequence[Statement]) -> "list[AsyncCursor[Any]]":
        """Run statements in one exchange with the server. Raises the first error; after it none ran."""
        done, error = await self._try_send(statements)
        if error is not None:
            raise error
        return done

    async def _try_send(self, statements: Sequence[Statement]) -> "tuple[list[AsyncCursor[Any]], Exception | None]":
        """The cursors of the statements that ran, and the error of the one after them."""
        connection = await self._ready()
        try:
            return await exchange(connection, statements)
        except BaseException:  # cancelled in the middle: what the server did is not known here
            await self.close()
            raise

    async def _ready(self) -> "AsyncConnection[Any]":
        if self._connection is None or self._connection.closed:
            self._connection = await self._link.connect()
        return self._connection


async def exchange(
    connection: "AsyncConnection[Any]", statements: Sequence[Statement]
) -> "tuple[list[AsyncCursor[Any]], Exception | None]":
    """Send all statements, then read all answers: the cursors of those that ran, and the error of the next one."""
    import psycopg

    cursors = []
    raised: Exception | None = None
    try:
        async with connection.pipeline():
            try:
                for sql, values in statements:
                    cursor = connection.cursor(binary=True)
                    cursors.append(cursor)
                    await cursor.execute(sql, values or None, prepare=None if values else False)
            except psycopg.Error as error:  # not let through: the driver would write into a log what comes of it
                raised = error
    except psycopg.Error as error:
        raised = raised or error
    ran = next((n for n, cursor in enumerate(cursors) if cursor.pgresult is None), len(cursors))
    return cursors[:ran], raised


def statement_of(sql: str, params: Sequence[Any]) -> Statement:
    kinds, values = dialect.bind(params)
    translated, order = dialect.statement(sql, kinds)
    return translated, [values[n] for n in order]


def _check_guard(write: Write, cursor: "AsyncCursor[Any]") -> None:
    if write.guard is not None and cursor.rowcount != write.rows:
        raise GuardFailed(write.guard, write.rows, cursor.rowcount)
