"""Two small warehouses to test on: flights in the shape of the demo's, and a coffee shop with other words."""

import os
import pathlib
import re
import shutil
import tempfile

import duckdb
import pytest

COFFEE_YAML = (pathlib.Path(__file__).parent / "coffee.yaml").read_text(encoding="utf-8")

CARRIERS = {
    "9E": "Endeavor Air Inc.", "AA": "American Airlines Inc.", "AS": "Alaska Airlines Inc.", "B6": "JetBlue Airways",
    "DL": "Delta Air Lines Inc.", "EV": "ExpressJet Airlines Inc.", "F9": "Frontier Airlines Inc.",
    "FL": "AirTran Airways Corporation", "HA": "Hawaiian Airlines Inc.", "MQ": "Envoy Air",
    "OO": "SkyWest Airlines Inc.", "UA": "United Air Lines Inc.", "US": "US Airways Inc.", "VX": "Virgin America",
    "WN": "Southwest Airlines Co.", "YV": "Mesa Airlines Inc.",
}  # fmt: skip
AIRPORTS = {
    "EWR": "Newark Liberty Intl", "JFK": "John F Kennedy Intl", "LGA": "La Guardia", "LAX": "Los Angeles Intl",
    "ORD": "Chicago Ohare Intl", "MDW": "Chicago Midway Intl", "BOS": "General Edward Lawrence Logan Intl",
    "LGB": "Long Beach", "MIA": "Miami Intl",
}  # fmt: skip
# Every expression is arithmetic on the row number: the same file every time, with no chance in it.
_FLIGHTS = """
CREATE TABLE flights AS
WITH n AS (SELECT range AS i FROM range(4000)), f AS (
    SELECT i,
        DATE '2013-01-01' + CAST((i * 37) % 365 AS INTEGER) AS flight_date,
        CASE WHEN i % 500 = 3 THEN 'OO' ELSE
            ['9E','AA','AS','B6','DL','EV','F9','FL','HA','MQ','UA','US','VX','WN','YV'][1 + (i * 7) % 15]
        END AS carrier,
        ['EWR','JFK','LGA'][1 + (i // 3) % 3] AS origin,
        ['LAX','ORD','MDW','BOS','LGB','MIA','SJU'][1 + (i // 5) % 7] AS dest,
        i % 53 = 0 AS cancelled
    FROM n
)
SELECT CAST(i + 1 AS INTEGER) AS flight_id, flight_date, carrier, origin, dest, cancelled,
    CAST(i % 3000 AS INTEGER) AS flight, 'N' || (i % 60) AS tailnum, CAST(5 + i % 18 AS SMALLINT) AS hour,
    CASE WHEN NOT cancelled
        THEN CAST((i * 31) % 90 - 20 + length(carrier || dest) + ascii(carrier) % 13 AS INTEGER) END AS dep_delay,
    CASE WHEN NOT cancelled AND i % 97 <> 0
        THEN CAST((i * 31) % 90 - 30 + (i * 13) % 21 + ascii(carrier) % 13 + month(flight_date) AS INTEGER)
        END AS arr_delay,
    CASE WHEN NOT cancelled THEN CAST(60 + (i * 11) % 300 AS INTEGER) END AS air_time,
    CAST(200 + (i * 17) % 2300 AS INTEGER) AS distance
FROM f
"""
_PLANES = """
CREATE TABLE planes AS
SELECT 'N' || range AS tailnum, ['BOEING','AIRBUS','AIRBUS INDUSTRIE','EMBRAER'][1 + range % 4] AS manufacturer
FROM range(50)
"""
_SALARIES = "CREATE TABLE salaries AS SELECT 'Ada' AS person, 5000 AS amount"
_ORDERS = """
CREATE TABLE orders AS
SELECT CAST(range AS INTEGER) AS order_no,
    TIMESTAMP '2023-03-01 07:00:00' + INTERVAL (range * 7) HOUR AS ordered_at,
    1 + range % 3 AS shop_no,
    ['espresso','flat white','mocha','chai'][1 + (range // 3) % 4] AS drink,
    CAST(1 + range % 4 AS INTEGER) AS cups,
    CAST((250 + (range * 13) % 400) / 100 AS DECIMAL(9, 2)) AS paid
FROM range(1500)
"""
_SHOPS = (
    "CREATE TABLE shops AS SELECT * FROM (VALUES (1, 'Leith'), (2, 'Portobello'), (3, 'Morningside')) AS s(no, quarter)"
)


# A case in a .sql file: `-- title:`, more heads, then SQL up to the next title.
_CASE = re.compile(
    r"^-- title: (?P<title>.+)\n(?P<heads>(?:-- \w+:.*\n)+)(?P<sql>(?:.|\n)+?)(?=\n-- title: |\Z)", re.MULTILINE
)


def sql_cases(pattern):
    """(title, heads, sql) of every case in the files, as parameters of a test: SQL is reviewed as SQL."""
    found = []
    for path in sorted(pathlib.Path(__file__).parent.glob(pattern)):
        for case in _CASE.finditer(path.read_text(encoding="utf-8")):
            heads = dict(re.findall(r"-- (\w+): ?(.*)", case["heads"]))
            found.append(pytest.param(case["title"], heads, case["sql"].strip(), id=f"{path.stem}: {case['title']}"))
    assert found, f"no cases in {pattern}"
    return found


def build_flights(path):
    with duckdb.connect(path) as connection:
        for table, key, rows in (("airlines", "carrier", CARRIERS), ("airports", "faa", AIRPORTS)):
            connection.execute(f"CREATE TABLE {table} ({key} VARCHAR PRIMARY KEY, name VARCHAR)")
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", list(rows.items()))
        for sql in (_FLIGHTS, _PLANES, _SALARIES):
            connection.execute(sql)
    return path


def build_coffee(path):
    with duckdb.connect(path) as connection:
        for sql in (_ORDERS, _SHOPS):
            connection.execute(sql)
    return path


def ask(path, sql):
    """Rows of hand-written SQL, past everything that is tested.

    On a copy: DuckDB opens a file twice in one process only with equal settings, and ours are locked down.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, os.path.join(folder, "copy.duckdb"))
        with duckdb.connect(copy, read_only=True) as connection:
            return connection.execute(sql).fetchall()
