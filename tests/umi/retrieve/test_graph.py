"""Neighbours and paths over what facts claim: both directions, bounded, and of the time that is asked about."""

import pytest

from umi import limits
from umi.entity import Claim
from umi.errors import InvalidInput, LimitExceeded
from umi.retrieve import neighbours, paths


@pytest.fixture
def ask(desk):
    class Ask:
        async def around(self, name, **wanted):
            found = await neighbours(desk.view, "t", desk.scope, name, **wanted)
            return [(edge.subject, edge.relation, edge.value) for edge in found]

        async def ways(self, start, end, **wanted):
            return [way.names for way in await paths(desk.view, "t", desk.scope, start, end, **wanted)]

    return Ask()


async def test_neighbours_go_both_ways_whatever_the_spelling(desk, ask):
    await desk.say("Bob works at Acme.", claims=[("Bob", "works_at", "Acme")])
    await desk.say("Cleo knows BOB.", claims=[("Cleo", "knows", "BOB"), ("Cleo", "role", "doctor")])
    assert await ask.around("bob") == [("Bob", "works_at", "Acme"), ("Cleo", "knows", "BOB")]
    assert await ask.around("  ACME ") == [("Bob", "works_at", "Acme")]
    assert await ask.around("bob", relation="knows") == [("Cleo", "knows", "BOB")]
    assert await ask.around("Nobody") == []
    assert await desk.of("other").recall("Bob") == []


async def test_what_ended_or_is_denied_is_no_neighbour(desk, ask):
    now_ms = desk.host.clock.now_ms()
    await desk.say("a", claims=[Claim(subject="Bob", attribute="works_at", value="Acme", ended_ms=now_ms - 5)])
    await desk.say("b", claims=[Claim(subject="Bob", attribute="works_at", value="Hooli", negated=True)])
    await desk.say("c", claims=[("Bob", "works_at", "Globex")], valid_from_ms=0, valid_to_ms=now_ms - 5)
    gone = await desk.say("d", claims=[("Bob", "works_at", "Initech")])
    await desk.forget(gone)
    assert await ask.around("Bob") == []
    assert await ask.around("Acme", as_of=(now_ms, None)) == []
    before = await ask.around("Bob", as_of=(now_ms - 6, None))
    assert before == [("Bob", "works_at", "Globex")], "the others began now"


async def test_neighbours_are_those_of_the_version_that_was_known(desk, ask):
    start_ms = desk.host.clock.now_ms()
    fact = await desk.say("a", claims=[("Bob", "works_at", "Acme")], valid_from_ms=0)
    desk.host.clock.advance(1000)
    await desk.change(fact, claims=[Claim(subject="Bob", attribute="works_at", value="Globex")])
    assert await ask.around("Bob") == [("Bob", "works_at", "Globex")]
    assert await ask.around("Acme") == []
    assert await ask.around("Bob", as_of=(5, start_ms)) == [("Bob", "works_at", "Acme")]
    assert await ask.around("Bob", as_of=(5, start_ms + 1000)) == [("Bob", "works_at", "Globex")]
    assert await ask.around("Bob", as_of=(None, start_ms - 1)) == []


async def test_paths_come_shortest_first_and_visit_nothing_twice(desk, ask):
    for one, other in (
        ("Ada", "Bob"),
        ("Bob", "Cleo"),
        ("Cleo", "Dora"),
        ("Ada", "Dora"),
        ("Bob", "Ada"),
        ("Dora", "Eve"),
    ):
        await desk.say(f"{one} knows {other}", claims=[(one, "knows", other)])
    assert await ask.ways("Ada", "Dora", hops_max=1) == [["Ada", "Dora"]]
    assert await ask.ways("ada", "dora", hops_max=3) == [
        ["Ada", "Dora"], ["Ada", "Bob", "Cleo", "Dora"], ["Ada", "Bob", "Cleo", "Dora"],
    ]  # fmt: skip
    assert await ask.ways("Ada", "Eve", hops_max=1) == []
    assert await ask.ways("Eve", "Ada", hops_max=2) == [["Eve", "Dora", "Ada"]]
    assert await ask.ways("Ada", "Nobody") == []
    assert await ask.ways("Ada", "ADA") == []


async def test_a_thing_that_everything_knows_is_searched_within_bounds(desk, ask, monkeypatch):
    monkeypatch.setattr(limits, "RETRIEVAL_PATHS_MAX", 5)
    for number in range(40):
        await desk.say(f"x{number}", claims=[("Hub", "knows", f"n{number}"), (f"n{number}", "knows", "End")])
    found = await ask.ways("Hub", "End", hops_max=5)
    assert len(found) == 5
    assert all(len(way) == 3 for way in found)


@pytest.mark.parametrize("hops", [0, limits.RETRIEVAL_HOPS_MAX + 1, True, "2"])
async def test_hops_that_can_not_be_are_refused(ask, hops):
    with pytest.raises(InvalidInput):
        await ask.ways("a", "b", hops_max=hops)


async def test_names_that_can_not_be_are_refused(ask):
    with pytest.raises(InvalidInput):
        await ask.around("  ")
    with pytest.raises(LimitExceeded):
        await ask.around("é" * (limits.ENTITY_NAME_BYTES_MAX // 2) + "e")
    await ask.around("é" * (limits.ENTITY_NAME_BYTES_MAX // 2))
