"""Careless memories on purpose: the lives of tests/sim/memories.py see each of them, and nothing without them."""

import asyncio

import msgspec
import pytest

from sim import memories
from umi.core import ledger
from umi.evolve import timeline
from umi.promote import lines
from umi.storage import Changes


def promotion_overwrites_the_block(monkeypatch):
    """The original's defect (h): what was in the block is gone."""
    rewritten = lines.rewritten

    def without_people(shelved, wanted):
        block = rewritten(shelved, wanted)
        told = zip(ledger.lines_of(shelved.block), shelved.owners, strict=True)
        theirs = {text for text, owner in told if owner is None}
        left = [line for line in block.value.split("\n") if line not in theirs]
        return msgspec.structs.replace(block, value="\n".join(left))

    monkeypatch.setattr(lines, "rewritten", without_people)


def forget_leaves_the_vector(monkeypatch):
    """The original's defect (a)."""
    monkeypatch.setattr("umi.embed.plan_forget_vectors", lambda *_: Changes())


def invalidation_by_arrival_order(monkeypatch):
    """What arrives later ends what came before, whenever it happened."""

    def by_arrival(statements):
        numbered = [one._replace(from_ms=n) for n, one in enumerate(statements)]
        moments = dict(enumerate(one.from_ms for one in statements))
        found = timeline.ends(numbered)
        return {key: timeline.End(moments[end.at_ms], end.by) for key, end in found.items()}

    monkeypatch.setattr("umi.evolve.plan.ends", by_arrival)


MUTANTS = (promotion_overwrites_the_block, forget_leaves_the_vector, invalidation_by_arrival_order)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_careless_memory_is_found_within_fifty_lives(mutant, monkeypatch):
    mutant(monkeypatch)
    for seed in range(50):
        broken, _ = asyncio.run(memories.live(seed))
        if broken:
            return
    pytest.fail("fifty lives, and nobody noticed")
