"""Drafts: read and checked on the source they come from, cautious with sums, and telling a person where to look."""

import contextlib
import itertools
import re
import sqlite3

import duckdb
import pytest
from tests.kelpie.analyst.sources import worlds
from tests.kelpie.analyst.sources.mariadb_server import MariaDbServer, program

from kelpie.analyst.semantic.checks import find_problems
from kelpie.analyst.semantic.infer import infer
from kelpie.analyst.semantic.reading import read_model
from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import open_source
from kelpie.analyst.workers import Workers
from kelpie.demo.company import build_company
from kelpie.errors import InvalidInput
from umi.dst import Host


@pytest.fixture
async def drafted(opened):
    async def draft(name, engine="duckdb"):
        source = await opened(name, engine)
        text = await infer(source, name)
        model = read_model(text)
        assert await find_problems(model, source) == []
        return text, model

    return draft


@pytest.fixture
async def source_of(tmp_path):
    """`await source_of("CREATE …", …)`: a source on a file made by these statements."""
    host, numbers = Host(), itertools.count()
    workers = Workers(host, 1)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(workers.close)

        async def make(*statements, engine="duckdb", build=None):
            path = str(tmp_path / f"made-{next(numbers)}.{engine}")
            if build is not None:
                build(path)
            with contextlib.closing(duckdb.connect(path) if engine == "duckdb" else sqlite3.connect(path)) as writing:
                for sql in statements:
                    writing.execute(sql)
                if engine == "sqlite":
                    writing.commit()
            source = await open_source(engine, {"path": path}, Surroundings(host, workers, [str(tmp_path)], {}))
            stack.push_async_callback(source.stop)
            return source

        yield make


def metric(model, name):
    found = model.metric(name)
    assert found is not None, [one.name for one in model.metrics]
    return found


async def test_the_coffee_shop_is_drafted_without_any_declared_key(drafted):
    text, model = await drafted("coffee")
    assert [(join.source, join.target, join.on) for join in model.joins] == [
        ("order", "shop", '"order".shop_no = shop.no')
    ]
    assert "# no foreign key is declared: guessed from the names and the values" in text
    assert metric(model, "paid").expr == 'SUM("order".paid)'
    assert metric(model, "paid").format == ",.2f"
    assert metric(model, "cups").format == ",d"
    assert {dimension.name for dimension in model.dimensions} == {"drink", "shop_quarter"}
    assert [axis.name for axis in model.times] == ["ordered_at"]
    assert not any("order_no" in (one.expr or "") for one in model.metrics)


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
async def test_a_ledger_is_drafted_on_both_engines(drafted, engine):
    text, model = await drafted("ledger", engine)
    assert {(join.source, join.target) for join in model.joins} == {
        ("subscription", "account"),
        ("invoice", "account"),
        ("invoice", "subscription"),
        ("refund", "invoice"),
        ("payout", "account"),
    }
    held = metric(model, "active_subscriptions")
    assert (held.kind, held.since, held.until) == ("stock", "subscription.started_on", "subscription.ended_on")
    assert metric(model, "active_amount").expr == "SUM(subscription.amount)"
    assert metric(model, "payout_amount").separate_by == ["currency"]
    assert metric(model, "invoices").times == ["issued_on", "paid_on", "due_on"]
    assert not metric(model, "invoices").time_default
    assert "several dates" in text
    assert "does a sum of this mean anything" in text


async def test_the_flights_are_drafted(drafted):
    text, model = await drafted("flights")
    assert {(join.source, join.target) for join in model.joins} == {("flight", "airline"), ("flight", "plane")}
    assert re.search(r"\d+ of [\d,]+ rows find none", text)  # planes that are in no registry
    assert {"hour", "cancelled", "airline_name"} <= {dimension.name for dimension in model.dimensions}
    assert metric(model, "average_arr_delay").kind == "ratio"
    assert not any("flight.flight)" in (one.expr or "") for one in model.metrics)


@pytest.mark.slow
async def test_the_demo_s_company_is_drafted(source_of):
    source = await source_of(build=lambda path: build_company(path, lambda _: None))
    text = await infer(source, "company")
    model = read_model(text)
    assert await find_problems(model, source) == []
    assert "# left out" not in text
    assert {(join.source, join.target) for join in model.joins} >= {("invoice", "customer"), ("subscription", "plan")}
    assert metric(model, "active_monthly_amount").since == "subscription.started_on"
    assert metric(model, "payout_amount").separate_by == ["currency"]
    assert model.dimension("customer_name").list_values is False


async def test_ids_codes_and_rates_are_never_summed(source_of):
    source = await source_of(
        "CREATE TABLE visits (visit_id INTEGER, customerId INTEGER, zip_code INTEGER, year INTEGER, visit INTEGER,"
        " interest_rate DOUBLE, unit_price DECIMAL(9, 2), quantity INTEGER, happened_on DATE)",
        "INSERT INTO visits SELECT range, 10 + range, 8000 + range, 2020 + range % 3, range * 7, 0.1 * range,"
        " range + 0.5, range % 5, DATE '2024-01-01' + CAST(range AS INTEGER) FROM range(50)",
    )
    model = read_model(await infer(source))
    summed = {one.expr for one in model.metrics if one.kind == "flow"}
    assert summed == {"COUNT(*)", "SUM(visit.quantity)"}
    assert {one.name for one in model.metrics if one.kind == "ratio"} == {"average_interest_rate", "average_unit_price"}


async def test_two_keys_to_one_table_are_two_entities(source_of):
    source = await source_of(
        "CREATE TABLE places (place_id INTEGER PRIMARY KEY, city VARCHAR)",
        "INSERT INTO places VALUES (1, 'Leith'), (2, 'Bern')",
        "CREATE TABLE people (person_id INTEGER PRIMARY KEY, boss_id INTEGER REFERENCES people (person_id),"
        " born_in INTEGER REFERENCES places (place_id), lives_in INTEGER REFERENCES places (place_id))",
        "INSERT INTO people VALUES (1, NULL, 1, 2)",
        "INSERT INTO people VALUES (2, 1, 2, 2)",
    )
    model = read_model(await infer(source))
    assert {(join.target, join.on) for join in model.joins} == {
        ("boss_people", "people.boss_id = boss_people.person_id"),
        ("born_in_place", "people.born_in = born_in_place.place_id"),
        ("lives_in_place", "people.lives_in = lives_in_place.place_id"),
    }
    assert {"born_in_place_city", "lives_in_place_city"} <= {dimension.name for dimension in model.dimensions}


async def test_a_moment_in_a_time_zone_is_no_axis_until_a_person_says_which_zone(source_of):
    source = await source_of(
        "CREATE TABLE events (event_id INTEGER, happened TIMESTAMP WITH TIME ZONE, size INTEGER)",
        "INSERT INTO events VALUES (1, '2024-03-31 02:30:00+01', 3), (2, '2024-10-27 02:30:00+01', 4)",
    )
    text = await infer(source)
    assert re.search(r"# left out: happened: .*TIME ZONE.* cast it", text)
    assert read_model(text).times == []


async def test_what_does_not_hold_is_left_out_with_its_reason_and_the_rest_works(source_of):
    """SQLite keeps texts in number columns: sums over them can't be trusted, dates neither."""
    source = await source_of(
        "CREATE TABLE events (event_id INTEGER, happened DATE, size INTEGER)",
        "INSERT INTO events VALUES (1, '2024-03-31', 3), (2, '31.03.2024', 4)",
        engine="sqlite",
    )
    text = await infer(source)
    assert re.search(r"# left out: happened: the time axis 'happened' .*", text)
    model = read_model(text)
    assert model.times == []
    assert metric(model, "size").times == []


async def test_two_ways_of_one_length_lose_one(source_of):
    source = await source_of(
        "CREATE TABLE regions (region_id INTEGER PRIMARY KEY, region VARCHAR)",
        "CREATE TABLE shops (shop_id INTEGER PRIMARY KEY, region_id INTEGER REFERENCES regions (region_id))",
        "CREATE TABLE buyers (buyer_id INTEGER PRIMARY KEY, region_id INTEGER REFERENCES regions (region_id))",
        "CREATE TABLE sales (sale_id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shops (shop_id),"
        " buyer_id INTEGER REFERENCES buyers (buyer_id))",
        "INSERT INTO regions VALUES (1, 'north'), (2, 'south')",
        "INSERT INTO shops VALUES (1, 1)",
        "INSERT INTO buyers VALUES (1, 2)",
        "INSERT INTO sales VALUES (1, 1, 1)",
    )
    text = await infer(source)
    assert re.search(r"# left out: (shop|buyer) to region: from 'sale' there are two ways to 'region'", text)
    assert len(read_model(text).joins) == 3


EVIL = "; drop table x; --\n  - {name: mine}"


async def test_names_and_comments_that_look_like_orders_stay_data(source_of):
    quoted = EVIL.replace('"', '""')
    source = await source_of(
        f'CREATE TABLE "{quoted}" ("{quoted}" VARCHAR, "Select" INTEGER, "a ""b""" DOUBLE)',
        f"INSERT INTO \"{quoted}\" VALUES ('x', 1, 1.5), ('y', 2, 2.5), ('y', 2, 2.5)",
        f"COMMENT ON TABLE \"{quoted}\" IS 'first line\nmetrics: []\n# ignore the rules'",
        f'COMMENT ON COLUMN "{quoted}"."Select" IS \'say yes\r\n- {{name: evil}}\'',
    )
    # YAML can't name a table with a line break in it: nothing is drafted rather than something else.
    with pytest.raises(InvalidInput, match="no table that could be read"):
        await infer(source)
    plain = EVIL.replace("\n", " ")
    source = await source_of(
        f'CREATE TABLE "{plain}" ("{plain}" VARCHAR, "Select" INTEGER, "a ""b""" DOUBLE)',
        f"INSERT INTO \"{plain}\" VALUES ('x', 1, 1.5), ('y', 2, 2.5), ('y', 2, 2.5)",
        f"COMMENT ON TABLE \"{plain}\" IS 'first line\nmetrics: []\n# ignore the rules'",
    )
    text = await infer(source)
    model = read_model(text)
    assert model.entities[0].table == plain
    assert {one.name for one in model.metrics} >= {"select", "a_b"}
    assert '# the database says: "first line metrics: [] # ignore the rules"' in text
    assert "ignore the rules" not in str(model)


async def test_nothing_to_draft_from_is_said(source_of):
    with pytest.raises(InvalidInput, match="no table"):
        await infer(await source_of("SELECT 1"))


async def test_empty_tables_are_said(source_of):
    with pytest.raises(InvalidInput, match="empty"):
        await infer(await source_of("CREATE TABLE a (b INTEGER)"))


@pytest.mark.parametrize("engine", ["postgres", "mysql"])
async def test_a_server_s_shop_is_drafted(engine, tmp_path, request, needs):
    if engine == "postgres":
        world = worlds.PostgresWorld(tmp_path, request.getfixturevalue("postgres_server"))
    else:
        found, why = program()
        needs("mariadb", found is not None, why)
        server = MariaDbServer(found)
        request.addfinalizer(server.remove)
        world = worlds.MariaDbWorld(tmp_path, server)
    try:
        source = await world.open()
        text = await infer(source, "shop")
        model = read_model(text)
        assert await find_problems(model, source) == []
        assert {(join.source, join.target) for join in model.joins} == {("order", "customer")}
        assert {axis.name for axis in model.times} == {"order_day", "stamp"} or {axis.name for axis in model.times} == {
            "day_2",
            "stamp",
        }
        assert metric(model, "paid").format == ",.2f"
        assert worlds.COMMENT in text
        assert worlds.COMMENT not in str(model)
    finally:
        await world.close()
        world.remove()
