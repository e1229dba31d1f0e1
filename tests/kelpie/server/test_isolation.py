"""Which levels a server has, what each trust needs, and how the health route and the doctor tell both."""

import io

import pytest
from rich.console import Console

from kelpie.cli import doctor
from kelpie.config import Config
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput
from kelpie.sandbox import MINIMUM, LevelReport, ProcessLevel
from kelpie.server import isolation
from umi.dst import Host

PROCESS = LevelReport(level="process", exists=True, backend="bwrap", gaps=["the kernel is shared with the host"])
NO_MACHINE = LevelReport(
    level="microvm", exists=False, reason="there is no guest image", tried=["firecracker: its guest did not boot"]
)
MACHINE = LevelReport(level="microvm", exists=True, backend="qemu-tcg")
LOWERED = Config(sandbox_untrusted="process")


def runs_at(reports, config=None):
    trusts = isolation.shown(reports, isolation.minimum_of(config or Config()))["trust"]
    return {trust: (one["runs_at"], one["lowered"]) for trust, one in trusts.items()}


def test_code_that_nobody_read_runs_in_a_machine_or_not_at_all():
    assert isolation.minimum_of(Config()) == MINIMUM
    assert runs_at([PROCESS, MACHINE])["untrusted"] == ("microvm", False)
    assert runs_at([PROCESS, NO_MACHINE]) == {
        "operator": ("process", False),
        "reviewed": ("process", False),
        "untrusted": (None, False),
    }


def test_an_operator_may_lower_that_and_it_is_said():
    assert runs_at([PROCESS, NO_MACHINE], LOWERED)["untrusted"] == ("process", True)
    assert runs_at([PROCESS, NO_MACHINE], LOWERED)["reviewed"] == ("process", False)


def test_a_machine_serves_those_who_need_less_where_the_process_level_is_missing():
    missing = LevelReport(level="process", exists=False, reason="no bubblewrap")
    assert runs_at([missing, MACHINE])["reviewed"] == ("microvm", False)
    assert runs_at([missing, NO_MACHINE])["reviewed"] == (None, False)


def test_while_it_is_tested_no_level_is_there():
    shown = isolation.shown(None, MINIMUM)
    assert [(one["level"], one["available"]) for one in shown["isolation"]] == [("process", False), ("microvm", False)]
    assert shown["trust"]["operator"]["runs_at"] is None


@pytest.mark.parametrize(
    "given",
    [{"firecracker": "/bin/firecracker"}, {"jailer_sha256": "00"}],
    ids=["no hash", "no path"],
)
def test_a_binary_is_used_by_its_hash_or_not_at_all(tmp_path, given):
    host = Host()
    with pytest.raises(InvalidInput, match="go together: a binary is used by its hash"):
        isolation.levels(ProcessLevel(host), Config(data_folder=str(tmp_path), **given), host)


async def test_a_server_reports_both_levels_and_makes_nothing_of_its_own_accord(tmp_path):
    host = Host()
    levels = isolation.levels(
        ProcessLevel(host, bwrap_path=str(tmp_path / "no")), Config(data_folder=str(tmp_path)), host
    )
    process, machine = await levels.reports()
    assert (process.level, process.exists, machine.level, machine.exists) == ("process", False, "microvm", False)
    assert "kelpie sandbox build-image" in machine.reason
    await levels.close()
    await host.close()


def test_the_doctor_says_what_is_there_why_not_and_what_runs_where():
    written = io.StringIO()
    health = isolation.shown([PROCESS, NO_MACHINE], isolation.minimum_of(LOWERED))
    doctor._isolation(health, Screen(Console(file=written, width=200)))
    said = written.getvalue()
    for line in (
        "✓ level 'process' (bwrap)",
        "does not hold here: the kernel is shared with the host",
        "✗ level 'microvm': there is no guest image",
        "tried: firecracker: its guest did not boot",
        "✓ a tool that a person put there runs at 'process'",
        "✓ code that nobody read (run_code) runs at 'process'; lowered by KELPIE_SANDBOX_UNTRUSTED",
    ):
        assert line in said
    health = isolation.shown([PROCESS, NO_MACHINE], MINIMUM)
    doctor._isolation(health, Screen(Console(file=written, width=200)))
    assert "✗ code that nobody read (run_code) does not run: it needs 'microvm' or stronger" in written.getvalue()
