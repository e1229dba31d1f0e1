"""On the real PostgreSQL server, a schema of its own for each test that stores something."""

import itertools

import pytest

from . import serving

_numbers = itertools.count()


@pytest.fixture
def postgres_url(postgres_server):
    """The URL of an empty schema, for PostgresDatabase.open."""
    import psycopg

    schema = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    yield postgres_server.url(options=f"&options=-csearch_path%3D{schema},public")
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(scope="session")
def umi_serve():
    """`with umi_serve(path, "--key", …) as url`: a server in a process of its own."""
    return serving.serving


@pytest.fixture(scope="session")
def umi_server():
    """`umi_server.start(path)`: one whose end is the test's own affair."""
    return serving
