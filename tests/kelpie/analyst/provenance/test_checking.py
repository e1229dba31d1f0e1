"""Verified, derived, unverified: numbers asked for another way agree, or the label says that nobody knows."""

import msgspec
import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import results
from kelpie.analyst.provenance.checking import (
    check_of,
    check_query,
    checks_of_run,
    is_cheap,
    label_of,
    plan_check,
)

# What is checked another way, and what can't be: an average distance is a ratio of sums, "other" has COUNT(DISTINCT).
FLIGHTS = [("2013-01-01", "2013-12-31"), ("2013-06-01", "2013-08-31"), (None, None)]
COMPANY = [("2024-01-01", "2024-12-31"), ("2025-02-01", "2025-11-30"), ("2025-03-01", "2025-03-31")]


@pytest.mark.slow
async def test_both_warehouses_numbers_come_out_the_same_another_way(flights, company, asked):
    """Whole queries of every kind: not one differs, and most can be checked."""
    outcomes = {}
    for desk, periods in ((flights, FLIGHTS), (company, COMPANY)):
        for query in await asked(desk, 25, periods):
            check = await check_query(desk.analyst, desk.view, query)
            assert check.outcome != "differs", (query.metric_query, check.columns)
            outcomes[check.outcome] = outcomes.get(check.outcome, 0) + 1
    assert outcomes["agrees"] > 25


async def asked_of(desk, **arguments):
    await desk.call("query_metric", **arguments)
    return (await results.queries_of_agent(desk.view, TENANT, "agent-1", limit=1))[0]


@pytest.mark.parametrize(
    ("arguments", "how"),
    [
        ({"metrics": ["cups"]}, "the sum over every"),
        ({"metrics": ["cups"], "grain": "month"}, "the sum over every"),
        ({"metrics": ["cups"], "dimensions": ["drink"]}, "the sum over every"),
        ({"metrics": ["turnover"], "dimensions": ["drink"], "share": ["drink"]}, "a question of its own"),
    ],
)
async def test_a_flow_is_the_sum_of_its_parts(coffee, arguments, how):
    query = await asked_of(coffee, **arguments)
    check = await check_query(coffee.analyst, coffee.view, query)
    assert check.outcome == "agrees", check
    assert any(how in column.how for column in check.columns)
    assert label_of(query, check, query.columns[-1].name) == "verified"


async def test_a_ratio_is_its_two_sides_apart(flights):
    query = await asked_of(flights, metrics=["average_arrival_delay"], dimensions=["carrier"], grain="month")
    check = await check_query(flights.analyst, flights.view, query)
    assert check.outcome == "agrees"
    assert check.columns[0].how.startswith("numerator and denominator apart")


@pytest.mark.parametrize("change", [1, -1, 0.01])
async def test_a_wrong_number_is_found_with_its_row(flights, change):
    """What a join that multiplies rows, or a bound that is off by a day, would do to one cell."""
    query = await asked_of(flights, metrics=["flights"], dimensions=["carrier"])
    rows = [list(row) for row in query.rows]
    rows[3][-1] += change
    check = await check_query(flights.analyst, flights.view, msgspec.structs.replace(query, rows=rows))
    (column,) = check.columns
    assert (check.outcome, column.outcome, column.row, column.shown) == ("differs", "differs", 3, rows[3][-1])
    assert label_of(query, check, "flights") == "unverified"


async def test_sql_that_somebody_wrote_is_unverified_and_not_checked(flights):
    await flights.call("run_sql", sql="SELECT count(*) AS n FROM flights")
    (query,) = await results.queries_of_run(flights.view, TENANT, "run-1")
    check = await check_query(flights.analyst, flights.view, query)
    assert (check.outcome, check.columns) == ("open", [])
    assert label_of(query, None, "n") == label_of(query, check, "n") == "unverified"
    assert not is_cheap(query)


async def test_without_a_check_a_metric_s_number_is_derived(flights):
    query = await asked_of(flights, metrics=["flights"])
    assert label_of(query, None, "flights") == "derived"
    verified = msgspec.structs.replace(query, basis=msgspec.structs.replace(query.basis, verified="board figure"))
    assert label_of(verified, None, "flights") == "verified"


async def test_a_check_is_kept_and_a_new_one_takes_its_place(flights, commit):
    query = await asked_of(flights, metrics=["flights"])
    check = await check_query(flights.analyst, flights.view, query)
    await commit(plan_check(query, msgspec.structs.replace(check, outcome="open")))
    await commit(plan_check(query, check))
    assert await check_of(flights.view, TENANT, query.id) == check
    assert await checks_of_run(flights.view, TENANT, "run-1") == {query.id: check}
    await commit(results.plan_forget_agent(TENANT, "agent-1"))
    assert await check_of(flights.view, TENANT, query.id) is None


async def test_data_that_moved_on_leave_the_question_open(coffee):
    query = await asked_of(coffee, metrics=["cups"])
    older = msgspec.structs.replace(query, rows=[[1]], snapshot=query.snapshot | {"state": "another"})
    check = await check_query(coffee.analyst, coffee.view, older)
    assert check.outcome == "open"
