"""Connections and semantic models as rows: named once, owned by a tenant, kept while something stands on them."""

import os

import apsw
import duckdb
import pytest
from tests.kelpie.analyst.conftest import TENANT
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee

from kelpie.analyst import connections
from kelpie.analyst.service import Analyst
from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound, SourceUnavailable
from umi.dst import Host
from umi.storage import View


async def test_a_connection_is_read_back_as_it_was_made(host, database, commit):
    view = View(database)
    made = connections.new_connection(host, TENANT, " nyc ", "duckdb", {"path": "nyc.duckdb"})
    assert made.name == "nyc"
    assert made.id.startswith("connection-")
    await commit(await connections.plan_create(view, made))
    assert await connections.get(view, TENANT, made.id) == made
    assert await connections.by_name(view, TENANT, "nyc") == made
    assert await connections.list_all(view, TENANT) == [made]


async def test_another_tenant_sees_and_deletes_nothing(host, database, commit):
    view = View(database)
    made = connections.new_connection(host, TENANT, "nyc", "duckdb", {"path": "nyc.duckdb"})
    await commit(await connections.plan_create(view, made))
    assert await connections.list_all(view, "other") == []
    for attempt in (connections.get, connections.plan_delete):
        with pytest.raises(NotFound):
            await attempt(view, "other", made.id)
    same_name = connections.new_connection(host, "other", "nyc", "duckdb", {"path": "nyc.duckdb"})
    await commit(await connections.plan_create(view, same_name))


async def test_a_name_is_given_once_even_by_two_plans_at_the_same_time(host, database, commit):
    view = View(database)
    first, second = (connections.new_connection(host, TENANT, "nyc", "duckdb", {"path": "a"}) for _ in range(2))
    plans = [await connections.plan_create(view, made) for made in (first, second)]
    await commit(plans[0])
    with pytest.raises(Conflict):
        await commit(plans[1])
    with pytest.raises(Conflict, match="nyc"):
        await connections.plan_create(view, second)


@pytest.mark.parametrize(
    ("name", "engine", "config"),
    [
        (" ", "duckdb", {"path": "a"}),
        ("a", "oracle", {"path": "a"}),
        ("a", "duckdb", {"path": "a", "threads": 8}),
        ("a", "postgres", {"host": "h", "database": "d", "user": "u", "password": "p"}),
        ("a" * 101, "duckdb", {"path": "a"}),
    ],
)
def test_a_malformed_connection_is_refused(host, name, engine, config):
    with pytest.raises((InvalidInput, LimitExceeded)):
        connections.new_connection(host, TENANT, name, engine, config)


async def test_how_much_may_leave_a_source_is_kept_with_its_connection(host, database, commit):
    view = View(database)
    for sharing in ("schema", "aggregates", "rows"):
        made = connections.new_connection(host, TENANT, sharing, "duckdb", {"path": "a"}, sharing)
        await commit(await connections.plan_create(view, made))
        assert (await connections.get(view, TENANT, made.id)).sharing == sharing
    with pytest.raises(InvalidInput, match="levels: schema, aggregates, rows"):
        connections.new_connection(host, TENANT, "a", "duckdb", {"path": "a"}, "everything")


async def test_a_server_s_connection_keeps_the_name_of_its_password_and_no_password(host, database, commit):
    config = {"host": "db", "database": "sales", "user": "reader", "password_env": "KELPIE_SECRET_SALES"}
    made = connections.new_connection(host, TENANT, "sales", "postgres", config, "aggregates")
    await commit(await connections.plan_create(View(database), made))
    assert await connections.get(View(database), TENANT, made.id) == made
    assert made.config == config


async def test_a_connection_is_opened_once_before_it_is_accepted(analyst, database, data_folder):
    for path in ("missing.duckdb", "."):
        with pytest.raises(InvalidInput):
            await analyst.plan_connection(View(database), TENANT, "broken", {"path": path})


async def test_a_path_outside_the_data_folders_is_refused_also_through_a_link(analyst, database, tmp_path, data_folder):
    elsewhere = build_coffee(str(tmp_path / "elsewhere.duckdb"))
    link = str(data_folder / "link.duckdb")
    os.symlink(elsewhere, link)
    for path in (elsewhere, link, "link.duckdb", "../../../../etc/passwd"):
        with pytest.raises(InvalidInput, match="outside"):
            await analyst.plan_connection(View(database), TENANT, "sneaky", {"path": path})
    allowed = Analyst(Host(), str(data_folder), folders=[str(tmp_path)])
    await allowed.plan_connection(View(database), TENANT, "fine", {"path": elsewhere})
    await allowed.close()


async def test_a_connection_stays_while_a_semantic_model_stands_on_it(flights, commit):
    with pytest.raises(Conflict, match="flights"):
        await connections.plan_delete(flights.view, TENANT, flights.connection.id)
    from kelpie.analyst.semantic import records

    await commit(await records.plan_delete(flights.view, TENANT, flights.record.id))
    await commit(await connections.plan_delete(flights.view, TENANT, flights.connection.id))
    assert await connections.list_all(flights.view, TENANT) == []


async def test_a_semantic_model_s_name_is_given_once(coffee):
    with pytest.raises(Conflict, match="coffee"):
        await coffee.analyst.plan_model(coffee.view, TENANT, coffee.connection.id, COFFEE_YAML)


async def test_two_connections_to_one_file_share_one_source(analyst, database, coffee_path, host, commit):
    first, second = (connections.new_connection(host, TENANT, name, "duckdb", {"path": coffee_path}) for name in "ab")
    assert await analyst.open_source(first) is await analyst.open_source(second)


async def test_a_replaced_file_is_opened_anew(tmp_path, host):
    path = build_coffee(str(tmp_path / "coffee.duckdb"))
    analyst = Analyst(host, str(tmp_path))
    connection = connections.new_connection(host, TENANT, "coffee", "duckdb", {"path": "coffee.duckdb"})
    before = await analyst.open_source(connection)
    new = build_coffee(str(tmp_path / "new.duckdb"))
    with duckdb.connect(new) as writer:
        writer.execute("DELETE FROM orders WHERE order_no >= 10")
    os.replace(new, path)
    os.utime(path, (1, 1))
    after = await analyst.open_source(connection)
    assert after is not before
    assert (await after.query("SELECT count(*) FROM orders", rows_max=1)).rows == [[10]]
    await analyst.close()


async def test_every_engine_is_opened_through_its_connection_and_checked(tmp_path, host, data_folder):
    analyst = Analyst(host, str(tmp_path))
    build_coffee(str(tmp_path / "coffee.duckdb"))
    apsw.Connection(str(tmp_path / "coffee.sqlite")).execute("CREATE TABLE cups (n INTEGER)").fetchall()
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "cups.csv").write_text("n\n1\n")
    for engine, path in (("duckdb", "coffee.duckdb"), ("sqlite", "coffee.sqlite"), ("files", "files")):
        connection = connections.new_connection(host, TENANT, engine, engine, {"path": path})
        source = await analyst.open_source(connection)
        assert source.engine == engine
        assert await analyst.open_source(connection) is source
        check = await analyst.check_connection(connection)
        assert check.version.startswith(("DuckDB v", "SQLite 3"))
        assert check.beyond_reading == []
    await analyst.close()


async def test_a_server_that_is_not_there_makes_no_connection(analyst, database):
    config = {"host": "127.0.0.1", "port": 1, "database": "sales", "user": "reader"}
    for engine in ("postgres", "mysql"):
        with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:1/sales can't be reached"):
            await analyst.plan_connection(View(database), TENANT, "sales", config, engine)


async def test_only_so_many_sources_stay_open(tmp_path, host, monkeypatch):
    monkeypatch.setattr("kelpie.analyst.limits.SOURCES_OPEN_MAX", 2)
    analyst = Analyst(host, str(tmp_path))
    opened = []
    for name in ("a", "b", "c"):
        build_coffee(str(tmp_path / f"{name}.duckdb"))
        connection = connections.new_connection(host, TENANT, name, "duckdb", {"path": f"{name}.duckdb"})
        opened.append(await analyst.open_source(connection))
    assert len(analyst._sources) == 2
    assert opened[0] not in analyst._sources.values()
    await analyst.close()
