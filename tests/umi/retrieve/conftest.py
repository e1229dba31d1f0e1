"""A scope whose facts are written as archival memory writes them, and asked through recall."""

import msgspec
import pytest

from umi import archival, embed
from umi.archival import Why, entities
from umi.dst import Host, ManualClock, Rng
from umi.embed import HashEmbedder
from umi.embed.vectors import next_batch, packed, plan_vectors
from umi.entity import Claim, Fact, Mention
from umi.index import IndexCache
from umi.retrieve import recall
from umi.storage import SqliteDatabase, View

MIGRATIONS = [*archival.MIGRATIONS, *embed.MIGRATIONS]
DAY_MS = 86_400_000


class Desk:
    """One scope of one tenant."""

    def __init__(self, database, host, scope="ada", cache=None):
        self.database, self.host, self.scope = database, host, scope
        self.view = View(database)
        self.cache = cache or IndexCache()

    def of(self, scope):
        return Desk(self.database, self.host, scope, self.cache)

    async def say(self, text, *, mentions=(), claims=(), **fields):
        """Write a fact; claims are (subject, attribute, value), mentions are names."""
        now_ms = self.host.clock.now_ms()
        fact = Fact(
            **{
                "tenant": "t",
                "id": self.host.ids.new("passage"),
                "scope": self.scope,
                "text": text,
                "claims": [
                    one if isinstance(one, Claim) else Claim(subject=one[0], attribute=one[1], value=one[2])
                    for one in claims
                ],
                "valid_from_ms": now_ms,
                "known_from_ms": now_ms,
                "created_at_ms": now_ms,
                **fields,
            }
        )
        changes = archival.plan_add([fact], Why())
        for name in mentions:
            mention = Mention(name=name, type="person")
            changes.extend(
                entities.plan_mention(
                    "t",
                    self.scope,
                    fact.id,
                    mention,
                    entity_id=self.host.ids.new("entity"),
                    importance=0.5,
                    seen_ms=now_ms,
                )
            )
        await self.database.commit(changes)
        return fact

    async def change(self, fact, **fields):
        now = await archival.get(self.view, "t", fact.id)
        new = msgspec.structs.replace(now, **fields)
        _, changes = archival.plan_change(now, new, Why(action="update"), self.host.clock.now_ms())
        await self.database.commit(changes)

    async def forget(self, fact, *, hard=False):
        if hard:
            await self.database.commit(archival.plan_purge("t", self.scope, fact.id))
        else:
            await self.change(fact, known_to_ms=self.host.clock.now_ms())

    async def embed(self, embedder):
        batch = await next_batch(self.view, "t", self.scope, embedder.name, after=None, limit=1000)
        rows = await embedder.embed([one.text for one in batch.facts])
        await self.database.commit(plan_vectors("t", self.scope, batch.facts, packed(rows), embedder.name))

    async def recall(self, query, **wanted):
        return await recall(self.view, self.cache, "t", self.scope, query, host=self.host, **wanted)

    async def texts(self, query, **wanted):
        return [one.fact.text for one in await self.recall(query, **wanted)]


@pytest.fixture
async def desk(tmp_path):
    host = Host(ManualClock(1_700_000_000_000), Rng("retrieve"))
    database = await SqliteDatabase.open(str(tmp_path / "memory.db"), MIGRATIONS, host=host)
    yield Desk(database, host)
    await database.close()


@pytest.fixture
def embedder():
    return HashEmbedder(64)
