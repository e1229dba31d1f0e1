"""Background agents: told every so many turns of another agent, once, whatever stops the server."""

import asyncio

import pytest
from tests.kelpie.agents.together.conftest import Cast, ask, rest, wait_for

from kelpie.agents import agent as agents
from kelpie.agents import create as creation
from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.together import furnishing, overhearing
from kelpie.agents.together.overhearing import transcript
from kelpie.groups import records
from kelpie.groups.records import Group
from kelpie.tools import custom
from kelpie.tools.limits import CALL_DEPTH_MAX
from kelpie.trajectories import runs
from kelpie.trajectories.records import Caller, StoredMessage
from umi import core
from umi.entity import Block
from umi.storage import Page
from umi.wire.types import Message


async def listened_to(house, *, every=2):
    """An agent, one in the background, and their group."""
    cast = Cast(house)
    ada, dusk = await ask(house, "Ada", system="I am Ada."), await ask(house, "Dusk", system="I am Dusk.")
    cast.play(ada, *[house.say("of course")] * 50)
    cast.play(dusk, *[house.say("noted")] * 50)
    group = Group(
        tenant="t",
        id=house.host.ids.new("group"),
        kind="sleeptime",
        description="",
        agents=[dusk.id],
        manager=ada.id,
        frequency=every,
    )
    return ada, dusk, await furnishing.found(house.workshop, group)


async def told(house, dusk):
    return [text for role, text in await house.history(dusk) if role == "user"]


async def test_every_second_turn_the_background_agent_is_told_what_was_said_since(house):
    ada, dusk, group = await listened_to(house)
    for number in range(1, 6):
        run = await house.send(ada, f"question {number}")
        await rest(house)
    texts = await told(house, dusk)
    assert [[n for n in range(1, 6) if f"user: question {n}" in text] for text in texts] == [[1, 2], [3, 4]]
    assert all("Ada: of course" in text for text in texts)
    kept = await records.get(house.view, "t", group.id)
    assert kept.turns == 5
    (last, _) = await runs.list_runs(house.view, "t", Page(ascending=False), agent_ids=[dusk.id])
    assert last.options.group_id == group.id
    assert last.options.background
    assert [(one.name, one.waits) for one in last.options.callers] == [("Ada", False)]
    assert run.options.callers == ()
    assert last.input[0].sender == ada.id


async def test_messages_that_were_begun_anew_are_told_all_the_same(house):
    ada, dusk, group = await listened_to(house, every=1)
    await house.send(ada, "before")
    await rest(house)
    first = creation.first_message(house.host, ada, [])
    await house.inbox.start_anew("t", ada.id, [first])
    await house.send(ada, "after")
    await rest(house)
    assert [("before" in text, "after" in text) for text in await told(house, dusk)] == [(True, False), (False, True)]
    assert (await records.get(house.view, "t", group.id)).turns == 2


async def test_turns_that_did_not_end_well_are_not_counted(house):
    ada, dusk, group = await listened_to(house, every=1)
    asked = asyncio.Event()

    async def never(request, on_delta):
        asked.set()
        await asyncio.Event().wait()

    house.model.script = [never]
    stream = await house.accept(ada, "go")
    await asked.wait()
    await house.inbox.cancel("t", stream.run.id)
    await rest(house)
    assert (await records.get(house.view, "t", group.id)).turns == 0
    assert await told(house, dusk) == []


async def test_an_agent_that_nobody_listens_to_leaves_nothing(house):
    ada = await ask(house, "Ada", system="I am Ada.")
    await house.send(ada, "hello")
    assert await house.view.fetch("SELECT 1 FROM outbox WHERE topic = ?", overhearing.COUNT) == []


async def test_background_agents_that_answer_back_come_to_an_end(house):
    """Each of the two speaks to the other whenever it is spoken to."""
    ada, dusk, group = await listened_to(house, every=1)
    cast = Cast(house)
    cast.play(ada, *[house.say("of course")] * 50)
    cast.play(dusk, *[wait_for(house, ada), house.say("asked")] * 25)
    await house.send(ada, "begin")
    await rest(house)
    found = await runs.list_runs(house.view, "t", Page(limit=1000))
    assert max(len(run.options.callers) for run in found) == CALL_DEPTH_MAX
    assert {run.status for run in found} == {"completed"}
    assert group.manager == ada.id


# Before a commit is what comes after the one before it.
@pytest.mark.parametrize(("number", "side"), [(1, "before"), *((number, "after") for number in range(1, 8))])
async def test_a_stop_at_any_commit_tells_it_once(furnish, host, number, side):
    """Commits: accepting and claiming a turn, its answer with the errand; the count; accepting, claiming, answering."""
    house = await furnish()
    ada, dusk, group = await listened_to(house, every=1)
    commit, count, fired = house.database.commit, 0, asyncio.Event()

    async def stops(changes):
        nonlocal count
        count += 1
        mine = count == number
        if mine and side == "before":
            fired.set()
            await asyncio.Event().wait()
        rows = await commit(changes)
        if mine and side == "after":
            fired.set()
            await asyncio.Event().wait()
        return rows

    house.database.commit = stops
    host.spawn(house.send(ada, "remember this"), "send")
    await asyncio.wait_for(fired.wait(), 10)
    await host.close()
    await house.database.close()

    house = await furnish()
    cast = Cast(house)
    cast.play(ada, house.say("of course"))
    cast.play(dusk, house.say("noted"))
    await house.inbox.recover()
    await house.outbox.recover()
    await rest(house)
    was_said = await house.view.fetch("SELECT 1 FROM run WHERE agent_id = ?", ada.id)
    if number == 1 and side == "before":
        assert was_said == []
        return
    texts = await told(house, dusk)
    assert [text.count("user: remember this") for text in texts] == [1]
    assert (await records.get(house.view, "t", group.id)).turns == 1
    assert [role for role, _ in await house.history(dusk)] == ["user", "assistant"]


async def test_several_processes_that_see_the_same_turn_count_it_once(house, furnish):
    ada, dusk, group = await listened_to(house, every=1)
    await house.send(ada, "once")
    await rest(house)
    done = overhearing.Errand(
        tenant="t",
        topic=overhearing.COUNT,
        id="run-1",
        lane="x",
        body={"agent_id": ada.id, "callers": []},
    )
    overheard = overhearing.Overhearing(house.workshop)
    await overheard.count(done)
    assert (await records.get(house.view, "t", group.id)).turns == 1, "an errand that is done counts nothing"
    assert len(await told(house, dusk)) == 1


async def test_who_is_deleted_is_told_nothing_more(house):
    ada, dusk, group = await listened_to(house, every=1)
    await house.database.commit(agents.plan_delete("t", dusk.id))
    await house.send(ada, "hello")
    await rest(house)
    assert (await records.get(house.view, "t", group.id)).turns == 0, "nobody is there to count for"
    assert await house.view.fetch("SELECT 1 FROM outbox") == []


async def test_a_new_agent_and_the_one_in_its_background_share_its_blocks(house):
    house.tools |= {}
    await house.database.commit(await custom.plan_builtins(house.view, "t", 0, house.tools.values()))
    shared = Block(tenant="t", id=house.host.ids.new("block"), label="human", value="", limit_chars=1000)
    await house.database.commit(core.plan_create(shared))
    own = Block(tenant="t", id=house.host.ids.new("block"), label="persona", value="", limit_chars=1000)
    agent = Agent(tenant="t", id=house.host.ids.new("agent"), name="A" * 256, model="test/model", tags=["x"])
    draft = creation.Draft(agent=agent, blocks=[own], block_ids=[shared.id])
    made = await furnishing.create_pair(house.workshop, draft)
    group = await records.told_by(house.view, "t", made.id)
    (other,) = [await agents.get(house.view, "t", one) for one in group.agents]
    assert other.agent_type == "sleeptime_agent"
    assert other.name.endswith("A-sleeptime")
    assert len(other.name) == limits.AGENT_NAME_CHARS_MAX
    assert (other.tags, other.model) == ([], "test/model")
    theirs = await core.of_scope(house.view, "t", other.id)
    assert {one.id for one in theirs} == {own.id, shared.id}
    await furnishing.pair(house.workshop, "t", made.id)
    assert await records.count(house.view, "t") == 1, "it has one already"
    await furnishing.part(house.workshop, "t", made.id)
    assert await records.told_by(house.view, "t", made.id) is None
    await furnishing.pair(house.workshop, "t", made.id)
    assert await records.told_by(house.view, "t", made.id) is not None


def test_a_long_talk_is_told_by_its_end():
    said = [
        StoredMessage(
            tenant="t",
            id=f"message-{n}",
            agent_id="a",
            position=n,
            run_id=None,
            step_id=None,
            body=Message(role="user", content=f"{n:04} " + "x" * 1000),
        )
        for n in range(200)
    ]
    text = transcript("Ada", said)
    assert len(text.encode()) < limits.OVERHEARD_BYTES_MAX + 1_000
    assert "user: 0199 " in text
    assert "user: 0000 " not in text
    assert text.index("user: 0198 ") < text.index("user: 0199 ")


def test_a_caller_is_named():
    assert Caller(agent_id="a", name="Ada", run_id="run-1").waits is False
