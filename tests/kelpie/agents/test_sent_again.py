"""A message that is sent again by the same otid is not run again: its sender is given the run it had."""

import asyncio

import pytest

from kelpie.agents.turn.stream import Committed, Ended
from kelpie.errors import CommitUnknown, Conflict, GuardFailed
from kelpie.trajectories import limits, runs
from kelpie.trajectories.records import RunInput, RunOptions
from umi.storage import Changes, Page
from umi.wire.types import Message


@pytest.fixture
async def send(house):
    """`send(agent, ("otid", "text"), …)`: the stream of a run with these messages."""

    async def accept(agent, *said, **more):
        incoming = [
            RunInput(id=house.host.ids.new("message"), body=Message(role="user", content=text), otid=otid)
            for otid, text in said
        ]
        return await house.inbox.accept("t", agent.id, incoming, RunOptions(), **more)

    return accept


async def ids(house):
    return [run.id for run in await runs.list_runs(house.view, "t", Page())]


async def test_a_message_that_is_sent_again_is_of_the_same_run_while_it_runs_and_after(house, send):
    agent = await house.agent()
    first = await send(agent, ("o-1", "hi"))
    meanwhile = await send(agent, ("o-1", "hi"))
    ended, committed = await first.wait()
    after = await send(agent, ("o-1", "hi"))
    assert meanwhile is first
    assert after is not first
    assert [event async for event in after.watch()] == [*committed, ended]
    assert await ids(house) == [ended.run.id]
    assert await house.history(agent) == [("user", "hi"), ("assistant", "ok")]


async def test_two_that_are_sent_at_once_are_one_run(house, send):
    agent = await house.agent()
    streams = await asyncio.gather(*(send(agent, ("o-1", "hi")) for _ in range(5)))
    assert len({one.run.id for one in streams}) == 1
    assert len(await ids(house)) == 1
    await streams[0].wait()
    assert house.inbox.silo.reserved == 0


async def test_what_ended_before_a_restart_is_told_step_by_step(open_house):
    house = await open_house()
    agent = await house.agent("core_memory_append", blocks=[("notes", "")])
    house.model.will(house.call(("core_memory_append", '{"label": "notes", "content": "x"}')), house.say("done"))
    run = await house.send(agent, "go")
    told = [event async for event in (await house.inbox.resume("t", run.id)).watch()]
    assert [type(event) for event in told] == [Committed, Committed, Ended]
    assert [[message.body.role for message in event.messages] for event in told[:2]] == [
        ["assistant", "tool"],
        ["assistant"],
    ]
    assert (told[-1].run, len(told[-1].steps)) == (run, 2)


async def test_an_otid_is_of_one_message(house, send):
    agent = await house.agent()
    first = await send(agent, ("o-1", "hi"), ("o-2", "there"))
    await first.wait()
    for other in (
        [("o-1", "bye")],
        [("o-1", "hi")],
        [("o-3", "new"), ("o-2", "there")],
        [("o-2", "there"), ("o-1", "hi")],
    ):
        with pytest.raises(Conflict, match="give each message its own"):
            await send(agent, *other)
    assert len(await ids(house)) == 1


async def test_an_otid_is_of_one_agent_and_of_a_day(house, send, clock):
    agent, other = await house.agent(), await house.agent()
    for one in (agent, other):
        await (await send(one, ("o-1", "hi"))).wait()
    clock.advance(limits.RUN_OTID_MS_MAX)
    await (await send(agent, ("o-1", "hi"))).wait()
    assert len(await ids(house)) == 2
    clock.advance(limits.RUN_OTID_MS_MAX + 1)
    await (await send(agent, ("o-1", "hi"))).wait()
    assert len(await ids(house)) == 3


async def test_a_message_whose_run_was_deleted_is_not_run_again(house, send):
    agent = await house.agent()
    ended, _ = await (await send(agent, ("o-1", "hi"))).wait()
    await house.database.commit(runs.plan_delete("t", ended.run.id))
    with pytest.raises(Conflict, match="was deleted"):
        await send(agent, ("o-1", "hi"))


async def test_messages_without_an_otid_are_each_run(house, send):
    agent = await house.agent()
    for otid in (None, None, "", ""):
        await (await send(agent, (otid, "hi"))).wait()
    assert len(await ids(house)) == 4


async def test_one_whose_commit_nobody_knows_of_is_known_when_it_is_sent_again(house, send):
    """The first commit was durable and lost its answer: what is committed again finds itself, and so does a retry."""
    agent, commit, lost = await house.agent(), house.database.commit, []

    async def losing(changes):
        if not lost and any("INSERT INTO run " in write.sql for write in changes.writes):
            lost.append(await commit(Changes(changes.writes)))  # without its hooks: nobody here heard of it
            raise CommitUnknown("nobody knows")
        return await commit(changes)

    house.database.commit = losing
    first = await send(agent, ("o-1", "hi"))
    again = await send(agent, ("o-1", "hi"))
    assert lost
    assert again.run.id == first.run.id
    await first.wait()
    assert len(await ids(house)) == 1


@pytest.mark.parametrize("is_known", [True, False])
async def test_what_a_caller_adds_commits_with_the_run_or_refuses_it(house, send, is_known):
    """Also where nobody knows of the first commit."""
    agent, commit, lost = await house.agent(), house.database.commit, []

    async def losing(changes):
        if not is_known and not lost and any("INSERT INTO run " in write.sql for write in changes.writes):
            lost.append(changes)
            raise CommitUnknown("nobody knows")
        return await commit(changes)

    house.database.commit = losing
    with pytest.raises(GuardFailed) as refused:
        await send(agent, (None, "hi"), also=Changes().guard("mine", "SELECT 1 WHERE 0"))
    assert refused.value.guard == "mine"
    assert bool(lost) != is_known
    assert await ids(house) == []
    assert house.inbox.silo.reserved == 0
    assert house.inbox.open == 0
