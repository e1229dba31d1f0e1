"""A store with the tables of tenants, on a clock that only moves when told."""

import pytest

from kelpie.tenants import schema
from umi.dst import Host
from umi.dst.clock import ManualClock
from umi.storage import SqliteDatabase


class Office:
    def __init__(self, database, host):
        self.database, self.host, self.view, self.clock = database, host, database.view(), host.clock


class Counting:
    """A database that counts what is asked of it."""

    def __init__(self, inner):
        self._inner, self.reads = inner, 0

    async def read(self, queries, over=None):
        self.reads += 1
        return await self._inner.read(queries, over)

    async def commit(self, changes):
        return await self._inner.commit(changes)


@pytest.fixture
async def office(tmp_path):
    host = Host(ManualClock())
    database = await SqliteDatabase.open(str(tmp_path / "t.db"), schema.MIGRATIONS, host=host)
    opened = Office(database, host)
    opened.counting = Counting(database)
    yield opened
    await host.close()
    await database.close()
