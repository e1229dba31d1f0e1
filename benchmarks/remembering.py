"""What memory costs a message: CPU of the server per message, outbox work included, with 200 facts in scope.

    python -m benchmarks.remembering

The same messages go, in turn, to agents without memory and to agents that recall and remember; what is left to do is
waited for before CPU is read. With MiniLM fetched (`umi embedder get minilm`) a second server embeds as well. The model
answers at once and is another process.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.__main__ import fact, yardstick_ms
from benchmarks.crash import post
from benchmarks.processes import Process, start_backend, start_kelpie
from umi.embed import can_run, installed

MODEL = "openai/scripted"
BOUND_MS = 4.0  # of CPU that memory by words may add to a message
FACTS = 200
AGENTS = 4
OFF, ON = {"recall": False, "remember": False}, {"recall": True, "remember": True}
_NAMES = """Nina Omar Petra Quentin Rosa Stefan Tilda Umberto Vera Walter Xenia Yusuf Zelda Anton Bianca Carlos Daria
Emil Fatima Gustav Helga Igor Jasmin Karl Lucia Marek Nadia Oskar Paula Ramon Sofia Tomas Ulrike Viktor Wanda""".split()
_CITIES = ("Lisbon", "Porto", "Vienna", "Oslo", "Kyoto", "Quito", "Dakar", "Turin", "Graz", "Bergen", "Cork")
_COMPANIES = ("Acme", "Initech", "Globex", "Hooli", "Umbrella")


def message(number: int) -> str:
    """Half of them ask; of the others half tell something of a person, half what happened."""
    who = _NAMES[number % len(_NAMES)]
    if number % 2:
        return f"What was decided in the meeting with {who} about topic {number % 50}?"
    if number % 4:
        return f"{who} lives in {_CITIES[number % 11]} and works at {_COMPANIES[number % 5]} now."
    return f"In meeting {number} we talked for two hours with {who} about the budget of project {number % 17}."


class Bench:
    def __init__(self, server: Process, client: httpx2.AsyncClient) -> None:
        self._server, self._client = server, client

    async def agents(self, memory: dict[str, bool]) -> list[str]:
        made = []
        for number in range(AGENTS):
            body = {"name": f"agent {number}", "model": MODEL, "metadata": {"memory": memory}}
            agent_id = (await post(self._client, "/v1/agents/", body))["id"]
            for n in range(FACTS):
                await post(self._client, f"/v1/agents/{agent_id}/archival-memory", {"text": fact(n)})
            made.append(agent_id)
        return made

    async def cpu_ms(self, agents: list[str], first: int, count: int) -> float:
        """Per message, with all that it leaves to do."""
        before = self._server.cpu_ms()
        for number in range(first, first + count):
            body = {"messages": [{"role": "user", "content": message(number)}]}
            await post(self._client, f"/v1/agents/{agents[number % len(agents)]}/messages", body)
        await self._rests()
        return (self._server.cpu_ms() - before) / count

    async def _rests(self) -> None:
        """Until it has used no CPU for a while."""
        last, since = self._server.cpu_ms(), time.perf_counter()
        while time.perf_counter() - since < 1.0:
            await asyncio.sleep(0.1)
            if (now := self._server.cpu_ms()) != last:
                last, since = now, time.perf_counter()


async def measured(server: Process, rounds: int, count: int) -> tuple[float, float]:
    """CPU ms of a message without memory, and with it; rounds of each in turn, as machines are never quiet."""
    limits = httpx2.Limits(max_connections=10)
    async with httpx2.AsyncClient(base_url=server.url, timeout=60, limits=limits, trust_env=False) as client:
        bench = Bench(server, client)
        without, with_memory = await bench.agents(OFF), await bench.agents(ON)
        await bench.cpu_ms(without, 0, count)
        await bench.cpu_ms(with_memory, 0, count)
        off = on = 0.0
        for number in range(1, rounds + 1):
            off += await bench.cpu_ms(without, number * count, count) / rounds
            on += await bench.cpu_ms(with_memory, number * count, count) / rounds
        return off, on


def run(rounds: int, count: int, *, embeds: bool) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="kelpie-bench-") as name:
        folder = Path(name)
        backend = start_backend(folder)
        # An embedder is found in the home of its user: in an empty one there is none.
        server = start_kelpie(folder, backend, HOME=os.environ.get("HOME", name) if embeds else name)
        try:
            server.wait_healthy("/v1/health/")
            return asyncio.run(measured(server, rounds, count))
        finally:
            server.stop()
            backend.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU per message with memory off and on.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=60, help="of each kind in a round")
    given = parser.parse_args()
    print(
        f"yardstick {yardstick_ms():.0f} ms; {FACTS} facts in scope, {given.rounds} rounds of {given.messages} messages"
    )
    off, on = run(given.rounds, given.messages, embeds=False)
    print(f"memory off       {off:6.2f} CPU ms a message")
    print(f"memory by words  {on:6.2f} CPU ms a message: + {on - off:.2f}, at most + {BOUND_MS:.0f}")
    if can_run() and installed():
        off_beside, embedded = run(given.rounds, given.messages, embeds=True)
        added = embedded - off_beside
        print(f"and by meaning   {embedded:6.2f} CPU ms a message: + {added:.2f}")
        print(f"                 of which the embedder's share is {added - (on - off):.2f}")
    else:
        print("and by meaning   not measured: MiniLM is not installed (umi embedder get minilm)")
    return 0 if on - off <= BOUND_MS else 1


if __name__ == "__main__":
    sys.exit(main())
