"""Folders of agents: their tools come and go, their files stand in the context; a turn without any reads no more."""

import asyncio
import dataclasses

import pytest

from kelpie.agents import agent as agents
from kelpie.agents import folders as agent_folders
from kelpie.agents.folders import FILE_TOOLS
from kelpie.errors import Conflict, LimitExceeded, NotFound
from kelpie.files import attached, folders
from kelpie.files import limits as file_limits
from kelpie.files.files import Upload
from kelpie.files.folders import Folder
from kelpie.files.processing import Processing
from kelpie.files.reading.reader import Reader
from kelpie.tools import custom

NAMES = {tool.name for tool in FILE_TOOLS}


@pytest.fixture
def extra_tools():
    return list(FILE_TOOLS)


@pytest.fixture
async def sea(house):
    """The house with a folder of two files that were read."""
    house.processing = Processing(house.archive, house.outbox, Reader(house.host))
    house.folder = await folder(house, "sea")
    house.files = [
        await upload(house, house.folder, name, text) for name, text in (("a.txt", "krill"), ("b.txt", "fish"))
    ]
    return house


async def folder(house, name):
    made = Folder(tenant="t", id=house.host.ids.new("source"), name=name)
    await house.database.commit(await folders.plan_create(house.view, made))
    return made


async def upload(house, into, name, text):
    async def given():
        return Upload(file_name=name, content=text.encode())

    made, _ = await house.processing.upload(into, given)
    await house.outbox.settle("t", f"folder/{into.id}", 10_000)
    return made


async def tools_of(house, agent):
    ids = await agents.tool_ids(house.view, "t", agent.id)
    return {(await custom.get(house.view, "t", one)).name for one in ids} & NAMES


async def attach(house, agent, *given):
    for one in given:
        await agent_folders.attach(house.workshop, "t", agent.id, one.id)


async def test_the_tools_come_with_the_first_folder_and_go_with_the_last(sea):
    agent, other = await sea.agent(), await folder(sea, "land")
    await attach(sea, agent, sea.folder, sea.folder, other)
    assert await tools_of(sea, agent) == NAMES
    await agent_folders.detach(sea.workshop, "t", agent.id, sea.folder.id)
    assert await tools_of(sea, agent) == NAMES
    await agent_folders.delete(sea.workshop, "t", other.id)
    assert await tools_of(sea, agent) == set()
    await attach(sea, agent, sea.folder)
    await agent_folders.detach(sea.workshop, "t", agent.id, sea.folder.id)
    assert await tools_of(sea, agent) == set()


class AtOnce:
    """The store of several who each read before any of them commits; their commits come in order."""

    def __init__(self, database, writers):
        self._database, self._all_read = database, asyncio.Barrier(writers)
        self.read = database.read

    async def commit(self, changes):
        await self._all_read.wait()
        return await self._database.commit(changes)


async def test_two_who_give_and_take_folders_at_once_leave_the_tools_with_who_has_folders(sea):
    """Each saw the other folder there, or none: what is the last folder, or the first, is decided in the commit."""
    agent, land = await sea.agent(), await folder(sea, "land")

    async def at_once(*calls):
        workshop = dataclasses.replace(sea.workshop, database=AtOnce(sea.database, len(calls)))
        await asyncio.gather(*(how(workshop, "t", agent.id, one.id) for how, one in calls))

    attach_one, detach_one = agent_folders.attach, agent_folders.detach
    await at_once((attach_one, sea.folder), (attach_one, land))
    assert await tools_of(sea, agent) == NAMES
    await at_once((detach_one, sea.folder), (detach_one, land))
    assert await tools_of(sea, agent) == set()
    await attach(sea, agent, sea.folder)
    await at_once((attach_one, land), (detach_one, sea.folder))
    assert await tools_of(sea, agent) == NAMES
    await at_once((detach_one, land), (attach_one, sea.folder))
    assert await tools_of(sea, agent) == NAMES


async def test_a_folder_that_is_deleted_takes_the_tools_of_those_who_have_no_other_by_then(sea):
    agent, land = await sea.agent(), await folder(sea, "land")
    await attach(sea, agent, sea.folder, land)

    class Meanwhile(AtOnce):
        async def commit(self, changes):
            await agent_folders.detach(sea.workshop, "t", agent.id, land.id)
            return await self._database.commit(changes)

    workshop = dataclasses.replace(sea.workshop, database=Meanwhile(sea.database, 1))
    await agent_folders.delete(workshop, "t", sea.folder.id)
    assert await tools_of(sea, agent) == set()


async def test_tools_that_an_agent_has_without_folders_stay_when_none_is_taken(sea):
    agent = await sea.agent()
    tool_id = agent_folders._TOOL_IDS[0]
    await sea.database.commit(agents.plan_attach_tool("t", agent.id, tool_id))
    await agent_folders.detach(sea.workshop, "t", agent.id, sea.folder.id)
    assert await agents.tool_ids(sea.view, "t", agent.id) == [tool_id]


async def test_what_is_not_there_is_said(sea, monkeypatch):
    agent = await sea.agent()
    for arguments in ((agent.id, "source-x"), ("agent-x", sea.folder.id)):
        for change in (agent_folders.attach, agent_folders.detach):
            with pytest.raises(NotFound):
                await change(sea.workshop, "t", *arguments)
    for change in (agent_folders.open_file, agent_folders.close_file):
        with pytest.raises(NotFound):  # it hasn't got the folder
            await change(sea.workshop, "t", agent.id, sea.files[0].id)
    with pytest.raises(NotFound):
        await agent_folders.delete(sea.workshop, "t", "source-x")
    monkeypatch.setattr(file_limits, "AGENT_FOLDERS_MAX", 0)
    with pytest.raises(LimitExceeded, match="the agent's list of folders is 1 folders"):
        await attach(sea, agent, sea.folder)


async def test_an_open_file_is_in_the_context_until_it_is_closed(sea):
    agent = await sea.agent()
    await attach(sea, agent, sea.folder)
    await agent_folders.open_file(sea.workshop, "t", agent.id, sea.files[0].id)
    await sea.send(agent, "hi")
    system = sea.model.requests[-1].messages[0].text
    assert '<file status="open" name="sea/a.txt">' in system
    assert "1: krill" in system
    assert '<file status="closed" name="sea/b.txt"/>' in system
    assert await agent_folders.close_all(sea.workshop, "t", agent.id) == ["sea/a.txt"]
    await sea.send(agent, "hi")
    assert "krill" not in sea.model.requests[-1].messages[0].text


async def test_what_a_tool_opens_is_in_view_at_the_next_step(sea):
    agent = await sea.agent()
    await attach(sea, agent, sea.folder)
    sea.model.will(sea.call(("open_files", '{"file_requests": [{"file_name": "sea/b.txt"}]}')), sea.say("I see"))
    run = await sea.send(agent, "open it")
    assert run.status == "completed"
    first, second = sea.model.requests[-2:]
    assert "1: fish" not in first.messages[0].text
    assert "1: fish" in second.messages[0].text
    assert second.messages[-1].text.startswith("Opened sea/b.txt: lines 1 to 1, end of the file.")


async def test_an_agent_without_folders_reads_no_more_than_before(sea, monkeypatch):
    """The same reads and queries, whoever else has folders; with one, a single read more for each step."""
    read, reads = sea.database.read, []

    async def counting(queries, over=None):
        reads.append(len(queries))
        return await read(queries, over)

    without, having = await sea.agent(), await sea.agent()
    await attach(sea, having, sea.folder)
    for one in (without, having):
        await sea.send(one, "warm")
    monkeypatch.setattr(sea.database, "read", counting)
    seen = {}
    for name, one in (("without", without), ("having", having)):
        reads.clear()
        await sea.send(one, "hi")
        seen[name] = sorted(reads)
    assert sorted([*seen["without"], 3]) == seen["having"]
    assert max(seen["without"]) == 4


async def test_deleting_an_agent_takes_what_it_held_and_leaves_its_folders(sea):
    agent, other = await sea.agent(), await sea.agent()
    for one in (agent, other):
        await attach(sea, one, sea.folder)
        await agent_folders.open_file(sea.workshop, "t", one.id, sea.files[0].id)
    await sea.database.commit(agents.plan_delete("t", agent.id))
    assert await attached.agents_of(sea.view, "t", sea.folder.id) == [other.id]
    left = await sea.view.fetch("SELECT agent_id FROM agent_file")
    assert left == [(other.id,)]
    with pytest.raises(NotFound):
        await agent_folders.open_file(sea.workshop, "t", agent.id, sea.files[0].id)
    assert (await folders.get(sea.view, "t", sea.folder.id)).name == "sea"


async def test_opening_is_tried_again_where_others_open_too_and_given_up_in_the_end(sea, monkeypatch):
    agent = await sea.agent(extras={"max_files_open": 1})
    await attach(sea, agent, sea.folder)
    closed = await asyncio.gather(*(agent_folders.open_file(sea.workshop, "t", agent.id, one.id) for one in sea.files))
    assert sorted(map(len, closed)) == [0, 1]
    monkeypatch.setattr(agent_folders.limits, "STORE_CALL_ATTEMPTS_MAX", 0)
    with pytest.raises(Conflict, match="opened by too many at once"):
        await agent_folders.open_file(sea.workshop, "t", agent.id, sea.files[0].id)
