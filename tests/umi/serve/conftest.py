"""A server in a process of its own, as people start it."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

KEY = "a-key-that-is-long-enough"


@contextmanager
def umi_serve(path, *options):
    """The address of `umi serve` on a file; stopped, politely, at the end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("UMI_")}
    command = [sys.executable, "-m", "umi", "serve", "--db", str(path), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    try:
        line = process.stderr.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + process.stderr.read()
        yield found[0]
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[1]
        assert process.returncode == 0, rest


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with umi_serve(tmp_path_factory.mktemp("served") / "memory.db") as url:
        yield url


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A server that asks for keys: one of the default tenant, one of "acme"."""
    keys = ("--key", KEY, "--key", f"acme={KEY}-acme")
    with umi_serve(tmp_path_factory.mktemp("locked") / "memory.db", *keys) as url:
        yield url
