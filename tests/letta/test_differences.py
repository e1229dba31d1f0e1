"""The list of differences from Letta is one: each says what, what instead, and names a test that is there."""

import ast
from pathlib import Path

import pytest
import yaml

from tidy.tree import ROOT

LIST = Path(__file__).with_name("differences.yaml")
DIFFERENCES = yaml.safe_load(LIST.read_text(encoding="utf-8"))


def names_in(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def is_there(test):
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and name.startswith("test_") and name in names_in(path)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda one: one["what"][:60])
def test_each_difference_names_a_test_that_is_there(difference):
    assert set(difference) == {"what", "there", "test"}
    assert is_there(difference["test"]), difference["test"]


def test_a_test_that_is_not_there_is_noticed():
    assert not is_there("tests/letta/test_differences.py::test_of_nothing")
    assert not is_there("tests/letta/test_nothing.py::test_of_nothing")


def test_no_difference_is_listed_twice():
    said = [one["what"] for one in DIFFERENCES]
    assert len(said) == len(set(said))
