"""Opening a file: its schema, and everything that can be wrong with it."""

import os
import subprocess
import sys
import tempfile
import textwrap

import apsw
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from umi.errors import StoreCorrupt, StoreError, StoreNewer, StoreReadOnly
from umi.storage import Migration
from umi.storage.engine import Batch, Commit, Engine, Read

from .conftest import ALL, ITEMS, put

NOBODY = 65534


def commit(engine, changes):
    job = Commit(changes.writes)
    engine.run(Batch(commits=[job]))
    return job.outcome


def fetch(engine, sql):
    job = Read([(sql, ())])
    engine.run(Batch(reads=[job]))
    return job.outcome[0] if isinstance(job.outcome, list) else job.outcome


def test_an_acknowledged_commit_is_in_a_durable_log():
    """The settings that the promises stand on."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(f"{folder}/store.db", ITEMS)
        pragmas = "journal_mode", "synchronous", "locking_mode", "wal_autocheckpoint", "foreign_keys"
        assert [engine._sql.pragma(name) for name in pragmas] == ["wal", 2, "exclusive", 0, 1]
        engine.close()


def test_the_log_is_moved_into_the_file_when_it_is_long_and_at_the_end(path, monkeypatch):
    monkeypatch.setattr("umi.limits.WAL_PAGES_BEFORE_CHECKPOINT", 20)
    engine = Engine(path, ITEMS)
    longest = 0
    for n in range(100):
        assert commit(engine, put(f"{n:03}")) == []
        longest = max(longest, os.path.getsize(f"{path}-wal"))
    assert longest < 40 * 4200
    engine.close()
    assert not os.path.exists(f"{path}-wal")
    assert apsw.Connection(path).execute("SELECT count(*) FROM item").fetchall() == [(100,)]


# --- migrations -------------------------------------------------------------------------------------------------------

TWO = [*ITEMS, Migration("items", 2, "ALTER TABLE item ADD COLUMN note TEXT; CREATE INDEX item_note ON item (note)")]


def test_a_newer_version_adds_what_an_older_file_lacks(path):
    engine = Engine(path, ITEMS)
    commit(engine, put("a", 1))
    engine.close()
    for _ in range(2):  # the second time there is nothing to do
        engine = Engine(path, TWO)
        assert fetch(engine, "SELECT key, value, note FROM item") == [("a", 1, None)]
        assert fetch(engine, "SELECT * FROM room_schema") == [("items", 2)]
        engine.close()


def test_an_older_version_refuses_a_newer_file(path):
    Engine(path, TWO).close()
    with pytest.raises(StoreNewer, match="items schema 2, this version knows 1"):
        Engine(path, ITEMS)
    with pytest.raises(StoreNewer, match="items schema 2, this version knows 0"):
        Engine(path, [])
    Engine(path, TWO).close()  # and leaves it as it was, unlocked


def test_an_upgrade_happens_whole_or_not_at_all(path):
    Engine(path, ITEMS).close()
    half = [*TWO, Migration("items", 3, "CREATE TABLE third (x INT); INSERT INTO no_table VALUES (1)")]
    with pytest.raises(apsw.SQLError, match="no_table"):
        Engine(path, half)
    engine = Engine(path, ITEMS)
    assert fetch(engine, "SELECT name FROM sqlite_schema WHERE name IN ('third', 'item_note')") == []
    engine.close()


def test_every_statement_of_a_migration_runs_also_after_one_that_returns_rows(path):
    engine = Engine(path, [Migration("room", 1, "SELECT 1; CREATE TABLE late (x INT)")])
    assert fetch(engine, "SELECT * FROM late") == []
    engine.close()


@pytest.mark.parametrize("numbers", [[2], [1, 3], [1, 1], [2, 1]])
def test_migrations_are_numbered_without_gaps(path, numbers):
    with pytest.raises(AssertionError, match="gap in the migrations of room"):
        Engine(path, [Migration("room", number, "SELECT 1") for number in numbers])


# --- damage -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=9000).filter(lambda garbage: not garbage.startswith(b"SQLite format 3\0")))
@example(b"x")  # SQLite would take so short a file for an empty database, and write over it
@example(b"SQLite format 2\0" + bytes(4096))
def test_a_file_that_is_no_database_is_called_that_and_left_alone(tmp_path_factory, garbage):
    path = str(tmp_path_factory.mktemp("garbage") / "store.db")
    with open(path, "wb") as file:
        file.write(garbage)
    with pytest.raises(StoreCorrupt, match="damaged or not a database"):
        Engine(path, ITEMS)
    with open(path, "rb") as file:
        assert file.read() == garbage
    with pytest.raises(StoreCorrupt):  # not StoreInUse: the first attempt let go of it
        Engine(path, ITEMS)


def test_a_damaged_page_is_found_when_it_is_read(path):
    engine = Engine(path, ITEMS)
    for n in range(200):
        commit(engine, put(f"{n:03}" * 20))
    assert len(fetch(engine, ALL)) == 200
    (root,) = fetch(engine, "SELECT rootpage FROM sqlite_schema WHERE name = 'item'")[0]
    engine.close()
    with open(path, "r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    engine = Engine(path, ITEMS)
    assert isinstance(fetch(engine, ALL), StoreCorrupt)
    assert isinstance(commit(engine, put("more")), StoreCorrupt)
    engine.close()


def test_a_database_cut_in_half_is_found(path):
    engine = Engine(path, ITEMS)
    for n in range(200):
        commit(engine, put(f"{n:03}" * 20))
    engine.close()
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)
    try:
        engine = Engine(path, ITEMS)
    except StoreCorrupt:
        return  # SQLite may notice as early as that
    assert isinstance(fetch(engine, ALL), StoreCorrupt)
    engine.close()


def test_a_folder_in_place_of_the_file_is_refused(path):
    os.mkdir(path)
    with pytest.raises(StoreError, match=r"store\.db"):
        Engine(path, ITEMS)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StoreReadOnly, match=r"No such file or directory; give a folder this user may write"):
        Engine(str(tmp_path / "none" / "store.db"), ITEMS)


# --- permissions ------------------------------------------------------------------------------------------------------

PROBE = """
    import os, sys
    from umi.errors import UmiError
    from umi.storage.engine import Engine
    if os.geteuid() == 0:  # root may write everything; nobody may not
        os.setgroups([])
        os.setgid({nobody})
        os.setuid({nobody})
    try:
        Engine(sys.argv[1], []).close()
    except UmiError as error:
        print(type(error).__name__, error)
    else:
        print("opened")
"""


@pytest.fixture
def open_as_nobody(needs):
    """What another user sees who opens a database: a folder for it, and the call."""
    try:
        subprocess.run(["true"], user=NOBODY if os.geteuid() == 0 else None, check=True)
        why = ""
    except OSError as error:
        why = f"this root may not become another user ({error.strerror})"
    needs("another-user", not why, why)

    def probe(path):
        code = textwrap.dedent(PROBE).format(nobody=NOBODY)
        ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        return ran.stdout.strip()

    # pytest's own folders are closed to others.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield folder, probe


def test_the_probe_of_permissions_can_succeed(open_as_nobody):
    folder, probe = open_as_nobody
    assert probe(f"{folder}/store.db") == "opened"


def test_a_file_that_may_not_be_written_is_refused(open_as_nobody):
    folder, probe = open_as_nobody
    path = f"{folder}/store.db"
    Engine(path, []).close()
    os.remove(f"{path}.lock")
    os.chmod(path, 0o444)
    assert probe(path) == f"StoreReadOnly {path} is read-only; make it writable for this user"


def test_a_folder_that_may_not_be_written_is_refused(open_as_nobody):
    folder, probe = open_as_nobody
    path = f"{folder}/store.db"
    Engine(path, []).close()
    os.remove(f"{path}.lock")
    os.chmod(path, 0o666)
    os.chmod(folder, 0o555)
    assert probe(path).startswith(f"StoreReadOnly can't write {os.path.realpath(path)}.lock: Permission denied")
