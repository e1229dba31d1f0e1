"""`umi serve` in a process of its own, as people start it."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager


def start(path, *options):
    """The process, and the address it listens at."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("UMI_")}
    command = [sys.executable, "-m", "umi", "serve", "--db", str(path), "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    line = process.stderr.readline()
    found = re.search(r"http://\S+", line)
    if found is None:
        process.kill()
        raise AssertionError(line + process.communicate()[1])
    return process, found[0]


@contextmanager
def serving(path, *options):
    """The address of a server on a file; stopped, politely, at the end."""
    process, url = start(path, *options)
    try:
        yield url
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[1]
        assert process.returncode == 0, rest
