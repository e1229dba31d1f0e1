"""Exact arithmetic: the 22 queries of TPC-H through the guard and our source, held against the reference's answers."""

import datetime as dt
import importlib.util
import pathlib
import re
from decimal import Decimal

import duckdb
import pytest

from kelpie.analyst import limits
from kelpie.analyst.guard import guard
from kelpie.analyst.sources.config import Surroundings
from kelpie.analyst.sources.engines import open_source
from kelpie.analyst.workers import Workers
from umi.dst import Host

SCALE = 0.01
QUERIES = range(1, 23)
# The reference's last digits are those of a sum of floats in some order; a decimal has none to lose.
FLOAT_DIGITS = 12


@pytest.fixture(scope="session")
def extension(needs):
    """The extension's file: what makes the data, and knows the queries and their answers."""
    found = importlib.util.find_spec("duckdb_extension_tpch")
    needs("tpch", found is not None, "the package duckdb-extension-tpch is not installed")
    (file,) = pathlib.Path(found.origin).parent.glob("extensions/*/tpch.duckdb_extension")
    return str(file)


@pytest.fixture(scope="session")
def reference(extension, tmp_path_factory):
    """The folder of tpch.duckdb, its tables, and by number the queries and their answers as text."""
    folder = tmp_path_factory.mktemp("tpch")
    with duckdb.connect(str(folder / "tpch.duckdb")) as connection:
        connection.execute(f"LOAD '{extension}'")
        connection.execute(f"CALL dbgen(sf = {SCALE})")
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        queries = dict(connection.execute("SELECT query_nr, query FROM tpch_queries()").fetchall())
        answers = "SELECT query_nr, answer FROM tpch_answers() WHERE scale_factor = ?"
        return folder, tables, queries, dict(connection.execute(answers, [SCALE]).fetchall())


@pytest.fixture
async def source(reference):
    workers, folder = Workers(Host(), 1), str(reference[0])
    opened = await open_source("duckdb", {"path": "tpch.duckdb"}, Surroundings(Host(), workers, [folder], {}))
    yield opened
    await opened.stop()
    workers.close()


def as_it_is(text, kind):
    """A text of the reference as the value it stands for, a column's type being `kind`."""
    if text == "":
        return None
    if kind.startswith("DECIMAL") or kind in ("BIGINT", "INTEGER", "HUGEINT"):
        return Decimal(text)
    if kind == "DOUBLE":
        return float(f"{float(text):.{FLOAT_DIGITS}g}")
    return dt.date.fromisoformat(text) if kind == "DATE" else text


def differences(answer, table):
    """Where a result is not the reference's answer: rows in order, decimals exactly."""
    head, *lines = answer.removesuffix("\n").split("\n")
    if [name.partition("(")[0] for name in table.columns] != head.split("|"):  # it says "sum" for "sum(l_quantity)"
        return [f"columns {table.columns}, not {head}"]
    if len(lines) != len(table.rows):
        return [f"{len(table.rows)} rows, not {len(lines)}"]
    found = []
    for number, (line, row) in enumerate(zip(lines, table.rows, strict=True)):
        for text, cell, kind in zip(line.split("|"), row, table.types, strict=True):
            ours = None if cell is None else as_it_is(str(cell), kind)
            if as_it_is(text, kind) != ours:
                found.append(f"row {number}: {cell!r}, not {text}")
    return found


def test_the_reference_answers_every_query(reference):
    assert sorted(reference[2]) == sorted(reference[3]) == list(QUERIES)


@pytest.mark.parametrize("number", QUERIES)
async def test_an_answer_is_the_reference_s(reference, source, number):
    _, tables, queries, answers = reference
    guarded = guard(queries[number], tables)
    assert set(guarded.tables) == {name for name in tables if re.search(rf"\b{name}\b", queries[number])}
    table = await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)
    assert not table.truncated
    assert differences(answers[number], table) == []


async def test_a_cent_would_be_noticed(reference, source):
    _, tables, queries, answers = reference
    table = await source.query(guard(queries[1], tables).sql, rows_max=10)
    other = answers[1].replace("532348211.65", "532348211.66")
    assert differences(other, table) == ["row 0: 532348211.65, not 532348211.66"]
