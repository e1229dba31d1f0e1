"""What a job is handed, and what is kept of its result: with a stand-in for the machine's isolation, which has tests of
its own."""

import dataclasses

import pytest

from kelpie.errors import NotPermitted, SandboxBusy, ToolFailed, ToolUnavailable
from kelpie.sandbox import SandboxLimits, SandboxResult
from kelpie.tools import custom, secrets, workspace
from kelpie.tools.bench import Bench
from kelpie.tools.catalog import Catalog
from kelpie.tools.custom import ToolDraft
from umi import core

SOURCE = """
def work(x: int = 1, *, agent_state=None, client=None) -> str:
    return "done"
"""


@pytest.fixture
def bench(stand_in):
    return Bench(stand_in)


@pytest.fixture
def tool(context, bench):
    """`await tool(settings…)`: SOURCE as a stored tool with these settings."""

    async def make(source=SOURCE, bench=bench, **settings):
        draft = ToolDraft(source_code=source, settings=settings)
        return Catalog({}, bench).tool_for(await custom.upsert(context.view, context.host, "t", draft))

    return make


async def put(context, path, content):
    planned = await workspace.plan_put(context.view, "t", "agent-1", path, content, 0)
    await context.view.database.commit(planned)


async def files(context):
    found = await workspace.read_all(context.view, "t", "agent-1")
    return {path: file.content for path, file in found.items()}


async def test_a_tool_without_settings_is_handed_its_agents_state_and_nothing_else(tool, context, stand_in):
    outcome = await (await tool()).run(context, {"x": 3})
    call = stand_in.call
    assert (call.function, call.language, call.arguments["x"]) == ("work", "python", 3)
    state = {"label": "human", "value": "one", "description": None, "limit": 100, "read_only": False}
    assert call.arguments["agent_state"] == {"id": "agent-1", "name": "Ada's", "memory": {"blocks": [state]}}
    assert (call.arguments["client"], call.capabilities, call.asks) == (None, ("agent_state",), None)
    assert (call.environment, call.files, call.keeps_files, call.layer, call.egress) == ({}, {}, False, "", None)
    assert (stand_in.trusts, call.domain) == (["reviewed"], "t/reviewed")
    assert (outcome.text, outcome.ran.level, outcome.ran.backend) == ("done", "process", "none")
    assert not outcome.changes


async def test_an_untrusted_tool_is_handed_nothing_that_its_row_does_not_name(tool, context, stand_in):
    kept = secrets.check({"TOKEN": "of-the-agent", "OTHER": "also-of-it"})
    await context.view.database.commit(secrets.plan_replace(context.host, "t", "agent-1", kept))
    await (await tool(trust="untrusted")).run(context, {})
    assert (stand_in.call.arguments["agent_state"], stand_in.call.capabilities, stand_in.call.environment) == (
        None,
        (),
        {},
    )
    assert (stand_in.trusts, stand_in.call.domain) == (["untrusted"], "t/untrusted")
    await (await tool(secrets=["TOKEN"])).run(context, {})
    assert stand_in.call.environment == {"TOKEN": "of-the-agent"}
    with pytest.raises(ToolFailed, match="work needs a secret that its agent does not have: GONE"):
        await (await tool(secrets=["GONE"])).run(context, {})
    await (await tool(secrets=[])).run(context, {})
    assert stand_in.call.environment == {}


async def test_limits_and_network_are_those_of_the_row(tool, context, stand_in):
    egress = {"hosts": ["example.com"], "bytes_max": 10, "calls_max": 2}
    await (await tool(timeout_ms=90_000, egress=egress)).run(context, {})
    assert (stand_in.call.egress.hosts, stand_in.call.egress.calls_max) == (("example.com",), 2)
    assert (stand_in.limits[0].wall_ms, stand_in.limits[0].cpu_ms) == (90_000, 90_000)
    await (await tool(timeout_ms=None)).run(context, {})
    assert stand_in.limits[1].wall_ms == SandboxLimits().wall_ms


async def test_packages_lie_in_a_folder_that_is_made_once(tool, context, stand_in):
    asked = []

    async def folder_for(requirements, language):
        asked.append((requirements, language))
        return "/layers/1"

    await (await tool(bench=Bench(stand_in, folder_for=folder_for), requirements=["tabulate==0.9"])).run(context, {})
    assert (asked, stand_in.call.layer) == ([(["tabulate==0.9"], "python")], "/layers/1")
    with pytest.raises(ToolUnavailable, match="work needs packages, and this server installs none"):
        await (await tool()).run(context, {})


async def test_a_client_asks_for_what_its_row_allows_and_writes_with_the_result(tool, context, stand_in):
    run = (await tool(capabilities=["blocks:read", "blocks:write"])).run
    stand_in.asks = [("blocks.append", {"label": "human", "content": "two"}), ("blocks.get", {"label": "human"})]
    outcome = await run(context, {})
    assert "client" not in stand_in.call.arguments
    assert (stand_in.call.capabilities, stand_in.call.arguments["agent_state"]) == (("client",), None)
    assert stand_in.answers[1]["value"] == "one\ntwo"
    assert outcome.ran.asks == {"blocks.append": 1, "blocks.get": 1}
    await context.view.database.commit(outcome.changes)
    assert (await core.by_label(context.view, "t", "agent-1", "human")).value == "one\ntwo"
    for operation in ("archival.insert", "blocks.list"):
        with pytest.raises(NotPermitted, match="the call that asks is over"):
            await stand_in.call.asks(operation, {})


async def test_a_failed_call_leaves_nothing_of_what_it_asked_for_or_wrote(tool, context, stand_in):
    run = (await tool(capabilities=["blocks:write"], workspace=True)).run
    stand_in.asks = [("blocks.append", {"label": "human", "content": "two"})]
    stand_in.result = SandboxResult(error="ValueError: no", files={"left": b"behind"})
    outcome = await run(context, {})
    assert (outcome.is_error, bool(outcome.changes)) == (True, False)
    assert outcome.text == "Error executing function work: ValueError: no"
    assert outcome.ran.asks == {"blocks.append": 1}


async def test_the_workspace_goes_in_and_comes_back_with_the_results(tool, context, stand_in):
    await put(context, "in.txt", b"1")
    run = (await tool(workspace=True)).run
    stand_in.result = SandboxResult(value="made", files={"in.txt": b"1", "out/table.csv": b"a,b"})
    outcome = await run(context, {})
    assert (stand_in.call.files, stand_in.call.keeps_files) == ({"in.txt": b"1"}, True)
    assert outcome.text == "made\n[changed in the workspace: out/table.csv]"
    assert await files(context) == {"in.txt": b"1"}
    await context.view.database.commit(outcome.changes)
    assert await files(context) == {"in.txt": b"1", "out/table.csv": b"a,b"}


async def test_files_that_can_not_be_kept_fail_the_call_whole(tool, context, stand_in):
    run = (await tool(workspace=True, capabilities=["blocks:write"])).run
    stand_in.asks = [("blocks.append", {"label": "human", "content": "two"})]
    stand_in.result = SandboxResult(value="made", files={"fine": b"", "../outside": b""})
    outcome = await run(context, {})
    assert (outcome.is_error, bool(outcome.changes)) == (True, False)
    assert "were not kept, nor was anything else of it: '../outside' is no path of a workspace" in outcome.text


async def test_without_an_agent_there_is_neither_state_nor_workspace_nor_client(tool, context, stand_in):
    nobodys = dataclasses.replace(context, agent_id="")
    run = (await tool(workspace=True, capabilities=["agent_state", "blocks:write"])).run
    await run(nobodys, {})
    call = stand_in.call
    assert (call.arguments["agent_state"], call.arguments["client"], call.asks) == (None, None, None)
    assert (call.keeps_files, call.capabilities) == (False, ())


async def test_a_secret_is_in_nothing_that_is_kept_of_a_call(tool, context, stand_in):
    token = "s3cret-of-ada"
    kept = secrets.check({"TOKEN": token})
    await context.view.database.commit(secrets.plan_replace(context.host, "t", "agent-1", kept))
    run = (await tool()).run
    said = {"value": f"it is {token}", "stdout": token, "stderr": f"~{token}~", "network": [f"{token}.example.com:443"]}
    stand_in.result = SandboxResult(**said)
    outcome = await run(context, {})
    assert (outcome.text, outcome.stdout, outcome.stderr) == (
        "it is [secret TOKEN]",
        ["[secret TOKEN]"],
        ["~[secret TOKEN]~"],
    )
    assert outcome.ran.network == ["[secret TOKEN].example.com:443"]
    stand_in.result = SandboxResult(error=f"ValueError: {token}", **(said | {"value": None}))
    assert token not in repr(await run(context, {}))
    assert token not in repr(stand_in.call)


async def test_a_schema_of_ones_own_keeps_a_parameter_that_is_called_client(context, bench, stand_in):
    given = {"name": "work", "parameters": {"properties": {"client": {"type": "string"}}}}
    draft = ToolDraft(source_code="def work(client): return 1", json_schema=given)
    record = await custom.upsert(context.view, context.host, "t", draft)
    await Catalog({}, bench).tool_for(record).run(context, {"client": "ACME"})
    assert stand_in.call.arguments == {"client": "ACME"}


async def test_what_the_sandbox_refuses_is_raised_as_it_is(tool, context, stand_in):
    stand_in.result = SandboxBusy("process", 3)
    with pytest.raises(SandboxBusy, match="try again in 3 s"):
        await (await tool()).run(context, {})
