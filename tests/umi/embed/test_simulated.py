"""The two faults of an embedder under simulation, each seen to fire, and what they cost: nothing that stays."""

import pytest

from umi.dst import Host, Rng
from umi.dst.faults import Faults
from umi.dst.simulate import simulate
from umi.embed import Behind, HashEmbedder, embedded
from umi.embed.simulated import KINDS, FaultyEmbedder
from umi.errors import ModelError
from umi.storage.simulated import SimulatedDatabase

from .conftest import MIGRATIONS, Facts


@pytest.mark.parametrize(
    ("kind", "error"), [("embedder.fails", "server_error"), ("embedder.wrong_dimensions", "invalid_response")]
)
async def test_each_kind_fires_when_planned_and_ends_as_its_typed_error(host, kind, error):
    faults = Faults(Rng(1), KINDS)
    embedder = FaultyEmbedder(HashEmbedder(8), faults)
    faults.plan(kind, after=1)
    await embedded(embedder, ["one"], host)
    with pytest.raises(ModelError) as raised:
        await embedded(embedder, ["one"], host)
    assert raised.value.model_error_kind == error
    assert faults.fired == {kind: 1}
    assert (await embedded(embedder, ["one"], host)).shape == (1, 8)


def test_every_kind_is_tried_above():
    assert set(KINDS) == {"embedder.fails", "embedder.wrong_dimensions"}


async def embed_under_faults(host: Host):
    faults = Faults(host.rng.fork("faults"), KINDS)
    for kind in KINDS:
        faults.rate(kind, 0.3)
    database = SimulatedDatabase(host.rng.bytes(4).hex(), MIGRATIONS, host=host)
    facts = Facts(database, host)
    worker = Behind(database, FaultyEmbedder(HashEmbedder(8), faults), host)
    ids = []
    for n in range(12):
        ids += await facts.add(*(f"fact {n} {m}" for m in range(3)))
        worker.wake(facts.tenant, facts.scope)
        await host.clock.sleep(700)
    faults.stop()
    await worker.drain()
    await worker.close()
    left = await facts.vectors()
    await database.close()
    return dict(faults.fired), list(left) == ids


def test_under_seeds_that_fail_and_lie_all_facts_have_their_vectors_in_the_end():
    fired = dict.fromkeys(KINDS, 0)
    for seed in range(5):
        result = simulate(embed_under_faults, seed)
        assert result.value[1], f"seed {seed}: a fact has no vector"
        for kind, times in result.value[0].items():
            fired[kind] += times
    assert all(fired.values()), fired


def test_one_seed_is_one_run():
    first, second = (simulate(embed_under_faults, 3) for _ in range(2))
    assert first.digest == second.digest
