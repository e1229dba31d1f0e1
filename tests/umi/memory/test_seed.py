"""`Memory(seed=…)`: the real engine in memory, one seed for everything, faults and power losses on demand.

As a program it lives one seed and prints its ids and a hash of its rows: `python test_memory_seed.py SEED`.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.dst.simulate import simulate
from umi.errors import CommitUnknown, InvalidInput, StoreClosed, StoreError, StoreFull


async def lived(memory):
    """The ids handed out, in order, and a hash over every row: what two lives of one seed have in common."""
    facts = [(await memory.remember(f"fact {n}", tags=["n"])).fact for n in range(5)]
    await asyncio.gather(*(memory.core.append("log", f"line {n}") for n in range(20)))
    await memory.of("somebody else").remember("another fact")
    await memory.forget(facts[1].id)
    memory.crash()
    await memory.core.append("log", "after the power loss")
    return [fact.id for fact in facts], await rows_hash(memory)


async def rows_hash(memory):
    view, found = memory._archive.view, hashlib.sha256()
    for (table,) in await view.fetch("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"):
        found.update(repr((table, sorted(map(repr, await view.fetch(f"SELECT * FROM {table}"))))).encode())
    return found.hexdigest()


async def texts(memory):
    return [fact.text for fact in await memory.list()]


async def test_a_seeded_memory_is_made_without_waiting_and_does_all_a_memory_does():
    memory = Memory(seed=42, scope="ada")
    await memory.remember("Ada's cat is called Miso.")
    assert [one.fact.text for one in await memory.recall("cat")] == ["Ada's cat is called Miso."]
    await memory.core.append("human", "Name: Ada")
    assert [block.value for block in await memory.core.blocks()] == ["Name: Ada"]
    assert await memory.of("bob").count() == 0
    await memory.close()
    with pytest.raises(StoreClosed):
        await memory.count()


async def test_the_same_seed_gives_the_same_ids_and_rows_and_another_one_others():
    first, again, other = [await lived(Memory(seed=seed)) for seed in (42, 42, 43)]
    assert first == again
    assert len(set(first[0])) == 5
    assert not set(first[0]) & set(other[0])
    assert first[1] != other[1]


def test_a_seed_means_the_same_in_every_process():
    """With other hashes of texts, and other addresses."""
    found = []
    for salt in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-W", "error", __file__, "42"],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(ran.stdout))
    assert found[0] == found[1] == list(asyncio.run(lived(Memory(seed=42))))


async def test_its_clock_stands_still_until_the_disk_is_slow_or_the_host_says_so():
    clock = ManualClock(1_000)
    memory = Memory(seed=42, host=Host(clock, Rng("mine")))
    assert (await memory.remember("at the beginning")).fact.known_from_ms == 1_000
    clock.advance(500)
    memory.faults.plan("disk.latency")
    assert (await memory.remember("later")).fact.known_from_ms == 1_500
    assert memory.faults.fired == {"disk.latency": 1}
    assert clock.now_ms() > 1_500
    await memory.close()


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("disk.sync_error", CommitUnknown),
        ("disk.write_error", CommitUnknown),
        ("disk.out_of_memory", CommitUnknown),
        ("disk.full", StoreFull),
    ],
)
async def test_a_planned_fault_of_the_disk_happens_and_has_a_name(kind, error):
    async with Memory(seed=42) as memory:
        memory.faults.plan(kind)
        with pytest.raises(error):
            await memory.remember("who knows")
        assert memory.faults.fired == {kind: 1}
        assert await texts(memory) == []
        await memory.remember("all is well")
        memory.crash()
        assert await texts(memory) == ["all is well"]


async def test_the_store_opens_at_its_first_use_or_on_entering_and_may_fail_there():
    memory = Memory(seed=42)
    memory.faults.plan("disk.write_error", times=2)
    with pytest.raises(StoreError, match="the disk under"):
        await memory.remember("not yet")
    with pytest.raises(StoreError, match="the disk under"):
        await memory.__aenter__()
    assert memory.faults.fired == {"disk.write_error": 2}
    async with memory:
        memory.faults.plan("disk.full")
        with pytest.raises(StoreFull):
            await memory.remember("the disk is full")
        assert memory.faults.fired["disk.full"] == 1


async def test_a_crash_loses_nothing_acknowledged_and_brings_back_nothing_refused():
    fired, unknown = Counter(), 0
    for seed in range(30):
        memory, rng = Memory(seed=seed), Rng(f"people {seed}")
        written, doubtful = set(), set()
        await memory.count()
        memory.faults.rate("disk.sync_error", 0.1)
        memory.faults.rate("disk.full", 0.05)
        memory.faults.rate("disk.power_cut", 0.01)
        for n in range(40):
            try:
                await memory.remember(f"{n}")
                written.add(f"{n}")
            except CommitUnknown:
                doubtful.add(f"{n}")
            except StoreError:
                pass
            if rng.random() < 0.1:
                memory.crash()
        memory.faults.stop()
        memory.crash()
        found = await texts(memory)
        assert len(found) == len(set(found))
        assert written <= set(found) <= written | doubtful
        fired += memory.faults.fired
        unknown += len(doubtful)
        await memory.close()
    assert min(fired[kind] for kind in ("disk.sync_error", "disk.full", "disk.power_cut")) >= 10
    assert unknown >= 10


async def test_after_a_power_cut_nothing_works_until_the_crash():
    async with Memory(seed=42) as memory:
        await memory.remember("kept")
        memory.faults.plan("disk.power_cut", after=1)
        for _ in range(3):
            with pytest.raises(StoreError):
                await memory.remember("in the dark")
        assert memory.faults.fired == {"disk.power_cut": 1}
        memory.crash()
        assert await texts(memory) in (["kept"], ["kept", "in the dark"])


async def test_scopes_of_one_memory_share_its_faults():
    async with Memory(seed=42) as memory:
        other = memory.of("bob")
        other.faults.plan("disk.full")
        with pytest.raises(StoreFull):
            await memory.remember("x")
        assert other.faults.fired == memory.faults.fired == {"disk.full": 1}


async def test_a_fault_that_is_no_disks_or_needs_the_disk_itself_is_refused():
    memory = Memory(seed=42)
    for kind in ("network.loss", "disk.bit_flip"):
        with pytest.raises(AssertionError, match="there is no fault"):
            memory.faults.plan(kind)


async def test_a_memory_that_is_not_simulated_has_no_faults(tmp_path):
    async with await Memory.open(str(tmp_path / "memory.db")) as memory:
        with pytest.raises(InvalidInput, match=r"make it with Memory\(seed=…\)"):
            memory.crash()
        with pytest.raises(InvalidInput, match="only a simulated memory"):
            _ = memory.faults
        with pytest.raises(InvalidInput, match="or else a seed"):
            Memory(memory._archive, seed=42)
    with pytest.raises(InvalidInput, match=r"Memory\('memory.db'\)"):
        Memory()


# --- under a simulated loop -------------------------------------------------------------------------------------------


def test_it_lives_under_a_simulation_with_the_simulations_host():
    async def main(host):
        return await lived(Memory(seed=42, host=host))

    first, again, other = (simulate(main, seed) for seed in (1, 1, 2))
    assert (first.value, first.digest) == (again.value, again.digest)
    assert first.value[0] != other.value[0]


def test_who_reads_and_then_writes_loses_updates_under_a_simulation():
    """Calls let others run: a race in the code of whoever embeds it shows."""

    async def main(host):
        memory = Memory(seed=42, host=host)
        await memory.remember("0")

        async def add_one():
            (fact,) = await memory.list()
            if await memory.forget(fact.id):
                await memory.remember(str(int(fact.text) + 1))

        done = await asyncio.gather(*(host.spawn(add_one(), f"{n}") for n in range(3)), return_exceptions=True)
        return sum(map(bool, done)), await texts(memory)

    assert any(simulate(main, seed).value != (0, ["3"]) for seed in range(10))


def test_only_a_seed_imports_the_simulator(tmp_path):
    code = f"""
import asyncio, sys
from umi import Memory

async def main():
    async with await Memory.open({str(tmp_path / "memory.db")!r}) as memory:
        await memory.remember("a fact")
    assert not {{"umi.dst.disk", "umi.dst.faults", "umi.storage.simulated"}} & set(sys.modules)
    Memory(seed=42)
    assert "umi.dst.disk" in sys.modules

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(lived(Memory(seed=int(sys.argv[1]))))))
