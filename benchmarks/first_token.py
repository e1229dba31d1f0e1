"""How long the first token takes over what the model itself takes for it.

    python -m benchmarks.first_token            prints the three medians

The same reply is asked of the server and of its model, in turn, so that the machine's load is in both alike.
"""

import asyncio
import statistics
import time
from typing import Any

import httpx2

from benchmarks.processes import Process, scene

MODEL = "openai/scripted"
DELAY_MS = 50  # of the model: with none, its own work would be most of what is measured
WARM_UP = 3


async def measure(server: Process, backend: Process, times: int) -> dict[str, float]:
    """Wall ms, medians: through the server, of the model alone, and the difference."""
    said = [{"role": "user", "content": f"[[delay_ms:{DELAY_MS}]] [[n:20]]"}]
    asked = {"messages": said, "streaming": True, "stream_tokens": True}
    bare = {"model": "scripted", "messages": said, "stream": True}
    through: list[float] = []
    alone: list[float] = []
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as client:
        memory = {"memory": {"recall": False, "remember": False}}
        made = await client.post(f"{server.url}/v1/agents/", json={"model": MODEL, "metadata": memory})
        made.raise_for_status()
        path = f"{server.url}/v1/agents/{made.json()['id']}/messages"
        for number in range(WARM_UP + times):
            ours = await _first(client, path, asked, '"assistant_message"')
            models = await _first(client, f"{backend.url}/v1/chat/completions", bare, '"content"')
            if number >= WARM_UP:
                through.append(ours)
                alone.append(models)
    over = [ours - models for ours, models in zip(through, alone, strict=True)]
    return {
        "first_token_p50_ms": statistics.median(through),
        "first_token_of_the_model_p50_ms": statistics.median(alone),
        "first_token_over_the_models_ms": statistics.median(over),
    }


async def _first(client: httpx2.AsyncClient, path: str, body: dict[str, Any], mark: str) -> float:
    """Wall ms from sending to the first line of the stream that holds `mark`."""
    started, told = time.perf_counter(), 0.0
    async with client.stream("POST", path, json=body) as answer:
        async for line in answer.aiter_lines():
            if not told and mark in line:
                told = (time.perf_counter() - started) * 1000
    if not told:
        raise RuntimeError(f"no token came from {path}: {answer.status_code}")
    return told


if __name__ == "__main__":
    with scene() as (_, backend, server):
        for name, figure in asyncio.run(measure(server, backend, 100)).items():
            print(f"{name:36} {figure:9.2f}")
