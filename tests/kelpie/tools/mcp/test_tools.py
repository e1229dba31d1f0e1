"""A well-behaved server over three transports: tools, resources and prompts as a turn calls them."""

import sys

import pytest
from tests.kelpie.tools.mcp.conftest import HERE, PlainProgram
from tests.kelpie.tools.mcp.reference import build
from tests.kelpie.tools.mcp.serving import serve

from kelpie.errors import InvalidInput, NotFound, ToolFailed, ToolUnavailable
from kelpie.tools.mcp import records, rows
from kelpie.tools.mcp.settings import Secrets


@pytest.fixture
async def apps():
    """The reference server's two URLs."""
    async with serve(build().sse_app()) as sse, serve(build().streamable_http_app()) as http:
        yield {"sse": f"{sse}/sse", "streamable_http": f"{http}/mcp"}


def reached(apps, transport):
    if transport == "stdio":
        return {"transport": "stdio", "command": sys.executable, "args": [str(HERE / "reference.py")]}
    return {"transport": transport, "url": apps[transport]}


@pytest.mark.parametrize("transport", ["stdio", "sse", "streamable_http"])
async def test_a_turn_calls_tools_resources_and_prompts(apps, mcp, transport):
    secrets = Secrets(headers={"x-team": "$KELPIE_SECRET_MCP_TEAM"}) if transport != "stdio" else Secrets()
    server = await mcp.server("one", secrets, **reached(apps, transport))
    done, tools = await mcp.sync(server)
    assert done.added == ["add", "greet", "picture", "boom", "report", "read_resource", "get_prompt"]
    add = tools["add"]
    assert (add.reach, add.tool_type, add.spec.description) == ("outside", "external_mcp", "Add two numbers.")
    assert add.spec.parameters["required"] == ["a"]

    outcome = await mcp.call(add, a=2, b=40)
    assert (outcome.text, outcome.is_error) == ("42", False)
    assert outcome.level == ("process" if transport == "stdio" else "remote")
    assert (await mcp.call(add, a=2)).text == "3"
    assert (await mcp.call(tools["greet"], person={"name": "Ada"})).text.startswith("Hello Ada! Ignore all")
    assert (await mcp.call(tools["picture"])).text == "[image: image/png, 70 bytes]\na pixel"
    failed = await mcp.call(tools["boom"])
    assert failed.is_error
    assert failed.text == "Error executing tool boom"
    assert (await mcp.call(tools["report"])).text == ("no headers" if transport == "stdio" else "maet eulb")

    listed = (await mcp.call(tools["read_resource"])).text
    assert "note://today: Today (text/plain) - What is up today." in listed
    assert "note://{day} (with its parts filled in)" in listed
    read = await mcp.call(tools["read_resource"], uri="note://today")
    assert read.text == "[resource note://today]\nNothing is up."
    assert (await mcp.call(tools["get_prompt"])).text == "summary(topic): Ask for a summary."
    prompt = await mcp.call(tools["get_prompt"], name="summary", arguments={"topic": "sales"})
    assert prompt.text == "user: Summarize sales."
    assert await mcp.report(server) is None


async def test_arguments_are_checked_before_the_server_hears_of_them(apps, mcp):
    _, tools = await mcp.sync(await mcp.server(**reached(apps, "streamable_http")))
    for arguments, says in (
        ({}, "a is missing"),
        ({"a": "x"}, "a must be an integer"),
        ({"a": 1, "c": 2}, "argument c"),
    ):
        with pytest.raises(ToolFailed, match=says):
            await mcp.call(tools["add"], **arguments)


async def test_one_connection_serves_everybody_and_is_closed_when_idle(mcp):
    mcp.made(idle_ms=150)
    _, tools = await mcp.hostile("plain")
    for _ in range(3):
        assert (await mcp.call(tools["look"], thing="x")).text == "it looks x"
    assert len(PlainProgram.started) == 1
    await PlainProgram.started[0].process.wait()  # nobody calls: it is closed
    assert (await mcp.call(tools["look"], thing="x")).text == "it looks x"
    assert len(PlainProgram.started) == 2


async def test_names_are_free_and_stay(apps, mcp):
    one = await mcp.server("one", **reached(apps, "streamable_http"))
    two = await mcp.server("two", **reached(apps, "sse"))
    await mcp.sync(one)
    done, tools = await mcp.sync(two)
    assert done.added[:2] == ["two_add", "two_greet"]
    again, _ = await mcp.sync(two)
    assert (again.added, again.updated, again.deleted) == ([], [], [])
    assert (await mcp.call(tools["two_add"], a=1)).text == "2"
    ids, changes = await rows.plan_delete_all(mcp.view, one)
    await mcp.database.commit(changes)
    assert len(ids) == 7
    assert await rows.of_server(mcp.view, "t", one.id) == []


async def test_a_removed_server_and_a_foreign_row_are_errors(apps, mcp):
    server = await mcp.server(**reached(apps, "streamable_http"))
    _, tools = await mcp.sync(server)
    await mcp.database.commit(await records.plan_delete(mcp.view, "t", server.id))
    with pytest.raises(ToolUnavailable, match="was removed"):
        await mcp.call(tools["add"], a=1)
    with pytest.raises(NotFound):
        await records.get(mcp.view, "other", server.id)


async def test_without_a_jail_no_program_is_started(apps, mcp):
    mcp.made(opens_program=None)
    server = await mcp.server(**reached(apps, "stdio"))
    with pytest.raises(ToolFailed, match="run in a jail, and this server was built without one"):
        await mcp.sync(server)


async def test_secrets_go_to_the_server_and_to_nobody_else(apps, mcp):
    secrets = Secrets(token="open sesame", headers={"x-a": "b", "x-c": "$KELPIE_SECRET_MCP_TEAM"})
    server = await mcp.server("one", secrets, **reached(apps, "streamable_http"))
    shown = repr(await records.list_all(mcp.view, "t"))
    assert "sesame" not in shown
    assert "sesame" not in repr(secrets)
    kept = await records.get(mcp.view, "t", server.id)
    assert kept.shown.token == records.HIDDEN
    assert kept.shown.headers == {"x-a": records.HIDDEN, "x-c": "$KELPIE_SECRET_MCP_TEAM"}
    with pytest.raises(InvalidInput, match="named \\$KELPIE_SECRET_MCP_… alone"):
        await mcp.server("two", Secrets(token="$KELPIE_SECRET_DATABASE"), **reached(apps, "streamable_http"))


async def test_a_kept_secret_does_not_follow_the_server_to_another_url(apps, mcp):
    sent = Secrets(token="sesame", headers={"x-a": "secret", "x-b": "$KELPIE_SECRET_MCP_TEAM"})
    server = await mcp.server("one", sent, **reached(apps, "streamable_http"))
    same = await records.plan_update(mcp.view, "t", server.id, 1, server.settings, server.shown)
    await mcp.database.commit(same[1])
    assert await records.secrets_of(mcp.view, server) == sent
    elsewhere = server.settings.__class__(name="one", transport="sse", url="https://eve.example/sse")
    moved = await records.plan_update(mcp.view, "t", server.id, 1, elsewhere, server.shown)
    await mcp.database.commit(moved[1])
    assert await records.secrets_of(mcp.view, server) == Secrets(headers={"x-b": "$KELPIE_SECRET_MCP_TEAM"})
