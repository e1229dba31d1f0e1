"""A session that is forgotten for good leaves what each of its facts leaves that is forgotten hard: nothing."""

import pytest

from umi import archival, embed
from umi.dst import Host, ManualClock, Rng
from umi.embed import HashEmbedder
from umi.memory import MIGRATIONS, Archive, Draft
from umi.storage import SqliteDatabase

TABLES = ("fact", "fact_past", "claim", "mention", "evolution", "fact_vector", "entity")
AT = ("t", "ada")


async def filled(path):
    """The archive of a scope in which two sessions named the same things; "gone" also changed its mind."""
    host = Host(ManualClock(1_770_000_000_000), Rng(1))
    archive = Archive(await SqliteDatabase.open(path, MIGRATIONS, host=host), host, embedder=HashEmbedder(32))
    told = (
        ("stays", "Ada Lovelace lives in London."),
        ("gone", "Ada Lovelace works at Initech with Bob Smith."),
        ("gone", "Bob Smith likes tea."),
        ("stays", "Ada Lovelace likes chess."),
    )
    for session, text in told:
        done = await archive.remember(*AT, [Draft(text=text, session=session)])
    for city in ("Rome", "Oslo"):
        host.clock.advance(1_000)
        await archive.add(*AT, [Draft(subject="Bob Smith", attribute="city", value=city, session="gone")])
    await archive.update(*AT, done.facts[0].id, {"importance": 0.9})
    await archive.behind.drain()
    return archive


async def left(archive):
    """Every row of every table, without what numbers and versions say."""
    rows = {}
    for table in TABLES:
        found = await archive.view.fetch(f"SELECT * FROM {table}")
        rows[table] = len(found)
    entities = await archive.view.fetch("SELECT name, attributes, summary, importance FROM entity ORDER BY name")
    facts = await archive.view.fetch("SELECT text, session FROM fact ORDER BY text")
    return rows, entities, facts


@pytest.fixture
async def archives(tmp_path):
    made = [await filled(str(tmp_path / name)) for name in ("one.db", "two.db")]
    yield made
    for archive in made:
        await archive.close()
        await archive.host.close()
        await archive.database.close()


async def test_a_session_is_forgotten_as_its_facts_are_one_by_one(archives):
    as_session, one_by_one = archives
    before = await left(as_session)
    assert before == await left(one_by_one)
    assert all(before[0].values()), before[0]  # of everything there was something
    assert await as_session.recall(as_session.view, *AT, "who likes tea?")
    changes = embed.plan_forget_session(*AT, "gone").extend(archival.plan_forget_session(*AT, "gone"))
    await as_session.database.commit(changes)
    rows = await one_by_one.view.fetch("SELECT id FROM fact WHERE session = 'gone'")
    await one_by_one.forget(*AT, [row[0] for row in rows], hard=True)
    after = await left(as_session)
    assert after == await left(one_by_one)
    assert {session for _, session in after[2]} == {"stays"}
    assert "Bob Smith" not in [name for name, *_ in after[1]]
    found = await as_session.recall(as_session.view, *AT, "who likes tea?")
    assert all(one.fact.session == "stays" for one in found)


async def test_other_scopes_and_tenants_keep_theirs(archives):
    archive, _ = archives
    for tenant, scope in (("t", "ben"), ("u", "ada")):
        await archive.remember(tenant, scope, [Draft(text="Ben likes tea.", session="gone")])
    await archive.database.commit(archival.plan_forget_session(*AT, "gone"))
    rows = await archive.view.fetch("SELECT tenant, scope FROM fact WHERE session = 'gone' ORDER BY tenant")
    assert rows == [("t", "ben"), ("u", "ada")]
