"""The source alone, without the guard before it: it can only read, it stops when told, its values are JSON's."""

import asyncio
import json
import os

import duckdb
import pytest
from tests.kelpie.analyst.test_guard import HOSTILE
from tests.kelpie.analyst.warehouses import build_coffee

from kelpie.analyst.duckdb_source import DuckDbSource
from kelpie.analyst.workers import Workers
from kelpie.errors import InvalidInput, QueryFailed
from umi.dst import Host

# Some 10^10 pairs on one thread: minutes, if nothing stops it.
ENDLESS = "SELECT count(*) FROM flights a, flights b, flights c WHERE a.arr_delay + b.arr_delay + c.arr_delay = 77"


@pytest.fixture
async def source(flights_path):
    host = Host()
    workers = Workers(host, 1)
    opened = await DuckDbSource.open(host, flights_path, workers)
    yield opened
    await opened.close()
    workers.close()


@pytest.mark.parametrize(
    ("title", "heads", "sql"), [case for case in HOSTILE if case.values[1].get("engine") == "refuses"]
)
async def test_the_engine_alone_refuses_what_writes_or_reaches_out(title, heads, sql, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.stat(source.snapshot.path)
    with pytest.raises(QueryFailed):
        await source.query(sql, rows_max=10)
    after = os.stat(source.snapshot.path)
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    assert os.listdir(tmp_path) == []


async def test_a_file_that_exists_is_not_read(source, tmp_path):
    """The engine can read this file when it is not locked, so the refusal is the lock's work."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    assert duckdb.sql(f"SELECT * FROM read_csv('{secret}')").fetchall() == [(1, 2)]
    for sql in (f"SELECT * FROM read_csv('{secret}')", f"SELECT * FROM '{secret}'", f"ATTACH '{secret}.duckdb'"):
        with pytest.raises(QueryFailed):
            await source.query(sql, rows_max=10)


async def test_no_statement_turns_the_locks_back(source):
    for setting in (
        "enable_external_access = true",
        "lock_configuration = false",
        "threads = 8",
        "memory_limit = '9GB'",
    ):
        with pytest.raises(QueryFailed, match="Cannot change configuration"):
            await source.query(f"SET {setting}", rows_max=1)


async def test_what_one_query_leaves_behind_the_next_one_does_not_see(source):
    """The engine lets a connection make temporary tables in memory: they end with the query's own cursor."""
    await source.query("CREATE TEMP TABLE mine AS SELECT 1", rows_max=1)
    with pytest.raises(QueryFailed, match="mine"):
        await source.query("SELECT * FROM mine", rows_max=1)


async def test_a_query_that_takes_too_long_is_stopped(source):
    with pytest.raises(QueryFailed, match="longer than 100 ms"):
        await source.query(ENDLESS, rows_max=1, timeout_ms=100)
    # There is one worker thread: the next query runs only because the last one really ended.
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]


async def test_a_cancelled_query_stops_in_the_engine_too(source):
    asking = asyncio.get_running_loop().create_task(source.query(ENDLESS, rows_max=1))
    await asyncio.sleep(0.2)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]


async def test_a_query_cancelled_while_it_waits_for_a_thread_never_starts(source):
    loop = asyncio.get_running_loop()
    first, second = (loop.create_task(source.query(ENDLESS, rows_max=1)) for _ in range(2))
    await asyncio.sleep(0.2)
    for task in (second, first):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]


async def test_a_source_that_is_stopped_waits_for_no_query(flights_path):
    host = Host()
    workers = Workers(host, 1)
    source = await DuckDbSource.open(host, flights_path, workers)
    asking, waiting = (asyncio.get_running_loop().create_task(source.query(ENDLESS, rows_max=1)) for _ in range(2))
    await asyncio.sleep(0.2)
    assert not asking.done()
    await source.stop()
    with pytest.raises(QueryFailed, match="Interrupted"):
        await asking
    with pytest.raises(QueryFailed, match="before it began"):
        await waiting
    workers.close()


async def test_a_source_that_is_closed_lets_its_queries_finish(flights_path):
    host = Host()
    workers = Workers(host, 2)
    source = await DuckDbSource.open(host, flights_path, workers)
    slow = "SELECT count(*) FROM flights a, flights b WHERE a.arr_delay < b.arr_delay"
    asking = asyncio.get_running_loop().create_task(source.query(slow, rows_max=1))
    await asyncio.sleep(0)
    await source.close()
    assert len((await asking).rows) == 1
    workers.close()


async def test_an_endless_recursion_ends_at_the_deadline(source):
    sql = "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
    with pytest.raises(QueryFailed, match="longer than 200 ms"):
        await source.query(sql, rows_max=1, timeout_ms=200)


async def test_more_memory_than_allowed_is_an_error_not_a_crash(source):
    with pytest.raises(QueryFailed, match=r"Out of Memory|could not allocate"):
        await source.query("SELECT list(a.flight_id + b.flight_id) FROM flights a, flights b, range(40)", rows_max=1)


async def test_every_value_of_the_engine_becomes_json(source):
    sql = """SELECT DATE '2013-01-02', TIMESTAMP '2013-01-02 03:04:05', TIME '10:00', INTERVAL 36 HOUR,
        12.30::DECIMAL(9,2), 12345678901234567890.12::DECIMAL(38,2), 7::HUGEINT, 'NaN'::DOUBLE, true, NULL,
        [1, NULL], {'a': DATE '2013-01-02'}, MAP {'k': 1}, '\\x01'::BLOB,
        uuid_extract_version('8667df46-8725-41b4-843f-d753a568bf73'::UUID)"""
    table = await source.query(sql, rows_max=1)
    assert json.loads(json.dumps(table.rows)) == [
        [
            "2013-01-02", "2013-01-02T03:04:05", "10:00:00", "1 day, 12:00:00", 12.3, "12345678901234567890.12", 7,
            "nan", True, None, [1, None], {"a": "2013-01-02"}, {"k": 1}, "\\x01", 4,
        ]
    ]  # fmt: skip
    assert table.types[:2] == ["DATE", "TIMESTAMP"]


async def test_a_time_zone_column_is_explained_not_a_traceback(source):
    with pytest.raises(QueryFailed, match="cast it to TIMESTAMP"):
        await source.query("SELECT TIMESTAMPTZ '2013-01-01 00:00:00+00'", rows_max=1)


async def test_rows_and_bytes_are_bounded_and_a_cut_shows(source):
    few = await source.query("SELECT * FROM flights", rows_max=10)
    assert (len(few.rows), few.truncated) == (10, True)
    exact = await source.query("SELECT * FROM airlines", rows_max=16)
    assert (len(exact.rows), exact.truncated) == (16, False)
    heavy = await source.query("SELECT repeat('x', 1900) FROM flights", rows_max=4_000)
    assert heavy.truncated
    assert 400 < len(heavy.rows) < 600
    long = await source.query("SELECT repeat('x', 100000)", rows_max=1)
    assert long.truncated
    assert long.rows[0][0].endswith("… [cut]")


async def test_the_schema_tells_tables_columns_and_counts(source):
    tables = {table.name: table for table in await source.schema()}
    assert sorted(tables) == ["airlines", "airports", "flights", "planes", "salaries"]
    assert tables["airlines"].columns == [("carrier", "VARCHAR"), ("name", "VARCHAR")]
    assert tables["flights"].row_count == 4_000


async def test_an_error_of_the_engine_is_told_in_its_words(source):
    with pytest.raises(QueryFailed, match="arr_dely"):
        await source.query("SELECT arr_dely FROM flights", rows_max=1)


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + b"\x00" * 100])
async def test_what_is_no_duckdb_file_is_refused_with_its_path(content, tmp_path, host):
    path = tmp_path / "other.duckdb"
    path.write_bytes(content)
    workers = Workers(host, 1)
    with pytest.raises(InvalidInput, match=r"other\.duckdb"):
        await DuckDbSource.open(host, str(path), workers)
    workers.close()


async def test_a_source_notices_that_its_file_was_replaced(tmp_path, host):
    path = str(tmp_path / "coffee.duckdb")
    build_coffee(path)
    workers = Workers(host, 1)
    source = await DuckDbSource.open(host, path, workers)
    assert source.is_current()
    os.replace(build_coffee(str(tmp_path / "new.duckdb")), path)
    os.utime(path, (1, 1))
    assert not source.is_current()
    os.remove(path)
    assert not source.is_current()
    await source.close()
    with pytest.raises(QueryFailed, match="closed"):
        await source.query("SELECT 1", rows_max=1)
    workers.close()
