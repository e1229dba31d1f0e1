"""Scopes with something of everything in them, and what a store holds of a scope, row by row."""

import msgspec
import pytest

from umi import archival, core, working
from umi.archival import Why, entities
from umi.core import Core
from umi.entity import Claim, Fact, Mention
from umi.portable import dump, restore, restore_lines
from umi.storage import Changes, SqliteDatabase, View
from umi.working import Working

MIGRATIONS = [*core.MIGRATIONS, *archival.MIGRATIONS, *working.MIGRATIONS]
# Every column but the numbers that a store gives its rows.
OF_SCOPE = {
    "facts": (
        f"SELECT {archival.FACT_COLUMNS}, action, actor, reason, change_id, digest, terms FROM fact"
        " WHERE tenant = ? AND scope = ? ORDER BY seq"
    ),
    "past": (
        "SELECT fact_id, text, tags, importance, metadata, source, speaker, session, claims, document_time_ms,"
        " event_time_ms, valid_from_ms, valid_to_ms, known_from_ms, known_to_ms, created_at_ms, version, action, actor,"
        " reason, change_id FROM fact_past WHERE tenant = ? AND scope = ? ORDER BY fact_id, version"
    ),
    "claims": (
        "SELECT c.subject, c.attribute, c.value, f.id FROM claim c JOIN fact f ON f.seq = c.fact_seq"
        " WHERE c.tenant = ? AND c.scope = ? ORDER BY 1, 2, 3, 4"
    ),
    "entities": (
        "SELECT id, type, name, key, aliases, attributes, summary, summary_fact, importance, mentions, accesses,"
        " first_seen_ms, last_seen_ms, last_access_ms FROM entity WHERE tenant = ? AND scope = ? ORDER BY seq"
    ),
    "mentions": (
        "SELECT e.key, f.id FROM mention m JOIN entity e ON e.seq = m.entity_seq JOIN fact f ON f.seq = m.fact_seq"
        " WHERE e.tenant = ? AND e.scope = ? ORDER BY 1, 2"
    ),
    "evolutions": (
        "SELECT old_id, new_id, kind, reason, confidence, at_ms FROM evolution WHERE tenant = ? AND scope = ?"
        " ORDER BY old_id, new_id"
    ),
    "blocks": (
        "SELECT b.id, s.label, b.value, b.limit_chars, b.type, b.importance, b.metadata, b.version FROM block_scope s"
        " JOIN block b ON b.tenant = s.tenant AND b.id = s.block_id WHERE s.tenant = ? AND s.scope = ?"
        " ORDER BY s.position"
    ),
    "working": (
        "SELECT key, kind, value, number, size_bytes, expires_ms FROM working WHERE tenant = ? AND scope = ?"
        " ORDER BY key"
    ),
}


class Scope:
    """One scope of a database, written and read without a Memory around it."""

    def __init__(self, database, host, name="ada", tenant="default"):
        self.database, self.host, self.name, self.tenant = database, host, name, tenant
        self.view = View(database)
        self.core = Core(database, host, tenant, name)
        self.working = Working(database, host, tenant, name)

    def of(self, name):
        return Scope(self.database, self.host, name, self.tenant)

    def fact(self, text, **fields):
        now_ms = self.host.clock.now_ms()
        made = {"valid_from_ms": now_ms, "known_from_ms": now_ms, "created_at_ms": now_ms, **fields}
        return Fact(tenant=self.tenant, scope=self.name, id=self.host.ids.new("passage"), text=text, **made)

    async def add(self, text, *, mentions=(), **fields):
        fact = self.fact(text, **fields)
        changes = archival.plan_add([fact], Why(actor="test", change_id=self.host.ids.new("change")))
        for name in mentions:
            mention = Mention(name=name, type="person", content=text)
            entity_id = self.host.ids.new("entity")
            at_ms = self.host.clock.now_ms()
            changes.extend(
                entities.plan_mention(
                    self.tenant, self.name, fact.id, mention, entity_id=entity_id, importance=0.5, seen_ms=at_ms
                )
            )
        await self.database.commit(changes)
        return fact

    async def change(self, fact, why, **fields):
        old = await self.latest(fact.id)
        new = msgspec.structs.replace(old, **fields)
        _, changes = archival.plan_change(old, new, why, self.host.clock.now_ms())
        await self.database.commit(changes)

    async def latest(self, fact_id):
        row = await self.view.one(f"SELECT {archival.FACT_COLUMNS} FROM fact WHERE id = ?", fact_id)
        return archival.fact_from_row(row)

    async def forget(self, fact, *, hard=False):
        if hard:
            await self.database.commit(archival.plan_purge(self.tenant, self.name, fact.id))
        else:
            await self.change(fact, Why(action="forget"), known_to_ms=self.host.clock.now_ms())

    async def note(self, old, new):
        """That `new` bears on `old`."""
        sql = "INSERT INTO evolution (tenant, scope, old_id, new_id, kind, reason, confidence, at_ms) VALUES"
        await self.database.commit(
            archival.revise(Changes(), self.tenant, self.name).write(
                f"{sql} (?, ?, ?, ?, 'update', 'says otherwise', 0.9, 7)", self.tenant, self.name, old.id, new.id
            )
        )

    async def rows(self):
        found = {}
        for what, sql in OF_SCOPE.items():
            rows = await self.view.fetch(sql, self.tenant, self.name)
            found[what] = [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]
        return found

    async def dumped(self):
        return [line async for line in dump(self.database, self.host, self.tenant, self.name)]

    async def take(self, lines):
        return await restore_lines(self.database, self.host, self.tenant, self.name, lines)

    async def take_file(self, path, **how):
        return await restore(self.database, self.host, self.tenant, self.name, str(path), **how)


@pytest.fixture
async def ada(tmp_path, host):
    database = await SqliteDatabase.open(str(tmp_path / "from.db"), MIGRATIONS, host=host)
    yield Scope(database, host)
    await database.close()


@pytest.fixture
async def elsewhere(tmp_path, host):
    """The same scope of another database."""
    database = await SqliteDatabase.open(str(tmp_path / "to.db"), MIGRATIONS, host=host)
    yield Scope(database, host)
    await database.close()


async def fill(scope):
    """A little of everything, and some of it changed, ended, forgotten and taken back."""
    clock = scope.host.clock
    works = await scope.add(
        "Bob works at Acme.",
        mentions=["Bob", "Acme"],
        claims=[Claim(subject="Bob", attribute="works_at", value="Acme", whole=True)],
        speaker="Ada",
        session="s1",
        tags=["job"],
        metadata={"ünï": [1, None, {"deep": True}]},
        source={"name": "message", "id": 7},
        document_time_ms=clock.now_ms() - 5,
    )
    clock.advance(1_000)
    moved = await scope.add(
        "Bob works at Globex now.",
        mentions=["Bob", "Globex"],
        claims=[Claim(subject="Bob", attribute="works_at", value="Globex", whole=True, kept=["passage-x"])],
        event_time_ms=clock.now_ms() - 3,
        session="s1",
    )
    ended = [msgspec.structs.replace(works.claims[0], ended_ms=moved.valid_from_ms, ended_by=moved.id)]
    why = Why(action="supersede", reason=f"{moved.id}: Bob works at Globex now.")
    await scope.change(works, why, claims=ended, valid_to_ms=moved.valid_from_ms)
    await scope.note(works, moved)
    clock.advance(1_000)
    await scope.change(
        moved, Why(action="update", actor="ada", reason="typo"), text="Bob works at Globex.", importance=0.9
    )
    gone = await scope.add("Ada likes tea.")
    clock.advance(1_000)
    await scope.forget(gone)
    clock.advance(1_000)
    await scope.change(gone, Why(action="undo"), known_to_ms=None)
    dead = await scope.add("Nobody needs this.")
    await scope.forget(dead)
    await scope.core.set_block("persona", "I am <kind> & \n patient.", importance=0.75)
    await scope.core.append("notes", "own label")
    await scope.working.set("draft", "schön", 60_000)
    await scope.working.set("raw", b"\x00\xff", 60_000)
    await scope.working.set("count", "7", 60_000)
    return works, moved, gone, dead
