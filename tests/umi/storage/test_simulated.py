"""The simulated store keeps the contract of a Database."""

import asyncio

import pytest

from umi.errors import CommitUnknown, Conflict, GuardFailed, StoreClosed
from umi.storage import Changes, View
from umi.storage.simulated import SimulatedDatabase

from .conftest import ALL, ITEMS, put, raise_from


@pytest.fixture
async def database(host):
    database = SimulatedDatabase("seed", ITEMS, host=host)
    yield database
    await database.close()


async def test_a_view_sees_what_is_only_planned_and_nobody_else_does(database):
    planned = put("a").write("UPDATE item SET value = 7")
    assert await View(database, planned).fetch(ALL) == [("a", 7)]
    assert await View(database).fetch(ALL) == []
    returning = Changes().write("INSERT INTO item VALUES ('t', 'b', 1) RETURNING key")
    assert await database.commit(returning) == [("b",)]
    assert await View(database).fetch(ALL) == [("b", 1)]


async def test_refusals_have_their_names_and_write_nothing(database):
    await database.commit(put("a"))
    with pytest.raises(Conflict):
        await database.commit(put("b").extend(put("a")))
    with pytest.raises(GuardFailed):
        await database.commit(put("b").extend(raise_from("a", 9)))
    with pytest.raises(Conflict):
        await View(database, put("a")).fetch(ALL)
    assert await View(database).fetch(ALL) == [("a", 0)]


async def test_hooks_run_when_a_commit_is_durable_and_not_when_it_is_unknown(database):
    ran = []
    await database.commit(put("a").after(lambda: ran.append("a")))
    await database.commit(Changes().after(lambda: ran.append("nothing to write")))
    database.faults.plan("disk.sync_error")
    with pytest.raises(CommitUnknown):
        await database.commit(put("b").after(lambda: ran.append("b")))
    assert database.faults.fired == {"disk.sync_error": 1}
    assert ran == ["a", "nothing to write"]


async def test_a_caller_that_goes_away_takes_nothing_with_it(database):
    ran = []
    writing = asyncio.ensure_future(database.commit(put("a").after(lambda: ran.append("a"))))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ran == ["a"]
    assert await View(database).fetch(ALL) == [("a", 0)]


async def test_others_run_during_every_call(database):
    order = []

    async def write(key):
        order.append(f"{key} begins")
        await database.commit(put(key))
        order.append(f"{key} ends")

    await asyncio.gather(write("a"), write("b"))
    assert order == ["a begins", "b begins", "a ends", "b ends"]


async def test_a_closed_one_stays_closed_also_after_a_crash(database):
    await database.commit(put("a"))
    await database.close()
    await database.close()
    database.crash()
    with pytest.raises(StoreClosed):
        await database.commit(put("b"))
