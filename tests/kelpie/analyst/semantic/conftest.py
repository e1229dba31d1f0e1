"""Small warehouses as sources, opened past the service."""

import contextlib

import pytest
from tests.kelpie.analyst.ledgers import build_ledger
from tests.kelpie.analyst.warehouses import build_coffee, build_flights

from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import open_source
from kelpie.analyst.workers import Workers
from umi.dst import Host

BUILDS = {"ledger": build_ledger, "coffee": build_coffee, "flights": build_flights}


@pytest.fixture(scope="session")
def warehouse_path(tmp_path_factory):
    """`warehouse_path("ledger", "sqlite")`: made once."""
    folder, made = tmp_path_factory.mktemp("semantic"), {}

    def path(name, engine="duckdb"):
        if (name, engine) not in made:
            made[name, engine] = BUILDS[name](str(folder / f"{name}.{engine}"))
        return made[name, engine]

    return path


@pytest.fixture
async def opened(warehouse_path):
    """`await opened("ledger")`: a source on it, closed after the test."""
    host = Host()
    workers = Workers(host, 1)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(workers.close)

        async def open_one(name, engine="duckdb"):
            path = warehouse_path(name, engine)
            folder = path.rpartition("/")[0]
            source = await open_source(engine, {"path": path}, Surroundings(host, workers, [folder], {}))
            stack.push_async_callback(source.stop)
            return source

        yield open_one
