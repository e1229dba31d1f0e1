"""Which level runs a call: never a weaker one than its trust asks for, and the truth about which it was."""

import pytest

from kelpie.errors import IsolationMissing, ToolUnavailable
from kelpie.sandbox import LevelReport, Levels, ProcessLevel, SandboxCall, SandboxResult
from kelpie.sandbox.process import bwrap, cgroups
from umi.dst import Host

CALL = SandboxCall("def tool():\n    return 1", "tool")


class Stage:
    """A level that says what it is told to say, and counts its calls."""

    def __init__(self, name, reason=""):
        self.name = name
        self.reason = reason
        self.ran = 0
        self.closed = False

    async def report(self):
        return LevelReport(level=self.name, exists=not self.reason, reason=self.reason)

    async def exec(self, call, wanted=None):
        self.ran += 1
        return SandboxResult(value=1, level=self.name)

    async def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("trust", "runs_at"), [("operator", "process"), ("reviewed", "process"), ("untrusted", "microvm")]
)
async def test_a_call_runs_at_the_weakest_level_that_is_strong_enough(trust, runs_at):
    levels = Levels([Stage("microvm"), Stage("process")])
    assert (await levels.exec(CALL, trust)).level == runs_at
    assert [report.level for report in await levels.reports()] == ["process", "microvm"]


async def test_where_the_weak_level_is_missing_a_stronger_one_serves():
    process, microvm = Stage("process", "no bwrap"), Stage("microvm")
    assert (await Levels([process, microvm]).exec(CALL, "reviewed")).level == "microvm"
    assert process.ran == 0


async def test_untrusted_code_never_falls_to_the_process_level():
    process, microvm = Stage("process"), Stage("microvm", "no guest image")
    with pytest.raises(IsolationMissing) as refused:
        await Levels([process, microvm]).exec(CALL, "untrusted")
    assert (process.ran, microvm.ran) == (0, 0)
    assert (refused.value.trust, refused.value.needed) == ("untrusted", "microvm")
    assert refused.value.missing == ["microvm: no guest image"]
    assert str(refused.value).endswith("so it was not run: microvm: no guest image")


async def test_a_server_without_such_a_level_says_so():
    with pytest.raises(IsolationMissing, match="this server was built without such a level"):
        await Levels([Stage("process")]).exec(CALL, "untrusted")


async def test_an_operator_may_lower_what_untrusted_code_needs():
    process = Stage("process")
    levels = Levels([process], {"operator": "process", "reviewed": "process", "untrusted": "process"})
    assert (await levels.exec(CALL, "untrusted")).level == "process"


async def test_closing_closes_every_level():
    stages = [Stage("process"), Stage("microvm")]
    await Levels(stages).close()
    assert all(stage.closed for stage in stages)


# --- what a real machine may lack


async def test_without_bubblewrap_nothing_runs_and_the_refusal_names_it(tmp_path):
    level = ProcessLevel(Host(), bwrap_path=str(tmp_path / "bwrap"))
    with pytest.raises(IsolationMissing) as refused:
        await Levels([level]).exec(CALL, "reviewed")
    assert isinstance(refused.value, ToolUnavailable)
    assert "bwrap can't be started: No such file or directory" in str(refused.value)


async def test_without_user_namespaces_nothing_runs_and_the_refusal_says_why(tmp_path):
    path = tmp_path / "bwrap"
    path.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(IsolationMissing, match="process: bwrap: No permissions to create new namespace"):
        await Levels([ProcessLevel(Host(), bwrap_path=str(path))]).exec(CALL, "reviewed")


async def test_without_cgroups_calls_run_and_the_report_tells_what_no_longer_holds(needs, tested, monkeypatch):
    needs("sandbox", tested[1].exists, tested[1].reason)
    monkeypatch.setattr(cgroups, "find", lambda: cgroups.Cgroups(0, {}, "v2: Permission denied"))
    level = ProcessLevel(Host())
    levels = Levels([level])
    result = await levels.exec(CALL, "reviewed")
    assert (result.value, result.level, result.backend) == (1, "process", "bwrap")
    (report,) = await levels.reports()
    assert any("memory and CPU time are bounded per process" in gap for gap in report.gaps)
    await levels.close()


async def test_a_cgroup_that_can_no_longer_be_made_stops_calls_instead_of_loosening_them(needs, tested, monkeypatch):
    needs("sandbox", tested[1].exists, tested[1].reason)
    level = ProcessLevel(Host())
    assert (await level.report()).exists
    await level.close()

    def fails(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cgroups.Cgroups, "make", fails)
    with pytest.raises(ToolUnavailable, match="no cgroup can be made for a tool"):
        await level.exec(CALL)
    assert bwrap.UIDS > len(level._free) == 8
