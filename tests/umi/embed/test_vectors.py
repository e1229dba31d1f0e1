"""Which facts wait for a vector follows from the rows, whoever changed them and however."""

import numpy as np
import pytest

from umi import embed, limits
from umi.embed.vectors import next_batch, packed, plan_seen, plan_vectors, scopes_behind, text_to_embed
from umi.index.cache import read_vectors

EMBEDDER = "hash-32"
UNIT = packed(np.eye(1, 32, dtype=np.float32))[0]


async def waiting(facts, *, after=None, limit=100, embedder=EMBEDDER):
    return await next_batch(facts.view, facts.tenant, facts.scope, embedder, after=after, limit=limit)


async def give_vectors(facts, batch, embedder=EMBEDDER):
    changes = plan_vectors(facts.tenant, facts.scope, batch.facts, [UNIT] * len(batch.facts), embedder)
    await facts.database.commit(plan_seen(changes, facts.tenant, facts.scope, batch, embedder))


async def give_all(facts, embedder=EMBEDDER):
    await give_vectors(facts, await waiting(facts, embedder=embedder), embedder)


async def test_a_new_fact_waits_with_its_speaker_until_it_has_a_vector(facts):
    (fact,) = await facts.add("I moved to Graz.", speaker="Ada")
    batch = await waiting(facts)
    assert [(one.id, one.text) for one in batch.facts] == [(fact, "Ada: I moved to Graz.")]
    await give_vectors(facts, batch)
    assert await facts.vectors() == {fact: (EMBEDDER, UNIT)}
    assert (await waiting(facts)).facts == []
    assert await scopes_behind(facts.view, EMBEDDER, 10) == []


async def test_vectors_raise_the_scopes_revision_and_are_stamped_with_it(facts):
    await facts.add("one")
    before = await facts.revision()
    await give_all(facts)
    assert await facts.revision() == before + 1
    assert await facts.view.fetch("SELECT revision FROM fact_vector") == [(before + 1,)]


async def test_what_was_stored_is_what_was_given_to_half_precision(facts):
    await facts.add("one", "two")
    rows = np.random.default_rng(1).standard_normal((2, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    batch = await waiting(facts)
    await facts.database.commit(plan_vectors(facts.tenant, facts.scope, batch.facts, packed(rows), EMBEDDER))
    stored = await facts.view.fetch("SELECT fact_seq, vector FROM fact_vector ORDER BY fact_seq")
    assert {len(row[1]) for row in stored} == {64}
    _, read = read_vectors(stored)
    assert np.abs(read - rows).max() < 5e-4


@pytest.mark.parametrize(("field", "value", "waits"), [("text", "new", True), ("speaker", "Bob", True)])
async def test_another_text_or_speaker_waits_again(facts, field, value, waits):
    (fact,) = await facts.add("old", speaker="Ada")
    await give_all(facts)
    await facts.change(fact, **{field: value})
    assert await scopes_behind(facts.view, EMBEDDER, 10) == [("t", "ada")]
    assert [one.id for one in (await waiting(facts)).facts] == [fact] * waits


async def test_what_else_changes_of_a_fact_leaves_its_vector_alone(facts):
    (fact,) = await facts.add("old")
    await give_all(facts)
    await facts.change(fact, importance=0.9)
    batch = await waiting(facts)
    assert batch.facts == []
    await give_vectors(facts, batch)
    assert await scopes_behind(facts.view, EMBEDDER, 10) == []


async def test_a_text_that_comes_back_waits_again(facts):
    (fact,) = await facts.add("first")
    await give_all(facts)
    await facts.change(fact, text="second")
    await give_all(facts)
    await facts.change(fact, text="first")
    assert [one.text for one in (await waiting(facts)).facts] == ["first"]


async def test_a_fact_that_changed_while_it_was_embedded_keeps_waiting(facts):
    (fact,) = await facts.add("old")
    batch = await waiting(facts)
    await facts.change(fact, text="new")
    await give_vectors(facts, batch)
    assert await facts.vectors() == {}
    assert [one.text for one in (await waiting(facts)).facts] == ["new"]


async def test_a_fact_added_while_others_were_embedded_is_not_missed(facts):
    await facts.add("one")
    batch = await waiting(facts)
    await facts.add("two")
    await give_vectors(facts, batch)
    assert [one.text for one in (await waiting(facts)).facts] == ["two"]


async def test_a_forgotten_fact_does_not_wait_and_a_restored_one_does(facts):
    (fact,) = await facts.add("one")
    await facts.forget(fact)
    assert (await waiting(facts)).facts == []
    await give_all(facts)
    await facts.change(fact, known_to_ms=None)
    assert [one.id for one in (await waiting(facts)).facts] == [fact]


async def test_forgetting_removes_the_vector_before_and_after_it_was_made(facts):
    kept, gone, late = await facts.add("kept", "gone", "late")
    batch = await waiting(facts)
    await facts.forget(late, hard=True)
    await give_vectors(facts, batch)
    assert set(await facts.vectors()) == {kept, gone}
    await facts.forget(gone, hard=True)
    assert set(await facts.vectors()) == {kept}
    await facts.database.commit(embed.plan_forget_vectors(facts.tenant, "another scope", [kept]))
    assert set(await facts.vectors()) == {kept}, "another scope's vector went"


async def test_a_new_fact_in_the_place_of_a_purged_one_gets_no_foreign_vector(facts):
    (gone,) = await facts.add("gone")
    batch = await waiting(facts)
    await facts.forget(gone, hard=True)
    (fresh,) = await facts.add("fresh")
    await give_vectors(facts, batch)
    assert await facts.vectors() == {}
    assert [one.id for one in (await waiting(facts)).facts] == [fresh]


async def test_a_forgotten_scope_leaves_no_vector_and_no_state(facts):
    other = facts.of("bob")
    await facts.add("one")
    await other.add("two")
    await give_all(facts)
    await give_all(other)
    await facts.database.commit(embed.plan_forget_scope(facts.tenant, facts.scope))
    assert await facts.vectors() == {}
    assert len(await other.vectors()) == 1
    assert await facts.view.fetch("SELECT scope FROM embed_state") == [("bob",)]


async def test_batches_go_on_where_the_last_one_ended_even_within_one_commit(facts):
    ids = await facts.add(*(f"fact {n}" for n in range(7)))
    seen, after = [], None
    for _ in range(4):
        batch = await waiting(facts, after=after, limit=2)
        seen += [one.id for one in batch.facts]
        await give_vectors(facts, batch)
        after = batch.after
        if batch.is_whole:
            break
    assert seen == ids
    assert await scopes_behind(facts.view, EMBEDDER, 10) == []


async def test_after_a_crash_between_batches_only_what_has_no_vector_is_asked_for(facts):
    ids = await facts.add(*(f"fact {n}" for n in range(5)))
    await give_vectors(facts, await waiting(facts, limit=2))
    assert [one.id for one in (await waiting(facts)).facts] == ids[2:]


async def test_another_embedder_makes_all_vectors_anew_and_the_first_one_too_if_it_comes_back(facts):
    await facts.add("one", "two")
    await give_all(facts)
    assert len((await waiting(facts, embedder="other")).facts) == 2
    await give_all(facts, "other")
    assert {by for by, _ in (await facts.vectors()).values()} == {"other"}
    assert await scopes_behind(facts.view, "other", 10) == []
    assert await scopes_behind(facts.view, EMBEDDER, 10) == [("t", "ada")]
    assert len((await waiting(facts)).facts) == 2


async def test_a_long_text_is_cut_before_it_is_embedded():
    assert text_to_embed("Ada", "é" * 10_000) == "Ada: " + "é" * (limits.EMBED_TEXT_CHARS_MAX - 5)
    assert text_to_embed(None, "short") == "short"


async def test_no_vectors_change_nothing(facts):
    assert not plan_vectors("t", "ada", [], [], EMBEDDER)
    await facts.add("one")
    assert await facts.revision() == 1
