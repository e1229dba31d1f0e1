"""Commits in groups, reads over uncommitted changes, hooks, closing."""

import asyncio
import gc
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umi.errors import Conflict, GuardFailed, InvalidInput, StoreClosed
from umi.storage import Changes, SqliteDatabase, View

from .conftest import ALL, ITEMS, PUT, put, raise_from


async def test_what_was_committed_is_there_after_a_reopen(path):
    database = await SqliteDatabase.open(path, ITEMS)
    await database.commit(put("a", 1).write(PUT, "b", 2))
    await database.close()
    again = await SqliteDatabase.open(path, ITEMS)
    assert await again.view().fetch(ALL) == [("a", 1), ("b", 2)]
    await again.close()


async def test_a_commit_returns_the_rows_of_its_returning_clauses_in_order(database):
    changes = Changes()
    for key in ("b", "a"):
        changes.write(f"{PUT} RETURNING key, value", key, 1).write(PUT, key * 2, 0)
    assert await database.commit(changes) == [("b", 1), ("a", 1)]


async def test_an_empty_commit_runs_its_hooks(database):
    ran = []
    assert await database.commit(Changes().after(lambda: ran.append(1))) == []
    assert ran == [1]


# --- groups -----------------------------------------------------------------------------------------------------------


async def test_commits_that_wait_together_share_a_sync(path, disk):
    groups = []
    database = await SqliteDatabase.open(
        path, ITEMS, vfs=disk.name, on_group=lambda commits, duration_ms: groups.append((commits, duration_ms))
    )
    syncs_before = disk.seen["sync"]
    await asyncio.gather(*(database.commit(put(f"{n:03}")) for n in range(300)))
    assert sum(commits for commits, _ in groups) == 300
    assert len(groups) < 10
    assert disk.seen["sync"] - syncs_before <= len(groups)
    assert all(duration_ms >= 0 for _, duration_ms in groups)
    assert len(await database.view().fetch(ALL)) == 300
    await database.close()


async def test_a_group_has_a_largest_size(database, monkeypatch):
    monkeypatch.setattr("umi.limits.COMMIT_GROUP_MAX", 10)
    groups = []
    database._on_group = lambda commits, _: groups.append(commits)
    await asyncio.gather(*(database.commit(put(f"{n:03}")) for n in range(55)))
    assert max(groups) == 10
    assert sum(groups) == 55


async def test_one_commit_in_a_group_fails_alone(database):
    await database.commit(put("taken"))
    outcomes = await asyncio.gather(
        database.commit(put("a")),
        database.commit(put("lost").write(PUT, "taken", 0)),
        database.commit(put("b").extend(raise_from("a", 7))),
        database.commit(put("broken").write("INSERT INTO no_table VALUES (1)")),
        database.commit(put("c").write("INSERT INTO part VALUES ('t', 'nowhere')")),
        database.commit(put("d")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes[1:5:3]] == [Conflict, Conflict]
    assert outcomes[0] == outcomes[5] == []
    assert isinstance(outcomes[2], GuardFailed)
    assert "no_table" in str(outcomes[3])
    assert await database.view().fetch(ALL) == [("a", 0), ("d", 0), ("taken", 0)]


async def test_a_deferred_key_may_point_at_what_the_same_commit_writes_later(database):
    await database.commit(Changes().write("INSERT INTO part VALUES ('t', 'a')").write(PUT, "a", 0))
    assert await database.view().fetch("SELECT item FROM part") == [("a",)]


async def test_a_commit_that_fails_alone_costs_no_sync(path, disk):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    before = dict(disk.seen)
    with pytest.raises(GuardFailed):
        await database.commit(put("a").extend(raise_from("a", 7)))
    assert dict(disk.seen) == before
    await database.close()


async def test_a_row_that_breaks_its_own_table_is_our_bug_and_no_conflict(database):
    for bad in (put("a", -1), put("a", "text"), put("a", None), put(None, 1)):
        with pytest.raises(Exception, match=r"constraint failed|cannot store") as raised:
            await database.commit(bad)
        assert not isinstance(raised.value, Conflict)


# --- guards -----------------------------------------------------------------------------------------------------------


async def test_a_guard_lets_one_of_two_writers_through(database):
    await database.commit(put("a"))
    outcomes = await asyncio.gather(
        database.commit(raise_from("a", 0)), database.commit(raise_from("a", 0)), return_exceptions=True
    )
    assert outcomes[0] == []
    assert (outcomes[1].guard, outcomes[1].expected_rows, outcomes[1].touched_rows) == ("version", 1, 0)
    assert await database.view().fetch(ALL) == [("a", 1)]


@pytest.mark.parametrize(
    ("sql", "touches"),
    [
        ("UPDATE item SET value = 9", 3),
        ("UPDATE item SET value = 9 RETURNING key", 3),
        ("DELETE FROM item WHERE key = 'a'", 1),
        ("DELETE FROM item WHERE key = 'zz'", 0),
        ("SELECT 1 FROM item", 3),
        ("SELECT 1 FROM item WHERE key = 'zz'", 0),
        ("WITH one AS (SELECT 1) SELECT * FROM one WHERE 0", 0),
        ("-- why\nSELECT 1 FROM item WHERE 0", 0),
        ("INSERT INTO item SELECT tenant, key || '2', 0 FROM item", 3),
        ("INSERT INTO item VALUES ('t', 'a', 0) ON CONFLICT DO NOTHING", 0),
    ],
)
async def test_a_guard_counts_the_rows_its_own_statement_touches(database, sql, touches):
    await database.commit(put("a").write(PUT, "b", 0).write(PUT, "c", 0))
    # A write before the guard: SQLite's count of changed rows still tells of that one.
    before = Changes().write("UPDATE item SET value = value + 1 WHERE key IN ('a', 'b')")
    with pytest.raises(GuardFailed) as raised:
        await database.commit(Changes().extend(before).guard("count", sql, rows=17))
    assert raised.value.touched_rows == touches
    await database.commit(Changes().extend(before).guard("count", sql, rows=touches))


# --- views ------------------------------------------------------------------------------------------------------------


async def test_a_view_sees_changes_that_are_not_committed_and_leaves_nothing(database):
    await database.commit(put("a", 1))
    planned = put("b", 2).extend(raise_from("a", 1))
    view = database.view(planned)
    assert await view.fetch(ALL) == [("a", 2), ("b", 2)]
    assert await view.one("SELECT value FROM item WHERE key = ?", "b") == (2,)
    assert await view.all((ALL, ()), ("SELECT count(*) FROM item", ())) == [[("a", 2), ("b", 2)], [(2,)]]
    assert await database.view().fetch(ALL) == [("a", 1)]
    assert await database.view().one(f"{ALL} LIMIT 0") is None


async def test_a_view_over_changes_writes_nothing_to_the_disk(path, disk):
    database = await SqliteDatabase.open(path, ITEMS, vfs=disk.name)
    await database.commit(put("a"))
    before = dict(disk.seen)
    assert len(await database.view(put("b")).fetch(ALL)) == 2
    assert dict(disk.seen) == before
    await database.close()


async def test_a_view_sees_what_is_added_to_its_changes_later(database):
    planned = Changes()
    view = View(database, planned)
    assert await view.fetch(ALL) == []
    planned.write(PUT, "a", 1)
    assert await view.fetch(ALL) == [("a", 1)]


async def test_a_read_applies_the_changes_as_they_were_when_it_was_asked_for(database, monkeypatch):
    """The writer thread runs while the loop goes on: it must not see half of a later plan."""
    started, go = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    run = database._engine.run

    def slow(batch):
        loop.call_soon_threadsafe(started.set)
        assert go.wait(10)
        run(batch)

    monkeypatch.setattr(database._engine, "run", slow)
    planned = put("a")
    reading = asyncio.create_task(database.view(planned).fetch(ALL))
    await started.wait()
    planned.write(PUT, "b", 0)
    go.set()
    assert await reading == [("a", 0)]


async def test_a_view_over_changes_that_cannot_be_made_raises_what_the_commit_would(database):
    await database.commit(put("a"))
    with pytest.raises(Conflict):
        await database.view(put("a")).fetch(ALL)
    with pytest.raises(GuardFailed):
        await database.view(raise_from("a", 5)).fetch(ALL)
    assert await database.view(put("b")).fetch(ALL) == [("a", 0), ("b", 0)]


async def test_a_wrong_query_disturbs_nobody_else(database):
    outcomes = await asyncio.gather(
        database.view().fetch("SELECT nonsense"), database.commit(put("a")), return_exceptions=True
    )
    assert "nonsense" in str(outcomes[0])
    assert outcomes[1] == []


# --- hooks and callers that go away -----------------------------------------------------------------------------------


async def test_hooks_run_once_the_commit_is_readable_and_not_when_it_fails(path):
    ran = []
    database = await SqliteDatabase.open(path, ITEMS)
    await database.commit(put("a").after(lambda: ran.append("first")).after(lambda: ran.append("second")))
    with pytest.raises(Conflict):
        await database.commit(put("a").after(lambda: ran.append("never")))
    assert ran == ["first", "second"]
    await database.close()


async def test_hooks_run_in_the_order_of_the_commits(database):
    ran = []
    await asyncio.gather(*(database.commit(put(f"{n:02}").after(lambda n=n: ran.append(n))) for n in range(50)))
    assert ran == list(range(50))


async def test_a_hook_that_raises_is_told_to_its_committer_and_stops_nobody(database):
    ran = []

    def broken():
        raise LookupError("a room's bug")

    outcomes = await asyncio.gather(
        database.commit(put("a").after(broken).after(lambda: ran.append("a"))),
        database.commit(put("b").after(lambda: ran.append("b"))),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], LookupError)
    assert outcomes[1] == []
    assert ran == ["a", "b"]
    assert len(await database.view().fetch(ALL)) == 2


async def test_a_caller_that_is_cancelled_undoes_neither_its_commit_nor_its_hooks(database):
    """A cache that missed its hook would serve the old value for ever."""
    ran = []
    task = asyncio.create_task(database.commit(put("a").after(lambda: ran.append("a"))))
    await asyncio.sleep(0)  # it is submitted now
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await database.view().fetch(ALL) == [("a", 0)]
    assert ran == ["a"]


async def test_a_cancelled_caller_whose_commit_fails_leaves_no_unheard_error(database):
    await database.commit(put("a"))
    task = asyncio.create_task(database.commit(put("a")))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await database.view().fetch(ALL)
    heard = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    gc.collect()
    await asyncio.sleep(0)
    assert heard == []


async def test_a_listener_that_raises_does_not_stop_the_store(path):
    def broken(commits, duration_ms):
        raise LookupError("a listener's bug")

    heard = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    database = await SqliteDatabase.open(path, ITEMS, on_group=broken)
    await database.commit(put("a"))
    await database.commit(put("b"))
    await database.close()
    assert [type(error) for error in heard] == [LookupError, LookupError]


# --- closing ----------------------------------------------------------------------------------------------------------


async def test_close_finishes_what_was_submitted_and_refuses_what_comes_later(path):
    database = await SqliteDatabase.open(path, ITEMS)
    commits = [asyncio.create_task(database.commit(put(f"{n:03}"))) for n in range(100)]
    await asyncio.sleep(0)
    await asyncio.gather(database.close(), database.close())
    assert [await commit for commit in commits] == [[]] * 100
    with pytest.raises(StoreClosed):
        await database.commit(put("late"))
    with pytest.raises(StoreClosed):
        await database.view().fetch(ALL)
    await database.close()
    again = await SqliteDatabase.open(path, ITEMS)
    assert len(await again.view().fetch(ALL)) == 100
    await again.close()


async def test_every_caller_of_close_waits_until_the_file_is_free(path):
    database = await SqliteDatabase.open(path, ITEMS)
    first = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    await database.close()
    await (await SqliteDatabase.open(path, ITEMS)).close()
    await first


async def test_a_caller_that_goes_away_while_opening_leaves_the_file_free(path):
    opening = asyncio.create_task(SqliteDatabase.open(path, ITEMS))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    threads = [t for t in threading.enumerate() if t.name.startswith("umi-writer")]
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
    await (await SqliteDatabase.open(path, ITEMS)).close()


# --- a model ----------------------------------------------------------------------------------------------------------

KEYS = st.sampled_from("abcd")
PUTS = st.tuples(st.just("put"), KEYS)
RAISES = st.tuples(st.just("raise"), KEYS, st.integers(0, 2))
COMMITS = st.lists(st.lists(PUTS | RAISES, min_size=1, max_size=3), max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(COMMITS, max_size=4))
def test_groups_of_commits_do_what_the_same_commits_one_by_one_would(tmp_path_factory, groups):
    """Each group is submitted at once; a dict says what must come of it, also after a reopen."""
    model = {}

    def expect(commit):
        after = dict(model)
        for verb, key, *version in commit:
            if verb == "put" and key in after:
                return Conflict
            if verb == "raise" and after.get(key) != version[0]:
                return GuardFailed
            after[key] = after[key] + 1 if verb == "raise" else 0
        model.update(after)
        return list

    async def run():
        path = str(tmp_path_factory.mktemp("model") / "store.db")
        database = await SqliteDatabase.open(path, ITEMS)
        for group in groups:
            planned = []
            for commit in group:
                changes = Changes()
                for verb, *arguments in commit:
                    changes.extend(put(*arguments) if verb == "put" else raise_from(*arguments))
                planned.append(changes)
            outcomes = await asyncio.gather(*map(database.commit, planned), return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [expect(commit) for commit in group]
            assert dict(await database.view().fetch(ALL)) == model
        await database.close()
        again = await SqliteDatabase.open(path, ITEMS)
        assert dict(await again.view().fetch(ALL)) == model
        await again.close()

    asyncio.run(run())


@pytest.mark.parametrize(("value", "says"), [("half \ud800", "no character"), (2**70, "64 bits")])
async def test_a_value_no_file_can_hold_is_the_callers_mistake_and_disturbs_nobody(database, value, says):
    wrong = database.commit(Changes().write("SELECT ?", value))
    refused, _ = await asyncio.gather(wrong, database.commit(put("right")), return_exceptions=True)
    assert isinstance(refused, InvalidInput)
    assert says in str(refused)
    with pytest.raises(InvalidInput, match=says):
        await database.read([("SELECT ?", (value,))])
    assert len(await database.view().fetch("SELECT * FROM item")) == 1
