"""Reminders: kept over restarts, each time done once, whoever looks and whatever fails."""

import asyncio

import pytest

from kelpie.actors import MIGRATIONS, ActorId, Cron, Every, Once, Reminders, limits, plan_forget
from kelpie.actors.reminders import get, list_reminders, new_reminder, plan_delete
from kelpie.errors import GuardFailed, InvalidInput, LimitExceeded, NotFound, StoreClosed, StoreError
from umi.storage import Changes, Migration, Page, SqliteDatabase, View

LOG = Migration("log", 1, "CREATE TABLE log (entry TEXT, due_at_ms INTEGER)")
ADA = ActorId("agent", "ada", "t")
HOUR = 3_600_000


class Scene:
    """Reminders that each write a line. `before` and `after` are called at the edges of a reminder's commit."""

    def __init__(self, database, host):
        self.database, self.host, self.clock = database, host, host.clock
        self.before = self.after = None
        self.reminders = self.another()

    def another(self):
        """What a restart makes, or another process."""
        reminders = Reminders(self.database, self.host)
        reminders.register("note", self.note)
        return reminders

    async def note(self, reminder, fired):
        if self.before is not None:
            await self.before(reminder)
        line = Changes().write("INSERT INTO log VALUES (?, ?)", reminder.body["text"], reminder.due_at_ms)
        await self.database.commit(line.extend(fired))
        if self.after is not None:
            await self.after(reminder)

    async def add(self, when, text="tea", actor=ADA):
        made = new_reminder(self.host, actor, "note", when, {"text": text})
        await self.database.commit(self.reminders.add(made))
        return made

    async def noted(self):
        return [row[0] for row in await View(self.database).fetch("SELECT entry FROM log ORDER BY rowid")]

    def now(self):
        return self.clock.now_ms()


@pytest.fixture
async def scene(host):
    database = await SqliteDatabase.open(":memory:", [*MIGRATIONS, LOG], host=host)
    yield Scene(database, host)
    await host.close()
    await database.close()


async def test_a_reminder_is_not_done_before_its_time_and_once_after_it(scene):
    made = await scene.add(Once(scene.now() + 1_000))
    scene.clock.advance(999)
    assert await scene.reminders.fire_due() == 0
    scene.clock.advance(1)
    assert await scene.reminders.fire_due() == 1
    assert await scene.reminders.fire_due() == 0
    assert await scene.noted() == ["tea"]
    with pytest.raises(NotFound):
        await get(View(scene.database), ADA, "note", made.id)


async def test_what_was_missed_is_made_up_for_once_and_the_rhythm_is_kept(scene):
    began = scene.now()
    made = await scene.add(Every(HOUR, began))
    scene.clock.advance(10 * HOUR + 5)
    assert await scene.reminders.fire_due() == 1
    assert (await get(View(scene.database), ADA, "note", made.id)).due_at_ms == began + 11 * HOUR
    scene.clock.advance(HOUR)
    assert await scene.reminders.fire_due() == 1
    assert await scene.noted() == ["tea", "tea"]


async def test_a_cron_reminder_goes_on(scene):
    made = await scene.add(Cron("0 9 * * *", "Europe/Berlin"))
    for _ in range(3):
        due = (await get(View(scene.database), ADA, "note", made.id)).due_at_ms
        scene.clock.advance(due - scene.now())
        assert await scene.reminders.fire_due() == 1
    assert len(await scene.noted()) == 3


async def test_two_processes_that_see_the_same_reminder_do_it_once(scene):
    await scene.add(Once(scene.now()))
    met, tried = asyncio.Barrier(2), []

    async def meet(reminder):
        tried.append(reminder.id)
        await met.wait()

    scene.before = meet
    fired = await asyncio.gather(scene.reminders.fire_due(), scene.another().fire_due())
    assert len(tried) == 2  # both were about to
    assert sorted(fired) == [0, 1]
    assert await scene.noted() == ["tea"]


@pytest.mark.parametrize("edge", ["before", "after"])
async def test_a_process_that_stops_at_either_edge_of_the_commit_does_it_once(scene, edge):
    await scene.add(Every(HOUR, scene.now()))
    scene.clock.advance(HOUR)
    stopped = []

    async def stop(reminder):
        stopped.append(reminder.id)
        raise StoreClosed("the process stops here")

    setattr(scene, edge, stop)
    with pytest.raises(StoreClosed):
        await scene.reminders.fire_due()
    assert stopped
    scene.before = scene.after = None
    assert await scene.another().fire_due() == (1 if edge == "before" else 0)
    assert await scene.noted() == ["tea"]


async def test_what_fails_is_tried_again_later_and_holds_up_nobody(scene):
    await scene.add(Once(scene.now()), "bad")
    await scene.add(Once(scene.now()), "good")
    failures = [StoreError("no"), RuntimeError("a bug"), None]
    tried = []

    async def fail(reminder):
        if reminder.body["text"] == "bad":
            tried.append(scene.now())
            if error := failures.pop(0):
                raise error

    scene.before = fail
    began = scene.now()
    assert await scene.reminders.fire_due() == 1
    assert await scene.reminders.fire_due() == 0  # at once is too early
    scene.clock.advance(limits.REMINDER_RETRY_DELAY_MS)
    assert await scene.reminders.fire_due() == 0
    scene.clock.advance(2 * limits.REMINDER_RETRY_DELAY_MS)
    assert await scene.reminders.fire_due() == 1
    assert [at - began for at in tried] == [0, 1_000, 3_000]
    assert await scene.noted() == ["good", "bad"]
    assert scene.reminders._postponed == {}


async def test_all_that_is_due_is_done_however_much_it_is(scene):
    many = limits.REMINDERS_PAGE + 5
    for number in range(many):
        await scene.add(Once(scene.now()), str(number), ActorId("agent", f"agent-{number}", "t"))
    assert await scene.reminders.fire_due() == many
    assert sorted(map(int, await scene.noted())) == list(range(many))


async def test_an_actor_has_no_more_reminders_than_it_may(scene):
    for _ in range(limits.REMINDERS_PER_ACTOR_MAX):
        await scene.add(Once(scene.now() + HOUR))
    with pytest.raises(GuardFailed) as refused:
        await scene.add(Once(scene.now() + HOUR))
    assert refused.value.guard == "reminders"
    await scene.add(Once(scene.now() + HOUR), actor=ActorId("agent", "ben", "t"))
    await scene.add(Once(scene.now() + HOUR), actor=ActorId("agent", "ada", "other"))


async def test_a_body_that_is_too_large_is_refused(scene):
    with pytest.raises(LimitExceeded, match="bytes"):
        await scene.add(Once(scene.now()), "x" * limits.REMINDER_BODY_BYTES_MAX)


async def test_a_body_that_is_no_text_is_refused(scene):
    with pytest.raises(InvalidInput, match="no character"):
        await scene.add(Once(scene.now()), "\ud800")


async def test_a_deleted_actor_is_reminded_of_nothing(scene):
    await scene.add(Once(scene.now()), "gone")
    await scene.add(Once(scene.now()), "there", ActorId("agent", "ben", "t"))
    await scene.database.commit(plan_forget(ADA))
    assert await scene.reminders.fire_due() == 1
    assert await scene.noted() == ["there"]


async def test_one_that_is_deleted_while_it_is_being_done_is_not_done(scene):
    made = await scene.add(Once(scene.now()))

    async def delete(_):
        await scene.database.commit(plan_delete(ADA, "note", made.id))

    scene.before = delete
    assert await scene.reminders.fire_due() == 0
    assert await scene.noted() == []


@pytest.mark.parametrize(
    "other", [ActorId("agent", "ben", "t"), ActorId("agent", "ada", "u"), ActorId("x", "ada", "t")]
)
async def test_a_reminder_is_its_actors_alone(scene, other):
    made = await scene.add(Once(scene.now() + HOUR))
    with pytest.raises(NotFound):
        await get(View(scene.database), other, "note", made.id)
    with pytest.raises(GuardFailed):
        await scene.database.commit(plan_delete(other, "note", made.id))
    assert await list_reminders(View(scene.database), other, "note", Page()) == []
    assert await list_reminders(View(scene.database), ADA, "note", Page()) == [made]
    assert await list_reminders(View(scene.database), ADA, "other", Page()) == []


async def test_the_watch_does_what_comes_due_and_what_is_added(scene):
    """On the manual clock a deadline is real time: only what is due at once, or is told of, can be waited for."""
    done = asyncio.Queue()
    scene.after = done.put
    await scene.add(Once(scene.now()), "before")
    scene.reminders.start()
    async with asyncio.timeout(20):
        assert (await done.get()).body["text"] == "before"
        await scene.add(Once(scene.now()), "later")
        assert (await done.get()).body["text"] == "later"
