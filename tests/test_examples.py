"""Every example runs, as its own docstring says."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import start_backend, start_kelpie

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *arguments):
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_umi_by_itself(tmp_path):
    assert run("remember.py", str(tmp_path / "m.db")) == "1.00  Ada's cat is called Miso.\nhuman: Name: Ada\n"


def test_lettas_own_client(tmp_path, needs):
    needs("letta-client", importlib.util.find_spec("letta_client") is not None, "letta-client is not installed")
    backend = start_backend(tmp_path)
    server = start_kelpie(tmp_path, backend)
    try:
        server.wait_healthy("/v1/health/")
        assert run("letta_client_app.py", server.url, "openai/scripted") == "ok\n"
    finally:
        server.stop()
        backend.stop()


def test_no_example_is_left_out():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"remember.py", "letta_client_app.py"}
