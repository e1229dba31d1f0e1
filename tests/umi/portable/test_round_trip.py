"""Export and import: every row of a scope comes back, whoever writes meanwhile, however often it is imported."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umi import limits
from umi.archival import Why
from umi.dst import Host, ManualClock, Rng
from umi.errors import Conflict, InvalidInput, StoreFull
from umi.portable import dump, dump_to_file
from umi.portable.restoring import Imported
from umi.storage import SqliteDatabase
from umi.storage.postgres import PostgresDatabase

from .conftest import MIGRATIONS, Scope, fill


async def test_every_row_of_a_scope_comes_back(ada, elsewhere):
    await fill(ada)
    imported = await elsewhere.take(await ada.dumped())
    before, after = await ada.rows(), await elsewhere.rows()
    assert all(before.values()), "something of everything is in it"
    assert after == before
    assert imported == Imported(entities=3, facts=4, past=5, blocks=2, working=3, scopes=["ada"])


async def test_what_was_imported_is_exported_as_the_same_lines(ada, elsewhere):
    await fill(ada)
    lines = await ada.dumped()
    await elsewhere.take(lines)
    assert (await elsewhere.dumped())[1:] == lines[1:]


async def test_importing_twice_adds_nothing(ada, elsewhere):
    await fill(ada)
    lines = await ada.dumped()
    await elsewhere.take(lines)
    before = await elsewhere.rows()
    assert await elsewhere.take(lines) == Imported(known=4, scopes=["ada"])
    assert await elsewhere.rows() == before


async def test_what_is_here_already_stays_as_it_is(ada, elsewhere):
    works, *_ = await fill(ada)
    lines = await ada.dumped()
    await elsewhere.take(lines)
    await elsewhere.change(works, Why(action="update"), text="Bob worked at Acme once.")
    await elsewhere.core.set_block("persona", "another")
    await elsewhere.working.set("count", "8", 60_000)
    before = await elsewhere.rows()
    await elsewhere.take(lines)
    assert await elsewhere.rows() == before


async def test_a_copy_in_the_same_database_has_its_own_ids_and_keeps_its_references(ada):
    _works, _moved, *_ = await fill(ada)
    before = await ada.rows()
    copy = ada.of("copy")
    await copy.take(await ada.dumped())
    assert await ada.rows() == before
    rows = await copy.rows()
    assert [row[3] for row in rows["facts"]] == [row[3] for row in before["facts"]]
    ids = {row[3]: row[1] for row in rows["facts"]}
    assert not set(ids.values()) & {row[1] for row in before["facts"]}
    claims = msgspec.json.decode(rows["facts"][0][10])
    assert claims[0]["ended_by"] == ids["Bob works at Globex."]
    assert rows["evolutions"][0][:2] == (ids["Bob works at Acme."], ids["Bob works at Globex."])
    assert {row[1] for row in rows["mentions"]} <= set(ids.values())


async def test_a_copy_in_the_same_database_is_made_once(ada):
    await fill(ada)
    copy = ada.of("copy")
    lines = await ada.dumped()
    await copy.take(lines)
    before = await copy.rows()
    assert (await copy.take(lines)).facts == 0
    assert await copy.rows() == before


async def test_an_export_shows_one_state_however_many_write_meanwhile(ada, monkeypatch):
    monkeypatch.setattr("umi.portable.dumping._FACTS_PER_PAGE", 1)
    works, _moved, gone, dead = await fill(ada)
    whole = await ada.dumped()
    seen = []
    async for line in dump(ada.database, ada.host, "default", "ada"):
        seen.append(line)
        if msgspec.json.decode(line)["kind"] == "entity" and len(seen) == 2:
            await ada.add("Later news.", mentions=["Eve"])
            await ada.change(works, Why(action="update"), text="changed once")
            await ada.change(works, Why(action="update"), text="changed twice")
            await ada.forget(gone)
            await ada.change(dead, Why(action="undo"), known_to_ms=None)
    assert [line for line in seen if b'"kind":"fact"' in line] == [line for line in whole if b'"kind":"fact"' in line]
    assert [line for line in seen if b'"kind":"past"' in line] == [line for line in whole if b'"kind":"past"' in line]


async def test_an_export_from_which_a_fact_was_purged_is_no_export(ada):
    works, *_ = await fill(ada)
    lines = dump(ada.database, ada.host, "default", "ada")
    await anext(lines)
    await ada.forget(works, hard=True)
    with pytest.raises(Conflict, match="export it again"):
        [line async for line in lines]


async def test_expired_entries_of_working_memory_are_left_behind(ada, elsewhere):
    await fill(ada)
    lines = await ada.dumped()
    ada.host.clock.advance(61_000)
    assert (await elsewhere.take(lines)).working == 0
    assert [line for line in await ada.dumped() if b'"working"' in line and b'"key"' in line] == []


async def test_an_import_that_was_cut_off_is_completed_by_the_next(ada, elsewhere, monkeypatch):
    monkeypatch.setattr(limits, "PORTABLE_BATCH_LINES", 2)
    await fill(ada)
    lines = await ada.dumped()
    commit, count = elsewhere.database.commit, 0

    async def failing(changes):
        nonlocal count
        count += 1
        if count == 4:
            raise StoreFull("the disk is full")
        return await commit(changes)

    monkeypatch.setattr(elsewhere.database, "commit", failing)
    with pytest.raises(StoreFull):
        await elsewhere.take(lines)
    assert (await elsewhere.rows())["facts"] != (await ada.rows())["facts"]
    await elsewhere.take(lines)
    assert await elsewhere.rows() == await ada.rows()


async def test_a_working_memory_without_room_refuses_the_import(ada, elsewhere):
    await ada.working.set("big", "x" * 60_000, 60_000)
    for number in range(17):
        await elsewhere.working.set(f"k{number}", "y" * 60_000, 60_000)
    with pytest.raises(Conflict, match="no room"):
        await elsewhere.take(await ada.dumped())


async def test_a_file_is_there_whole_or_not_at_all(ada, elsewhere, tmp_path):
    await fill(ada)
    path = tmp_path / "ada.jsonl"
    ended = await dump_to_file(ada.database, ada.host, "default", "ada", str(path))
    assert ended.facts == 4
    assert [entry.name for entry in tmp_path.iterdir() if "part" in entry.name] == []
    await elsewhere.take_file(path)
    assert await elsewhere.rows() == await ada.rows()
    with pytest.raises(InvalidInput, match="can't be written"):
        await dump_to_file(ada.database, ada.host, "default", "ada", str(tmp_path / "no" / "folder"))


async def test_a_file_says_its_scope_where_that_is_asked_for(ada, elsewhere, tmp_path):
    await fill(ada)
    path = tmp_path / "ada.jsonl"
    await dump_to_file(ada.database, ada.host, "default", "ada", str(path))
    imported = await elsewhere.of("other").take_file(path, each_scope=True)
    assert imported.scopes == ["ada"]
    assert await elsewhere.rows() == await ada.rows()


async def test_postgresql_takes_what_sqlite_gives_and_gives_it_back(ada, postgres_url, host):
    await fill(ada)
    database = await PostgresDatabase.open(postgres_url, MIGRATIONS, host=host)
    try:
        other = Scope(database, host)
        lines = await ada.dumped()
        await other.take(lines)
        assert await other.rows() == await ada.rows()
        assert (await other.dumped())[1:] == lines[1:]
        assert (await other.take(lines)).facts == 0
        assert (await other.of("copy").take(lines)).facts == 4
    finally:
        await database.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "change", "forget", "restore", "block", "entry"]),
        st.integers(0, 9),
        st.text("aä\n", max_size=5),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happened_to_a_scope_comes_back(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    host = Host(ManualClock(), Rng("steps"))
    first = await SqliteDatabase.open(str(folder / "a.db"), MIGRATIONS, host=host)
    second = await SqliteDatabase.open(str(folder / "b.db"), MIGRATIONS, host=host)
    try:
        scope, facts = Scope(first, host), []
        for what, number, text in steps:
            host.clock.advance(number)
            if what == "add":
                facts.append(await scope.add(f"fact {text}", mentions=[f"N{number}"]))
            elif what == "block":
                await scope.core.set_block("facts", text)
            elif what == "entry":
                await scope.working.set(f"k{number}", text, 60_000)
            elif facts:
                fact = facts[number % len(facts)]
                fields = {
                    "change": {"text": f"now {text}"},
                    "forget": {"known_to_ms": 1},
                    "restore": {"known_to_ms": None},
                }
                await scope.change(fact, Why(action="update"), **fields[what])
        other = Scope(second, host)
        await other.take(await scope.dumped())
        assert await other.rows() == await scope.rows()
    finally:
        await first.close()
        await second.close()
