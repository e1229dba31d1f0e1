"""A CSV is the table, cell for cell: read back it is the same; and no spreadsheet runs a cell of it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.reports import as_csv
from kelpie.analyst.table import ResultColumn

COLUMNS = [
    ResultColumn(name="who", kind="dimension", label="who", type="text"),
    ResultColumn(name="n", kind="metric", label="n", type="number", format=",.1f"),
]


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_numbers_are_exact_and_in_their_columns():
    rows = [["A", 1234.5678], ["B", -3], ["C", None], [None, True], ["D", "12345678901234567.89"], ["E", 1e-05]]
    assert as_csv(COLUMNS, rows) == (
        "who,n\r\nA,1234.5678\r\nB,-3\r\nC,\r\n,true\r\nD,12345678901234567.89\r\nE,1e-05\r\n"
    )


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+SUM(A1)", "-2+3", "@SUM(1)", "\tx", "\rx", '=cmd|"/c calc"!A1', "=HYPERLINK(1)", "-", "+", "-1-1"],
)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(cell):
    (_, (shown, _)) = read(as_csv(COLUMNS, [[cell, 1]]))
    assert shown == "'" + cell


@pytest.mark.parametrize("cell", ["-5", "+5.5", "-1e3", "5", "a=1", "'quoted", "", 'he said "no"', "a,b", "two\nlines"])
def test_other_texts_are_as_they_are(cell):
    (_, (shown, _)) = read(as_csv(COLUMNS, [[cell, 1]]))
    assert shown == cell


def test_a_column_called_like_a_formula_is_text_too():
    column = ResultColumn(name="=1+1", kind="value", label="x", type="INTEGER")
    assert as_csv([column], []) == "'=1+1\r\n"


def test_lists_and_objects_are_json():
    column = ResultColumn(name="x", kind="value", label="x", type="JSON")
    assert read(as_csv([column], [[[1, "a"]], [{"b": None}]])) == [["x"], ['[1,"a"]'], ['{"b":null}']]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(TEXT, st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False))))
def test_read_back_it_is_the_table(rows):
    head, *lines = read(as_csv(COLUMNS, rows))
    assert head == ["who", "n"]
    assert len(lines) == len(rows)
    for (text, value), (shown, number) in zip(rows, lines, strict=True):
        assert shown in (text, "'" + text)
        assert type(value)(number) == value
