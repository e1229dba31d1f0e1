"""One model on five engines: the same catalog, and the same rows for the same questions, to the cent."""

import contextlib

import pytest
from tests.kelpie.analyst.ledgers import LEDGER_YAML, ROWS, TABLES
from tests.kelpie.analyst.sources import worlds
from tests.kelpie.analyst.sources.mariadb_server import MariaDbServer, program

from kelpie.analyst.catalog_build import build_catalog
from kelpie.analyst.compile import compile_query, coverage_of
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import metric_query
from kelpie.analyst.semantic.checks import find_problems
from kelpie.analyst.semantic.reading import read_model

LEDGER = read_model(LEDGER_YAML)
QUERIES = [
    {
        "metrics": ["invoiced", "invoices", "average_invoice"],
        "dimensions": ["country"],
        "grain": "month",
        "time": "paid",
    },
    {"metrics": ["net_revenue", "refund_rate"], "grain": "fiscal_quarter", "compare": {"with": "previous_year"}},
    {"metrics": ["mrr", "subscribers", "arpu"], "dimensions": ["plan"], "grain": "quarter"},
    {"metrics": ["staff"], "grain": "week"},
    {"metrics": ["invoiced"], "dimensions": ["country"], "share": ["country"], "order": [{"by": "invoiced_share"}]},
    {
        "metrics": ["mrr"],
        "dimensions": ["country"],
        "time_to": "2024-12-31",
        "time_from": "2024-12-01",
        "compare": {"with": "previous_period"},
    },
    {"metrics": ["paid_out_amount"], "dimensions": ["currency", "country"]},
    {"metrics": ["invoices"], "dimensions": ["internal"]},
]


def statements(engine):
    for table, columns in TABLES.items():
        yield f"CREATE TABLE {table} ({columns.replace('VARCHAR', 'VARCHAR(20)')})"
        for row in ROWS[table]:
            cells = (
                "NULL" if cell is None else repr(cell) if not isinstance(cell, bool) else str(cell) for cell in row
            )
            yield f"INSERT INTO {table} VALUES ({', '.join(cells)})"


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
async def other(request, opened, tmp_path, needs):
    """The ledger on another engine than DuckDB."""
    if request.param == "sqlite":
        yield await opened("ledger", "sqlite")
        return
    with contextlib.ExitStack() as stack:
        if request.param == "postgres":
            world = worlds.PostgresWorld(tmp_path, request.getfixturevalue("postgres_server"))
        else:
            found, why = program()
            needs("mariadb", found is not None, why)
            server = MariaDbServer(found)
            stack.callback(server.remove)
            world = worlds.MariaDbWorld(tmp_path, server)
        stack.callback(world.remove)
        world.do(*statements(request.param))
        yield await world.open()
        await world.close()


async def rows(source, catalog, query):
    compiled = compile_query(LEDGER, metric_query(query), source.dialect, coverage_of(catalog))
    sql = guard(compiled.sql, LEDGER.tables, dialect=source.dialect).sql
    table = await source.query(sql, rows_max=100)
    # Where a boolean is a number or a sum a float, the value is the same.
    return [[pytest.approx(cell) if isinstance(cell, float) else cell for cell in row] for row in table.rows]


async def test_the_same_model_gives_the_same_answers(other, opened):
    duck = await opened("ledger")
    assert await find_problems(LEDGER, other) == []
    ours, theirs = await build_catalog(LEDGER, duck, "id"), await build_catalog(LEDGER, other, "id")
    assert theirs == ours
    for query in QUERIES:
        expected = await rows(duck, ours, query)
        assert expected
        assert await rows(other, theirs, query) == expected, query
