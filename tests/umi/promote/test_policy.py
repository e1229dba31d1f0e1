"""What any ranking, promotion, eviction and mapping has to keep, ours and one of a user's own; and what ours say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umi import core, limits
from umi.entity import ENTITY_TYPES
from umi.errors import InvalidInput
from umi.promote import (
    Candidate,
    EntityToBlockMapping,
    HybridEviction,
    HybridPromotion,
    HybridRanking,
    ImportanceEviction,
    ImportancePromotion,
    LeastRecentlyUsedEviction,
    Policy,
)
from umi.promote.policy import frequency, priority, recency
from umi.storage import Changes

NOW_MS = 1_750_000_000_000
DAY_MS = 86_400_000


def candidate(kind="person", importance=0.5, mentions=1, accesses=0, age_ms=0, access_age_ms=None, name="Bob"):
    return Candidate(
        seq=1,
        id="entity-1",
        type=kind,
        name=name,
        key=name.lower(),
        summary="",
        summary_fact=None,
        importance=importance,
        mentions=mentions,
        accesses=accesses,
        first_seen_ms=NOW_MS - age_ms,
        last_seen_ms=NOW_MS - age_ms,
        last_access_ms=None if access_age_ms is None else NOW_MS - access_age_ms,
    )


candidates = st.builds(
    candidate,
    kind=st.sampled_from([*ENTITY_TYPES, "recipe", ""]),
    importance=st.floats(0, 1),
    mentions=st.integers(0, 10**9),
    accesses=st.integers(0, 10**9),
    age_ms=st.integers(-(10**9), 10**12),
    access_age_ms=st.none() | st.integers(-(10**9), 10**12),
)


# ---- a user's own, in a few lines each


class NewestFirst:
    def score(self, candidate, now_ms):
        return 1 / (1 + max(0, now_ms - candidate.last_seen_ms))


class NoStrangers:
    def admits(self, candidate, score, now_ms):
        return candidate.type != "person" or candidate.mentions > 1


class NoBirds:
    def evicts(self, candidate, score, now_ms):
        return candidate.type == "bird"


class AllIntoScratch:
    def map(self, entity_type):
        return "scratch"


RANKINGS = [HybridRanking(), NewestFirst()]
PROMOTIONS = [HybridPromotion(), ImportancePromotion(), NoStrangers()]
EVICTIONS = [HybridEviction(), LeastRecentlyUsedEviction(), ImportanceEviction(), NoBirds()]
MAPPINGS = [EntityToBlockMapping(), EntityToBlockMapping({"person": "Human", "bird": "goals"}), AllIntoScratch()]


def named(one):
    return type(one).__name__


@pytest.mark.parametrize("ranking", RANKINGS, ids=named)
@given(one=candidates)
def test_a_ranking_gives_the_same_score_from_0_to_1(ranking, one):
    score = ranking.score(one, NOW_MS)
    assert 0 <= score <= 1
    assert ranking.score(one, NOW_MS) == score


@pytest.mark.parametrize("promotion", PROMOTIONS, ids=named)
@given(one=candidates, score=st.floats(0, 1))
def test_a_promotion_lets_in_or_does_not(promotion, one, score):
    assert promotion.admits(one, score, NOW_MS) is promotion.admits(one, score, NOW_MS)
    assert promotion.admits(one, score, NOW_MS) in (True, False)


@pytest.mark.parametrize("eviction", EVICTIONS, ids=named)
@given(one=candidates, score=st.floats(0, 1))
def test_an_eviction_takes_out_or_does_not(eviction, one, score):
    assert eviction.evicts(one, score, NOW_MS) is eviction.evicts(one, score, NOW_MS)
    assert eviction.evicts(one, score, NOW_MS) in (True, False)


@pytest.mark.parametrize("mapping", MAPPINGS, ids=named)
@given(kind=st.sampled_from(ENTITY_TYPES) | st.text(max_size=10))
def test_a_mapping_names_a_type_of_block_for_every_type(mapping, kind):
    assert mapping.map(kind) in core.TYPES


@pytest.mark.parametrize("ranking", RANKINGS, ids=named)
@pytest.mark.parametrize("promotion", PROMOTIONS, ids=named)
@pytest.mark.parametrize("eviction", EVICTIONS, ids=named)
async def test_with_any_policies_promotion_is_the_same_twice_and_keeps_self(simulated, ranking, promotion, eviction):
    desk = simulated()
    policy = Policy(ranking=ranking, promotion=promotion, eviction=eviction)
    for name, kind in (
        ("Ada", "self"),
        ("Bob", "person"),
        ("Tit", "bird"),
        ("Umi", "project"),
        ("Acme", "organization"),
    ):
        await desk.say(f"{name} is here.", (name, kind), importance=0.8)
    await desk.promote(policy=policy, mapping=MAPPINGS[1])
    before = await desk.core.blocks()
    assert "Ada is here" in (await desk.values())["persona"]
    await desk.promote(policy=policy, mapping=MAPPINGS[1])
    assert await desk.core.blocks() == before


async def test_policies_of_ones_own_decide(desk):
    for name, kind in (("Bob", "person"), ("Cy", "person"), ("Cy", "person"), ("Tit", "bird"), ("Umi", "project")):
        await desk.say(f"{name} is here.", (name, kind))
    own = Policy(ranking=NewestFirst(), promotion=NoStrangers(), eviction=NoBirds())
    await desk.promote(policy=own, mapping=AllIntoScratch())
    assert sorted((await desk.values())["scratch"].split("\n")) == ["Cy is here", "Umi is here"]


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.1, 1.1])
async def test_a_ranking_that_answers_with_no_score_is_refused_and_nothing_is_written(desk, score):
    class Wrong:
        def score(self, candidate, now_ms):
            return score

    await desk.say("Bob is here.", ("Bob", "person"))
    with pytest.raises(InvalidInput, match=r"Wrong.*'Bob'"):
        await desk.promote(policy=Policy(ranking=Wrong()))
    assert await desk.core.is_empty()


async def test_a_mapping_to_what_is_no_type_of_block_is_refused(desk):
    class Wrong:
        def map(self, entity_type):
            return "wishes"

    await desk.say("Bob is here.", ("Bob", "person"))
    with pytest.raises(InvalidInput, match=r"'person' to 'wishes'.*scratch"):
        await desk.promote(mapping=Wrong())
    with pytest.raises(InvalidInput, match="wishes"):
        EntityToBlockMapping({"person": "wishes"})


# ---- ours


def test_the_score_is_the_weighted_sum():
    for kind, worth in (("self", 1.0), ("project", 0.9), ("task", 0.85), ("note", 0.4), ("recipe", 0.6)):
        one = candidate(kind, importance=0.7, mentions=2, age_ms=7 * DAY_MS)
        wanted = 0.4 * 0.7 + 0.3 * 0.5 + 0.2 * 0.75 + 0.1 * worth
        assert HybridRanking().score(one, NOW_MS) == pytest.approx(wanted)


def test_recency_halves_every_seven_days_and_being_recalled_counts():
    ages = {0: 1, 7: 0.5, 14: 0.25, 70: 2**-10}
    assert {days: recency(candidate(age_ms=days * DAY_MS), NOW_MS) for days in ages} == ages
    assert recency(candidate(age_ms=70 * DAY_MS, access_age_ms=7 * DAY_MS), NOW_MS) == 0.5
    assert recency(candidate(age_ms=-DAY_MS), NOW_MS) == 1, "a clock that went back"


@given(st.integers(1, 100), st.integers(0, 100))
def test_frequency_never_falls_with_another_use(mentions, accesses):
    now = frequency(candidate(mentions=mentions, accesses=accesses))
    assert 0.5 <= now <= 1
    assert frequency(candidate(mentions=mentions, accesses=accesses + 1)) >= now


def test_types_have_their_priority_in_order():
    worth = [priority(candidate(kind)) for kind in ENTITY_TYPES]
    assert worth == sorted(worth, reverse=True)
    assert len(set(worth)) == len(worth)


@pytest.mark.parametrize(
    ("kind", "importance", "age_days", "mentions", "admitted"),
    [
        ("topic", 0.5, 0, 1, True),
        ("person", 0.5, 3, 1, False),
        ("person", 0.9, 7, 1, True),
        ("person", 1.0, 30, 1, False),
        ("person", 1.0, 30, 4, True),
        ("project", 0.49, 0, 100, False),
        ("note", 0.5, 0, 1, False),
        ("note", 0.9, 0, 1, True),
    ],
)
def test_who_is_let_in_by_default(kind, importance, age_days, mentions, admitted):
    one = candidate(kind, importance=importance, age_ms=age_days * DAY_MS, mentions=mentions)
    assert HybridPromotion().admits(one, HybridRanking().score(one, NOW_MS), NOW_MS) is admitted


@pytest.mark.parametrize(
    ("importance", "age_days", "evicted"), [(0.5, 13, False), (0.5, 15, True), (0.3, 7, True), (0.67, 10_000, False)]
)
def test_who_has_to_leave_by_default(importance, age_days, evicted):
    one = candidate(importance=importance, age_ms=age_days * DAY_MS)
    assert HybridEviction().evicts(one, HybridRanking().score(one, NOW_MS), NOW_MS) is evicted


def test_the_other_policies():
    assert ImportancePromotion().admits(candidate(importance=0.7), 0, NOW_MS)
    assert not ImportancePromotion().admits(candidate(importance=0.69), 1, NOW_MS)
    assert ImportanceEviction().evicts(candidate(importance=0.49), 1, NOW_MS)
    assert not ImportanceEviction().evicts(candidate(importance=0.5), 0, NOW_MS)
    old = candidate(importance=1, age_ms=limits.EVICTION_LAST_ACCESS_THRESHOLD_MS)
    assert not LeastRecentlyUsedEviction().evicts(old, 1, NOW_MS)
    assert LeastRecentlyUsedEviction().evicts(old, 1, NOW_MS + 1)
    assert LeastRecentlyUsedEviction(age_max_ms=0).evicts(candidate(age_ms=1), 1, NOW_MS)


def test_the_default_mapping_and_its_options():
    default = EntityToBlockMapping()
    assert {kind: default.map(kind) for kind in (*ENTITY_TYPES, "recipe")} == {
        "self": "persona",
        "preference": "persona",
        "person": "facts",
        "organization": "facts",
        "location": "facts",
        "topic": "facts",
        "event": "facts",
        "recipe": "facts",
        "project": "goals",
        "task": "goals",
        "note": "scratch",
    }
    other = EntityToBlockMapping({"person": "human", "task": "scratch"})
    assert (other.map("person"), other.map("task"), other.map("project")) == ("human", "scratch", "goals")


def test_the_way_back_loses_the_types_that_share_a_block():
    back = {block: EntityToBlockMapping().entity_type(block) for block in core.TYPES}
    assert back == {
        "persona": "self",
        "facts": "topic",
        "goals": "project",
        "system": "note",
        "human": "note",
        "scratch": "note",
    }


async def test_being_recalled_keeps_a_fact_in_core_memory(desk):
    await desk.say("Bob likes tea.", ("Bob", "person"), importance=0.5)
    await desk.promote()
    desk.clock.advance(20 * DAY_MS)
    used = Changes().write("UPDATE entity SET accesses = accesses + 1, last_access_ms = ?", desk.clock.now_ms())
    await desk.database.commit(used)
    assert [one.name for one in (await desk.promote()).kept] == ["Bob"]
