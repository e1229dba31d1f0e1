"""A disk that fills up, fails, or loses its power, and a process that is killed."""

import asyncio
import shutil
import signal
import subprocess
import sys
import textwrap

import apsw
import pytest

from umi.dst.disk import SimDisk
from umi.dst.rng import Rng
from umi.errors import CommitUnknown, Conflict, StoreError, StoreFull
from umi.storage import Migration, SqliteDatabase
from umi.storage import engine as engine_module
from umi.storage.engine import Batch, Commit, Engine, Read, Write

from .conftest import ALL, ITEMS, put


async def open_copy(folder, files):
    """The database as another process would find it now."""
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    return await SqliteDatabase.open(str(folder / "store.db"), ITEMS)


# --- the disk fails ---------------------------------------------------------------------------------------------------


async def test_a_sync_that_fails_makes_the_outcome_of_the_whole_group_unknown(path, disk):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    ran = []
    disk.fail("sync", "-wal", apsw.SQLITE_IOERR_FSYNC, after=1)
    await database.commit(put("first"))
    # One group: its first is refused for what is durable, its last for what one of its own group wrote, which is as
    # unknown as that.
    commits = [put(key).after(lambda key=key: ran.append(key)) for key in ("first", "a", "b", "a")]
    outcomes = await asyncio.gather(*map(database.commit, commits), return_exceptions=True)
    assert disk.fired == 1
    assert [type(outcome) for outcome in outcomes] == [Conflict, CommitUnknown, CommitUnknown, CommitUnknown]
    assert "reload before going on" in str(outcomes[1])
    assert ran == []
    await database.close()


async def test_what_a_reload_does_not_see_stays_away_after_a_restart(path, disk, tmp_path):
    """The log may hold the failed commit whole; nobody who was told "not there" may see it come back."""
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    await database.commit(put("before"))
    disk.fail("sync", "-wal", apsw.SQLITE_IOERR_FSYNC)
    with pytest.raises(CommitUnknown):
        await database.commit(put("doubtful"))
    assert disk.fired == 1
    # The danger is real: found now, the log would bring the commit back.
    found_now = await open_copy(tmp_path / "now", [path, f"{path}-wal"])
    assert await found_now.view().fetch(ALL) == [("before", 0), ("doubtful", 0)]
    await found_now.close()
    # So before anybody reads, the doubt is ended on the disk.
    assert await database.view().fetch(ALL) == [("before", 0)]
    found_later = await open_copy(tmp_path / "later", [path, f"{path}-wal"])
    assert await found_later.view().fetch(ALL) == [("before", 0)]
    await found_later.close()
    await database.close()


async def test_while_the_disk_keeps_failing_nobody_is_told_anything(path, disk):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    disk.fail("sync", "-wal", apsw.SQLITE_IOERR_FSYNC, times=3)
    with pytest.raises(CommitUnknown):
        await database.commit(put("a"))
    with pytest.raises(StoreError, match="the disk under"):
        await database.view().fetch(ALL)
    with pytest.raises(StoreError, match="the disk under"):
        await database.commit(put("b"))
    assert disk.fired == 3
    await database.commit(put("c"))
    assert await database.view().fetch(ALL) == [("c", 0)]
    await database.close()


async def test_a_write_that_fails_inside_a_commit_is_undone(path, disk):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    await database.commit(put("a"))
    disk.fail("write", "-wal", apsw.SQLITE_IOERR_WRITE)
    with pytest.raises(CommitUnknown):
        await database.commit(put("b"))
    assert disk.fired == 1
    assert await database.view().fetch(ALL) == [("a", 0)]
    await database.commit(put("b"))
    await database.close()


async def test_a_checkpoint_that_fails_costs_no_commit(path, disk, monkeypatch):
    monkeypatch.setattr("umi.limits.WAL_PAGES_BEFORE_CHECKPOINT", 2)
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    disk.fail("write", "store.db", apsw.SQLITE_IOERR_WRITE, times=3)
    for n in range(20):
        await database.commit(put(f"{n:02}"))
    assert disk.fired == 3
    await database.close()
    again = await SqliteDatabase.open(path, ITEMS)
    assert len(await again.view().fetch(ALL)) == 20
    await again.close()


async def test_a_disk_that_fails_while_opening_lets_go_of_the_file(path, disk):
    disk.fail("write", "store.db", apsw.SQLITE_IOERR_WRITE)
    with pytest.raises(StoreError, match="the disk under"):
        await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    assert disk.fired == 1
    await (await SqliteDatabase.open(path, ITEMS, vfs=disk.name)).close()


@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR_NOMEM, apsw.SQLITE_NOMEM])
async def test_a_commit_for_which_there_is_no_memory_is_unknown_and_a_read_decides_it(path, disk, code):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    disk.fail("write", "-wal", code)
    with pytest.raises(CommitUnknown):
        await database.commit(put("a"))
    assert disk.fired == 1
    assert await database.view().fetch(ALL) == []
    await database.commit(put("a"))
    await database.close()


async def test_a_process_without_memory_refuses_says_what_to_do_and_goes_on(path):
    database = await SqliteDatabase.open(path, ITEMS)
    apsw.hard_heap_limit(apsw.memory_used() + 1_000)
    try:
        with pytest.raises(StoreError, match="nothing was written, give it more and try again"):
            await database.commit(put("a"))
        with pytest.raises(StoreError, match=f"ran out of memory while it used {path}"):
            await database.view(put("b")).fetch(ALL)
    finally:
        apsw.hard_heap_limit(0)
        apsw.soft_heap_limit(0)  # the hard one lowered it
    await database.commit(put("a"))
    assert await database.view().fetch(ALL) == [("a", 0)]
    await database.close()


async def test_a_process_without_memory_for_the_answer_says_so_too(path, monkeypatch):
    """Python's own error: SQLite had memory for its part."""

    def poor(engine, sql, params=()):
        if sql in failing:
            raise MemoryError
        return execute(engine, sql, params)

    failing, execute = set(), engine_module.Engine._execute
    monkeypatch.setattr(engine_module.Engine, "_execute", poor)
    database = await SqliteDatabase.open(path, ITEMS)
    for sql, error in ((ALL, StoreError), ("SAVEPOINT one", StoreError), ("COMMIT", CommitUnknown)):
        failing.add(sql)
        with pytest.raises(error):
            await (database.view().fetch(ALL) if sql == ALL else database.commit(put("a")))
        failing.clear()
        assert await database.view().fetch(ALL) == []
    await database.close()


# --- the disk is full -------------------------------------------------------------------------------------------------


async def test_a_full_disk_is_named_and_nothing_is_written(path, disk, tmp_path):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    await database.commit(put("a"))
    disk.fail("write", "-wal", apsw.SQLITE_FULL)
    with pytest.raises(StoreFull, match="free some space"):
        await database.commit(put("b"))
    assert disk.fired == 1
    found = await open_copy(tmp_path / "copy", [path, f"{path}-wal"])
    assert await found.view().fetch(ALL) == await database.view().fetch(ALL) == [("a", 0)]
    await found.close()
    await database.commit(put("c"))
    await database.close()


@pytest.fixture
def small_disk(tmp_path, needs):
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        ran = subprocess.run(mount, capture_output=True, text=True, check=False)
        why = ran.stderr.strip()
    except FileNotFoundError:
        why = "there is no mount command"
    needs("small-disk", not why, why)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_disk_that_is_really_full_refuses_commits_and_keeps_the_earlier_ones(small_disk):
    database = await SqliteDatabase.open(str(small_disk / "store.db"), ITEMS)
    written = []

    async def fill():
        for n in range(1_000):
            key = f"{n:03}" + "x" * 3_000
            await database.commit(put(key))
            written.append((key, 0))

    with pytest.raises(StoreFull):
        await fill()
    assert len(written) > 20
    assert await database.view().fetch(ALL) == written
    await database.close()
    again = await SqliteDatabase.open(str(small_disk / "store.db"), ITEMS)
    assert await again.view().fetch(ALL) == written
    await again.close()


async def test_a_database_on_a_full_disk_says_so_when_it_is_created(small_disk):
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "ballast").write_bytes(bytes(2_000_000))
    with pytest.raises(StoreFull):
        await SqliteDatabase.open(str(small_disk / "store.db"), ITEMS)
    (small_disk / "ballast").unlink()
    await (await SqliteDatabase.open(str(small_disk / "store.db"), ITEMS)).close()


# --- the power goes ---------------------------------------------------------------------------------------------------


async def commit_and_lose_power(path, disk, folder):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    for n in range(30):
        await database.commit(put(f"{n:02}"))
    folder.mkdir()
    disk.lose_power(folder)
    await database.close()
    found = await SqliteDatabase.open(str(folder / "store.db"), ITEMS)
    rows = await found.view().fetch(ALL)
    await found.close()
    return len(rows)


@pytest.mark.parametrize("pages", [2, 2_000], ids=["many checkpoints", "no checkpoint"])
async def test_an_acknowledged_commit_survives_a_power_loss(path, disk, tmp_path, monkeypatch, pages):
    monkeypatch.setattr("umi.limits.WAL_PAGES_BEFORE_CHECKPOINT", pages)
    assert await commit_and_lose_power(path, disk, tmp_path / "after") == 30


async def test_with_less_syncing_the_power_loss_above_would_show(path, disk, tmp_path, monkeypatch):
    """The test above can fail: without synchronous=FULL the same power loss takes acknowledged commits."""
    weaker = engine_module._PRAGMAS.replace("synchronous=FULL", "synchronous=NORMAL")
    assert weaker != engine_module._PRAGMAS
    monkeypatch.setattr(engine_module, "_PRAGMAS", weaker)
    monkeypatch.setattr("umi.limits.WAL_PAGES_BEFORE_CHECKPOINT", 11)  # so that some commits are synced by chance
    assert 0 < await commit_and_lose_power(path, disk, tmp_path / "after") < 30


# --- the process is killed --------------------------------------------------------------------------------------------

WRITER = """
    import asyncio, sys
    from umi.storage import Changes, Migration, SqliteDatabase

    SCHEMA = [Migration("pairs", 1, "CREATE TABLE pair (tenant TEXT NOT NULL, n INTEGER NOT NULL, half TEXT NOT NULL)")]

    async def write(database, lane):
        for n in range(lane, 10**9, 4):
            both = Changes()
            for half in ("left", "right"):
                both.write("INSERT INTO pair VALUES ('t', ?, ?)", n, half)
            await database.commit(both)
            print(n, flush=True)

    async def main():
        database = await SqliteDatabase.open(sys.argv[1], SCHEMA)
        await asyncio.gather(*(write(database, lane) for lane in range(4)))

    asyncio.run(main())
"""


def run_and_kill(path, acknowledged):
    """The numbers a writer printed, each after its commit returned, before SIGKILL ended it."""
    writer = subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITER), path], stdout=subprocess.PIPE, text=True)
    promised = [int(writer.stdout.readline()) for _ in range(acknowledged)]
    writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    return promised + [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("acknowledged", [1, 50, 400])
async def test_a_killed_writer_loses_no_acknowledged_commit_and_leaves_no_half_one(path, acknowledged):
    promised = run_and_kill(path, acknowledged)
    schema = "CREATE TABLE pair (tenant TEXT NOT NULL, n INTEGER NOT NULL, half TEXT NOT NULL)"
    database = await SqliteDatabase.open(path, [Migration("pairs", 1, schema)])
    halves = dict(await database.view().fetch("SELECT n, group_concat(half) FROM pair GROUP BY n"))
    assert len(promised) >= acknowledged
    assert set(promised) <= set(halves)
    assert set(halves.values()) == {"left,right"}
    await database.close()


WORDS = [
    Migration(
        "words",
        1,
        "CREATE TABLE word (tenant TEXT NOT NULL, text TEXT NOT NULL) STRICT;"
        " CREATE VIRTUAL TABLE word_text USING fts5(own, content='', contentless_delete=1)",
    )
]
FIND = ("SELECT rowid, rank FROM word_text WHERE word_text MATCH 'cat' ORDER BY rank", ())


def add_word(number):
    return Commit([Write("INSERT INTO word_text (rowid, own) VALUES (?, 'cat')", (number,))])


@pytest.mark.parametrize("kind", ["disk.read_error", "disk.out_of_memory", "disk.write_error", "disk.full"])
def test_the_full_text_index_is_right_after_an_error_anywhere(kind):
    """SQLite's full-text index keeps what it has read in memory, also what a failed read left half done there: without
    a new connection, `rank` was NULL for as long as the old one lived."""
    fired = 0
    for after in range(40):
        disk = SimDisk(Rng(f"{kind}/{after}"))
        engine = Engine(f"{disk.mount()}/store.db", WORDS, vfs=disk.vfs)
        engine.run(Batch(commits=[add_word(1)]))
        engine.close()
        engine = Engine(f"{disk.mount()}/store.db", WORDS, vfs=disk.vfs)
        disk.faults.plan(kind, after=after)
        adding = add_word(2)
        engine.run(Batch(commits=[adding]))
        fired += disk.faults.fired[kind]
        disk.faults.stop()
        found = Read([FIND])
        engine.run(Batch(reads=[found]))
        assert [row[0] for row in found.outcome[0]] == ([1] if isinstance(adding.outcome, Exception) else [1, 2])
        assert all(rank < 0 for _, rank in found.outcome[0])
        engine.close()
    assert fired >= 1


def test_a_store_whose_folder_is_gone_for_a_moment_is_not_made_anew(tmp_path):
    """A new connection after an error must not create an empty file where the disk was."""
    folder, away = tmp_path / "data", tmp_path / "away"
    folder.mkdir()
    engine = Engine(str(folder / "store.db"), WORDS)
    engine.run(Batch(commits=[add_word(1)]))
    folder.rename(away)
    folder.mkdir()
    engine._is_suspect = True  # a read failed
    lost = Read([FIND])
    engine.run(Batch(reads=[lost]))
    assert isinstance(lost.outcome, StoreError)
    assert not (folder / "store.db").exists()
    folder.rmdir()
    away.rename(folder)
    found = Read([FIND])
    engine.run(Batch(reads=[found]))
    assert [row[0] for row in found.outcome[0]] == [1]
    engine.close()
