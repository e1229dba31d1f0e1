"""From what is said to what is stored: messages, duplicates, names, dates, all or nothing."""

import pytest

from umi import Memory, limits
from umi.dst import Host, ManualClock, Rng
from umi.errors import InvalidInput, LimitExceeded
from umi.memory.moments import moment_ms

NOON_MS = moment_ms("noon", "2026-03-04T12:00:00")


@pytest.fixture
async def memory():
    async with Memory(":memory:", Host(ManualClock(NOON_MS), Rng(1)), scope="ada", embedder=None) as opened:
        yield opened


async def test_messages_become_facts_of_one_session_without_instructions_and_tools(memory):
    done = await memory.remember(
        [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "My cat is called Miso."},
            {"role": "assistant", "content": "What a lovely name!"},
            {"role": "tool", "content": '{"temperature": 20}'},
            {"role": "user", "name": "Bela", "content": "I feed her.", "time": "2026-03-05"},
        ]
    )
    assert [(fact.speaker, fact.text) for fact in done.facts] == [
        (None, "My cat is called Miso."),
        ("assistant", "What a lovely name!"),
        ("Bela", "I feed her."),
    ]
    assert len({fact.session for fact in done.facts}) == 1
    assert done.facts[2].document_time_ms == moment_ms("time", "2026-03-05")


async def test_the_same_text_is_not_stored_again_and_the_fact_it_is_known_as_is_named(memory):
    first = (await memory.remember("Ada's cat is called Miso.")).fact
    again = await memory.remember("  ada's cat is   called Miso ")
    assert (again.facts, again.known) == ([], [first])
    assert again.fact == first
    assert await memory.count() == 1


async def test_the_same_words_about_another_day_are_another_fact(memory):
    await memory.remember("I ran ten miles yesterday.")
    await memory.remember("I ran ten miles yesterday.", document_time="2026-05-01")
    assert await memory.count() == 2


async def test_a_relative_date_becomes_a_day_counted_from_when_it_was_said(memory):
    fact = (await memory.remember("I met Bela yesterday.", document_time="2025-07-02T09:00:00")).fact
    assert moment_ms("from", "2025-07-01") <= fact.event_time_ms < moment_ms("to", "2025-07-02")
    assert fact.valid_from_ms == fact.event_time_ms
    found = await memory.recall("Bela", time_range=("2025-07-01", "2025-07-01T23:59:59"))
    assert [one.fact.id for one in found] == [fact.id]
    assert await memory.recall("Bela", time_range=("2025-07-03", None)) == []


async def test_facts_are_added_all_or_none(memory):
    with pytest.raises(InvalidInput, match="importance"):
        await memory.add_facts(["one", {"text": "two", "importance": 7}])
    with pytest.raises(InvalidInput, match="fact 1"):
        await memory.add_facts(["one", {"txt": "two"}])
    with pytest.raises(InvalidInput, match="fact 1"):
        await memory.add_facts(["one", 2])
    assert await memory.count() == 0


async def test_ten_thousand_facts_are_one_call_and_one_more_is_refused(memory, monkeypatch):
    monkeypatch.setattr(limits, "MEMORY_FACTS_COUNT_MAX", 100)
    await memory.add_facts([f"fact {n}" for n in range(100)])
    with pytest.raises(LimitExceeded, match="101 facts"):
        await memory.add_facts([f"fact {n}" for n in range(101)])
    assert await memory.count() == 100


async def test_facts_stated_twice_are_stored_once_and_differing_ones_twice(memory):
    one = {"text": "Bye!", "speaker": "Ada", "document_time": "2025-01-01", "metadata": {"id": 1}}
    await memory.add_facts([one, one])
    await memory.add_facts([one, {**one, "metadata": {"id": 2}}])
    assert await memory.count() == 2


async def test_a_long_text_is_kept_in_neighbouring_pieces_that_join_to_the_whole(memory):
    text = " ".join(f"Das Café Nummer {n} in Köln öffnet früh." for n in range(limits.MEMORY_CHUNK_BYTES_MAX // 10))
    facts = (await memory.remember(text)).facts
    assert len(facts) >= 3
    assert all(len(fact.text.encode()) <= limits.MEMORY_CHUNK_BYTES_MAX for fact in facts)
    assert "".join(" ".join(fact.text for fact in facts).split()) == "".join(text.split())
    assert len({fact.session for fact in facts}) == 1


async def test_the_example_of_the_original_gives_its_entities(memory):
    done = await memory.remember(
        "I'm working with Bob from Acme on the Umi project. We're using Rust and Hexagonal principles. My first task"
        " is to implement Kelpie integration."
    )
    found = {(one.type, one.name) for one in await memory.entities()}
    assert {
        ("person", "Bob"),
        ("organization", "Acme"),
        ("project", "Umi"),
        ("topic", "Rust"),
        ("topic", "Hexagonal"),
    } <= found
    assert {"task", "self"} <= {kind for kind, _ in found}
    said = [(one.subject, one.attribute, one.value) for one in done.fact.claims]
    assert ("Bob", "works_at", "Acme") in said


async def test_a_first_name_is_the_one_known_person_who_has_it(memory):
    await memory.add_facts([{"text": "Bob Smith joined.", "entities": [{"name": "Bob Smith", "type": "person"}]}])
    done = await memory.remember("Bob works at Acme.")
    assert [one.subject for one in done.fact.claims] == ["Bob Smith"]
    assert (await memory.entity("bob smith")).mentions == 2


async def test_a_name_has_one_entity_whatever_it_was_taken_for_first(memory):
    await memory.add_facts([{"text": "x", "entities": [{"name": "Google", "type": "note"}]}])
    await memory.add_facts([{"text": "y", "entities": [{"name": "google", "type": "organization"}]}])
    assert [(one.name, one.type, one.mentions) for one in await memory.entities()] == [("Google", "organization", 2)]


async def test_entities_of_forgotten_facts_are_gone(memory):
    done = await memory.remember("Bob works at Acme.")
    await memory.forget(done.fact.id)
    assert await memory.entities() == []
    await memory.undo(done.fact.id)
    assert {one.name for one in await memory.entities()} == {"Bob", "Acme"}


async def test_a_compound_sentence_loses_one_claim_and_not_its_place(memory):
    await memory.remember("Alice works at Acme and she showed me a wonderful film about owls.", event_time="2020-01-01")
    await memory.remember("Alice works at Globex.", event_time="2022-01-01")
    found = await memory.recall("film about owls")
    assert [one.fact.text for one in found] == ["Alice works at Acme and she showed me a wonderful film about owls."]
    assert [claim.ended_by is not None for claim in found[0].fact.claims if claim.attribute == "works_at"] == [True]


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ([{"role": "user"}], "message 0"),
        ([{"role": "user", "content": "x"}, {"role": 7, "content": "y"}], "message 1"),
        (["text"], "message 0"),
    ],
)
async def test_malformed_messages_are_refused_by_place(memory, said, match):
    with pytest.raises(InvalidInput, match=match):
        await memory.remember(said)
    assert await memory.count() == 0


@pytest.mark.parametrize("moment", ["yesterday", True, 1.5, 10**17, "2026-13-01", object(), float("nan")])
async def test_what_is_no_moment_is_refused(memory, moment):
    with pytest.raises(InvalidInput, match="event_time"):
        await memory.remember("x", event_time=moment)
    with pytest.raises(InvalidInput, match="time_range"):
        await memory.recall("x", time_range=(moment, None))
    assert await memory.count() == 0


async def test_inverted_and_odd_spans_are_refused(memory):
    for span in (("2026-01-02", "2026-01-01"), (1, 2, 3), 7):
        with pytest.raises(InvalidInput, match="time_range"):
            await memory.recall("x", time_range=span)
    with pytest.raises(InvalidInput, match="as_of"):
        await memory.recall("x", as_of=7)


async def test_text_that_came_from_recall_is_not_stored_again(memory):
    await memory.remember("Ada's cat is called Miso.")
    for _ in range(20):
        found = await memory.recall("cat")
        told = " ".join(one.fact.text for one in found)
        await memory.remember([{"role": "assistant", "content": f"As I remember: {told}"}])
    assert await memory.count() == 1


@pytest.mark.parametrize("importance", [0.5, 0.9])
async def test_promoted_the_example_fills_exactly_facts_goals_and_persona(memory, importance):
    await memory.remember(
        "I'm working with Bob from Acme on the Umi project. We're using Rust and Hexagonal principles. My first task"
        " is to implement Kelpie integration.",
        importance=importance,
    )
    await memory.promote()
    assert {block.type for block in await memory.core.blocks()} == {"facts", "goals", "persona"}
    facts = (await memory.core.get_block("facts")).value
    assert "Bob" in facts
    assert "Acme" in facts
    assert "Umi" in (await memory.core.get_block("goals")).value
