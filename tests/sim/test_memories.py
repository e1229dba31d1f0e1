"""Memory under simulation: whatever fails at whatever moment, a write is whole or not there, and nothing is lost."""

import asyncio
from collections import Counter

import pytest

from sim import memories
from umi import Memory
from umi.errors import StoreError, UmiError
from umi.storage import Page

KINDS = (*memories.RATES, "embedder.fails", "embedder.wrong_dimensions")


@pytest.mark.slow
def test_two_hundred_lives_break_nothing_and_meet_every_fault():
    fired = Counter()
    for seed in range(200):
        broken, met = asyncio.run(memories.live(seed))
        assert broken == [], f"seed {seed}"
        fired += met
    assert min(fired[kind] for kind in KINDS) >= 8, fired
    assert fired["crash"] >= 80


async def remember(memory):
    await memory.remember("Bob works at Globex.", event_time="2022-01-01", importance=0.9)


async def forget(memory):
    (fact, *_) = await memory.list(Page())
    await memory.forget(fact.id)


async def forget_hard(memory):
    (fact, *_) = await memory.list(Page())
    await memory.forget(fact.id, hard=True)


async def promote(memory):
    await memory.promote()


async def rows(memory):
    view = memory._archive.view
    tables = [row[0] for row in await view.fetch("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {table: sorted(map(repr, await view.fetch(f"SELECT * FROM {table}"))) for table in tables}


async def scene(seed):
    memory = Memory(seed=seed, scope="ada", embedder=None)
    await memory.remember("Bob works at Acme.", event_time="2020-01-01", importance=0.9)
    await memory.remember("Ada likes tea.", importance=0.9)
    return memory


@pytest.mark.parametrize("kind", ["disk.sync_error", "disk.write_error", "disk.full", "disk.power_cut"])
@pytest.mark.parametrize("operation", [remember, forget, forget_hard, promote])
async def test_a_fault_at_every_storage_operation_leaves_the_state_before_or_after(operation, kind):
    whole = await scene(7)
    before = await rows(whole)
    await operation(whole)
    after = await rows(whole)
    assert after != before
    await whole.close()
    outcomes, occasion = Counter(), 0
    while True:
        memory = await scene(7)
        memory.faults.plan(kind, after=occasion)
        try:
            await operation(memory)
        except (StoreError, UmiError) as error:
            outcomes[error.kind] += 1
        fired = memory.faults.fired[kind]
        memory.faults.stop()
        memory.crash()
        found = await rows(memory)
        await memory.close()
        if not fired:
            break  # the operation has no more occasions
        assert found in (before, after), f"{kind} at occasion {occasion}"
        outcomes["before" if found == before else "after"] += 1
        occasion += 1
    assert occasion >= 1
    assert outcomes["before"] >= 1
