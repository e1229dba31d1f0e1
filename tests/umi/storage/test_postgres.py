"""PostgreSQL alone: several processes on one schema, and what a server can do to us."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
from tests.umi.postgres_server import serving

from umi.dst import Host
from umi.errors import (
    CommitUnknown,
    Conflict,
    GuardFailed,
    InvalidInput,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreInUse,
    StoreReadOnly,
)
from umi.storage import Changes, Migration, View
from umi.storage.postgres import PostgresDatabase

from .conftest import ALL, ITEMS, SCHEMA, VALUES, put, raise_from


@pytest.fixture(scope="module")
def postgres_server(needs):
    """This file's own, since it is stopped here: other tests keep their connections."""
    with serving(needs) as server:
        yield server


@pytest.fixture
async def reopen(postgres_url):
    opened = []

    async def open_one(migrations=SCHEMA, **options):
        opened.append(await PostgresDatabase.open(postgres_url, migrations, **options))
        return opened[-1]

    yield open_one
    for database in opened:
        await database.close()


@pytest.fixture
async def several(reopen):
    """As many openings as there could be processes: each with connections of its own."""
    return [await reopen() for _ in range(4)]


@pytest.fixture
async def database(several):
    return several[0]


@pytest.fixture
def other(postgres_url):
    """A connection that is none of ours."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def fetch(database, sql, *params):
    return View(database).fetch(sql, *params)


def on_commit(other, table, body):
    """Have the server run `body` in the COMMIT of whoever wrote `table`."""
    other.execute(f"CREATE FUNCTION disturb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")
    other.execute(
        f"CREATE CONSTRAINT TRIGGER disturbing AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION disturb()"
    )


# --- several processes ------------------------------------------------------------------------------------------------


async def test_writers_of_several_processes_lose_no_update(several):
    await several[0].commit(put("n"))

    async def add(database):
        while True:
            ((value,),) = await fetch(database, "SELECT value FROM item WHERE key = 'n'")
            try:
                return await database.commit(raise_from("n", value))
            except GuardFailed:
                continue

    await asyncio.gather(*(add(database) for database in several for _ in range(8)))
    assert await fetch(several[0], ALL) == [("n", 32)]


async def test_what_is_absent_is_created_once_by_all_processes_together(several):
    absent = "INSERT INTO item SELECT 't', ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM item WHERE value = ?2) RETURNING key"
    following = "INSERT INTO item SELECT 't', ?, coalesce(max(value), -1) + 1 FROM item"
    for value in range(10_000, 10_005):
        made = await asyncio.gather(
            *(database.commit(Changes().write(absent, f"{value}-{n}", value)) for n, database in enumerate(several))
        )
        assert sorted(len(rows) for rows in made) == [0, 0, 0, 1]
    await several[0].commit(Changes().write("DELETE FROM item"))
    await asyncio.gather(
        *(several[n % 4].commit(Changes().write(following, f"{n}")) for n in range(40))  # no unique key stands by it
    )
    assert sorted(value for _, value in await fetch(several[0], ALL)) == list(range(40))


async def test_a_guard_that_only_reads_holds_until_the_commit(several):
    """The fence of an actor: whoever took over before us stops us, whatever rows the two of us write."""
    await several[0].commit(Changes().write("INSERT INTO counter VALUES ('epoch', 0)"))
    written = []

    async def take_over(database):
        for n in range(12):
            await database.commit(Changes().write("UPDATE counter SET value = value + 1 WHERE name = 'epoch'"))
            for _ in iter(lambda n=n: len(written) >= 4 * n, True):
                await asyncio.sleep(0)

    async def write(database):
        for _ in range(30):
            ((epoch,),) = await fetch(database, "SELECT value FROM counter WHERE name = 'epoch'")
            changes = (
                Changes()
                .guard("fence", "SELECT 1 FROM counter WHERE name = 'epoch' AND value = ?", epoch)
                .write("INSERT INTO kept (whole) VALUES (?)", epoch)
                .write("INSERT INTO kept (whole) SELECT value FROM counter WHERE name = 'epoch'")
            )
            try:
                await database.commit(changes)
                written.append(epoch)
            except GuardFailed:
                written.append(None)

    await asyncio.gather(take_over(several[0]), *(write(database) for database in several[1:]))
    epochs = [row[0] for row in await fetch(several[0], "SELECT whole FROM kept ORDER BY seq")]
    assert epochs[::2] == epochs[1::2]  # nobody took over between a guard and the rest of its commit
    assert epochs == sorted(epochs)
    assert len({*written}) > 4, "the writers were never disturbed: the test shows nothing"


async def test_who_reads_on_from_the_last_number_misses_no_row(several):
    """A number is visible before any higher one is."""
    seen = []

    async def follow():
        last = 0
        while len(seen) < 160:
            rows = await fetch(several[0], "SELECT seq, whole FROM kept WHERE seq > ? ORDER BY seq", last)
            seen.extend(whole for _, whole in rows)
            last = rows[-1][0] if rows else last

    async def write(database, start):
        for n in range(40):
            await database.commit(Changes().write("INSERT INTO kept (whole) VALUES (?)", start + n))

    await asyncio.gather(follow(), *(write(database, n * 40) for n, database in enumerate(several)))
    assert sorted(seen) == list(range(160))


async def test_opened_by_several_at_once_a_schema_is_made_once(reopen):
    several = await asyncio.gather(*(reopen() for _ in range(5)))
    assert await fetch(several[0], "SELECT room, number FROM room_schema ORDER BY room") == [
        ("items", 1),
        ("values", 1),
    ]
    for n, database in enumerate(several):
        await database.commit(put(f"{n}"))
    assert len(await fetch(several[0], ALL)) == 5


PROCESS = """
    import asyncio, sys
    from umi.storage import Changes, Migration
    from umi.storage.postgres import PostgresDatabase

    ADD = "INSERT INTO total VALUES ('all', 1) ON CONFLICT (name) DO UPDATE SET value = total.value + 1 RETURNING value"

    async def main(url, name):
        tables = "CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
        tables += "CREATE TABLE line (seq INTEGER PRIMARY KEY, who TEXT NOT NULL, n INTEGER NOT NULL) STRICT"
        database = await PostgresDatabase.open(url, [Migration("counting", 1, tables)])
        async def add(n):
            changes = Changes().write(ADD).write("INSERT INTO line (who, n) VALUES (?, ?)", name, n)
            return (await database.commit(changes))[0][0]
        print(*sorted(await asyncio.gather(*(add(n) for n in range(100)))))
        await database.close()

    asyncio.run(main(*sys.argv[1:]))
"""


def test_four_processes_that_write_at_once_lose_nothing(postgres_url, other):
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), postgres_url]
    running = [subprocess.Popen([*command, f"p{n}"], stdout=subprocess.PIPE, text=True) for n in range(4)]
    numbers = [int(number) for process in running for number in process.communicate()[0].split()]
    assert [process.returncode for process in running] == [0] * 4
    assert sorted(numbers) == list(range(1, 401))
    assert other.execute("SELECT value FROM total").fetchall() == [(400,)]
    assert other.execute("SELECT who, count(DISTINCT n) FROM line GROUP BY who ORDER BY who").fetchall() == [
        (f"p{n}", 100) for n in range(4)
    ]


# --- a server that fails ----------------------------------------------------------------------------------------------


async def test_a_server_that_was_restarted_is_found_again(postgres_server, several):
    await several[0].commit(put("a"))
    await fetch(several[1], ALL)
    postgres_server.stop()
    with pytest.raises(StoreError, match="can't be reached"):
        await fetch(several[1], ALL)
    with pytest.raises(StoreError):
        await several[0].commit(put("b"))
    postgres_server.start()
    assert await fetch(several[1], ALL) == [("a", 0)]
    await several[0].commit(put("b"))
    assert await View(several[0], put("c")).fetch(ALL) == [("a", 0), ("b", 0), ("c", 0)]


async def test_a_crash_of_the_server_loses_no_acknowledged_commit(postgres_server, database):
    await database.commit(put("a"))
    postgres_server.stop(signal.SIGQUIT)
    postgres_server.start()
    await database.commit(put("b"))
    assert await fetch(database, ALL) == [("a", 0), ("b", 0)]


async def test_a_connection_that_breaks_before_the_commit_wrote_nothing(database, other):
    killing = put("b").write("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(StoreError) as raised:
        await database.commit(killing)
    assert not isinstance(raised.value, CommitUnknown)
    await database.commit(put("a"))
    assert await fetch(database, ALL) == [("a", 0)]


async def test_a_commit_that_breaks_off_is_unknown_until_it_is_looked_at(reopen, other):
    """The server goes on with a COMMIT whose client is gone. What is read then has to be what came of it."""
    database = await reopen([VALUES])
    ran = []
    on_commit(other, "kept", "PERFORM pg_sleep(0.4);")

    async def cut():
        asked = "SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'"
        for _ in iter(lambda: other.execute(asked).fetchone(), (1,)):
            await asyncio.sleep(0)
        with socket.socket(fileno=os.dup(database._writer._connection.fileno())) as link:
            link.shutdown(socket.SHUT_RDWR)

    cutting = asyncio.ensure_future(cut())
    insert = "INSERT INTO kept (whole) VALUES (7)"
    with pytest.raises(CommitUnknown, match="reload before going on"):
        await database.commit(Changes().write(insert).after(lambda: ran.append("hook")))
    await cutting
    assert other.execute("SELECT whole FROM kept").fetchall() == []  # it is still going on
    assert await fetch(database, "SELECT whole FROM kept") == [(7,)]
    assert ran == []
    assert database._writer.in_doubt is False


async def test_a_commit_that_the_server_ended_is_unknown_and_then_not_there(reopen, other):
    database = await reopen([VALUES])
    on_commit(other, "kept", "PERFORM pg_terminate_backend(pg_backend_pid());")
    inserts = [Changes().write("INSERT INTO kept (whole) VALUES (?)", n) for n in range(2)]
    outcomes = await asyncio.gather(*(database.commit(one) for one in inserts), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [CommitUnknown] * 2
    assert await fetch(database, "SELECT whole FROM kept") == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("53100", StoreFull),
        ("42501", StoreReadOnly),
        ("25006", StoreReadOnly),
        ("XX001", StoreCorrupt),
        ("53200", StoreError),
    ],
)
async def test_what_the_server_says_is_said_in_our_words(database, other, code, error):
    await database.commit(put("a"))
    raising = f"RAISE EXCEPTION 'no more' USING ERRCODE = '{code}'"
    other.execute(f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raising}; END $$")
    other.execute("CREATE TRIGGER failing BEFORE INSERT ON kept EXECUTE FUNCTION fail()")
    failing = Changes().write("INSERT INTO kept (whole) VALUES (1)")
    outcomes = await asyncio.gather(  # an error of the machine: nobody in the group is judged after it
        database.commit(put("b")), database.commit(failing), database.commit(put("c")), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes if outcome != []] in ([error] * 3, [error] * 2)
    with pytest.raises(error):
        await database.commit(failing)
    with pytest.raises(error, match=f"{re.escape(database.path)}"):
        await View(database, failing).fetch(ALL)
    other.execute("DROP TRIGGER failing ON kept")
    await database.commit(failing)


async def test_a_commit_that_others_got_in_the_way_of_is_tried_again(database, other):
    """A deadlock can come of programs that don't know our lock."""
    other.execute("CREATE SEQUENCE times")  # what is drawn from it stays drawn
    failing = "IF nextval('times') < 3 THEN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END IF;"
    on_commit(other, "item", failing)
    assert await database.commit(put("a")) == []
    assert other.execute("SELECT last_value FROM times").fetchall() == [(3,)]
    other.execute("SELECT setval('times', 1); ")
    other.execute("ALTER SEQUENCE times INCREMENT BY -1 MINVALUE -100")
    with pytest.raises(StoreError, match="kept getting in the way"):
        await database.commit(put("b"))
    assert await fetch(database, ALL) == [("a", 0)]


async def test_a_process_that_stopped_in_the_middle_of_a_commit_is_ended_by_who_waits_for_it(reopen, monkeypatch):
    stopped = await reopen()
    monkeypatch.setattr("umi.limits.POSTGRES_LOCK_WAIT_MS_MAX", 50)
    patient = await reopen()
    monkeypatch.setattr("umi.limits.POSTGRES_STUCK_MS", 0)
    waiting = await reopen()
    writer = stopped._writer
    await writer._send([*writer._begin, ("INSERT INTO item VALUES ('t', 'a', 1)", [])])  # and no more comes
    with pytest.raises(StoreInUse):
        await patient.commit(put("b"))
    with pytest.raises(StoreInUse):
        await View(patient, put("b")).fetch(ALL)
    assert await View(waiting, put("c")).fetch(ALL) == [("c", 0)]
    await patient.commit(put("b"))
    await stopped.commit(put("d"))  # and the one that was stopped goes on, when it can
    assert await fetch(stopped, ALL) == [("b", 0), ("d", 0)]


async def test_readers_wait_for_no_writer(several):
    await several[0].commit(put("a"))
    writer = several[1]._writer
    await writer._send([*writer._begin, ("INSERT INTO item VALUES ('t', 'b', 1)", [])])
    assert await several[0].read([(ALL, ()), (ALL, ())]) == [[("a", 0)]] * 2
    await writer._send([("ROLLBACK", [])])


async def test_a_host_that_closes_leaves_nobody_waiting(reopen):
    host = Host()
    database = await reopen(host=host)
    writing = [asyncio.ensure_future(database.commit(put(f"{n}"))) for n in range(100)]
    for _ in range(3):
        await asyncio.sleep(0)
    await host.close()
    outcomes = await asyncio.gather(*writing, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {list, CommitUnknown, StoreClosed}
    assert CommitUnknown in {type(outcome) for outcome in outcomes}
    written = {key for key, _ in await fetch(database, ALL)}
    acknowledged = {f"{n}" for n, outcome in enumerate(outcomes) if outcome == []}
    refused = {f"{n}" for n, outcome in enumerate(outcomes) if isinstance(outcome, StoreClosed)}
    assert acknowledged <= written
    assert not written & refused


# --- opening ----------------------------------------------------------------------------------------------------------


async def test_a_url_that_is_none_is_refused_without_showing_it():
    with pytest.raises(InvalidInput) as raised:
        await PostgresDatabase.open("postgresql://ada:secret@host/db?no_such_option=1", ITEMS)
    assert "secret" not in str(raised.value)


async def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"postgresql://127\.0\.0\.1:1/db can't be reached") as raised:
        await PostgresDatabase.open("postgresql://ada:secret@127.0.0.1:1/db", ITEMS)
    assert "secret" not in str(raised.value)


async def test_a_database_that_is_not_there_is_named(postgres_server):
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        await PostgresDatabase.open(postgres_server.url("nowhere"), ITEMS)


async def test_a_schema_that_is_not_there_is_missed(postgres_server):
    with pytest.raises(StoreError, match="has no schema to write to"):
        await PostgresDatabase.open(postgres_server.url(options="&options=-csearch_path%3Dnowhere"), ITEMS)


async def test_tables_of_another_program_are_left_alone(other, postgres_url):
    other.execute("CREATE TABLE item (name TEXT)")
    with pytest.raises(StoreCorrupt, match=r'tables of another program .*"item"'):
        await PostgresDatabase.open(postgres_url, ITEMS)
    tables = other.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    assert tables.fetchall() == [("item",)]


async def test_a_database_that_keeps_text_otherwise_is_refused(postgres_server):
    import psycopg

    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        with pytest.raises(StoreError, match="keeps text as LATIN1; umi needs UTF8"):
            await PostgresDatabase.open(postgres_server.url("latin"), ITEMS)
        connection.execute("DROP DATABASE latin")


async def test_without_the_driver_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'kelpie\[postgres\]'"):
        await PostgresDatabase.open("postgresql://localhost/db", ITEMS)


async def test_groups_are_told_of(reopen):
    told = []
    database = await reopen(on_group=lambda commits, duration_ms: told.append((commits, duration_ms >= 0)))
    await asyncio.gather(*(database.commit(put(f"{n}")) for n in range(70)))
    await asyncio.sleep(0)
    assert sum(commits for commits, _ in told) == 70
    assert max(commits for commits, _ in told) > 1
    assert all(good for _, good in told)
    with pytest.raises(Conflict):
        await database.commit(put("0"))


async def test_an_upgrade_is_seen_by_who_opened_before(several, reopen):
    more = [*SCHEMA, Migration("values", 2, "ALTER TABLE kept ADD COLUMN note TEXT")]
    await fetch(several[0], "SELECT * FROM kept")
    await reopen(more)
    insert = "INSERT INTO kept (whole) VALUES (?)"
    for n in range(8):  # often enough for the server to keep it ready
        await several[0].commit(Changes().write(insert, n))
    assert len(await fetch(several[0], "SELECT whole FROM kept")) == 8


async def test_what_is_refused_is_written_into_no_log(database, caplog):
    await database.commit(put("a"))
    for _ in range(5):
        outcomes = await asyncio.gather(
            *(database.commit(put("a").extend(put(f"{n}"))) for n in range(20)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {Conflict}
        with pytest.raises(Conflict):
            await View(database, put("a").extend(put("z"))).fetch(ALL)
    assert caplog.records == []
