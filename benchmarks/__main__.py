"""The driver: what each operation costs the server in CPU, beside the peer's constants and our targets.

The model is a scripted backend with no latency in a process of its own, so that only the server is measured. CPU is
the server process's own, from the kernel's accounting; wall times are for orientation only on a busy machine.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

from benchmarks import first_token
from benchmarks.processes import Process, scene, start_kelpie

HERE = Path(__file__).parent
MODEL = "openai/scripted"


def yardstick_ms() -> float:
    """CPU ms of a fixed busy loop: how fast this machine is today."""
    started = time.process_time()
    x = 0
    for i in range(1_500_000):
        x += i
    return (time.process_time() - started) * 1000


class Driver:
    def __init__(self, server: Process, client: httpx2.AsyncClient, n: int, *, memory: bool = False) -> None:
        self._server = server
        self._memory = memory
        self._client = client
        self._n = n
        self.figures: dict[str, float] = {}

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = await self._client.request(method, path, json=body, params=query or None)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    async def new_agent(self, number: int = 0) -> str:
        body = {
            "name": f"bench {number}",
            "model": MODEL,
            "tags": ["bench"],
            "metadata": {"memory": {"recall": self._memory, "remember": self._memory}},
            "memory_blocks": [
                {"label": "human", "value": "Name: Sam"},
                {"label": "persona", "value": "I am helpful."},
            ],
        }
        created: dict[str, str] = await self.call("POST", "/v1/agents/", body)
        return created["id"]

    async def send(self, agent_id: str, text: str = "hello") -> Any:
        body = {"messages": [{"role": "user", "content": text}]}
        return await self.call("POST", f"/v1/agents/{agent_id}/messages", body)

    async def measure(self, name: str, times: int, work: Callable[[int], Awaitable[Any]]) -> None:
        """CPU ms of the server and p50 wall ms per operation, one after another, after a warm-up."""
        for number in range(3):
            await work(-1 - number)
        walls: list[float] = []
        cpu = self._server.cpu_ms()
        for number in range(times):
            started = time.perf_counter()
            await work(number)
            walls.append((time.perf_counter() - started) * 1000)
        self.figures[f"{name}_cpu_ms"] = (self._server.cpu_ms() - cpu) / times
        self.figures[f"{name}_p50_ms"] = statistics.median(walls)

    async def throughput(self, agents: int, seconds: float) -> None:
        """Messages per second with `agents` agents talking at once, CPU per message, and reads beside the writers."""
        ids = [await self.new_agent(number) for number in range(agents)]
        until = time.perf_counter() + seconds
        done = 0
        reads: list[float] = []

        async def talk(agent_id: str) -> None:
            nonlocal done
            while time.perf_counter() < until:
                await self.send(agent_id)
                done += 1

        async def read(agent_id: str) -> None:
            while time.perf_counter() < until:
                started = time.perf_counter()
                await self.call("GET", f"/v1/agents/{agent_id}/core-memory/blocks/human")
                reads.append((time.perf_counter() - started) * 1000)
                await asyncio.sleep(0.02)

        cpu, started = self._server.cpu_ms(), time.perf_counter()
        await asyncio.gather(*(talk(one) for one in ids), read(ids[0]))
        wall = time.perf_counter() - started
        self.figures[f"messages_per_s_{agents}_agents"] = done / wall
        self.figures[f"message_with_{agents}_agents_cpu_ms"] = (self._server.cpu_ms() - cpu) / (done + len(reads))
        self.figures[f"read_beside_{agents}_writers_p50_ms"] = statistics.median(reads)
        self.figures[f"read_beside_{agents}_writers_p99_ms"] = sorted(reads)[int(len(reads) * 0.99)]

    async def run(self, facts: int, seconds: float) -> None:
        n = self._n
        await self.measure("health", n, lambda _: self.call("GET", "/v1/health/"))
        await self.measure("create_agent", n, self.new_agent)
        agent_id = await self.new_agent(9999)
        path = f"/v1/agents/{agent_id}"
        await self.measure("retrieve_agent", n, lambda _: self.call("GET", path))
        await self.measure("list_50_agents", n // 2, lambda _: self.call("GET", "/v1/agents/", limit=50, tags="bench"))
        await self.measure(
            "update_block",
            n,
            lambda i: self.call("PATCH", f"{path}/core-memory/blocks/human", {"value": f"Name: Sam {i}"}),
        )
        await self.measure("message_1_call", n, lambda i: self.send(agent_id, f"hello {i}"))
        tool = '[[tool:conversation_search {"query": "hello"}]]'
        await self.measure("message_1_tool_2_calls", n // 2, lambda i: self.send(agent_id, f"find {i} {tool}"))
        await self.measure("list_50_messages", n, lambda _: self.call("GET", f"{path}/messages", limit=50))
        inserted = (self.call("POST", f"{path}/archival-memory", {"text": fact(i)}) for i in range(facts))
        for insert in inserted:
            await insert
        await self.measure(
            "archival_search",
            n,
            lambda i: self.call("GET", f"{path}/archival-memory/search", query=f"meeting about topic {i % 50}"),
        )
        for agents in (1, 8, 32):
            await self.throughput(agents, seconds)


def fact(number: int) -> str:
    people = ("Ada", "Grace", "Edsger", "Barbara", "Tony")
    return (
        f"{people[number % 5]} had meeting {number} about topic {number % 50} with the team of project {number % 17}."
    )


def report(figures: dict[str, float], peers: dict[str, Any]) -> str:
    """A table: our figure, the target, the peer's, and how many times less."""
    peer, targets = peers["peer"], peers["targets"]
    lines = [f"{'':36} {'ours':>9} {'target':>8} {'peer':>8} {'ratio':>7}"]
    for name, value in figures.items():
        theirs = peer.get(name)
        theirs = sum(theirs) if isinstance(theirs, list) else theirs
        target = targets.get(name)
        better_high = name.startswith("messages_per_s")
        ratio = f"{(value / theirs if better_high else theirs / value):6.1f}x" if theirs and value else ""
        verdict = "" if target is None else ("  reached" if (value >= target) == better_high else "  NOT reached")
        shown = f"{target:8.1f}" if target is not None else " " * 8
        lines.append(f"{name:36} {value:9.2f} {shown} {theirs or '':>8} {ratio:>7}{verdict}")
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the server beside the peer's constants.")
    parser.add_argument("--n", type=int, default=200, help="operations of each kind (default 200)")
    parser.add_argument("--facts", type=int, default=1000, help="facts in archival memory before the search")
    parser.add_argument("--seconds", type=float, default=8, help="length of each throughput run")
    parser.add_argument("--memory", action="store_true", help="agents recall and remember; they don't by default")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    given = parser.parse_args()
    peers = json.loads((HERE / "peers.json").read_text())
    figures: dict[str, float] = {"yardstick_cpu_ms": yardstick_ms()}
    with scene() as (folder, backend, server):
        server.stop()
        figures |= _start(folder, backend)
    with scene() as (_, backend, server):
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=200)
        async with httpx2.AsyncClient(base_url=server.url, timeout=60, limits=limits, trust_env=False) as client:
            driver = Driver(server, client, given.n, memory=given.memory)
            await driver.run(given.facts, given.seconds)
        figures |= driver.figures | await first_token.measure(server, backend, given.n // 2)
        figures["rss_after_mib"] = server.rss_mib()
    print(report(figures, peers))
    if given.out:
        given.out.write_text(json.dumps(figures, indent=2) + "\n")


def _start(folder: Path, backend: Process) -> dict[str, float]:
    """Start to healthy and memory when idle, on a folder that exists already: a restart, as operators see it."""
    starts: list[float] = []
    rss = 0.0
    for _ in range(3):
        server = start_kelpie(folder, backend)
        starts.append(server.wait_healthy("/v1/health/"))
        time.sleep(0.5)
        rss = server.rss_mib()
        server.stop()
    return {"start_to_healthy_s": statistics.median(starts), "idle_rss_mib": rss}


if __name__ == "__main__":
    asyncio.run(main())
