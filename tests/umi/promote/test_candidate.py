"""In a scope of more entities than are looked at, those that matter are among those looked at."""

import pytest

from umi import limits
from umi.promote.candidate import candidates
from umi.storage import Changes

MOST = limits.UNIFIED_MEMORY_PROMOTION_CANDIDATES_MAX


async def crowd(desk, count):
    """Entities that are named one after the other, each once."""
    for number in range(0, count, 50):
        names = [(f"P{one}", "person") for one in range(number, min(count, number + 50))]
        await desk.say("Many people came.", *names, importance=0.5)
        desk.clock.advance(1000)


async def names(desk, incumbents=()):
    return {one.name for one in await candidates(desk.view, "t", "ada", incumbents)}


@pytest.mark.parametrize("count", [MOST - 1, MOST])
async def test_of_a_small_scope_all_are_candidates(desk, count):
    await crowd(desk, count)
    assert await names(desk) == {f"P{number}" for number in range(count)}


async def test_of_a_large_scope_those_that_lead_in_anything_are_candidates(desk):
    await desk.say("I am Ada.", ("Ada", "self"), importance=0.1)
    await desk.say("Acme pays.", ("Acme", "organization"), importance=0.9)
    for _ in range(3):
        await desk.say("Umi again.", ("Umi", "project"), importance=0.1)
    await desk.say("Rome.", ("Rome", "location"), ("Oslo", "location"), ("Bern", "location"), importance=0.1)
    await desk.database.commit(
        Changes().write("UPDATE entity SET accesses = 1, last_access_ms = 1 WHERE name = 'Oslo'")
    )
    await crowd(desk, 3 * MOST)
    leading = {"Ada", "Acme", "Umi", "Oslo", *(f"P{number}" for number in range(2 * MOST, 3 * MOST))}
    found = await names(desk)
    assert leading <= found
    assert "Rome" not in found
    (bern,) = await desk.view.fetch("SELECT id FROM entity WHERE name = 'Bern'")
    assert "Bern" in await names(desk, incumbents=bern)


async def test_what_is_in_core_memory_of_a_large_scope_stays_the_same_when_run_again(desk):
    await desk.say("I am Ada.", ("Ada", "self"))
    await crowd(desk, 3 * MOST)
    await desk.promote()
    before = await desk.core.blocks()
    done = await desk.promote()
    assert (done.promoted, done.evicted) == ([], [])
    assert await desk.core.blocks() == before


async def test_of_an_entity_that_is_named_all_the_time_the_latest_is_said(desk):
    first = await desk.say("Bob was born in Rome.", ("Bob", "person"), claims=[("Bob", "born_in", "Rome")])
    for number in range(40):
        desk.clock.advance(1)
        latest = await desk.say(f"Bob wrote page {number}.", ("Bob", "person"))
    await desk.promote()
    assert await desk.values() == {"facts": "Bob wrote page 39"}
    await desk.forget(latest)
    await desk.promote()
    assert await desk.values() == {"facts": "Bob wrote page 38"}
    # A summary of long ago is still one, as long as its fact is known.
    await desk.database.commit(
        Changes().write("UPDATE entity SET summary = 'Bob, born in Rome', summary_fact = ?", first.id)
    )
    await desk.promote()
    assert await desk.values() == {"facts": "Bob, born in Rome"}
