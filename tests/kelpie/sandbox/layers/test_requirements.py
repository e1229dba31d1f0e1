"""What a tool may require, in one form."""

import pytest

from kelpie.errors import InvalidInput
from kelpie.sandbox import limits
from kelpie.sandbox.layers import read_requirements


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Requests", "requests"),
        ("zope.interface", "zope-interface"),
        ("a__b-.c", "a-b-c"),
        (" requests [ socks , SECURITY ] >= 2 , <3 ", "requests[security,socks]<3,>=2"),
        ("numpy==1.26.*", "numpy==1.26.*"),
        ("x~=1.0rc1+local.1", "x~=1.0rc1+local.1"),
    ],
)
def test_a_requirement_has_one_form(written, read):
    assert read_requirements([written]) == (read,)


def test_lists_that_mean_the_same_are_the_same():
    assert read_requirements(["b", "a>=1,<2", "B"]) == read_requirements(["a <2, >=1", "b"]) == ("a<2,>=1", "b")


@pytest.mark.parametrize(
    "written",
    [
        *("", "-r file", "--no-index", "-e .", "./x.whl", "/x.whl", "x @ https://evil.example/x.whl"),
        *("https://evil.example/x.whl", "git+ssh://x", "x; python_version > '3'", "x===1", "x>1 --hash=a", "x\ny"),
        *("x[", "x[]", "x>", "x>=-1", "x==1;", "$(id)", "x y", "x\x00", "\u0445", "x==1 # note", "_x", "x-"),
        "x" * (limits.LAYER_REQUIREMENT_CHARS_MAX + 1),
    ],
)
def test_what_is_more_than_a_name_and_versions_is_refused(written):
    with pytest.raises(InvalidInput, match="is no requirement"):
        read_requirements([written])


def test_the_list_has_an_end():
    with pytest.raises(InvalidInput, match="at most"):
        read_requirements(["x"] * (limits.LAYER_REQUIREMENTS_MAX + 1))
