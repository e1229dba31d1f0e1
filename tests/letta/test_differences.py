"""The list of differences from Letta is one: each says what, what instead, and what shows it; and the comparison with
what a scenario saw finds both what is not listed and what is listed in vain."""

import ast

import pytest
from tests.letta.comparing import DIFFERENCES, compared

from tidy.tree import ROOT


def names_in(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def is_there(test):
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and name.startswith("test_") and name in names_in(path)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda one: one["what"][:60])
def test_each_difference_names_what_shows_it(difference):
    assert {"what", "there"} < set(difference)
    shown_by = set(difference) - {"what", "there", "clients"}
    assert shown_by in ({"test"}, {"seen"})
    assert shown_by == {"seen"} or is_there(difference["test"]), difference["test"]


def test_a_test_that_is_not_there_is_noticed():
    assert not is_there("tests/letta/test_differences.py::test_of_nothing")
    assert not is_there("tests/letta/test_nothing.py::test_of_nothing")


def test_no_difference_is_listed_twice():
    said = [one["what"] for one in DIFFERENCES]
    assert len(said) == len(set(said))


LISTED = [
    {"seen": "GET /a: success: answered 404, *"},
    {"seen": "GET /b: success: schema: .x is *", "clients": ["http"]},
    {"test": "shown by a test"},
]
SEEN = {"GET /a: success: answered 404, not 200: {}", "GET /b: success: schema: .x is not known"}


def test_what_is_listed_and_seen_is_neither_new_nor_gone():
    assert compared(SEEN, LISTED, "http", schema=True) == ([], [])


@pytest.mark.parametrize("one", sorted(SEEN))
def test_a_difference_that_is_not_listed_is_found(one):
    assert compared(SEEN, [row for row in LISTED if row.get("seen", " ")[:6] != one[:6]], "http", schema=True)[0] == [
        one
    ]


@pytest.mark.parametrize("one", sorted(SEEN))
def test_a_listed_difference_that_no_longer_shows_is_found(one):
    gone = compared(SEEN - {one}, LISTED, "http", schema=True)[1]
    assert [pattern[:6] for pattern in gone] == [one[:6]]


def test_what_another_client_sees_is_not_expected_of_this_one():
    assert compared(SEEN, LISTED, "npm", schema=True) == (["GET /b: success: schema: .x is not known"], [])


def test_without_lettas_schemas_their_differences_are_not_expected():
    assert compared({"GET /a: success: answered 404, x"}, LISTED, "http", schema=False) == ([], [])
