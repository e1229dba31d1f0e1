"""The guard on its fixtures, on what no list foresees, and on what a parser or a generator might lose."""

import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kelpie.analyst.guard.cases import DIALECTS, TABLES, hostile, legitimate

from kelpie.analyst import limits
from kelpie.analyst.guard import guard
from kelpie.analyst.guard.dialects import dialect_of
from kelpie.analyst.guard.reading import check_nothing_lost, read
from kelpie.errors import QueryRefused


def of_all(cases):
    return [pytest.param(d, *case.values, id=f"{d} {case.id}") for d in DIALECTS for case in cases(d)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_fixtures_are_many_and_really_read(dialect):
    assert len(hostile(dialect)) >= 60
    assert len(legitimate(dialect)) >= 40
    texts = [path.read_text() for path in (pathlib.Path(__file__).parent / dialect).glob("*.sql")]
    assert sum(text.count("-- title:") for text in texts) == len(hostile(dialect)) + len(legitimate(dialect))


@pytest.mark.parametrize(("dialect", "title", "heads", "sql"), of_all(hostile))
def test_a_hostile_statement_is_refused_by_the_rule_it_breaks(dialect, title, heads, sql):
    if "stopped" in heads:
        assert guard(sql, TABLES, dialect=dialect).tables == []  # and test_engines.py sees it stopped
        return
    with pytest.raises(QueryRefused) as refused:
        guard(sql, TABLES, dialect=dialect)
    assert f"refused {refused.value.rule}" == heads["verdict"]


@pytest.mark.parametrize(("dialect", "title", "heads", "sql"), of_all(legitimate))
def test_a_legitimate_query_passes_and_its_tables_are_named(dialect, title, heads, sql):
    guarded = guard(sql, TABLES, dialect=dialect)
    assert guarded.tables == sorted(heads["tables"].split())
    assert (guarded.withheld, guarded.rules) == ([], [])
    again = guard(guarded.sql, TABLES, dialect=dialect)
    assert (again.sql, again.tables) == (guarded.sql, guarded.tables)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT * FROM flights", 11),
        ("SELECT * FROM flights LIMIT 3", 3),
        ("SELECT * FROM flights LIMIT 12", 11),
        ("SELECT * FROM flights LIMIT 99999999999999999999", 11),
        ("SELECT carrier FROM flights UNION ALL SELECT carrier FROM airlines", 11),
        ("(SELECT carrier FROM flights LIMIT 99)", 11),
    ],
)
def test_the_row_limit_is_added_or_lowered(dialect, sql, limit):
    assert guard(sql, TABLES, rows_max=10, dialect=dialect).sql.endswith(f"LIMIT {limit}")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_comments_do_not_survive(dialect):
    assert "--" not in guard("SELECT 1 -- x\n", TABLES, dialect=dialect).sql
    assert "/*" not in guard("SELECT /* x */ 1", TABLES, dialect=dialect).sql


def test_an_unknown_dialect_has_no_harmless_default():
    with pytest.raises(ValueError, match="oracle"):
        guard("SELECT 1", TABLES, dialect="oracle")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_overlong_query_is_refused_before_it_is_parsed(dialect):
    with pytest.raises(QueryRefused) as refused:
        guard("SELECT " + "1" * limits.SQL_CHARS_MAX, TABLES, dialect=dialect)
    assert refused.value.rule == "too_long"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
        "SELECT " + "+".join("1" * 9_000),
        "SELECT " + "NOT " * 4_000 + "true",
        "SELECT * FROM " + "(SELECT * FROM " * 900 + "flights" + ")" * 900,
        # These few would keep the parser busy for hours, or be read at once, as the dialect has it.
        "SELECT " + "[" * 40 + "1" + "]" * 40 + " FROM salaries",
        "SELECT " + "CAST(lower([" * 40 + "1" + "]) AS TEXT)" * 40 + " FROM salaries",
    ],
)
def test_a_query_too_deep_to_check_is_refused_not_crashed_on(dialect, sql):
    with pytest.raises(QueryRefused):
        guard(sql, TABLES, dialect=dialect)


@pytest.mark.parametrize(
    ("dialect", "table", "sql"),
    [
        ("duckdb", "flights", 'SELECT * FROM "FLIGHTS"'),
        ("sqlite", "flights", 'SELECT * FROM "FLIGHTS"'),
        ("postgres", "flights", "SELECT * FROM FLIGHTS"),
        ("postgres", "Flights", 'SELECT * FROM "Flights"'),
        ("mysql", "Flights", "SELECT * FROM Flights"),
    ],
)
def test_a_name_is_found_as_the_engine_would_find_it(dialect, table, sql):
    assert guard(sql, [table], dialect=dialect).tables == [table]


@pytest.mark.parametrize(
    ("dialect", "table", "sql"),
    [
        ("postgres", "flights", 'SELECT * FROM "FLIGHTS"'),
        ("postgres", "Flights", "SELECT * FROM Flights"),
        ("mysql", "flights", "SELECT * FROM FLIGHTS"),
        # Python's lower() makes a k of the Kelvin sign; no engine does.
        ("duckdb", "bookings", 'SELECT * FROM "boo\N{KELVIN SIGN}ings"'),
        ("sqlite", "bookings", 'SELECT * FROM "boo\N{KELVIN SIGN}ings"'),
        ("postgres", "bookings", "SELECT * FROM boo\N{KELVIN SIGN}ings"),
    ],
)
def test_a_name_the_engine_would_not_find_there_is_refused(dialect, table, sql):
    with pytest.raises(QueryRefused) as refused:
        guard(sql, [table], dialect=dialect)
    assert refused.value.rule == "table"


@pytest.mark.parametrize(
    ("dialect", "sql", "kept"),
    [
        # Each of these sqlglot would by itself change or leave out.
        ("postgres", "SELECT INTERVAL '2 days 03:00'", "2 days 03:00"),
        ("postgres", "SELECT string_agg(DISTINCT dest, ', ') FROM flights", "STRING_AGG(DISTINCT dest, ', ')"),
        ("postgres", "SELECT -2 ^ 2", "-2 ^ 2"),
        ("duckdb", "SELECT lag(hour IGNORE NULLS) OVER (ORDER BY hour) FROM flights", "IGNORE NULLS"),
        ("duckdb", "SELECT tailnum ~ 'N1' FROM flights", "tailnum ~ 'N1'"),
        ("duckdb", "SELECT -2 ^ 2", "-2 ^ 2"),
        ("duckdb", "SELECT INTERVAL 1.5 DAY", "INTERVAL 1.5 DAY"),
        ("sqlite", "SELECT CAST(hour AS NUMERIC) / 2 FROM flights", "AS NUMERIC"),
        ("sqlite", "SELECT '{\"a.b\": 1}' -> 'a.b'", "-> 'a.b'"),
        ("mysql", "SELECT hour FROM flights WHERE tailnum REGEXP 'N1'", "tailnum RLIKE 'N1'"),
        ("mysql", "SELECT DATE_ADD('2013-01-01', INTERVAL 1.5 DAY)", "INTERVAL 1.5 DAY"),
        ("mysql", "SELECT tailnum -> '$.a' FROM flights", "JSON_EXTRACT(tailnum, '$.a')"),
    ],
)
def test_what_was_written_is_what_runs(dialect, sql, kept):
    assert kept in guard(sql, TABLES, dialect=dialect).sql


@pytest.mark.parametrize(
    ("meant", "written", "lost"),
    [
        ("SELECT lag(a IGNORE NULLS) OVER (ORDER BY b)", "SELECT lag(a) OVER (ORDER BY b)", "IgnoreNulls"),
        ("SELECT a FROM flights ORDER BY a", "SELECT a, a FROM flights", "Order"),
        ("SELECT INTERVAL '2 days 03:00'", "SELECT INTERVAL '2 days'", "2 days 03:00"),
        ("SELECT 1 + 2", "SELECT 1 + 3", "2"),
        ("SELECT 'a' || 'a'", "SELECT 'a' || b", "a"),
    ],
)
def test_what_is_missing_from_the_text_that_would_run_is_noticed(meant, written, lost):
    duckdb = dialect_of("duckdb")
    with pytest.raises(QueryRefused, match=lost) as refused:
        check_nothing_lost(read(meant, duckdb), read(written, duckdb), duckdb)
    assert refused.value.rule == "not_stable"
    check_nothing_lost(read(meant, duckdb), read(meant, duckdb), duckdb)


def test_a_sign_that_a_parser_drops_is_refused():
    """`+x` takes the column's type out of a comparison in SQLite, and sqlglot's tree has no place for it."""
    with pytest.raises(QueryRefused) as refused:
        guard("SELECT count(*) FROM flights WHERE +hour = '5'", TABLES, dialect="sqlite")
    assert refused.value.rule == "not_stable"


FRAGMENTS = st.lists(
    st.sampled_from(
        "SELECT * FROM flights salaries airlines WHERE 1 = ( ) , ; ' \" ` -- # /* /*! */ WITH a AS UNION ALL JOIN ON"
        " read_csv query LIMIT x . :: := @ @@ $1 $$ ? [ ] { } \\ DROP INSERT INTO VALUES DELETE RECURSIVE LATERAL main"
        " pg_catalog ORDER BY GROUP IN ANY E' INTERVAL '1' DAY FOR UPDATE USING -> ~ ^".split()
    ),
    max_size=25,
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(FRAGMENTS)
def test_any_text_is_refused_or_reads_allowed_tables_only(dialect, fragments):
    try:
        guarded = guard(" ".join(fragments), TABLES, dialect=dialect)
    except QueryRefused:
        return
    assert set(guarded.tables) <= set(TABLES)
    again = guard(guarded.sql, TABLES, dialect=dialect)
    assert (again.sql, again.tables) == (guarded.sql, guarded.tables)
