"""One promise, five engines: every test here runs on each of them, on a real one, without the guard before it."""

import asyncio
import json
import os

import pytest
from tests.kelpie.analyst.sources.worlds import COMMENT, EVIL, ORDERS, until

from kelpie.errors import QueryFailed


async def ends(world, source):
    """Nothing runs for us any more: neither on the server nor on the threads of this process."""
    if world.running() is not None:
        await until(lambda: not world.running())
    answers = await asyncio.gather(*(source.query("SELECT 1", rows_max=1) for _ in range(3)))
    assert [table.rows for table in answers] == [[[1]]] * 3


async def begin(world, source, sql):
    """`sql` as it runs, seen on the server where there is one."""
    task = asyncio.get_running_loop().create_task(source.query(sql, rows_max=1))
    if world.running() is None:
        await asyncio.sleep(0.1)
    else:
        await until(world.running)
    assert not task.done()
    return task


# --- what is there ----------------------------------------------------------------------------------------------------


async def test_the_schema_tells_tables_columns_kinds_keys_and_comments(source, world):
    tables = {table.name: table for table in await source.schema()}
    assert list(tables) == ["customers", "numbers", "orders"]
    orders = tables["orders"]
    assert [(column.name, column.kind) for column in orders.columns] == [
        ("id", "number"),
        ("customer", "number"),
        ("paid", "number"),
        ("ok", "boolean"),
        ("day", "date"),
        ("stamp", "timestamp"),
        (EVIL, "text"),
    ]
    assert all(column.type for column in orders.columns)
    assert tables["numbers"].row_count == 1_000
    if world.keys:
        assert orders.keys == [["id"]]
        (key,) = orders.foreign_keys
        assert (key.columns, key.target, key.target_columns) == (["customer"], "customers", ["id"])
    if world.comments:
        assert orders.column("paid").comment == COMMENT
        assert orders.comment == "one row an order"


async def test_every_value_arrives_as_it_is_in_json(source):
    table = await source.query("SELECT * FROM orders WHERE id < 1000 ORDER BY id", rows_max=10)
    assert table.columns == ["id", "customer", "paid", "ok", "day", "stamp", EVIL]
    assert table.kinds == ["number", "number", "number", "boolean", "date", "timestamp", "text"]
    expected = [[n, who, float(paid), ok, day, stamp, text] for n, who, paid, ok, day, stamp, text in ORDERS]
    for row, (*_, stamp, text) in zip(table.rows, expected, strict=True):
        assert (row[-2] or "").replace("T", " ") == (stamp or "")
        assert row[-1] == text
    assert [row[:5] for row in table.rows] == [row[:5] for row in expected]
    assert json.loads(json.dumps(table.rows)) == table.rows
    assert len(table.types) == len(table.columns)
    assert not table.truncated


async def test_money_adds_up_exactly(source, world):
    table = await source.query("SELECT sum(paid), sum(paid) * 100 FROM orders WHERE id IN (2, 3)", rows_max=1)
    if world.decimals:
        assert table.rows == [[0.3, 30]]
    else:  # SQLite has no decimals: it adds floats, and says so by what it gives
        assert table.rows == [[0.30000000000000004, 30.000000000000004]]
    assert table.kinds == ["number", "number"]


async def test_expressions_have_kinds_too(source):
    table = await source.query("SELECT count(*), max(day), max(name), NULL FROM orders, customers", rows_max=1)
    assert table.kinds[:3] == ["number", "date", "text"]
    assert table.rows[0][1:] == ["2024-03-31", "Bob", None]


async def test_no_rows_have_columns_all_the_same(source):
    table = await source.query("SELECT id, paid, day FROM orders WHERE id = -1", rows_max=5)
    assert (table.columns, table.kinds, table.rows) == (["id", "paid", "day"], ["number", "number", "date"], [])


async def test_a_column_of_any_name_can_be_asked(source, world):
    table = await source.query(world.name_column, rows_max=10)
    assert table.columns == [EVIL]
    assert [row[0] for row in table.rows][:4] == [order[-1] for order in ORDERS]


async def test_a_sample_is_some_rows_of_a_table_and_its_name_no_sql(source, world):
    assert len((await source.sample("numbers", 3)).rows) == 3
    for name in ('orders"; DROP TABLE orders; --', "orders`; DROP TABLE orders; --", "nowhere"):
        with pytest.raises(QueryFailed):
            await source.sample(name, 1)
    assert world.orders() >= len(ORDERS)


# --- bounds -----------------------------------------------------------------------------------------------------------


async def test_rows_are_bounded_and_a_cut_shows(source, world):
    few = await source.query(world.wide, rows_max=10)
    assert (len(few.rows), few.truncated) == (10, True)
    exact = await source.query(world.wide, rows_max=1_000)
    assert (len(exact.rows), exact.truncated) == (1_000, False)


async def test_a_long_text_is_cut_and_a_heavy_result_too(source, world):
    long = await source.query(f"SELECT {world.long_text(100_000)}", rows_max=1)
    assert long.truncated
    assert long.rows[0][0].endswith("… [cut]")
    heavy = await source.query(f"SELECT {world.long_text(1_900)} FROM numbers", rows_max=1_000)
    assert heavy.truncated
    assert 400 < len(heavy.rows) < 600


async def test_a_query_that_takes_too_long_is_stopped_in_the_engine(source, world):
    for _ in range(3):  # more often than there are threads
        with pytest.raises(QueryFailed, match=r"longer than 500 ms|did not answer"):
            await source.query(world.endless, rows_max=1, timeout_ms=500)
    await ends(world, source)


async def test_an_endless_recursion_ends(source):
    sql = "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
    with pytest.raises(QueryFailed, match=r"longer than 500 ms|did not answer|may be incomplete"):
        await source.query(sql, rows_max=1, timeout_ms=500)


async def test_a_cancelled_query_stops_in_the_engine(source, world):
    task = await begin(world, source, world.endless)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ends(world, source)


async def test_queries_that_wait_their_turn_can_be_cancelled(source, world):
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(source.query(world.endless, rows_max=1)) for _ in range(6)]
    await asyncio.sleep(0.2)
    for task in reversed(tasks):
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, asyncio.CancelledError)
    await ends(world, source)


async def test_a_source_that_is_stopped_waits_for_no_query(world):
    source = await world.open()
    task = await begin(world, source, world.endless)
    await source.stop()
    with pytest.raises(QueryFailed):
        await task
    if world.running() is not None:
        await until(lambda: not world.running())
    with pytest.raises(QueryFailed, match="closed"):
        await source.query("SELECT 1", rows_max=1)


async def test_a_source_that_is_closed_lets_its_queries_finish(world):
    source = await world.open()
    task = await begin(world, source, world.slow)
    await source.close()
    assert len((await task).rows) == 1
    with pytest.raises(QueryFailed, match="closed"):
        await source.query("SELECT 1", rows_max=1)


async def test_queries_overlap(source):
    found = await asyncio.gather(*(source.query(f"SELECT {n} + count(*) FROM numbers", rows_max=1) for n in range(8)))
    assert [table.rows for table in found] == [[[1_000 + n]] for n in range(8)]


# --- it can only be read ----------------------------------------------------------------------------------------------


async def test_the_engine_itself_refuses_to_write(source, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, tables = world.orders(), [table.name for table in await source.schema()]
    assert len(world.writes) >= 6
    for sql in world.writes:
        with pytest.raises(QueryFailed):
            pytest.fail(f"it ran: {sql} -> {(await source.query(sql, rows_max=1)).rows}")
    assert world.orders() == before
    assert [table.name for table in await source.schema()] == tables
    assert os.listdir(tmp_path) == []


async def test_an_error_is_told_in_the_engine_s_words(source):
    with pytest.raises(QueryFailed, match="piad"):
        await source.query("SELECT piad FROM orders", rows_max=1)


async def test_a_check_says_what_answers(source):
    found = await source.check()
    assert any(character.isdigit() for character in found.version)


# --- which state of the data ------------------------------------------------------------------------------------------


async def test_while_nothing_changes_the_snapshot_is_the_same(source):
    for _ in range(10):  # a server may tidy up at this very moment
        before = await source.look()
        table = await source.query("SELECT count(*) FROM orders", rows_max=1)
        after = await source.look()
        if before == after:
            break
    assert table.snapshot == before == after == source.snapshot
    assert after.certain


async def test_a_change_shows_in_the_snapshot_before_or_with_its_rows(world):
    source = await world.open()
    counted = [await source.query("SELECT count(*) FROM orders", rows_max=1)]
    for _ in range(3):
        world.change()
        if not source.is_current():
            await source.stop()
            source = await world.open()
        counted.append(await source.query("SELECT count(*) FROM orders", rows_max=1))
    assert [table.rows[0][0] - counted[0].rows[0][0] for table in counted] == [0, 1, 2, 3]
    assert len({table.snapshot.state for table in counted}) == 4
    assert len({table.snapshot.where for table in counted}) == 1


# --- how much work ----------------------------------------------------------------------------------------------------


async def test_the_cost_of_a_query_is_known_without_running_it(source, world):
    hint = await source.cost(world.endless)
    if world.engine == "sqlite":
        assert hint is None
        return
    assert hint.rows > 1_000_000
    assert hint.plan
    assert (await source.cost("SELECT * FROM numbers")).rows == pytest.approx(1_000, rel=0.5)
    with pytest.raises(QueryFailed):
        await source.cost("SELECT piad FROM orders")
