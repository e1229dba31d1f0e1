"""A query that names a masked column is told that it is withheld; nothing else is refused for it."""

import pytest
from tests.kelpie.analyst.guard.cases import DIALECTS
from tests.kelpie.analyst.guard.test_rewriting import asked, rule

from kelpie.errors import QueryRefused

NAMED = {
    "select": "SELECT email FROM customers",
    "another case": "SELECT EMAIL FROM customers",
    "under a function": "SELECT count(email) FROM customers",
    "where": "SELECT id FROM customers WHERE email IS NULL",
    "order": "SELECT id FROM customers ORDER BY email",
    "group": "SELECT count(*) FROM customers GROUP BY email",
    "having": "SELECT region FROM customers GROUP BY region HAVING max(email) > 'b'",
    "qualified": "SELECT customers.email FROM customers",
    "by an alias": "SELECT c.email FROM customers AS c",
    "in a join": "SELECT o.id FROM orders AS o JOIN customers AS c ON c.email = o.note",
    "using": "SELECT 1 FROM customers AS a JOIN customers AS b USING (email)",
    "natural": "SELECT id FROM customers NATURAL JOIN regions",
    "window": "SELECT rank() OVER (ORDER BY email) FROM customers",
    "case": "SELECT CASE WHEN email LIKE 'a%' THEN 1 END FROM customers",
    "in an EXISTS": "SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM customers AS c WHERE c.email = 'x')",
    "correlated": "SELECT (SELECT max(o.id) FROM orders AS o WHERE o.note = c.email) FROM customers AS c",
    "in a cte": "WITH c AS (SELECT email AS e FROM customers) SELECT e FROM c",
    "through a star of a subquery": "SELECT count(t.email) FROM (SELECT * FROM customers) AS t",
    "through a star of a cte": "WITH c AS (SELECT * FROM customers) SELECT email FROM c",
    "through two stars": "WITH c AS (SELECT * FROM customers), d AS (SELECT * FROM c) SELECT max(email) FROM d",
    "through a star of one": "SELECT t.email FROM (SELECT c.*, 1 AS x FROM customers AS c) AS t",
    "through a union": "SELECT email FROM (SELECT * FROM customers UNION ALL SELECT * FROM customers) AS t",
    "order of a union": "SELECT * FROM customers UNION ALL SELECT * FROM customers ORDER BY email",
    "another name by a star": "SELECT * FROM orders UNION ALL SELECT * FROM customers",
    "new names for a cte": "WITH t(a, b, c, d, e) AS (SELECT * FROM customers) SELECT max(d) FROM t",
}
OF_SOME = {
    "duckdb": {
        "columns by a pattern": "SELECT count(COLUMNS('em.*')) FROM customers",
        "all columns counted": "SELECT count(COLUMNS(*)) FROM customers",
        "a star under a function": "SELECT row(customers.*) FROM customers",
        "renamed in a star": "SELECT * RENAME (email AS e) FROM customers",
        "replaced in a star": "SELECT * REPLACE (upper(email) AS name) FROM customers",
        "the row as a value": "SELECT count(DISTINCT c) FROM customers AS c",
        "a field of the row": "SELECT c.r.email FROM (SELECT x AS r FROM customers AS x) AS c",
        "in a filter": "SELECT count(*) FILTER (WHERE email IS NULL) FROM customers",
        "new names for the table": "SELECT d FROM customers AS t(a, b, c, d, e)",
        "qualify": "SELECT id FROM customers QUALIFY row_number() OVER (PARTITION BY email) = 1",
        "semi join": "SELECT o.id FROM orders AS o SEMI JOIN customers AS c ON c.email = o.note",
    },
    "postgres": {
        "the row as a value": "SELECT to_json(c) FROM customers AS c",
        "a field of the row": "SELECT (c).email FROM customers AS c",
        "a function of the row, as if a column": "SELECT c.to_json FROM customers AS c",
        "the same through a star": "SELECT t.count FROM (SELECT * FROM customers) AS t",
        "a star under a function": "SELECT row(c.*) FROM customers AS c",
        "distinct on": "SELECT DISTINCT ON (email) id FROM customers",
        "new names for the table": "SELECT d FROM customers AS t(a, b, c, d, e)",
        "in quotes": 'SELECT "email" FROM customers',
        "new names for a subquery": "SELECT d FROM (SELECT * FROM customers) AS t(a, b, c, d, e)",
    },
    "sqlite": {"in brackets": "SELECT [email] FROM customers", "in backticks": "SELECT `email` FROM customers"},
    "mysql": {"in backticks": "SELECT `Email` FROM customers"},
}
NOT_NAMED = {
    "others": "SELECT id, name, region, credit FROM customers",
    "a star": "SELECT * FROM customers",
    "a count of rows": "SELECT count(*) FROM customers",
    "an alias of that name": "SELECT region AS email FROM customers",
    "a column of that name of another table": "SELECT o.note AS email FROM orders AS o",
    "a made one, apart": "SELECT t.email FROM (SELECT note AS email FROM orders) AS t",
    "a made one, beside": "SELECT t.email, c.id FROM (SELECT note AS email, id FROM orders) AS t"
    " JOIN customers AS c ON c.id = t.id",
    "a star of the other one": "SELECT o.* FROM orders AS o JOIN customers AS c ON c.id = o.customer_id",
    "a star in an EXISTS": "SELECT id FROM orders WHERE EXISTS (SELECT * FROM customers)",
    "stars of the same": "SELECT id FROM (SELECT * FROM customers UNION SELECT * FROM customers) AS t",
    "natural, where nothing is masked": "SELECT count(*) FROM orders NATURAL JOIN (SELECT id, amount FROM orders) AS o",
    "a text of that name": "SELECT 'email' FROM customers",
}


def of_each(cases):
    return [pytest.param(dialect, sql, id=f"{dialect} {name}") for dialect in DIALECTS for name, sql in cases.items()]


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        *of_each(NAMED),
        *(pytest.param(d, sql, id=f"{d} {name}") for d, cases in OF_SOME.items() for name, sql in cases.items()),
    ],
)
def test_naming_a_masked_column_is_refused_and_said(dialect, sql):
    hidden = rule("customers", mask=["email"])
    with pytest.raises(QueryRefused) as refused:
        asked(sql, dialect, hidden)
    assert refused.value.rule == "withheld"
    assert refused.value.access_rules == [hidden.id]
    assert asked(sql, dialect, rule("customers", rows="id > 0"))  # it is for the mask alone that it was refused


@pytest.mark.parametrize(("dialect", "sql"), of_each(NOT_NAMED))
def test_a_query_that_names_other_columns_passes(dialect, sql, shop):
    guarded = asked(sql, dialect, rule("customers", mask=["email"]))
    shop(dialect).ask(guarded.sql)


@pytest.mark.parametrize(
    "sql", ["SELECT * EXCLUDE (email) FROM customers", "SELECT c.* EXCLUDE (email) FROM customers c"]
)
def test_leaving_a_masked_column_out_keeps_nothing_back(sql, shop):
    guarded = asked(sql, "duckdb", rule("customers", mask=["email"]))
    assert guarded.withheld == []
    assert len(shop("duckdb").ask(guarded.sql)[0]) == 4


def test_stars_of_two_tables_that_mask_the_same_name_are_not_laid_over_each_other():
    """The name is the same, its place may not be."""
    masks = rule("orders", mask=["id"]), rule("customers", mask=["id"])
    assert asked("SELECT * FROM orders", "duckdb", *masks)
    with pytest.raises(QueryRefused, match="different withheld columns"):
        asked("SELECT * FROM orders UNION ALL SELECT * FROM customers", "duckdb", *masks)


def test_a_column_called_like_its_table_is_a_column(shop):
    """Only a name that is no column means the whole row."""
    guarded = asked("SELECT region FROM regions AS region", "duckdb", rule("regions", mask=["manager"]))
    assert len(shop("duckdb").ask(guarded.sql)) == 3
    with pytest.raises(QueryRefused, match="whole row"):
        asked("SELECT r FROM regions AS r", "duckdb", rule("regions", mask=["manager"]))


def test_postgres_tells_quoted_names_apart():
    hidden = rule("customers", mask=["email"])
    assert asked('SELECT "Email" FROM customers', "postgres", hidden)  # no such column: the engine says so
    with pytest.raises(QueryRefused):
        asked("SELECT Email FROM customers", "postgres", hidden)
