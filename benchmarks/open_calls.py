"""A thousand agents, one message each, and a model that answers nobody until 990 calls are open.

    python -m benchmarks.open_calls

Exit 1 unless the backend saw 990 calls open at once and every agent was answered. Then two messages at once to one
agent: the history must be serial.
"""

import argparse
import asyncio
import sys
import time

import httpx2

from benchmarks.crash import every, message, post
from benchmarks.processes import scene

MODEL = "openai/scripted"


async def run(agents: int, hold: int) -> int:
    with scene("--hold-until", str(hold), "--hold-ms", "120000") as (_, backend, server):
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=server.url, timeout=300, limits=limits, trust_env=False) as client:
            ids = []
            for number in range(agents):
                made = await post(client, "/v1/agents/", {"name": f"agent {number}", "model": MODEL})
                ids.append(made["id"])
            started, cpu = time.perf_counter(), server.cpu_ms()
            answers = await asyncio.gather(
                *(post(client, f"/v1/agents/{one}/messages", message(f"hello {one}")) for one in ids)
            )
            wall, cpu = time.perf_counter() - started, server.cpu_ms() - cpu
            answered = sum(any(m["message_type"] == "assistant_message" for m in a["messages"]) for a in answers)
            stats = (await client.get(f"{backend.url}/stats")).json()
            print(f"{answered} of {agents} answered; {stats['max_open']} model calls were open at once;")
            print(f"{wall:.1f} s, {cpu / agents:.2f} CPU ms a message, {server.rss_mib():.0f} MiB")
            serial = await _two_at_once(client, ids[0])
            print(f"two messages at once to one agent: {'serial' if serial else 'NOT serial'}")
            return 0 if answered == agents and stats["max_open"] >= hold and serial else 1


async def _two_at_once(client: httpx2.AsyncClient, agent_id: str) -> bool:
    path = f"/v1/agents/{agent_id}/messages"
    await asyncio.gather(*(post(client, path, message(f"at once {number}")) for number in range(2)))
    kinds = [row["message_type"] for row in await every(client, path)]
    talk = [kind for kind in kinds if kind in ("user_message", "assistant_message")]
    return talk == ["user_message", "assistant_message"] * (len(talk) // 2)


def main() -> int:
    parser = argparse.ArgumentParser(description="A thousand agents with a model call open at once.")
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--hold", type=int, default=990, help="calls that must be open before any is answered")
    given = parser.parse_args()
    return asyncio.run(run(given.agents, given.hold))


if __name__ == "__main__":
    sys.exit(main())
