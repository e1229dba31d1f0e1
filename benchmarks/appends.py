"""A hundred agents' worth of appends at once to a block that does not exist yet, over HTTP: one block, all texts.

python -m benchmarks.appends
"""

import argparse
import asyncio
import sys

import httpx2

from benchmarks.crash import message, post
from benchmarks.processes import scene


async def run(count: int) -> int:
    """`count` messages to one agent, all sent at once, each making it call core_memory_append."""
    with scene() as (_, _, server):
        async with httpx2.AsyncClient(base_url=server.url, timeout=120, trust_env=False) as client:
            body = {"name": "appender", "model": "openai/scripted", "tools": ["core_memory_append"]}
            agent = await post(client, "/v1/agents/", body)
            path = f"/v1/agents/{agent['id']}"
            calls = (
                f'[[tool:core_memory_append {{"label": "notes", "content": "text {number}"}}]]'
                for number in range(count)
            )
            await asyncio.gather(*(post(client, f"{path}/messages", message(call)) for call in calls))
            blocks = (await client.get(f"{path}/core-memory/blocks")).json()
            notes = [block for block in blocks if block["label"] == "notes"]
            lines = notes[0]["value"].split("\n") if notes else []
            everywhere = (await client.get("/v1/blocks/", params={"label": "notes"})).json()
            print(f"{len(notes)} block attached, {len(everywhere)} in all")
            print(f"{len(lines)} lines, {len(set(lines))} different")
            good = len(notes) == len(everywhere) == 1 and sorted(lines) == sorted(f"text {n}" for n in range(count))
            return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="Appends at once to a missing block.")
    parser.add_argument("--count", type=int, default=100)
    return asyncio.run(run(parser.parse_args().count))


if __name__ == "__main__":
    sys.exit(main())
