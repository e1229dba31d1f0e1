"""A scope with facts and the entities they mention, as archival memory stores them."""

import msgspec
import pytest

from umi import archival, core, promote
from umi.archival import entities
from umi.dst import Host, ManualClock, Rng
from umi.entity import Claim, Fact, Mention
from umi.storage import SqliteDatabase, View
from umi.storage.postgres import PostgresDatabase
from umi.storage.simulated import SimulatedDatabase

MIGRATIONS = [*core.MIGRATIONS, *archival.MIGRATIONS]
DAY_MS = 86_400_000


class Desk:
    """One scope of one tenant: says things into archival memory, promotes, and looks at the blocks."""

    def __init__(self, database, host, scope="ada"):
        self.database, self.host, self.scope = database, host, scope
        self.clock = host.clock
        self.view = View(database)
        self.core = core.Core(database, host, "t", scope)

    async def say(self, text, *mentions, claims=(), importance=0.9):
        """Remember a fact that mentions ("Bob", "person") or ("Bob", "person", "what it says of him")."""
        now_ms = self.clock.now_ms()
        fact = Fact(
            tenant="t",
            id=self.host.ids.new("passage"),
            scope=self.scope,
            text=text,
            importance=importance,
            claims=[
                one if isinstance(one, Claim) else Claim(subject=one[0], attribute=one[1], value=one[2])
                for one in claims
            ],
            valid_from_ms=now_ms,
            known_from_ms=now_ms,
            created_at_ms=now_ms,
        )
        changes = archival.plan_add([fact], archival.Why())
        for name, kind, *content in mentions:
            mention = Mention(name=name, type=kind, content=content[0] if content else text)
            entity_id = self.host.ids.new("entity")
            changes.extend(
                entities.plan_mention(
                    "t", self.scope, fact.id, mention, entity_id=entity_id, importance=importance, seen_ms=now_ms
                )
            )
        await self.database.commit(changes)
        return fact

    async def change(self, fact, **fields):
        new, changes = archival.plan_change(
            fact, msgspec.structs.replace(fact, **fields), archival.Why(action="update"), self.clock.now_ms()
        )
        await self.database.commit(changes)
        return new

    async def forget(self, fact):
        return await self.change(fact, known_to_ms=self.clock.now_ms() + 1)

    async def promote(self, **how):
        return await promote.promote(self.view, "t", self.scope, self.host, **how)

    async def values(self):
        """What each block says, by label."""
        return {block.label: block.value for block in await self.core.blocks()}

    async def edit(self, label, value):
        """As a person does who has the block before them."""
        block = await core.by_label(self.view, "t", self.scope, label)
        await core.edit(self.view, "t", block.id, self.clock.now_ms(), {"value": value})


@pytest.fixture(params=["sqlite", "postgres"])
async def desk(request, tmp_path, host):
    if request.param == "sqlite":
        database = await SqliteDatabase.open(str(tmp_path / "memory.db"), MIGRATIONS, host=host)
    else:
        database = await PostgresDatabase.open(request.getfixturevalue("postgres_url"), MIGRATIONS, host=host)
    yield Desk(database, host)
    await database.close()


@pytest.fixture
def simulated():
    """A desk for each seed, over a database in memory."""

    def make(seed=1):
        host = Host(ManualClock(), Rng(seed))
        return Desk(SimulatedDatabase(seed, MIGRATIONS, host=host), host)

    return make
