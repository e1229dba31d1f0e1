"""How fast umi is, beside plain FTS5 in the same run. CPU time of this process, milliseconds unless it says otherwise.

    python -m benchmarks.umi [--quick] [--million]

Hybrid recall is asked with the query's vector given, and with MiniLM where it is fetched; all with default settings.
Vectors are those of a hash embedder, which costs nothing: what is measured is umi.
"""

import argparse
import asyncio
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import apsw

from benchmarks.__main__ import yardstick_ms
from umi import Memory, embed
from umi.embed import HashEmbedder, vectors
from umi.memory import MIGRATIONS
from umi.storage import SqliteDatabase, View

WORDS = """garden river market engine lesson doctor ticket window summer letter bridge kitchen planet music coffee
holiday budget meeting project library concert harbour mountain bicycle painting recipe dinner airport contract deadline
neighbour guitar festival hospital museum station weather island village forest camera notebook invoice customer release
server database deploy review backlog sprint design laptop router paper novel theatre cinema ballet orchestra""".split()
NAMES = (
    "Ada Bela Chidi Dunya Emre Farah Goran Hana Ivo Jing Kofi Lena Milan Noor Otto Priya Quinn Rosa Sami Tova".split()
)
VERBS = (
    "visited painted repaired bought sold described planned missed loved finished started cancelled moved found".split()
)


def sentences(count: int, rng: random.Random) -> list[str]:
    """About 110 characters each, of a vocabulary that grows with their number, as texts of people do."""
    rare = [f"{a}{b}" for a in WORDS for b in ("ward", "line", "field", "stone", "light")]
    made = []
    for _ in range(count):
        words = [*rng.sample(WORDS, 4), *rng.sample(rare, 3)]
        when = f"on {rng.choice(('Monday', 'Friday'))} the {rng.randint(1, 28)}th"
        made.append(
            f"{rng.choice(NAMES)} {rng.choice(VERBS)} the {words[0]} near the {words[4]} {words[1]} {when}, with a"
            f" {words[2]} and the {words[5]} of the {words[3]} {words[6]}."
        )
    return made


def questions(count: int, rng: random.Random) -> list[str]:
    return [
        f"When did {rng.choice(NAMES)} see the {rng.choice(WORDS)} with the {rng.choice(WORDS)}?" for _ in range(count)
    ]


class Clocked:
    """CPU ms of each call, of the whole process: the store's thread too."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    async def __call__(self, work: Callable[[], Awaitable[Any]]) -> Any:
        before = time.process_time()
        done = await work()
        self.ms.append((time.process_time() - before) * 1000)
        return done

    def __str__(self) -> str:
        ordered = sorted(self.ms)
        return f"p50 {statistics.median(ordered):7.2f}  p95 {ordered[int(len(ordered) * 0.95)]:7.2f}"


def facts_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "text": text,
            "speaker": NAMES[n % 5],
            "session": f"s{n // 20}",
            "document_time": 1_700_000_000_000 + n * 60_000,
        }
        for n, text in enumerate(texts)
    ]


async def fill(memory: Memory, texts: Sequence[str]) -> float:
    """Facts a CPU second."""
    before = time.process_time()
    for start in range(0, len(texts), 5_000):
        await memory.add_facts(facts_of(texts[start : start + 5_000]))
    return len(texts) / (time.process_time() - before)


async def ask(memory: Memory, asked: Sequence[str]) -> Clocked:
    clocked = Clocked()
    await memory.recall(asked[0])  # loads the scope
    for question in asked[1:]:
        await clocked(lambda question=question: memory.recall(question))  # type: ignore[misc]
    return clocked


def plain_fts5(texts: Sequence[str], asked: Sequence[str]) -> str:
    """What a table of SQLite's own full text takes for the same questions."""
    db = apsw.Connection(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize='porter unicode61')")
    with db:
        db.executemany("INSERT INTO t VALUES (?)", ((text,) for text in texts))
    clocked = Clocked()
    for question in asked:
        words = [word for word in question.strip("?").lower().split() if word not in ("when", "did", "the", "with")]
        before = time.process_time()
        db.execute("SELECT text FROM t WHERE t MATCH ? ORDER BY rank LIMIT 10", (" OR ".join(words),)).fetchall()
        clocked.ms.append((time.process_time() - before) * 1000)
    return str(clocked)


def size_of(path: str) -> int:
    return os.path.getsize(path)


def say(what: str, figure: object) -> None:
    print(f"{what:58s} {figure}", flush=True)


async def one_scope(folder: str, count: int, asked: int) -> None:
    rng = random.Random(5)
    texts, ask_for = sentences(count, rng), questions(asked, rng)
    async with Memory(f"{folder}/words.db", embedder=None) as memory:
        say(f"add_facts, {count:,} facts, words only", f"{await fill(memory, texts):10,.0f} facts a CPU second")
        say(f"recall, words only, scope of {count:,}", await ask(memory, ask_for))
    say("bytes a fact on disk, words only", f"{size_of(f'{folder}/words.db') / count:10,.0f}")
    async with Memory(f"{folder}/hybrid.db", embedder=HashEmbedder(384)) as memory:
        await fill(memory, texts)
        await memory.embedded()
        say(f"recall, hybrid, vector of the query given, scope of {count:,}", await ask(memory, ask_for))
    say("bytes a fact on disk, with vectors", f"{size_of(f'{folder}/hybrid.db') / count:10,.0f}")
    say("plain FTS5, one column, same questions", plain_fts5(texts, ask_for))
    minilm = embed.default()
    if minilm is None:
        say("recall with MiniLM", "not measured: `umi embedder get minilm` fetches it")
        return
    clocked = Clocked()
    for question in ask_for:
        await clocked(lambda question=question: minilm.embed([question]))  # type: ignore[misc]
    say("embedding a query with MiniLM, to be added", clocked)


async def remembering(folder: str, count: int) -> None:
    texts = sentences(count, random.Random(6))
    async with Memory(f"{folder}/remember.db", embedder=None) as memory:
        scopes = [memory.of(f"person {n}") for n in range(20)]
        await asyncio.gather(*(scope.remember(texts[0]) for scope in scopes))
        before = time.process_time()
        for start in range(0, count, len(scopes)):
            pairs = zip(scopes, texts[start : start + len(scopes)], strict=False)
            await asyncio.gather(*(scope.remember(text) for scope, text in pairs))
        rate = count / (time.process_time() - before)
    say("remember: extraction, dedupe, evolution, history, commit", f"{rate:10,.0f} texts a CPU second")


async def many_scopes(folder: str, scopes: int, facts: int, asked: int) -> None:
    rng = random.Random(7)
    each = facts // scopes
    async with Memory(f"{folder}/scopes.db", embedder=HashEmbedder(384)) as memory:
        for number in range(scopes):
            await memory.of(f"scope {number}").add_facts(facts_of(sentences(each, rng)))
        await memory.embedded()
        cold, warm = Clocked(), Clocked()
        for number, question in enumerate(questions(asked, rng)):
            one = memory.of(f"scope {number % scopes}")
            await cold(lambda one=one, question=question: one.recall(question))  # type: ignore[misc]
            await warm(lambda one=one, question=question: one.recall(question))  # type: ignore[misc]
    say(f"recall, hybrid, a scope of {each} among {scopes:,}, first time", cold)
    say(f"recall, hybrid, a scope of {each} among {scopes:,}, again", warm)


async def million(folder: str, facts: int, asked: int) -> None:
    """Only the scope that is asked gets vectors: those of the others would not be looked at."""
    rng = random.Random(8)
    texts, embedder = sentences(10_000, rng), HashEmbedder(384)
    async with Memory(f"{folder}/million.db", embedder=None) as memory:
        before = time.process_time()
        for number in range(facts // 10_000):
            scope = memory.of(f"scope {number}")
            for start in range(0, 10_000, 5_000):
                await scope.add_facts(facts_of(texts[start : start + 5_000]))
        say(f"add_facts, {facts:,} facts", f"{facts / (time.process_time() - before):10,.0f} facts a CPU second")
        say(f"recall, words only, scope of 10,000 in {facts:,}", await ask(memory.of("scope 3"), questions(asked, rng)))
    database = await SqliteDatabase.open(f"{folder}/million.db", MIGRATIONS)
    batch = await vectors.next_batch(View(database), "default", "scope 3", embedder.name, after=None, limit=10_000)
    rows = vectors.packed(await embedder.embed([fact.text for fact in batch.facts]))
    await database.commit(vectors.plan_vectors("default", "scope 3", batch.facts, rows, embedder.name))
    async with Memory(database, scope="scope 3", embedder=embedder) as memory:
        say(f"recall, hybrid, scope of 10,000 in {facts:,}", await ask(memory, questions(asked, rng)))
    await database.close()


async def run(given: argparse.Namespace) -> None:
    scale = 10 if given.quick else 1
    say("yardstick: 1,500,000 rounds of x += i", f"{yardstick_ms():10.0f}")
    with tempfile.TemporaryDirectory() as folder:
        await one_scope(folder, 10_000 // scale, 200 // scale)
        await remembering(folder, 4_000 // scale)
        await many_scopes(folder, 1_000 // scale, 100_000 // scale, 400 // scale)
        if given.million:
            await million(folder, 1_000_000, 200)
    say("largest memory of this process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:10,.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--million", action="store_true", help="also a million facts: ten minutes more")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
