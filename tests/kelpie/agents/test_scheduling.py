"""Scheduled messages: each time they are due they become one run, whatever stops the server, and wherever."""

import asyncio

import pytest

from kelpie.actors import Cron, Every, Once, Reminders, limits
from kelpie.agents import agent as agents
from kelpie.agents.scheduling import Mailing, Scheduling
from kelpie.errors import LimitExceeded, NotFound, NotPermitted, QueueFull
from kelpie.people import Speaker
from kelpie.trajectories import runs
from kelpie.trajectories.records import RunOptions
from umi.dst import Rng
from umi.storage import Changes, Page
from umi.wire.types import Message

RESTARTS, REMINDERS = 20, 50
MINUTE, DAY = 60_000, 86_400_000


def mailing(*texts, **options):
    return Mailing(messages=[Message(role="user", content=text) for text in texts], options=RunOptions(**options))


class Life:
    """One life of a server that sends what is scheduled."""

    def __init__(self, house):
        self.house = house
        self.reminders = Reminders(house.database, house.host)
        self.scheduling = Scheduling(house.database, house.host, house.inbox, self.reminders)

    async def rest(self):
        while self.house.inbox.open:
            await self.house.view.fetch("SELECT 1")

    async def said(self):
        """The first message of every run there is, oldest first."""
        found = await runs.list_runs(self.house.view, "t", Page(limit=1000))
        return [run.input[0].body.text for run in found]


@pytest.fixture
async def life(house):
    return Life(house)


async def test_a_scheduled_message_becomes_a_run_with_all_that_was_set_for_it(life, clock):
    agent = await life.house.agent()
    due = clock.now_ms() + MINUTE
    made = await life.scheduling.add("t", agent.id, Once(due), mailing("good", "morning", max_steps=3, background=True))
    assert await life.reminders.fire_due() == 0
    clock.advance(MINUTE)
    assert await life.reminders.fire_due() == 1
    await life.rest()
    (run,) = await runs.list_runs(life.house.view, "t", Page())
    assert [one.body.text for one in run.input] == ["good", "morning"]
    assert (run.status, run.options.max_steps, run.options.background) == ("completed", 3, True)
    assert await life.house.history(agent) == [("user", "good"), ("user", "morning"), ("assistant", "ok")]
    with pytest.raises(NotFound):
        await life.scheduling.get("t", agent.id, made.reminder.id)


async def test_one_that_repeats_sends_new_messages_each_time(life, clock):
    agent = await life.house.agent()
    await life.scheduling.add("t", agent.id, Every(MINUTE, clock.now_ms()), mailing("tick"))
    for _ in range(3):
        clock.advance(MINUTE)
        assert await life.reminders.fire_due() == 1
    await life.rest()
    assert await life.said() == ["tick"] * 3


async def test_a_full_mailbox_delays_what_is_due_and_loses_nothing(life, clock):
    agent = await life.house.agent()
    await life.scheduling.add("t", agent.id, Once(clock.now_ms()), mailing("later"))
    life.house.inbox.runs_open_max = 0
    with pytest.raises(QueueFull):
        await life.house.accept(agent, "now")
    assert await life.reminders.fire_due() == 0
    life.house.inbox.runs_open_max = 10
    clock.advance(limits.REMINDER_RETRY_DELAY_MS)
    assert await life.reminders.fire_due() == 1
    await life.rest()
    assert await life.said() == ["later"]


async def test_a_deleted_agent_takes_its_schedules_with_it(life, clock):
    agent = await life.house.agent()
    await life.scheduling.add("t", agent.id, Once(clock.now_ms()), mailing("gone"))
    await life.house.database.commit(agents.plan_delete("t", agent.id))
    assert await life.reminders.fire_due() == 0
    assert await life.house.view.fetch("SELECT * FROM reminder") == []


async def test_an_agent_is_there_is_nobodys_conversation_and_has_not_too_many(life, clock):
    soon, agent = Once(clock.now_ms() + DAY), await life.house.agent()
    with pytest.raises(NotFound):
        await life.scheduling.add("other", agent.id, soon, mailing("hi"))
    with pytest.raises(NotFound):
        await life.scheduling.page("other", agent.id, Page())
    owned = await life.house.agent(speaker=Speaker("person-1", "Anna", ()))
    with pytest.raises(NotPermitted):
        await life.scheduling.add("t", owned.id, soon, mailing("hi"))
    for _ in range(limits.REMINDERS_PER_ACTOR_MAX):
        made = await life.scheduling.add("t", agent.id, soon, mailing("hi"))
    with pytest.raises(LimitExceeded):
        await life.scheduling.add("t", agent.id, soon, mailing("hi"))
    await life.scheduling.delete("t", agent.id, made.reminder.id)
    with pytest.raises(NotFound):
        await life.scheduling.delete("t", agent.id, made.reminder.id)
    await life.scheduling.add("t", agent.id, soon, mailing("hi"))


# ---- restarts


class Stop:
    """Ends a life at its nth commit: before it happens, or once it is durable and before anybody heard of it."""

    def __init__(self, database, number, side):
        self.number, self.side = number, side
        self.count, self.fired = 0, asyncio.Event()
        self._commit = database.commit
        database.commit = self.commit

    async def commit(self, changes):
        self.count += 1
        mine = self.count == self.number
        if mine and self.side == "before":
            await self._end()
        rows = await self._commit(changes)
        if mine and self.side == "after":
            await self._end()
        return rows

    async def _end(self):
        self.fired.set()
        await asyncio.Event().wait()


async def live_through(open_house, host, rng, step_ms):
    """One life that is stopped at one of its first commits. Returns whether it was."""
    life = Life(await open_house())
    stop = Stop(life.house.database, rng.randint(1, 5), "before" if rng.randint(0, 1) else "after")
    await life.house.inbox.recover()
    host.clock.advance(step_ms)
    work = host.spawn(life.reminders.fire_due(), "fire")
    over = host.spawn(stop.fired.wait(), "stop")
    await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
    await host.close()
    await life.house.database.close()
    return stop.fired.is_set()


async def fifty_over_twenty_restarts(open_house, host):
    """What was said to the agents in the end, and how many lives were stopped in the middle of their work."""
    rng, clock = Rng("restarts"), host.clock
    first = Life(await open_house())
    agents_there = [await first.house.agent() for _ in range(7)]
    step_ms, began = DAY // 40, clock.now_ms()
    for number in range(REMINDERS):
        at = began + rng.randint(1, RESTARTS - 1) * step_ms - rng.randint(0, MINUTE)
        when = [Once(at), Every(DAY, at - DAY), Cron(cron_of(at))][number % 3]
        await first.scheduling.add("t", agents_there[number % 7].id, when, mailing(f"reminder {number}"))
    await host.close()
    await first.house.database.close()
    stopped = [await live_through(open_house, host, rng, step_ms) for _ in range(RESTARTS)]
    last = Life(await open_house())
    await last.house.inbox.recover()
    await last.reminders.fire_due()
    await last.rest()
    assert {run.status for run in await runs.list_runs(last.house.view, "t", Page(limit=1000))} == {"completed"}
    return await last.said(), sum(stopped)


def cron_of(at_ms):
    """The minute of a moment, each day."""
    minutes = at_ms // MINUTE % 1440
    return f"{minutes % 60} {minutes // 60} * * *"


async def test_fifty_reminders_over_twenty_restarts_are_each_sent_once(open_house, host):
    said, stopped = await fifty_over_twenty_restarts(open_house, host)
    assert sorted(said, key=lambda text: int(text.split()[1])) == [f"reminder {number}" for number in range(REMINDERS)]
    assert stopped >= RESTARTS // 2


@pytest.mark.parametrize("mutant", ["not noted", "noted apart"])
async def test_a_reminder_that_is_noted_otherwise_than_with_its_run_is_found_out(open_house, host, monkeypatch, mutant):
    """The same twenty restarts, over a handler with a bug: what the test above must not pass."""
    send = Scheduling._send

    async def buggy(self, reminder, fired):
        await send(self, reminder, Changes())
        if mutant == "noted apart":
            await self._database.commit(fired)

    monkeypatch.setattr(Scheduling, "_send", buggy)
    said, _ = await fifty_over_twenty_restarts(open_house, host)
    assert len(said) > len(set(said))
