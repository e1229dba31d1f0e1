"""Worlds: one for each engine, made once for a run, on real servers."""

import pytest
from tests.kelpie.analyst.sources import worlds
from tests.kelpie.analyst.sources.mariadb_server import MariaDbServer, program

ENGINES = ("duckdb", "sqlite", "files", "postgres", "mysql")


@pytest.fixture(scope="session")
def mariadb_server(needs):
    found, why = program()
    needs("mariadb", found is not None, why)
    server = MariaDbServer(found)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def make_world(request, tmp_path_factory):
    """`make_world("postgres")`: a new one."""
    made = []

    def make(engine):
        folder = tmp_path_factory.mktemp(engine)
        if engine == "postgres":
            world = worlds.PostgresWorld(folder, request.getfixturevalue("postgres_server"))
        elif engine == "mysql":
            world = worlds.MariaDbWorld(folder, request.getfixturevalue("mariadb_server"))
        else:
            world = {"duckdb": worlds.DuckDbWorld, "sqlite": worlds.SqliteWorld, "files": worlds.FilesWorld}[engine](
                folder
            )
        made.append(world)
        return world

    yield make
    for world in made:
        world.remove()


@pytest.fixture(scope="session", params=ENGINES)
def shared_world(request, make_world):
    return make_world(request.param)


@pytest.fixture
async def world(shared_world):
    """The engine's world; what a test opened is closed after it."""
    yield shared_world
    await shared_world.close()


@pytest.fixture
async def source(world):
    return await world.open()
