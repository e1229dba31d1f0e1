"""The simulated disk: what a power loss may leave, and that SQLite really runs on it."""

import subprocess
import sys

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi.dst import ManualClock, Rng
from umi.dst.disk import SimDisk
from umi.dst.disk_files import KEEPS, DiskFault, DiskFiles, Operation
from umi.dst.disk_replay import kills, power_losses

OLD, NEW = b"o", b"n"


def written(disk, name, data, offset=0):
    if name not in disk.files.by_name:
        disk.open(disk.files, name, create=True)
    disk.write(disk.files, name, data, offset)


def synced(disk, name, data):
    written(disk, name, data)
    disk.sync(disk.files, name)


def image(disk):
    return disk.files.image()


def endings_of(change, *, keep, seeds=200, **options):
    """The contents of a file of old bytes, synced, that a power loss may leave of `change`."""
    found = []
    for seed in range(seeds):
        disk = SimDisk(Rng(f"{keep}/{seed}"), **options)
        synced(disk, "a", OLD * 3_000)
        change(disk)
        disk.crash(keep)
        found.append(image(disk).get("a"))
    return found


# --- what a power loss leaves -----------------------------------------------------------------------------------------

changes = st.lists(
    st.tuples(st.sampled_from(["write", "truncate", "sync"]), st.integers(0, 3_000), st.binary(max_size=1_500)),
    max_size=12,
)


def perform(disk, steps):
    """The steps on a file "a"; its content when last synced and now."""
    synced(disk, "a", b"")
    durable = b""
    for kind, offset, data in steps:
        if kind == "write":
            disk.write(disk.files, "a", data, offset)
        elif kind == "truncate":
            disk.truncate(disk.files, "a", offset)
        else:
            disk.sync(disk.files, "a")
            durable = image(disk)["a"]
    return durable, image(disk)["a"]


@given(changes, st.sampled_from([512, 4096]))
def test_keeping_nothing_leaves_what_was_synced_and_keeping_all_what_was_seen(steps, sector_bytes):
    for keep, expected in (("none", 0), ("all", 1)):
        disk = SimDisk(Rng("seed"), sector_bytes=sector_bytes)
        contents = perform(disk, steps)
        disk.crash(keep)
        assert image(disk) == {"a": contents[expected]}


@given(changes, st.sampled_from(KEEPS), st.integers(0, 1_000))
def test_what_is_synced_survives_any_power_loss(steps, keep, seed):
    disk = SimDisk(Rng(seed))
    perform(disk, steps)
    disk.sync(disk.files, "a")
    before = image(disk)
    disk.crash(keep)
    assert image(disk) == before
    assert not disk.faults.fired


@pytest.mark.parametrize("keep", ["prefix", "random"])
def test_a_torn_write_is_new_or_old_byte_by_byte_and_changes_nothing_beside_it(keep):
    found = endings_of(lambda disk: disk.write(disk.files, "a", NEW * 1_500, 700), keep=keep, sector_bytes=512)
    for content in found:
        assert len(content) == 3_000
        assert content[:700] + content[2_200:] == OLD * 1_500
        assert set(content) <= {OLD[0], NEW[0]}
    whole = [OLD * 3_000, OLD * 700 + NEW * 1_500 + OLD * 800]
    assert all(content in found for content in whole) or keep == "random"
    assert len({content for content in found if content not in whole}) > 20  # torn in many ways
    # Each sector is kept, lost or torn on its own; torn means that its beginning is new.
    sectors = [content[1_024:1_536] for content in found]
    assert {NEW * 512, OLD * 512} < set(sectors)
    assert all(sector == NEW * sector.count(NEW) + OLD * sector.count(OLD) for sector in sectors)


def test_a_prefix_keeps_earlier_writes_and_a_random_choice_may_keep_only_later_ones():
    def two(disk):
        disk.write(disk.files, "a", NEW, 0)
        disk.write(disk.files, "a", NEW, 2_000)

    both = {keep: {(c[:1], c[2_000:2_001]) for c in endings_of(two, keep=keep)} for keep in ("prefix", "random")}
    assert both["prefix"] == {(OLD, OLD), (NEW, OLD), (NEW, NEW)}
    assert both["random"] == {(OLD, OLD), (NEW, OLD), (OLD, NEW), (NEW, NEW)}


def test_without_powersafe_overwrite_a_torn_sector_is_garbage_also_beside_the_write():
    options = {"sector_bytes": 1_000, "powersafe_overwrite": False}
    found = endings_of(lambda disk: disk.write(disk.files, "a", NEW * 10, 1_500), keep="random", **options)
    beside = [content[1_000:1_500] + content[1_510:2_000] for content in found]
    assert any(part != OLD * 990 for part in beside)
    assert any(part == OLD * 990 for part in beside)
    assert all(content[:1_000] + content[2_000:] == OLD * 2_000 for content in found)  # other sectors never


def test_a_file_that_was_never_synced_may_vanish():
    found = []
    for seed in range(50):
        disk = SimDisk(Rng(seed))
        written(disk, "a", b"x")
        disk.crash("random")
        found.append("a" in image(disk))
        assert disk.faults.fired["disk.lost_unsynced"] >= (not found[-1])
    assert set(found) == {True, False}
    assert [endings_of(lambda disk: written(disk, "b", b"x"), keep=keep, seeds=1) for keep in ("none", "all")]


def test_a_removed_file_may_come_back_until_its_folder_is_synced():
    def crashed(keep, *, folder_synced, seed=0):
        disk = SimDisk(Rng(seed))
        synced(disk, "a", b"was synced")
        synced(disk, "b", b"")
        disk.delete(disk.files, "a", folder_synced=folder_synced)
        disk.crash(keep)
        return image(disk).get("a")

    assert crashed("none", folder_synced=False) == b"was synced"
    assert crashed("all", folder_synced=False) is None
    assert {crashed("random", folder_synced=False, seed=seed) for seed in range(30)} == {None, b"was synced"}
    assert {crashed(keep, folder_synced=True) for keep in KEEPS} == {None}


def test_a_file_in_place_of_a_removed_one_is_the_old_or_the_new_one():
    for keep, expected in (("none", b"old"), ("all", b"new")):
        disk = SimDisk(Rng("seed"))
        synced(disk, "a", b"old")
        disk.delete(disk.files, "a", folder_synced=False)
        written(disk, "a", b"new")
        disk.crash(keep)
        assert image(disk) == {"a": expected}


def test_a_sync_that_is_forgotten_leaves_what_chance_left():
    """A later sync reports success and adds nothing. Sometimes the process is shown what the disk has."""
    shown, left = set(), set()
    for seed in range(60):
        disk = SimDisk(Rng(seed))
        synced(disk, "a", OLD)
        written(disk, "a", NEW)
        disk.faults.plan("disk.sync_forgotten")
        with pytest.raises(DiskFault, match=r"disk\.sync_forgotten"):
            disk.sync(disk.files, "a")
        shown.add(image(disk)["a"])
        disk.sync(disk.files, "a")
        disk.crash("all")
        left.add(image(disk)["a"])
    assert shown == left == {OLD, NEW}


def test_without_power_nothing_works_and_nothing_changes():
    disk = SimDisk(Rng("seed"))
    synced(disk, "a", b"abc")
    disk.cut_power_after(1)
    assert disk.read(disk.files, "a", disk.files.by_name["a"], 3, 0) == b"abc"
    for _ in range(2):
        with pytest.raises(DiskFault, match=r"disk\.power_cut"):
            written(disk, "a", b"x")
    assert disk.faults.fired == {"disk.power_cut": 1}
    disk.crash()
    assert image(disk) == {"a": b"abc"}
    written(disk, "a", b"x")


# --- a log and its endings --------------------------------------------------------------------------------------------


@given(changes)
def test_a_log_gives_every_moment_again(steps):
    log, disk = [], SimDisk(Rng("seed"))
    disk.log = log
    moments = []
    perform(disk, [])
    for step in steps:
        perform_one(disk, step)
        moments.append((len(log), image(disk)))
    replayed = {ending.at: image(ending.disk) for ending in kills(log, Rng("seed"))}
    assert all(replayed[at] == seen for at, seen in moments)


def perform_one(disk, step):
    kind, offset, data = step
    if kind == "write":
        disk.write(disk.files, "a", data, offset)
    elif kind == "truncate":
        disk.truncate(disk.files, "a", offset)
    else:
        disk.sync(disk.files, "a")


def test_power_losses_of_a_log_are_those_of_the_disk_without_repetitions():
    log = [
        Operation("create", "a"),
        Operation("write", "a", 0, b"1"),
        Operation("sync", "a"),
        Operation("mark", "", note="synced"),
        Operation("write", "a", 0, b"2"),
        Operation("write", "a", 1, b"3"),
    ]
    found = [(e.at, e.keep, e.note, image(e.disk)) for e in power_losses(log, Rng("seed"), keeps=("none", "all"))]
    assert found == [
        (1, "none", None, {}),
        (1, "all", None, {"a": b""}),
        (2, "all", None, {"a": b"1"}),  # "none" would only repeat itself
        (3, "none", None, {"a": b"1"}),  # and now there is nothing else
        (4, "none", "synced", {"a": b"1"}),
        (5, "all", "synced", {"a": b"2"}),
        (6, "all", "synced", {"a": b"23"}),
    ]


def test_one_ending_can_be_repeated_alone():
    log = [Operation("create", "a"), *(Operation("write", "a", 0, bytes([n]) * 9_000) for n in range(1, 9))]
    once, again = ([(e.at, e.keep, image(e.disk)) for e in power_losses(log[:n], Rng("seed"))] for n in (9, 5))
    assert again == [ending for ending in once if ending[0] <= 5]


def test_a_crash_ends_the_log():
    disk = SimDisk(Rng("seed"), log=[])
    log = disk.log
    synced(disk, "a", b"x")
    disk.mark("here")
    assert [operation.kind for operation in log] == ["create", "write", "sync", "mark"]
    disk.crash()
    synced(disk, "a", b"y")
    disk.mark("there")
    assert len(log) == 4


# --- SQLite on it -----------------------------------------------------------------------------------------------------


def connect(disk, *, exclusive=True):
    connection = apsw.Connection(f"{disk.mount()}/store.db", vfs=disk.vfs)
    if exclusive:
        connection.pragma("locking_mode", "EXCLUSIVE")
    return connection, connection.pragma("journal_mode", "WAL")


def test_sqlite_writes_ahead_only_when_it_has_the_file_alone():
    """A VFS in Python has no shared memory, and SQLite then silently keeps to a rollback journal."""
    for exclusive, mode in ((True, "wal"), (False, "delete")):
        disk = SimDisk(Rng("seed"))
        connection, found = connect(disk, exclusive=exclusive)
        assert found == mode
        connection.execute("CREATE TABLE t (x)")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        assert set(image(disk)) == {"store.db"}


def lived(seed, clock):
    disk = SimDisk(Rng(seed), clock=clock)
    connection, _ = connect(disk)
    connection.execute("CREATE TABLE t (x, y, z); INSERT INTO t VALUES (random(), randomblob(9), datetime('now'))")
    rows, files = connection.execute("SELECT * FROM t").fetchall(), image(disk)
    connection.close()
    return rows, files


def test_the_chance_and_the_time_of_sqlite_follow_the_seed_and_the_clock():
    rows, files = lived("a", ManualClock(1_000_000_000_000))
    assert rows[0][2] == "2001-09-09 01:46:40"
    assert set(files) == {"store.db", "store.db-wal"}
    assert (rows, files) == lived("a", ManualClock(1_000_000_000_000))
    others = [lived("b", ManualClock(1_000_000_000_000)), lived("a", ManualClock(2_000_000_000_000))]
    assert others[0][0][0][:2] != rows[0][:2]
    assert others[0][1]["store.db-wal"][16:24] != files["store.db-wal"][16:24]  # the salts of the log
    assert others[1][0][0] == (*rows[0][:2], "2033-05-18 03:33:20")


def test_the_next_process_draws_other_salts():
    disk = SimDisk(Rng("seed"))
    drawn = []
    for _ in range(2):
        connection, _ = connect(disk)
        drawn += connection.execute("SELECT random()").fetchall()
        connection.close()
    assert drawn[0] != drawn[1]


def test_the_disk_is_no_default_for_others(tmp_path):
    usual = apsw.vfs_names()[0]
    disk = SimDisk(Rng("seed"))
    connection, _ = connect(disk)
    assert disk.vfs in apsw.vfs_names()
    assert apsw.vfs_names()[0] == usual
    connection.close()
    name = disk.vfs
    del disk, connection
    assert name not in apsw.vfs_names()


@pytest.mark.parametrize("end", ["crash", "kill"])
def test_a_connection_closed_late_reaches_nothing_of_its_successor(end):
    """SQLite then checkpoints and removes the log, by name."""
    disk = SimDisk(Rng("seed"))
    late, _ = connect(disk)
    late.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    if end == "crash":
        disk.crash("all")
    connection, _ = connect(disk)
    connection.execute("INSERT INTO t VALUES (2)")
    before = image(disk)
    late.execute("INSERT INTO t VALUES (3)")
    late.close()
    assert image(disk) == before
    assert len(before["store.db-wal"]) > 4096
    assert disk.stale_operations >= 4
    assert connection.execute("SELECT x FROM t").fetchall() == [(1,), (2,)]
    connection.close()


def test_a_file_of_a_mount_that_nobody_has_open_is_not_found():
    disk = SimDisk(Rng("seed"))
    gone = disk.mount()
    disk.mount()
    for path in (f"{gone}/store.db", "elsewhere/store.db", "store.db"):
        with pytest.raises(apsw.CantOpenError):
            apsw.Connection(path, vfs=disk.vfs)


@pytest.mark.parametrize("operation", ["read", "write", "truncate", "sync"])
def test_without_memory_an_operation_does_nothing_and_opening_is_spared(operation):
    disk = SimDisk(Rng("seed"))
    synced(disk, "a", b"abc")
    disk.faults.plan("disk.out_of_memory", times=9)
    file = disk.open(disk.files, "a", create=False)
    arguments = {"read": (file, 3, 0), "write": (b"x", 1), "truncate": (1,), "sync": ()}[operation]
    with pytest.raises(DiskFault, match=r"disk\.out_of_memory"):
        getattr(disk, operation)(disk.files, "a", *arguments)
    assert disk.faults.fired == {"disk.out_of_memory": 1}
    assert image(disk) == {"a": b"abc"}


@pytest.mark.parametrize(("where", "statement"), [("store.db", "SELECT * FROM t"), ("-wal", "COMMIT")])
def test_sqlite_hears_that_there_is_no_memory_in_the_middle_of_a_statement_and_in_a_commit(where, statement):
    disk = SimDisk(Rng("seed"))
    connection, _ = connect(disk)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    connection, _ = connect(disk)
    if statement == "COMMIT":
        connection.execute("BEGIN; INSERT INTO t VALUES (1)")
    disk.faults.plan("disk.out_of_memory", where=where)
    with pytest.raises(apsw.IOError) as failed:
        connection.execute(statement).fetchall()
    assert failed.value.extendedresult == apsw.SQLITE_IOERR_NOMEM
    assert disk.faults.fired == {"disk.out_of_memory": 1}
    assert connection.execute("SELECT * FROM t").fetchall() == []
    connection.close()


def test_temporary_files_leave_nothing():
    disk = SimDisk(Rng("seed"))
    connection, _ = connect(disk)
    connection.execute("PRAGMA temp_store = FILE; PRAGMA temp.cache_size = 1; CREATE TEMP TABLE t (x)")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
        "INSERT INTO t SELECT randomblob(900) FROM n"
    )
    assert any(name.startswith("temporary") for name in image(disk))
    connection.close()
    assert set(image(disk)) == {"store.db"}


def test_apsw_is_imported_when_a_disk_is_mounted_and_not_before():
    code = (
        "import sys; from umi.dst import Rng; from umi.dst.disk import SimDisk; disk = SimDisk(Rng('seed')); "
        "assert 'apsw' not in sys.modules; disk.mount(); assert 'apsw' in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_one_disk_of_files_is_not_another():
    files = DiskFiles()
    files.apply(Operation("create", "a"))
    twin = files.clone()
    twin.apply(Operation("write", "a", 0, b"x"))
    assert files.image() == {"a": b""}
    assert not files.by_name["a"].unsynced
