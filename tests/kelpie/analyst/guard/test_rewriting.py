"""What access rules keep back is not there, in every shape of query, on every engine."""

import itertools

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kelpie.analyst.guard.cases import DIALECTS
from tests.kelpie.analyst.guard.shapes import FILTERS, TABLES, seen_of, shapes

from kelpie.analyst.access.access import OPEN, Access
from kelpie.analyst.access.rules import new_rule
from kelpie.analyst.guard import guard
from kelpie.errors import QueryRefused
from umi.dst import Host, ManualClock, Rng

HOST = Host(clock=ManualClock(), rng=Rng("rules"))
COLUMNS = {name: [column for column, _ in columns] for name, (columns, _) in TABLES.items()}
_names = itertools.count()


def rule(table, **what):
    name = what.pop("name", f"rule {next(_names)}")
    return new_rule(HOST, "tenant-1", name=name, semantic_model="shop", table=table, who="everyone", **what)


def access(*rules):
    return Access(rules, COLUMNS)


def asked(sql, dialect, *rules):
    return guard(sql, list(TABLES), rows_max=10_000, dialect=dialect, access=access(*rules))


def unless_withheld(sql, dialect, *rules):
    try:
        return asked(sql, dialect, *rules)
    except QueryRefused as error:
        if error.rule != "withheld":
            raise
    return None


def rows_of(world, sql):
    return sorted(repr(row) for row in world.ask(sql))


FEW_COLUMNS = {"min_size": 1, "max_size": 2, "unique": True}
GRANTS = st.lists(
    st.one_of(
        *(st.tuples(st.just(table), st.sampled_from(conditions), st.just([])) for table, conditions in FILTERS.items()),
        *(
            st.tuples(st.just(table), st.none(), st.lists(st.sampled_from(columns), **FEW_COLUMNS))
            for table, columns in COLUMNS.items()
        ),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip
FEW = {"duckdb": 15, "sqlite": 15, "postgres": 6, "mysql": 6}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_shape_gives_what_a_private_copy_would_give(dialect, shop, new_world):
    """The copy holds only what the person may see; the query is the same."""
    whole = shop(dialect)
    compared, refused = set(), set()

    @settings(max_examples=FEW[dialect], deadline=None, suppress_health_check=list(HealthCheck))
    @given(GRANTS)
    def check(grants):
        rules = [rule(table, rows=rows, mask=mask) for table, rows, mask in grants]
        masked = {column for one in rules for column in one.mask}
        private = new_world(dialect)
        private.load(seen_of(whole, rules))
        for name, sql in shapes(dialect).items():
            guarded = unless_withheld(sql, dialect, *rules)
            if guarded is None:
                assert any(column in sql for column in masked), name
                refused.add(name)
                continue
            assert rows_of(whole, guarded.sql) == rows_of(private, sql), (name, grants)
            compared.add(name)

    check()
    assert compared == set(shapes(dialect))  # none of them was refused each time
    assert refused


@pytest.mark.parametrize("dialect", DIALECTS)
def test_filters_of_several_rules_hold_together(dialect, shop):
    emea, rich = rule("customers", rows="region = 'EMEA'"), rule("customers", rows="credit > 100")
    guarded = asked("SELECT name FROM customers", dialect, emea, rich)
    assert shop(dialect).ask(guarded.sql) == [("Ada",)]
    assert guarded.rules == sorted([emea.id, rich.id])
    assert len(guarded.withheld) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_rule_about_a_table_that_is_not_asked_says_nothing(dialect, shop):
    guarded = asked(
        "SELECT manager FROM regions", dialect, rule("customers", rows="id = 1"), rule("orders", mask=["note"])
    )
    assert (guarded.withheld, guarded.rules) == ([], [])
    assert guarded.sql == guard("SELECT manager FROM regions", list(TABLES), rows_max=10_000, dialect=dialect).sql


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_star_shows_masked_columns_as_empty_and_says_so(dialect, shop):
    hidden = rule("customers", mask=["email", "credit"])
    guarded = asked("SELECT * FROM customers WHERE id = 1", dialect, hidden)
    assert shop(dialect).ask(guarded.sql) == [(1, "Ada", "EMEA", None, None)]
    assert guarded.withheld == ["2 columns of customers withheld: credit, email"]
    assert guarded.rules == [hidden.id]
    silent = asked("SELECT name FROM customers", dialect, hidden)
    assert (silent.withheld, silent.rules) == ([], [])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_row_filter_is_told_in_its_own_words(dialect):
    in_words = rule("customers", name="sales", rows="region = 'EMEA'", says="only customers in Europe")
    bare = rule("orders", name="paid", rows="status = 'paid'")
    assert asked("SELECT count(*) FROM customers", dialect, in_words).withheld == [
        "only customers in Europe (access rule 'sales')"
    ]
    assert asked("SELECT count(*) FROM orders", dialect, bare).withheld == [
        "only rows of orders where status = 'paid' (access rule 'paid')"
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", ["SELECT 1 FROM customers", "SELECT (SELECT max(id) FROM customers) FROM orders"])
def test_a_denied_table_is_refused_whatever_else_is_allowed(dialect, sql):
    denied = rule("customers", name="no customers", deny=True)
    with pytest.raises(QueryRefused, match="no customers") as refused:
        asked(sql, dialect, rule("customers", rows="id > 0"), denied)
    assert refused.value.rule == "not_allowed"
    assert refused.value.access_rules == [denied.id]


def test_not_allowed_is_not_the_same_as_no_such_table():
    with pytest.raises(QueryRefused) as refused:
        asked("SELECT * FROM salaries", "duckdb", rule("customers", deny=True))
    assert refused.value.rule == "table"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_text_gives_each_speaker_their_own(dialect, shop):
    sql = "SELECT count(*) FROM customers"
    for one, count in (
        (access(rule("customers", rows="region = 'EMEA'")), 2),
        (access(rule("customers", rows="id = 3")), 1),
        (OPEN, 6),
    ):
        assert shop(dialect).ask(guard(sql, list(TABLES), dialect=dialect, access=one).sql) == [(count,)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_filter_s_column_never_means_one_of_the_query_around_it(dialect, shop):
    """A misspelt column would, in a correlated subquery, silently be the asker's own."""
    wrong = rule("customers", rows="regoin = 'EMEA'")
    for sql in (
        "SELECT (SELECT count(*) FROM customers) FROM (SELECT 'EMEA' AS regoin) AS mine",
        "SELECT * FROM (SELECT 'EMEA' AS regoin) AS mine WHERE EXISTS (SELECT 1 FROM customers)",
    ):
        with pytest.raises(Exception, match=r"(?i)regoin"):
            shop(dialect).ask(asked(sql, dialect, wrong).sql)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM customers WHERE CAST(email AS INTEGER) > 0",
        "SELECT count(*) FROM customers AS c JOIN orders AS o ON o.id = c.id AND CAST(c.email AS INTEGER) > 0",
        "SELECT count(*) FROM (SELECT * FROM customers) AS c WHERE CAST(c.email AS INTEGER) > 0 AND c.id > 0",
    ],
)
def test_an_engine_s_error_tells_nothing_of_a_row_that_is_withheld(dialect, sql, shop):
    """These two say in the error which value they could not cast, and would look at the cheaper condition first."""
    only_bob = rule("customers", rows="region = 'EMEA' AND id = 2")  # whose address is empty
    with pytest.raises(Exception, match=r"example\.org"):
        shop(dialect).ask(sql)
    assert shop(dialect).ask(asked(sql, dialect, only_bob).sql) == [(0,)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nobody_opens_the_subquery_from_inside_the_text(dialect, shop):
    emea = rule("customers", rows="region = 'EMEA'")
    for sql in (
        "SELECT count(*) FROM customers WHERE 1 = 1 OR region = 'APAC'",
        "SELECT count(*) FROM customers AS customers",
        "WITH x AS (SELECT * FROM customers), y AS (SELECT * FROM x) SELECT count(*) FROM y AS customers",
        "SELECT count(*) FROM (SELECT * FROM (SELECT * FROM customers) AS a) AS b",
        "SELECT count(*) FROM (SELECT * FROM customers UNION SELECT * FROM customers) AS twice",
    ):
        guarded = asked(sql, dialect, emea)
        assert shop(dialect).ask(guarded.sql) == [(2,)], sql
        # What ran may be sent again, as models do: it is kept to the rules once more.
        assert shop(dialect).ask(asked(guarded.sql, dialect, emea).sql) == [(2,)], sql


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_ran_gives_the_same_rows_when_it_is_sent_again(dialect, shop):
    """Stored SQL has the rules written into it, masked columns too; whoever asks it again is under them once more."""
    rules = rule("customers", rows="region = 'EMEA'"), rule("customers", mask=["email"]), rule("orders", mask=["note"])
    for sql in ("SELECT * FROM customers", "SELECT c.name, o.* FROM customers AS c JOIN orders AS o ON o.id = c.id"):
        first = asked(sql, dialect, *rules)
        again = asked(first.sql, dialect, *rules)
        assert rows_of(shop(dialect), again.sql) == rows_of(shop(dialect), first.sql)
        assert guard(first.sql, list(TABLES), rows_max=10_000, dialect=dialect).sql == first.sql


def test_a_later_expression_of_the_table_s_name_hides_it_in_sqlite_and_shows_nothing_more(shop):
    """SQLite lets an expression see those after it: where the guard reads the table, the engine reads less."""
    sql = "WITH x AS (SELECT id, region FROM customers), customers AS ({}) SELECT count(*) FROM x"
    emea = rule("customers", rows="region = 'EMEA'")
    own = asked(sql.format("SELECT 1 AS id, 'EMEA' AS region"), "sqlite", emea)
    assert shop("sqlite").ask(own.sql) == [(1,)]
    with pytest.raises(apsw.SQLError, match="circular"):
        shop("sqlite").ask(asked(sql.format("SELECT * FROM x"), "sqlite", emea).sql)


def test_a_common_table_expression_is_told_from_the_table_as_the_engine_does():
    """PostgreSQL has these for two names; a guard that did not would let the table through unfiltered."""
    emea = rule("customers", rows="region = 'EMEA'")
    guarded = asked('WITH "Customers" AS (SELECT 1 AS id) SELECT count(*) FROM customers', "postgres", emea)
    assert "EMEA" in guarded.sql
    assert "EMEA" not in asked("WITH Customers AS (SELECT 1 AS id) SELECT * FROM CUSTOMERS", "postgres", emea).sql


def test_a_masked_column_that_is_gone_closes_the_table():
    with pytest.raises(QueryRefused, match="no longer has") as refused:
        asked("SELECT id FROM customers", "duckdb", rule("customers", mask=["mail"]))
    assert refused.value.rule == "not_allowed"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_masked_columns_keep_their_type(dialect, shop):
    """In a union with other rows, a NULL without a type would be a text."""
    guarded = asked(
        "SELECT * FROM customers WHERE id = 1 UNION ALL SELECT * FROM customers WHERE id = 3",
        dialect,
        rule("customers", mask=["credit"]),
    )
    assert sorted(shop(dialect).ask(guarded.sql)) == [
        (1, "Ada", "EMEA", "ada@example.org", None),
        (3, "Cleo", "APAC", "cleo@example.org", None),
    ]
