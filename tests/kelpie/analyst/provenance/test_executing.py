"""A number asked for again is the same, or stale because the data changed, or a bug's alarm; never anything else."""

import os

import duckdb
import msgspec
import pytest
from tests.kelpie.analyst.conftest import TENANT, Desk
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee

from kelpie.analyst import results
from kelpie.analyst.access import records as access_rules
from kelpie.analyst.access.rules import new_rule
from kelpie.analyst.formats import cell_text
from kelpie.analyst.provenance import read_numbers, records_of
from kelpie.analyst.provenance.executing import reexecute, rerun
from kelpie.analyst.service import Analyst
from kelpie.errors import InvalidInput, NotFound, QueryRefused
from kelpie.people import Speaker
from umi.storage import View

NUMBERS = 200


def records(query, most):
    """Records of the numbers of a query's cells, as an answer that lists them would have."""
    cells = [
        cell_text(row[place], column)
        for row in query.rows
        for place, column in enumerate(query.columns)
        if column.kind == "metric" and row[place] is not None
    ]
    text = "; ".join(cells[:most])
    return records_of(text, read_numbers(text, [query.table]), [query], lambda query, column: "derived")


@pytest.mark.slow
async def test_two_hundred_numbers_of_both_warehouses_re_execute_to_the_same(flights, company, asked):
    made = []
    for desk, periods in (
        (flights, [("2013-01-01", "2013-12-31"), ("2013-06-01", "2013-08-31"), (None, None)]),
        (company, [("2024-01-01", "2024-12-31"), ("2025-02-01", "2025-11-30"), (None, None)]),
    ):
        for query in await asked(desk, 25, periods):
            made += records(query, 8)
    assert len(made) >= NUMBERS
    again = await reexecute(flights.analyst, flights.view, TENANT, made[:NUMBERS])
    assert [one.outcome for one in again] == ["same"] * NUMBERS
    assert [one.value for one in again] == [record.value for record in made[:NUMBERS]]
    assert len({record.query_id for record in made[:NUMBERS]}) > 20


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
        assert (again.outcome, again.same, again.stale, again.first_difference) == ("same", True, False, None)
        assert again.table.rows == query.rows
        assert len(query.rows) > 1


@pytest.fixture
async def shop(host, database, commit, tmp_path):
    """A desk over a file that a test may change."""
    path = build_coffee(str(tmp_path / "coffee.duckdb"))
    analyst = Analyst(host, str(tmp_path))
    connection, changes = await analyst.plan_connection(View(database), TENANT, "coffee", {"path": path})
    await commit(changes)
    record, changes = await analyst.plan_model(View(database), TENANT, connection.id, COFFEE_YAML)
    await commit(changes)
    desk = Desk(host, database, analyst, record, connection)

    def change(sql):
        new = build_coffee(str(tmp_path / "new.duckdb"))
        with duckdb.connect(new) as writer:
            writer.execute(sql)
        os.replace(new, path)
        os.utime(path, (1, 1))

    desk.change = change
    yield desk
    await analyst.close()


async def cups(desk):
    await desk.call("query_metric", metrics=["cups"], dimensions=["drink"])
    (query,) = await results.queries_of_run(desk.view, TENANT, "run-1")
    return query


async def test_changed_data_are_stale_with_the_first_row_that_differs(shop):
    query = await cups(shop)
    shop.change("UPDATE orders SET cups = cups + 1 WHERE drink = 'flat white'")
    again = await rerun(shop.analyst, shop.view, TENANT, query.id)
    assert (again.outcome, again.same) == ("stale", False)
    assert query.rows[again.first_difference][0] == "flat white"
    found = await reexecute(shop.analyst, shop.view, TENANT, records(query, 10))
    assert {one.outcome for one in found} == {"stale"}
    moved = [one for one in found if one.value != one.before]
    assert [query.rows[one.row][0] for one in moved] == ["flat white"]


async def test_a_number_is_found_again_by_its_row_s_names_where_rows_moved_or_went(shop):
    query = await cups(shop)
    shop.change("DELETE FROM orders WHERE drink = 'chai'")
    found = await reexecute(shop.analyst, shop.view, TENANT, records(query, 10))
    names = [row[0] for row in query.rows]
    assert names[0] == "chai"
    assert [one.value for one in found] == [None, *(one.before for one in found[1:])]


async def test_the_same_data_and_another_number_is_an_alarm(shop, database):
    query = await cups(shop)
    rows = [[name, number + 1] for name, number in query.rows]
    wrong = msgspec.structs.replace(query, id="query-wrong", rows=rows)
    await database.commit(results.plan_query(wrong))
    again = await rerun(shop.analyst, shop.view, TENANT, "query-wrong")
    assert (again.outcome, again.stale) == ("differs", False)
    (one,) = await reexecute(shop.analyst, shop.view, TENANT, records(wrong, 1))
    assert (one.outcome, one.value) == ("differs", one.before - 1)


async def test_what_never_ran_or_is_elsewhere_can_t_be_asked_again(flights):
    await flights.call("run_sql", sql="DROP TABLE flights")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    assert (query.verdict.outcome, query.verdict.rule, query.sql) == ("refused", "query_only", "DROP TABLE flights")
    with pytest.raises(InvalidInput, match="refused"):
        await rerun(flights.analyst, flights.view, TENANT, query.id)
    with pytest.raises(NotFound):
        await rerun(flights.analyst, flights.view, "other", query.id)


async def test_a_right_that_was_taken_away_does_not_live_on_in_an_old_query(coffee, host, database):
    coffee.speaker = Speaker(None, "sales", ("sales",))
    query = await cups(coffee)
    rule = new_rule(
        host, TENANT, name="no chai", semantic_model=coffee.record.name, table="orders", who="team sales",
        rows="drink <> 'chai'",
    )  # fmt: skip
    await database.commit(await access_rules.plan_create(coffee.view, rule))
    with pytest.raises(QueryRefused) as refused:
        await rerun(coffee.analyst, coffee.view, TENANT, query.id)
    assert refused.value.rule == "access_changed"
    restricted = (await coffee.call("query_metric", metrics=["cups"], dimensions=["drink"])).changes
    assert restricted
    newest = (await results.queries_of_agent(coffee.view, TENANT, "agent-1", limit=1))[0]
    assert [row[0] for row in newest.rows] != [row[0] for row in query.rows]
    assert newest.basis.access == [rule.id]
    assert (await rerun(coffee.analyst, coffee.view, TENANT, newest.id)).outcome == "same"
