"""A PostgreSQL server of our own for the tests: the one that the package `pgserver` brings, on a socket in a folder."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

NOBODY = 65534  # the server refuses to run as root


def binaries():
    """(the folder of the server's programs, "") or (None, why there is none)."""
    spec = importlib.util.find_spec("pgserver")  # not imported: that changes modes of folders, and warns
    if spec is None or spec.origin is None:
        return None, "the package pgserver is not installed"
    folder = Path(spec.origin).parent / "pginstall" / "bin"
    try:
        ran = subprocess.run([folder / "postgres", "--version"], capture_output=True, check=False, **_user())
    except OSError as error:
        return None, f"its programs can't be run ({error.strerror})"
    if ran.returncode != 0:
        return None, f"its programs can't be run ({ran.stderr.decode(errors='replace').strip()})"
    return folder, ""


def _user():
    if os.geteuid() != 0:
        return {"cwd": "/"}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": [], "cwd": "/"}


class Server:
    """Started from nothing in about half a second. It syncs nothing: no test here cuts the power."""

    def __init__(self, programs):
        self._programs = programs
        self.folder = tempfile.mkdtemp(prefix="umi-pg-")  # short: a socket's path has at most 107 bytes
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self._data = f"{self.folder}/data"
        made = subprocess.run(
            [programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
            **_user(),
        )
        assert made.returncode == 0, made.stderr
        self._process = None
        self.start()

    def start(self):
        log = Path(self.folder) / "log"
        settings = ["listen_addresses=", "fsync=off", "max_connections=200"]
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self.folder]
                + [part for setting in settings for part in ("-c", setting)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                **_user(),
            )
        ready = [self._programs / "pg_isready", "-q", "-h", self.folder]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, log.read_text()

    def stop(self, how=signal.SIGINT):
        """SIGINT: end every connection and stop. SIGQUIT: as a crash would."""
        self._process.send_signal(how)
        self._process.wait()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database="postgres", options=""):
        return f"postgresql://postgres@/{database}?host={self.folder}{options}"


@contextlib.contextmanager
def serving(needs):
    """A server that is there for the block; a test that may not go without one fails, another skips."""
    programs, why = binaries()
    needs("postgres", programs is not None, why)
    server = Server(programs)
    try:
        yield server
    finally:
        server.remove()
