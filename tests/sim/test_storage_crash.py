"""The real storage engine on a disk that loses power: at every operation of a workload, and again while recovering.

A crash point is bad if the integrity check fails, an acknowledged commit is missing, half of a group is there, or the
rows are not exactly those after some prefix of the groups: the last one acknowledged, or the one in flight.
"""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from sim import crashes
from sim.crashes import frequent_checkpoints, judge, lose_power, lose_power_twice, record, recover
from sim.ledger import CHECKED, EVERYTHING, LEDGER, StillInDoubt, Teller, everything, open_ledger, run
from umi.dst import Rng
from umi.dst.disk import SimDisk
from umi.dst.disk_replay import kills, power_losses
from umi.dst.simulate import simulate
from umi.errors import CommitUnknown, GuardFailed, StoreError
from umi.storage import Changes, SqliteDatabase
from umi.storage.engine import Engine, Read

SECTORS = {
    "4096": {},
    "512": {"sector_bytes": 512},
    "4096, torn sectors are garbage": {"powersafe_overwrite": False},
}


@pytest.fixture(scope="module", params=SECTORS)
def recordings(request):
    return [record(f"full-{number}", **SECTORS[request.param]) for number in range(2)]


@pytest.fixture(scope="module")
def recording():
    return record("one", steps=50)


# --- the power goes ---------------------------------------------------------------------------------------------------


def test_the_workload_does_everything_that_the_campaign_is_about(recording):
    words = Counter(word for outcome in recording.outcomes for word in outcome)
    assert recording.acknowledged >= 40
    assert min(words[word] for word in ("done", "GuardFailed", "Conflict")) >= 5
    assert max(len(outcome) for outcome in recording.outcomes) == 5  # a read and a group of four
    moved = [op for op in recording.log if op.kind == "write" and op.name == "store.db"]
    emptied = [op for op in recording.log if op.kind == "truncate" and op.name == "store.db-wal"]
    assert len(moved) >= 30
    assert len(emptied) >= 3


def test_no_power_loss_takes_an_acknowledged_commit_or_leaves_half_a_group(recordings):
    """More than 10,000 crash points over the three kinds of disk."""
    verdicts, fired = lose_power(recordings)
    assert set(verdicts) == {"right"}
    assert verdicts["right"] >= 3_500
    assert fired["disk.lost_unsynced"] >= 3_500


def test_the_power_may_fail_again_while_the_engine_recovers(recordings):
    verdicts, fired = lose_power_twice(recordings[:1], keeps=("prefix", "random"))
    assert set(verdicts) == {"right"}
    assert verdicts["right"] >= 1_000
    assert fired["disk.crash_in_recovery"] >= 800


@pytest.mark.parametrize(
    ("options", "lost_share", "damaged_share"),
    [
        ({"synchronous": "NORMAL"}, 0.15, 0.0),
        ({"synchronous": "OFF"}, 0.10, 0.2),
        ({"lying_sync": True}, 0.20, 0.1),
    ],
    ids=["synchronous=NORMAL loses", "synchronous=OFF corrupts", "a disk that lies loses"],
)
def test_with_less_syncing_the_same_campaign_is_red(options, lost_share, damaged_share):
    verdicts, fired = lose_power([record("control", **options)], keeps=("none", "random"))
    assert fired["disk.lost_unsynced"] > 0
    assert verdicts["lost"] > lost_share * verdicts.total()
    assert (verdicts["damaged"] > damaged_share * verdicts.total()) == (damaged_share > 0)
    if not damaged_share:
        assert verdicts["half"] == verdicts["damaged"] == 0


def test_what_was_recovered_can_be_worked_on_and_survives_the_next_power_loss(recording):
    worked = 0
    for number, (ending, _) in enumerate(recording.endings(keeps=("random",))):
        if number % 5 == 0:
            rows, found = crashes.work_on(ending.disk, number)
            assert judge(found, [rows], []) == "right"
            worked += 1
    assert worked >= 100


def test_sqlite_on_a_real_file_recovers_the_same_rows(recording, tmp_path):
    """The door to our disk is Python. What it left behind is opened by SQLite's own as well; among the endings is
    every one while the database was being created."""
    seen = Counter()
    for number, (ending, allowed) in enumerate(recording.endings(keeps=("all", "random"))):
        if ending.note is not None and number % 41:
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in ending.disk.files.image().items():
            (folder / name).write_bytes(content)
        engine = Engine(str(folder / "store.db"), LEDGER)
        ((found,), _) = run(engine, reads=[Read(CHECKED)])
        engine.close()
        assert judge(found, allowed, recording.history) == "right"
        assert found == recover(ending.disk)
        seen[ending.note is None] += 1
    assert min(seen[True], seen[False]) >= 20


# --- the process dies, and then the power goes ------------------------------------------------------------------------


def shown_and_then_gone(recording):
    """How often a reader after a restart is shown rows that a power loss then takes, and how many were looked at."""
    gone = looked = 0
    for ending, allowed in recording.endings(kills):
        engine = open_ledger(ending.disk)
        shown = everything(engine)
        assert shown in allowed
        ending.disk.crash()
        engine.close()
        looked += 1
        gone += judge(recover(ending.disk), [shown], recording.history) != "right"
    return gone, looked


def test_what_a_reader_sees_after_a_restart_no_power_loss_takes(recording):
    gone, looked = shown_and_then_gone(recording)
    assert gone == 0
    assert looked >= 600


def test_without_keeping_what_was_recovered_a_reader_would_be_shown_what_then_is_gone(recording, monkeypatch):
    """The test above can fail: the last commits in a killed process's log may never have been synced."""
    monkeypatch.setattr(Engine, "_keep_recovered", lambda engine: None)
    gone, looked = shown_and_then_gone(recording)
    assert gone > 0.01 * looked


# --- the disk fails while committing, and then the power goes ---------------------------------------------------------

ERRORS = (
    "disk.write_error",
    "disk.partial_write",
    "disk.read_error",
    "disk.sync_error",
    "disk.sync_forgotten",
    "disk.out_of_memory",
)


def work_under_errors(seed, *, ending):
    """(verdict, faults, outcomes, verdicts of replayed power losses) of one run with I/O errors and a full disk."""
    log = []
    disk = SimDisk(Rng(f"{seed}/disk"), log=log)
    with frequent_checkpoints():
        engine = open_ledger(disk)
        teller = Teller(disk, engine, Rng(f"{seed}/bank"))
        teller.step()
        for kind in (*ERRORS, "disk.full"):
            disk.faults.rate(kind, 0.08 if "sync" in kind else 0.02)
        try:
            for _ in range(20):
                teller.step()
            allowed = [teller.rows]
        except StillInDoubt:
            allowed, ending = teller.possible, "power loss"
        disk.faults.stop()
        if ending == "close":
            engine.close()
        if ending in ("close", "kill"):
            dead, engine = engine, open_ledger(disk)
            assert everything(engine) in allowed
            dead.close()
        disk.crash()
        engine.close()
    outcomes = Counter(word for outcome in teller.outcomes for word in outcome)
    replayed = Counter()
    for number, moment in enumerate(power_losses(log, Rng(f"{seed}/endings"), keeps=("all", "random"))):
        # All of them where a caller has just been told something: that is when it must be true.
        if (log[moment.at - 1].kind == "mark" and moment.keep == "all") or number % 17 == 0:
            replayed[judge(recover(moment.disk), moment.note or [teller.history[0]], teller.history)] += 1
    return judge(recover(disk), allowed, teller.history), disk.faults.fired, outcomes, replayed


@pytest.mark.parametrize("ending", ["power loss", "close", "kill"])
def test_errors_while_committing_cost_no_acknowledged_commit_and_leave_no_half_one(ending):
    """Each outcome that came back unknown is looked up, and what the look found is true for ever after: also when
    the process is closed or killed, another one reads, and only then the power goes."""
    verdicts, fired, outcomes, replayed = Counter(), Counter(), Counter(), Counter()
    for number in range(40):
        verdict, *counters = work_under_errors(f"errors-{number}", ending=ending)
        verdicts[verdict] += 1
        fired, outcomes, replayed = (a + b for a, b in zip((fired, outcomes, replayed), counters, strict=True))
    assert verdicts == {"right": 40}
    assert set(replayed) == {"right"}
    assert replayed["right"] >= 1_000
    assert min(fired[kind] for kind in (*ERRORS, "disk.full")) >= 20
    assert set(outcomes) == {"done", "Conflict", "GuardFailed", "CommitUnknown", "StoreError", "StoreFull"}


def test_without_ending_the_doubt_refused_commits_would_come_back(monkeypatch):
    """The test above can fail: a failed COMMIT may stand whole in the log. A new connection would find it there and say
    so; with a sync that was forgotten, it would promise what the disk does not hold."""
    monkeypatch.setattr(Engine, "_end_doubt", lambda engine: None)
    monkeypatch.setattr(Engine, "_reconnect", lambda engine: None)
    replayed = Counter()
    for number in range(20):
        replayed += work_under_errors(f"errors-{number}", ending="power loss")[-1]
    assert replayed["half"] >= 2
    assert replayed["damaged"] == 0


# --- the whole store, with its loop and its writer --------------------------------------------------------------------

PUT = "INSERT INTO entry VALUES ('t', NULL, ?, ?, 'a', x'')"


async def live_through_a_power_cut(host, seed):
    """Several writers, a cut in the middle; (acknowledged, unknown, found, disk)."""
    disk = SimDisk(Rng(f"{seed}/disk"), clock=host.clock)
    database = await SqliteDatabase.open(f"{disk.mount()}/store.db", LEDGER, host=host, vfs=disk.vfs)
    await database.commit(Changes().write("INSERT INTO account VALUES ('t', 'a', 1, 0)"))
    acknowledged, unknown = set(), set()

    async def write(writer):
        for number in range(40):
            entry = (writer, number)
            enter = Changes().write(PUT, *entry).after(lambda entry=entry: acknowledged.add(entry))
            try:
                seen = await database.view(enter).fetch("SELECT count(*) FROM entry WHERE writer = ?", writer)
                assert seen == [(number + 1,)]
                await database.commit(enter)
            except CommitUnknown:
                unknown.add(entry)
                return
            except StoreError:
                return
            await host.clock.sleep(host.rng.randint(0, 3))

    disk.cut_power_after(host.rng.randint(20, 400))
    writers = [host.spawn(write(name), name) for name in ("ada", "bob", "cyd", "dot")]
    for writer in writers:
        await writer
    await database.close()
    disk.crash()
    again = await SqliteDatabase.open(f"{disk.mount()}/store.db", LEDGER, host=host, vfs=disk.vfs)
    integrity, rows = await again.view().all(
        ("PRAGMA integrity_check", ()), ("SELECT writer, number FROM entry WHERE tenant = 't'", ())
    )
    assert integrity == [("ok",)]
    await again.close()
    return acknowledged, unknown, set(rows), disk


def test_callers_of_the_whole_store_keep_what_they_were_acknowledged():
    acks = unknowns = 0
    cut = Counter()
    for number in range(60):
        seed = f"store-{number}"
        lived = simulate(lambda host, seed=seed: live_through_a_power_cut(host, seed), seed)
        acknowledged, unknown, found, disk = lived.value
        assert acknowledged <= found
        assert found - acknowledged <= unknown
        acks, unknowns = acks + len(acknowledged), unknowns + len(unknown)
        cut += disk.faults.fired
    assert cut["disk.power_cut"] >= 50
    assert acks >= 1_000
    assert unknowns >= 20


# --- one seed, one trace ----------------------------------------------------------------------------------------------


def test_one_seed_gives_the_same_files_and_outcomes_in_every_process():
    """Twice here, after other work, and in two processes with other hashes."""
    first = crashes.summary("trace")
    assert first["verdicts"].keys() == {"right"}
    assert first["verdicts"]["right"] >= 500
    record("something else", steps=3)
    assert crashes.summary("trace") == first
    for salt in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-W", "error", crashes.__file__, "trace"],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stderr == ""
        assert json.loads(ran.stdout) == first


def test_another_seed_gives_another_trace():
    assert len({repr(record(seed, steps=5).image) for seed in ("a", "b", "c")}) == 3


def test_the_rows_the_model_foretells_are_not_all_the_same(recording):
    """What every verdict above compares with."""
    assert len({repr(rows) for rows in recording.history}) >= 30
    assert all(len(rows) == len(EVERYTHING) for rows in recording.history)


def test_a_guard_that_fails_is_among_the_outcomes_of_one_group(recording):
    mixed = [outcome[1:] for outcome in recording.outcomes if {"done", GuardFailed.__name__} <= set(outcome[1:])]
    assert len(mixed) >= 3
