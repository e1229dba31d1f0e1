"""Servers that lie, hang, flood or die: an error for the model, a report on the row, and this server as it was."""

import asyncio
import json

import pytest
from tests.kelpie.tools.mcp.conftest import PlainProgram

from kelpie.errors import ToolFailed
from kelpie.tools.mcp import limits, rows
from kelpie.tools.mcp.faults import McpFault
from kelpie.tools.mcp.settings import Secrets


@pytest.fixture
def fired(tmp_path):
    return tmp_path / "fired"


def has_fired(fired, what):
    return any(line.startswith(what) for line in fired.read_text().splitlines())


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("changed schema", "parameter 'path' is new, parameter 'thing' is another"),
        ("changed description", "its description"),
        ("gone", "it no longer offers 'look'"),
    ],
)
async def test_a_tool_that_changed_is_not_called(mcp, fired, how, says):
    server, tools = await mcp.hostile(how, fired)
    assert (await mcp.call(tools["look"], thing="old")).text == "it looks old"
    with pytest.raises(McpFault, match="changed the tool 'look' since it was added") as refused:
        await mcp.call(tools["look"], thing="x")
    assert says in str(refused.value)
    assert has_fired(fired, how.split()[0])
    assert (await mcp.report(server)).kind == "changed"
    assert says in (await mcp.report(server)).text

    done, tools = await mcp.sync(server)  # a person looked and took it as it is
    assert (done.updated, done.deleted) == (([], ["look"]) if how == "gone" else (["look"], []))
    assert await mcp.report(server) is None
    if how != "gone":
        assert (await mcp.call(tools["look"], thing="new")).text == "it looks new"


async def test_a_tool_that_changed_and_does_not_say_so_is_found_out_in_time(mcp, fired):
    _, tools = await mcp.hostile("silently changed", fired)
    await mcp.call(tools["look"], thing="old")
    assert (await mcp.call(tools["look"], thing="old")).text == "it looks old"  # it was asked a moment ago
    mcp.host.clock.monotonic_ms = lambda now=mcp.host.clock.monotonic_ms: now() + limits.MCP_LISTING_AGE_MS_MAX + 1
    with pytest.raises(McpFault, match="changed the tool 'look' since it was added"):
        await mcp.call(tools["look"], thing="x")
    assert has_fired(fired, "changed")


async def test_an_answer_in_no_form_is_an_error_and_the_connection_stays(mcp, fired):
    server, tools = await mcp.hostile("wrong shape", fired)
    for _ in range(2):
        with pytest.raises(McpFault, match="answered in a form that the protocol does not have"):
            await mcp.call(tools["look"], thing="x")
    assert has_fired(fired, "wrong shape")
    assert (await mcp.report(server)).kind == "invalid"
    assert len(PlainProgram.started) == 1


async def test_a_gigabyte_is_not_read(mcp, fired):
    server, tools = await mcp.hostile("gigabyte", fired)
    with pytest.raises(McpFault, match="sent a message of more than 4,194,304 bytes"):
        await mcp.call(tools["look"], thing="x")
    assert has_fired(fired, "sending")
    assert not has_fired(fired, "sent it all")
    assert (await mcp.report(server)).kind == "flooded"
    await mcp.tools.close()
    assert PlainProgram.started[0].closed


@pytest.mark.parametrize(
    ("how", "kind", "says"),
    [
        ("chatters", "flooded", "sent more than 2,000 messages for one request"),
        ("babbles", "invalid", "its messages are no JSON-RPC"),
        ("dies", "died", r"ended by itself, saying: out of  \[31mcheese"),
    ],
)
async def test_what_is_wrong_ends_the_call_and_is_reported(mcp, fired, how, kind, says):
    server, tools = await mcp.hostile(how, fired)
    with pytest.raises(McpFault, match=says):
        await mcp.call(tools["look"], thing="x")
    assert has_fired(fired, how)
    assert (await mcp.report(server)).kind == kind
    with pytest.raises(ToolFailed, match=r"it is tried again in \d+ s"):
        await mcp.call(tools["look"], thing="x")


@pytest.mark.parametrize("how", ["hangs", "wrong id"])
async def test_what_never_answers_is_waited_for_as_long_as_its_row_says(mcp, fired, how):
    server, tools = await mcp.hostile(how, fired, call_ms_max=700)
    with pytest.raises(McpFault, match=r"did not answer within 0\.7 s"):
        await mcp.call(tools["look"], thing="x")
    assert has_fired(fired, how)
    assert (await mcp.report(server)).kind == "hung"
    await mcp.tools.close()
    assert PlainProgram.started[0].closed


async def test_a_server_that_does_not_greet_is_given_up(mcp, fired, monkeypatch):
    monkeypatch.setattr("kelpie.tools.mcp.limits.MCP_CONNECT_MS_MAX", 500)
    with pytest.raises(McpFault, match="did not answer within"):
        await mcp.hostile("never greets", fired)
    assert has_fired(fired, "silent")
    assert PlainProgram.started[0].closed


@pytest.mark.parametrize(
    ("how", "says"), [("many tools", "sent a list of more than 200 tools"), ("endless pages", "on more than 50 pages")]
)
async def test_a_list_without_end_is_not_taken(mcp, fired, how, says):
    with pytest.raises(McpFault, match=says):
        await mcp.hostile(how, fired)
    assert has_fired(fired, "listed")
    assert await mcp.database.view().fetch("SELECT name FROM tool") == []


async def test_what_it_asks_of_a_client_is_refused_and_reported(mcp, fired):
    server, tools = await mcp.hostile("samples", fired)
    assert (await mcp.call(tools["look"], thing="x")).text == "done"
    lines = fired.read_text().splitlines()
    assert lines[0] == "capabilities {}"
    refusals = {one["id"]: one["error"]["message"] for one in json.loads(lines[1])}
    assert refusals == {"s1": "Sampling not supported", "s2": "List roots not supported"}
    report = await mcp.report(server)
    assert report.kind == "asked"
    assert report.text == "asked for a model's reply (sampling), folders of this machine (roots), and was refused"


async def test_a_pattern_that_takes_for_ever_is_not_tried(mcp, fired):
    """Its own schema for its answer: checking it would hold the loop, and with it every agent."""
    _, tools = await mcp.hostile("evil pattern", fired)
    assert (await mcp.call(tools["look"], thing="x")).text == "fine"
    assert has_fired(fired, "evil")


async def test_what_it_was_sent_is_not_kept_when_it_says_it_again(mcp, fired):
    server, tools = await mcp.hostile("tells", fired, secrets=Secrets(environment={"TOKEN": "very-secret-123456789"}))
    assert (await mcp.call(tools["look"], thing="x")).text == "the token is [secret TOKEN]"
    with pytest.raises(ToolFailed) as died:
        await mcp.call(tools["look"], thing="x")
    assert has_fired(fired, "tells")
    for said in (str(died.value), (await mcp.report(server)).text):
        assert "very-secret" not in said
        assert "and again [secret TOKEN]" in said


async def test_a_cancelled_call_leaves_the_others(mcp, fired):
    _, tools = await mcp.hostile("hangs", fired)
    waiting = asyncio.ensure_future(mcp.call(tools["look"], thing="x"))
    while not fired.exists() or not has_fired(fired, "hangs"):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await mcp.tools.close()


async def test_after_failures_it_is_left_alone_longer_each_time(mcp, fired):
    server, tools = await mcp.hostile("dies", fired)
    now_ms = [mcp.host.clock.monotonic_ms()]
    mcp.host.clock.monotonic_ms = lambda: now_ms[0]
    waits = []
    for _ in range(4):
        with pytest.raises(McpFault, match="ended by itself"):
            await mcp.call(tools["look"], thing="x")
        waiting = mcp.tools._connections._waiting[server.id]
        waits.append(round(waiting.until_ms - now_ms[0]))
        now_ms[0] = waiting.until_ms
    assert waits == [500, 1000, 2000, 4000]
    assert len(PlainProgram.started) == 4
    mcp.tools._connections.worked(server)
    assert server.id not in mcp.tools._connections._waiting


async def test_the_rows_name_their_server(mcp, fired):
    server, _ = await mcp.hostile("plain", fired)
    (record,) = await rows.of_server(mcp.view, "t", server.id)
    assert record.tags == ["mcp:one"]
    assert rows.target_of(record).tool == "look"
