"""Sharing levels without a server: which columns are aggregates, which errors name values. The wire is in
tests/kelpie/api/test_sharing.py."""

import pytest

from kelpie.analyst.connections import Connection
from kelpie.analyst.sharing import PLANNER_HANDLE, level_for, shared_error
from kelpie.analyst.sharing.aggregates import aggregates_of

AGGREGATES = {
    "SELECT count(*), sum(a), avg(b) FROM t": [True, True, True],
    "SELECT a, count(*) FROM t GROUP BY a": [False, True],
    "SELECT sum(a) / count(*) * 100 AS share FROM t": [True],
    "SELECT round(avg(a), 2), coalesce(sum(a), 0) FROM t": [True, True],
    "SELECT count(*) FILTER (WHERE a > 3) FROM t": [True],
    "SELECT sum(a) + b FROM t GROUP BY b": [False],
    "SELECT a FROM t": [False],
    "SELECT 1": [False],
    "SELECT sum(a) OVER () FROM t": [False],
    "SELECT any_value(a), first(a), mode(a), string_agg(a, ','), list(a) FROM t": [False] * 5,
    "SELECT sum(a) + (SELECT max(b) FROM t) FROM t": [False],
    "SELECT x FROM (SELECT sum(a) AS x FROM t) AS s": [False],
    "SELECT sum(a) FROM t UNION ALL SELECT a FROM t": [],
    "WITH s AS (SELECT a FROM t) SELECT count(a) FROM s": [True],
}


@pytest.mark.parametrize(("sql", "expected"), AGGREGATES.items())
def test_a_column_is_an_aggregate_only_if_no_row_shows_through(sql, expected):
    assert aggregates_of(sql, "duckdb") == expected


NAMES_ONLY = [
    'the data source refused the query: Binder Error: Referenced column "nam" not found in FROM clause!',
    "the data source refused the query: Catalog Error: Table with name peple does not exist!",
    "the data source refused the query: no such column: nam",
    'the data source refused the query: column "nam" does not exist',
    "the data source refused the query: Unknown column 'nam' in 'field list'",
]
OF_VALUES = [
    "the data source refused the query: Conversion Error: Could not convert string 'Ada' to INT32",
    'the data source refused the query: invalid input syntax for type integer: "Ada"',
    'the data source refused the query: invalid input syntax for type integer: "x: column a does not exist"',
    "the data source refused the query: Out of Range Error: 73519 is out of range",
    "the data source refused the query: Invalid Input Error: no such column: Ada Lovelace",
]


@pytest.mark.parametrize("message", NAMES_ONLY)
def test_an_error_about_names_is_passed_on_without_the_lines_behind_it(message):
    assert shared_error(f"{message}\nLINE 1: Ada", "schema") == message


@pytest.mark.parametrize("message", OF_VALUES)
@pytest.mark.parametrize("level", ["schema", "aggregates"])
def test_an_error_that_may_quote_a_value_is_withheld(message, level):
    assert "withheld" in shared_error(message, level)
    assert "Ada" not in shared_error(message, level)
    assert shared_error(message, "rows") == message


def test_only_our_own_planner_reads_everything():
    connection = Connection(tenant="t", id="c", name="c", engine="duckdb", config={}, sharing="schema", created_at_ms=0)
    assert level_for(PLANNER_HANDLE, connection) == "rows"
    assert level_for("openai/gpt", connection) == "schema"
    assert level_for("local/smollm2", connection) == "schema"
    assert level_for("", connection) == "schema"
