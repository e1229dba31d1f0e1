"""The same memory on SQLite and PostgreSQL: the same facts, the same best ten, the same scores."""

import random

import pytest

from umi import Memory
from umi.dst import Host, ManualClock, Rng
from umi.embed import HashEmbedder
from umi.storage import Page

WORDS = """garden river market engine lesson doctor ticket window summer letter bridge kitchen planet music coffee
budget meeting project library concert harbour mountain bicycle painting recipe dinner airport contract guitar
festival""".split()
NAMES = ("Ada", "Bela", "Chidi", "Dunya")


def host():
    return Host(ManualClock(1_750_000_000_000), Rng(5))


async def fill(memory):
    """The same in every store: facts of several sessions, jobs that change, sentences, a change of mind."""
    rng = random.Random(11)
    facts = [
        {
            "text": f"{rng.choice(NAMES)} saw the {' and the '.join(rng.sample(WORDS, 4))}.",
            "speaker": rng.choice(NAMES),
            "session": f"s{n // 10}",
            "document_time": 1_700_000_000_000 + n * 3_600_000,
            "importance": rng.random(),
            "tags": rng.sample(["a", "b", "c"], 2),
            "metadata": {"n": n, "big": 2**53 - 1, "nested": {"x": [1.5, None, "é"]}},
        }
        for n in range(150)
    ]
    await memory.add_facts(facts)
    for year, firm in ((2020, "Acme"), (2024, "Globex"), (2022, "Hooli")):
        await memory.remember(f"Bela works at {firm}.", event_time=f"{year}-01-01", importance=0.9)
    done = await memory.remember("Ada lives in Porto.", source="a letter")
    await memory.update(done.fact.id, text="Ada lives in Lima.", reason="a slip")
    gone = await memory.remember("Chidi plays the guitar.")
    await memory.forget(gone.fact.id)
    hard = await memory.remember("The code of the safe is blue.")
    await memory.forget(hard.fact.id, hard=True)
    await memory.of("another").add_facts(facts[:50])
    await memory.promote()
    await memory.embedded()


async def told(memory):
    """Everything a caller can see."""
    rng = random.Random(12)
    seen = {"count": await memory.count(), "facts": await memory.list(Page(limit=500))}
    seen["core"] = (await memory.core.render()).text
    seen["entities"] = [(one.name, one.type, one.mentions) for one in await memory.entities(Page(limit=100))]
    seen["history"] = [(one.fact.id, one.fact.version, one.why) for one in await memory.history()]
    seen["neighbours"] = [(one.relation, one.value) for one in await memory.neighbours("Bela")]
    asked = [
        f"When did {rng.choice(NAMES)} see the {rng.choice(WORDS)} and the {rng.choice(WORDS)}?" for _ in range(60)
    ]
    for query in [*asked, "Where does Bela work?", "Who is in Lima?", "Zaphod's towel"]:
        found = await memory.recall(query, explain=True)
        seen[query] = [(one.fact.id, one.score, one.explain) for one in found]
    filters = {"AND": [{"metadata.n": {"gt": 20}}, {"NOT": [{"tags": {"contains": "b"}}]}]}
    seen["filtered"] = [one.fact.id for one in await memory.recall("garden river", filters=filters, limit=50)]
    seen["then"] = [one.fact.id for one in await memory.recall("Bela work", as_of=("2021-01-01", None))]
    return seen


async def test_both_stores_say_the_same(postgres_url, tmp_path):
    answers = []
    for store in (str(tmp_path / "memory.db"), postgres_url):
        async with Memory(store, host(), scope="ada", embedder=HashEmbedder(64)) as memory:
            await fill(memory)
            answers.append(await told(memory))
    sqlite, postgres = answers
    assert sqlite.keys() == postgres.keys()
    assert len(sqlite["Where does Bela work?"]) >= 1
    for query, found in sqlite.items():
        other = postgres[query]
        if not (isinstance(found, list) and found and isinstance(found[0], tuple) and isinstance(found[0][-1], dict)):
            assert found == other, query
            continue
        assert [one[0] for one in found] == [one[0] for one in other], query
        assert [one[1] for one in found] == pytest.approx([one[1] for one in other], abs=1e-6)
