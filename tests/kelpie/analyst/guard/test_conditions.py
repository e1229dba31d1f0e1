"""A row filter is one harmless condition over one table's columns."""

import pytest
from tests.kelpie.analyst.guard.cases import DIALECTS

from kelpie.analyst import limits
from kelpie.analyst.guard.conditions import read_condition
from kelpie.analyst.guard.dialects import dialect_of
from kelpie.errors import InvalidInput, LimitExceeded


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "text",
    [
        "region = 'EMEA'",
        "region IN ('EMEA', 'APAC') AND NOT (credit > 100 OR credit IS NULL)",
        "lower(name) LIKE 'a%'",
        "coalesce(credit, 0) BETWEEN 1 AND 2",
        "CASE WHEN credit > 1 THEN region = 'EMEA' ELSE id = 1 END",
        "is_public",
    ],
)
def test_a_condition_is_read(dialect, text):
    assert read_condition(text, dialect_of(dialect))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "region =",
        "1 = 1",
        "true",
        "region = 'EMEA'; DROP TABLE customers",
        "region = 'EMEA') OR (1 = 1",
        "region = 'EMEA' -- and nothing more\n UNION SELECT 1",
        "id IN (SELECT id FROM orders)",
        "EXISTS (SELECT 1 FROM orders WHERE id = 1)",
        "(SELECT max(id) FROM orders) = id",
        "customers.region = 'EMEA'",
        "main.customers.region = 'EMEA'",
        "rank() OVER (ORDER BY id) = 1",
        "count(*) > 1",
        "region = ?",
        "random() > id",
        "load_extension(region) IS NULL",
        "SELECT 1",
        "id, region",
        "region AS r",
        "*",
    ],
)
def test_what_is_no_condition_of_one_row_is_refused(dialect, text):
    with pytest.raises(InvalidInput):
        read_condition(text, dialect_of(dialect))


def test_a_condition_is_bounded():
    with pytest.raises(LimitExceeded):
        read_condition("x" * (limits.ACCESS_CONDITION_CHARS_MAX + 1), dialect_of("duckdb"))
