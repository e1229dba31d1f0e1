"""Facts in pages: of one scope or several, by tag and by when they became true."""

import pytest

from umi import archival, memory
from umi.dst import Host, ManualClock, Rng
from umi.memory import Archive, Draft
from umi.storage import Page, SqliteDatabase


@pytest.fixture
async def archive(tmp_path):
    host = Host(ManualClock(1_770_000_000_000), Rng(1))
    database = await SqliteDatabase.open(str(tmp_path / "facts.db"), memory.MIGRATIONS, host=host)
    yield Archive(database, host)
    await database.close()


async def put(archive, scope, text, tenant="t", **fields):
    facts = [one.fact for one in archive.stated(tenant, scope, [Draft(text=text, **fields)])]
    await archive.database.commit(archival.plan_add(facts, archive.why("add")))


async def listed(archive, scope, **wanted):
    return [fact.text for fact in await archival.list_facts(archive.view, "t", scope, Page(), **wanted)]


async def test_facts_of_several_scopes_are_one_list_by_age(archive):
    for scope, text in (("a", "one"), ("b", "two"), ("c", "three"), ("a", "four")):
        await put(archive, scope, text)
    await put(archive, "a", "of nobody here", tenant="other")
    assert await listed(archive, ["a", "b"]) == ["one", "two", "four"]
    assert await listed(archive, "c") == ["three"]
    assert await listed(archive, []) == []


async def test_facts_are_listed_by_tag_and_time(archive):
    await put(archive, "a", "old", tags=["x"], event_time="2020-01-01")
    await put(archive, "a", "new", tags=["x", "y"], event_time="2026-01-01")
    new_ms = 1_767_225_600_000
    assert await listed(archive, "a", tags=["x"]) == ["old", "new"]
    assert await listed(archive, "a", tags=["x", "y"], match_all_tags=True) == ["new"]
    assert await listed(archive, "a", tags=["x", "z"], match_all_tags=True) == []
    assert await listed(archive, "a", tags=["z"]) == []
    assert await listed(archive, "a", since_ms=new_ms) == ["new"]
    assert await listed(archive, "a", until_ms=new_ms - 1) == ["old"]


async def test_a_scope_is_filled_while_something_is_known_in_it(archive):
    await put(archive, "a", "one")
    await put(archive, "b", "two")
    await archive.forget("t", "b", [(await archival.list_facts(archive.view, "t", "b", Page()))[0].id])
    scopes = ["b", "nothing", "a", *(f"scope-{number}" for number in range(600))]
    assert await archival.filled(archive.view, "t", scopes) == ["a"]
    assert await archival.filled(archive.view, "other", scopes) == []
