"""A real server on a loopback port, in a thread of the test's process, in front of a scripted model on another port."""

import asyncio
import contextlib
import threading

import httpx2
import pytest
import uvicorn
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee

from kelpie.config import Config
from kelpie.models.scripted_server import ScriptedServer
from kelpie.server import build
from umi.dst import Host

MODEL = "openai/gpt-4o-mini"


def pytest_collection_modifyitems(config, items):
    """What takes minutes runs only if it is asked for."""
    for marker in ("letta", "fuzz"):
        if marker not in config.option.markexpr:
            asked = [item for item in items if item.get_closest_marker(marker)]
            items[:] = [item for item in items if item not in asked]
            config.hook.pytest_deselected(items=asked)


class InThread:
    """A coroutine that serves until it is told to stop, on an event loop of its own."""

    def __init__(self, serve):
        self._ready, self.value = threading.Event(), None
        self._failed = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(serve)), daemon=True)
        self._thread.start()
        assert self._ready.wait(20), "the server did not start"
        if self._failed is not None:
            raise self._failed

    async def _main(self, serve):
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            await serve(self._announce, self._over)
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the test
            self._failed = error
            self._ready.set()

    def _announce(self, value):
        self.value = value
        self._ready.set()

    def run(self, work):
        """A coroutine on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def stop(self):
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._over.set)
            self._thread.join(20)
            assert not self._thread.is_alive(), "the server did not stop"


class Live:
    """A server under test. `http` is a plain client; `start` and `stop` may be called in turn on the same folder."""

    def __init__(self, config, keys=(None,)):
        self.config, self.key = config, keys[0]
        self._clients = []
        self.start()

    def start(self):
        self._thread = InThread(self._serve)
        self.server, self.url = self._thread.value
        self.http = self.client(self.key)

    def client(self, key=None):
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._clients.append(httpx2.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False))
        return self._clients[-1]

    async def _serve(self, announce, over):
        server = build(self.config)
        listener = uvicorn.Server(
            uvicorn.Config(server.app, port=0, lifespan="on", log_config=None, timeout_graceful_shutdown=1)
        )
        listener.capture_signals = contextlib.nullcontext
        serving = asyncio.create_task(listener.serve())
        while not listener.started:
            if serving.done():
                await serving
                raise RuntimeError("the server ended before it listened")
            await asyncio.sleep(0.005)
        port = listener.servers[0].sockets[0].getsockname()[1]
        announce((server, f"http://127.0.0.1:{port}"))
        await over.wait()
        listener.should_exit = True
        await serving

    def run(self, work):
        return self._thread.run(work)

    def stop(self):
        for client in self._clients:
            client.close()
        self._thread.stop()

    # ---- shorthands

    def agent(self, **fields):
        made = self.http.post("/v1/agents/", json={"model": MODEL, **fields})
        assert made.status_code == 200, made.text
        return made.json()

    def send(self, agent_id, text, **options):
        body = {"messages": [{"role": "user", "content": text}], **options}
        return self.http.post(f"/v1/agents/{agent_id}/messages", json=body)


@pytest.fixture(scope="session")
def scripted():
    """The scripted model over HTTP: its base URL."""

    async def serve(announce, over):
        host = Host()
        server = ScriptedServer(host)
        announce(await server.start())
        await over.wait()
        await server.close()
        await host.close()

    thread = InThread(serve)
    yield thread.value
    thread.stop()


@pytest.fixture(scope="session")
def new_live(scripted):
    """`new_live(folder)`: a server that its caller stops."""
    return lambda folder: Live(Config(data_folder=str(folder), openai_base_url=scripted))


@pytest.fixture(scope="session")
def live(new_live, tmp_path_factory):
    """One server for all tests that leave it usable; everything they make has ids of its own."""
    server = new_live(tmp_path_factory.mktemp("live"))
    yield server
    server.stop()


@pytest.fixture
def http(live):
    return live.http


@pytest.fixture
def start(scripted, tmp_path):
    """A server of a test's own: `start(keys={...})`; stopped when the test ends."""
    started = []

    def make(**settings):
        settings = {"data_folder": str(tmp_path / "data"), "openai_base_url": scripted, **settings}
        server = Live(Config(**settings), list(settings.get("keys") or [None]))
        started.append(server)
        return server

    yield make
    for server in started:
        server.stop()


def answering(answer):
    """A small HTTP server, in a thread, that answers every request with `answer(text)`, which gives a status and a
    body; its `value` is its URL."""

    async def one(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line for line in head.lower().split("\r\n") if line.startswith("content-length:")), ":0")
        body = await reader.readexactly(int(length.partition(":")[2]))
        status, text = answer(head + body.decode("latin-1"))
        said = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text.encode())}"
        writer.write(f"{said}\r\nconnection: close\r\n\r\n{text}".encode())
        await writer.drain()
        writer.close()

    async def serve(announce, over):
        async with await asyncio.start_server(one, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            announce(f"http://127.0.0.1:{port}")
            await over.wait()

    return InThread(serve)


@pytest.fixture
def serving():
    """`serving(answer)`: the URL of a server that answers so, while the test runs."""
    threads = []

    def make(answer):
        threads.append(answering(answer))
        return threads[-1].value

    yield make
    for thread in threads:
        thread.stop()


ALL, ANNA, FINANCE, TWO, EVE = (f"{name}-key-0123456789abcdef" for name in ("all", "anna", "finance", "two", "eve"))
KEYS = {ALL: "t", ANNA: "t:anna", FINANCE: "t:Finance", TWO: "t:anna+sales", EVE: "other"}
FILE = """\
teams: [Finance, Sales]
people:
  - {handle: anna, name: Anna Berg, teams: [Finance]}
  - {handle: ben, name: Ben Okoro, teams: [Finance, Sales]}
"""


def furnish(live, folder):
    """Connect a coffee shop's data, and make people; `anna`, `finance` and `two` are clients with their keys."""
    build_coffee(str(folder / "coffee.duckdb"))
    made = live.http.post("/v1/analyst/connections", json={"name": "coffee", "config": {"path": "coffee.duckdb"}})
    body = {"connection_id": made.json()["id"], "yaml": COFFEE_YAML}
    assert live.http.post("/v1/analyst/semantic-models", json=body).status_code == 200
    assert live.http.post("/v1/people/apply", json={"yaml": FILE}).status_code == 200
    live.anna, live.finance, live.two = live.client(ANNA), live.client(FINANCE), live.client(TWO)
    return live


@pytest.fixture
def house(start, tmp_path):
    """A server of a test's own, with people and a key for each way of speaking for them."""
    return furnish(start(keys=KEYS, analyst_model="kelpie/planner"), tmp_path / "data")


@pytest.fixture(scope="session")
def shared_house(scripted, tmp_path_factory):
    """The same for tests that leave it as they found it."""
    folder = tmp_path_factory.mktemp("shared")
    config = Config(data_folder=str(folder), openai_base_url=scripted, keys=KEYS, analyst_model="kelpie/planner")
    live = Live(config, list(KEYS))
    yield furnish(live, folder)
    live.stop()
