"""Forgetting hard: no byte of what was said is left, wherever it had got to."""

from pathlib import Path

import pytest

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.embed import HashEmbedder
from umi.storage import Page

SECRET = "The cellar holds zqxanthum barrels of Wintergreen."
WORDS = (b"zqxanthum", b"Wintergreen")


@pytest.fixture
def host():
    return Host(ManualClock(1_770_000_000_000), Rng(1))


def bytes_of(folder):
    return b"".join(path.read_bytes() for path in sorted(Path(folder).iterdir()))


async def told_everywhere(memory):
    """One text that got into history, entities, claims, evolutions, vectors and core memory."""
    fact = (await memory.remember(SECRET, importance=0.95)).fact
    await memory.update(fact.id, text=f"{SECRET} All of them.")
    await memory.add_facts(
        [{"text": f"{SECRET} Says Bob.", "subject": "zqxanthum", "attribute": "role", "value": "Wintergreen"}]
    )
    await memory.add_facts([{"subject": "zqxanthum", "attribute": "role", "value": "something else"}])
    await memory.promote()
    await memory.embedded()


async def test_a_hard_forgotten_text_is_in_no_byte_of_the_files(tmp_path, host):
    async with Memory(str(tmp_path / "memory.db"), host, embedder=HashEmbedder(32)) as memory:
        for n in range(50):
            await memory.remember(f"Something of no interest, number {n}.")
        await told_everywhere(memory)
        assert all(word in bytes_of(tmp_path) for word in WORDS)
        for fact in await memory.list(Page(limit=500)):
            await memory.forget(fact.id, hard=True)
        found = [word for word in WORDS if word in bytes_of(tmp_path)]
        assert found == [], "while it is open"
    assert not any(word in bytes_of(tmp_path) for word in WORDS)


async def test_a_cleared_scope_is_in_no_byte_of_the_files(tmp_path, host):
    async with Memory(str(tmp_path / "memory.db"), host, embedder=HashEmbedder(32)) as memory:
        await told_everywhere(memory)
        await memory.working.set("zqxanthum", "Wintergreen")
        await memory.core.append("notes", SECRET)
        await memory.of("bob").remember("Bob likes tea.")
        await memory.clear()
        assert not any(word in bytes_of(tmp_path) for word in WORDS)
        assert await memory.of("bob").count() == 1


async def test_after_a_hard_forgetting_nothing_answers_to_it(host):
    async with Memory(":memory:", host, embedder=HashEmbedder(32)) as memory:
        await told_everywhere(memory)
        for fact in await memory.list(Page(limit=500)):
            await memory.forget(fact.id, hard=True)
        assert await memory.recall("zqxanthum Wintergreen") == []
        assert await memory.entities() == []
        assert await memory.neighbours("zqxanthum") == []
        assert await memory.history() == []
        await memory.promote()
        assert "zqxanthum" not in (await memory.core.render()).text
