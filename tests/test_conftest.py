"""What every test stands on, tested from outside: skips that can be forbidden, and no way out to the network."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from tests.conftest import LONGEST

from tidy.tree import ROOT

TESTS = '''
"""What machines lack, and where tests may connect to."""
import socket

def test_lacking(needs):
    needs("sandbox", False, "there is\\nnone")

def test_present(needs):
    needs("sandbox", True, "")

def test_misspelt(needs):
    needs("sandbux", False, "")

def test_outside():
    socket.create_connection(("192.0.2.1", 9), timeout=1)

def test_inside():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
'''


@pytest.fixture
def run(tmp_path):
    """Run TESTS under a copy of our conftest: (outcome of each test, all that was printed)."""

    def run(require):
        shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
        (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-rA", "-v", "-c", os.devnull, "--rootdir", str(tmp_path), "."]
        environment = {**os.environ, "KELPIE_REQUIRE": require}
        ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        return dict(re.findall(r"::test_(\w+) (\w+)", ran.stdout)), ran.stdout + ran.stderr

    return run


@pytest.mark.parametrize(("require", "lacking"), [("", "SKIPPED"), ("extras, sandbox", "FAILED")])
def test_what_a_machine_lacks_is_skipped_unless_it_is_demanded(run, require, lacking):
    outcomes, printed = run(require)
    assert outcomes == {
        "lacking": lacking,
        "present": "PASSED",
        "misspelt": "FAILED",
        "outside": "FAILED",
        "inside": "PASSED",
    }
    assert ("KELPIE_REQUIRE demands sandbox: there is none" if require else "needs sandbox: there is none") in printed
    assert "a test tried to reach 192.0.2.1" in printed


def test_a_demand_that_is_misspelt_is_refused(run):
    outcomes, printed = run("sandbux")
    assert outcomes == {}
    assert "KELPIE_REQUIRE names ['sandbux']" in printed


def test_the_files_that_begin_are_there():
    assert [name for name in LONGEST if not (ROOT / "tests" / f"{name}.py").exists()] == []
