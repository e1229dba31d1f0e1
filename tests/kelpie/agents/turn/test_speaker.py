"""Whom a run speaks for: bound when it is accepted, there for every tool, and nobody else's conversation."""

import asyncio

import msgspec
import pytest

from kelpie.agents import agent as agents
from kelpie.agents import create as creation
from kelpie.agents.agent import Agent
from kelpie.errors import InvalidInput, NotFound, NotPermitted
from kelpie.people import NOBODY, Speaker
from kelpie.tools.tool import Outcome, Tool
from umi.wire.types import ToolSpec

ANNA = Speaker("person-anna", "Anna", ("Finance",))
FINANCE = Speaker(None, "Finance", ("Finance",))


@pytest.fixture
def seen():
    return []


@pytest.fixture
def extra_tools(seen):
    async def look(context, _arguments):
        seen.append((context.speaker, [one.body.text for one in context.said]))
        return Outcome("seen")

    parameters = {"type": "object", "properties": {}, "required": []}
    return [Tool(ToolSpec(name, "", parameters), look, reach) for name, reach in (("in", "store"), ("out", "outside"))]


async def owned(house, speaker, *tools):
    await house.agent(*tools)  # which lists the tools as well
    agent = Agent(
        tenant="t", id=house.host.ids.new("agent"), name="Ada", model="test/model", metadata={"speaker": "nobody"}
    )
    return await creation.create(house.workshop, creation.Draft(agent=agent, tool_names=list(tools), speaker=speaker))


@pytest.mark.parametrize("speaker", [ANNA, FINANCE])
async def test_every_tool_is_told_for_whom_and_what_they_said(house, seen, speaker):
    agent = await owned(house, speaker, "in", "out")
    house.model.will(house.call(("in", "{}"), ("out", "{}")), house.call(("in", "{}")), house.say("done"))
    run = await house.send(agent, "one thing", "and another", speaker=speaker)
    assert run.status == "completed"
    assert seen == [(speaker, ["one thing", "and another"])] * 3
    assert (await house.run(run.id)).options.speaker == speaker


async def test_without_a_speaker_it_is_nobody_in_particular(house, seen):
    agent = await house.agent("in")
    house.model.will(house.call(("in", "{}")), house.say("done"))
    await house.send(agent, "hello")
    assert seen == [(NOBODY, ["hello"])]


async def test_a_conversation_takes_messages_for_its_own_speaker_alone(house):
    agent = await owned(house, ANNA)
    nobodys = await house.agent()
    for target, speaker in (
        (agent, None),
        (agent, FINANCE),
        (agent, Speaker("person-ben", "Anna", ("Finance",))),
        (nobodys, ANNA),
    ):
        with pytest.raises(NotPermitted, match="the conversation of somebody else"):
            await house.accept(target, "let me in", speaker=speaker)
    with pytest.raises(NotFound):
        await house.accept(msgspec.structs.replace(agent, id="agent-nobody"), "hello", speaker=ANNA)
    assert (await house.send(agent, "hello", speaker=ANNA)).status == "completed"
    # Whatever Anna is called now, and whichever teams she is in.
    assert (await house.send(agent, "hello", speaker=Speaker("person-anna", "A. B.", ()))).status == "completed"
    assert [text for role, text in await house.history(agent) if role == "user"] == ["hello", "hello"]


async def test_no_change_of_an_agent_changes_whose_it_is(house):
    agent = await owned(house, ANNA)
    fields = {"metadata": {"speaker": "person-ben", "belongs_to": ""}, "name": "Ben", "tags": ["person-ben"]}
    await agents.edit(house.view, "t", agent.id, 5, fields)
    with pytest.raises(NotPermitted):
        await house.accept(agent, "hello")
    assert (await house.send(agent, "hello", speaker=ANNA)).status == "completed"


async def test_a_restart_still_speaks_for_them(open_house, seen):
    house = await open_house()
    agent = await owned(house, ANNA, "in")
    never = asyncio.Event()
    house.model.will(lambda *_: never.wait())
    stream = await house.accept(agent, "hello", speaker=ANNA)
    await house.settled()
    await house.host.close()
    await house.database.close()

    again = await open_house()
    again.model.will(again.call(("in", "{}")), again.say("done"))
    assert await again.inbox.recover() == 1
    await asyncio.wait_for(again.inbox.stream_of(stream.run.id).wait(), 10)
    assert seen == [(ANNA, ["hello"])]


@pytest.mark.parametrize("scope", ["kelpie:organisation", "kelpie:person:person-anna", "kelpie:team:x"])
async def test_no_agents_memory_is_where_people_hold_to_things(house, scope):
    with pytest.raises(InvalidInput, match="kept for what people hold to"):
        await house.agent(memory=agents.AgentMemory(scope=scope))
