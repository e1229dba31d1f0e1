"""A semantic model against its data: what does not work is refused with its line, all of it at once if asked."""

import contextlib
import re
import sqlite3

import pytest
from tests.kelpie.analyst.ledgers import LEDGER_YAML
from tests.kelpie.analyst.semantic.test_reading import line_of, swapped
from tests.kelpie.analyst.warehouses import COFFEE_YAML

from kelpie.analyst.semantic.checks import check_model, find_problems
from kelpie.analyst.semantic.reading import read_model
from kelpie.demo.warehouse import semantic_model_yaml
from kelpie.errors import InvalidModel

# What only the data can show: the change, where it is, and what the refusal must say.
BROKEN = {
    "a table that is not there": ("table: shops", "table: cellars", "table: cellars", "cellars"),
    "a table with a quote": (
        "table: shops",
        "table: 'shops\"; DROP'",
        "table: 'shops",
        "there is no table 'shops\"; DROP'",
    ),
    "a key that is not there": ("table: orders, key: order_no", "table: orders, key: number", "key: number", "number"),
    "a column that is not there": ("expr: sale.drink", "expr: sale.beverage", "- name: drink", "beverage"),
    "an expression that is no SQL": (
        "expr: sale.drink",
        "expr: sale.drink +",
        "- name: drink",
        "not an SQL expression",
    ),
    "an expression with more behind it": (
        "expr: sale.drink",
        "expr: sale.drink FROM salaries",
        "- name: drink",
        "SQL expression",
    ),
    "a column without its entity": ("expr: sale.drink", "expr: drink", "- name: drink", "entity.column"),
    "an aggregate as a dimension": ("expr: sale.drink", "expr: MAX(sale.drink)", "- name: drink", "no aggregate"),
    "a subquery": (
        "expr: sale.drink",
        "expr: coalesce(sale.drink, (SELECT max(s.quarter) FROM shops s))",
        "- name: drink",
        "no aggregate, window or subquery",
    ),
    "a dimension of another type": ("expr: sale.drink", "expr: sale.cups", "- name: drink", "not text"),
    "an entity no join reaches": (
        "  - {from: sale, to: shop, on: sale.shop_no = shop.no}",
        "  []",
        "- name: quarter_of_town",
        "no join leads there",
    ),
    "a join that multiplies": (
        "on: sale.shop_no = shop.no",
        "on: sale.shop_no >= shop.no",
        "{from: sale",
        "several rows",
    ),
    "a join on one side": ("on: sale.shop_no = shop.no", "on: sale.shop_no = 1", "{from: sale", "compares columns"),
    "a time that is none": (
        "expr: sale.ordered_at",
        "expr: sale.cups",
        "- name: ordered",
        "not date or timestamp",
    ),
    "a metric that is no aggregate": ("expr: SUM(sale.cups)", "expr: sale.cups", "- name: cups\n", "no aggregate"),
    "a column beside its aggregate": (
        "expr: SUM(sale.cups)",
        "expr: SUM(sale.cups) + sale.cups",
        "- name: cups\n",
        "sale.cups outside of its aggregates",
    ),
    "a quotient that is no ratio": (
        "expr: SUM(sale.cups)",
        "expr: SUM(sale.cups) / COUNT(*)",
        "- name: cups\n",
        "make it a ratio",
    ),
    "a window": ("expr: SUM(sale.cups)", "expr: SUM(SUM(sale.cups)) OVER ()", "- name: cups\n", "no window"),
    "a metric that is no number": ("expr: SUM(sale.cups)", "expr: MAX(sale.drink)", "- name: cups\n", "not a number"),
    "a function that reads files": ("expr: sale.drink", "expr: getenv(sale.drink)", "- name: drink", "rule: function"),
    "a nickname for nothing": ("Porty: Portobello", "Porty: Portabella", "- name: quarter_of_town", "Portabella"),
}


LEDGER_BROKEN = {
    "a beginning that is no date": (
        "since: subscription.started_on\n",
        "since: subscription.amount\n",
        "name: mrr",
        "`since` of the metric 'mrr' gives DECIMAL(9,2), not date or timestamp",
    ),
    "an end that is no date": (
        "until: subscription.ended_on\n    filters",
        "until: subscription.plan\n    filters",
        "name: mrr",
        "`until` of the metric 'mrr'",
    ),
    "a date of rows that are not counted": (
        "at: headcount.counted_on",
        "at: invoice.issued_on",
        "name: staff",
        "'invoice' can't be reached from 'headcount'",
    ),
    "an axis of rows that are not counted": (
        "times: [refunded]",
        "times: [paid_out]",
        "name: refunds, label",
        "can't be dated by 'paid_out'",
    ),
    "a default filter for nobody": ("values: [false]", "values: [false, null]", None, None),
    "separation by what is out of reach": (
        "separate_by: [currency]",
        "separate_by: [plan]",
        "name: paid_out_amount",
        "can't be separated by 'plan'",
    ),
    "a verified query that writes": (
        "sql: SELECT count(*) AS trials FROM subscriptions WHERE is_trial",
        "sql: DELETE FROM subscriptions",
        "- name: trials",
        "rule: query_only",
    ),
    "a verified query of another table": (
        "sql: SELECT count(*) AS trials FROM subscriptions WHERE is_trial",
        "sql: SELECT count(*) FROM salaries",
        "- name: trials",
        "salaries",
    ),
    "a verified query that fails": (
        "sql: SELECT count(*) AS trials FROM subscriptions WHERE is_trial",
        "sql: SELECT count(trial) FROM subscriptions",
        "- name: trials",
        "trial",
    ),
    "a default filter on no value": (
        "{dimension: internal, values: [false], note: Without internal accounts}",
        "{dimension: plan, values: [gold], op: not_in, note: without gold}",
        "{dimension: plan, values: [gold]",
        "'gold', which is no value",
    ),
}


@pytest.mark.parametrize(("old", "new", "at", "says"), BROKEN.values(), ids=BROKEN)
async def test_a_model_that_does_not_fit_its_data_is_refused_with_the_line(old, new, at, says, opened):
    text = swapped(old, new)
    with pytest.raises(InvalidModel) as refused:
        await check_model(read_model(text), await opened("coffee"))
    assert says in str(refused.value)
    assert re.match(rf"line {line_of(text, at)}: ", str(refused.value)), refused.value


@pytest.mark.parametrize(("old", "new", "at", "says"), LEDGER_BROKEN.values(), ids=LEDGER_BROKEN)
async def test_what_only_a_ledger_has_is_checked_too(old, new, at, says, opened):
    text = swapped(old, new, LEDGER_YAML)
    problems = await find_problems(read_model(text), await opened("ledger"))
    if says is None:
        assert problems == []
        return
    assert says in problems[0]
    assert problems[0].startswith(f"line {line_of(text, at)}: ")


@pytest.mark.parametrize(
    ("name", "engine", "text"),
    [
        ("ledger", "duckdb", LEDGER_YAML),
        ("ledger", "sqlite", LEDGER_YAML),
        ("coffee", "duckdb", COFFEE_YAML),
        ("flights", "duckdb", semantic_model_yaml()),
    ],
)
async def test_a_good_model_has_no_problems(name, engine, text, opened):
    assert await find_problems(read_model(text), await opened(name, engine)) == []


async def test_all_problems_are_told_at_once_and_the_first_is_raised(opened):
    text = swapped("expr: sale.drink", "expr: sale.beverage", swapped("expr: sale.ordered_at", "expr: sale.cups"))
    text = swapped("expr: SUM(sale.cups)", "expr: sale.cups", text)
    source = await opened("coffee")
    problems = await find_problems(read_model(text), source)
    assert [problem.split(":")[0] for problem in problems] == [
        f"line {line_of(text, at)}" for at in ("- name: drink", "- name: ordered", "- name: cups\n")
    ]
    with pytest.raises(InvalidModel) as refused:
        await check_model(read_model(text), source)
    assert str(refused.value) == problems[0]


@pytest.mark.parametrize("written", ["31.01.2024", "20240131", "", "2024-1-31", "2451545"])
async def test_dates_in_sqlite_are_texts_in_order(written, opened, warehouse_path):
    path = warehouse_path("ledger", "sqlite")
    with contextlib.closing(sqlite3.connect(path)) as writing:
        writing.execute("UPDATE invoices SET due_on = ? WHERE id = 7", [written])
        writing.commit()
        try:
            problems = await find_problems(read_model(LEDGER_YAML), await opened("ledger", "sqlite"))
        finally:
            writing.execute("UPDATE invoices SET due_on = '2025-12-31' WHERE id = 7")
            writing.commit()
    line = line_of(LEDGER_YAML, "- {name: due, label: due")
    assert problems == [
        f"line {line}: the time axis 'due' holds {written!r}; write dates as YYYY-MM-DD"
    ] or problems == [f"line {line}: the time axis 'due' holds {int(written)}; write dates as YYYY-MM-DD"]


async def test_texts_in_sqlite_are_not_added_up(opened, warehouse_path):
    path = warehouse_path("ledger", "sqlite")
    with contextlib.closing(sqlite3.connect(path)) as writing:
        writing.execute("UPDATE refunds SET amount = '1,234.50' WHERE id = 1")
        writing.commit()
        try:
            problems = await find_problems(read_model(LEDGER_YAML), await opened("ledger", "sqlite"))
        finally:
            writing.execute("UPDATE refunds SET amount = 50.00 WHERE id = 1")
            writing.commit()
    line = line_of(LEDGER_YAML, "- {name: refunds, label")
    assert problems == [f"line {line}: the metric 'refunds' adds texts, like '1,234.50': make them numbers"]
