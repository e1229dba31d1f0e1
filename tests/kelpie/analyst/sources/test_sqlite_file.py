"""SQLite's own ways: types that are advice, a log beside the file, and everything in one process."""

import os

import apsw
import pytest

from kelpie.analyst.sources.sqlite_kinds import declared_kind, kind_of_values
from kelpie.errors import InvalidInput, QueryFailed, SourceUnavailable


@pytest.fixture
async def world(make_world):
    made = make_world("sqlite")
    yield made
    await made.close()


@pytest.fixture
async def source(world):
    return await world.open()


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("INTEGER", "number"),
        ("unsigned big int", "number"),
        ("decimal(9, 2)", "number"),
        ("double precision", "number"),
        ("varchar(20)", "text"),
        ("BOOLEAN", "boolean"),
        ("date", "date"),
        ("datetime", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        ("BLOB", "other"),
        ("", None),
        (None, None),
        ("flexible", None),
    ],
)
def test_a_declared_type_is_understood(word, kind):
    assert declared_kind(word) == kind


@pytest.mark.parametrize(
    ("declared", "values", "kind"),
    [
        ("number", [1, None, 2.5], "number"),
        ("number", ["many", 1], "other"),  # the declaration was only advice
        ("date", ["2024-02-29"], "date"),
        ("date", ["29 Feb"], "other"),
        ("timestamp", ["2024-02-29", "2024-02-29 10:00"], "timestamp"),
        (None, [1, 2.5], "number"),
        (None, [1, "x"], "other"),
        (None, ["2024-02-29", None], "date"),
        (None, ["2024-02-29", "2024-02-29T10:00:00Z"], "timestamp"),
        (None, ["2024-02-29", "soon"], "text"),
        (None, [], "other"),
        ("text", [], "text"),
        (None, ["\\x00ff"], "other"),
    ],
)
def test_values_say_what_a_column_holds_where_its_type_does_not(declared, values, kind):
    assert kind_of_values(declared, values) == kind


async def test_a_change_in_the_log_shows_although_the_file_is_the_same(world):
    writer = apsw.Connection(world.path)
    writer.execute("PRAGMA journal_mode = wal").fetchall()
    source = await world.open()
    seen = set()
    for n in range(5):
        writer.execute(f"INSERT INTO numbers VALUES ({n})").fetchall()
        table = await source.query("SELECT count(*) FROM numbers", rows_max=1)
        assert table.rows == [[1_001 + n]]
        seen.add(table.snapshot.state)
        assert await source.look() == table.snapshot
    assert len(seen) == 5
    writer.close()


async def test_what_sorts_too_much_is_stopped_before_it_fills_the_disk(source, monkeypatch):
    monkeypatch.setattr("kelpie.analyst.limits.SOURCE_MEMORY_MB_MAX", 20)
    sql = "SELECT DISTINCT a.n || '-' || b.n || '-' || c.n FROM numbers a, numbers b, numbers c ORDER BY 1"
    with pytest.raises(QueryFailed, match="more than 20 MB"):
        await source.query(sql, rows_max=1)


async def test_no_single_value_grows_without_bound(source):
    with pytest.raises(QueryFailed, match="too big"):
        await source.query("SELECT length(zeroblob(500000000) || 'x')", rows_max=1)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM pragma_database_list",
        "PRAGMA journal_mode = delete",
        "SELECT writefile('mine', 'x')",
        "SELECT fts3_tokenizer('simple')",
        "BEGIN IMMEDIATE",
        "ANALYZE",
        "DETACH main",
    ],
)
async def test_what_reaches_past_the_tables_is_refused(source, sql):
    with pytest.raises(QueryFailed):
        await source.query(sql, rows_max=1)


async def test_one_statement_at_a_time(source):
    with pytest.raises(QueryFailed, match="one statement"):
        await source.query("SELECT 1; SELECT 2", rows_max=10)


async def test_a_file_that_is_being_written_is_said_to_be(world, monkeypatch):
    monkeypatch.setattr("kelpie.analyst.limits.SOURCE_CANCEL_TIMEOUT_MS", 50)
    source = await world.open()
    writer = apsw.Connection(world.path)
    writer.execute("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE").fetchall()
    with pytest.raises(QueryFailed, match="being written"):
        await source.query("SELECT * FROM orders", rows_max=1)
    writer.close()
    await source.query("SELECT * FROM orders", rows_max=1)


async def test_a_file_that_is_gone_is_named(source, world):
    os.rename(world.path, f"{world.path}.away")
    assert not source.is_current()
    with pytest.raises(SourceUnavailable, match=r"shop\.sqlite is gone"):
        await source.query("SELECT 1", rows_max=1)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked at" * 20, b"DUCK" * 300])
async def test_what_is_no_sqlite_file_is_refused_with_its_path(content, world):
    world.put("other.sqlite", content)
    with pytest.raises(InvalidInput, match=r"other\.sqlite"):
        await world.open(path="other.sqlite")


async def test_a_view_over_what_is_gone_is_left_out_and_keys_find_their_target(world):
    writer = apsw.Connection(world.path)
    writer.execute("CREATE TABLE gone (a); CREATE VIEW broken AS SELECT a FROM gone; DROP TABLE gone").fetchall()
    writer.execute("CREATE TABLE pairs (a INTEGER, b INTEGER, c TEXT UNIQUE, PRIMARY KEY (b, a))").fetchall()
    writer.execute("CREATE TABLE parts (x, y, FOREIGN KEY (x, y) REFERENCES pairs)").fetchall()
    writer.close()
    tables = {table.name: table for table in await (await world.open()).schema()}
    assert "broken" not in tables
    assert tables["pairs"].keys == [["b", "a"], ["c"]]
    assert tables["parts"].foreign_keys[0].target_columns == ["b", "a"]
