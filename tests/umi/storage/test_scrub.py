"""Hard deletion: after a commit with `scrub`, no byte of what was deleted is left."""

import asyncio
import os
from pathlib import Path

import apsw
import pytest

from umi.dst import Rng
from umi.errors import StoreError, StoreInUse
from umi.storage import Changes, Migration, SqliteDatabase, View
from umi.storage.simulated import SimulatedDatabase

TEXTS = [
    Migration(
        "texts",
        1,
        """
        CREATE TABLE note (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL) STRICT;
        CREATE INDEX note_text ON note (text, id);
        CREATE TABLE past (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, text TEXT NOT NULL) STRICT;
        CREATE TABLE word (word TEXT, id TEXT, PRIMARY KEY (word, id)) STRICT, WITHOUT ROWID;
        """,
    )
]
SECRET = "Geheimnis"
KEPT = "Notizbuch"


def history(seed):
    """Commits that make notes short and long, change and delete them: rows move between pages, and leave bytes."""
    rng = Rng(seed)
    living = []
    for n in range(400):
        if living and rng.randint(0, 9) < 3:
            name, text = living.pop(rng.randint(0, len(living) - 1))
            yield delete(name)
            if rng.randint(0, 1):
                text = text[: len(SECRET) + 5] + "y" * rng.randint(0, 3000)
                yield insert(name, text).write("INSERT INTO past (id, text) VALUES (?, ?)", name, text)
                living.append((name, text))
            continue
        name = f"id-{n:04}"
        text = (SECRET if n % 3 else KEPT) + f"{n:05}" + "x" * [3, 40, 300, 1500, 9000][rng.randint(0, 4)]
        yield insert(name, text)
        living.append((name, text))


def insert(name, text):
    return (
        Changes()
        .write("INSERT INTO note (id, text) VALUES (?, ?)", name, text)
        .write("INSERT INTO word VALUES (?, ?)", text[:200], name)
    )


def delete(name):
    changes = Changes()
    for table in ("note", "past", "word"):
        changes.write(f"DELETE FROM {table} WHERE id = ?", name)
    return changes


def forget():
    """Delete every note with the secret. The hard way is said by `scrub`."""
    changes = Changes()
    for table, column in (("note", "text"), ("past", "text"), ("word", "word")):
        changes.write(f"DELETE FROM {table} WHERE {column} >= ? AND {column} < ?", SECRET, SECRET[:-1] + "t")
    return changes


def found(files, text):
    return {name: count for name, content in files.items() if (count := bytes(content).count(text.encode()))}


def beside(path):
    folder = os.path.dirname(path)
    return {name: Path(folder, name).read_bytes() for name in os.listdir(folder)}


async def filled(database, seed):
    """A few at once: each commit is synced, which shows nothing here and takes long."""
    steps = list(history(seed))
    for start in range(0, len(steps), 20):
        merged = Changes()
        for changes in steps[start : start + 20]:
            merged.extend(changes)
        await database.commit(merged)
    return database


@pytest.mark.parametrize("shared", [False, True])
async def test_no_byte_of_what_was_deleted_is_in_file_index_or_log(path, shared):
    database = await filled(await SqliteDatabase.open(path, TEXTS, shared=shared), "notes")
    await database.commit(forget())
    assert found(beside(path), SECRET), "nothing was left behind by an ordinary deletion: the test shows nothing"
    await database.commit(Changes(scrub=True))
    assert found(beside(path), SECRET) == {}
    assert found(beside(path), KEPT)
    before = await View(database).fetch("SELECT id, text FROM note ORDER BY seq")
    await database.close()
    assert found(beside(path), SECRET) == {}
    database = await SqliteDatabase.open(path, TEXTS)
    assert await View(database).fetch("SELECT id, text FROM note ORDER BY seq") == before
    await database.close()


def test_overwriting_where_it_stood_would_not_be_enough(path):
    """What secure_delete leaves behind is why all of the file is written anew."""
    connection = apsw.Connection(path)
    for statement in ("PRAGMA secure_delete=ON", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=OFF", TEXTS[0].sql):
        connection.execute(statement).fetchall()
    left = 0
    for seed in range(20):
        for changes in [*history(seed), forget()]:
            for write in changes.writes:
                connection.execute(write.sql, write.params)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        left += sum(found(beside(path), SECRET).values())
        connection.execute("DELETE FROM note; DELETE FROM word; DELETE FROM past")
        if left:
            break
    assert left
    connection.execute("VACUUM")
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    assert found(beside(path), SECRET) == {}
    connection.close()


async def test_a_commit_deletes_and_scrubs_in_one_and_others_at_once_share_it(path):
    ran = []
    database = await filled(await SqliteDatabase.open(path, TEXTS), 3)
    hard = forget().after(lambda: ran.append("hook"))
    hard.extend(Changes(scrub=True))
    refused = Changes(scrub=True).guard("none", "DELETE FROM note WHERE id = 'nobody'")
    outcomes = await asyncio.gather(
        database.commit(insert("new", KEPT)), database.commit(hard), database.commit(refused), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["list", "list", "GuardFailed"]
    assert ran == ["hook"]
    assert found(beside(path), SECRET) == {}
    assert await View(database).one("SELECT text FROM note WHERE id = 'new'") == (KEPT,)
    await database.close()


async def test_a_scrub_that_cannot_be_done_is_told_and_can_be_repeated(path, monkeypatch):
    monkeypatch.setattr("umi.limits.STORE_SHARED_WAIT_MS_MAX", 30)
    ran = []
    database = await filled(await SqliteDatabase.open(path, TEXTS, shared=True), 4)
    reader = apsw.Connection(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM note").fetchall()
    hard = forget().after(lambda: ran.append("hook"))
    hard.scrub = True
    with pytest.raises(StoreInUse):
        await database.commit(hard)
    assert ran == ["hook"]  # it is durable all the same
    assert await View(database).fetch("SELECT 1 FROM note WHERE text LIKE ?", f"{SECRET}%") == []
    assert found(beside(path), SECRET)  # the reader still sees it
    reader.close()
    await database.commit(Changes(scrub=True))
    assert found(beside(path), SECRET) == {}
    await database.close()


async def test_on_a_simulated_disk_nothing_is_left_either(host):
    database = await filled(SimulatedDatabase("seed", TEXTS, host=host), 5)
    files = lambda: {name: file.data for name, file in database._disk.files.by_name.items()}  # noqa: E731
    await database.commit(forget())
    assert found(files(), SECRET)
    await database.commit(Changes(scrub=True))
    assert found(files(), SECRET) == {}
    assert found(files(), KEPT)
    database.crash()
    await database.read([("SELECT 1", ())])
    assert found(files(), SECRET) == {}
    await database.close()


async def test_whatever_the_disk_does_a_scrub_is_done_or_told_and_nothing_else_is_lost(host):
    fired = 0
    for n in range(60):
        database = SimulatedDatabase(n, TEXTS, host=host)
        for name in ("a", "b"):
            await database.commit(insert(name, f"{SECRET if name == 'a' else KEPT} {name} {'x' * 5000}"))
        kind = ("disk.write_error", "disk.sync_error", "disk.full", "disk.read_error", "disk.out_of_memory")[n % 5]
        database.faults.plan(kind, after=n // 5)
        try:
            hard = delete("a")
            hard.scrub = True
            await database.commit(hard)
            is_done = True
        except StoreError:
            is_done = False
        fired += database.faults.fired[kind]
        if not is_done:
            await database.commit(delete("a").extend(Changes(scrub=True)))
        files = {name: file.data for name, file in database._disk.files.by_name.items()}
        assert found(files, SECRET) == {}
        assert await View(database).fetch("SELECT id FROM note") == [("b",)]
        await database.close()
    assert fired > 20


async def test_on_postgresql_the_files_of_the_tables_hold_nothing_of_it(postgres_server, postgres_url):
    """After the server's next checkpoint. Its log and its backups are the operator's: see docs/storage.md."""
    import psycopg

    from umi.storage.postgres import PostgresDatabase

    database = await filled(await PostgresDatabase.open(postgres_url, TEXTS), 6)

    def files():
        with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        base = os.path.join(postgres_server.folder, "data", "base")
        paths = [os.path.join(folder, name) for folder, _, names in os.walk(base) for name in names]
        return {path: Path(path).read_bytes() for path in paths}

    await database.commit(forget())
    assert found(files(), SECRET)
    await database.commit(Changes(scrub=True))
    assert found(files(), SECRET) == {}
    assert found(files(), KEPT)
    assert (await View(database).fetch("SELECT count(*) FROM note"))[0][0] > 20
    await database.close()
