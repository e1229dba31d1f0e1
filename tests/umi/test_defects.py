"""The original's defects (a) to (m), each with a test that the original fails. (Its promises are in test_parity.py.)"""

import pytest

from umi import Memory
from umi.core import Core
from umi.dst import Host, ManualClock, Rng
from umi.embed import HashEmbedder
from umi.errors import LimitExceeded
from umi.memory.moments import moment_ms
from umi.promote import Budget, promote
from umi.storage import Page


@pytest.fixture
async def memory():
    clock = ManualClock(moment_ms("now", "2026-03-04"))
    async with Memory(":memory:", Host(clock, Rng(1)), scope="ada", embedder=HashEmbedder(64)) as opened:
        yield opened


async def vectors(memory):
    await memory.embedded()
    return (await memory._archive.view.fetch("SELECT count(*) FROM fact_vector"))[0][0]


async def test_a_forget_tells_the_truth_and_leaves_no_vector(memory):
    fact = (await memory.remember("Ada likes tea.")).fact
    assert await vectors(memory) == 1
    assert await memory.forget("passage-nobody") is False
    assert await memory.forget(fact.id) is True
    assert await memory.forget(fact.id) is False
    assert await vectors(memory) == 0


async def test_b_a_time_range_finds_what_was_remembered(memory):
    await memory.remember("I met Bela.", event_time="2026-02-02")
    found = await memory.recall("Bela", time_range=("2026-02-01", "2026-02-03"))
    assert [one.fact.text for one in found] == ["I met Bela."]


async def test_c_importance_is_kept(memory):
    await memory.remember("Ada is allergic to nuts.", importance=0.9)
    (found,) = await memory.recall("allergic")
    assert found.fact.importance == 0.9


async def test_d_relations_and_evolutions_are_kept(memory):
    await memory.remember("Bob works at Acme.", event_time="2020-01-01")
    done = await memory.remember("Bob works at Globex.", event_time="2022-01-01")
    assert [one.kind for one in done.evolutions] == ["update"]
    rows = await memory._archive.view.fetch("SELECT old_id, new_id, kind FROM evolution")
    assert rows == [(done.evolutions[0].old_id, done.evolutions[0].new_id, "update")]
    assert [(one.relation, one.value) for one in await memory.neighbours("Bob")] == [("works_at", "Globex")]


async def test_e_the_same_name_keeps_both_facts_and_is_one_entity_of_the_better_type(memory):
    await memory.add_facts([{"text": "Google it.", "entities": [{"name": "Google", "type": "note"}]}])
    await memory.add_facts([{"text": "Google hired her.", "entities": [{"name": "Google", "type": "organization"}]}])
    assert await memory.count() == 2
    assert [(one.name, one.type) for one in await memory.entities()] == [("Google", "organization")]


async def test_f_every_setting_is_read_and_a_limit_of_ten_is_a_limit_of_ten(memory):
    await memory.add_facts([f"tea number {n}" for n in range(30)])
    assert [len(await memory.recall("tea", limit=limit)) for limit in (1, 10, 20)] == [1, 10, 20]
    assert len(await memory.recall("tea")) == 10


async def test_g_the_tiers_use_the_retriever(memory):
    """Theirs searched for a substring; a stem is none."""
    await memory.remember("Ada was running along the river.")
    assert await memory.recall("runs")


async def test_h_promoted_facts_live_side_by_side_and_leave_one_by_one(memory):
    await memory.remember("Bob works at Acme.", importance=0.95)
    await memory.remember("Emre works at Globex.", importance=0.95)
    await memory.promote()
    facts = (await memory.core.get_block("facts")).value
    assert "Bob" in facts
    assert "Emre" in facts
    bob = next(one for one in await memory.list(Page()) if "Bob" in one.text)
    await memory.forget(bob.id)
    await memory.promote()
    facts = (await memory.core.get_block("facts")).value
    assert "Bob" not in facts
    assert "Emre" in facts


async def test_i_core_memory_evicts_before_it_is_full_and_never_overflows(memory):
    core = Core(memory._archive.database, memory._archive.host, "default", "ada", bytes_max=4_096)
    await memory.add_facts(
        [
            {
                "text": f"Person {n} " + "is remarkable " * 12,
                "importance": 0.95,
                "entities": [{"name": f"Person {n}", "type": "person", "content": "is remarkable " * 12}],
            }
            for n in range(60)
        ]
    )
    done = await promote(
        memory._archive.view, "default", "ada", memory._archive.host, budget=Budget(core_bytes_max=4_096)
    )
    assert 0 < len(done.promoted) < 60
    assert await core.used_bytes() <= 4_096


async def test_j_what_is_in_core_is_found_by_recall_too(memory):
    await memory.remember("Bob works at Acme.", importance=0.95)
    await memory.promote()
    assert [one.fact.text for one in await memory.recall("Acme")] == ["Bob works at Acme."]


async def test_k_a_full_core_renders(memory):
    for kind in ("facts", "goals"):
        await memory.core.set_block(kind, "&" * 16_384)  # grows fivefold when escaped
    rendered = await memory.core.render()
    assert len(rendered.text.encode()) > 32_768
    with pytest.raises(LimitExceeded):
        await memory.core.set_block("scratch", "x")


@pytest.mark.parametrize("text", ["O'Brien's \"tea\"", "'; DROP TABLE fact; --", "%_\\", "{[(<&>)]}"])
async def test_l_quotes_break_no_search_and_ids_are_never_sql(memory, text):
    fact = (await memory.remember(f"About {text} we know.")).fact
    assert [one.fact.id for one in await memory.recall(f"{text} know")] == [fact.id]
    assert await memory.get(text) is None
    assert await memory.forget(text) is False
    assert await memory.count() == 1


async def test_m_a_source_is_kept_whatever_the_store(memory, postgres_url):
    source = {"uri": "file:///a.pdf", "mime_type": "application/pdf", "size_bytes": 7, "checksum": "ab"}
    postgres = Memory(postgres_url, memory._archive.host, embedder=None)
    for one in (memory, postgres):
        fact = (await one.remember("The report says so.", source=source)).fact
        assert (await one.get(fact.id)).source == source
    await postgres.close()
