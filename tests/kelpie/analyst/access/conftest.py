"""The guard's real engines, with a shop in them."""

import pytest
from tests.kelpie.analyst.guard.conftest import mariadb_server, new_world  # noqa: F401 - fixtures
from tests.kelpie.analyst.guard.shapes import TABLES

from kelpie.analyst.access.registering import plan_rules
from kelpie.analyst.access.rules import new_rule
from kelpie.analyst.migrations import MIGRATIONS
from kelpie.analyst.semantic import records as models
from kelpie.analyst.service import Analyst
from kelpie.people import records as people
from kelpie.people import schema
from kelpie.people.resolving import resolve
from umi import memory
from umi.dst import Host
from umi.storage import SqliteDatabase, View

MODEL = """
name: shop
label: a shop
entities:
  - {name: customer, table: customers, key: id, label: customer, plural: customers}
  - {name: sale, table: orders, key: id, label: order, plural: orders}
dimensions:
  - {name: region, label: region, plural: regions, expr: customer.region}
metrics:
  - {name: amount, label: amount, kind: flow, entity: sale, expr: SUM(sale.amount), aggregation: sum}
  - {name: customers, label: customers, kind: flow, entity: customer, expr: COUNT(*), aggregation: count}
"""


class Office:
    """A store with people, connections to a shop, the semantic model "shop" on one of them, and short ways to ask."""

    tenant = "tenant-1"

    def __init__(self, database, host, analyst):
        self.database, self.host, self.analyst = database, host, analyst

    @property
    def view(self):
        return View(self.database)

    async def commit(self, planned):
        made, changes = await planned
        await self.database.commit(changes)
        return made

    async def person(self, handle, *teams):
        await self.commit(
            people.plan_add_person(self.view, self.host, self.tenant, handle=handle, name=handle.title(), teams=teams)
        )
        return await resolve(self.view, self.tenant, handle)

    async def model(self, engine, config):
        connection = await self.commit(
            self.analyst.plan_connection(self.view, self.tenant, engine, config, engine=engine)
        )
        record = models.new_record(self.host, self.tenant, "shop", connection.id, MODEL)
        await self.database.commit(await models.plan_create(self.view, record))
        return record

    def rule(self, **what):
        defaults = {"name": "a rule", "semantic_model": "shop", "table": "customers", "who": "everyone"}
        return new_rule(self.host, self.tenant, **defaults | what)

    async def register(self, **what):
        (stored,) = await self.commit(plan_rules(self.analyst, self.view, self.tenant, [self.rule(**what)]))
        return stored


@pytest.fixture
async def office(host, new_world, tmp_path):  # noqa: F811
    """The shop in SQLite."""
    migrations = [*memory.MIGRATIONS, *schema.MIGRATIONS, *MIGRATIONS]
    database = await SqliteDatabase.open(str(tmp_path / "store.db"), migrations, host=host)
    world = new_world("sqlite")
    world.load(TABLES)
    analyst = Analyst(Host(), world.folder)
    made = Office(database, host, analyst)
    for team in ("Sales", "Finance"):
        await made.commit(people.plan_add_team(made.view, host, made.tenant, team))
    made.record = await made.model("sqlite", world.config)
    yield made
    await analyst.close()
    await database.close()
