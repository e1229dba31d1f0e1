"""The embeddable face: remember, recall, forget by scope, and core blocks that lose no append."""

import asyncio
import threading

import pytest

from umi import Memory, limits
from umi.errors import InvalidInput, LimitExceeded, StoreInUse
from umi.storage import Page


@pytest.fixture
async def memory(tmp_path, host):
    async with await Memory.open(str(tmp_path / "memory.db"), scope="ada", host=host) as opened:
        yield opened


async def test_a_remembered_fact_is_recalled_by_its_words(memory):
    await memory.remember("Ada's cat is called Miso.", tags=["pets"])
    await memory.remember("Ada works at Initech.")
    found = await memory.recall("What is the name of the cat?")
    assert [one.fact.text for one in found] == ["Ada's cat is called Miso."]
    assert found[0].score == 1.0


async def test_words_match_by_their_stem_and_without_accents(memory):
    await memory.remember("She was running along the Champs-Élysées.")
    assert await memory.recall("runs")
    assert await memory.recall("elysees")


async def test_a_scope_never_sees_another_scopes_facts(memory):
    await memory.of("bob").remember("The password of the safe is 1234.")
    assert await memory.recall("password safe") == []
    assert await memory.count() == 0
    assert len(await memory.of("bob").recall("password")) == 1


async def test_a_tenant_never_sees_another_tenants_facts(memory):
    other = Memory(memory._archive, scope="ada", tenant="other")
    await other.remember("The password of the safe is 1234.")
    assert await memory.recall("password") == []
    assert await memory.list() == []


async def test_a_forgotten_fact_is_neither_found_nor_listed_nor_counted(memory):
    fact = (await memory.remember("Ada likes tea.")).fact
    assert await memory.forget(fact.id) is True
    assert await memory.recall("tea") == []
    assert await memory.list() == []
    assert await memory.count() == 0
    assert await memory.forget(fact.id) is False


async def test_forgetting_keeps_the_row_and_forgetting_hard_does_not(memory):
    soft, hard = (await memory.add_facts(["one", "two"])).facts
    await memory.forget(soft.id)
    await memory.forget(hard.id, hard=True)
    rows = await memory._archive.view.fetch("SELECT id, known_to_ms FROM fact")
    assert [(row[0], row[1] is not None) for row in rows] == [(soft.id, True)]


async def test_a_scope_can_not_forget_for_another(memory):
    fact = (await memory.of("bob").remember("Bob likes tea.")).fact
    assert await memory.forget(fact.id) is False
    assert await memory.of("bob").count() == 1


async def test_what_a_person_types_is_never_an_operator(memory):
    await memory.remember("plain words")
    for query in ('plain" OR scope:"', "NEAR(plain, 3)", "plain AND NOT words", "*", '""', "col:plain", "-plain"):
        await memory.recall(query)
    assert await memory.recall("…!?") == []


async def test_listing_pages_by_age_both_ways(memory):
    facts = [(await memory.remember(f"fact {number}")).fact for number in range(5)]
    first = await memory.list(Page(limit=2))
    rest = await memory.list(Page(limit=10, after=first[-1].id))
    assert [f.id for f in [*first, *rest]] == [f.id for f in facts]
    newest = await memory.list(Page(limit=2, ascending=False))
    assert [f.id for f in newest] == [facts[4].id, facts[3].id]
    older = await memory.list(Page(limit=2, ascending=False, after=newest[-1].id))
    assert [f.id for f in older] == [facts[2].id, facts[1].id]


@pytest.mark.parametrize(
    ("maximum", "make"),
    [
        (limits.MEMORY_TEXT_BYTES_MAX, lambda memory, text: memory.remember(text)),
        (limits.ENTITY_TAG_BYTES_MAX, lambda memory, text: memory.remember("x", tags=[text])),
        (limits.RETRIEVAL_QUERY_BYTES_MAX, lambda memory, text: memory.recall(text)),
    ],
)
async def test_bounds_are_in_bytes_and_inclusive(memory, maximum, make):
    for length, accepted in ((maximum - 1, True), (maximum, True), (maximum + 1, False)):
        text = "é" * (length // 2) + "x" * (length % 2)
        assert len(text.encode()) == length
        if accepted:
            await make(memory, text)
        else:
            with pytest.raises(LimitExceeded, match=f"{maximum:,}"):
                await make(memory, text)


@pytest.mark.parametrize("importance", [-0.1, 1.1, float("nan")])
async def test_importance_outside_its_range_is_refused(memory, importance):
    with pytest.raises(InvalidInput, match="importance"):
        await memory.remember("x", importance=importance)


async def test_a_blank_fact_is_refused_and_nothing_is_stored(memory):
    with pytest.raises(InvalidInput, match="blank"):
        await memory.remember("  \n")
    assert await memory.count() == 0


async def test_facts_and_blocks_survive_reopening(tmp_path):
    path = str(tmp_path / "memory.db")
    async with await Memory.open(path) as first:
        await first.remember("Ada's cat is called Miso.")
        await first.core.append("human", "Name: Ada")
    async with await Memory.open(path) as second:
        assert [one.fact.text for one in await second.recall("cat")] == ["Ada's cat is called Miso."]
        assert [(block.label, block.value) for block in await second.core.blocks()] == [("human", "Name: Ada")]


async def test_a_second_opening_names_the_holder(tmp_path, memory):
    with pytest.raises(StoreInUse, match=r"in use by process \d+"):
        await Memory.open(str(tmp_path / "memory.db"))


async def test_a_hundred_appends_at_once_make_one_block_with_all_texts(memory):
    await asyncio.gather(*(memory.core.append("notes", f"line {number}") for number in range(100)))
    blocks = await memory.core.blocks()
    assert [block.label for block in blocks] == ["notes"]
    assert sorted(blocks[0].value.split("\n")) == sorted(f"line {number}" for number in range(100))


async def test_sixteen_threads_appending_lose_nothing(memory):
    loop = asyncio.get_running_loop()
    failures = []

    def write(thread):
        try:
            for number in range(7):
                work = memory.core.append("notes", f"{thread}/{number}")
                asyncio.run_coroutine_threadsafe(work, loop).result(timeout=30)
        except Exception as error:  # noqa: BLE001 - a thread's error has to reach the test
            failures.append(error)

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(16)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    assert failures == []
    blocks = await memory.core.blocks()
    assert len(blocks) == 1
    assert len(blocks[0].value.split("\n")) == 112


@pytest.mark.parametrize("bad", ["half \ud800", "null\0"])
async def test_what_is_no_text_is_refused_wherever_it_stands(memory, bad):
    for call in (
        lambda: memory.remember(bad),
        lambda: memory.remember("x", tags=[bad]),
        lambda: memory.recall(bad),
        lambda: memory.core.append("human", bad),
        lambda: memory.core.append(bad, "x"),
    ):
        with pytest.raises(InvalidInput):
            await call()
    with pytest.raises(InvalidInput):
        memory.of(bad)
    assert await memory.count() == 0
    assert await memory.core.blocks() == []


@pytest.mark.parametrize("field", ["metadata", "source"])
async def test_what_hangs_on_a_fact_is_bounded_and_json(memory, field):
    with pytest.raises(LimitExceeded, match=field):
        await memory.remember("x", **{field: {"a": "x" * limits.FACT_METADATA_BYTES_MAX}})
    with pytest.raises(InvalidInput, match=field):
        await memory.remember("x", **{field: {"a": "\ud800"}})


async def test_a_time_no_store_can_hold_is_refused(memory):
    with pytest.raises(InvalidInput, match="9999"):
        await memory.remember("x", event_time=2**70)
    assert await memory.count() == 0


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '" OR own:"cat',
        "cat* NEAR(dog)",
        "own:cat scope:x",
        "-cat",
        "{own scope}: cat",
        "^cat",
        "___",
        "cat\\",
        "'",
    ],
)
async def test_no_query_is_an_operator_or_reaches_another_scope(memory, query):
    await memory.remember("cat")
    await memory.of("other").remember("cat dog own scope x near secret")
    for one in await memory.recall(query):
        assert one.fact.scope == memory.scope


async def test_a_query_of_a_thousand_words_is_answered(memory):
    text = " ".join(f"w{n}" for n in range(500))
    await memory.remember(text)
    assert [one.fact.text for one in await memory.recall(f"{text} {text}")] == [text]
