"""A number in an answer is a cell of a result, or the answer is refused; and the cell can be asked for again."""

import os

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.conftest import TENANT, Desk
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee

from kelpie.analyst import results
from kelpie.analyst.asking import rerun
from kelpie.analyst.formats import cell_text
from kelpie.analyst.provenance import link_numbers, provenance
from kelpie.analyst.semantic import records
from kelpie.analyst.service import Analyst
from kelpie.analyst.table import ResultColumn, ResultTable
from kelpie.errors import InvalidInput, NotFound, NumberWithoutSource

CARRIER = ResultColumn(name="carrier", kind="dimension", label="carrier", type="text")
MONTH = ResultColumn(name="month", kind="time", label="month", type="date", grain="month")
DELAY = ResultColumn(name="delay", kind="metric", label="average delay", type="number", unit="minutes", format=",.1f")
COUNT = ResultColumn(name="n", kind="metric", label="flights more than 15 minutes late", type="number", format=",d")
SHARE = ResultColumn(name="share", kind="metric", label="share", type="number", format=".1%")
QUERY_ID = "query-12345678-9abc-4def-8123-456789abcdef"
TABLE = ResultTable(
    query_id=QUERY_ID,
    columns=[CARRIER, DELAY, COUNT, SHARE],
    rows=[["Boeing 747 Air", 65.8333, 12345, 0.2387], ["JetBlue", 17.0, 6, None], ["Delta", -9.94, 17, 0.5]],
    row_count=16,
    stated=["2013", "2013-06-01"],
)


def linked(text, **more):
    return [(link.text, link.row, link.column, link.kind) for link in link_numbers(text, [TABLE], **more)]


def test_every_number_is_linked_to_its_cell():
    text = "JetBlue: 17.0 minutes over 6 flights; Boeing 747 Air: 65.8 minutes, 12,345 flights, 23.9%; Delta -9.9."
    assert linked(text) == [
        ("17.0", 1, "delay", "cell"),
        ("6", 1, "n", "cell"),
        ("65.8", 0, "delay", "cell"),
        ("12,345", 0, "n", "cell"),
        ("23.9%", 0, "share", "cell"),
        ("-9.9", 2, "delay", "cell"),
    ]
    for link in link_numbers(text, [TABLE]):
        assert text[link.start : link.end] == link.text
        assert link.query_id == QUERY_ID


@pytest.mark.parametrize(
    "text", ["66 minutes", "65.83 minutes", "65.9", "0.24", "24%", "1234", "12,346", "17.00", "-65.8", "9.9"]
)
def test_a_number_that_no_cell_is_at_its_stated_rounding_is_refused(text):
    with pytest.raises(NumberWithoutSource) as refused:
        link_numbers(f"Delays are {text}.", [TABLE])
    assert refused.value.number in text


def test_the_exact_value_of_a_cell_is_its_number_too():
    assert linked("0.2387 and 65.8333") == [("0.2387", 0, "share", "cell"), ("65.8333", 0, "delay", "cell")]


def test_how_many_rows_a_query_gave_is_known():
    assert linked("all 16 carriers") == [("16", -1, "", "row_count")]


def test_names_labels_dates_ids_and_what_the_question_stated_are_no_results():
    text = f"Boeing 747 Air, flights more than 15 minutes late, in 2013 since 2013-06-01, {QUERY_ID}, summer of 69."
    assert linked(text, stated=["summer of 69"]) == []
    with pytest.raises(NumberWithoutSource):
        link_numbers("747 seats", [TABLE])


def test_a_name_does_not_hide_part_of_a_number():
    table = msgspec.structs.replace(TABLE, rows=[["5", 15.25, 3, 0.1]])
    with pytest.raises(NumberWithoutSource):
        link_numbers("15.5", [table])


def test_of_equal_cells_the_one_named_nearby_is_meant():
    table = msgspec.structs.replace(TABLE, rows=[["A", 1.0, 7, 0.1], ["B", 2.0, 7, 0.2], ["C", 3.0, 7, 0.3]])
    links = link_numbers("A had 7, and B, which is larger, had 7.\nC: 7", [table])
    assert [link.row for link in links] == [0, 1, 2]


def test_in_a_table_side_by_side_the_head_of_the_column_counts():
    table = ResultTable(
        query_id=QUERY_ID,
        columns=[CARRIER, MONTH, DELAY],
        rows=[["A", "2013-06-01", 5.0], ["B", "2013-06-01", 5.0], ["A", "2013-07-01", 5.0], ["B", "2013-07-01", 5.0]],
        row_count=4,
    )
    text = "| Month | A | B |\n|---|---:|---:|\n| June 2013 | 5.0 | 5.0 |\n| July 2013 | 5.0 | 5.0 |"
    assert [link.row for link in link_numbers(text, [table])] == [0, 1, 2, 3]


def test_without_any_result_no_number_may_be_said():
    with pytest.raises(NumberWithoutSource):
        link_numbers("about 40", [])
    assert link_numbers("no number here", []) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.sampled_from([",.1f", ",.0f", ".1%", ",.2f", ""]))
def test_whatever_a_cell_holds_its_own_text_is_found(values, number_format):
    column = msgspec.structs.replace(DELAY, format=number_format)
    table = ResultTable(query_id=QUERY_ID, columns=[column], rows=[[value] for value in values], row_count=len(values))
    for value in values:
        written = cell_text(value, column)
        (link,) = link_numbers(f"It is {written} now.", [table])
        assert cell_text(values[link.row], column) == written


@given(st.floats(-1e6, 1e6), st.floats(0.11, 1e5))
def test_a_number_off_by_more_than_rounding_is_always_refused(value, off):
    table = ResultTable(query_id=QUERY_ID, columns=[DELAY], rows=[[value]], row_count=99_999_999)
    wrong = cell_text(value + off, DELAY)
    with pytest.raises(NumberWithoutSource):
        link_numbers(f"It is {wrong} now.", [table])


async def test_the_provenance_of_a_query_tells_all_that_it_stands_on(flights):
    await flights.ask("Which carriers had the worst average arrival delay in summer 2013?")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    found = await provenance(flights.view, TENANT, query.id)
    assert found.query == query
    assert found.connection == flights.connection
    assert found.semantic_model == flights.record
    assert [metric.name for metric in found.metrics] == ["average_arrival_delay", "arrived_flights"]
    assert found.metrics[0].numerator == "SUM(flight.arr_delay)"
    assert [chart.query_id for chart in found.charts] == [query.id]
    assert query.verdict.tables == ["airlines", "flights"]
    assert query.snapshot["path"] == flights.connection.config["path"]
    assert (query.snapshot["first"], query.snapshot["last"]) == ("2013-01-01", "2013-12-31")
    assert (query.agent_id, query.run_id, query.tool_call_id) == ("agent-1", "run-1", "call-1")


async def test_provenance_outlives_its_semantic_model_and_stays_in_its_tenant(flights, commit):
    await flights.ask("How many flights in July?")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    with pytest.raises(NotFound):
        await provenance(flights.view, "other", query.id)
    await commit(await records.plan_delete(flights.view, TENANT, flights.record.id))
    found = await provenance(flights.view, TENANT, query.id)
    assert found.semantic_model is None
    assert found.query.rows == query.rows


async def test_every_query_of_a_conversation_re_executes_to_the_same_rows(flights):
    for question in (
        "Which carriers had the worst average arrival delay in summer 2013?",
        "How did it develop month by month?",
        "What share of flights was cancelled, by origin airport?",
        "run sql: SELECT carrier, avg(arr_delay) AS d, stddev(dep_delay) AS s FROM flights GROUP BY 1 ORDER BY 2",
    ):
        await flights.ask(question)
    queries = await results.queries_of_agent(flights.view, TENANT, "agent-1", limit=10)
    assert len(queries) == 4
    for query in queries:
        again = await rerun(flights.analyst, flights.view, TENANT, query.id)
        assert (again.same, again.stale, again.first_difference) == (True, False, None)
        assert again.table.rows == query.rows
        assert len(query.rows) > 1


async def test_changed_data_show_as_stale_with_the_first_row_that_differs(host, database, commit, tmp_path):
    path = build_coffee(str(tmp_path / "coffee.duckdb"))
    analyst = Analyst(host, str(tmp_path))
    connection, changes = await analyst.plan_connection(analyst_view(database), TENANT, "coffee", {"path": path})
    await commit(changes)
    record, changes = await analyst.plan_model(analyst_view(database), TENANT, connection.id, COFFEE_YAML)
    await commit(changes)
    desk = Desk(host, database, analyst, record, connection)
    await desk.call("query_metric", metrics=["cups"], dimensions=["drink"])
    (query,) = await results.queries_of_run(desk.view, TENANT, "run-1")
    new = build_coffee(str(tmp_path / "new.duckdb"))
    with duckdb.connect(new) as writer:
        writer.execute("UPDATE orders SET cups = cups + 1 WHERE drink = 'flat white'")
    os.replace(new, path)
    os.utime(path, (1, 1))
    again = await rerun(analyst, desk.view, TENANT, query.id)
    assert (again.same, again.stale) == (False, True)
    assert query.rows[again.first_difference][0] == "flat white"
    await analyst.close()


def analyst_view(database):
    from umi.storage import View

    return View(database)


async def test_a_refused_query_has_nothing_to_run_again(flights):
    await flights.call("run_sql", sql="DROP TABLE flights")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    assert (query.verdict.outcome, query.verdict.rule, query.sql) == ("refused", "query_only", "DROP TABLE flights")
    with pytest.raises(InvalidInput, match="refused"):
        await rerun(flights.analyst, flights.view, TENANT, query.id)
