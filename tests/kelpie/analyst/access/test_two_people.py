"""One question, two people, two right totals, on every engine; what is withheld is named, and is not what is absent."""

import pytest
from tests.kelpie.analyst.guard.shapes import CUSTOMERS, ORDERS, TABLES

from kelpie.analyst.access.access import OPEN, Access
from kelpie.analyst.access.rules import new_rule
from kelpie.analyst.compile import compile_query
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import Filter, MetricQuery
from kelpie.analyst.semantic.reading import read_model
from kelpie.errors import QueryRefused

MODEL = read_model("""
name: shop
label: a shop
entities:
  - {name: customer, table: customers, key: id, label: customer, plural: customers}
  - {name: sale, table: orders, key: id, label: order, plural: orders}
joins: [{from: sale, to: customer, on: sale.customer_id = customer.id}]
dimensions:
  - {name: region, label: region, plural: regions, expr: customer.region}
  - {name: email, label: address, plural: addresses, expr: customer.email}
metrics: [{name: amount, label: amount, kind: flow, entity: sale, expr: SUM(sale.amount)}]
""")
EMEA = {number for number, _, region, _, _ in CUSTOMERS if region == "EMEA"}


@pytest.fixture(params=["duckdb", "sqlite", "postgres", "mysql"])
async def ask(request, new_world, host):
    """`ask(query, rows=…)`: the rows of a metric query and what was withheld, for somebody under such a rule."""
    world = new_world(request.param)
    world.load(TABLES)
    if hasattr(world, "grant"):
        world.grant(list(TABLES))
    source = await world.source()

    async def run(query, **rule):
        access = OPEN
        if rule:
            made = new_rule(
                host, "t", name="r", semantic_model="shop", who="person ben", **{"table": "customers", **rule}
            )
            access = await Access((made,)).over(source)
        compiled = compile_query(MODEL, query, source.dialect)
        guarded = guard(compiled.sql, MODEL.tables, dialect=source.dialect, access=access)
        return (await source.query(guarded.sql, rows_max=100)).rows, guarded.withheld

    yield run
    await source.stop()


async def test_one_question_has_two_right_totals(ask):
    """Of those who may see every customer, and of those who may see Europe's."""
    query = MetricQuery(metrics=["amount"], dimensions=["region"])
    rows, withheld = await ask(query)
    by_region = {number: region for number, _, region, _, _ in CUSTOMERS}
    wanted = {}
    for _, customer, amount, _, _ in ORDERS:
        region = by_region.get(customer)
        wanted[region] = wanted.get(region, 0) + amount
    assert ({region: int(amount) for region, amount in rows}, withheld) == (wanted, [])
    rows, withheld = await ask(query, rows="region = 'EMEA'", says="only Europe")
    seen = {region: int(amount) for region, amount in rows}
    assert seen["EMEA"] == wanted["EMEA"] == sum(amount for _, one, amount, _, _ in ORDERS if one in EMEA)
    assert set(seen) == {"EMEA", None}, "orders of customers that may not be seen are of no region"
    assert withheld == ["only Europe (access rule 'r')"]


async def test_a_column_without_right_is_named_as_withheld(ask):
    query = MetricQuery(metrics=["amount"], dimensions=["email"])
    assert len((await ask(query))[0]) > 1
    with pytest.raises(QueryRefused, match="'email' is withheld from you") as refused:
        await ask(query, mask=["email"])
    assert refused.value.rule == "withheld"


async def test_not_allowed_differs_from_no_rows(ask):
    nobody = MetricQuery(metrics=["amount"], dimensions=["region"], filters=[Filter(dimension="region", values=["?"])])
    assert await ask(nobody) == ([], [])
    with pytest.raises(QueryRefused, match="you may not see the table 'orders'") as refused:
        await ask(MetricQuery(metrics=["amount"]), table="orders", deny=True)
    assert refused.value.rule == "not_allowed"
