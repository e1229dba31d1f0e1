"""A hundred attempts to get out: kept in at the level "process", whoever the server is, and let through by no sandbox
at all."""

import json
import os
import subprocess
import sysconfig

import pytest
from tests.kelpie.sandbox import probes
from tests.kelpie.sandbox.process.test_unprivileged import UID, reachable_python

pytestmark = pytest.mark.slow


def chosen(report):
    cgroup = any("by a cgroup" in line for line in report.holds)
    return [probe for probe in probes.PROBES if probes.applies(probe, cgroup=cgroup)]


async def test_nothing_gets_out_of_the_process_level(sandbox):
    found = chosen(await sandbox.report())
    assert len(found) >= 90
    with probes.world() as world:
        outcomes = await probes.run_probes(sandbox.exec, world, found)
        os.kill(world["victim"], 0)
    await sandbox.close()
    assert {name: outcome.why for name, outcome in outcomes.items() if outcome.out} == {}
    # Kept in by the sandbox, not by a mistake of the probe's own.
    mistakes = (
        "NameError",
        "TypeError",
        "SyntaxError",
        "AttributeError",
        "ArgumentError",
        "NoResult",
        "ToolUnavailable",
    )
    assert [name for name, outcome in outcomes.items() if outcome.why.startswith(mistakes)] == []


async def test_most_of_them_get_out_of_a_plain_subprocess(tmp_path):
    """So they work. As root nearly all do; an ordinary user has fewer rights to begin with."""
    with probes.world() as world:
        outcomes = await probes.run_probes(probes.plainly, world | {"tmp": str(tmp_path)})
    out = {name for name, outcome in outcomes.items() if outcome.out}
    assert len(out) >= (60 if os.geteuid() == 0 else 30), sorted(outcomes.items())


def test_nothing_gets_out_if_the_server_is_an_ordinary_user(needs, tested):
    needs("another-user", os.geteuid() == 0, "not root; the other test runs unprivileged already")
    python = reachable_python()
    needs("another-user", python is not None, "no Python of this version that another user may start")
    paths = os.pathsep.join([os.path.abspath("src"), os.path.abspath("."), sysconfig.get_paths()["purelib"]])
    ran = subprocess.run(
        [python, "-c", "import runpy; runpy.run_module('tests.kelpie.sandbox.probes', run_name='__main__')"],
        user=UID,
        group=UID,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        needs("another-user", False, f"another user can't read this checkout: {ran.stderr.splitlines()[-1]}")
    said = json.loads(ran.stdout)
    needs("sandbox", not said["reason"], said["reason"])
    assert said["out"] == {}
    assert said["count"] >= 90
