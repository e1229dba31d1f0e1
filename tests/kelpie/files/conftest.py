"""The room over a real store, with its outbox and its reader. `room.again()` is what a restart makes of it."""

import asyncio

import pytest

from kelpie import actors
from kelpie.actors import Outbox
from kelpie.files import attached, files, folders, schema
from kelpie.files.files import Upload
from kelpie.files.folders import Folder
from kelpie.files.processing import Processing
from kelpie.files.reading.reader import Reader
from umi import archival, memory
from umi.embed import HashEmbedder
from umi.memory import Archive
from umi.storage import Migration, Page, SqliteDatabase

# Of the room above only this much is joined with.
AGENT = Migration("agents", 1, "CREATE TABLE agent (tenant TEXT NOT NULL, id TEXT NOT NULL) STRICT")
MIGRATIONS = [*memory.MIGRATIONS, *actors.MIGRATIONS, *schema.MIGRATIONS, AGENT]


class Counting(Reader):
    """Reads, and keeps which kinds it was asked for."""

    def __init__(self, host):
        super().__init__(host)
        self.read_kinds = []

    async def read(self, kind, content):
        self.read_kinds.append(kind)
        return await super().read(kind, content)


class Room:
    def __init__(self, database, host, embedder=None):
        self.database, self.host, self.embedder = database, host, embedder
        self.again()

    def again(self):
        """A new process on the same store: nothing is left of what the old one had in mind."""
        self.archive = Archive(self.database, self.host, embedder=self.embedder)
        self.outbox, self.reader = Outbox(self.database, self.host), Counting(self.host)
        self.processing = Processing(self.archive, self.outbox, self.reader)

    @property
    def view(self):
        return self.database.view()

    async def folder(self, name="papers", tenant="t", **fields):
        folder = Folder(tenant=tenant, id=self.host.ids.new("source"), name=name, **fields)
        await self.database.commit(await folders.plan_create(self.view, folder))
        return folder

    async def upload(self, folder, file_name, content, **fields):
        """The file as it was acknowledged."""
        content = content if isinstance(content, bytes) else content.encode()

        async def given():
            return Upload(file_name=file_name, content=content, **fields)

        made, _ = await self.processing.upload(folder, given)
        return made

    async def read(self, folder, file_name, content, **fields):
        """The file when all is done."""
        made = await self.upload(folder, file_name, content, **fields)
        await self.rest()
        return await self.file(made)

    async def file(self, file):
        return await files.find(self.view, file.tenant, file.id)

    async def rest(self):
        for _ in range(20_000):
            if not self.outbox.known:
                return
            await asyncio.sleep(0.001)
        raise AssertionError("the outbox never rests")

    async def chunks(self, folder, tenant="t"):
        return await archival.list_facts(self.view, tenant, folder.scope, Page(limit=1000))

    async def attach(self, agent_id, *given, tenant="t"):
        for folder in given:
            await self.database.commit(attached.plan_attach(tenant, agent_id, folder.id))

    async def count(self, table):
        return (await self.view.fetch(f"SELECT count(*) FROM {table}"))[0][0]


@pytest.fixture
async def database(tmp_path, host):
    opened = await SqliteDatabase.open(str(tmp_path / "files.db"), MIGRATIONS, host=host)
    yield opened
    await host.close()
    await opened.close()


@pytest.fixture
def room(database, host):
    return Room(database, host)


@pytest.fixture
def room_with_embedder(database, host):
    return Room(database, host, HashEmbedder(dimensions=64))
