"""A record for each number: its cell, its formula, its query, its data; without one the number is not shown."""

import msgspec
import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import results
from kelpie.analyst.provenance import Numbers, read_numbers, records_of
from kelpie.analyst.provenance.basis import model_version
from kelpie.errors import NumberWithoutSource


async def answered(desk, question):
    text = await desk.ask(question)
    queries = await results.queries_of_run(desk.view, TENANT, "run-1")
    return text, read_numbers(text, [query.table for query in queries]), queries


def as_derived(query, column):
    return "derived"


async def test_a_record_says_all_that_a_number_stands_on(flights):
    text, numbers, queries = await answered(
        flights, "Which carriers had the worst average arrival delay in summer 2013?"
    )
    record = records_of(text, numbers, queries, as_derived)[0]
    (query,) = queries
    assert text[record.start : record.end] == record.text
    assert (record.query_id, record.column, record.kind) == (query.id, "average_arrival_delay", "cell")
    assert record.value == query.rows[record.row][query.table.place(record.column)]
    assert record.keys == {"carrier": query.rows[record.row][0]}
    assert record.formula == "SUM(flight.arr_delay) / COUNT(flight.arr_delay)"
    assert record.sql == query.sql
    assert (record.connection_id, record.connection) == (flights.connection.id, flights.connection.name)
    assert (record.engine, record.semantic_model) == ("duckdb", flights.record.name)
    assert record.model_version == model_version(flights.record.yaml)
    assert record.snapshot["last"] == "2013-12-31"
    assert (record.rows_read, record.label) == (query.row_count, "derived")
    assert (record.access_rules, record.withheld, record.person) == ([], [], None)


async def test_a_count_of_rows_has_a_record_too(flights):
    await flights.call("run_sql", sql="SELECT DISTINCT carrier FROM flights WHERE carrier > 'U' ORDER BY 1")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    text = f"There are {query.row_count} of them."
    (record,) = records_of(text, read_numbers(text, [query.table]), [query], as_derived)
    assert (record.kind, record.value, record.formula) == ("row_count", query.row_count, "the number of rows")


async def test_a_column_of_sql_has_its_own_name_for_a_formula_and_its_texts_for_keys(flights):
    await flights.call("run_sql", sql="SELECT carrier, count(*) AS n FROM flights GROUP BY 1 ORDER BY 1 LIMIT 2")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    text = f"{query.rows[1][1]}"
    (record,) = records_of(text, read_numbers(text, [query.table]), [query], as_derived)
    assert record.formula == "the column 'n' of the SQL"
    assert record.keys == {"carrier": query.rows[record.row][0]}


async def test_a_stripped_record_or_a_query_that_is_gone_refuses_the_text(flights):
    text, numbers, queries = await answered(flights, "How many flights in July?")
    with pytest.raises(NumberWithoutSource, match="no record"):
        records_of(text, Numbers(numbers.links[1:], numbers.exempt), queries, as_derived)
    with pytest.raises(NumberWithoutSource, match="is gone"):
        records_of(text, numbers, [], as_derived)
    changed = msgspec.structs.replace(queries[0], rows=[[1]])
    with pytest.raises(NumberWithoutSource):
        records_of(text, numbers, [changed], as_derived)
