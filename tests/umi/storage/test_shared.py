"""One file, several processes: none meets a lock, nothing is lost."""

import os
import signal
import subprocess
import sys
import textwrap

import apsw
import pytest

from umi.errors import StoreInUse
from umi.storage import Changes, SqliteDatabase, View
from umi.storage.engine import Batch, Commit, Engine, Read

from .conftest import ALL, ITEMS, put

# Opens (all at once: whoever is first makes the file), commits, and prints what it was told.
WRITER = """
    import asyncio, sys
    from umi.errors import GuardFailed
    from umi.storage import Changes, Migration, SqliteDatabase, View

    TABLES = [
        Migration("counting", 1, "CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT"),
        Migration("counting", 2, "CREATE TABLE line (seq INTEGER PRIMARY KEY, who TEXT, n INTEGER) STRICT"),
        Migration("counting", 3, "INSERT INTO total VALUES ('guarded', 0); CREATE INDEX line_who ON line (who, n)"),
    ]
    ADD = "INSERT INTO total VALUES ('all', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
    SEEN = ("SELECT value FROM total WHERE name = 'all'", ())
    LINES = ("SELECT count(*) FROM line", ())

    async def main(path, name, commits, callers):
        print("ready", flush=True)
        sys.stdin.readline()
        database = await SqliteDatabase.open(path, TABLES, shared=True)

        async def guarded():
            while True:
                ((value,),) = await View(database).fetch("SELECT value FROM total WHERE name = 'guarded'")
                raised = "UPDATE total SET value = value + 1 WHERE name = 'guarded' AND value = ?"
                try:
                    return await database.commit(Changes().guard("version", raised, value))
                except GuardFailed:
                    pass

        async def work(caller):
            for n in range(caller, commits, callers):
                changes = Changes().write(ADD).write("INSERT INTO line (who, n) VALUES (?, ?)", name, n)
                ((number,),) = await database.commit(changes)
                print(number, flush=True)
                total, lines = await database.read([SEEN, LINES])
                assert total == lines and total[0][0] >= number, (total, lines, number)
                planned, = await database.read([LINES], changes)
                assert planned[0][0] > lines[0][0]
            await guarded()

        await asyncio.gather(*(work(caller) for caller in range(callers)))
        await database.close()

    asyncio.run(main(*sys.argv[1:3], *map(int, sys.argv[3:])))
"""


def writers(path, count, commits, callers=5):
    """Processes that wait at the start for a line."""
    code = textwrap.dedent(WRITER)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, path, f"p{n}", str(commits), str(callers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(count)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    return running


def start(running):
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()


def test_four_processes_that_open_and_write_at_once_meet_no_lock_and_lose_nothing(path):
    running = writers(path, 4, commits=100)
    start(running)
    told = [process.communicate() for process in running]
    assert [error for _, error in told] == [""] * 4
    assert sorted(int(number) for out, _ in told for number in out.split()) == list(range(1, 401))
    engine = apsw.Connection(path)
    assert engine.execute("SELECT name, value FROM total ORDER BY name").fetchall() == [("all", 400), ("guarded", 20)]
    assert engine.execute("SELECT who, count(DISTINCT n) FROM line GROUP BY who ORDER BY who").fetchall() == [
        (f"p{n}", 100) for n in range(4)
    ]
    assert engine.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    engine.close()
    assert not os.path.exists(f"{path}-wal")  # the last one took it into the file


def test_a_process_that_is_killed_takes_nothing_with_it(path):
    killed, *others = running = writers(path, 3, commits=150)
    start(running)
    acknowledged = [int(killed.stdout.readline()) for _ in range(20)]
    killed.send_signal(signal.SIGKILL)
    acknowledged += [int(number) for number in killed.communicate()[0].split()]
    told = [process.communicate() for process in others]
    assert [error for _, error in told] == [""] * 2
    acknowledged += [int(number) for out, _ in told for number in out.split()]
    engine = apsw.Connection(path)
    ((total,), (lines,)) = engine.execute(
        "SELECT value FROM total WHERE name = 'all' UNION ALL SELECT count(*) FROM line"
    ).fetchall()
    assert total == lines
    assert len(set(acknowledged)) == len(acknowledged) <= total
    assert total - len(acknowledged) <= 5  # what was committed and not yet told: one for each caller
    engine.close()


@pytest.fixture
def engine(path):
    engine = Engine(path, ITEMS, shared=True)
    yield engine
    engine.close()


def commit(engine, changes):
    job = Commit(changes.writes)
    engine.run(Batch(commits=[job]))
    return job.outcome


def test_the_settings_that_several_processes_need(engine):
    pragmas = "journal_mode", "synchronous", "locking_mode", "wal_autocheckpoint", "foreign_keys", "busy_timeout"
    assert [engine._sql.pragma(name) for name in pragmas] == ["wal", 2, "normal", 0, 1, 60_000]


async def test_who_waits_too_long_is_told_that_the_file_is_in_use(path, monkeypatch):
    monkeypatch.setattr("umi.limits.STORE_SHARED_WAIT_MS_MAX", 30)
    database = await SqliteDatabase.open(path, ITEMS, shared=True)
    await database.commit(put("a"))
    other = apsw.Connection(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreInUse, match="in use by another process"):
        await database.commit(put("b"))
    with pytest.raises(StoreInUse):
        await View(database, put("b")).fetch(ALL)
    assert await database.read([(ALL, ()), (ALL, ())]) == [[("a", 0)]] * 2  # readers wait for nobody
    other.execute("ROLLBACK")
    await database.commit(put("b"))
    assert await View(database).fetch(ALL) == [("a", 0), ("b", 0)]
    other.close()
    await database.close()


def test_all_queries_of_a_read_see_one_state_whoever_writes_between_them(path, engine):
    other = Engine(path, ITEMS, shared=True)
    outcomes = []
    engine._sql.create_scalar_function("write_now", lambda: outcomes.append(commit(other, put("1"))))
    between = "SELECT write_now()"
    job = Read([(ALL, ()), (between, ()), (ALL, ())])
    engine.run(Batch(reads=[job]))
    first, _, second = job.outcome
    assert first == second == []
    assert outcomes == [[]]
    job = Read([(ALL, ())])
    engine.run(Batch(reads=[job]))
    assert job.outcome == [[("1", 0)]]
    other.close()


def test_the_log_stays_short_with_several_at_it(path, monkeypatch):
    monkeypatch.setattr("umi.limits.WAL_PAGES_BEFORE_CHECKPOINT", 20)
    several = [Engine(path, ITEMS, shared=True) for _ in range(3)]
    longest = 0
    for n in range(300):
        assert commit(several[n % 3], put(f"{n:03}")) == []
        longest = max(longest, os.path.getsize(f"{path}-wal"))
    assert longest < 100 * 4200
    for one in several:
        one.close()
    assert not os.path.exists(f"{path}-wal")
    assert apsw.Connection(path).execute("SELECT count(*) FROM item").fetchall() == [(300,)]


def test_a_log_that_readers_keep_long_is_begun_anew_once_they_are_done(path, engine, monkeypatch):
    monkeypatch.setattr("umi.limits.WAL_PAGES_BEFORE_CHECKPOINT", 5)
    monkeypatch.setattr("umi.limits.STORE_SHARED_WAIT_MS_MAX", 0)
    writer = Engine(path, ITEMS, shared=True)
    reader = apsw.Connection(path)
    reader.execute("BEGIN")
    reader.execute(ALL).fetchall()
    for n in range(60):
        assert commit(writer, put(f"{n:03}")) == []
    long = os.path.getsize(f"{path}-wal")
    assert long > 60 * 4096
    reader.execute("COMMIT")
    for n in range(60, 120):
        assert commit(writer, put(f"{n:03}")) == []
    assert os.path.getsize(f"{path}-wal") < long + 10 * 4120
    reader.close()
    writer.close()


async def test_a_file_that_was_held_alone_can_be_shared_later_and_back(path):
    for shared in (False, True, False, True):
        database = await SqliteDatabase.open(path, ITEMS, shared=shared)
        await database.commit(
            Changes().write("INSERT INTO item VALUES ('t', ?, 0) ON CONFLICT DO NOTHING", f"{shared}")
        )
        await database.close()
    database = await SqliteDatabase.open(path, ITEMS)
    assert [key for key, _ in await View(database).fetch(ALL)] == ["False", "True"]
    await database.close()
