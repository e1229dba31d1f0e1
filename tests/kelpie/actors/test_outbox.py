"""Errands: written with a commit, done once, in the order of their lane, whatever stops whoever does them."""

import asyncio

import pytest

from kelpie.actors import MIGRATIONS, ActorId, Errand, Outbox, limits, plan_forget
from kelpie.actors.outbox import plan_done, plan_put
from kelpie.errors import GuardFailed, StoreClosed, StoreError
from umi.storage import Changes, Migration, SqliteDatabase

LOG = Migration("log", 1, "CREATE TABLE log (entry TEXT)")
ADA = ActorId("agent", "ada", "t")


def errand(number, lane="ada", **fields):
    return Errand(tenant="t", topic="note", id=f"run-{number}", lane=lane, **fields)


class Scene:
    """An outbox whose errands each write a line. `before` and `after` are called at the edges of an errand's commit."""

    def __init__(self, database, host):
        self.database, self.host = database, host
        self.before = self.after = None
        self.attempts, self.done = [], []
        self.another()

    def another(self):
        """What a restart makes: a new outbox on the same store."""
        self.outbox = Outbox(self.database, self.host)
        self.outbox.register("note", self.note)
        return self.outbox

    async def note(self, errand):
        self.attempts.append(errand.id)
        if self.before is not None:
            await self.before(errand)
        line = Changes().write("INSERT INTO log VALUES (?)", errand.id)
        await self.database.commit(line.extend(plan_done(errand)))
        self.done.append(errand.id)
        if self.after is not None:
            await self.after(errand)

    async def put(self, *errands):
        for one in errands:
            await self.database.commit(self.outbox.put(one))

    async def until(self, reached):
        """`reached` is asked after every look at the store, which takes a while and so lets others work."""
        for _ in range(10_000):
            await self.noted()
            if reached():
                return
        raise AssertionError("that never happens")

    async def rest(self):
        await self.until(lambda: not self.outbox.known)

    async def noted(self):
        return [row[0] for row in await self.database.view().fetch("SELECT entry FROM log ORDER BY rowid")]

    async def left(self):
        return [row[0] for row in await self.database.view().fetch("SELECT id FROM outbox ORDER BY seq")]


@pytest.fixture
async def scene(host):
    database = await SqliteDatabase.open(":memory:", [*MIGRATIONS, LOG], host=host)
    yield Scene(database, host)
    await host.close()
    await database.close()


async def test_an_errand_is_done_after_the_commit_that_left_it(scene):
    await scene.put(errand(1))
    await scene.rest()
    assert await scene.noted() == ["run-1"]
    assert await scene.left() == []


async def test_a_commit_that_fails_leaves_no_errand(scene):
    refused = scene.outbox.put(errand(1)).guard("nobody", "SELECT 1 WHERE 0")
    with pytest.raises(GuardFailed):
        await scene.database.commit(refused)
    assert scene.outbox.known == 0
    assert await scene.left() == []


async def test_errands_of_one_lane_are_done_in_their_order_one_at_a_time(scene):
    working = []

    async def busy(errand):
        working.append(errand.id)
        assert len(working) == 1
        await scene.noted()
        working.remove(errand.id)

    scene.before = busy
    await scene.put(*(errand(number) for number in range(20)))
    await scene.rest()
    assert await scene.noted() == [f"run-{number}" for number in range(20)]


async def test_lanes_do_not_wait_for_each_other(scene):
    gate = asyncio.Event()

    async def wait(errand):
        if errand.lane == "slow":
            await gate.wait()

    scene.before = wait
    await scene.put(errand(1, lane="slow"), errand(2, lane="fast"))
    await scene.until(lambda: scene.done == ["run-2"])
    gate.set()
    await scene.rest()
    assert await scene.noted() == ["run-2", "run-1"]


async def test_what_a_stopped_process_left_is_done_at_the_next_start(scene):
    await scene.database.commit(plan_put(errand(1)).extend(plan_put(errand(2))))
    await scene.another().recover()
    await scene.rest()
    assert await scene.noted() == ["run-1", "run-2"]


async def test_two_processes_that_take_up_the_same_errand_do_it_once(scene, host):
    await scene.database.commit(plan_put(errand(1)))
    met = asyncio.Barrier(2)

    async def meet(errand):
        if len(scene.attempts) <= 2:
            await met.wait()

    scene.before = meet
    first, second = scene.outbox, scene.another()
    await first.recover()
    await second.recover()
    await scene.rest()
    scene.outbox = first
    await scene.rest()
    assert len(scene.attempts) >= 2
    assert await scene.noted() == ["run-1"]


async def test_a_failure_is_tried_again_and_holds_up_nobody(scene, host):
    async def fail(errand):
        if errand.id == "run-1" and scene.attempts.count("run-1") < 4:
            raise StoreError("not now") if scene.attempts.count("run-1") % 2 else ZeroDivisionError

    scene.before = fail
    before_ms = host.clock.now_ms()
    await scene.put(errand(1), errand(2))
    await scene.rest()
    assert sorted(await scene.noted()) == ["run-1", "run-2"]
    assert host.clock.now_ms() - before_ms == sum(limits.OUTBOX_RETRY_DELAY_MS * 2**n for n in range(3))


async def test_pauses_between_attempts_are_bounded(scene, host):
    async def fail(errand):
        if len(scene.attempts) < 15:
            raise StoreError("not now")

    scene.before = fail
    before_ms = host.clock.now_ms()
    await scene.put(errand(1))
    await scene.rest()
    grown = sum(limits.OUTBOX_RETRY_DELAY_MS * 2**n for n in range(6))
    assert host.clock.now_ms() - before_ms == grown + 8 * limits.OUTBOX_RETRY_DELAY_MS_MAX


async def test_a_commit_nobody_heard_of_was_made_once(scene):
    async def unheard(errand):
        if len(scene.attempts) == 1:
            raise StoreError("no answer")

    scene.after = unheard
    await scene.put(errand(1))
    await scene.rest()
    assert await scene.noted() == ["run-1"]
    assert scene.attempts == ["run-1"]  # it was found gone before anything was done again


async def test_a_closed_store_is_left_alone(scene):
    async def closed(errand):
        raise StoreClosed("closed")

    scene.before = closed
    await scene.put(errand(1))
    await scene.rest()
    assert scene.attempts == ["run-1"]
    assert await scene.left() == ["run-1"]


async def test_an_errand_put_again_while_it_waits_is_done_once_and_while_it_is_done_again(scene):
    async def again(one):
        if len(scene.attempts) == 1:
            await scene.put(errand(1))

    await scene.put(errand(1, due_at_ms=scene.host.clock.now_ms() + 50), errand(1), errand(1))
    await scene.rest()
    assert await scene.noted() == ["run-1"]
    scene.attempts.clear()
    scene.before = again
    await scene.put(errand(1))
    await scene.rest()
    assert await scene.left() == []
    assert await scene.noted() == ["run-1", "run-1"]  # the first attempt had read what was put anew meanwhile
    assert len(scene.attempts) == 2


async def test_an_errand_waits_for_its_time_but_not_for_a_clock_that_jumped(scene, host):
    async def when(errand):
        scene.began_ms = host.clock.now_ms()

    scene.before = when
    before_ms = host.clock.now_ms()
    await scene.put(errand(1, due_at_ms=before_ms + 5_000))
    await scene.rest()
    assert scene.began_ms == before_ms + 5_000
    await scene.put(errand(2, due_at_ms=before_ms + 10**12))
    await scene.rest()
    assert scene.began_ms == before_ms + 5_000 + limits.OUTBOX_WAIT_MS_MAX


async def test_errands_of_a_deleted_actor_are_void(scene):
    await scene.database.commit(plan_put(errand(1, owner=str(ADA))).extend(plan_put(errand(2))))
    await scene.database.commit(plan_forget(ADA))
    assert await scene.left() == ["run-2"]


async def test_an_errand_that_became_void_while_it_was_done_has_no_effect(scene):
    async def delete(errand):
        if len(scene.attempts) == 1:
            await scene.database.commit(plan_forget(ADA))

    scene.before = delete
    await scene.put(errand(1, owner=str(ADA)))
    await scene.rest()
    assert await scene.noted() == []


async def test_settling_waits_for_what_a_lane_does_now(scene):
    gate = asyncio.Event()

    async def wait(errand):
        await gate.wait()

    scene.before = wait
    await scene.outbox.settle("t", "ada", 10_000)  # nothing to wait for
    await scene.put(errand(1))
    await scene.outbox.settle("t", "ada", 5)  # patience ends
    assert await scene.noted() == []
    settled = asyncio.create_task(scene.outbox.settle("t", "ada", 10_000))
    gate.set()
    await settled
    assert await scene.noted() == ["run-1"]


async def test_what_nobody_works_on_is_taken_up_after_a_while(scene, host):
    """By a process that never heard of it: its writer is gone."""
    looks = []

    async def sleep(duration_ms):
        looks.append(duration_ms)
        if len(looks) > 2:
            await asyncio.Event().wait()
        host.clock.advance(duration_ms)
        if len(looks) == 1:
            await scene.database.commit(plan_put(errand(1)).extend(plan_put(errand(2, due_at_ms=host.clock.now_ms()))))

    host.clock.sleep = sleep
    scene.outbox.start()
    await scene.until(lambda: len(looks) == 3)
    await scene.rest()
    assert looks == [limits.OUTBOX_SWEEP_MS] * 3
    assert await scene.noted() == ["run-1"]  # what was due a moment ago has somebody, who is at work on it


async def test_a_sweep_that_fails_looks_again(scene, host):
    looks, failed, well = [], asyncio.Event(), asyncio.Event()

    async def sleep(duration_ms):
        looks.append(duration_ms)
        failed.set()
        await (well if len(looks) == 1 else asyncio.Event()).wait()

    host.clock.sleep = sleep
    read, scene.database.read = scene.database.read, broken
    scene.outbox.start()
    await asyncio.wait_for(failed.wait(), 10)
    scene.database.read = read
    await scene.database.commit(plan_put(errand(1)))
    well.set()
    await scene.until(lambda: len(looks) == 2)
    await scene.rest()
    assert await scene.noted() == ["run-1"]


async def broken(queries, over=None):
    raise ZeroDivisionError
