"""What agents that only talk pay while others run code in machines of their own.

    python -m benchmarks.neighbours [--image FOLDER] [--messages N]

One server in this process. CPU is this process's own, without the monitors: first for messages alone, then for 64 calls
at once alone, then for both together; the difference of the last two is what the messages cost beside the calls. Wall
time is shown as well: there are as many processors as there are.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.__main__ import yardstick_ms
from benchmarks.microvm import ADD, CALLERS
from kelpie.config import Config
from kelpie.errors import SandboxBusy
from kelpie.models.scripted import ScriptedModel, scripted_card
from kelpie.sandbox import SandboxResult
from kelpie.sandbox.microvm import image_folder
from kelpie.sandbox.microvm.level import microvm_folder
from kelpie.server import build
from kelpie.server.build import Server

AGENTS = 4
ROUNDS = 3


async def ask(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    said: list[dict[str, Any]] = []
    text = json.dumps(body).encode()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": text, "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
    about = {"headers": headers, "http_version": "1.1", "scheme": "http", "client": None, "server": None}
    await server.app({**scope, **about, "root_path": ""}, receive, send)
    assert said[0]["status"] == 200, said
    answer: dict[str, Any] = json.loads(said[1]["body"])
    return answer


async def talk(server: Server, agents: list[str], count: int) -> list[float]:
    """Wall ms of each message; every agent gets its own one after another, all agents at once."""
    walls: list[float] = []

    async def with_one(agent_id: str) -> None:
        for number in range(count // len(agents)):
            started = time.perf_counter()
            await ask(server, f"/v1/agents/{agent_id}/messages", {"input": f"[[say:{number}]]"})
            walls.append((time.perf_counter() - started) * 1000)

    await asyncio.gather(*map(with_one, agents))
    return walls


async def call(server: Server) -> list[Any]:
    calls = (server.sandbox.exec(ADD, "untrusted") for _ in range(CALLERS))
    return await asyncio.gather(*calls, return_exceptions=True)


async def cost(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    came = await work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000, came


async def run(image: str, messages: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="kelpie-neighbours-") as folder:
        os.makedirs(microvm_folder(folder))
        os.symlink(image, image_folder(microvm_folder(folder)))
        server = build(Config(data_folder=folder))
        server.models.register(scripted_card(), ScriptedModel(server.host))
        await server.start()
        try:
            await server.sandbox.exec(ADD, "untrusted")
            bodies = [{"model": "kelpie/scripted", "name": f"agent {n}"} for n in range(AGENTS)]
            agents = [(await ask(server, "/v1/agents", body))["id"] for body in bodies]
            await talk(server, agents, messages)
            return await _measured(server, agents, messages)
        finally:
            await server.stop()


async def _measured(server: Server, agents: list[str], messages: int) -> dict[str, float]:
    alone, beside, quiet, loaded = [], [], [], []
    outcomes: list[Any] = []
    for _ in range(ROUNDS):
        talked, walls = await cost(lambda: talk(server, agents, messages))
        called, _came = await cost(lambda: call(server))
        both, came = await cost(lambda: asyncio.gather(talk(server, agents, messages), call(server)))
        alone.append(talked / messages)
        beside.append((both - called) / messages)
        quiet += walls
        loaded += came[0]
        outcomes = came[1]
    return {
        "message_cpu_ms": statistics.median(alone),
        "message_cpu_ms_beside_calls": statistics.median(beside),
        "ratio": statistics.median(beside) / statistics.median(alone),
        "message_p50_ms": statistics.median(quiet),
        "message_p50_ms_beside_calls": statistics.median(loaded),
        f"answered_of_{CALLERS}": sum(isinstance(one, SandboxResult) and one.value == 42 for one in outcomes),
        f"refused_of_{CALLERS}": sum(isinstance(one, SandboxBusy) for one in outcomes),
        "yardstick_ms": yardstick_ms(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--image", default=os.path.expanduser("~/.cache/kelpie/tests/image"))
    parser.add_argument("--messages", type=int, default=400)
    given = parser.parse_args()
    for name, figure in asyncio.run(run(os.path.abspath(given.image), given.messages)).items():
        print(f"{name:32} {figure:10.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
