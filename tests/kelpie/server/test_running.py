"""The process: how it starts, what it says, what it loads, and how it ends."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import apsw
import httpx2
import pytest

from kelpie.server.build import DATABASE_NAME
from umi.storage.lock import FileLock

SERVE = "import sys; from kelpie import config; from kelpie.server import run; sys.exit(run(config.load()))"
# What a server that only listens has no use for. httpx2 comes with the first model call.
HEAVY = (
    "duckdb sqlglot vl_convert numpy opentelemetry.sdk mcp httpx2 httpx yaml typer rich xllamacpp kelpie.cli".split()
)


class Process:
    """A server in a process of its own, on a free port, with what it wrote."""

    def __init__(self, folder, log_path, shell='exec "$@"', **environment):
        self._log = log_path
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("KELPIE_", "OPENAI_"))}
        settings = {"KELPIE_DATA": str(folder), "KELPIE_PORT": "0", **environment}
        with self._log.open("wb") as log:
            command = ["sh", "-c", shell, "sh", sys.executable, "-c", SERVE]
            self.popen = subprocess.Popen(command, stderr=log, stdout=log, env=plain | settings)

    @property
    def said(self):
        return self._log.read_text()

    def listening(self):
        """The URL, once it says that it listens."""
        for _ in range(400):
            found = [line for line in self.said.split("\n") if line.startswith("kelpie listening on http://")]
            if found:
                return found[0].rpartition(" ")[2]
            assert self.popen.poll() is None, self.said
            time.sleep(0.05)
        raise AssertionError(f"it never listened: {self.said}")

    def stop(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
        return self.popen.wait(10)


@pytest.fixture
def process(tmp_path):
    started = []

    def start(folder=tmp_path / "data", **settings):
        started.append(Process(folder, tmp_path / f"{len(started)}.log", **settings))
        return started[-1]

    yield start
    for one in started:
        if one.popen.poll() is None:
            one.popen.kill()
            one.popen.wait()


def test_it_says_where_it_listens_and_ends_cleanly_on_sigterm(process):
    server = process()
    url = server.listening()
    assert httpx2.get(f"{url}/v1/health/", trust_env=False).json()["status"] == "ok"
    assert server.stop() == 0
    assert server.said == f"kelpie listening on {url}\n"


def test_it_ends_cleanly_on_an_interrupt(process):
    server = process()
    server.listening()
    assert server.stop(signal.SIGINT) == 0
    assert "Traceback" not in server.said


def test_a_stop_does_not_wait_for_a_model_and_the_next_start_goes_on(process, serving_slowly):
    server = process(OPENAI_BASE_URL=f"{serving_slowly.url}/v1")
    url = server.listening()
    with httpx2.Client(base_url=url, trust_env=False) as http:
        agent = http.post("/v1/agents/", json={"model": "openai/slow"}).json()
        run = http.post(f"/v1/agents/{agent['id']}/messages/async", json={"input": "hello"}).json()
        assert serving_slowly.asked.wait(10), "the model was never asked"
        assert server.stop() == 0
    serving_slowly.asked.clear()
    again = process(OPENAI_BASE_URL=f"{serving_slowly.url}/v1")
    again.listening()
    assert serving_slowly.asked.wait(10), "the run was not taken up again"
    assert run["status"] == "created"
    assert "Traceback" not in server.said


@pytest.fixture
def serving_slowly():
    """A model that is asked and does not answer."""

    class Slow:
        def __init__(self):
            self.asked = threading.Event()
            self._socket = socket.create_server(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
            self._open, self._thread = [], threading.Thread(target=self._serve)
            self._thread.start()

        def _serve(self):
            while True:
                try:
                    connection, _ = self._socket.accept()
                except OSError:
                    return
                self._open.append(connection)
                if b"POST /v1/chat/completions" in connection.recv(100_000):
                    self.asked.set()

        def close(self):
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._thread.join()
            for connection in self._open:
                connection.close()

    slow = Slow()
    yield slow
    slow.close()


def test_nothing_heavy_is_loaded_to_listen_and_to_answer(tmp_path):
    """One process that starts, makes an agent and lists it, and says what it has loaded by then."""
    script = f"""
import asyncio, json, sys
from kelpie.config import Config
from kelpie.models.scripted import ScriptedModel, scripted_card
from kelpie.server import build

async def ask(app, method, path, body=b""):
    said = []
    async def receive():
        return {{"type": "http.request", "body": body, "more_body": False}}
    async def send(message):
        said.append(message)
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    await app({{"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": headers, "http_version": "1.1", "scheme": "http", "client": None, "server": None, "root_path": ""}},
        receive, send)
    return said[0]["status"], json.loads(said[1]["body"])

async def main():
    server = build(Config(data_folder={str(tmp_path)!r}))
    server.models.register(scripted_card(), ScriptedModel(server.host))
    await server.start()
    status, agent = await ask(server.app, "POST", "/v1/agents", b'{{"model": "kelpie/scripted"}}')
    assert status == 200, agent
    status, said = await ask(server.app, "POST", f"/v1/agents/{{agent['id']}}/messages", b'{{"input": "[[say:hi]]"}}')
    assert said["messages"][0]["content"] == "hi", said
    await server.stop()

asyncio.run(main())
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == []


def test_more_files_may_be_opened_than_the_soft_limit_says(process):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    server = process(shell='ulimit -Sn 256 && exec "$@"')
    server.listening()
    assert resource.prlimit(server.popen.pid, resource.RLIMIT_NOFILE) == (hard, hard)


# ---- what keeps it from starting is one line


def refused(server):
    assert server.popen.wait(20) == 1
    lines = server.said.strip().split("\n")
    assert len(lines) == 1, server.said
    assert lines[0].startswith("kelpie can't start: ")
    return lines[0]


def test_a_store_that_is_in_use_names_its_holder(process, tmp_path):
    (tmp_path / "data").mkdir()
    lock = FileLock(str(tmp_path / "data" / DATABASE_NAME))
    assert f"in use by process {os.getpid()}" in refused(process())
    lock.release()
    process().listening()


def test_a_store_of_a_newer_version_is_left_alone(process, tmp_path):
    server = process()
    server.listening()
    server.stop()
    path = tmp_path / "data" / DATABASE_NAME
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE room_schema SET number = 99 WHERE room = 'kelpie.agents'")
    connection.close()
    assert "newer version (kelpie.agents schema 99" in refused(process())


def test_a_store_that_is_no_database_is_left_alone(process, tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / DATABASE_NAME
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    assert "damaged or not a database" in refused(process())
    assert path.read_bytes().startswith(b"not a database")


def test_a_folder_that_cannot_be_made_is_named(process, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert f"can't make the folder {tmp_path}/file/data" in refused(process(tmp_path / "file" / "data"))


def test_a_port_that_is_taken_is_named_and_the_store_is_not_opened(process, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"can't listen on 127.0.0.1:{port}" in refused(process(KELPIE_PORT=str(port)))
    assert not (tmp_path / "data").exists()


def test_two_providers_of_one_name_are_refused(process):
    said = refused(
        process(OPENAI_BASE_URL="http://127.0.0.1:1/v1", VLLM_API_BASE="http://127.0.0.1:2", VLLM_HANDLE_BASE="openai")
    )
    assert "both serve handles that begin with 'openai/'" in said
