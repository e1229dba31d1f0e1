"""From a row to a tool that runs: custom tools in the real sandbox, built-in ones as registered."""

import os

import pytest

from kelpie.errors import IsolationMissing, ToolFailed, ToolUnavailable
from kelpie.sandbox import Levels, ProcessLevel, SandboxLimits
from kelpie.tools import custom, limits
from kelpie.tools.catalog import Catalog
from kelpie.tools.custom import ToolDraft
from kelpie.tools.tool import Outcome, Tool, ToolContext
from umi.dst import Host
from umi.memory import Archive
from umi.storage import SqliteDatabase
from umi.wire.types import ToolSpec

ROLL = '''
def roll(sides: int, count: int = 2, *, agent_state: "AgentState", label: Optional[str] = None) -> str:
    """Roll dice.

    Args:
        sides: How many sides each die has.
    """
    print("rolling")
    return f"{count}d{sides} {label} {agent_state}"
'''


@pytest.fixture
async def context(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "tools.db"), custom.MIGRATIONS, host=host)
    archive = Archive(database, host)
    yield ToolContext("t", "agent-1", "run-1", "step-1", "call-1", database.view(), host, archive)
    await database.close()


@pytest.fixture
def tool(context, sandbox):
    """`await tool(source, …)`: the source as a stored tool, from the catalog."""

    async def make(source, catalog=None, **fields):
        draft = ToolDraft(source_code=source, **fields)
        record = await custom.upsert(context.view, context.host, context.tenant, draft)
        return (catalog or Catalog({}, Levels([sandbox]))).tool_for(record)

    return make


async def test_a_custom_tool_shows_its_schema_and_runs_in_the_sandbox(tool, context):
    roll = await tool(ROLL, return_chars_max=77)
    assert (roll.name, roll.reach, roll.tool_type, roll.return_chars_max) == ("roll", "outside", "custom", 77)
    assert roll.spec.description == "Roll dice."
    assert list(roll.spec.parameters["properties"]) == ["sides", "count", "label"]
    outcome = await roll.run(context, {"sides": 6, "label": "ü"})
    assert outcome == Outcome("2d6 ü None", level="process", stdout=["rolling\n"])


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
    catalog = Catalog({}, Levels([sandbox]), sandbox_limits=SandboxLimits(wall_ms=300))
    outcome = await (await tool("def f():\n    while True: pass", catalog)).run(context, {})
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
        ({"sides": 6, "agent_state": {}}, "unknown argument agent_state"),
    ):
        with pytest.raises(ToolFailed, match=f"Invalid arguments for roll: {problem}"):
            await roll.run(context, arguments)


async def test_a_tool_is_handed_the_variables_of_its_caller_and_no_others(tool, context, sandbox, monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", "of the server")
    asked = []

    def environment_of(caller):
        asked.append(caller.agent_id)
        return {"TOKEN": "of the agent"}

    usual = {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE"}
    source = f"import os\ndef f() -> dict: return {{k: v for k, v in os.environ.items() if k not in {usual}}}"
    outcome = await (await tool(source, Catalog({}, Levels([sandbox]), environment_of=environment_of))).run(context, {})
    assert (outcome.text, asked) == ('{"TOKEN":"of the agent"}', ["agent-1"])
    assert (await (await tool(source)).run(context, {})).text == "{}"


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
    with pytest.raises(ToolUnavailable, match="the built-in tool 'gone' is not part of this server"):
        await tool.run(context, {})


async def test_where_nothing_isolates_a_custom_tool_does_not_run(context, tmp_path):
    trace = tmp_path / "trace"
    draft = ToolDraft(source_code=f"def f(): open({str(trace)!r}, 'w')")
    record = await custom.upsert(context.view, context.host, "t", draft)
    sandbox = Levels([ProcessLevel(Host(), bwrap_path=str(tmp_path / "bwrap"))])
    with pytest.raises(IsolationMissing, match=r"trust 'reviewed' runs at level 'process' .* not run: .*No such"):
        await Catalog({}, sandbox).tool_for(record).run(context, {})
    assert not trace.exists()
