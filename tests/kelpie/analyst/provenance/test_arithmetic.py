"""Arithmetic over cells is exact, and null where SQL's is."""

import decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.provenance.arithmetic import NoNumber, calculate, divide, minus, number, total
from kelpie.analyst.semantic.reading import read_model
from kelpie.demo.company import semantic_model_yaml

COMPANY = read_model(semantic_model_yaml())


@given(st.lists(st.decimals(-1_000_000, 1_000_000, places=2), min_size=1))
def test_cents_add_up_exactly(amounts):
    assert total([float(one) for one in amounts]) == sum(amounts)


def test_nothing_adds_up_to_nothing():
    assert total([]) is None
    assert total([None, None]) is None
    assert total([None, 5]) == 5


def test_what_is_no_number_is_not_taken_for_one():
    for cell in ("a", [1], None):
        with pytest.raises(NoNumber):
            number(cell)


@pytest.mark.parametrize(
    ("above", "below", "found"), [(1, 4, decimal.Decimal("0.25")), (1, 0, None), (None, 1, None), (1, None, None)]
)
def test_division(above, below, found):
    assert divide(above, below) == found


def test_nothing_counts_as_zero_beside_something():
    assert minus(None, None) is None
    assert minus(None, decimal.Decimal(2)) == -2


@pytest.mark.parametrize(
    ("numbers", "value"),
    [
        ({"mrr": 10, "customers": 4}, decimal.Decimal("2.5")),
        ({"mrr": 10, "customers": 0}, None),
        ({"mrr": None, "customers": 4}, 0),
        ({"mrr": None, "customers": None}, None),
    ],
)
def test_a_formula_is_computed_as_the_sql_does_it(numbers, value):
    assert calculate(COMPANY, COMPANY.metric("arpa"), numbers, "duckdb") == value
