"""Two results are the same up to what floats and engines' spellings can tell."""

import decimal

import pytest

from kelpie.analyst.provenance.comparing import first_difference, same_cell


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1, True),
        (1, 1.0, True),
        (0.1 + 0.2, 0.3, True),
        (1e15 + 0.5, 1e15, True),
        (100.01, 100.02, False),
        (0, 1e-12, True),
        ("a", "a", True),
        ("a", "b", False),
        (None, None, True),
        (None, 0, False),
        (True, 1, True),
        ("12345678901234567.89", "12345678901234567.89", True),
        (decimal.Decimal("0.1"), 0.1, True),
        (float("inf"), float("inf"), True),
        ([1], [1], True),
        ([1], [2], False),
        ("nan", "NaN", False),
    ],
)
def test_cells(one, other, same):
    assert same_cell(one, other) is same
    assert same_cell(other, one) is same


@pytest.mark.parametrize(
    ("one", "other", "row"),
    [
        ([], [], None),
        ([[1, "a"]], [[1, "a"]], None),
        ([[1], [2]], [[1], [3]], 1),
        ([[1], [2]], [[1]], 1),
        ([[1]], [[1], [2]], 1),
        ([[1, 2]], [[1]], 0),
    ],
)
def test_the_first_row_that_differs(one, other, row):
    assert first_difference(one, other) == row
