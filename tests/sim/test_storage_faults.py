"""Each fault a disk can have, by its name: that it happened, and what the real engine then says and keeps.

Where the disk reports its fault, nothing acknowledged is lost and every error has a name. Where it lies (a sync, a bit,
a misdirected write, a short read of the database file), SQLite has no checksums of pages to know it by; then what the
log holds is still whole commits or none.
"""

import contextlib
from collections import Counter

import apsw
import pytest

from sim.crashes import frequent_checkpoints, judge, recover
from sim.ledger import ACCOUNTS, LEDGER, StillInDoubt, Teller, everything, open_ledger, run
from umi.dst import Rng
from umi.dst.disk import SimDisk
from umi.dst.faults import KINDS
from umi.errors import CommitUnknown, Conflict, GuardFailed, StoreCorrupt, StoreError, StoreFull, StoreInUse
from umi.storage import Changes, Migration
from umi.storage.engine import Engine, Read

OPEN = "INSERT INTO account VALUES ('t', ?, 1, 0)"


def opening(key):
    return Changes().write(OPEN, key)


def keys(engine):
    found = everything(engine)
    return found if isinstance(found, Exception) else [row[0] for row in found[0]]


def commit(engine, *changes):
    """The outcomes of one group: None for success."""
    _, outcomes = run(engine, commits=changes)
    return [None if isinstance(outcome, list) else type(outcome) for outcome in outcomes]


@pytest.fixture
def disk(request):
    return SimDisk(Rng(request.node.name))


@pytest.fixture
def engine(disk):
    """With one account, "before", on the disk."""
    engine = open_ledger(disk)
    assert commit(engine, opening("before")) == [None]
    yield engine
    disk.faults.stop()
    engine.close()


def after_power_loss(disk, engine):
    disk.crash()
    engine.close()
    again = open_ledger(disk)
    found = keys(again)
    again.close()
    return found


# --- faults that the disk reports -------------------------------------------------------------------------------------


UNWRITTEN = ("disk.write_error", "disk.partial_write", "disk.sync_error", "disk.sync_forgotten", "disk.out_of_memory")


@pytest.mark.parametrize("kind", UNWRITTEN)
def test_a_commit_that_could_not_be_written_is_unknown_until_a_read_decides_it(kind, disk, engine):
    disk.faults.plan(kind, where="-wal")
    assert commit(engine, opening("a"), opening("b")) == [CommitUnknown, CommitUnknown]
    assert disk.faults.fired[kind] == 1
    assert keys(engine) == ["before"]
    assert commit(engine, opening("c")) == [None]
    assert after_power_loss(disk, engine) == ["before", "c"]


def test_a_full_disk_refuses_by_name_and_a_freed_one_goes_on(disk, engine):
    disk.faults.plan("disk.full", where="-wal", times=2)
    assert commit(engine, opening("a"), opening("b")) == [StoreFull, StoreFull]
    assert keys(engine) == ["before"]
    assert commit(engine, opening("a")) == [StoreFull]
    assert disk.faults.fired["disk.full"] == 2
    assert commit(engine, opening("a")) == [None]
    assert after_power_loss(disk, engine) == ["a", "before"]


def test_a_disk_of_some_size_fills_up_and_everything_acknowledged_stays(disk, engine):
    disk.capacity_bytes = 120_000
    outcomes = [commit(engine, opening(f"{n:04}" + "x" * 3_000))[0] for n in range(60)]
    assert set(outcomes) == {None, StoreFull}
    assert disk.faults.fired["disk.full"] > 0
    acknowledged = [f"{n:04}" for n, outcome in enumerate(outcomes) if outcome is None]
    assert [key[:4] for key in keys(engine)] == [*acknowledged, "befo"]
    assert [key[:4] for key in after_power_loss(disk, engine)] == [*acknowledged, "befo"]


def test_a_full_disk_lets_a_killed_process_open_and_read(disk):
    """What it left in its log is synced even where a checkpoint finds no space."""
    engine = open_ledger(disk)
    assert commit(engine, *(opening(f"{n}" + "x" * 2_000) for n in range(9))) == [None] * 9
    disk.faults.rate("disk.full", 1.0)
    again = open_ledger(disk)
    assert disk.faults.fired["disk.full"] >= 1
    assert len(keys(again)) == 9
    assert commit(again, opening("more")) == [StoreFull]
    disk.faults.stop()
    engine.close()
    assert len(after_power_loss(disk, again)) == 9


@pytest.mark.parametrize(
    ("kind", "words"), [("disk.read_error", "the disk under"), ("disk.out_of_memory", "out of memory")]
)
def test_a_read_that_fails_is_one_callers_error(kind, words, disk, engine):
    engine.close()
    engine = open_ledger(disk)
    disk.faults.plan(kind, where="store.db")
    failed = keys(engine)
    assert isinstance(failed, StoreError)
    assert words in str(failed)
    assert disk.faults.fired[kind] == 1
    assert keys(engine) == ["before"]
    engine.close()


def test_a_log_that_is_read_short_is_no_shorter_log(disk, engine):
    """SQLite would lose commits if it took the part for the whole."""
    disk.faults.plan("disk.short_read", where="-wal", after=2)
    with pytest.raises(StoreError, match="the disk under"):
        open_ledger(disk)
    assert disk.faults.fired["disk.short_read"] == 1
    again = open_ledger(disk)
    assert keys(again) == ["before"]
    again.close()


def test_slow_operations_are_counted_with_their_cost(disk, engine):
    told = []
    disk.on_delay = told.append
    disk.faults.rate("disk.latency", 0.5)
    assert commit(engine, opening("a")) == [None]
    assert disk.faults.fired["disk.latency"] == len(told) >= 1
    assert disk.delayed_ms == sum(told) >= len(told)


def test_a_checkpoint_may_fail_anywhere_and_costs_no_commit():
    fired = Counter()
    for kind in (*UNWRITTEN, "disk.full"):
        for number in range(20):
            disk = SimDisk(Rng(f"{kind}/{number}"))
            engine = open_ledger(disk)
            teller = Teller(disk, engine, Rng(f"{number}"))
            with frequent_checkpoints(8):
                disk.faults.rate(kind, 0.3, where="store.db")
                for _ in range(10):
                    teller.step()
            disk.faults.stop()
            disk.crash()
            engine.close()
            assert judge(recover(disk), [teller.rows], []) == "right"
            fired += disk.faults.fired
    assert min(fired[kind] for kind in (*UNWRITTEN, "disk.full")) >= 20


def test_a_disk_that_fails_for_good_leaves_the_last_group_in_doubt_and_no_other(disk, engine):
    teller = Teller(disk, engine, Rng("bank"))
    teller.take_over()
    teller.step()
    disk.faults.rate("disk.sync_error", 1.0)
    with pytest.raises(StillInDoubt):
        any(teller.step() for _ in range(9))  # groups in which all are refused need no disk
    assert disk.faults.fired["disk.sync_error"] > 40
    disk.faults.stop()
    disk.crash()
    engine.close()
    assert judge(recover(disk), teller.possible, teller.history) == "right"


def test_the_power_goes_between_two_operations_of_one_commit(disk, engine):
    disk.cut_power_after(2)
    assert commit(engine, opening("a")) == [CommitUnknown]
    assert isinstance(keys(engine), StoreError)
    assert disk.faults.fired["disk.power_cut"] == 1
    assert after_power_loss(disk, engine) in (["before"], ["a", "before"])


@pytest.mark.parametrize("operations", range(0, 40, 3))
def test_the_power_goes_while_a_database_is_created(operations, disk):
    disk.cut_power_after(operations)
    with pytest.raises(StoreError):
        open_ledger(disk)
    assert disk.faults.fired["disk.power_cut"] == 1
    disk.crash()
    engine = open_ledger(disk)
    assert keys(engine) == []
    assert commit(engine, opening("a")) == [None]
    engine.close()


def test_a_disk_that_fails_in_the_middle_of_an_upgrade_is_named_and_the_next_opening_completes_it(disk):
    """Not as "cannot rollback": SQLite has rolled back by itself then."""
    open_ledger(disk).close()
    larger = [*LEDGER, Migration("ledger", 3, "ALTER TABLE entry ADD COLUMN more TEXT; UPDATE entry SET more = 'x'")]
    named = Counter()
    for kind in ("disk.write_error", "disk.full", "disk.read_error", "disk.sync_error", "disk.out_of_memory"):
        for after in range(12):
            attempt = SimDisk(disk.rng, files=disk.files.clone())
            attempt.faults.plan(kind, after=after)
            try:
                Engine(f"{attempt.mount()}/store.db", larger, vfs=attempt.vfs).close()
            except StoreError as error:
                assert attempt.faults.fired[kind] == 1
                named[type(error)] += 1
            attempt.faults.stop()
            engine = Engine(f"{attempt.mount()}/store.db", larger, vfs=attempt.vfs)
            ((found,), _) = run(engine, reads=[Read([("SELECT number FROM room_schema", ())])])
            assert found == [[(3,)]]
            engine.close()
    assert named[StoreError] >= 10
    assert named[StoreFull] >= 3
    assert set(named) == {StoreError, StoreFull}


# --- the process has no memory left -----------------------------------------------------------------------------------


@contextlib.contextmanager
def memory_left(size):
    """SQLite itself may allocate so many bytes more: wherever it then needs one more, it stops in the middle."""
    apsw.hard_heap_limit(apsw.memory_used() + size)
    try:
        yield
    finally:
        apsw.hard_heap_limit(0)
        apsw.soft_heap_limit(0)  # the hard one lowered it, and SQLite would give its cache away for ever after


def test_without_memory_nothing_is_written_and_what_was_only_planned_stays_so(disk):
    """At some sizes there is no memory for ROLLBACK either. Readers would then see what nobody committed."""
    open_ledger(disk).close()
    planned, outcomes, left_open = Read([(ACCOUNTS, ())], over=tuple(opening("planned").writes)), Counter(), 0
    for size in range(0, 8_000, 16):
        attempt = SimDisk(disk.rng, files=disk.files.clone())
        engine = open_ledger(attempt)
        with memory_left(size):
            ((seen,), (outcome,)) = run(engine, reads=[planned], commits=[opening(f"{size}")])
        left_open += engine._connection is not None and engine._sql.in_transaction
        for one in (seen, outcome):
            outcomes[type(one)] += 1
            assert not isinstance(one, Exception) or "ran out of memory" in str(one)
        assert keys(engine) == ([] if isinstance(outcome, Exception) else [f"{size}"])
        assert commit(engine, opening("more")) == [None]
        engine.close()
    assert set(outcomes) == {list, StoreError}
    assert min(outcomes.values()) >= 50
    assert left_open >= 3


def test_a_bank_that_runs_out_of_memory_anywhere_loses_nothing_and_knows_what_it_has():
    refused = Counter()
    for number in range(60):
        disk, rng = SimDisk(Rng(f"memory/{number}")), Rng(f"left/{number}")
        with frequent_checkpoints(24):
            engine = open_ledger(disk)
            engine._execute("PRAGMA cache_size=5")
            teller = Teller(disk, engine, Rng(f"{number}"))
            whole = engine.run

            def run_with_little(batch, whole=whole, rng=rng):
                size = rng.randint(0, (200, 2_000, 20_000, 100_000)[rng.randint(0, 3)])
                with memory_left(size if rng.random() < 0.6 else 10**9):
                    whole(batch)

            engine.run = run_with_little
            for _ in range(20):
                teller.step()
            engine.run = whole
        assert everything(engine) == teller.rows
        disk.crash()
        engine.close()
        assert judge(recover(disk), [teller.rows], teller.history) == "right"
        refused.update(word for outcome in teller.outcomes for word in outcome)
    assert set(refused) <= {"done", "Conflict", "GuardFailed", "StoreError", "CommitUnknown"}
    assert refused["StoreError"] >= 1_000
    assert refused["done"] >= 500


# --- what is said about a group that failed ---------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "error"), [("disk.full", StoreFull), ("disk.sync_error", CommitUnknown)])
def test_nobody_is_refused_for_what_was_never_written(kind, error, disk, engine):
    """A group is written together. Who was refused because of another commit of it saw rows that never were."""
    changed = "UPDATE account SET version = version + 1 WHERE tenant = 't' AND key = 'before' AND version = 1"
    group = [opening("before"), Changes().guard("version", changed), Changes().guard("version", changed), opening("a")]
    disk.faults.plan(kind, where="-wal")
    assert commit(engine, *group) == [Conflict, error, error, error]
    assert disk.faults.fired[kind] == 1
    assert commit(engine, *group) == [Conflict, None, GuardFailed, None]


def commit_in_doubt(number):
    """A disk and an engine whose last commit of an account "doubtful" is unknown."""
    disk = SimDisk(Rng(f"doubt/{number}"))
    engine = open_ledger(disk)
    assert commit(engine, opening("before")) == [None]
    disk.faults.plan("disk.sync_error", where="-wal")
    assert commit(engine, opening("doubtful")) == [CommitUnknown]
    assert disk.faults.fired["disk.sync_error"] == 1
    return disk, engine


def test_a_commit_in_doubt_stays_away_when_the_store_is_closed_opened_and_read():
    """Closing removes the log, but only the next sync of its folder would make that last: a power loss may bring the
    log back, with the failed commit whole at its end."""
    for number in range(60):
        disk, engine = commit_in_doubt(number)
        engine.close()
        engine = open_ledger(disk)
        assert keys(engine) == ["before"]
        assert after_power_loss(disk, engine) == ["before"]


def test_a_doubt_that_closing_could_not_end_is_decided_by_the_next_opening():
    seen = Counter()
    for number in range(60):
        disk, engine = commit_in_doubt(number)
        disk.faults.plan("disk.write_error" if number % 2 else "disk.sync_error")
        engine.close()
        disk.faults.stop()
        engine = open_ledger(disk)
        found = keys(engine)
        assert found in (["before"], ["before", "doubtful"])
        assert after_power_loss(disk, engine) == found
        seen[len(found)] += 1
    assert set(seen) == {1, 2}


def test_closing_lets_go_of_a_disk_that_has_no_power(disk, engine):
    disk.cut_power_after(0)
    engine.close()
    assert disk.faults.fired["disk.power_cut"] == 1
    disk.crash()
    again = open_ledger(disk)
    assert keys(again) == ["before"]
    again.close()


def test_a_second_engine_on_a_living_ones_file_is_refused(disk, engine):
    folder = disk.folder
    with pytest.raises(StoreInUse):
        Engine(f"{folder}/store.db", LEDGER, vfs=disk.vfs)
    assert keys(engine) == ["before"]


# --- faults that the disk hides ---------------------------------------------------------------------------------------


def test_a_sync_that_lies_loses_whole_commits(disk, engine):
    disk.faults.plan("disk.lying_sync", where="-wal")
    assert commit(engine, opening("a"), opening("b")) == [None, None]
    assert disk.faults.fired["disk.lying_sync"] == 1
    disk.crash("none")
    assert disk.faults.fired["disk.lost_unsynced"] > 0
    engine.close()
    again = open_ledger(disk)
    assert keys(again) == ["before"]
    again.close()


def worked(seed, steps=20):
    disk = SimDisk(Rng(f"lies/{seed}"))
    engine = open_ledger(disk)
    teller = Teller(disk, engine, Rng(f"{seed}"))
    for _ in range(steps):
        teller.step()
    return disk, engine, teller


def verdicts_of_flipped_bits(name, *, close):
    """What comes of single bits turned over in a file that holds everything."""
    disk, engine, teller = worked("bits")
    if close:
        engine.close()
    whole, rng, verdicts = disk.files, Rng("bits"), Counter()
    for _ in range(400):
        damaged = SimDisk(rng, files=whole.clone())
        damaged.flip_bit(name, rng.randint(0, 8 * len(whole.by_name[name].data) - 1))
        assert damaged.faults.fired["disk.bit_flip"] == 1
        verdicts[judge(recover(damaged), [teller.rows], teller.history)] += 1
    engine.close()
    return verdicts


def test_a_bit_that_turns_over_in_the_log_costs_whole_commits_from_there_on():
    verdicts = verdicts_of_flipped_bits("store.db-wal", close=False)
    assert set(verdicts) <= {"right", "lost"}
    assert verdicts["lost"] >= 300


def test_a_bit_that_turns_over_in_the_file_is_often_not_noticed():
    """SQLite has no checksums of pages: docs/storage.md says so. What it does notice has a name."""
    verdicts = verdicts_of_flipped_bits("store.db", close=True)
    assert verdicts["damaged"] >= 1
    assert verdicts["half"] > verdicts["damaged"]  # rows that nobody wrote


def test_a_write_to_the_wrong_place_in_the_log_costs_whole_commits():
    verdicts = Counter()
    for number in range(40):
        disk, engine, teller = worked(number, steps=6)
        disk.faults.plan("disk.misdirected_write", where="-wal")
        assert commit(engine, opening("elsewhere")) == [None]  # the disk said so
        assert disk.faults.fired["disk.misdirected_write"] == 1
        disk.crash("all")
        engine.close()
        verdicts[judge(recover(disk), [teller.rows], teller.history)] += 1
    assert verdicts == {"right": 40}  # all that was acknowledged before, and nothing of it


def test_a_write_to_the_wrong_place_in_the_file_is_noticed_at_best():
    verdicts = Counter()
    for number in range(80):
        disk, engine, teller = worked(number, steps=12)
        disk.faults.plan("disk.misdirected_write", where="store.db", after=number % 8)
        engine.checkpoint()
        assert disk.faults.fired["disk.misdirected_write"] == 1
        engine.close()
        verdicts[judge(recover(disk), [teller.rows], teller.history)] += 1
    assert verdicts["damaged"] >= 10
    assert verdicts["right"] < 80


def test_a_page_that_is_read_short_is_noticed_at_best_and_stays_whole_on_the_disk():
    """SQLite takes the end of a short page for zeros. A system's read returns less than it was asked for only at the
    end of a file; SQLite's own VFS asks again."""
    answers = Counter()
    for number in range(60):
        disk, engine, teller = worked(number, steps=12)
        engine.close()
        disk.faults.plan("disk.short_read", where="store.db", after=number % 6)
        try:
            again = open_ledger(disk)
            answers[type(everything(again))] += 1
            again.close()
        except StoreCorrupt:
            answers[StoreCorrupt] += 1
        assert disk.faults.fired["disk.short_read"] == 1
        assert judge(recover(disk), [teller.rows], []) == "right"
    assert answers[StoreCorrupt] >= 10


def test_a_text_that_is_no_text_is_damage(disk, engine):
    assert commit(engine, opening("na\u00efve")) == [None]
    engine.close()
    content = bytes(disk.files.by_name["store.db"].data)
    at = -1
    while (at := content.find("na\u00efve".encode(), at + 1)) > 0:
        disk.flip_bit("store.db", 8 * (at + 3) + 7)
    assert disk.faults.fired["disk.bit_flip"] == 2  # in the table and in its index
    again = open_ledger(disk)
    found = everything(again)
    assert isinstance(found, StoreCorrupt)
    assert "a text holds the bytes c3" in str(found)
    again.close()


def test_a_page_of_another_table_in_place_of_the_versions_is_damage(disk, engine):
    (((pages,),), _) = run(engine, reads=[Read([("SELECT rootpage FROM sqlite_schema WHERE type = 'table'", ())])])
    engine.close()
    versions, accounts, _ = [(page - 1) * 4096 for (page,) in pages]
    other = bytes(disk.files.by_name["store.db"].data[accounts : accounts + 4096])
    disk.write(disk.files, "store.db", other, versions)
    with pytest.raises(StoreCorrupt, match="room_schema holds 'before'"):
        open_ledger(disk)


def test_every_fault_of_a_disk_is_tested_by_name():
    """Here or in the crash tests."""
    with open(__file__, encoding="utf-8") as here, open(__file__.replace("faults", "crash"), encoding="utf-8") as there:
        tests = here.read() + there.read()
    kinds = [kind for kind in KINDS if kind.startswith("disk.")]
    assert len(kinds) == 15
    for kind in kinds:
        assert f'"{kind}"' in tests, kind
