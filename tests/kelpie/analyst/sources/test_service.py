"""The analyst over every engine: the same model gives the same numbers, and what it knows of the data keeps up."""

import pytest
from tests.kelpie.analyst.sources.worlds import EVIL

from kelpie.analyst import limits
from kelpie.analyst.access.access import Access
from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.compile import compile_query, coverage_of
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import MetricQuery
from kelpie.analyst.migrations import MIGRATIONS
from kelpie.analyst.service import Analyst
from umi.dst import Host, ManualClock, Rng
from umi.storage import SqliteDatabase, View

TENANT = "tenant-1"
MODEL = """
name: shop
label: orders of the shop
entities:
  - {name: sale, table: orders, key: id, label: order, plural: orders}
  - {name: customer, table: customers, key: id, label: customer, plural: customers}
joins:
  - {from: sale, to: customer, on: sale.customer = customer.id}
dimensions:
  - {name: customer_name, label: customer, plural: customers, expr: customer.name}
  - {name: remark, label: remark, plural: remarks, expr: 'sale.QUOTE; drop table orders; --QUOTE'}
times:
  - {name: ordered, label: day of the order, expr: sale.day, grains: [day, month, year]}
metrics:
  - {name: turnover, label: turnover, kind: flow, entity: sale, expr: SUM(sale.paid), format: ",.2f", aggregation: sum}
"""


class Desk:
    """A model over a world: `ask` compiles, guards and runs a metric query on its source."""

    def __init__(self, world, host, database, analyst):
        self.world, self.host, self.analyst = world, host, analyst
        self.view, self.database, self.loaded = View(database), database, None

    async def register(self):
        connection, changes = await self.analyst.plan_connection(
            self.view, TENANT, "shop", self.world.config(), self.world.engine, "aggregates"
        )
        await self.database.commit(changes)
        yaml = MODEL.replace("QUOTE", self.world.quote)
        record, changes = await self.analyst.plan_model(self.view, TENANT, connection.id, yaml)
        await self.database.commit(changes)
        self.loaded = await self.analyst.load(self.view, TENANT, record.id)

    async def ask(self, **query):
        source = await self.analyst.open_source(self.loaded.connection)
        coverage = coverage_of(await self.analyst.catalog(self.loaded))
        compiled = compile_query(
            self.loaded.model, MetricQuery(metrics=["turnover"], **query), source.dialect, coverage
        )
        guarded = guard(compiled.sql, self.loaded.model.tables, dialect=source.dialect)
        return (await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)).rows

    async def catalog(self, access=None):
        return await self.analyst.catalog(self.loaded, *([access] if access else []))

    async def names(self, access=None):
        dimension = (await self.catalog(access)).dimension("customer_name")
        return [value.value for value in dimension.values]


@pytest.fixture
async def desk(shared_world):
    host = Host(clock=ManualClock(), rng=Rng("service"))
    database = await SqliteDatabase.open(":memory:", MIGRATIONS)
    analyst = Analyst(host, shared_world.folder)
    made = Desk(shared_world, host, database, analyst)
    await made.register()
    yield made
    await analyst.close()
    await database.close()


async def test_the_same_model_gives_the_same_numbers_on_every_engine(desk):
    assert desk.loaded.connection.sharing == "aggregates"
    by_customer = await desk.ask(dimensions=["customer_name"], time_to="2024-12-31")
    assert sorted(by_customer, key=str) == [["Ada", 12.4], [None, 9999999.99]]
    by_month = await desk.ask(grain="month", time_from="2023-12-01", time_to="2024-03-31")
    assert [row[-1] for row in by_month if row[-1]] == [9999999.99, 12.3, 0.1]


async def test_a_dimension_over_a_column_of_any_name_is_one(desk):
    values = [value.value for value in (await desk.catalog()).dimension("remark").values]
    assert "'; DROP TABLE orders; --" in values
    assert EVIL not in values


async def test_a_catalog_keeps_up_with_the_data_a_server_s_within_a_minute(desk):
    before = await desk.catalog()
    assert await desk.catalog() is before
    desk.world.change()
    if desk.world.running() is None:
        assert await desk.catalog() is not before
        return
    assert await desk.catalog() is before
    desk.host.clock.advance(limits.CATALOG_AGE_MS_MAX)
    after = await desk.catalog()
    assert after is not before
    assert await desk.catalog() is after


async def test_what_one_may_see_is_in_nobody_else_s_catalog(desk):
    rule = AccessRule(
        tenant=TENANT,
        id="rule-1",
        name="only Ada",
        semantic_model="shop",
        table="customers",
        who="everyone",
        rows="id = 1",
        created_at_ms=0,
    )
    assert await desk.names() == ["Ada", "Bob"]
    assert await desk.names(Access((rule,))) == ["Ada"]
    assert await desk.names() == ["Ada", "Bob"]
