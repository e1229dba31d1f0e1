"""What a Database promises, asked of every one we have: SQLite, PostgreSQL, and the simulated one."""

import asyncio
import math

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from umi.errors import Conflict, GuardFailed, InvalidInput, StoreClosed, StoreNewer, UmiError
from umi.storage import Changes, Migration, View

from .conftest import ALL, ENGINES, ITEMS, put, raise_from

BUMP = "INSERT INTO counter VALUES (?1, 1) ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value"


@pytest.fixture
async def database(reopen):
    return await reopen()


def fetch(database, sql, *params):
    return View(database).fetch(sql, *params)


# --- reading ----------------------------------------------------------------------------------------------------------


async def test_a_view_sees_what_is_only_planned_and_nobody_else_does(database):
    planned = put("a").write("UPDATE item SET value = 7 WHERE key = 'a'").write("INSERT INTO part VALUES ('t', 'a')")
    view = View(database, planned)
    assert await view.all((ALL, ()), ("SELECT item FROM part", ())) == [[("a", 7)], [("a",)]]
    assert await fetch(database, ALL) == []
    planned.write("DELETE FROM part")
    assert await view.all((ALL, ()), ("SELECT item FROM part", ())) == [[("a", 7)], []]
    assert await database.commit(planned) == []
    assert await fetch(database, ALL) == [("a", 7)]


async def test_a_read_of_nothing_is_nothing(database):
    assert await database.read([]) == []
    assert await database.read([], put("a")) == []
    assert await View(database).one(ALL) is None


async def test_a_plan_that_would_be_refused_is_refused_when_it_is_read_through(database):
    await database.commit(put("a"))
    with pytest.raises(Conflict):
        await View(database, put("a")).fetch(ALL)
    with pytest.raises(GuardFailed) as raised:
        await View(database, raise_from("a", 5)).fetch(ALL)
    assert (raised.value.guard, raised.value.touched_rows) == ("version", 0)
    assert await View(database, put("b")).fetch(ALL) == [("a", 0), ("b", 0)]  # the one after it is as ever
    assert await fetch(database, ALL) == [("a", 0)]


async def test_all_queries_of_a_read_see_one_state(database):
    await database.commit(put("a", 100).extend(put("b", 0)))
    half = "SELECT value FROM item WHERE tenant = 't' AND key = ?"
    totals = []

    async def move():
        for _ in range(40):
            await database.commit(
                Changes()
                .write("UPDATE item SET value = value - 1 WHERE key = 'a'")
                .write("UPDATE item SET value = value + 1 WHERE key = 'b'")
            )

    async def look(over=None):
        for _ in range(40):
            a, b = await database.read([(half, ("a",)), (half, ("b",))], over)
            totals.append(a[0][0] + b[0][0])

    await asyncio.gather(move(), look(), look(put("c")))
    assert set(totals) == {100}


async def test_what_was_committed_is_read_by_whoever_asks_next(database):
    for n in range(30):
        await database.commit(put(f"{n:02}"))
        assert len(await fetch(database, ALL)) == n + 1
        assert len(await View(database, put("more")).fetch(ALL)) == n + 2


# --- committing -------------------------------------------------------------------------------------------------------


async def test_returned_rows_come_in_the_order_of_the_writes(database):
    changes = (
        put("a", 1)
        .write("INSERT INTO item VALUES ('t', 'b', 2), ('t', 'c', 3) RETURNING key")
        .write("UPDATE item SET value = value + 10 WHERE key = 'a' RETURNING key, value")
        .write("DELETE FROM item WHERE key = 'nobody' RETURNING key")
        .guard("both", "SELECT key FROM item WHERE value < ? ORDER BY key", 10, rows=2)
    )
    assert await database.commit(changes) == [("b",), ("c",), ("a", 11), ("b",), ("c",)]


GUARDS = {
    "an update": ("UPDATE item SET value = 5 WHERE key IN ('a', 'b')", 2),
    "an update of nothing": ("UPDATE item SET value = 5 WHERE key = 'z'", 0),
    "an update to the same": ("UPDATE item SET value = value WHERE key = 'a'", 1),
    "a returning update": ("UPDATE item SET value = 5 WHERE key < 'd' RETURNING key", 3),
    "a deletion": ("DELETE FROM item WHERE key < 'd'", 3),
    "an insertion": ("INSERT INTO item SELECT 't', key || '2', value FROM item WHERE key IN ('b', 'c')", 2),
    "an insertion of what is there": ("INSERT INTO item VALUES ('t', 'a', 1) ON CONFLICT (tenant, key) DO NOTHING", 0),
    "an upsert": (
        "INSERT INTO item VALUES ('t', 'a', 1) ON CONFLICT (tenant, key) DO UPDATE SET value = excluded.value",
        1,
    ),
    "a selection": ("SELECT key FROM item WHERE key IN ('b', 'c')", 2),
    "a selection of nothing": ("SELECT 1 WHERE EXISTS (SELECT 1 FROM item WHERE key = 'z')", 0),
    "a common table": ("WITH few AS (SELECT key FROM item WHERE key < 'c') SELECT key FROM few", 2),
}


@pytest.mark.parametrize(("sql", "touched"), GUARDS.values(), ids=GUARDS)
async def test_a_guard_counts_the_rows_its_statement_touches(database, sql, touched):
    await database.commit(put("a").extend(put("b")).extend(put("c")))
    before = await fetch(database, ALL)
    for wrong in (touched + 1, touched - 1):
        with pytest.raises(GuardFailed) as raised:
            await database.commit(put("d").guard("count", sql, rows=wrong))
        assert (raised.value.guard, raised.value.expected_rows, raised.value.touched_rows) == ("count", wrong, touched)
        assert await fetch(database, ALL) == before
    await database.commit(put("d").write("DELETE FROM item WHERE key = 'd'").guard("count", sql, rows=touched))


async def test_of_a_commit_that_is_refused_nothing_is_written_and_no_hook_runs(database):
    ran = []
    await database.commit(put("a"))
    refused = {
        "unique": (Conflict, put("b").extend(put("a"))),
        "guard": (GuardFailed, put("b").extend(raise_from("a", 9))),
        "foreign key": (Conflict, put("b").write("INSERT INTO part VALUES ('t', 'nobody')")),
        "number": (InvalidInput, put("b").extend(put("c", 2**63))),
        "text": (InvalidInput, put("b").extend(put("\ud800"))),
    }
    for error, changes in refused.values():
        with pytest.raises(error):
            await database.commit(changes.after(lambda: ran.append("hook")))
    for changes in (put("b").extend(put("c", -1)), put("b").write("INSERT INTO item VALUES ('t', 'c', NULL)")):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - each engine's own: it is our bug
            await database.commit(changes.after(lambda: ran.append("hook")))
        assert not isinstance(raised.value, UmiError)
    with pytest.raises(Exception, match="syntax error"):
        await database.commit(put("b").write("SELCT 1"))
    assert await fetch(database, ALL) == [("a", 0)]
    assert ran == []


async def test_each_of_many_commits_at_once_is_refused_alone(database):
    await database.commit(put("taken").extend(put("counted", 3)))

    def one(n):
        kinds = (
            put(f"{n:03}"),
            put(f"{n:03}").extend(put("taken")),
            put(f"{n:03}").extend(raise_from("counted", 77)),
            put(f"{n:03}").write("INSERT INTO part VALUES ('t', 'nobody')"),
            put(f"{n:03}").write("SELCT 1"),
            put(f"{n:03}", 2**70),
            put(f"{n:03}", -1),
        )
        return kinds[n % len(kinds)]

    outcomes = await asyncio.gather(*(database.commit(one(n)) for n in range(150)), return_exceptions=True)
    good = [n for n, outcome in enumerate(outcomes) if outcome == []]
    assert good == list(range(0, 150, 7))
    assert [type(outcome) for outcome in outcomes[1:4]] == [Conflict, GuardFailed, Conflict]
    written = [row[0] for row in await fetch(database, ALL)]
    assert written == [*(f"{n:03}" for n in good), "counted", "taken"]


async def test_a_key_that_is_checked_late_may_point_to_what_the_same_commit_writes_later(database):
    await database.commit(Changes().write("INSERT INTO part VALUES ('t', 'a')").extend(put("a")))
    outcomes = await asyncio.gather(
        database.commit(Changes().write("INSERT INTO part VALUES ('t', 'b')")),  # it doesn't see the next one
        database.commit(put("b")),
        database.commit(Changes().write("INSERT INTO part VALUES ('t', 'b')")),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [Conflict, list, list]
    assert await fetch(database, "SELECT item FROM part ORDER BY item") == [("a",), ("b",)]


async def test_hooks_run_in_the_order_of_the_commits(database):
    ran = []
    changes = [put(f"{n:02}").after(lambda n=n: ran.append(n)) for n in range(50)]
    await asyncio.gather(*(database.commit(one) for one in changes))
    assert ran == list(range(50))
    await database.commit(Changes().after(lambda: ran.append("nothing to write")))
    assert ran[-1] == "nothing to write"


async def test_a_hook_sees_what_its_commit_wrote(database):
    seen = []
    await database.commit(put("a").after(lambda: seen.append(asyncio.ensure_future(fetch(database, ALL)))))
    assert await seen[0] == [("a", 0)]


async def test_a_caller_that_goes_away_takes_nothing_with_it(database):
    ran = []
    writing = asyncio.ensure_future(database.commit(put("a").after(lambda: ran.append("a"))))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await database.commit(put("b"))
    assert ran == ["a"]
    assert await fetch(database, ALL) == [("a", 0), ("b", 0)]


async def test_a_reader_that_goes_away_disturbs_nobody(database):
    await database.commit(put("a"))
    reading = [asyncio.ensure_future(fetch(database, ALL)) for _ in range(12)]
    await asyncio.sleep(0)
    for n, task in enumerate(reading):
        if n % 2:
            task.cancel()
    outcomes = await asyncio.gather(*reading, return_exceptions=True)
    assert [outcome for n, outcome in enumerate(outcomes) if not n % 2] == [[("a", 0)]] * 6
    assert await fetch(database, ALL) == [("a", 0)]


async def test_changes_may_be_added_to_once_they_are_submitted(database):
    changes = put("a")
    writing = asyncio.ensure_future(database.commit(changes))
    await asyncio.sleep(0)
    changes.extend(put("b"))
    await writing
    assert await fetch(database, ALL) == [("a", 0)]


async def test_a_closed_store_says_so(database):
    await database.commit(put("a"))
    await database.close()
    await database.close()
    with pytest.raises(StoreClosed):
        await database.commit(put("b"))
    with pytest.raises(StoreClosed):
        await fetch(database, ALL)
    with pytest.raises(StoreClosed):
        await View(database, put("b")).fetch(ALL)


async def test_closing_finishes_what_was_submitted(engine, reopen):
    database = await reopen()
    writing = [asyncio.ensure_future(database.commit(put(f"{n:02}"))) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*writing) == [[]] * 20
    if engine != "simulated":  # that one's disk went with it
        assert len(await fetch(await reopen(), ALL)) == 20


# --- many writers -----------------------------------------------------------------------------------------------------


async def test_writers_who_state_what_they_read_lose_no_update(database):
    await database.commit(put("n"))

    async def add():
        while True:
            ((value,),) = await fetch(database, "SELECT value FROM item WHERE key = 'n'")
            try:
                return await database.commit(raise_from("n", value))
            except GuardFailed:
                continue

    await asyncio.gather(*(add() for _ in range(25)))
    assert await fetch(database, ALL) == [("n", 25)]


async def test_a_revision_is_raised_once_by_each_of_many_at_once(database):
    raised = await asyncio.gather(*(database.commit(Changes().write(BUMP, "scope")) for _ in range(60)))
    assert [rows[0][0] for rows in raised] == list(range(1, 61))


async def test_a_number_that_follows_the_highest_is_given_once(database):
    following = "INSERT INTO item SELECT 't', ?, coalesce(max(value), -1) + 1 FROM item"
    await asyncio.gather(*(database.commit(Changes().write(following, f"{n}")) for n in range(40)))
    assert sorted(value for _, value in await fetch(database, ALL)) == list(range(40))


async def test_of_many_who_create_what_is_absent_one_does(database):
    absent = "INSERT INTO item SELECT 't', ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM item WHERE value = ?2) RETURNING key"
    made = await asyncio.gather(*(database.commit(Changes().write(absent, f"{n}", 7)) for n in range(40)))
    assert [len(rows) for rows in made] == [1] + [0] * 39


async def test_rows_are_numbered_in_the_order_of_the_commits(database):
    insert = "INSERT INTO kept (whole) VALUES (?) RETURNING seq"
    drawn = await asyncio.gather(*(database.commit(Changes().write(insert, n)) for n in range(70)))
    seqs = [rows[0][0] for rows in drawn]
    assert seqs == sorted(set(seqs))


async def test_a_commit_of_many_rows_and_one_of_large_values(database):
    changes = Changes()
    for n in range(3_000):
        changes.write("INSERT INTO kept (whole, text) VALUES (?, ?)", n, f"row {n}")
    await database.commit(changes)
    assert await fetch(database, "SELECT count(*), sum(whole), max(text) FROM kept") == [(3000, 4498500, "row 999")]
    text, data = "é" * 500_000, bytes(range(256)) * 8_000
    await database.commit(Changes().write("INSERT INTO kept (text, bytes) VALUES (?, ?)", text, data))
    large = "SELECT text, bytes, length(text), octet_length(text), length(bytes) FROM kept WHERE whole IS NULL"
    assert await fetch(database, large) == [(text, data, 500_000, 1_000_000, 2_048_000)]


# --- values -----------------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
WHOLES = st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.floats(allow_nan=False)
ROWS = st.tuples(st.none() | WHOLES | st.booleans(), st.none() | NUMBERS | WHOLES, st.none() | TEXTS, st.binary())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=8))
@example(rows=[(0, 0.0, "", b""), (1, -0.0, "'?1--\\ \"", b"\0'\\x"), (None, math.inf, "%s $1 :x", b"?")])
@example(rows=[(True, 1, "e\u0301", b""), (False, 2**53, "\u00e9", b""), (-1, -math.inf, " a ", b"")])
async def test_a_value_comes_back_as_it_was_and_is_equal_to_itself(database, rows):
    await database.commit(Changes().write("DELETE FROM kept"))
    insert = "INSERT INTO kept (whole, number, text, bytes) VALUES (?, ?, ?, ?) RETURNING whole, number, text, bytes"
    chosen = "INSERT INTO kept (whole, number, text, bytes) SELECT ?1, ?2, ?3, ?4 WHERE ?1 IS NULL OR ?1 = ?1"
    equal = (
        "SELECT 1 FROM kept WHERE (whole = ?1 OR ?1 IS NULL) AND (number = ?2 OR ?2 IS NULL)"
        " AND (text = ?3 OR ?3 IS NULL) AND bytes = ?4 AND coalesce(text, ?3, '') = coalesce(?3, '')"
    )
    changes = Changes()
    for row in rows:
        changes.write(insert, *row).write(chosen, *row)
    returned = await database.commit(changes)
    stored = [tuple(None if v is None else float(v) if n == 1 else v for n, v in enumerate(row)) for row in rows]
    assert returned == stored
    kept = await fetch(database, "SELECT whole, number, text, bytes FROM kept ORDER BY seq")
    assert kept == [row for row in stored for _ in range(2)]
    for row in kept:
        assert [type(value) for value in row] == [
            type(None) if value is None else kind for value, kind in zip(row, (int, float, str, bytes), strict=True)
        ]
        assert await View(database).one(equal, *row)


async def test_a_number_that_is_none_is_null(database):
    await database.commit(Changes().write("INSERT INTO kept (number) VALUES (?)", math.nan))
    assert await fetch(database, "SELECT number FROM kept") == [(None,)]


@pytest.mark.parametrize("value", [object(), [1], {"a": 1}, 1 + 2j])
async def test_what_is_no_value_of_sql_is_refused(database, value):
    with pytest.raises(TypeError):
        await database.commit(Changes().write("INSERT INTO kept (text) VALUES (?)", value))
    with pytest.raises(TypeError):
        await fetch(database, "SELECT ?", value)


async def test_parameters_stand_alone_and_in_expressions(database):
    asked = {
        ("SELECT ?", (5,)): 5,
        ("SELECT ?", ("five",)): "five",
        ("SELECT ?", (b"five",)): b"five",
        ("SELECT ?", (None,)): None,
        ("SELECT ?", (True,)): 1,
        ("SELECT ? + 1", (2**40,)): 2**40 + 1,
        ("SELECT ?1 * 1000 + ?1", (3_000_000,)): 3_003_000_000,
        ("SELECT ? IS NULL", (None,)): 1,
        ("SELECT ? IS NULL", (0,)): 0,
        ("SELECT coalesce(?, ?, 'x')", (None, "b")): "b",
        ("SELECT CASE ? WHEN '' THEN 'empty' ELSE ? || ?2 END", ("", "a")): "empty",
        ("SELECT ?2 || ?1 || ?2", ("a", "b")): "bab",
        ("SELECT length(?)", ("äöü",)): 3,
        ("SELECT length(?)", (b"\xc3\xa4",)): 2,
        ("SELECT octet_length(?)", ("äöü",)): 6,
        ("SELECT CAST(? AS INTEGER)", ("9007199254740993",)): 9007199254740993,
        ("SELECT CAST(? AS TEXT)", (12,)): "12",
        ("SELECT instr(?, ?)", ("größer", "ß")): 4,
        ("SELECT x'00ff'", ()): b"\0\xff",
        ("SELECT 'it''s ?' -- ?1", ()): "it's ?",
        ("SELECT char(10)", ()): "\n",
        ("SELECT avg(value) FROM (SELECT 1 AS value UNION ALL SELECT 2) AS two", ()): 1.5,
        ("SELECT sum(value) FROM (SELECT 4611686018427387904 AS value UNION ALL SELECT 3) AS two", ()): 2**62 + 3,
        ("SELECT count(*) FROM json_each(?)", ('["a", "b"]',)): 2,
        ("SELECT 1 WHERE ? IN (SELECT value FROM json_each(?))", ("b", '["a", "b"]')): 1,
        ("SELECT 1 WHERE ? IS NOT DISTINCT FROM ?", (None, None)): 1,
        ("SELECT max(value) FROM item WHERE tenant = ? AND key > ?", ("t", "")): None,
        ("SELECT 7 LIMIT ? OFFSET ?", (1, 0)): 7,
    }
    for (sql, params), expected in asked.items():
        ((found,),) = await fetch(database, sql, *params)
        assert (found, type(found)) == (expected, type(expected)), sql


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, unique=True, max_size=12))
@example(texts=["a", "B", "b", "_", "Z", "ä", "z", "a b", "a-b", "é", "e\u0301", "\U0001f600", "\uffee"])
async def test_texts_are_ordered_and_told_apart_by_their_bytes(database, texts):
    await database.commit(Changes().write("DELETE FROM counter"))
    changes = Changes()
    for n, text in enumerate(texts):
        changes.write("INSERT INTO counter VALUES (?, ?)", text, n)
    await database.commit(changes)
    ordered = [row[0] for row in await fetch(database, "SELECT name FROM counter ORDER BY name")]
    assert ordered == sorted(texts, key=str.encode)
    for text in texts[:3]:
        after = await fetch(database, "SELECT count(*) FROM counter WHERE name > ?", text)
        assert after == [(sum(other.encode() > text.encode() for other in texts),)]


async def test_lower_knows_the_letters_of_ascii_alone(database):
    await database.commit(Changes().write("INSERT INTO kept (text) VALUES (?)", "ÄPFEL und BIRNEN"))
    found = "SELECT lower(text), lower(?1) FROM kept WHERE instr(lower(text), lower(?2)) > 0"
    assert await fetch(database, found, "ÄPFEL", "Pfel Und") == [("Äpfel und birnen", "Äpfel")]
    assert await fetch(database, found, "", "ä") == []


# --- migrations -------------------------------------------------------------------------------------------------------

TWO = [*ITEMS, Migration("items", 2, "ALTER TABLE item ADD COLUMN note TEXT; CREATE INDEX item_note ON item (note)")]


@pytest.mark.parametrize("engine", ENGINES[:3], indirect=True)
async def test_a_newer_version_adds_what_an_older_store_lacks(reopen):
    database = await reopen(ITEMS)
    await database.commit(put("a", 1))
    await database.close()
    for _ in range(2):  # the second time there is nothing to do
        database = await reopen(TWO)
        assert await fetch(database, "SELECT key, value, note FROM item") == [("a", 1, None)]
        assert await fetch(database, "SELECT room, number FROM room_schema") == [("items", 2)]
        await database.close()
    for older in (ITEMS, []):
        with pytest.raises(StoreNewer, match="items schema 2, this version knows"):
            await reopen(older)


@pytest.mark.parametrize("engine", ENGINES[:3], indirect=True)
async def test_an_upgrade_happens_whole_or_not_at_all(reopen):
    await (await reopen(ITEMS)).close()
    half = [*TWO, Migration("items", 3, "CREATE TABLE third (x INTEGER); INSERT INTO no_table VALUES (1)")]
    with pytest.raises(Exception, match="no_table"):
        await reopen(half)
    database = await reopen([*TWO, Migration("items", 3, "CREATE TABLE third (x INTEGER)")])
    assert await fetch(database, "SELECT x FROM third") == []


@pytest.mark.parametrize("engine", ENGINES[:3], indirect=True)
async def test_a_migration_may_say_for_postgresql_what_it_says_for_sqlite(engine, reopen):
    sqlite_only = "CREATE TABLE a (x TEXT); CREATE VIRTUAL TABLE words USING fts5(own)"
    database = await reopen([Migration("room", 1, sqlite_only, postgres="CREATE TABLE a (x TEXT)")])
    assert await fetch(database, "SELECT x FROM a") == []
    if engine != "postgres":
        assert await fetch(database, "SELECT own FROM words") == []


@pytest.mark.parametrize("engine", ENGINES[:3], indirect=True)
@pytest.mark.parametrize("numbers", [[2], [1, 3], [1, 1], [2, 1]])
async def test_migrations_are_numbered_without_gaps(reopen, numbers):
    with pytest.raises(AssertionError, match="gap in the migrations of room"):
        await reopen([Migration("room", number, "SELECT 1") for number in numbers])
