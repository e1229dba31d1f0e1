"""The fixtures on the real engines: what passes means what was written; what each wall stops by itself."""

import re

import pytest
from tests.kelpie.analyst.guard.cases import DIALECTS, TABLES, hostile, legitimate

from kelpie.analyst import limits
from kelpie.analyst.guard import guard
from kelpie.analyst.table import as_cell
from kelpie.errors import QueryFailed

ENDS_ORDERED = re.compile(r"ORDER BY[^()]*;?$")


def params(dialects, cases):
    return [
        pytest.param(dialect, *case.values, id=f"{dialect} {case.id}")
        for dialect in dialects
        for case in cases(dialect)
    ]


@pytest.mark.parametrize(("dialect", "title", "heads", "sql"), params(DIALECTS, legitimate))
def test_what_passed_gives_the_same_rows_as_what_was_written(dialect, title, heads, sql, flights_world):
    """The guard writes the query anew from its tree: but for the limit nothing changes."""
    world = flights_world(dialect)
    written = world.ask(sql if dialect == "sqlite" else sql.rstrip().rstrip(";"))
    guarded = world.ask(guard(sql, TABLES, rows_max=100_000, dialect=dialect).sql)
    if not ENDS_ORDERED.search(sql):
        written, guarded = (sorted(repr(row) for row in rows) for rows in (written, guarded))
    assert guarded == written
    assert written


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_passed_runs_on_our_source_within_its_limit(dialect, reading_source):
    source = await reading_source(dialect)
    for case in legitimate(dialect):
        title, _, sql = case.values
        table = await source.query(guard(sql, TABLES, dialect=dialect).sql, rows_max=limits.QUERY_ROWS_MAX)
        assert table.rows, title
        assert len(table.rows) <= limits.QUERY_ROWS_MAX
        assert all(cell is None or as_cell(cell) == cell for row in table.rows for cell in row), title


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_engine_alone_refuses_what_is_marked_so(dialect, reading_source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = await reading_source(dialect)
    before = {table: (await source.query(f"SELECT * FROM {table}", rows_max=2_000)).rows for table in TABLES}
    marked = [case.values for case in hostile(dialect) if case.values[1].get("engine") == "refuses"]
    assert len(marked) > 20
    let_through = []
    for title, _, sql in marked:
        try:
            await source.query(sql, rows_max=10, timeout_ms=2_000)
        except QueryFailed:
            continue
        let_through.append(title)
    assert let_through == []
    after = {table: (await source.query(f"SELECT * FROM {table}", rows_max=2_000)).rows for table in TABLES}
    assert after == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_never_ends_is_stopped_by_the_deadline(dialect, reading_source):
    (endless,) = [case.values for case in hostile(dialect) if case.values[1].get("stopped") == "timeout"]
    source = await reading_source(dialect)
    with pytest.raises(QueryFailed):
        await source.query(guard(endless[2], TABLES, dialect=dialect).sql, rows_max=10, timeout_ms=300)
    assert (await source.query("SELECT 1", rows_max=1)).rows == [[1]]
