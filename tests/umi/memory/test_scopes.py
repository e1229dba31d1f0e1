"""Whose memory it is: nothing of one scope or tenant is ever seen, changed or counted from another."""

import random

import pytest

from umi import Memory, limits
from umi.dst import Host, ManualClock, Rng
from umi.embed import HashEmbedder
from umi.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from umi.storage import Page

WORDS = "tea coffee river garden Acme Globex Bob Alice Porto Riga code safe music dinner".split()


def sentence(rng):
    return " ".join(rng.sample(WORDS, 4)) + f" {rng.randint(1, 30)}"


class Everyone:
    """Fifty scopes over two tenants, and which fact is whose."""

    def __init__(self, memory, rng):
        self.rng = rng
        self.memories = [memory.of(f"scope {n}", tenant=f"tenant {n % 2}") for n in range(50)]
        self.owner = {}
        self.leaks = 0

    def seen(self, memory, facts):
        for fact in facts:
            self.leaks += (fact.tenant, fact.scope) != (memory.tenant, memory.scope)

    async def act(self):
        rng, memory = self.rng, self.rng.choice(self.memories)
        what = rng.randint(0, 11)
        stranger = rng.choice([*self.owner, "passage-none"])
        own = self.owner.get(stranger) == (memory.tenant, memory.scope)
        if what <= 2:
            done = await memory.add_facts([sentence(rng)], source={"n": rng.randint(0, 3)})
            self.owner |= {fact.id: (memory.tenant, memory.scope) for fact in done.facts}
            self.seen(memory, [*done.facts, *done.known])
        elif what == 3:
            draft = {"subject": rng.choice(WORDS), "attribute": "works_at", "value": rng.choice(WORDS)}
            done = await memory.add_facts([draft])
            self.owner |= {fact.id: (memory.tenant, memory.scope) for fact in done.facts}
            self.seen(memory, [*done.facts, *done.superseded])
        elif what <= 6:
            self.seen(memory, [one.fact for one in await memory.recall(sentence(rng), limit=50)])
        elif what == 7:
            self.seen(memory, await memory.list(Page(limit=20, after=rng.choice([None, stranger]))))
        elif what == 8:
            found = await memory.get(stranger)
            self.leaks += found is not None and not own
        elif what == 9:
            gone = await memory.forget(stranger, hard=rng.random() < 0.3)
            self.leaks += gone and not own
        elif what == 10:
            await self.change(memory, stranger, own=own)
        else:
            self.seen(memory, await memory.believed())
            for edge in await memory.neighbours(rng.choice(WORDS)):
                self.leaks += self.owner[edge.fact.id] != (memory.tenant, memory.scope)

    async def change(self, memory, stranger, *, own):
        try:
            await memory.update(stranger, importance=0.7)
        except NotFound:
            return
        self.leaks += not own
        try:
            self.seen(memory, await memory.undo(stranger))
        except (NotFound, Conflict):
            self.leaks += own


@pytest.mark.slow
async def test_ten_thousand_operations_over_fifty_scopes_leak_nothing():
    host = Host(ManualClock(1_750_000_000_000), Rng(3))
    async with Memory(":memory:", host, embedder=HashEmbedder(32)) as memory:
        everyone = Everyone(memory, random.Random(3))
        for _ in range(10_000):
            await everyone.act()
        assert everyone.leaks == 0
        assert len(everyone.owner) > 3_000


async def test_a_cleared_scope_is_empty_in_every_table():
    host = Host(ManualClock(1_750_000_000_000), Rng(3))
    async with Memory(":memory:", host, scope="ada", embedder=HashEmbedder(32)) as memory:
        other = memory.of("bob")
        for one in (memory, other):
            done = await one.remember("Bob works at Acme.", importance=0.95)
            await one.remember("Bob works at Globex.", importance=0.95)
            await one.update(done.fact.id, importance=0.99)
            await one.working.set("k", "v")
            await one.core.append("notes", "a line")
            await one.promote()
        await memory.embedded()
        await memory.clear()
        view = memory._archive.view
        tables = await view.fetch(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%scope TEXT%' AND name <> 'fact_scope'"
        )
        assert len(tables) >= 7
        for (table,) in tables:
            assert await view.fetch(f"SELECT 1 FROM {table} WHERE scope = 'ada'") == [], table
            assert await view.fetch(f"SELECT 1 FROM {table} WHERE scope = 'bob'") != [], table
        assert (await view.fetch("SELECT count(*) FROM mention m JOIN entity e ON e.seq = m.entity_seq"))[0][0] == (
            await view.fetch("SELECT count(*) FROM mention")
        )[0][0]
        assert await memory.recall("Bob") == []
        assert len(await other.recall("Bob")) >= 1


@pytest.mark.parametrize("what", ["scope", "tenant"])
def test_names_of_scopes_are_bounded_in_bytes(what):
    maximum = limits.SCOPE_BYTES_MAX
    for size, accepted in ((1, True), (maximum - 1, True), (maximum, True), (maximum + 1, False)):
        name = "é" * (size // 2) + "x" * (size % 2)
        if accepted:
            Memory(seed=1, **{what: name})
        else:
            with pytest.raises(LimitExceeded, match=what):
                Memory(seed=1, **{what: name})
    with pytest.raises(InvalidInput, match="blank"):
        Memory(seed=1, **{what: ""})
