"""Whatever stops a run, and wherever between two commits: it ends, its effects happen once, its history has no gap."""

import asyncio
import json

import pytest

from kelpie.agents.turn.stream import Committed
from kelpie.errors import StoreError
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import messages, runs, steps
from umi import archival, core
from umi.storage import Page
from umi.wire.types import ToolSpec

EFFECTS = []
COMMITS = 7  # accept, claim, memory step, fact step, intents, results, last reply


async def act(context, arguments):
    EFFECTS.append(context.tool_call_id)
    return Outcome("acted")


@pytest.fixture
def extra_tools():
    EFFECTS.clear()
    return [Tool(ToolSpec("act", "act", {"type": "object", "properties": {}}), act, "outside")]


def answers(house):
    """A model that reads what it did from the conversation, as a real one does: a note, a fact, an act, a word."""

    def answer(request, _on_delta):
        done = [message.name for message in request.messages if message.role == "tool"]
        if "core_memory_append" not in done:
            return house.call(("core_memory_append", json.dumps({"label": "notes", "content": "noted"})))
        if "archival_memory_insert" not in done:
            return house.call(("archival_memory_insert", json.dumps({"content": "a fact"})))
        if "act" not in done:
            return house.call(("act", "{}"), text="I act.")
        return house.say("All done.")

    return [answer] * 50


class Fault:
    """Meets the nth commit of a database: before it happens, or after it is durable but before anybody heard."""

    def __init__(self, house, number, side, happens):
        self.number, self.side, self.happens = number, side, happens
        self.count, self.fired = 0, asyncio.Event()
        self._commit = house.database.commit
        house.database.commit = self.commit

    async def commit(self, changes):
        self.count += 1
        mine = self.count == self.number
        if mine and self.side == "before":
            await self._fire()
        rows = await self._commit(changes)
        if mine and self.side == "after":
            await self._fire()
        return rows

    async def _fire(self):
        self.fired.set()
        await self.happens()


async def stop():
    """The process is gone: nobody ever hears of this commit."""
    await asyncio.Event().wait()


async def fail():
    raise StoreError("the disk had a moment")


async def prepare(house):
    agent = await house.agent("core_memory_append", "archival_memory_insert", "act")
    house.model.script = answers(house)
    return agent


async def check_whole(house, agent):
    """Every promise about a completed run, however often it was interrupted. Returns the texts of its history."""
    stored = await messages.list_messages(house.view, "t", Page(limit=1000), agent_id=agent.id)
    assert [message.position for message in stored] == list(range(len(stored)))
    (run,) = await runs.list_runs(house.view, "t", Page())
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    assert [m.body.text for m in stored if m.body.role == "user"] == ["go"]
    asked = [one.id for message in stored for one in message.body.tool_calls]
    answered = [message.body.tool_call_id for message in stored if message.body.role == "tool"]
    assert asked == answered
    assert len(set(asked)) == len(asked)
    found = await steps.of_run(house.view, "t", run.id)
    assert [step.number for step in found] == list(range(1, len(found) + 1))
    assert {step.state for step in found} == {"done"}
    assert (await core.by_label(house.view, "t", agent.id, "notes")).value == "noted"
    assert [f.text for f in await archival.list_facts(house.view, "t", agent.id, Page())] == ["a fact"]
    interrupted = [m for m in stored if m.body.role == "tool" and m.body.text.startswith("interrupted")]
    assert len(EFFECTS) <= 1
    assert len(EFFECTS) == 1 or interrupted
    return [message.body.text for message in stored[1:]]


async def test_an_undisturbed_run_makes_the_commits_that_the_others_are_stopped_at(house):
    agent = await prepare(house)
    fault = Fault(house, 1000, "before", stop)
    await house.send(agent, "go")
    assert fault.count == COMMITS
    await check_whole(house, agent)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(1, COMMITS + 1))
async def test_a_stop_at_any_commit_loses_nothing_and_doubles_nothing(open_house, number, side):
    first = await open_house()
    agent = await prepare(first)
    fault = Fault(first, number, side, stop)
    sending = asyncio.ensure_future(first.accept(agent, "go"))
    await asyncio.wait_for(fault.fired.wait(), 10)
    await first.host.close()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await first.database.close()

    second = await open_house()
    second.model.script = answers(second)
    acknowledged = (number, side) != (1, "before")
    open_runs = await second.inbox.recover()
    if (number, side) == (COMMITS, "after"):
        assert open_runs == 0
    elif acknowledged:
        (run,) = await runs.list_runs(second.view, "t", Page())
        ended, _ = await asyncio.wait_for(second.inbox.stream_of(run.id).wait(), 10)
        assert ended.run.status == "completed"
    if acknowledged:
        await check_whole(second, agent)
    else:
        assert open_runs == 0
        assert await runs.list_runs(second.view, "t", Page()) == []


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", range(2, COMMITS + 1))
async def test_a_fault_of_the_store_at_any_commit_is_lived_through_and_the_sender_hears_everything(house, number, side):
    agent = await prepare(house)
    fault = Fault(house, number, side, fail)
    stream = await house.accept(agent, "go")
    watched = asyncio.ensure_future(collect(stream))
    ended, committed = await asyncio.wait_for(stream.wait(), 10)
    assert fault.fired.is_set()
    assert ended.run.status == "completed"
    texts = await check_whole(house, agent)
    assert [m.body.text for step in committed for m in step.messages] == texts[1:]
    assert [m.body.text for step in await watched for m in step.messages] == texts[1:]
    assert len(ended.steps) == len(await house.steps(ended.run.id))


async def collect(stream):
    return [event async for event in stream.watch() if isinstance(event, Committed)]


async def test_a_run_interrupted_at_its_last_allowed_step_ends_there(open_house):
    first = await open_house()
    agent = await first.agent("act")
    first.model.script = [first.call(("act", "{}"))] * 5
    fault = Fault(first, 4, "before", stop)  # accept, claim, intents, then the results that never come
    stream = await first.accept(agent, "go", max_steps=1)
    await asyncio.wait_for(fault.fired.wait(), 10)
    await first.host.close()
    await first.database.close()

    second = await open_house()
    assert await second.inbox.recover() == 1
    ended, _ = await asyncio.wait_for(second.inbox.stream_of(stream.run.id).wait(), 10)
    assert (ended.run.status, ended.run.stop_reason) == ("completed", "max_steps")
    assert second.model.requests == []


@pytest.mark.parametrize(("lives", "side"), [(2, "after"), (3, "before"), (3, "after"), (4, "before")])
async def test_a_process_that_never_lives_long_still_brings_the_run_to_its_end(open_house, lives, side):
    """Every process stops at its nth commit, and the first of each is the claim: the run moves on all the same."""
    house = await open_house()
    agent = await prepare(house)
    stream = await house.accept(agent, "go")
    starts = 0
    while True:
        fault = Fault(house, lives, side, stop)
        house.model.script = answers(house)
        starts += 1
        assert starts < 20, "the run makes no progress"
        stopped = asyncio.ensure_future(fault.fired.wait())
        ended = asyncio.ensure_future(house.inbox.stream_of(stream.run.id).wait())
        await asyncio.wait([stopped, ended], timeout=10, return_when=asyncio.FIRST_COMPLETED)
        done = ended.done()
        await house.host.close()
        for waiting in (stopped, ended):
            waiting.cancel()
        await house.database.close()
        house = await open_house()
        # Nothing to recover: the last commit was durable, perhaps without anybody hearing of it.
        if done or await house.inbox.recover() == 0:
            break
    assert starts > 1, "no process was stopped"
    await check_whole(house, agent)
