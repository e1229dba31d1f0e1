"""A run that is cancelled: what it waits for stops, what was committed stays, the next message finds a sound agent."""

import asyncio

import pytest

from kelpie.errors import Conflict, NotFound
from kelpie.tools.tool import Outcome, Tool
from kelpie.trajectories import steps
from umi.wire.types import ToolSpec


class Slow:
    """A tool that takes for ever, and says whether it was stopped."""

    def __init__(self):
        self.began, self.stopped = asyncio.Event(), 0

    async def run(self, context, arguments):
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        return Outcome("never")


async def quick(context, arguments):
    return Outcome("quick")


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def extra_tools(slow):
    anything = {"type": "object", "properties": {}}
    return [
        Tool(ToolSpec("slow", "slow", anything), slow.run, "outside"),
        Tool(ToolSpec("slow_store", "slow", anything), slow.run, "store"),
        Tool(ToolSpec("quick", "quick", anything), quick, "outside"),
    ]


async def cancelled(house, stream):
    return await asyncio.wait_for(house.inbox.cancel("t", stream.run.id), 5)


@pytest.mark.parametrize("name", ["slow", "slow_store"])
async def test_a_tool_that_is_waited_for_is_stopped(house, slow, name):
    agent = await house.agent("slow", "slow_store", "quick")
    house.model.will(house.call((name, "{}"), ("quick", "{}")))
    stream = await house.accept(agent, "go")
    await slow.began.wait()
    run = await cancelled(house, stream)
    assert (run.status, run.stop_reason, slow.stopped) == ("cancelled", "cancelled", 1)
    assert (await house.run(run.id)).status == "cancelled"
    texts = [text for role, text in await house.history(agent) if role == "tool"]
    assert texts == ["stopped: the run was cancelled"] * 2, "every call is answered"
    (step,) = await house.steps(run.id)
    assert [one.state for one in await steps.calls_of(house.view, "t", step_id=step.id)] == ["done", "done"]
    assert (await house.send(agent, "and now?")).status == "completed"
    assert house.model.requests[-1].messages[-1].text == "and now?"


async def test_a_model_that_is_waited_for_is_stopped_and_what_was_sent_stays(house):
    asked = asyncio.Event()

    async def for_ever(request, on_delta):
        asked.set()
        await asyncio.Event().wait()

    agent = await house.agent()
    house.model.will(for_ever)
    stream = await house.accept(agent, "hello")
    await asked.wait()
    run = await cancelled(house, stream)
    assert (run.status, house.model.open) == ("cancelled", 0)
    assert await house.history(agent) == [("user", "hello")]
    assert (await house.send(agent, "again")).status == "completed"


async def test_a_run_that_waits_its_turn_ends_when_it_comes(house, slow):
    agent = await house.agent("slow")
    house.model.will(house.call(("slow", "{}")))
    first = await house.accept(agent, "one")
    await slow.began.wait()
    second = await house.accept(agent, "two")
    second.cancel()
    await cancelled(house, first)
    ended, _ = await asyncio.wait_for(second.wait(), 5)
    assert ended.run.status == "cancelled"
    assert ("user", "two") in await house.history(agent)
    assert len(house.model.requests) == 1, "nobody was asked for it"


async def test_what_has_ended_or_is_not_there_can_t_be_cancelled(house):
    agent = await house.agent()
    run = await house.send(agent, "hello")
    with pytest.raises(Conflict, match="ended already"):
        await house.inbox.cancel("t", run.id)
    with pytest.raises(NotFound):
        await house.inbox.cancel("other", run.id)
    with pytest.raises(NotFound):
        await house.inbox.cancel("t", "run-1")


async def test_a_tool_that_does_not_hear_of_it_ends_first(house, slow):
    """It swallows the cancellation: its outcome counts, and the run ends all the same."""

    async def deaf(context, arguments):
        slow.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Outcome("deaf")

    house.tools["slow"] = house.workshop.catalog.builtins["slow"] = Tool(
        ToolSpec("slow", "slow", {"type": "object", "properties": {}}), deaf, "outside"
    )
    agent = await house.agent("slow")
    house.model.will(house.call(("slow", "{}")))
    stream = await house.accept(agent, "go")
    await slow.began.wait()
    assert (await cancelled(house, stream)).status == "cancelled"
    assert ("tool", "deaf") in await house.history(agent)
    assert (await house.send(agent, "on")).status == "completed", "nothing of the cancellation is left over"
