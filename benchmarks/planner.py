"""What an answer of our planner costs the server beside the query itself: CPU ms a question about the flights.

    python -m benchmarks.planner

A real server answers each question of flights.tune.yaml over its API, in a session of its own, after a warm-up. The CPU
is the server process's own, from the kernel's accounting, and less what the engine's queries took: the same SQL run
again on the same file with the product's settings, in this process, by the CPU clock. The yardstick, CPU ms of 1.5
million `x += i`, says how fast the machine is today; the bound is stated for a quiet one.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.__main__ import yardstick_ms
from benchmarks.gold import FOLDER, read_items
from benchmarks.processes import start_kelpie
from benchmarks.questions import PLANNER, build
from kelpie.analyst import limits
from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import open_source
from kelpie.analyst.workers import Workers
from kelpie.console.client import Client
from umi.dst import Host

BOUND_MS = 150.0
QUIET_YARDSTICK_MS = 34.0
FILE = "flights.tune.yaml"
WARM_UP = 5


class Asked(msgspec.Struct, frozen=True):
    """One question: the server's CPU for it, and the SQL it ran."""

    question: str
    cpu_ms: float
    sqls: list[str]


def ask_all(folder: Path) -> list[Asked]:
    """Every question once, after a few as a warm-up."""
    data = build("flights", str(folder / "data"))
    server = start_kelpie(folder, None)
    server.wait_healthy("/v1/health/")
    client = Client(server.url)
    try:
        body: dict[str, Any] = {"name": "flights", "config": {"path": Path(data.path).name}}
        connection = client.post("/v1/analyst/connections", body)["id"]
        client.post("/v1/analyst/semantic-models", {"connection_id": connection, "yaml": data.yaml})
        items = read_items(f"{FOLDER}/{FILE}")
        asked = []
        for number, item in enumerate([*items[:WARM_UP], *items]):
            body = {"question": item.question, "session": f"{number}", "model": PLANNER}
            before = server.cpu_ms()
            answer = client.post("/v1/analyst/questions", body)
            asked.append(Asked(item.question, server.cpu_ms() - before, [one["sql"] for one in answer["queries"]]))
        return asked[WARM_UP:]
    finally:
        client.close()
        server.stop()


async def query_ms(folder: Path, asked: list[Asked]) -> list[float]:
    """CPU ms of the queries of each question, the second time they run."""
    host = Host()
    workers = Workers(host, 1)
    surroundings = Surroundings(host, workers, (str(folder / "data"),), {})
    source = await open_source("duckdb", {"path": "flights.duckdb"}, surroundings)
    took = []
    try:
        for one in asked:
            for sql in one.sqls:
                await source.query(sql, rows_max=limits.QUERY_ROWS_MAX)
            started = time.process_time()
            for sql in one.sqls:
                await source.query(sql, rows_max=limits.QUERY_ROWS_MAX)
            took.append((time.process_time() - started) * 1000)
    finally:
        await source.stop()
        workers.close()
    return took


def main() -> int:
    yardstick = statistics.median(yardstick_ms() for _ in range(5))
    with tempfile.TemporaryDirectory(prefix="kelpie-bench-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        asked = ask_all(folder)
        queries = asyncio.run(query_ms(folder, asked))
    pairs = list(zip(asked, queries, strict=True))
    beside = [one.cpu_ms - query for one, query in pairs if one.sqls]
    without = [one.cpu_ms for one in asked if not one.sqls]
    middle, bound = statistics.median(beside), BOUND_MS * yardstick / QUIET_YARDSTICK_MS
    print(f"yardstick                            {yardstick:8.1f} CPU ms  (quiet: {QUIET_YARDSTICK_MS:.0f})")
    print(f"{len(beside)} answers of {FILE}, beside their queries")
    print(
        f"  median                             {middle:8.1f} CPU ms  (p95 {statistics.quantiles(beside, n=20)[-1]:.1f})"
    )
    print(f"  their queries alone, median        {statistics.median(q for one, q in pairs if one.sqls):8.1f} CPU ms")
    print(f"{len(without)} asked back or refused, median      {statistics.median(without):8.1f} CPU ms")
    print(f"in yardsticks                        {middle / yardstick:8.2f}         (bound {bound / yardstick:.2f})")
    print(f"the bound is {bound:.0f} CPU ms here: {'kept' if middle <= bound else 'NOT kept'}")
    return 0 if middle <= bound else 1


if __name__ == "__main__":
    sys.exit(main())
