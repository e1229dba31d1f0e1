"""An agent that changes hands, and messages of which nobody knows whether they were acknowledged."""

import asyncio

import pytest

from kelpie.actors import Silo
from kelpie.agents import limits
from kelpie.agents.agent import plan_delete
from kelpie.agents.inbox import Inbox
from kelpie.errors import CommitUnknown, NotFound, QueueFull
from kelpie.events import RunEnded
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import messages, runs
from kelpie.trajectories.records import Run, RunInput, RunOptions
from umi.storage import Page
from umi.wire.types import Message, ToolSpec


@pytest.fixture
def gate():
    return asyncio.Event()


@pytest.fixture
def extra_tools(gate):
    async def wait(context, arguments):
        gate.set()
        await asyncio.Event().wait()

    async def act(context, arguments):
        return Outcome("acted")

    anything = {"type": "object", "properties": {}}
    return [
        Tool(ToolSpec("wait", "wait", anything), wait, "outside"),
        Tool(ToolSpec("act", "act", anything), act, "outside"),
    ]


async def end_of(stream):
    ended, _ = await asyncio.wait_for(stream.wait(), 10)
    return ended


async def acknowledged_unheard(house, agent, text):
    """A run as another process commits it, or one whose commit was durable and whose process never heard of it."""
    run = Run(
        tenant="t",
        id=house.host.ids.new("run"),
        agent_id=agent.id,
        status="created",
        input=[RunInput(id=house.host.ids.new("message"), body=Message(role="user", content=text))],
        options=RunOptions(),
    )
    await house.database.commit(runs.plan_accept(run))
    return run


async def turns(house, agent):
    """The texts of the users' messages, each followed by how many messages its turn has without a break."""
    stored = (await messages.list_messages(house.view, "t", Page(limit=100), agent_id=agent.id))[1:]
    told = []
    for message in stored:
        if not told or told[-1][0] != message.run_id:
            told.append([message.run_id, message.body.text, 0])
        told[-1][2] += 1
    assert len({one[0] for one in told}) == len(told), "the steps of two turns are mixed"
    return [(text, count) for _, text, count in told]


async def test_the_next_message_waits_for_a_turn_that_another_process_left_open(house):
    agent = await house.agent("act")
    await acknowledged_unheard(house, agent, "first")
    assert (await house.send(agent, "second")).status == "completed"
    assert await turns(house, agent) == [("first", 2), ("second", 2)]


async def test_a_turn_in_the_middle_is_finished_by_whoever_gets_the_agent_next(open_house, gate):
    first = await open_house()
    agent = await first.agent("wait", "act")
    first.model.script = [first.call(("act", "{}")), first.call(("wait", "{}"))]
    await first.accept(agent, "first")
    await gate.wait()
    await first.host.close()
    await first.database.close()

    second = await open_house()  # and nobody recovers anything
    assert (await second.send(agent, "second")).status == "completed"
    assert await turns(second, agent) == [("first", 6), ("second", 2)]
    assert {run.status for run in await runs.list_runs(second.view, "t", Page())} == {"completed"}


async def test_a_turn_that_has_begun_comes_before_one_that_was_committed_earlier_and_not_heard_of(open_house, gate):
    first = await open_house()
    agent = await first.agent("wait")
    await first.send(agent, "hello")  # the activation has looked for what was left open
    await acknowledged_unheard(first, agent, "unheard")
    first.model.script = [first.call(("wait", "{}"))]
    await first.accept(agent, "begun")
    await gate.wait()
    await first.host.close()
    await first.database.close()

    second = await open_house()
    open_runs = await runs.open_runs(second.view)
    assert await second.inbox.recover() == 2
    for run in open_runs:
        await end_of(second.inbox.stream_of(run.id))
    assert await turns(second, agent) == [("hello", 2), ("begun", 4), ("unheard", 2)]


async def test_a_bug_in_a_turn_that_was_left_open_ends_that_turn_and_not_the_next(house):
    agent = await house.agent()
    left = await acknowledged_unheard(house, agent, "first")

    async def bug(request, on_delta):
        raise ZeroDivisionError

    house.model.will(bug)
    assert (await house.send(agent, "second")).status == "completed"
    assert (await house.run(left.id)).status == "failed"
    assert await turns(house, agent) == [("first", 1), ("second", 2)]


async def test_a_run_that_another_process_has_ended_is_not_begun_again(house):
    agent = await house.agent()
    other = Inbox(house.workshop, Silo("silo-2", house.database, house.host, house.events))
    found_open = await acknowledged_unheard(house, agent, "Hi")
    assert await house.inbox.recover() == 1
    assert (await end_of(house.inbox.stream_of(found_open.id))).run.status == "completed"
    asked = len(house.model.requests)
    ended = await end_of(other._tell(found_open))  # it read the open runs before that
    assert (ended.run.status, len(ended.steps)) == ("completed", 1)
    assert len(house.model.requests) == asked
    assert await turns(house, agent) == [("Hi", 2)]


class Doubt:
    """The first commits of a database are of unknown outcome: made or not."""

    def __init__(self, database, endings):
        self._commit, self._endings = database.commit, list(endings)
        self.asked = 0
        database.commit = self.commit

    async def commit(self, changes):
        self.asked += 1
        if self._endings:
            if self._endings.pop(0) == "made":
                unheard = type(changes)(list(changes.writes))
                await self._commit(unheard)
            raise CommitUnknown("no answer")
        return await self._commit(changes)


def doubt_until_opened(database):
    """Every commit is of unknown outcome, and not made, until the event that is returned is set."""
    opened, commit = asyncio.Event(), database.commit

    async def closed(changes):
        if not opened.is_set():
            raise CommitUnknown("no answer")
        return await commit(changes)

    database.commit = closed
    return opened


@pytest.mark.parametrize("endings", [["made"], ["lost"], ["lost", "lost", "made"], ["made", "lost"]])
async def test_a_message_of_unknown_fate_is_acknowledged_once_it_is_there_and_is_there_once(house, endings):
    agent = await house.agent()
    doubt = Doubt(house.database, endings)
    assert (await house.send(agent, "Hi")).status == "completed"
    assert doubt.asked > len(endings)
    assert await house.history(agent) == [("user", "Hi"), ("assistant", "ok")]
    assert len(await runs.list_runs(house.view, "t", Page())) == 1


async def test_a_sender_does_not_wait_for_ever_and_the_message_is_worked_on_all_the_same(house, monkeypatch):
    monkeypatch.setattr(limits, "ACCEPT_DOUBT_MS_MAX", 1)
    agent = await house.agent()
    opened = doubt_until_opened(house.database)
    with pytest.raises(CommitUnknown):
        await house.accept(agent, "Hi")
    ended = asyncio.Event()
    house.events.subscribe(lambda event: ended.set() if isinstance(event, RunEnded) else None)
    opened.set()
    await asyncio.wait_for(ended.wait(), 10)
    assert await house.history(agent) == [("user", "Hi"), ("assistant", "ok")]


async def test_a_message_of_unknown_fate_to_an_agent_that_is_gone_is_refused(house):
    agent = await house.agent()
    await house.database.commit(plan_delete("t", agent.id))
    Doubt(house.database, ["lost"])
    with pytest.raises(NotFound):
        await house.accept(agent, "Hi")
    assert await house.history(agent) == []


async def test_a_bug_late_in_a_turn_that_was_left_open_ends_that_turn_with_what_it_had_done(house):
    """Its first step is committed when it fails: what was read of it before says otherwise."""
    agent = await house.agent("act")
    left = await acknowledged_unheard(house, agent, "first")

    async def bug(request, on_delta):
        raise ZeroDivisionError

    house.model.script = [house.call(("act", "{}")), bug]
    assert (await house.send(agent, "second")).status == "completed"
    assert (await house.run(left.id)).status == "failed"
    assert await turns(house, agent) == [("first", 3), ("second", 2)]
    assert (await house.send(agent, "third")).status == "completed"


async def test_a_run_in_doubt_keeps_its_place_and_counts_as_open(house):
    agent = await house.agent()
    opened = doubt_until_opened(house.database)
    sending = asyncio.ensure_future(house.accept(agent, "Hi"))
    await house.settled()
    assert house.silo.reserved == 1
    house.inbox.runs_open_max = 1
    with pytest.raises(QueueFull):
        await house.accept(agent, "more")
    opened.set()
    assert (await end_of(await sending)).run.status == "completed"
    assert house.silo.reserved == 0
