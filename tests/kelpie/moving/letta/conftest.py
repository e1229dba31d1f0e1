"""A Letta database in a real PostgreSQL server, and a store of ours to bring it to."""

import json

import pytest
from tests.kelpie.moving.letta.database import LettaDatabase, furnish

from kelpie.actors import Errand, Outbox
from kelpie.files.processing import TOPIC, Processing
from kelpie.files.reading.reader import Reader
from kelpie.moving.letta.bringing import Bringing
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.reading import opened
from kelpie.moving.letta.report import Report
from kelpie.server.build import MIGRATIONS
from kelpie.tools import custom
from kelpie.tools.memory import MEMORY_TOOLS
from umi.memory import Archive
from umi.storage import SqliteDatabase, View


def pytest_collection_modifyitems(config, items):
    """What installs another server runs only if it is asked for."""
    if "letta_schema" not in config.option.markexpr:
        asked = [item for item in items if item.get_closest_marker("letta_schema")]
        config.hook.pytest_deselected(items=asked)
        items[:] = [item for item in items if item not in asked]


@pytest.fixture
def empty(postgres_server):
    database = LettaDatabase(postgres_server, "letta")
    yield database
    database.close()


@pytest.fixture(scope="session")
def furnished(postgres_server):
    """The name of a database that is copied for each test."""
    database = furnish(LettaDatabase(postgres_server, "letta_furnished").make())
    database.close()
    return database.name


@pytest.fixture
def letta(postgres_server, furnished):
    database = LettaDatabase(postgres_server, "letta", like=furnished)
    yield database
    database.close()


class Brought:
    """What one run came to: its report, and each line of the report's file."""

    def __init__(self, report, lines):
        self.report = report
        self.lines = [json.loads(line) for line in lines]

    def why(self, table, row):
        about = [line for line in self.lines if (line["table"], line.get("id")) == (table, row)]
        return [line["not_taken"] for line in about if "not_taken" in line]


class Store:
    """Ours, without a server; `bring(url)` brings a database over."""

    def __init__(self, database, host, tenant="default"):
        self.database, self.host, self.tenant = database, host, tenant

    @property
    def view(self):
        return View(self.database)

    async def bring(self, url, *, is_rehearsal=False, tenant=None, **wanted):
        lines, told = [], []
        report = Report(lines.append)
        archive = Archive(self.database, self.host, embedder=None)
        builtins = frozenset(tool.name for tool in MEMORY_TOOLS)
        tenant = tenant or self.tenant
        now_ms = self.host.clock.now_ms()
        await self.database.commit(await custom.plan_builtins(self.view, tenant, now_ms, MEMORY_TOOLS))
        here = Here(self.database, self.host, archive, tenant, builtins, is_rehearsal=is_rehearsal)
        async with opened(url) as source:
            await Bringing(source, here, report, lambda done, total: told.append((done, total)), **wanted).run()
        assert told == sorted(told), "progress goes forward"
        return Brought(report, lines)

    async def index(self):
        """What is left to do with files, as the server does it once it runs."""
        outbox = Outbox(self.database, self.host)
        work = Processing(Archive(self.database, self.host, embedder=None), outbox, Reader(self.host))
        for tenant, file_id in await self.view.fetch("SELECT tenant, id FROM outbox WHERE topic = ?", TOPIC):
            await work.process(Errand(tenant=tenant, topic=TOPIC, id=file_id, lane=""))


@pytest.fixture
async def store(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "ours.db"), MIGRATIONS, host=host)
    yield Store(database, host)
    await database.close()
