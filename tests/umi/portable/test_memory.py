"""An imported memory answers as the exported one did, at any time, and can be changed and undone from there."""

import random

import pytest

from umi import Memory
from umi.errors import ImportRefused

from .conftest import fill


@pytest.fixture
async def told(tmp_path, host):
    async with Memory(str(tmp_path / "told.db"), host, scope="ada", embedder=None) as memory:
        yield memory


@pytest.fixture
async def other(tmp_path, host):
    async with Memory(str(tmp_path / "other.db"), host, scope="ada", embedder=None) as memory:
        yield memory


async def tell(memory, clock):
    """Bob changes jobs, somebody corrects, somebody forgets; the moments between."""
    moments = []
    await memory.add_facts([{"subject": "Bob", "attribute": "works_at", "value": "Acme", "event_time": "2020-01-01"}])
    moments.append(clock.now_ms())
    clock.advance(1_000)
    await memory.add_facts([{"subject": "Bob", "attribute": "works_at", "value": "Globex", "event_time": "2024-01-01"}])
    tea = (await memory.remember("Ada likes tea.")).fact
    moments.append(clock.now_ms())
    clock.advance(1_000)
    await memory.update(tea.id, text="Ada likes green tea.")
    cat = (await memory.remember("Ada's cat is called Miso.", session="s")).fact
    moments.append(clock.now_ms())
    clock.advance(1_000)
    await memory.forget(cat.id)
    return tea, cat, [*moments, clock.now_ms()]


async def test_recall_history_and_belief_are_the_same(told, other, tmp_path, clock):
    _, _, moments = await tell(told, clock)
    await told.export(str(tmp_path / "ada.jsonl"))
    await other.import_(str(tmp_path / "ada.jsonl"))
    for query in ("tea", "Where does Bob work?", "cat", "Ada"):
        assert await other.recall(query, explain=True) == await told.recall(query, explain=True)
        assert await other.recall(query, as_of=(None, moments[2])) == await told.recall(query, as_of=(None, moments[2]))
    assert await other.history() == await told.history()
    for known in moments:
        for valid in (None, "2022-01-01", "2025-01-01"):
            assert await other.believed(valid=valid, known=known) == await told.believed(valid=valid, known=known)
    assert await other.entities() == await told.entities()
    assert await other.neighbours("Bob") == await told.neighbours("Bob")
    assert await other.diff(moments[0]) == await told.diff(moments[0])


async def test_an_imported_memory_goes_on_where_the_other_stopped(told, other, tmp_path, clock):
    tea, cat, _ = await tell(told, clock)
    await told.export(str(tmp_path / "ada.jsonl"))
    await other.import_(str(tmp_path / "ada.jsonl"))
    await other.undo(cat.id)
    assert (await other.get(cat.id)).text == "Ada's cat is called Miso."
    await other.undo(tea.id)
    assert (await other.get(tea.id)).text == "Ada likes tea."
    await other.add_facts([{"subject": "Bob", "attribute": "works_at", "value": "Initech", "event_time": "2025-01-01"}])
    assert [fact.text for fact in await other.believed(valid="2025-06-01") if "works" in fact.text] == [
        "Bob works at Initech"
    ]
    assert (await other.remember("Ada likes tea.")).facts == [], "what was imported is known"
    assert not any((await other.audit()).orphans.values())


async def test_a_memory_takes_in_lines_as_it_gives_them(told, other, clock):
    await tell(told, clock)
    assert (await other.import_lines(told.export_lines())).facts == await told.count() + 1


@pytest.mark.parametrize("seed", range(8))
async def test_a_damaged_file_is_refused_or_taken_and_never_anything_else(ada, elsewhere, tmp_path, seed):
    await fill(ada)
    whole, rng = b"".join(await ada.dumped()), random.Random(seed)
    damaged = tmp_path / "damaged.jsonl"
    refused = 0
    for number in range(15):
        text = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            place, cut = rng.randrange(len(text)), rng.randint(0, 20)
            text[place : place + cut] = rng.choice([rng.randbytes(4), b'"', b"\n", b"}", b"9" * 30, b"-"])
        damaged.write_bytes(bytes(text))
        scope = elsewhere.of(f"scope {number}")
        before = await scope.rows()
        try:
            await scope.take_file(damaged)
        except ImportRefused:
            refused += 1
            assert await scope.rows() == before
    assert refused
