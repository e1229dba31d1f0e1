"""The lists of functions and types, held against each engine's own catalogue."""

import duckdb
import pytest
from tests.kelpie.analyst.guard.cases import TABLES

from kelpie.analyst.guard import guard
from kelpie.analyst.guard.dialects import NAMES, dialect_of
from kelpie.errors import QueryRefused

# Not functions of a catalogue but forms that the grammar knows.
FORMS = {
    "duckdb": {"coalesce", "columns", "cume_dist", "dense_rank", "filter", "first_value", "grouping", "grouping_id"}
    | {"if", "ifnull", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank", "percentile_cont"}
    | {"percentile_disc", "rank", "rank_dense", "row_number"},
    "sqlite": set(),
    "postgres": {"array", "coalesce", "greatest", "grouping", "least", "nullif", "row", "trim"},
}
# Of the immutable and stable functions of PostgreSQL, what tells of its inside or is a hook of the engine's.
DANGEROUS = {
    "postgres": "current_setting set_config pg_sleep pg_terminate_backend pg_cancel_backend lo_import lo_export lo_get"
    " query_to_xml table_to_xml database_to_xml schema_to_xml cursor_to_xml pg_read_file pg_ls_dir dblink to_regclass"
    " txid_current pg_typeof pg_relation_size has_table_privilege nextval setval lastval currval ts_stat random now"
    " clock_timestamp statement_timestamp timeofday version gen_random_uuid pg_advisory_lock pg_notify pg_backend_pid"
    " current_schemas generate_series unnest regexp_split_to_table jsonb_array_elements pg_get_viewdef",
    "sqlite": "load_extension readfile writefile edit fts3_tokenizer random randomblob zeroblob changes total_changes"
    " last_insert_rowid sqlite_version sqlite_source_id sqlite_compileoption_get sqlite_compileoption_used sqlite_log"
    " rtreecheck rtreenode json_each json_tree generate_series",
    "mysql": "load_file sleep benchmark get_lock release_lock release_all_locks is_free_lock is_used_lock user"
    " current_user session_user system_user database schema version connection_id last_insert_id found_rows row_count"
    " rand uuid uuid_short now sysdate curdate curtime current_timestamp localtime localtimestamp utc_date utc_time"
    " utc_timestamp master_pos_wait master_gtid_wait extractvalue updatexml sys_exec sys_eval nextval"
    " setval lastval name_const random_bytes wait_for_executed_gtid_set encrypt password old_password des_encrypt"
    " default values charset collation coercibility json_table",
}


def passes(dialect, sql):
    try:
        guard(sql, TABLES, dialect=dialect)
    except QueryRefused:
        return False
    return True


def call(name, count, argument="1"):
    return f"SELECT {name}({', '.join([argument] * count)})"


def catalogue(where):
    with duckdb.connect() as connection:
        return connection.execute(
            f"SELECT DISTINCT function_name, min(len(parameters)) FROM duckdb_functions() WHERE {where}"
            " AND regexp_matches(function_name, '^[a-z_][a-z0-9_]*$') GROUP BY ALL ORDER BY 1"
        ).fetchall()


def test_duckdb_no_table_function_passes():
    found = catalogue("function_type IN ('table', 'pragma', 'table_macro')")
    assert len(found) > 50
    open_doors = []
    for name, count in found:
        arguments = ", ".join(["'a'"] * count)
        if passes("duckdb", f"SELECT * FROM {name}({arguments})") or passes(
            "duckdb", f"SELECT * FROM flights, {name}({arguments}) AS f"
        ):
            open_doors.append(name)
    assert open_doors == []


def test_duckdb_no_function_that_changes_from_call_to_call_or_has_effects_passes():
    where = "function_type IN ('scalar', 'aggregate', 'macro') AND (stability <> 'CONSISTENT' OR has_side_effects)"
    found = catalogue(where)
    assert {"random", "now", "nextval", "uuid", "current_date"} <= {name for name, _ in found}
    assert [name for name, count in found if passes("duckdb", call(name, count))] == []


@pytest.mark.parametrize(
    "prefix", ["pg_", "current_", "inet_", "has_", "duckdb_", "json_serialize", "json_deserialize", "query"]
)
def test_duckdb_no_function_that_looks_around_passes(prefix):
    found = catalogue(f"starts_with(function_name, '{prefix}')")
    assert [name for name, count in found if passes("duckdb", call(name, count))] == []


def test_duckdb_most_harmless_functions_pass():
    """A guard that refuses everything would pass the tests above."""
    found = catalogue("function_type IN ('scalar', 'aggregate') AND function_name NOT LIKE '\\_\\_%' ESCAPE '\\'")
    assert len([name for name, count in found if passes("duckdb", call(name, count))]) > 300


def test_duckdb_has_every_function_on_the_list():
    known = {name for name, _ in catalogue("true")} | FORMS["duckdb"]
    assert dialect_of("duckdb").functions - known == set()


def test_sqlite_has_every_function_on_the_list(flights_world):
    found = {name for name, *_ in flights_world("sqlite").ask("PRAGMA function_list")}
    # What newer versions have, or a build may leave out.
    assert (
        dialect_of("sqlite").functions - found - {"percentile", "percentile_cont", "percentile_disc", "median"} == set()
    )
    assert len(found) > 100


def test_sqlite_no_function_outside_the_list_passes(flights_world):
    found = flights_world("sqlite").ask("SELECT DISTINCT name, max(narg, 1) FROM pragma_function_list")
    let_through = {name for name, count in found if name.isidentifier() and passes("sqlite", call(name, count))}
    assert let_through <= dialect_of("sqlite").functions
    assert len(let_through) > 80


def test_postgres_no_volatile_or_set_returning_function_passes(flights_world):
    """The catalogue knows which functions have effects, and which make rows."""
    found = flights_world("postgres").ask(
        "SELECT DISTINCT proname, pronargs FROM pg_proc WHERE (provolatile = 'v' OR proretset)"
        " AND prokind IN ('f', 'p') AND proname ~ '^[a-z_][a-z0-9_]*$'"
    )
    assert {"set_config", "pg_sleep", "lo_import", "nextval", "query_to_xml", "generate_series"} <= {
        name for name, _ in found
    }
    assert [name for name, count in found if passes("postgres", call(name, count))] == []


def test_postgres_no_function_of_the_catalogue_s_own_types_passes(flights_world):
    """What takes or gives a regclass, an oid, a cursor or a name of a thing tells of other tables."""
    found = flights_world("postgres").ask(
        """
        SELECT DISTINCT proname, pronargs FROM pg_proc, unnest(prorettype || proargtypes::oid[]) AS used(type)
        WHERE type = ANY ('{oid,regclass,regproc,regprocedure,regtype,regrole,regnamespace,regconfig,refcursor,xid,
            xid8,pg_lsn,internal,cstring,trigger,event_trigger,tid,aclitem,pg_snapshot}'::regtype[]::oid[])
        AND proname ~ '^[a-z_][a-z0-9_]*$'
        """
    )
    assert len(found) > 500
    # text(xid8), min(tid) and the like exist beside the same for ordinary types.
    ordinary = {"age", "max", "min", "to_json", "to_jsonb", "array_agg"}
    assert {name for name, count in found if passes("postgres", call(name, count))} <= ordinary


def test_postgres_has_every_function_on_the_list(flights_world):
    found = {name for (name,) in flights_world("postgres").ask("SELECT DISTINCT proname FROM pg_proc")}
    assert dialect_of("postgres").functions - found == FORMS["postgres"]


def test_postgres_types_a_cast_may_name_are_the_ordinary_ones(flights_world):
    """Of the types of the catalogue those of things in the catalogue don't pass."""
    found = flights_world("postgres").ask("SELECT typname FROM pg_type WHERE typname ~ '^[a-z][a-z0-9_]*$'")
    let_through = {name for (name,) in found if passes("postgres", f"SELECT CAST('1' AS {name})")}
    assert {"int4", "int8", "numeric", "text", "varchar", "date", "timestamp", "timestamptz", "bool"} <= let_through
    assert not {name for name in let_through if name.startswith(("reg", "oid", "pg_", "x", "cid", "tid"))}
    assert not let_through & {"name", "refcursor", "aclitem", "record", "cstring", "internal", "void"}


def test_mariadb_has_every_function_on_the_list(flights_world):
    """Each is called once: MariaDB says of a name it does not know that there is no such routine."""
    unknown = []
    for name in sorted(dialect_of("mysql").functions):
        for count in range(4):
            try:
                flights_world("mysql").ask(call(name, count))
            except Exception as error:  # noqa: BLE001 - of whatever kind
                if error.args[0] in (1305, 1630):
                    unknown.append(name)
                    break
    # MySQL's alone, which MariaDB lacks.
    assert set(unknown) <= {"any_value", "grouping", "regexp_like"}


@pytest.mark.parametrize("dialect", sorted(DANGEROUS))
def test_what_reads_changes_waits_or_tells_is_on_no_list(dialect):
    names = DANGEROUS[dialect].split()
    assert dialect_of(dialect).functions.isdisjoint(names)
    assert [name for name in names for count in range(4) if passes(dialect, call(name, count, "'a'"))] == []


@pytest.mark.parametrize("dialect", NAMES)
def test_a_user_s_own_function_can_t_take_the_place_of_a_known_one(dialect):
    for sql in (
        "SELECT mine.lower(carrier) FROM flights",
        "SELECT mine.flights.lower(carrier) FROM flights",
        "SELECT my_own(carrier) FROM flights",
    ):
        assert not passes(dialect, sql)
