"""Activations: one at a time, in order, fenced, bounded, and gone when idle."""

import asyncio

import pytest

from kelpie.actors import MIGRATIONS, ActorId, Placement, Silo, limits, plan_forget
from kelpie.errors import Fenced, InternalError, InvalidInput, NotFound, QueueFull, StoreError
from kelpie.events import ActivationChanged, Events
from umi.storage import Changes, Migration, SqliteDatabase

LOG = Migration("log", 1, "CREATE TABLE log (actor TEXT, entry TEXT)")
ADA = ActorId("log", "ada", "t")


class LogActor:
    """Writes what it is told; its memory is what it loaded plus what it committed."""

    def __init__(self, placement, database):
        self.placement = placement
        self.database = database
        self.entries = []
        self.busy = False

    async def activate(self):
        rows = await self.database.view().fetch("SELECT entry FROM log WHERE actor = ?", self.placement.actor_id.key)
        self.entries = [row[0] for row in rows]

    async def receive(self, command):
        assert not self.busy, "two commands ran at once"
        self.busy = True
        try:
            if isinstance(command, Exception):
                raise command
            await asyncio.sleep(0)
            write = Changes().write("INSERT INTO log VALUES (?, ?)", self.placement.actor_id.key, command)
            await self.placement.commit(write)
            self.entries.append(command)
            return list(self.entries)
        finally:
            self.busy = False


class Scene:
    def __init__(self, database, host):
        self.database = database
        self.events = Events()
        self.changes = []
        self.events.subscribe(lambda e: self.changes.append(e.change) if isinstance(e, ActivationChanged) else None)
        self.silo = Silo("silo-1", database, host, self.events, idle_ms=1000)
        self.actors = []
        self.silo.register("log", self.make)

    def make(self, placement):
        self.actors.append(LogActor(placement, self.database))
        return self.actors[-1]

    async def stored(self):
        return [row[0] for row in await self.database.view().fetch("SELECT entry FROM log ORDER BY rowid")]


@pytest.fixture
async def scene(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "s.db"), [*MIGRATIONS, LOG], host=host)
    yield Scene(database, host)
    await host.close()
    await database.close()


async def test_commands_to_one_actor_run_one_at_a_time_in_order(scene):
    answers = await asyncio.gather(*(scene.silo.tell(ADA, str(number)) for number in range(20)))
    assert answers[-1] == [str(number) for number in range(20)]
    assert await scene.stored() == answers[-1]
    assert len(scene.actors) == 1


async def test_one_slow_actor_delays_nobody_else(scene):
    gate = asyncio.Event()

    class Slow(LogActor):
        async def receive(self, command):
            await gate.wait()

    scene.silo.register("slow", lambda placement: Slow(placement, scene.database))
    slow = scene.silo.tell(ActorId("slow", "x", "t"), "wait")
    assert await scene.silo.tell(ADA, "quick") == ["quick"]
    assert not slow.done()
    gate.set()
    await slow


async def test_an_activation_that_was_taken_over_is_fenced_and_answers_nothing(scene):
    await scene.silo.tell(ADA, "first")
    thief = await Placement.claim(scene.database, ADA, "silo-2")
    assert thief.epoch == 2
    with pytest.raises(Fenced):
        await scene.silo.tell(ADA, "zombie")
    assert await scene.stored() == ["first"]


async def test_after_a_fence_the_next_command_loads_the_state_again(scene):
    await scene.silo.tell(ADA, "first")
    thief = await Placement.claim(scene.database, ADA, "silo-2")
    await thief.commit(Changes().write("INSERT INTO log VALUES ('ada', 'by another')"))
    with pytest.raises(Fenced):
        await scene.silo.tell(ADA, "zombie")
    assert await scene.silo.tell(ADA, "last") == ["first", "by another", "last"]
    with pytest.raises(Fenced):
        await thief.commit(Changes().write("INSERT INTO log VALUES ('ada', 'too late')"))
    assert scene.changes == ["activated", "dropped", "activated"]


async def test_a_command_that_waited_while_its_actor_was_dropped_runs_on_the_new_one(scene):
    """The zombie waiter: mail belongs to the slot, never to the lost activation."""
    broken = scene.silo.tell(ADA, StoreError("the disk failed"))
    waited = scene.silo.tell(ADA, "waited")
    with pytest.raises(StoreError):
        await broken
    assert await waited == ["waited"]
    assert len(scene.actors) == 2
    assert scene.actors[1].placement.epoch == 2


async def test_a_refusal_keeps_the_activation(scene):
    await scene.silo.tell(ADA, "one")
    with pytest.raises(InvalidInput):
        await scene.silo.tell(ADA, InvalidInput("no"))
    assert await scene.silo.tell(ADA, "two") == ["one", "two"]
    assert len(scene.actors) == 1


async def test_every_activation_has_a_higher_epoch_even_in_the_same_silo(scene, clock):
    epochs = []
    for number in range(3):
        await scene.silo.tell(ADA, str(number))
        epochs.append(scene.actors[-1].placement.epoch)
        clock.advance(2000)
        assert scene.silo.deactivate_idle() == 1
    assert epochs == [1, 2, 3]


async def test_an_idle_actor_is_let_go_and_comes_back_with_its_state(scene, clock):
    await scene.silo.tell(ADA, "kept")
    assert scene.silo.live == 1
    clock.advance(999)
    assert scene.silo.deactivate_idle() == 0
    clock.advance(1)
    assert scene.silo.deactivate_idle() == 1
    assert scene.silo.live == 0
    assert await scene.silo.tell(ADA, "more") == ["kept", "more"]


async def test_a_full_mailbox_refuses_before_anything_is_stored(scene):
    for _ in range(limits.MAILBOX_MESSAGES_MAX):
        scene.silo.reserve(ADA)
    with pytest.raises(QueueFull, match="nothing was stored"):
        scene.silo.reserve(ADA)
    scene.silo.release(ADA)
    scene.silo.reserve(ADA)


async def test_a_deleted_actor_fences_what_is_at_work_on_it(scene):
    placement = await Placement.claim(scene.database, ADA, "silo-1")
    await scene.database.commit(plan_forget(ADA))
    with pytest.raises(Fenced):
        await placement.commit(Changes().write("INSERT INTO log VALUES ('ada', 'ghost')"))


async def test_without_the_fence_two_activations_would_both_write(scene):
    """The control: the same takeover, written past the fence, is not noticed."""
    await scene.silo.tell(ADA, "first")
    await Placement.claim(scene.database, ADA, "silo-2")
    await scene.database.commit(Changes().write("INSERT INTO log VALUES ('ada', 'zombie')"))
    assert await scene.stored() == ["first", "zombie"]


async def test_a_command_that_is_tried_again_keeps_its_place(scene):
    """What came later waits, also while the one before it pauses between two attempts."""
    errors = []

    def again(error):
        errors.append(error)
        return 1000 if len(errors) < 3 else None

    broken = scene.silo.tell(ADA, StoreError("the disk failed"), again)
    later = scene.silo.tell(ADA, "later")
    with pytest.raises(StoreError):
        await broken
    assert len(errors) == 3
    assert not later.done()
    assert await later == ["later"]
    assert [actor.placement.epoch for actor in scene.actors] == [1, 2, 3, 4]


async def test_an_actor_that_is_tried_again_is_not_taken_for_idle(scene, clock):
    swept = []

    def again(_error):
        clock.advance(10_000)
        swept.append(scene.silo.deactivate_idle())
        return 1 if len(swept) < 2 else None

    with pytest.raises(StoreError):
        await scene.silo.tell(ADA, StoreError("no"), again)
    assert swept == [0, 0]


async def test_what_was_cancelled_under_a_command_is_a_fault_and_not_a_stop(scene):
    class Waiting(LogActor):
        async def receive(self, command):
            if command == "wait":
                future = asyncio.get_running_loop().create_future()
                future.cancel()
                await future
            return await super().receive(command)

    scene.silo.register("waiting", lambda placement: Waiting(placement, scene.database))
    who = ActorId("waiting", "x", "t")
    cancelled, later = scene.silo.tell(who, "wait"), scene.silo.tell(who, "later")
    with pytest.raises(InternalError, match="cancelled"):
        await cancelled
    assert await asyncio.wait_for(later, 5) == ["later"]


async def test_a_stop_cancels_what_waits_and_leaves_nothing_running(scene, host):
    class Endless(LogActor):
        async def receive(self, command):
            await asyncio.Event().wait()

    scene.silo.register("endless", lambda placement: Endless(placement, scene.database))
    working = scene.silo.tell(ActorId("endless", "x", "t"), "work")
    await asyncio.sleep(0.01)
    await host.close()
    assert working.cancelled()


async def test_a_place_given_back_leaves_no_slot_of_an_actor_that_is_not_there(scene):
    for number in range(100):
        nobody = ActorId("log", f"nobody {number}", "t")
        scene.silo.reserve(nobody)
        scene.silo.release(nobody)
    assert scene.silo.slots == 0
    await scene.silo.tell(ADA, "one")
    scene.silo.reserve(ADA)
    scene.silo.release(ADA)
    assert (scene.silo.slots, scene.silo.live) == (1, 1)


async def test_an_actor_whose_self_was_deleted_is_dropped(scene):
    await scene.silo.tell(ADA, "one")
    with pytest.raises(NotFound):
        await scene.silo.tell(ADA, NotFound("no such thing any more"))
    assert scene.silo.live == 0


async def test_a_placement_tells_whether_it_is_held_still(scene):
    placement = await Placement.claim(scene.database, ADA, "silo-1")
    view = scene.database.view()
    await placement.commit(Changes().write("INSERT INTO log VALUES ('ada', 'one')"))
    placement.demand((await view.all(placement.held))[0])
    thief = await Placement.claim(scene.database, ADA, "silo-2")
    with pytest.raises(Fenced):
        placement.demand((await view.all(placement.held))[0])
    thief.demand((await view.all(thief.held))[0])
    await scene.database.commit(plan_forget(ADA))
    with pytest.raises(Fenced):
        thief.demand((await view.all(thief.held))[0])
