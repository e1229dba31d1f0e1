"""The same question asked of two engines: equal, or the first row where they part."""

import shutil
import sqlite3
import tempfile

import duckdb
import pytest
from tests.kelpie.analyst.conftest import TENANT
from tests.kelpie.analyst.warehouses import ask

from kelpie.analyst import results
from kelpie.analyst.provenance.crossing import cross_check
from kelpie.errors import InvalidInput, NotFound, QueryFailed, QueryRefused


def copied(source, target, *, change=""):
    """The tables of a DuckDB file as a SQLite database. Of a copy: the file itself is open with other settings."""
    with tempfile.TemporaryDirectory() as folder:
        path = shutil.copy(source, folder)
        with duckdb.connect(path, read_only=True) as reader, sqlite3.connect(target) as writer:
            for (table,) in reader.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal").fetchall():
                found = reader.execute(f'SELECT * FROM "{table}"')
                names = [column[0] for column in found.description]
                writer.execute(f'CREATE TABLE "{table}" ({", ".join(names)})')
                marks = ", ".join("?" * len(names))
                rows = ([_plain(cell) for cell in row] for row in found.fetchall())
                writer.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)
            if change:
                writer.execute(change)
    return str(target)


def _plain(cell):
    return cell if cell is None or type(cell) in (int, float, str, bool) else str(cell)


async def connected(desk, path):
    connection, changes = await desk.analyst.plan_connection(desk.view, TENANT, path, {"path": path}, "sqlite")
    await desk.database.commit(changes)
    return connection


async def asked_of(desk, tool="query_metric", **arguments):
    outcome = await desk.call(tool, **arguments)
    assert not outcome.is_error, outcome.text
    return (await results.queries_of_agent(desk.view, TENANT, "agent-1", limit=1))[0]


@pytest.fixture
async def copy(flights, flights_path, data_folder):
    path = data_folder / "copy.sqlite"
    return await connected(flights, str(path) if path.exists() else copied(flights_path, path))


@pytest.mark.parametrize(
    "arguments",
    [
        {"metrics": ["flights"]},
        {"metrics": ["average_arrival_delay"], "dimensions": ["carrier"]},
        {"metrics": ["flights", "cancelled_share"], "grain": "month", "time_from": "2013-03-01"},
        {"metrics": ["flights"], "dimensions": ["origin"], "share": ["origin"]},
        {"metrics": ["average_departure_delay"], "dimensions": ["destination"], "limit": 5,
         "order": [{"by": "average_departure_delay"}]},
    ],
)  # fmt: skip
async def test_two_engines_agree(flights, copy, arguments):
    query = await asked_of(flights, **arguments)
    found = await cross_check(flights.analyst, flights.view, TENANT, query.id, copy.id)
    assert (found.same, found.here, found.there, found.engine) == (True, None, None, "sqlite")
    assert found.rows_here == found.rows_there == query.row_count


async def test_sql_is_translated(flights, copy):
    query = await asked_of(
        flights, "run_sql", sql="SELECT carrier, CAST(count(*) AS DOUBLE) AS n FROM flights GROUP BY 1"
    )
    assert (await cross_check(flights.analyst, flights.view, TENANT, query.id, copy.id)).same


async def test_a_difference_comes_with_its_first_row(flights, flights_path, data_folder):
    change = "UPDATE flights SET cancelled = NOT cancelled WHERE carrier = 'UA'"
    other = await connected(flights, copied(flights_path, data_folder / "other.sqlite", change=change))
    query = await asked_of(flights, metrics=["cancelled_flights"], dimensions=["carrier"])
    found = await cross_check(flights.analyst, flights.view, TENANT, query.id, other.id)
    assert (found.same, found.keys) == (False, {"carrier": "United Air Lines Inc."})
    assert found.here[0] == found.there[0] == "United Air Lines Inc."
    assert found.here[1] != found.there[1]


async def test_a_row_that_only_one_of_them_has_is_told(flights, flights_path, data_folder):
    gone = await connected(
        flights, copied(flights_path, data_folder / "gone.sqlite", change="DELETE FROM flights WHERE carrier = 'YV'")
    )
    query = await asked_of(flights, metrics=["flights"], dimensions=["carrier"])
    found = await cross_check(flights.analyst, flights.view, TENANT, query.id, gone.id)
    assert (found.keys, found.there, found.rows_here - found.rows_there) == ({"carrier": "Mesa Airlines Inc."}, None, 1)


async def test_what_can_t_be_asked_there_says_why(flights, coffee, coffee_path, data_folder):
    query = await asked_of(flights, metrics=["flights"])
    other = await connected(flights, copied(coffee_path, data_folder / "coffee.sqlite"))
    with pytest.raises((QueryRefused, QueryFailed), match="flights"):
        await cross_check(flights.analyst, flights.view, TENANT, query.id, other.id)
    with pytest.raises(NotFound):
        await cross_check(flights.analyst, flights.view, TENANT, query.id, "connection-gone")
    await flights.call("run_sql", sql="DROP TABLE flights")
    refused = (await results.queries_of_agent(flights.view, TENANT, "agent-1", limit=1))[0]
    with pytest.raises(InvalidInput, match="refused"):
        await cross_check(flights.analyst, flights.view, TENANT, refused.id, other.id)


@pytest.fixture
def postgres_copy(postgres_server, coffee_path):
    """The coffee shop in PostgreSQL: `do(sql)` changes it."""
    import psycopg

    def do(*statements, database):
        with psycopg.connect(postgres_server.url(database), autocommit=True) as connection:
            for sql, *rows in statements:
                with connection.cursor() as cursor:
                    cursor.executemany(sql, rows) if rows else cursor.execute(sql)

    do(("DROP DATABASE IF EXISTS coffee",), ("CREATE DATABASE coffee",), database="postgres")
    columns = "order_no int, ordered_at timestamp, shop_no int, drink text, cups int, paid numeric(9, 2)"
    do(
        (f"CREATE TABLE orders ({columns})",),
        ("CREATE TABLE shops (no int, quarter text)",),
        ("INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s)", *ask(coffee_path, "SELECT * FROM orders")),
        ("INSERT INTO shops VALUES (%s, %s)", *ask(coffee_path, "SELECT * FROM shops")),
        database="coffee",
    )
    config = {"host": postgres_server.folder, "database": "coffee", "user": "postgres"}
    return config, lambda sql: do((sql,), database="coffee")


async def test_duckdb_and_postgresql_agree_until_a_row_is_changed(coffee, postgres_copy):
    config, do = postgres_copy
    connection, changes = await coffee.analyst.plan_connection(coffee.view, TENANT, "pg", config, "postgres")
    await coffee.database.commit(changes)
    queries = [
        await asked_of(coffee, metrics=["turnover", "cups"], dimensions=["drink"]),
        await asked_of(coffee, metrics=["turnover"], dimensions=["quarter_of_town"], grain="month"),
        await asked_of(coffee, metrics=["cups"], grain="month", compare={"with": "previous_period"}),
        await asked_of(coffee, "run_sql", sql="SELECT drink, max(paid) AS most FROM orders GROUP BY 1 ORDER BY 1"),
    ]
    for query in queries:
        found = await cross_check(coffee.analyst, coffee.view, TENANT, query.id, connection.id)
        assert found.same, found
    do("UPDATE orders SET paid = paid + 0.01 WHERE order_no = (SELECT min(order_no) FROM orders WHERE drink = 'mocha')")
    found = await cross_check(coffee.analyst, coffee.view, TENANT, queries[0].id, connection.id)
    assert (found.same, found.keys) == (False, {"drink": "mocha"})
    assert round(found.there[1] - found.here[1], 2) == 0.01
