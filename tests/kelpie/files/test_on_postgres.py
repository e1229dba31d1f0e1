"""The room on a PostgreSQL server: its SQL means the same there."""

import pytest
from tests.kelpie.files.conftest import MIGRATIONS, Room

from kelpie.files import attached, files, folders
from kelpie.files.attached import Bounds, Wish
from umi.storage import Changes, Page


@pytest.fixture
async def on_postgres(postgres_server, host):
    import psycopg

    from umi.storage.postgres import PostgresDatabase

    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA files")
    url = postgres_server.url(options="&options=-csearch_path%3Dfiles,public")
    database = await PostgresDatabase.open(url, MIGRATIONS, host=host)
    yield Room(database, host)
    await host.close()
    await database.close()
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("DROP SCHEMA files CASCADE")


async def test_files_come_are_read_opened_found_and_go(on_postgres):
    room = on_postgres
    folder, other = await room.folder("sea", chunk_tokens=50), await room.folder("land")
    file = await room.read(folder, "a.txt", "the whale eats krill\n" * 400)
    small = await room.read(folder, "a.txt", "krill is red")
    await room.read(other, "b.txt", "the fox eats mice")
    assert (file.state, file.chunks, small.name) == ("ready", len(await room.chunks(folder)) - 1, "a_(1).txt")
    await room.attach("ada", folder, other, folder)
    bounds = Bounds(files_open=1, view_chars=100)
    for number, name in enumerate(("sea/a.txt", "land/b.txt")):
        wish = Wish(await attached.by_path(room.view, "t", "ada", name))
        plan = await attached.plan_open(room.view, "t", "ada", [wish], bounds, number)
        assert plan.closed == ["sea/a.txt"] * number
        await room.database.commit(plan.changes)
    first, second = await attached.directories(room.view, "t", "ada")
    assert ([one.is_open for one in (*first.files, *second.files)], first.total) == ([False, False, True], 2)
    held = await attached.list_files(room.view, "t", "ada", Page(), is_open=True)
    assert [one.path for one in held] == ["land/b.txt"]
    await room.database.commit(await a_query_of_agents(room))
    (best, *_) = await room.archive.recall(room.view, "t", folder.scope, "what is red?")
    assert best.fact.text == "krill is red"
    assert sorted(await files.sizes(room.view, "t"), key=lambda one: one.files)[1].bytes == file.bytes + small.bytes
    await room.database.commit(files.plan_delete(file, folder))
    assert [one.text for one in await room.chunks(folder)] == ["krill is red"]
    for one in (folder, other):
        await room.database.commit(folders.plan_delete(one))
    tables = ("folder", "file", "file_content", "file_text", "agent_folder", "agent_file", "fact", "outbox")
    assert [await room.count(table) for table in tables] == [0] * len(tables)


async def a_query_of_agents(room):
    """What a step asks beside the agent's row."""
    changes = Changes().write("INSERT INTO agent VALUES ('t', 'ada')").write("INSERT INTO agent VALUES ('t', 'ben')")
    view = room.database.view(changes)
    rows = await view.fetch(f"SELECT id, {attached.HAS_FOLDERS} FROM agent ORDER BY id")
    assert [(name, bool(has)) for name, has in rows] == [("ada", True), ("ben", False)]
    return changes
