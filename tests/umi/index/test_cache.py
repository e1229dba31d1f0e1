"""IndexCache: never staler than the rows, whoever wrote them; it reads no more than it lacks and keeps no more than it
may."""

import msgspec
import pytest

from umi import archival, embed
from umi.archival import Why
from umi.dst import Host, ManualClock, Rng
from umi.embed.vectors import next_batch, packed, plan_forget_vectors, plan_vectors
from umi.entity import Fact
from umi.index import IndexCache, believed_at
from umi.index.terms import query_terms
from umi.storage import Changes, SqliteDatabase, View

MIGRATIONS = [*archival.MIGRATIONS, *embed.MIGRATIONS]


class Counting:
    """A database that notes how many rows its readers were given."""

    def __init__(self, database):
        self._database, self.rows = database, 0

    async def read(self, queries, over=None):
        answers = await self._database.read(queries, over)
        self.rows += sum(map(len, answers))
        return answers

    async def commit(self, changes):
        return await self._database.commit(changes)


@pytest.fixture
async def database(tmp_path):
    opened = await SqliteDatabase.open(str(tmp_path / "m.db"), MIGRATIONS, host=Host(ManualClock(), Rng(1)))
    yield Counting(opened)
    await opened.close()


@pytest.fixture
def view(database):
    return View(database)


def fact(number, text="tea", scope="ada", **fields):
    return Fact(tenant="t", id=f"f{number}", scope=scope, text=text, known_from_ms=number, **fields)


async def add(database, *facts):
    await database.commit(archival.plan_add(facts, Why()))


async def change(database, old, now_ms=50, **fields):
    new = msgspec.structs.replace(old, **fields)
    written, changes = archival.plan_change(old, new, Why(action="update"), now_ms)
    await database.commit(changes)
    return written


def rows_with(index, word):
    return index["seq"][index.postings(query_terms(word)[0].hash)].tolist()


async def test_a_fresh_index_costs_one_row(database, view):
    cache = IndexCache()
    await add(database, *(fact(number) for number in range(20)))
    first = await cache.fresh(view, "t", "ada")
    assert len(first) == 20
    database.rows = 0
    assert await cache.fresh(view, "t", "ada") is first
    assert database.rows == 1


async def test_only_what_changed_is_read(database, view):
    cache = IndexCache()
    await add(database, *(fact(number) for number in range(20)))
    await cache.fresh(view, "t", "ada")
    await add(database, fact(20, "coffee"))
    database.rows = 0
    assert rows_with(await cache.fresh(view, "t", "ada"), "coffee") == [21]
    assert database.rows == 3, "the revision twice, and the new row"


async def test_every_kind_of_change_is_seen(database, view):
    cache = IndexCache()
    facts = [fact(number) for number in range(4)]
    await add(database, *facts)
    assert rows_with(await cache.fresh(view, "t", "ada"), "tea") == [1, 2, 3, 4]
    await change(database, facts[0], text="coffee")
    assert rows_with(await cache.fresh(view, "t", "ada"), "tea") == [2, 3, 4]
    gone = await change(database, facts[1], known_to_ms=60)
    assert rows_with(await cache.fresh(view, "t", "ada"), "tea") == [3, 4]
    await change(database, gone, known_to_ms=None)
    assert rows_with(await cache.fresh(view, "t", "ada"), "tea") == [2, 3, 4]
    await change(database, facts[2], valid_to_ms=70)
    assert (await cache.fresh(view, "t", "ada"))["valid_to_ms"][2] == 70
    await database.commit(archival.plan_purge("t", "ada", "f3"))
    assert rows_with(await cache.fresh(view, "t", "ada"), "tea") == [2, 3]
    await database.commit(archival.plan_forget_scope("t", "ada"))
    assert len(await cache.fresh(view, "t", "ada")) == 0


async def test_two_caches_over_one_store_see_each_others_writes(database, view):
    one, other = IndexCache(), IndexCache()
    for number in range(5):
        await add(database, fact(number))
        assert len(await one.fresh(view, "t", "ada")) == len(await other.fresh(view, "t", "ada")) == number + 1


async def test_uncommitted_changes_are_shown_and_not_kept(database, view):
    cache = IndexCache()
    await add(database, fact(0))
    before = await cache.fresh(view, "t", "ada")
    over = View(database, archival.plan_add([fact(1)], Why()))
    assert len(await cache.fresh(over, "t", "ada")) == 2
    assert await cache.fresh(view, "t", "ada") is before
    await add(database, fact(2, "coffee"))
    assert rows_with(await cache.fresh(view, "t", "ada"), "tea") == [1], "another fact took the revision"


async def test_vectors_come_and_go_with_their_facts(database, view):
    cache, embedder = IndexCache(), embed.HashEmbedder(8)
    facts = [fact(number, f"word{number}") for number in range(3)]

    async def embed_all():
        batch = await next_batch(view, "t", "ada", embedder.name, after=None, limit=100)
        rows = await embedder.embed([one.text for one in batch.facts])
        await database.commit(plan_vectors("t", "ada", batch.facts, packed(rows), embedder.name))

    async def closest(text):
        index = await cache.fresh(view, "t", "ada", embedder=embedder.name)
        found = index.similarities((await embedder.embed([text]))[0])
        return None if found is None else [bool(value > 0.99) for value in found]

    await add(database, *facts)
    assert await closest("word1") is None
    await embed_all()
    assert await closest("word1") == [False, True, False]
    gone = await change(database, facts[1], known_to_ms=60)
    assert await closest("word1") == [False, False]
    await change(database, gone, known_to_ms=None)
    assert await closest("word1") == [False, True, False], "it comes back with the vector it had"
    await database.commit(plan_forget_vectors("t", "ada", ["f1"]).extend(archival.plan_purge("t", "ada", "f1")))
    assert await closest("word1") == [False, False]
    assert (await cache.fresh(view, "t", "ada")).dimensions is None


async def test_the_least_recently_used_index_goes_first_and_the_last_one_stays(database, view):
    await add(database, *(fact(number, "tea " * 50, scope="ada") for number in range(50)))
    for scope in ("bob", "cleo"):
        await add(database, *(Fact(tenant="t", id=f"{scope}{n}", scope=scope, text="tea " * 50) for n in range(50)))
    size = (await IndexCache().fresh(view, "t", "ada")).bytes
    cache = IndexCache(bytes_max=int(size * 2.5))
    ada = await cache.fresh(view, "t", "ada")
    await cache.fresh(view, "t", "bob")
    assert await cache.fresh(view, "t", "ada") is ada
    await cache.fresh(view, "t", "cleo")
    assert len(cache) == 2
    assert await cache.fresh(view, "t", "ada") is ada, "bob's was used longest ago"
    assert cache.bytes <= cache.bytes_max
    tiny = IndexCache(bytes_max=1)
    kept = await tiny.fresh(view, "t", "ada")
    assert await tiny.fresh(view, "t", "ada") is kept


async def test_rows_written_by_an_older_version_are_read_from_their_text(database, view):
    await add(database, fact(0, "Ada likes tea"))
    await database.commit(Changes().write("UPDATE fact SET terms = ?", b""))
    assert rows_with(await IndexCache().fresh(view, "t", "ada"), "tea") == [1]


async def test_what_was_believed_has_each_fact_once_in_its_place(database, view):
    one, two = fact(0, "tea", session="s"), fact(1, "coffee", session="s")
    await add(database, one, two)
    await change(database, one, now_ms=10, text="cocoa", valid_from_ms=5)
    then = await believed_at(view, "t", "ada", None, 9)
    now = await believed_at(view, "t", "ada", None, 10)
    assert [rows_with(index, word) for index in (then, now) for word in ("tea", "cocoa", "coffee")] == [
        *([1], [], [2]),
        *([], [1], [2]),
    ]
    assert then["previous"].tolist() == now["previous"].tolist() == [-1, 0]
    assert then["seq"].tolist() == [1, 2]
    assert (await believed_at(view, "t", "ada", 4, 10))["seq"].tolist() == [2]
