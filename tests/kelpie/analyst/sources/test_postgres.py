"""What only a PostgreSQL server does: sessions, rights, types of its own, and going away."""

import asyncio
import json
import signal

import pytest
from tests.kelpie.analyst.sources import fake_servers
from tests.kelpie.analyst.sources.worlds import PostgresWorld, until
from tests.umi.postgres_server import serving

from kelpie.errors import InvalidInput, QueryFailed, SourceUnavailable


@pytest.fixture(scope="session")
def postgres_world(make_world):
    return make_world("postgres")


@pytest.fixture
async def world(postgres_world):
    yield postgres_world
    await postgres_world.close()


@pytest.fixture
async def source(world):
    return await world.open()


@pytest.fixture
def reader(world):
    """A role that is as it should be."""
    world.do(
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM public",
        "GRANT SELECT ON orders, customers TO reader",
        "GRANT SELECT (n) ON numbers TO reader",
    )
    yield {"user": "reader"}
    world.do("DROP OWNED BY reader", "DROP ROLE reader")


async def test_a_role_that_may_only_read_leaves_nothing_to_say(world, reader):
    check = await (await world.open(**reader)).check()
    assert check.version.startswith("PostgreSQL 1")
    assert check.beyond_reading == []


async def test_what_a_role_may_do_beyond_reading_is_said(world, reader):
    world.do("GRANT INSERT, DELETE ON orders TO reader", "GRANT pg_read_server_files TO reader")
    assert (await (await world.open(**reader)).check()).beyond_reading == [
        "the role may change the rows of orders",
        "the role is a member of pg_read_server_files",
    ]
    assert "is a superuser" in (await (await world.open()).check()).beyond_reading[0]


async def test_only_what_the_role_may_read_is_in_the_schema(world, reader):
    world.do("CREATE TABLE salaries (a int)", "REVOKE SELECT ON customers FROM reader")
    world.do("GRANT SELECT (id, name) ON customers TO reader", "ALTER TABLE customers ADD COLUMN secret text")
    source = await world.open(**reader)
    tables = {table.name: [column.name for column in table.columns] for table in await source.schema()}
    assert "salaries" not in tables
    assert tables["customers"] == ["id", "name"]
    with pytest.raises(QueryFailed, match="permission denied"):
        await source.query("SELECT * FROM salaries", rows_max=1)
    world.do("DROP TABLE salaries", "ALTER TABLE customers DROP COLUMN secret")


async def test_nothing_that_a_query_sets_or_locks_outlives_it(source):
    await source.query("SELECT set_config('search_path', 'pg_catalog', false)", rows_max=1)
    await source.query("SELECT set_config('statement_timeout', '0', false)", rows_max=1)
    await source.query("SELECT pg_advisory_lock(7)", rows_max=1)
    found = await source.query(
        "SELECT current_setting('search_path'), current_setting('transaction_read_only'),"
        " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')",
        rows_max=1,
    )
    assert found.rows == [["public", "on", 0]]
    with pytest.raises(QueryFailed, match="longer than 100 ms"):
        await source.query("SELECT pg_sleep(60) FROM (SELECT set_config('statement_timeout', '0', false)) s",
                           rows_max=1, timeout_ms=100)  # fmt: skip


async def test_another_schema_is_another_connection(world):
    evil = 'o"dd; drop table orders'
    quoted = '"' + evil.replace('"', '""') + '"'
    world.do(
        f"CREATE SCHEMA {quoted}", f"CREATE TABLE {quoted}.orders (x int)", f"INSERT INTO {quoted}.orders VALUES (7)"
    )
    source = await world.open(schema=evil)
    assert [table.name for table in await source.schema()] == ["orders"]
    assert (await source.query("SELECT * FROM orders", rows_max=5)).rows == [[7]]
    assert (await source.sample("orders", 5)).rows == [[7]]
    world.do(f"DROP SCHEMA {quoted} CASCADE")
    with pytest.raises(InvalidInput, match="no schema 'nowhere'"):
        await world.open(schema="nowhere")


async def test_types_of_the_server_s_own_become_json(world, source):
    world.do(
        "DROP TYPE IF EXISTS size CASCADE", "CREATE TYPE size AS ENUM ('s', 'm')",
        "DROP DOMAIN IF EXISTS euros CASCADE", "CREATE DOMAIN euros AS numeric(9, 2)",
    )  # fmt: skip
    table = await source.query(
        """SELECT 's'::size, 12.30::euros, interval '1 mon 2 days', '{1,NULL}'::int[], '{"a": [1.5]}'::jsonb,
            'NaN'::numeric, 'infinity'::float8, '12345678901234567890.12'::numeric, '10:00'::time, '\\x01'::bytea,
            '2024-02-29 23:00-05'::timestamptz, 'ffffffff-0000-4000-8000-000000000000'::uuid, true, '1.5'::float4,
            '127.0.0.1'::inet, int4range(1, 5)""",
        rows_max=1,
    )
    assert json.loads(json.dumps(table.rows)) == table.rows
    assert table.rows == [
        [
            "s", 12.3, "1 mon 2 days", [1, None], {"a": [1.5]}, "NaN", "inf", "12345678901234567890.12", "10:00:00",
            "\\x01", "2024-03-01T04:00:00+00:00", "ffffffff-0000-4000-8000-000000000000", True, 1.5, "127.0.0.1",
            "[1, 5)",
        ]
    ]  # fmt: skip
    assert table.kinds == [
        "text", "number", "other", "other", "other", "number", "number", "number", "other", "other", "timestamp",
        "text", "boolean", "number", "other", "other",
    ]  # fmt: skip
    assert table.types[0] == "size"


async def test_a_value_that_python_can_t_hold_is_said_to_be(source):
    with pytest.raises(QueryFailed, match="date too large"):
        await source.query("SELECT 'infinity'::date", rows_max=1)


async def test_keys_that_only_hold_for_some_rows_are_none(world, source):
    world.do(
        "CREATE TABLE keyed (a int, b int, c int, PRIMARY KEY (b, a), UNIQUE (c))",
        "CREATE UNIQUE INDEX ON keyed (a) WHERE c > 0", "CREATE UNIQUE INDEX ON keyed ((a + 1))",
        "CREATE TABLE keying (x int, y int, FOREIGN KEY (x, y) REFERENCES keyed (b, a))",
    )  # fmt: skip
    tables = {table.name: table for table in await source.schema()}
    assert tables["keyed"].keys == [["b", "a"], ["c"]]
    (key,) = tables["keying"].foreign_keys
    assert (key.columns, key.target, key.target_columns) == (["x", "y"], "keyed", ["b", "a"])
    world.do("DROP TABLE keying, keyed")


async def test_rows_of_any_size_come_in_pieces(source):
    """Heavy rows are never all in memory together: they are asked for a few at a time."""
    table = await source.query("SELECT n, repeat('x', 200000) FROM numbers ORDER BY n LIMIT 100", rows_max=50)
    assert [row[0] for row in table.rows] == list(range(50))
    assert table.truncated


# --- going away -------------------------------------------------------------------------------------------------------


async def test_a_query_ended_by_somebody_on_the_server_says_that_it_went_away(world, source):
    task = asyncio.get_running_loop().create_task(source.query(world.endless, rows_max=1))
    await until(world.running)
    world.do(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{world.database}'"
        " AND state = 'active' AND pid <> pg_backend_pid()"
    )
    with pytest.raises(SourceUnavailable, match=rf"{world.database} went away .* terminating connection"):
        await task
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]


async def test_a_server_that_crashes_under_a_query_is_named_and_found_again(needs, tmp_path):
    with serving(needs) as server:
        world = PostgresWorld(tmp_path, server)
        source = await world.open()
        task = asyncio.get_running_loop().create_task(source.query(world.endless, rows_max=1))
        await until(world.running)
        server.stop(signal.SIGQUIT)
        with pytest.raises(SourceUnavailable, match="went away"):
            await task
        with pytest.raises(SourceUnavailable, match="can't be reached"):
            await source.query("SELECT 1", rows_max=1)
        server.start()
        assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]
        await world.close()
        world.remove()


# --- not answering ----------------------------------------------------------------------------------------------------


async def test_a_server_that_says_nothing_is_waited_for_only_so_long(world, monkeypatch):
    monkeypatch.setattr("kelpie.analyst.limits.SOURCE_CONNECT_TIMEOUT_MS", 200)
    async with fake_servers.serving(fake_servers.silence) as port:
        with pytest.raises(SourceUnavailable, match=rf"PostgreSQL at 127\.0\.0\.1:{port}/\w+ did not answer"):
            await world.open(host="127.0.0.1", port=port)


async def test_a_server_that_is_too_old_is_told_so_at_once(world):
    async with fake_servers.serving(fake_servers.old_postgres) as port:
        with pytest.raises(InvalidInput, match=r"runs PostgreSQL 9; 13 or newer is needed"):
            await world.open(host="127.0.0.1", port=port)


async def test_a_server_that_is_not_there_or_refuses_is_said_with_its_reason(world):
    for changes, why in (
        ({"host": "127.0.0.1", "port": 1}, "refused"),
        ({"host": "/nowhere"}, "No such file"),
        ({"database": "nowhere"}, '"nowhere" does not exist'),
        ({"user": "nobody"}, '"nobody" does not exist'),
    ):
        with pytest.raises(SourceUnavailable, match=why):
            await world.open(**changes)


async def test_the_password_is_taken_from_its_variable_and_shown_nowhere(world, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "of somebody else")
    world.secrets["KELPIE_SECRET_SHOP"] = "hunter2-hunter2"
    source = await world.open(password_env="KELPIE_SECRET_SHOP")
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]
    with pytest.raises(SourceUnavailable) as refused:
        await world.open(password_env="KELPIE_SECRET_SHOP", user="nobody")
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(source.snapshot)
    with pytest.raises(InvalidInput, match="KELPIE_SECRET_OTHER is not set"):
        await world.open(password_env="KELPIE_SECRET_OTHER")
    world.secrets.clear()
