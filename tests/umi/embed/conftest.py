"""Facts in a store, on both engines, and embedders that do what a test says."""

import pytest

from umi import archival, embed
from umi.embed import HashEmbedder
from umi.entity import Fact
from umi.storage import Changes, SqliteDatabase, View
from umi.storage.postgres import PostgresDatabase

MIGRATIONS = [*archival.MIGRATIONS, *embed.MIGRATIONS]


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request, tmp_path, host):
    if request.param == "sqlite":
        opened = await SqliteDatabase.open(str(tmp_path / "store.db"), MIGRATIONS, host=host)
    else:
        opened = await PostgresDatabase.open(request.getfixturevalue("postgres_url"), MIGRATIONS, host=host)
    yield opened
    await opened.close()


class Facts:
    """A scope's facts, changed the way archival memory changes them."""

    def __init__(self, database, host, scope="ada"):
        self.database, self.host, self.scope, self.tenant = database, host, scope, "t"
        self.view = View(database)

    def of(self, scope):
        return Facts(self.database, self.host, scope)

    async def add(self, *texts, speaker=None):
        now = self.host.clock.now_ms()
        facts = [
            Fact(
                tenant=self.tenant,
                id=self.host.ids.new("fact"),
                scope=self.scope,
                text=text,
                speaker=speaker,
                known_from_ms=now,
            )
            for text in texts
        ]
        await self.database.commit(archival.plan_add(facts, archival.Why()))
        return [fact.id for fact in facts]

    async def change(self, fact_id, **fields):
        import msgspec

        row = await self.view.one(f"SELECT {archival.FACT_COLUMNS} FROM fact WHERE id = ?", fact_id)
        old = archival.fact_from_row(row)
        new = msgspec.structs.replace(old, **fields)
        _, changes = archival.plan_change(old, new, archival.Why(action="update"), self.host.clock.now_ms())
        await self.database.commit(changes)

    async def forget(self, fact_id, *, hard=False):
        if hard:
            changes = embed.plan_forget_vectors(self.tenant, self.scope, [fact_id])
            await self.database.commit(changes.extend(archival.plan_purge(self.tenant, self.scope, fact_id)))
        else:
            await self.change(fact_id, known_to_ms=self.host.clock.now_ms())

    async def vectors(self):
        """{fact id: (embedder, vector)} of the scope."""
        rows = await self.view.fetch(
            "SELECT f.id, v.embedder, v.vector FROM fact_vector v LEFT JOIN fact f ON f.seq = v.fact_seq"
            " WHERE v.scope = ? ORDER BY v.fact_seq",
            self.scope,
        )
        return {row[0]: (row[1], row[2]) for row in rows}

    async def revision(self):
        return (await self.view.one("SELECT revision FROM fact_scope WHERE scope = ?", self.scope))[0]

    async def write(self, sql, *params):
        await self.database.commit(Changes().write(sql, *params))


@pytest.fixture
def facts(database, host):
    return Facts(database, host)


class Recording(HashEmbedder):
    """Says what it was asked. `answers` are taken first: an exception is raised, a function asked in its place."""

    def __init__(self, *answers, dimensions=32, name=None):
        super().__init__(dimensions, name=name)
        self.asked = []
        self.answers = list(answers)

    async def embed(self, texts):
        self.asked.append(list(texts))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return await answer(texts)
        return await super().embed(texts)

    @property
    def texts(self):
        return [text for asked in self.asked for text in asked]


@pytest.fixture
def recording():
    return Recording
