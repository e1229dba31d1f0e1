"""Nothing is overwritten: what was believed when, what changed, and taking it back."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.errors import Conflict, NotFound
from umi.storage import Page


@pytest.fixture
def clock():
    return ManualClock(1_750_000_000_000)


@pytest.fixture
async def memory(clock):
    async with Memory(":memory:", Host(clock, Rng(1)), scope="ada", embedder=None) as opened:
        yield opened


def claim(value, at, subject="Alice", attribute="works_at", **more):
    return {"subject": subject, "attribute": attribute, "value": value, "event_time": at, **more}


async def everything(memory):
    facts = []
    while part := await memory.list(Page(limit=100, after=facts[-1].id if facts else None)):
        facts += part
    return facts


async def current(memory):
    return {fact.text for fact in await everything(memory) if fact.valid_to_ms is None}


async def test_a_later_value_supersedes_and_both_are_kept(memory):
    old = (await memory.add_facts([claim("Acme", "2020-01-01")])).fact
    done = await memory.add_facts([claim("Globex", "2022-01-01")])
    assert [(one.kind, one.old_id, one.new_id) for one in done.evolutions] == [("update", old.id, done.fact.id)]
    assert await current(memory) == {"Alice works at Globex"}
    versions = await memory.history(old.id)
    assert [(one.why.action, one.fact.valid_to_ms) for one in versions] == [
        ("add", None),
        ("supersede", done.fact.valid_from_ms),
    ]
    assert done.fact.id in versions[1].why.reason
    assert [one.fact.text for one in await memory.recall("Where does Alice work?")] == ["Alice works at Globex"]
    both = await memory.recall("Where does Alice work?", superseded=True)
    assert {one.fact.text for one in both} == {"Alice works at Acme", "Alice works at Globex"}


async def test_event_time_decides_and_not_arrival(memory):
    await memory.add_facts([claim("Globex", "2022-01-01")])
    late = (await memory.add_facts([claim("Acme", "2020-01-01")])).fact
    assert await current(memory) == {"Alice works at Globex"}
    assert late.valid_to_ms is not None


async def test_the_same_name_with_another_attribute_or_another_name_with_the_same_ends_nothing(memory):
    await memory.add_facts(
        [
            claim("Acme", "2020-01-01"),
            claim("Porto", "2021-01-01", attribute="located_in"),
            claim("Globex", "2022-01-01", subject="Alicia"),
        ]
    )
    assert len(await current(memory)) == 3


async def test_a_denial_is_evidence_and_a_doubt_is_not(memory):
    await memory.add_facts([claim("Acme", "2020-01-01"), claim("tea", "2020-01-01", attribute="prefers")])
    await memory.add_facts([claim("tea", "2021-01-01", attribute="prefers", negated=True)])
    await memory.add_facts([claim("Globex", "2022-01-01", confidence=0.1)])
    assert "Alice works at Acme" in await current(memory)
    assert "Alice prefers tea" not in await current(memory)


async def test_as_of_gives_what_was_believed_then(memory, clock):
    await memory.add_facts([claim("Acme", "2020-01-01")])
    first_ms = clock.now_ms()
    clock.advance(86_400_000)
    await memory.add_facts([claim("Globex", "2022-01-01")])
    asked = "Where does Alice work?"

    async def told(valid, known):
        return [one.fact.text for one in await memory.recall(asked, as_of=(valid, known))]

    assert await told("2023-01-01", first_ms) == ["Alice works at Acme"]  # nobody knew better
    assert await told("2023-01-01", None) == ["Alice works at Globex"]
    assert await told("2021-01-01", None) == ["Alice works at Acme"]
    assert await told("2019-01-01", None) == []
    assert await told("2023-01-01", first_ms - 1) == []


async def test_undo_of_a_change_restores_all_it_did(memory):
    await memory.add_facts([claim("Acme", "2020-01-01")])
    before = [(one.text, one.claims, one.valid_to_ms) for one in await everything(memory)]
    done = await memory.add_facts([claim("Globex", "2022-01-01"), "Unrelated."])
    await memory.undo(done.change_id)
    assert [(one.text, one.claims, one.valid_to_ms) for one in await everything(memory)] == before
    with pytest.raises(Conflict, match="undo the later change"):
        await memory.undo(done.change_id)


async def test_one_call_undoes_an_invalidation_and_it_stays_undone(memory):
    old = (await memory.add_facts([claim("Acme", "2020-01-01")])).fact
    await memory.add_facts([claim("Globex", "2022-01-01")])
    await memory.undo(old.id)
    assert await current(memory) == {"Alice works at Acme", "Alice works at Globex"}  # she has two jobs
    await memory.add_facts([claim("Globex", "2023-01-01", metadata={"again": True})])
    assert "Alice works at Acme" not in await current(memory)  # said anew, by a fact that nobody objected to


async def test_forgetting_what_ended_a_fact_brings_it_back(memory):
    old = (await memory.add_facts([claim("Acme", "2020-01-01")])).fact
    new = (await memory.add_facts([claim("Globex", "2022-01-01")])).fact
    assert await memory.forget(new.id) is True
    assert await current(memory) == {"Alice works at Acme"}
    assert [one.why.action for one in await memory.history(old.id)] == ["add", "supersede", "restore"]
    await memory.undo(new.id)
    assert await current(memory) == {"Alice works at Globex"} | await current(memory)


async def test_a_source_is_forgotten_with_all_that_stands_on_it(memory):
    await memory.add_facts([claim("Acme", "2020-01-01", source="crm")])
    await memory.add_facts([claim("Globex", "2022-01-01", source="gossip"), {"text": "She left.", "source": "gossip"}])
    assert await memory.forget_source("gossip") == 2
    assert await current(memory) == {"Alice works at Acme"}


async def test_an_update_is_read_anew_and_keeps_what_it_said_before(memory):
    fact = (await memory.remember("Alice works at Acme.", event_time="2020-01-01")).fact
    new = await memory.update(fact.id, text="Alice works at Globex.", actor="ada", reason="a slip")
    assert (new.id, new.version) == (fact.id, 2)
    versions = await memory.history(fact.id)
    assert [one.fact.text for one in versions] == ["Alice works at Acme.", "Alice works at Globex."]
    assert (versions[1].why.actor, versions[1].why.reason) == ("ada", "a slip")
    assert [one.fact.text for one in await memory.recall("Globex")] == ["Alice works at Globex."]
    assert await memory.recall("Acme") == []
    await memory.undo(fact.id)
    assert [one.fact.text for one in await memory.recall("Acme")] == ["Alice works at Acme."]


async def test_update_changes_only_what_it_is_told(memory):
    fact = (await memory.remember("Tea at five.", tags=["a"], metadata={"k": 1}, importance=0.3)).fact
    new = await memory.update(fact.id, importance=0.9)
    assert (new.text, new.tags, new.metadata, new.importance) == ("Tea at five.", ["a"], {"k": 1}, 0.9)
    with pytest.raises(NotFound, match="passage-none"):
        await memory.update("passage-none", importance=0.1)


async def test_diff_names_what_came_went_and_changed(memory, clock):
    gone, stays = (await memory.add_facts(["one", "two"])).facts
    start_ms = clock.now_ms()
    clock.advance(1000)
    await memory.forget(gone.id)
    await memory.update(stays.id, importance=0.9)
    new = (await memory.add_facts(["three"])).fact
    clock.advance(1000)
    found = {(one.before or one.after).id: one.kind for one in await memory.diff(start_ms)}
    assert found == {gone.id: "removed", stays.id: "changed", new.id: "added"}


async def test_a_hard_forgotten_fact_has_no_history(memory):
    fact = (await memory.remember("The code is 7391.")).fact
    await memory.update(fact.id, text="The code is 7392.")
    assert await memory.forget(fact.id, hard=True) is True
    with pytest.raises(NotFound):
        await memory.history(fact.id)
    assert await memory.forget(fact.id, hard=True) is False
    assert await memory.entities() == []


async def test_a_forgotten_fact_can_still_be_forgotten_hard(memory):
    fact = (await memory.remember("The code is 7391.")).fact
    await memory.forget(fact.id)
    assert await memory.forget(fact.id, hard=True) is True
    with pytest.raises(NotFound):
        await memory.history(fact.id)


@dataclasses.dataclass
class Belief:
    """The oracle: what each moment saw, written down as it was."""

    known_ms: int
    facts: list


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["Acme", "Globex", "Hooli"]), st.integers(2015, 2024)),
        st.tuples(st.just("deny"), st.sampled_from(["Acme", "Globex", "Hooli"]), st.integers(2015, 2024)),
        st.tuples(st.just("update"), st.integers(0, 9), st.integers(1, 9)),
        st.tuples(st.just("forget"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("undo"), st.integers(0, 9), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
async def test_every_belief_of_the_past_can_be_asked_for_again(steps):
    clock = ManualClock(1_750_000_000_000)
    async with Memory(":memory:", Host(clock, Rng(2)), scope="ada", embedder=None) as memory:
        log = []
        for kind, what, number in steps:
            clock.advance(60_000)
            await play(memory, kind, what, number)
            log.append(Belief(clock.now_ms() + 100, [_known(one) for one in await everything(memory)]))
        for belief in log:
            found = [_known(one) for one in await memory.believed(known=belief.known_ms)]
            assert sorted(found) == sorted(belief.facts)


def _known(fact):
    return (fact.id, fact.version, fact.text, fact.importance, repr(fact.claims), fact.valid_to_ms or 0)


async def play(memory, kind, what, number):
    if kind in ("add", "deny"):
        await memory.add_facts([claim(what, f"{number}-06-01", negated=kind == "deny")])
        return
    facts = await everything(memory)
    if not facts:
        return
    fact = facts[what % len(facts)]
    if kind == "update":
        await memory.update(fact.id, importance=number / 10)
    elif kind == "forget":
        await memory.forget(fact.id)
    else:
        await memory.undo(fact.id)


async def test_what_stands_on_a_forgotten_fact_alone_goes_with_it(memory):
    one, two = (await memory.add_facts(["Ada was at the gym on Monday.", "Ada was at the gym on Friday."])).facts
    both = await memory.add_facts(
        [{"text": "Ada goes to the gym twice a week.", "source": {"facts": [one.id, two.id]}}]
    )
    assert [(one.kind, one.old_id) for one in both.evolutions] == [("derive", one.id), ("derive", two.id)]
    await memory.add_facts([{"text": "Ada is fit.", "source": {"facts": [both.fact.id]}}])
    await memory.forget(one.id)
    assert await memory.count() == 3  # Friday is known still
    await memory.forget(one.id)
    await memory.add_facts([{"text": "She trains on Fridays.", "source": {"facts": [two.id]}}])
    await memory.forget(two.id)
    assert await memory.count() == 0  # nothing is left that any of them stood on


async def test_a_fact_that_is_known_again_is_as_old_as_it_was(memory, clock):
    first = (await memory.add_facts([claim("Acme", "2020-01-01")])).fact
    clock.advance(1000)
    await memory.add_facts([claim("Globex", "2020-01-01")])  # of the same moment: known later, it is right
    clock.advance(1000)
    await memory.forget(first.id)
    await memory.undo(first.id)
    assert await current(memory) == {"Alice works at Globex"}


async def test_undoing_a_forgetting_tells_the_timeline_anew(memory, clock):
    await memory.add_facts([claim("Acme", "2021-01-01")])
    middle = (await memory.add_facts([claim("Globex", "2022-01-01")])).fact
    await memory.forget(middle.id)
    assert await current(memory) == {"Alice works at Acme"}
    await memory.add_facts([claim("Hooli", "2023-01-01")])
    await memory.undo(middle.id)
    assert await current(memory) == {"Alice works at Hooli"}


async def test_undoing_an_update_lets_hold_what_it_had_ended(memory):
    await memory.remember("Bela works at Initech.", event_time="2021-01-01")
    other = (await memory.remember("Carl works at Globex.", event_time="2022-01-01")).fact
    await memory.update(other.id, text="Bela works at Hooli.", event_time="2022-01-01")
    assert "Bela works at Initech." not in await current(memory)
    await memory.undo(other.id)
    assert await current(memory) == {"Bela works at Initech.", "Carl works at Globex."}


async def test_a_change_can_be_undone_once_the_later_one_was(memory):
    await memory.add_facts([claim("Acme", "2021-01-01")])
    middle = await memory.add_facts([claim("Globex", "2022-01-01")])
    await memory.update(middle.fact.id, importance=0.9)
    with pytest.raises(Conflict, match="later change"):
        await memory.undo(middle.change_id)
    await memory.undo(middle.fact.id)
    await memory.undo(middle.change_id)
    assert await current(memory) == {"Alice works at Acme"}


async def test_forgetting_takes_along_and_undoing_brings_back_what_stood_on_it(memory):
    base = (await memory.add_facts(["Ada was at the gym."])).fact
    await memory.add_facts([{"text": "Ada is fit.", "source": {"facts": [base.id]}}])
    await memory.forget(base.id)
    assert await memory.count() == 0
    await memory.undo(base.id)
    assert await memory.count() == 2


async def test_one_of_many_values_raises_no_dead(memory):
    await memory.add_facts([claim("Acme", "2020-01-01")])
    await memory.add_facts([claim("Globex", "2021-01-01")])
    await memory.add_facts([claim("Acme", "2019-01-01", many=True)])
    facts = {(fact.valid_from_ms, fact.text): fact.valid_to_ms for fact in await everything(memory)}
    assert [ended is None for _, ended in sorted(facts.items())] == [True, False, True]


async def test_a_denial_ends_one_of_many_values_and_a_denial_of_all_ends_all(memory):
    for value in ("chess", "go", "tennis"):
        await memory.add_facts([claim(value, "2020-01-01", attribute="plays", many=True)])
    await memory.add_facts([claim("chess", "2021-01-01", attribute="plays", negated=True)])
    assert {"Alice plays go", "Alice plays tennis"} == {one for one in await current(memory) if "not:" not in one}
    await memory.add_facts([{"subject": "Alice", "attribute": "plays", "negated": True, "event_time": "2022-01-01"}])
    assert {one for one in await current(memory) if "not:" not in one} == set()


async def test_with_a_standing_clock_now_is_what_was_written_last():
    async with Memory(seed=42) as memory:
        fact = (await memory.add_facts(["The cat is red."])).fact
        await memory.update(fact.id, text="The cat is blue.")
        assert [one.text for one in await memory.believed()] == ["The cat is blue."]
        await memory.forget(fact.id)
        assert await memory.believed() == []


async def test_an_update_of_the_text_keeps_an_end_that_was_stated(memory):
    fact = (
        await memory.add_facts([{"text": "The fair was on.", "event_time": "2020-01-01", "valid_to": "2021-01-01"}])
    ).fact
    new = await memory.update(fact.id, text="The fair was on and great.")
    assert new.valid_to_ms == fact.valid_to_ms
    long = await memory.update(fact.id, text="The fair went on. " * 500)
    assert len(long.text) > 4_000
    await memory.undo(fact.id)
