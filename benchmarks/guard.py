"""What stops a hostile statement: the guard, the engine alone, or both; and what the guard costs.

    python -m benchmarks.guard

The statements are the fixtures of the tests, `tests/kelpie/analyst/guard/`. The engine alone is the product's own
source without the guard before it: opened so that it can only read, and on a server as an account that may read three
tables. A statement is stopped if it gives an error, or would go on past a deadline of two seconds; those that are known
to take the machine's memory first are not run, and count as not stopped. Servers that this machine lacks are left out.
"""

import asyncio
import importlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

from kelpie.analyst.guard import guard
from kelpie.analyst.sources.source import Source
from kelpie.errors import QueryFailed, QueryRefused

DEADLINE_MS = 2_000
ROUNDS = 5
# The tests' own parts, which have no types.
cases: Any = importlib.import_module("tests.kelpie.analyst.guard.cases")
worlds: Any = importlib.import_module("tests.kelpie.analyst.guard.worlds")


def stopped_by_guard(dialect: str, sql: str) -> bool:
    try:
        guard(sql, cases.TABLES, dialect=dialect)
    except QueryRefused:
        return True
    return False


async def stopped_by_engine(source: Source, sql: str) -> bool:
    try:
        await source.query(sql, rows_max=10, timeout_ms=DEADLINE_MS)
    except QueryFailed:
        return True
    return False


async def measure(dialect: str, source: Source) -> dict[str, Any]:
    hostile = [case.values for case in cases.hostile(dialect)]
    legitimate = [case.values for case in cases.legitimate(dialect)]
    by_guard = [stopped_by_guard(dialect, sql) for _, _, sql in hostile]
    by_engine = [
        heads.get("engine") != "exhausts" and await stopped_by_engine(source, sql) for _, heads, sql in hostile
    ]
    passed = [
        await _gives_rows(source, guard(sql, cases.TABLES, dialect=dialect).sql)
        for _, _, sql in legitimate
        if not stopped_by_guard(dialect, sql)
    ]
    return {
        "hostile": len(hostile),
        "guard": sum(by_guard),
        "engine": sum(by_engine),
        "both": sum(one or other for one, other in zip(by_guard, by_engine, strict=True)),
        "legitimate": f"{sum(passed)}/{len(legitimate)}",
        "us": _cpu_us(dialect, [sql for _, _, sql in legitimate]),
        "missed": [title for (title, *_), stopped in zip(hostile, by_guard, strict=True) if not stopped],
    }


async def _gives_rows(source: Source, sql: str) -> bool:
    return bool((await source.query(sql, rows_max=1_000)).rows)


def _cpu_us(dialect: str, statements: list[str]) -> float:
    """CPU of this process for one legitimate statement, after a first round that fills caches."""
    for sql in statements:
        guard(sql, cases.TABLES, dialect=dialect)
    began = time.process_time()
    for _ in range(ROUNDS):
        for sql in statements:
            guard(sql, cases.TABLES, dialect=dialect)
    return (time.process_time() - began) / (ROUNDS * len(statements)) * 1e6


def servers() -> dict[str, Callable[[], Any] | None]:
    """dialect -> how its server is started, None for those that need none; without those that can't be."""
    found: dict[str, Callable[[], Any] | None] = {"duckdb": None, "sqlite": None}
    postgres: Any = importlib.import_module("tests.umi.postgres_server")
    mariadb: Any = importlib.import_module("tests.kelpie.analyst.sources.mariadb_server")
    programs, why = postgres.binaries()
    if programs is None:
        print(f"without postgres: {why}")
    else:
        found["postgres"] = lambda: postgres.Server(programs)
    program, why = mariadb.program()
    if program is None:
        print(f"without mysql: {why}")
    else:
        found["mysql"] = lambda: mariadb.MariaDbServer(program)
    return found


async def run(dialect: str, start: Callable[[], Any] | None, folder: str) -> dict[str, Any]:
    server = start() if start else None
    try:
        world = worlds.make_world(dialect, folder, server)
        world.load(worlds.flights_tables(folder))
        if server is not None:
            world.grant(cases.TABLES)
        source: Source = await world.source()
        try:
            return await measure(dialect, source)
        finally:
            await source.stop()
            world.remove()
    finally:
        if server is not None:
            server.remove()


async def main() -> None:
    print(f"{'':10} {'hostile':>8} {'guard':>7} {'engine':>7} {'either':>7} {'legitimate':>11} {'CPU µs':>8}")
    notes = []
    for dialect, start in servers().items():
        with tempfile.TemporaryDirectory() as folder:
            one = await run(dialect, start, folder)
        print(
            f"{dialect:10} {one['hostile']:8} {one['guard']:7} {one['engine']:7} {one['both']:7}"
            f" {one['legitimate']:>11} {one['us']:8,.0f}"
        )
        notes += [f"{dialect}: the guard lets through, and the deadline stops: {title}" for title in one["missed"]]
    print("\n".join(notes))


if __name__ == "__main__":
    asyncio.run(main())
