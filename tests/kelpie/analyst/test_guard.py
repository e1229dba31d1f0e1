"""The guard on its fixtures (read guard/*.sql), on the engine's whole catalogue, and on what no list foresees."""

import pathlib
import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.warehouses import ask, sql_cases

from kelpie.analyst import limits
from kelpie.analyst.guard import guard
from kelpie.analyst.table import as_cell
from kelpie.errors import QueryRefused

TABLES = ["flights", "airlines", "airports"]

ALL = sql_cases("guard/*.sql")
HOSTILE = [case for case in ALL if case.values[1]["verdict"] != "passes"]
LEGITIMATE = [case for case in ALL if case.values[1]["verdict"] == "passes"]


def test_the_fixtures_are_really_read():
    assert len(HOSTILE) >= 80
    assert len(LEGITIMATE) >= 20
    titles = sum(
        path.read_text().count("-- title:") for path in (pathlib.Path(__file__).parent / "guard").glob("*.sql")
    )
    assert len(ALL) == titles


@pytest.mark.parametrize(("title", "heads", "sql"), HOSTILE)
def test_a_hostile_statement_is_refused_by_the_rule_it_breaks(title, heads, sql):
    with pytest.raises(QueryRefused) as refused:
        guard(sql, TABLES)
    assert f"refused {refused.value.rule}" == heads["verdict"]


@pytest.mark.parametrize(("title", "heads", "sql"), LEGITIMATE)
async def test_a_legitimate_query_passes_runs_and_its_tables_are_named(title, heads, sql, flights):
    guarded = guard(sql, TABLES)
    assert guarded.tables == sorted(heads["tables"].split())
    source = await flights.analyst.open_source(flights.connection)
    table = await source.query(guarded.sql, rows_max=10_000)
    assert len(table.rows) <= limits.QUERY_ROWS_MAX + 1


@pytest.mark.parametrize(("title", "heads", "sql"), [case for case in LEGITIMATE if "LIMIT" not in case.values[2]])
def test_what_passed_means_the_same_as_what_was_written(title, heads, sql, flights_path):
    """The guard writes the query anew from its tree: but for the limit the rows are the same."""
    written, guarded = ask(flights_path, sql), ask(flights_path, guard(sql, TABLES, rows_max=100_000).sql)
    if not re.search(r"ORDER BY[^()]*$", sql):
        written, guarded = (sorted(str([as_cell(cell) for cell in row]) for row in rows) for rows in (written, guarded))
    assert guarded == written
    assert written


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT * FROM flights", 11),
        ("SELECT * FROM flights LIMIT 3", 3),
        ("SELECT * FROM flights LIMIT 12", 11),
        ("SELECT * FROM flights LIMIT 99999999999999999999", 11),
        ("SELECT carrier FROM flights UNION ALL SELECT carrier FROM airlines", 11),
        ("(SELECT carrier FROM flights LIMIT 99)", 11),
    ],
)
def test_the_row_limit_is_added_or_lowered(sql, limit):
    assert guard(sql, TABLES, rows_max=10).sql.endswith(f"LIMIT {limit}")


def test_comments_do_not_survive():
    assert "--" not in guard("SELECT 1 -- x\n", TABLES).sql
    assert "/*" not in guard("SELECT /* x */ 1", TABLES).sql


def test_an_overlong_query_is_refused_before_it_is_parsed():
    with pytest.raises(QueryRefused) as refused:
        guard("SELECT " + "1" * limits.SQL_CHARS_MAX, TABLES)
    assert refused.value.rule == "too_long"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
        "SELECT " + "+".join("1" * 9_000),
        "SELECT " + "NOT " * 4_000 + "true",
        "SELECT * FROM " + "(SELECT * FROM " * 900 + "flights" + ")" * 900,
    ],
)
def test_a_query_too_deep_to_check_is_refused_not_crashed_on(sql):
    with pytest.raises(QueryRefused):
        guard(sql, TABLES)


def functions(where):
    with duckdb.connect() as connection:
        return connection.execute(
            f"SELECT DISTINCT function_name, min(len(parameters)) FROM duckdb_functions() WHERE {where}"
            " AND regexp_matches(function_name, '^[a-z_][a-z0-9_]*$') GROUP BY ALL ORDER BY 1"
        ).fetchall()


def passes(sql):
    try:
        guard(sql, TABLES)
    except QueryRefused:
        return False
    return True


def test_no_table_function_of_the_engine_passes():
    found = functions("function_type IN ('table', 'pragma', 'table_macro')")
    assert len(found) > 50
    open_doors = []
    for name, count in found:
        arguments = ", ".join(["'a'"] * count)
        if passes(f"SELECT * FROM {name}({arguments})") or passes(f"SELECT * FROM flights, {name}({arguments}) AS f"):
            open_doors.append(name)
    assert open_doors == []


def test_no_function_that_changes_from_call_to_call_or_has_effects_passes():
    where = "function_type IN ('scalar', 'aggregate', 'macro') AND (stability <> 'CONSISTENT' OR has_side_effects)"
    found = functions(where)
    assert {"random", "now", "nextval", "uuid", "current_date"} <= {name for name, _ in found}
    open_doors = [name for name, count in found if passes(f"SELECT {name}({', '.join(['1'] * count)})")]
    assert open_doors == []


@pytest.mark.parametrize(
    "prefix", ["pg_", "current_", "inet_", "has_", "duckdb_", "json_serialize", "json_deserialize", "query"]
)
def test_no_function_that_looks_around_passes(prefix):
    found = functions(f"starts_with(function_name, '{prefix}')")
    assert [name for name, count in found if passes(f"SELECT {name}({', '.join(['1'] * count)})")] == []


def test_most_of_the_engine_s_harmless_functions_pass():
    """A guard that refuses everything would pass the tests above."""
    found = functions("function_type IN ('scalar', 'aggregate') AND function_name NOT LIKE '\\_\\_%' ESCAPE '\\'")
    let_through = [
        name for name, count in found if passes(f"SELECT {name}({', '.join(['carrier'] * count)}) FROM flights")
    ]
    assert len(let_through) > 300


FRAGMENTS = st.lists(
    st.sampled_from(
        "SELECT * FROM flights salaries airlines WHERE 1 = ( ) , ; ' \" -- /* */ WITH a AS UNION ALL JOIN ON read_csv"
        " query LIMIT x . :: $1 ? [ ] { } DROP INSERT INTO VALUES DELETE RECURSIVE LATERAL main ORDER BY GROUP".split()
    ),
    max_size=25,
)


@given(FRAGMENTS)
def test_any_text_is_refused_or_reads_allowed_tables_only(fragments):
    try:
        guarded = guard(" ".join(fragments), TABLES)
    except QueryRefused:
        return
    assert set(guarded.tables) <= set(TABLES)
    again = guard(guarded.sql, TABLES)
    assert (again.sql, again.tables) == (guarded.sql, guarded.tables)
