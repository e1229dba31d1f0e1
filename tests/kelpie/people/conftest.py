"""A store with the tables of people and of umi, and short ways to fill it."""

import pytest

from kelpie.people import applying, records, schema
from umi import memory
from umi.storage import SqliteDatabase


class Office:
    """People and teams of tenant "t", unless another is named."""

    def __init__(self, database, host):
        self.database, self.host, self.view = database, host, database.view()

    async def commit(self, planned):
        made, changes = await planned
        await self.database.commit(changes)
        return made

    async def team(self, name, tenant="t"):
        return await self.commit(records.plan_add_team(self.view, self.host, tenant, name))

    async def person(self, handle, *teams, name=None, tenant="t"):
        plan = records.plan_add_person(
            self.view, self.host, tenant, handle=handle, name=name or handle.title(), teams=teams
        )
        return await self.commit(plan)

    async def apply(self, text, tenant="t"):
        return await self.commit(applying.plan_apply(self.view, self.host, tenant, text))

    async def roster(self, tenant="t"):
        return await records.roster(self.view, tenant)

    async def shown(self, tenant="t"):
        """({handle: (name, teams)}, [team names])."""
        known = await self.roster(tenant)
        return {one.handle: (one.name, one.teams) for one in known.people}, [team.name for team in known.teams]


@pytest.fixture
async def office(tmp_path, host):
    migrations = [*memory.MIGRATIONS, *schema.MIGRATIONS]
    database = await SqliteDatabase.open(str(tmp_path / "t.db"), migrations, host=host)
    yield Office(database, host)
    await database.close()
