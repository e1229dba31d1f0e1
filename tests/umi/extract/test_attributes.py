"""Which attributes have several values at once."""

import pytest

from umi.entity import RELATIONS
from umi.extract import many_valued, symmetric


def test_of_the_relations_only_work_and_home_have_one_value():
    assert [name for name in RELATIONS if not many_valued(name)] == ["works_at", "located_in"]


@pytest.mark.parametrize("attribute", ["age", "role", "status", "email"])
def test_attributes_of_one_value(attribute):
    assert not many_valued(attribute)


def test_an_unknown_attribute_may_have_many():
    assert many_valued("owns a boat called")


def test_only_knowing_runs_both_ways():
    assert [name for name in RELATIONS if symmetric(name)] == ["knows"]
