"""Real engines for the guard: one world a dialect with the flights in it, made once for a run."""

import pytest
from tests.kelpie.analyst.guard import worlds
from tests.kelpie.analyst.guard.cases import TABLES
from tests.kelpie.analyst.guard.shapes import TABLES as SHOP
from tests.kelpie.analyst.sources.conftest import mariadb_server  # noqa: F401 - a fixture

SERVERS = {"postgres": "postgres_server", "mysql": "mariadb_server"}


@pytest.fixture(scope="session")
def flights_data(tmp_path_factory):
    return worlds.flights_tables(str(tmp_path_factory.mktemp("flights")))


@pytest.fixture(scope="session")
def new_world(request, tmp_path_factory):
    """`new_world("postgres")`: an empty one."""
    made = []

    def new(dialect):
        server = request.getfixturevalue(SERVERS[dialect]) if dialect in SERVERS else None
        world = worlds.make_world(dialect, tmp_path_factory.mktemp(dialect), server)
        made.append(world)
        return world

    yield new
    for world in made:
        world.remove()


@pytest.fixture(scope="session")
def flights_world(new_world, flights_data):
    """`flights_world("sqlite")`: with the flights, to ask past everything."""
    known = {}

    def of(dialect):
        if dialect not in known:
            known[dialect] = new_world(dialect)
            known[dialect].load(flights_data)
        return known[dialect]

    return of


@pytest.fixture(scope="session")
def shop(new_world):
    """`shop("sqlite")`: the engine with the three tables, to ask past everything."""
    known = {}

    def of(dialect):
        if dialect not in known:
            known[dialect] = new_world(dialect)
            known[dialect].load(SHOP)
        return known[dialect]

    return of


@pytest.fixture
async def reading_source(new_world, flights_data):
    """`await reading_source("mysql")`: our source over the flights, as an account that may read TABLES alone."""
    opened = []

    async def of(dialect):
        world = new_world(dialect)
        world.load(flights_data)
        if hasattr(world, "grant"):
            world.grant(TABLES)
        opened.append(await world.source())
        return opened[-1]

    yield of
    for source in opened:
        await source.stop()
