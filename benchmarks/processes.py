"""Starts the servers a measurement needs, as processes of their own, and reads what they cost."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2

ROOT = Path(__file__).parent.parent
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A server process on loopback, with its log in a file."""

    def __init__(self, command: list[str], url: str, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.log = log
        self._file = log.open("ab")
        self.started_s = time.perf_counter()
        # The measured server gets no variable that could make it call a model outside this machine.
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=self._file, stderr=self._file, env={**inherited, **(environment or {})}
        )

    def wait_healthy(self, path: str, limit_s: float = 60.0) -> float:
        """Seconds from the start to the first good answer."""
        with httpx2.Client(trust_env=False) as client:
            while time.perf_counter() - self.started_s < limit_s:
                if self.process.poll() is not None:
                    raise RuntimeError(
                        f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}"
                    )
                with contextlib.suppress(httpx2.TransportError):
                    if client.get(self.url + path, timeout=2).status_code == 200:
                        return time.perf_counter() - self.started_s
                time.sleep(0.01)
        raise RuntimeError(f"not healthy after {limit_s} s:\n{self.log.read_text()[-3000:]}")

    def cpu_ms(self) -> float:
        """CPU time of the process so far, user and system, in ms (10 ms grains: measure many operations)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS_PER_S

    def rss_mib(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("no VmRSS")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._file.close()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._file.close()


def start_backend(folder: Path, *arguments: str) -> Process:
    """The scripted model server; its `url` is the server's root, the wire is under /v1."""
    port = free_port()
    command = [sys.executable, "-m", "kelpie.models.scripted_server", "--port", str(port), *arguments]
    backend = Process(command, f"http://127.0.0.1:{port}", folder / "backend.log")
    backend.wait_healthy("/stats")
    return backend


def start_kelpie(folder: Path, backend: Process | None, *, module: str = "kelpie", **environment: str) -> Process:
    """`kelpie serve` on `folder`/data, with the scripted backend as its OpenAI provider. Not waited for."""
    port = free_port()
    models = {"OPENAI_BASE_URL": backend.url + "/v1", "OPENAI_API_KEY": "sk-scripted-backend"} if backend else {}
    command = [sys.executable, "-m", module, "serve", "--port", str(port), "--data", str(folder / "data")]
    return Process(command, f"http://127.0.0.1:{port}", folder / "kelpie.log", {**models, **environment})


@contextlib.contextmanager
def scene(*backend_arguments: str) -> Iterator[tuple[Path, Process, Process]]:
    """A folder, a scripted backend and a healthy server; all gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="kelpie-bench-") as name:
        folder = Path(name)
        backend = start_backend(folder, *backend_arguments)
        try:
            server = start_kelpie(folder, backend)
            try:
                server.wait_healthy("/v1/health/")
                yield folder, backend, server
            finally:
                server.stop()
        finally:
            backend.stop()
