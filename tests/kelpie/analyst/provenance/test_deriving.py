"""Each kind of number has another way to be had, and that way sees when the number is wrong."""

import msgspec
import pytest
from tests.kelpie.analyst.conftest import TENANT

from kelpie.analyst import results
from kelpie.analyst.provenance.checking import check_query

YEAR = {"time_from": "2024-01-01", "time_to": "2024-12-31"}
CASES = {
    "a flow over finer periods": ({"metrics": ["invoiced_revenue"], "grain": "quarter", "time": "invoice_issued"}, 0),
    "a flow over members": ({"metrics": ["invoiced_revenue"], "dimensions": ["plan"]}, 0),
    "a ratio": ({"metrics": ["late_payment_share"], "dimensions": ["plan"]}, 0),
    "a stock": ({"metrics": ["mrr"], "grain": "fiscal_quarter"}, 0),
    "a stock at a moment": ({"metrics": ["mrr"], "dimensions": ["plan"], "time_to": "2025-03-31"}, 0),
    "a formula": ({"metrics": ["arpa"], "grain": "quarter", **YEAR}, 0),
    "the time before": (
        {"metrics": ["invoiced_revenue"], "grain": "month", "time": "invoice_issued", **YEAR,
         "compare": {"with": "previous_year"}},
        1,
    ),
    "a change": ({"metrics": ["mrr"], "dimensions": ["plan"], **YEAR, "compare": {"with": "previous_year"}}, 2),
    "a growth": ({"metrics": ["mrr"], "dimensions": ["plan"], **YEAR, "compare": {"with": "previous_year"}}, 3),
    "a share": ({"metrics": ["mrr"], "dimensions": ["plan"], "share": ["plan"]}, 1),
    "distinct things, few rows": ({"metrics": ["customers"], "grain": "quarter", "time_from": "2025-04-01",
                                   "time_to": "2025-09-30"}, 0),
}  # fmt: skip


async def asked(company, arguments):
    outcome = await company.call("query_metric", **arguments)
    assert not outcome.is_error, outcome.text
    return (await results.queries_of_agent(company.view, TENANT, "agent-1", limit=1))[0]


@pytest.mark.parametrize("case", CASES)
async def test_the_other_way_agrees_and_sees_a_wrong_number(company, case):
    arguments, place = CASES[case]
    query = await asked(company, arguments)
    check = await check_query(company.analyst, company.view, query)
    assert check.outcome == "agrees", check
    (column,) = check.columns[place : place + 1]
    assert column.how
    at = query.table.place(column.column)
    rows = [list(row) for row in query.rows]
    wrong = max(range(len(rows)), key=lambda row: abs(rows[row][at] or 0))
    rows[wrong][at] = rows[wrong][at] * 1.001 + 0.01
    again = await check_query(company.analyst, company.view, msgspec.structs.replace(query, rows=rows))
    assert again.columns[place].outcome == "differs"
    assert again.columns[place].row == wrong


async def test_what_has_no_other_way_stays_open(company):
    query = await asked(company, {"metrics": ["customers"], "dimensions": ["industry"], "grain": "month"})
    check = await check_query(company.analyst, company.view, query)
    assert (check.outcome, check.columns[0].outcome) == ("open", "open")


async def test_a_ranking_that_was_cut_is_checked_row_by_row_of_what_was_shown(company):
    arguments = {"metrics": ["invoiced_revenue"], "dimensions": ["country"], "limit": 3,
                 "order": [{"by": "invoiced_revenue"}]}  # fmt: skip
    query = await asked(company, arguments)
    assert query.row_count == 3
    assert (await check_query(company.analyst, company.view, query)).outcome == "agrees"
