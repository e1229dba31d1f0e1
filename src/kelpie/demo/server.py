"""The demo's server: a real `kelpie serve` in a process of its own, so that it can be killed."""

import os
import signal
import socket
import subprocess
import sys
import time

from kelpie.console.client import Client
from kelpie.errors import EnvironmentFault, UmiError

HEALTHY_WITHIN_S = 30.0
POLL_S = 0.05


class DemoServer:
    """`kelpie serve` on `folder` and a free port. The port stays the same over restarts."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.client = Client(f"http://127.0.0.1:{self.port}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until it is healthy. Returns the seconds it took. Raises EnvironmentFault."""
        command = [sys.executable, "-m", "kelpie", "serve", "--port", str(self.port), "--data", self.folder]
        log_path = os.path.join(self.folder, "server.log")
        started = time.monotonic()
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own command line
        while time.monotonic() - started < HEALTHY_WITHIN_S:
            if self._process.poll() is not None:
                raise EnvironmentFault(f"the server ended with {self._process.returncode}; its log is {log_path}")
            try:
                self.client.get("/v1/health/")
            except UmiError:
                time.sleep(POLL_S)
            else:
                return time.monotonic() - started
        raise EnvironmentFault(f"the server was not healthy within {HEALTHY_WITHIN_S:.0f} s; its log is {log_path}")

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_until(self, path: str, reached: "tuple[str, ...]", limit_s: float) -> str:
        """Poll a run at `path` until its status is one of `reached`. Returns the last status seen."""
        until = time.monotonic() + limit_s
        while True:
            status: str = self.client.get(path)["status"]
            if status in reached or time.monotonic() > until:
                return status
            time.sleep(POLL_S)
