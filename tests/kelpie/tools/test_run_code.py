"""run_code: what a model wrote, in a machine of its own or not at all."""

import pytest

from kelpie.errors import IsolationMissing, LimitExceeded, ToolFailed
from kelpie.sandbox import Levels, SandboxResult
from kelpie.tools import workspace
from kelpie.tools.bench import Bench
from kelpie.tools.run_code import run_code


@pytest.fixture
def tool(stand_in):
    return run_code(Bench(stand_in))


async def test_a_program_is_untrusted_whatever_it_is_written_in(tool, context, stand_in):
    stand_in.result = SandboxResult(stdout="4\n")
    for given, language in (("python", "python"), ("js", "javascript"), ("ts", "typescript"), ("bash", "shell")):
        outcome = await tool.run(context, {"code": "print(2 + 2)", "language": given})
        call = stand_in.call
        assert (call.source, call.function, call.language, call.arguments) == ("print(2 + 2)", "", language, {})
        assert (outcome.text, outcome.stdout, outcome.is_error) == ("4", [], False)
    assert set(stand_in.trusts) == {"untrusted"}
    assert (call.egress, call.asks, call.environment, call.layer, call.domain) == (None, None, {}, "", "t/untrusted")
    assert (tool.reach, tool.sandboxed.trust, tool.sandboxed.needs) == ("outside", "untrusted", "microvm")


async def test_what_it_prints_fails_with_and_leaves_is_what_the_model_reads(tool, context, stand_in):
    stand_in.result = SandboxResult(stdout="a\n", stderr="b\n", files={"x.csv": b"1"}, network=["example.com:443"])
    outcome = await tool.run(context, {"code": "…", "language": "python"})
    assert outcome.text == "a\n[stderr]\nb\n[no network] example.com:443\n[changed in the workspace: x.csv]"
    await context.view.database.commit(outcome.changes)
    stand_in.result = SandboxResult(stderr="Traceback", error="it ended with status 1", files={}, exit=1)
    outcome = await tool.run(context, {"code": "…", "language": "python"})
    assert stand_in.call.files == {"x.csv": b"1"}
    assert outcome.is_error
    assert outcome.text == "[stderr]\nTraceback\n[failed] it ended with status 1; files it changed were not kept"
    assert set(await workspace.read_all(context.view, "t", "agent-1")) == {"x.csv"}
    stand_in.result = SandboxResult(files={"x.csv": b"1"})
    assert (await tool.run(context, {"code": "", "language": "shell"})).text == "(it printed nothing)"


async def test_many_files_are_not_all_told(tool, context, stand_in):
    stand_in.result = SandboxResult(files={f"{n:03}": b"" for n in range(25)})
    outcome = await tool.run(context, {"code": "", "language": "python"})
    assert outcome.text.endswith("018, 019 and 5 more]")


async def test_without_a_level_that_is_strong_enough_the_model_is_told_what_is_missing(context):
    with pytest.raises(
        IsolationMissing, match="trust 'untrusted' runs at level 'microvm' or stronger, so it was not run"
    ):
        await run_code(Bench(Levels([]))).run(context, {"code": "print(1)", "language": "python"})


async def test_what_is_no_program_is_refused_before_anything_runs(tool, context, stand_in):
    for arguments, text in (
        ({"code": "x"}, "language is missing"),
        ({"code": "x", "language": "cobol"}, "language must be one of"),
        ({"code": 1, "language": "python"}, "code must be a string"),
        ({"code": "x", "language": "python", "trust": "reviewed"}, "unknown argument trust"),
    ):
        with pytest.raises(ToolFailed, match=text):
            await tool.run(context, arguments)
    with pytest.raises(LimitExceeded, match="the code"):
        await tool.run(context, {"code": "x" * 500_001, "language": "python"})
    assert stand_in.calls == []
