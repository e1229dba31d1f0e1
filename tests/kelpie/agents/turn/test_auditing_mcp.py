"""The audit of calls to MCP servers: real servers over real pipes, and a turn that calls them."""

import sys

import pytest
from tests.kelpie.tools.mcp.conftest import HERE, PlainProgram

from kelpie.agents import agent as agents
from kelpie.people import Speaker
from kelpie.tools import audit
from kelpie.tools.custom import EXTERNAL
from kelpie.tools.mcp import records, rows
from kelpie.tools.mcp.settings import Secrets, Settings
from kelpie.tools.mcp.tools import McpTools
from umi.dst import Host
from umi.storage import Page


@pytest.fixture
def fired(tmp_path):
    return tmp_path / "fired"


def served(house):
    """What reaches the servers, as part of the house's catalog."""
    mcp = McpTools(house.host, opens_program=PlainProgram.open)
    house.workshop.catalog.kinds[EXTERNAL] = mcp.tool_for
    return mcp


async def worker(house, mcp, how, fired, **fields):
    """An agent with the tool `look` of the server `hostile`."""
    settings = Settings(
        name="hostile", transport="stdio", command=sys.executable, args=[str(HERE / "hostile.py"), how, str(fired)]
    )
    server, changes = await records.plan_create(house.view, house.host, "t", settings, Secrets())
    await house.database.commit(changes)
    _, changes = await rows.plan_sync(house.view, house.host, server, await mcp.offer(house.view, server), [])
    await house.database.commit(changes)
    agent = await house.agent(**fields)
    (tool,) = await rows.of_server(house.view, "t", server.id)
    await house.database.commit(agents.plan_attach_tool("t", agent.id, tool.id))
    return agent, tool


async def audited(house, **equal):
    return await audit.list_rows(house.view, "t", Page(ascending=True), equal=equal)


def has_fired(fired, what):
    return [line for line in fired.read_text().splitlines() if line.startswith(what)]


def looks(house, arguments='{"thing": "x"}'):
    house.model.will(house.call(("look", arguments)))


async def test_a_call_says_which_server_which_tool_for_whom_and_where_it_ran(house, fired):
    mcp, ada = served(house), Speaker("person-1", "Ada", ())
    agent, tool = await worker(house, mcp, "plain", fired, speaker=ada)
    looks(house)
    run = await house.send(agent, "go", speaker=ada)
    (row,) = await audited(house, server="hostile")
    assert (row.tool, row.sandboxed.server, row.sandboxed.tool_id, row.sandboxed.version) == (
        "look",
        "hostile",
        tool.id,
        1,
    )
    assert (row.state, row.is_error, row.ran.level, row.ran.backend) == ("ran", False, "process", "stdio")
    assert (row.agent_id, row.run_id, row.tool_call_id, row.speaker) == (agent.id, run.id, "call-0", "person-1")
    assert (row.sandboxed.trust, row.sandboxed.needs, row.is_lowered) == ("reviewed", "", False)
    assert row.ran.duration_ms is not None
    assert await audited(house, server="other") == []
    await mcp.close()


@pytest.mark.parametrize(
    ("how", "killed_by", "what"),
    [("dies", "died", "dies"), ("gigabyte", "output", "sending"), ("wrong shape", "invalid", "wrong shape")],
)
async def test_what_a_server_does_instead_of_answering_is_in_its_row(house, fired, how, killed_by, what):
    mcp = served(house)
    agent, _ = await worker(house, mcp, how, fired)
    looks(house)
    assert (await house.send(agent, "go")).status == "completed"
    (row,) = await audited(house)
    assert has_fired(fired, what)
    assert (row.state, row.is_error, row.ran.killed_by) == ("ran", True, killed_by)
    assert (row.ran.level, row.ran.backend, row.ran.refusal) == ("process", "stdio", "")
    await mcp.close()


async def test_a_call_that_no_server_heard_of_is_refused_and_says_why(house, fired):
    mcp = served(house)
    agent, tool = await worker(house, mcp, "changed schema", fired)
    looks(house, '{"thing": 1}')
    looks(house)
    looks(house)
    await house.send(agent, "go")
    unfit, ran, changed = await audited(house)
    assert (unfit.state, unfit.ran.refusal[:12]) == ("refused", "tool_failed:")
    assert (ran.state, ran.is_error) == ("ran", False)
    assert has_fired(fired, "changed")
    assert (changed.state, changed.is_error, changed.ran.level) == ("refused", True, "")
    assert "changed the tool 'look' since it was added" in changed.ran.refusal

    await house.database.commit(await records.plan_delete(house.view, "t", rows.target_of(tool).server_id))
    looks(house)
    await house.send(agent, "again")
    *_, gone = await audited(house, state="refused")
    assert "the MCP server of the tool 'look' was removed" in gone.ran.refusal
    await mcp.close()


async def hangs(house, fired):
    """A run whose call is at the server, which will not answer."""
    agent, _ = await worker(house, served(house), "hangs", fired)
    looks(house)
    stream = await house.accept(agent, "go")
    clock = Host().clock  # the house's stands still
    async with clock.timeout(30_000):
        while not has_fired(fired, "hangs"):
            await clock.sleep(10)
    (row,) = await audited(house)
    assert (row.state, row.sandboxed.server, row.ran.level) == ("begun", "hostile", "")
    return stream


async def test_a_crash_leaves_the_call_interrupted_and_nobody_makes_it_again(house, open_house, fired):
    stream = await hangs(house, fired)
    await house.host.close()  # the process stops between intent and result
    await house.database.close()
    again = await open_house()
    served(again)
    assert await again.inbox.recover() == 1
    await again.inbox.stream_of(stream.run.id).wait()
    (row,) = await audited(again)
    assert (row.state, row.is_error, row.sandboxed.server, row.ran.level) == ("interrupted", True, "hostile", "")
    assert has_fired(fired, "hangs") == ["hangs"]


async def test_a_cancelled_call_says_so(house, fired):
    stream = await hangs(house, fired)
    await house.inbox.cancel("t", stream.run.id)
    (row,) = await audited(house)
    assert (row.state, row.is_error) == ("cancelled", True)
