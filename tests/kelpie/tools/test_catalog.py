"""From a row to a tool that runs: custom tools in the real sandbox, built-in ones as registered."""

import dataclasses
import os

import pytest

from kelpie.errors import IsolationMissing, ToolFailed, ToolUnavailable
from kelpie.sandbox import Levels, ProcessLevel, SandboxLimits
from kelpie.sandbox.languages import node_program
from kelpie.tools import custom, limits, secrets, workspace
from kelpie.tools.bench import Bench
from kelpie.tools.catalog import Catalog
from kelpie.tools.custom import ToolDraft
from kelpie.tools.run_code import run_code
from kelpie.tools.tool import Outcome, Tool
from umi import core
from umi.dst import Host
from umi.wire.types import ToolSpec

ROLL = '''
def roll(sides: int, count: int = 2, *, client=None, label: Optional[str] = None) -> str:
    """Roll dice.

    Args:
        sides: How many sides each die has.
    """
    print("rolling")
    return f"{count}d{sides} {label} {client}"
'''


@pytest.fixture
def tool(context, sandbox):
    """`await tool(source, …)`: the source as a stored tool, from the catalog."""

    async def make(source, bench=None, **fields):
        draft = ToolDraft(source_code=source, **fields)
        record = await custom.upsert(context.view, context.host, context.tenant, draft)
        return Catalog({}, bench or Bench(Levels([sandbox]))).tool_for(record)

    return make


async def test_a_custom_tool_shows_its_schema_and_runs_in_the_sandbox(tool, context):
    roll = await tool(ROLL, return_chars_max=77)
    assert (roll.name, roll.reach, roll.tool_type, roll.return_chars_max) == ("roll", "outside", "custom", 77)
    assert roll.spec.description == "Roll dice."
    assert list(roll.spec.parameters["properties"]) == ["sides", "count", "label"]
    outcome = await roll.run(context, {"sides": 6, "label": "ü"})
    assert (outcome.text, outcome.stdout, outcome.is_error) == ("2d6 ü None", ["rolling\n"], False)
    assert (outcome.ran.state, outcome.ran.level, outcome.level) == ("ran", "process", "process")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("'as it is'", "as it is"),
        ("''", ""),
        ("{'a': [1, 'ü', None]}", '{"a":[1,"ü",null]}'),
        ("None", "null"),
        ("True", "true"),
    ],
)
async def test_text_is_passed_on_and_everything_else_is_json(tool, context, value, text):
    assert (await (await tool(f"def f(): return {value}")).run(context, {})).text == text


async def test_an_error_reads_as_letta_words_it(tool, context):
    outcome = await (await tool("def f(x: int): return 1 + 'a'")).run(context, {"x": 1})
    assert outcome.is_error
    assert outcome.text == "Error executing function f: TypeError: unsupported operand type(s) for +: 'int' and 'str'"
    assert (outcome.level, len(outcome.stderr)) == ("process", 1)
    assert "Traceback" in outcome.stderr[0]


async def test_a_tool_that_runs_too_long_is_an_error_that_says_so(tool, context, sandbox):
    bench = Bench(Levels([sandbox]), sandbox_limits=SandboxLimits(wall_ms=300))
    outcome = await (await tool("def f():\n    while True: pass", bench)).run(context, {})
    assert outcome.ran.killed_by == "wall time"
    assert outcome.text == "Error executing function f: TimeoutError: the tool ran longer than 300 ms and was stopped"


async def test_ten_megabytes_never_come_whole(tool, context):
    outcome = await (await tool("def f():\n    print('x' * 10_000_000)\n    return 'y' * 10_000_000")).run(context, {})
    assert outcome.text == "y" * limits.TOOL_RETURN_CHARS_MAX
    assert len(outcome.stdout[0]) < 101_000


async def test_arguments_that_do_not_fit_are_refused_before_anything_runs(tool, context, monkeypatch, sandbox):
    roll = await tool(ROLL)

    async def must_not_run(call, wanted=None):
        raise AssertionError("the sandbox was asked to run")

    monkeypatch.setattr(sandbox, "exec", must_not_run)
    for arguments, problem in (
        ({}, "sides is missing"),
        ({"sides": "6"}, "sides must be an integer, not a string"),
        ({"sides": 6, "client": {}}, "unknown argument client"),
    ):
        with pytest.raises(ToolFailed, match=f"Invalid arguments for roll: {problem}"):
            await roll.run(context, arguments)


async def test_a_tool_is_handed_the_secrets_of_its_agent_and_no_others(tool, context, monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", "of the server")
    usual = {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE"}
    source = f"import os\ndef f() -> dict: return {{k: len(v) for k, v in os.environ.items() if k not in {usual}}}"
    run = (await tool(source)).run
    assert (await run(context, {})).text == "{}"
    kept = secrets.check({"TOKEN": "of the agent"})
    await context.view.database.commit(secrets.plan_replace(context.host, "t", "agent-1", kept))
    assert (await run(context, {})).text == '{"TOKEN":12}'
    assert (await run(dataclasses.replace(context, agent_id="agent-2"), {})).text == "{}"


async def test_a_tool_can_not_reach_the_store_it_is_kept_in(tool, context):
    path = context.view.database.path
    source = f"import os\ndef f() -> bool: return os.path.exists({path!r})"
    assert (await (await tool(source)).run(context, {})).text == "false"
    assert path.startswith("/") and os.stat(path).st_size > 0  # noqa: PT018 - it is there for us


async def test_a_schema_of_ones_own_leads_to_its_function(tool, context):
    source = "def f(x): return x * 2\ndef g(): return 'not this'"
    schema = {"name": "f", "description": "Twice.", "parameters": {"properties": {"x": {"type": "integer"}}}}
    assert (await (await tool(source, json_schema=schema)).run(context, {"x": 21})).text == "42"


async def run_nothing(context, arguments):
    return Outcome("ran")


async def test_a_built_in_tool_is_the_registered_one(context):
    registered = Tool(ToolSpec("recall", "Recalls.", {"type": "object", "properties": {}}), run_nothing, "store")
    await context.view.database.commit(await custom.plan_builtins(context.view, "t", 0, [registered]))
    record = await custom.get_by_name(context.view, "t", "recall")
    assert Catalog({"recall": registered}, None).tool_for(record) is registered


async def test_a_built_in_tool_of_another_version_says_so_when_called(context):
    gone = Tool(ToolSpec("gone", "Was there.", {"type": "object", "properties": {}}), run_nothing, "store")
    await context.view.database.commit(await custom.plan_builtins(context.view, "t", 0, [gone]))
    tool = Catalog({}, None).tool_for(await custom.get_by_name(context.view, "t", "gone"))
    assert tool.spec.description == "Was there."
    with pytest.raises(ToolUnavailable, match="the tool 'gone' is not part of this server"):
        await tool.run(context, {})


async def test_where_nothing_isolates_a_custom_tool_does_not_run(context, tmp_path):
    trace = tmp_path / "trace"
    draft = ToolDraft(source_code=f"def f(): open({str(trace)!r}, 'w')")
    record = await custom.upsert(context.view, context.host, "t", draft)
    sandbox = Levels([ProcessLevel(Host(), bwrap_path=str(tmp_path / "bwrap"))])
    with pytest.raises(IsolationMissing, match=r"trust 'reviewed' runs at level 'process' .* not run: .*No such"):
        await Catalog({}, Bench(sandbox)).tool_for(record).run(context, {})
    assert not trace.exists()


CLIENT = """
def remember(what: str, agent_state: "AgentState", client: "Client") -> str:
    seen = agent_state.memory.blocks[0]
    client.blocks.append(label="human", content=what)
    now = client.blocks.get(label="human")["value"]
    try:
        client.archival.insert(content="x")
    except Exception as error:
        refused = str(error)
    return f"{agent_state.name}: {seen['value']!r} -> {now!r}; {refused}"
"""


async def test_a_client_and_the_agents_state_reach_into_the_sandbox(tool, context):
    granted = ["agent_state", "blocks:read", "blocks:write"]
    outcome = await (await tool(CLIENT, settings={"capabilities": granted})).run(context, {"what": "two"})
    assert outcome.text.startswith("Ada's: 'one' -> 'one\\ntwo'; "), outcome
    assert "archival.insert needs the capability 'archival:insert'" in outcome.text
    await context.view.database.commit(outcome.changes)
    assert (await core.by_label(context.view, "t", "agent-1", "human")).value == "one\ntwo"
    nothing = await (await tool(CLIENT, settings={"capabilities": []})).run(context, {"what": "three"})
    assert nothing.is_error
    assert "NoneType" in nothing.text


WORKSPACE = """
import os
def work(fails: bool) -> str:
    text = open("in/a.txt").read()
    open("in/a.txt", "w").write(text * 2)
    os.makedirs("out")
    open("out/b.bin", "wb").write(bytes(range(256)))
    os.symlink("/etc/passwd", "out/link") if fails else None
    if fails:
        raise ValueError("no")
    return text
"""


async def test_files_go_in_and_come_out_and_a_failed_call_leaves_none(tool, context):
    put = await workspace.plan_put(context.view, "t", "agent-1", "in/a.txt", b"ab", 0)
    await context.view.database.commit(put)
    run = (await tool(WORKSPACE, settings={"workspace": True})).run
    failed = await run(context, {"fails": True})
    assert (failed.is_error, bool(failed.changes)) == (True, False)
    done = await run(context, {"fails": False})
    assert done.text == "ab\n[changed in the workspace: in/a.txt, out/b.bin]", done
    await context.view.database.commit(done.changes)
    found = await workspace.read_all(context.view, "t", "agent-1")
    assert {path: file.content for path, file in found.items()} == {"in/a.txt": b"abab", "out/b.bin": bytes(range(256))}


async def test_a_link_to_a_file_of_the_host_brings_nothing_of_it(tool, context):
    source = 'import os\ndef f():\n    os.symlink("/etc/passwd", "p")\n    os.symlink("/", "root")\n'
    outcome = await (await tool(source, settings={"workspace": True})).run(context, {})
    await context.view.database.commit(outcome.changes)
    found = await workspace.read_all(context.view, "t", "agent-1")
    assert not any(b"root:" in file.content for file in found.values())


async def test_run_code_where_an_operator_lets_it_run_as_a_process(context, sandbox):
    lowered = {"operator": "process", "reviewed": "process", "untrusted": "process"}
    bench = Bench(Levels([sandbox], lowered), minimum=lowered)
    code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nopen('left.txt', 'w').write('x')"
    outcome = await run_code(bench).run(context, {"language": "python", "code": code})
    assert outcome.text == "out\n[stderr]\nerr\n[changed in the workspace: left.txt]", outcome
    shell = await run_code(bench).run(context, {"language": "shell", "code": "echo hi; exit 3"})
    assert (shell.is_error, shell.text.startswith("hi\n[failed] ")) == (True, True), shell


async def test_a_tool_in_javascript(tool, context, needs):
    try:
        node_program()
    except ToolUnavailable as error:
        needs("node", False, str(error))
    source = """
/** Greet somebody.
 * @param {string} name For whom.
 */
export async function greet(name, client, times = 2) {
  const block = await client.blocks.get({ label: "human" });
  console.log("greeting");
  return `${name} `.repeat(times) + block.value;
}
"""
    greet = await tool(source, source_type="javascript", settings={"capabilities": ["blocks:read"]})
    assert list(greet.spec.parameters["properties"]) == ["name", "times"]
    outcome = await greet.run(context, {"name": "Ada"})
    assert (outcome.text, outcome.stdout) == ("Ada Ada one", ["greeting\n"]), outcome
