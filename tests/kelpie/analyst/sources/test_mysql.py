"""What only a MySQL or MariaDB server does: silent conversions, rights, types of its own, and going away."""

import asyncio
import json
import signal

import pytest
from tests.kelpie.analyst.sources import fake_servers
from tests.kelpie.analyst.sources.mariadb_server import MariaDbServer, program
from tests.kelpie.analyst.sources.worlds import MariaDbWorld, until

from kelpie.analyst.sources.config import ServerConfig
from kelpie.analyst.sources.mysql import MySqlSource
from kelpie.analyst.sources.mysql_catalog import cost_of
from kelpie.analyst.sources.mysql_types import kind_of_column, type_of
from kelpie.errors import InvalidInput, QueryFailed, SourceUnavailable


@pytest.fixture(scope="session")
def mysql_world(make_world):
    return make_world("mysql")


@pytest.fixture
async def world(mysql_world):
    yield mysql_world
    await mysql_world.close()


@pytest.fixture
async def source(world):
    return await world.open()


@pytest.fixture
def reader(world):
    """An account that is as it should be, with a password."""
    world.do(
        "CREATE USER reader@localhost IDENTIFIED BY 'hunter2-hünter2'",
        f"GRANT SELECT ON {world.database}.orders TO reader@localhost",
        f"GRANT SELECT ON {world.database}.numbers TO reader@localhost",
    )
    world.secrets["KELPIE_SECRET_SHOP"] = "hunter2-hünter2"
    yield {"user": "reader", "password_env": "KELPIE_SECRET_SHOP"}
    world.do("DROP USER reader@localhost")
    world.secrets.clear()


async def test_an_account_that_may_only_read_leaves_nothing_to_say(world, reader):
    source = await world.open(**reader)
    check = await source.check()
    assert check.version.startswith("MariaDB 1")
    assert check.beyond_reading == []
    assert [table.name for table in await source.schema()] == ["numbers", "orders"]
    with pytest.raises(QueryFailed, match="denied"):
        await source.query("SELECT * FROM customers", rows_max=1)


async def test_what_an_account_may_do_beyond_reading_is_said(world, reader):
    world.do("GRANT FILE ON *.* TO reader@localhost", f"GRANT INSERT, DELETE ON {world.database}.* TO reader@localhost")
    assert (await (await world.open(**reader)).check()).beyond_reading == [
        "the account may read and write files of the server (FILE)",
        "the account has rights that a reader does not need: DELETE, INSERT",
    ]


async def test_the_password_is_shown_nowhere(world, reader):
    source = await world.open(**reader)
    assert "hunter2" not in repr(source.snapshot)
    world.secrets["KELPIE_SECRET_SHOP"] = "hunter2-wrong"
    with pytest.raises(SourceUnavailable, match="Access denied") as refused:
        await world.open(**reader)
    assert "hunter2" not in str(refused.value)


async def test_what_cancels_needs_no_right_of_its_own(world, reader):
    source = await world.open(**reader)
    task = asyncio.get_running_loop().create_task(source.query(world.endless, rows_max=1))
    await until(world.running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not world.running())


async def test_a_group_that_is_none_and_a_text_that_is_no_number_are_errors_not_numbers(source):
    """Left to its defaults the server answers each of these, wrongly and without a word."""
    for sql in (
        "SELECT customer, paid FROM orders GROUP BY customer",
        "SELECT sum(name) FROM customers",
        "SELECT * FROM customers WHERE name = 5",
        "SELECT CAST(99999 AS DECIMAL(4, 2))",
        "SELECT 'abc' + 1",
        "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 5000) SELECT count(*) FROM r",
    ):
        with pytest.raises(QueryFailed, match=r"may be wrong|GROUP BY"):
            await source.query(sql, rows_max=10)
    assert (await source.query("SELECT 1 / 0", rows_max=1)).rows == [[None]]
    assert len((await source.query("SELECT GROUP_CONCAT(n) FROM numbers", rows_max=1)).rows[0][0]) > 1_024


@pytest.mark.parametrize(
    "sql",
    ["SET SESSION TRANSACTION READ WRITE", "COMMIT", "KILL 1", "FLUSH TABLES", "DO SLEEP(0)", "CALL mine()",
     "/*! SET @a = 1 */", "HANDLER orders OPEN", "SHOW TABLES", "EXPLAIN SELECT 1", "ANALYZE TABLE orders", ""],
)  # fmt: skip
async def test_only_what_begins_as_a_query_is_sent(source, sql):
    with pytest.raises(QueryFailed, match="only SELECT is sent"):
        await source.query(sql, rows_max=1)


async def test_queries_may_begin_in_several_ways(source):
    for sql in ("select 1", "\n ( SELECT 1)", "WITH x AS (SELECT 1 AS a) SELECT a FROM x", "VALUES (1)"):
        assert (await source.query(sql, rows_max=1)).rows == [[1]]


async def test_nothing_that_a_query_leaves_behind_outlives_it(source):
    await source.query("SELECT GET_LOCK('mine', 0), @mine := 7", rows_max=1)
    assert (await source.query("SELECT IS_FREE_LOCK('mine'), @mine", rows_max=1)).rows == [[1, None]]


async def test_types_of_the_server_s_own_become_json(world, source):
    world.do(
        "CREATE OR REPLACE TABLE odd (y YEAR, t TIME, b1 BIT(1), b9 BIT(9), e ENUM('x', 'y'), s SET('p', 'q'), j JSON,"
        " big BIGINT UNSIGNED, deci DECIMAL(30, 10), bin VARBINARY(3), tiny TINYINT(1), z DATE,"
        " at TIMESTAMP NULL, te TEXT)",
        "SET time_zone = '-05:00', sql_mode = ''",
        "INSERT INTO odd VALUES (2024, '-01:00:00', b'1', b'100000001', 'x', 'p,q', '{\"a\": 1}', 18446744073709551615,"
        " 12345678901234567890.0123456789, x'00ff', 7, '0000-00-00', '2024-02-29 23:00:00', 'é')",
    )
    table = await source.query("SELECT * FROM odd", rows_max=1)
    assert json.loads(json.dumps(table.rows)) == table.rows
    assert table.rows == [
        [
            2024, "-01:00:00", True, 257, "x", "p,q", '{"a": 1}', 18446744073709551615,
            "12345678901234567890.0123456789", "\\x00ff", 7, "0000-00-00", "2024-03-01T04:00:00", "é",
        ]
    ]  # fmt: skip
    assert table.kinds == [
        "number", "other", "boolean", "other", "text", "text", "text", "number", "number", "other", "boolean", "date",
        "timestamp", "text",
    ]  # fmt: skip
    world.do("DROP TABLE odd")


def test_words_of_the_catalogue_and_of_results_mean_the_same():
    assert kind_of_column("tinyint", "tinyint(1)") == "boolean"
    assert kind_of_column("tinyint", "tinyint(4)") == "number"
    assert kind_of_column("geometry", "geometry") == "other"
    assert type_of(("a", 252, None, 10), is_binary=True) == ("BLOB", "other")
    assert type_of(("a", 4711, None, 10)) == ("4711", "other")


def test_the_plans_of_mysql_and_of_mariadb_are_both_understood():
    where, none = ("ALL", None, None, None, None), (None,) * 7
    mariadb = [(1, "SIMPLE", "a", *where, 10, ""), (1, "SIMPLE", "b", *where, "20", "")]
    mysql = [(1, "PRIMARY", "a", None, *where, 10, 100.0, None), (2, "UNION", "b", None, *where, 20, 100.0, None)]
    assert cost_of(mariadb).rows == 200
    assert cost_of(mysql).rows == 20
    assert cost_of([(1, "SIMPLE", *none, "No tables used")]).rows == 1


async def test_a_key_over_parts_of_columns_is_none(world, source):
    world.do("CREATE TABLE parts (a VARCHAR(50), b INT, c INT, UNIQUE (a(10), b), UNIQUE (c, b))")
    (table,) = [table for table in await source.schema() if table.name == "parts"]
    assert table.keys == [["c", "b"]]
    world.do("DROP TABLE parts")


async def test_a_table_that_tells_no_transactions_makes_a_snapshot_uncertain(world, source):
    assert (await source.look()).certain
    world.do("CREATE TABLE old (a INTEGER) ENGINE = MyISAM")
    assert not (await source.look()).certain
    world.do("DROP TABLE old")
    assert (await source.look()).certain


async def test_a_snapshot_sees_what_is_committed_and_not_what_is_only_written(world, source):
    before = await source.query("SELECT count(*) FROM numbers", rows_max=1)
    with world._server.connect(world.database) as writing, writing.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("INSERT INTO numbers VALUES (-1)")
        during = await source.query("SELECT count(*) FROM numbers", rows_max=1)
        cursor.execute("COMMIT")
    after = await source.query("SELECT count(*) FROM numbers", rows_max=1)
    assert before.rows == during.rows != after.rows
    assert during.snapshot != after.snapshot
    world.do("DELETE FROM numbers WHERE n = -1")


# --- going away -------------------------------------------------------------------------------------------------------


async def test_a_query_ended_by_somebody_on_the_server_says_so(world, source):
    task = asyncio.get_running_loop().create_task(source.query(world.endless, rows_max=1))
    await until(world.running)
    ((number,),) = world.do(
        f"SELECT id FROM information_schema.processlist WHERE db = '{world.database}' AND id <> connection_id()"
    )
    world.do(f"KILL {number}")
    with pytest.raises(SourceUnavailable, match=rf"{world.database} went away"):
        await task
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]


async def test_a_server_that_crashes_under_a_query_is_named_and_found_again(needs, tmp_path):
    found, why = program()
    needs("mariadb", found is not None, why)
    server = MariaDbServer(found)
    world = MariaDbWorld(tmp_path, server)
    source = await world.open()
    task = asyncio.get_running_loop().create_task(source.query(world.endless, rows_max=1))
    await until(world.running)
    server.stop(signal.SIGKILL)
    with pytest.raises(SourceUnavailable, match="went away"):
        await task
    with pytest.raises(SourceUnavailable, match="can't be reached"):
        await source.query("SELECT 1", rows_max=1)
    server.start()
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]
    await world.close()
    world.remove()
    server.remove()


async def test_a_query_can_be_given_up_although_the_server_can_t_be_told(world, monkeypatch):
    """The network takes no second connection: the caller goes all the same, and the server's own deadline remains."""
    monkeypatch.setattr("kelpie.analyst.limits.SOURCE_CANCEL_TIMEOUT_MS", 100)
    async with fake_servers.serving(fake_servers.only_the_first(world.config()["host"])) as port:
        config = ServerConfig(host="127.0.0.1", port=port, database=world.database, user="root")
        source = MySqlSource(config, world.surroundings)
        task = asyncio.get_running_loop().create_task(source.query(world.endless, rows_max=1, timeout_ms=3_000))
        await until(world.running)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.running()
        await until(lambda: not world.running())
        await source.stop()


# --- not answering ----------------------------------------------------------------------------------------------------


async def test_a_server_that_says_nothing_is_waited_for_only_so_long(world, monkeypatch):
    monkeypatch.setattr("kelpie.analyst.limits.SOURCE_CONNECT_TIMEOUT_MS", 200)
    async with fake_servers.serving(fake_servers.silence) as port:
        with pytest.raises(SourceUnavailable, match=rf"MySQL at 127\.0\.0\.1:{port}/\w+ did not answer"):
            await world.open(host="127.0.0.1", port=port)


async def test_a_server_that_is_too_old_is_told_so_at_once(world):
    async with fake_servers.serving(fake_servers.old_mysql) as port:
        with pytest.raises(InvalidInput, match=r"runs MySQL 5\.7\.44-log; 8\.0 or newer is needed"):
            await world.open(host="127.0.0.1", port=port)


async def test_a_server_that_is_not_there_or_refuses_is_said_with_its_reason(world):
    for changes, why in (
        ({"host": "127.0.0.1", "port": 1}, "refused"),
        ({"host": "/nowhere"}, "No such file"),
        ({"database": "nowhere"}, "'nowhere'"),
        ({"user": "nobody"}, "Access denied"),
        ({"tls": "verify"}, "SSL"),
    ):
        with pytest.raises(SourceUnavailable, match=why):
            await world.open(**changes)
