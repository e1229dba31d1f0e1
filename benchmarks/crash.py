"""kill -9 at random moments under load, again and again: nothing that was acknowledged may be lost.

    python -m benchmarks.crash                      100 kills, 16 writers; exit 1 on any loss
    python -m benchmarks.crash --lossy --kills 20   the control: a server that acknowledges before it commits
                                                    must be caught, or this check proves nothing

Each writer owns an agent and does four things in turn, each with a text that occurs nowhere else: send a message and
wait, send one in the background, let the agent append to a block by a tool call, insert a fact. What was answered is
noted. After the last restart every note is compared with what the API lists.
"""

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.processes import Process, start_backend, start_kelpie

MODEL = "openai/scripted"


@dataclass
class Writer:
    """One agent and what was acknowledged for it."""

    number: int
    agent_id: str
    count: int = 0
    waited: set[str] = field(default_factory=set)  # messages whose answer we got
    accepted: set[str] = field(default_factory=set)  # messages taken in the background
    appended: set[str] = field(default_factory=set)  # lines of the block "notes"
    facts: dict[str, str] = field(default_factory=dict)  # id -> text
    value: tuple[int, int] = (0, 0)  # last acknowledged and last attempted value of the block "counter"
    attempted: set[str] = field(default_factory=set)

    async def act(self, client: httpx2.AsyncClient) -> None:
        self.count += 1
        word = f"w{self.number}n{self.count}"
        self.attempted.add(word)
        path = f"/v1/agents/{self.agent_id}"
        match self.count % 5:
            case 0:
                await post(client, f"{path}/messages", message(f"{word} [[delay_ms:{self.count % 40}]]"))
                self.waited.add(word)
            case 1:
                await post(client, f"{path}/messages/async", message(word))
                self.accepted.add(word)
            case 2:
                call = f'[[tool:core_memory_append {{"label": "notes", "content": "{word}"}}]]'
                await post(client, f"{path}/messages", message(f"{word} {call}"))
                self.waited.add(word)
                self.appended.add(word)
            case 3:
                made = await post(client, f"{path}/archival-memory", {"text": f"fact {word}"})
                self.facts[made[0]["id"]] = f"fact {word}"
            case 4:
                self.value = (self.value[0], self.count)
                answer = await client.patch(f"{path}/core-memory/blocks/counter", json={"value": str(self.count)})
                answer.raise_for_status()
                self.value = (self.count, self.count)


def message(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def post(client: httpx2.AsyncClient, path: str, body: Any) -> Any:
    answer = await client.post(path, json=body)
    if answer.status_code >= 300:
        raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text[:300]}")
    return answer.json()


def open_client(server: Process) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=server.url, timeout=30, trust_env=False)


async def load(server: Process, writers: list[Writer], seconds: float) -> int:
    """Let the writers write, kill the server in the midst, and return how many requests were cut off."""
    cut = 0

    async def write(writer: Writer) -> None:
        nonlocal cut
        try:
            while True:
                await writer.act(client)
        except httpx2.TransportError:
            cut += 1

    async with open_client(server) as client:
        tasks = [asyncio.create_task(write(writer)) for writer in writers]
        await asyncio.sleep(seconds)
        server.kill()
        await asyncio.gather(*tasks)
    return cut


async def every(client: httpx2.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    """All rows of a listing, page by page, oldest first."""
    rows: list[dict[str, Any]] = []
    while True:
        after = {"after": rows[-1]["id"]} if rows else {}
        answer = await client.get(path, params={"limit": 100, "order": "asc", **query, **after})
        answer.raise_for_status()
        page = [row for row in answer.json() if not rows or row["id"] != rows[-1]["id"]]
        if not page:
            return rows
        rows += page


async def settle(client: httpx2.AsyncClient, limit_s: float = 60) -> list[str]:
    """Wait until every run has ended. Returns the ids of those that are stuck."""
    until = time.perf_counter() + limit_s
    while True:
        open_runs = [run for run in await every(client, "/v1/runs/") if run["status"] in ("created", "running")]
        if not open_runs or time.perf_counter() > until:
            return [run["id"] for run in open_runs]
        await asyncio.sleep(0.5)


async def check(client: httpx2.AsyncClient, writers: list[Writer]) -> list[str]:
    """Everything that is wrong, in words; an empty list if nothing is."""
    wrong = [f"run {run_id} is stuck" for run_id in await settle(client)]
    listed = {agent["id"]: agent for agent in await every(client, "/v1/agents/")}
    for writer in writers:
        path = f"/v1/agents/{writer.agent_id}"
        one = (await client.get(path)).json()
        if listed.get(writer.agent_id, {}).get("name") != one.get("name"):
            wrong.append(f"agent {writer.agent_id}: list and get differ")
        wrong += await _check_messages(client, path, writer)
        wrong += await _check_blocks(client, path, writer)
        facts = {fact["id"]: fact["text"] for fact in await every(client, f"{path}/archival-memory")}
        wrong += [f"fact {text} was lost" for fact_id, text in writer.facts.items() if facts.get(fact_id) != text]
    return wrong


async def _check_messages(client: httpx2.AsyncClient, path: str, writer: Writer) -> list[str]:
    rows = await every(client, f"{path}/messages")
    said = [row["content"].split()[0] for row in rows if row["message_type"] == "user_message"]
    wrong = [f"message {word} was lost" for word in (writer.waited | writer.accepted) - set(said)]
    wrong += [f"message {word} is there {said.count(word)} times" for word in set(said) if said.count(word) > 1]
    wrong += [f"message {word} was never sent" for word in set(said) - writer.attempted]
    # A serial history: between a user's message and the next one the agent has answered.
    kinds = [row["message_type"] for row in rows if row["message_type"] in ("user_message", "assistant_message")]
    pairs = itertools.pairwise(kinds)
    wrong += ["two user messages without an answer between" for a, b in pairs if a == b == "user_message"]
    return wrong


async def _check_blocks(client: httpx2.AsyncClient, path: str, writer: Writer) -> list[str]:
    blocks = {block["label"]: block["value"] for block in (await client.get(f"{path}/core-memory/blocks")).json()}
    lines = blocks.get("notes", "").split("\n")
    wrong = [f"block line {word} was lost" for word in writer.appended - set(lines)]
    wrong += [
        f"block line {word} was written {lines.count(word)} times" for word in set(lines) if lines.count(word) > 1
    ]
    low, high = writer.value
    if not low <= int(blocks["counter"]) <= high:
        wrong.append(f"block counter is {blocks['counter']}, acknowledged was {low}, attempted {high}")
    return wrong


async def run(kills: int, count: int, seed: int, *, lossy: bool) -> int:
    rng = random.Random(seed)
    module = "benchmarks.lossy" if lossy else "kelpie"
    with tempfile.TemporaryDirectory(prefix="kelpie-crash-") as name:
        folder = Path(name)
        backend = start_backend(folder)
        server = start_kelpie(folder, backend, module=module)
        try:
            server.wait_healthy("/v1/health/")
            writers = [Writer(number, await _new_agent(server, number)) for number in range(count)]
            cut = 0
            for kill in range(1, kills + 1):
                cut += await load(server, writers, rng.uniform(0.05, 0.8))
                server = start_kelpie(folder, backend, module=module)
                server.wait_healthy("/v1/health/")
                if kill % 10 == 0 or lossy:
                    async with open_client(server) as client:
                        wrong = await check(client, writers)
                    noted = f"{_acknowledged(writers):7,} acknowledged, {cut:5,} cut off"
                    print(f"{kill:4} kills, {noted}, {len(wrong)} wrong", flush=True)
                    if wrong:
                        print("\n".join(f"  {line}" for line in wrong[:20]))
                        return 1
            return 0
        finally:
            server.stop()
            backend.stop()


def _acknowledged(writers: list[Writer]) -> int:
    return sum(len(w.waited) + len(w.accepted) + len(w.appended) + len(w.facts) for w in writers)


async def _new_agent(server: Process, number: int) -> str:
    body = {
        "name": f"writer {number}",
        "model": MODEL,
        "memory_blocks": [{"label": "counter", "value": "0"}],
        "tools": ["core_memory_append"],
    }
    async with open_client(server) as client:
        made: dict[str, str] = await post(client, "/v1/agents/", body)
        return made["id"]


def main() -> int:
    parser = argparse.ArgumentParser(description="kill -9 under load; nothing acknowledged may be lost.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1, help="when the kills come")
    parser.add_argument("--lossy", action="store_true", help="the control; exit 0 if it is caught")
    given = parser.parse_args()
    failed = asyncio.run(run(given.kills, given.writers, given.seed, lossy=given.lossy))
    if given.lossy:
        print("caught: the check can fail" if failed else "NOT caught: this check proves nothing")
        return 0 if failed else 1
    print("lost something" if failed else "nothing acknowledged was lost, nothing is stuck, list = get")
    return failed


if __name__ == "__main__":
    sys.exit(main())
