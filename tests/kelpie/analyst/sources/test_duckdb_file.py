"""A DuckDB file alone, without the guard before it: what only this engine can do is out of reach too."""

import asyncio
import json
import os

import duckdb
import pytest

from kelpie.errors import InvalidInput, QueryFailed

REACHING_OUT = (
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "ATTACH '{secret}.duckdb'",
    "COPY orders TO '{folder}/mine.csv'",
    "EXPORT DATABASE '{folder}/mine'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SELECT * FROM duckdb_secrets(); CREATE SECRET (TYPE s3)",
)


@pytest.fixture
async def world(make_world):
    made = make_world("duckdb")
    yield made
    await made.close()


@pytest.fixture
async def source(world):
    return await world.open()


async def test_no_statement_reaches_a_file_that_the_engine_could_read(source, tmp_path):
    """It can when it is not locked, so the refusal is the lock's work."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    assert duckdb.sql(f"SELECT * FROM read_csv('{secret}')").fetchall() == [(1, 2)]
    for sql in REACHING_OUT:
        with pytest.raises(QueryFailed):
            await source.query(sql.format(secret=secret, folder=tmp_path), rows_max=10)
    assert os.listdir(tmp_path) == ["secret.csv"]


async def test_no_statement_turns_the_locks_back(source):
    for setting in (
        "enable_external_access = true",
        "lock_configuration = false",
        "threads = 8",
        "memory_limit = '9GB'",
        "TimeZone = 'America/New_York'",
    ):
        with pytest.raises(QueryFailed, match="Cannot change configuration"):
            await source.query(f"SET {setting}", rows_max=1)


async def test_what_one_query_leaves_behind_the_next_one_does_not_see(source):
    """The engine lets a connection make temporary tables in memory: they end with the query's own cursor."""
    await source.query("CREATE TEMP TABLE mine AS SELECT 1", rows_max=1)
    with pytest.raises(QueryFailed, match="mine"):
        await source.query("SELECT * FROM mine", rows_max=1)


async def test_a_query_cancelled_while_it_waits_for_a_thread_never_starts(source, world):
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(source.query(world.endless, rows_max=1)) for _ in range(3)]  # of two threads
    await asyncio.sleep(0.2)
    for task in reversed(tasks):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]


async def test_a_query_stopped_before_it_began_says_so(source, world):
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(source.query(world.endless, rows_max=1)) for _ in range(3)]
    await asyncio.sleep(0.2)
    await source.stop()
    said = [str(error) for error in await asyncio.gather(*tasks, return_exceptions=True)]
    assert sum("before it began" in text for text in said) == 1
    assert sum("Interrupted" in text for text in said) == 2


async def test_more_memory_than_allowed_is_an_error_not_a_crash(source):
    sql = "SELECT list(repeat('x', 100_000) || n) FROM numbers, range(20)"
    with pytest.raises(QueryFailed, match=r"Out of Memory|could not allocate"):
        await source.query(sql, rows_max=1)


async def test_every_value_of_the_engine_becomes_json(source):
    sql = """SELECT DATE '2013-01-02', TIMESTAMP '2013-01-02 03:04:05', TIME '10:00', INTERVAL 36 HOUR,
        12.30::DECIMAL(9,2), 12345678901234567890.12::DECIMAL(38,2), 7::HUGEINT, 'NaN'::DOUBLE, true, NULL,
        [1, NULL], {'a': DATE '2013-01-02'}, MAP {'k': 1}, '\\x01'::BLOB, 'a'::ENUM('a', 'b'),
        '8667df46-8725-41b4-843f-d753a568bf73'::UUID"""
    table = await source.query(sql, rows_max=1)
    assert json.loads(json.dumps(table.rows)) == [
        [
            "2013-01-02", "2013-01-02T03:04:05", "10:00:00", "1 day, 12:00:00", 12.3, "12345678901234567890.12", 7,
            "nan", True, None, [1, None], {"a": "2013-01-02"}, {"k": 1}, "\\x01", "a",
            "8667df46-8725-41b4-843f-d753a568bf73",
        ]
    ]  # fmt: skip
    assert table.types[:2] == ["DATE", "TIMESTAMP"]
    assert table.kinds == [
        "date", "timestamp", "other", "other", "number", "number", "number", "number", "boolean", "number",
        "other", "other", "other", "other", "text", "text",
    ]  # fmt: skip


async def test_a_time_zone_column_is_explained_and_cast_the_same_on_every_machine(source):
    with pytest.raises(QueryFailed, match="cast it to TIMESTAMP"):
        await source.query("SELECT TIMESTAMPTZ '2013-01-01 00:00:00+00'", rows_max=1)
    table = await source.query("SELECT CAST(TIMESTAMPTZ '2013-01-01 23:30:00-05' AS DATE)", rows_max=1)
    assert table.rows == [["2013-01-02"]]


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + b"\x00" * 100])
async def test_what_is_no_duckdb_file_is_refused_with_its_path(content, world):
    world.put("other.duckdb", content)
    with pytest.raises(InvalidInput, match=r"other\.duckdb"):
        await world.open(path="other.duckdb")
    with pytest.raises(InvalidInput, match=r"no file .*nowhere\.duckdb"):
        await world.open(path="nowhere.duckdb")


async def test_a_source_notices_that_its_file_was_replaced_or_is_gone(source, world):
    assert source.is_current()
    world.change()
    assert not source.is_current()
    os.remove(world.path)
    assert not source.is_current()
    assert (await source.query("SELECT count(*) FROM customers", rows_max=1)).rows == [[3]]


async def test_an_engine_that_still_holds_the_old_file_is_not_taken_for_the_new_one(source, world):
    """All connections of a process to one path share an engine: while an old one lives, a new one sees the old file."""
    before = await source.query("SELECT count(*) FROM orders", rows_max=1)
    world.change()
    second = await world.open()
    seen = await second.query("SELECT count(*) FROM orders", rows_max=1)
    assert (seen.rows, seen.snapshot) == (before.rows, before.snapshot)
    assert not second.is_current()
    await second.stop()
    await source.stop()
    third = await world.open()
    after = await third.query("SELECT count(*) FROM orders", rows_max=1)
    assert after.rows[0][0] == before.rows[0][0] + 1
    assert after.snapshot != before.snapshot
    assert third.is_current()
