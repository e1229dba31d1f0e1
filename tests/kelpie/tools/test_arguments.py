"""Arguments against the schema: what is refused before anything runs, and what is put right."""

import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import LimitExceeded, ToolFailed
from kelpie.tools import limits
from kelpie.tools.arguments import check_arguments
from kelpie.tools.source import parse_source

SOURCE = """
class Leg(BaseModel):
    city: str
    nights: int = 1
def f(
    sides: int,
    name: str = "x",
    share: float = 0.5,
    sure: bool = False,
    kind: Literal["a", "b"] = "a",
    words: list[str] = [],
    counts: dict[str, int] = {},
    either: int | str = 1,
    maybe: Optional[int] = None,
    must_say: Optional[int] = 3,
    legs: list[Leg] = [],
    anything: Any = None,
): pass
"""
PARAMETERS = parse_source(textwrap.dedent(SOURCE)).parameters
FILLED = {"maybe": None, "anything": None}


def checked(**arguments):
    return check_arguments("f", PARAMETERS, arguments)


def refused(arguments, parameters=PARAMETERS):
    with pytest.raises(ToolFailed) as failed:
        check_arguments("f", parameters, arguments)
    text = str(failed.value)
    assert text.startswith("Invalid arguments for f: ")
    return text.removeprefix("Invalid arguments for f: ").partition(". It takes: ")


@pytest.mark.parametrize(
    "arguments",
    [
        {"sides": 6},
        {"sides": 6, "name": "", "share": 1, "sure": True, "kind": "b", "words": ["a"], "counts": {"a": 1}},
        {"sides": 10**30, "either": "x", "legs": [{"city": "Bern"}, {"city": "Chur", "nights": 2, "more": 1}]},
        {"sides": -1, "either": 2, "maybe": 4, "anything": [{"a": None}]},
    ],
)
def test_arguments_that_fit_pass_unchanged(arguments):
    assert checked(**arguments) == {**FILLED, **arguments}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "sides is missing"),
        ({"sides": "6"}, "sides must be an integer, not a string"),
        ({"sides": 6.5}, "sides must be an integer, not a number"),
        ({"sides": True}, "sides must be an integer, not a boolean"),
        ({"sides": None}, "sides must be an integer, not null"),
        ({"sides": 6, "name": 1}, "name must be a string, not an integer"),
        ({"sides": 6, "share": "1"}, "share must be a number, not a string"),
        ({"sides": 6, "share": False}, "share must be a number, not a boolean"),
        ({"sides": 6, "sure": 1}, "sure must be a boolean, not an integer"),
        ({"sides": 6, "kind": "c"}, 'kind must be one of "a", "b"'),
        ({"sides": 6, "words": "a"}, "words must be a list, not a string"),
        ({"sides": 6, "words": ["a", 1]}, "words[1] must be a string, not an integer"),
        ({"sides": 6, "counts": []}, "counts must be an object, not a list"),
        ({"sides": 6, "counts": {"a": "1"}}, "counts.a must be an integer, not a string"),
        ({"sides": 6, "either": 1.5}, "either must be an integer or a string, not a number"),
        ({"sides": 6, "legs": [{"nights": 1}]}, "legs[0].city is missing"),
        ({"sides": 6, "legs": [{"city": 1}]}, "legs[0].city must be a string, not an integer"),
        ({"sides": 6, "side": 1}, "unknown argument side"),
        ({"side": 6}, "sides is missing; unknown argument side"),
    ],
)
def test_what_does_not_fit_is_named(arguments, problem):
    found, _, takes = refused(arguments)
    assert found == problem
    assert takes.startswith("sides, name, share")


def test_only_the_first_problems_are_shown():
    found, _, _ = refused({f"x{n}": 1 for n in range(100)})
    assert found.count(";") == limits.ARGUMENT_PROBLEMS_SHOWN_MAX - 1


def test_a_null_for_what_may_be_left_out_is_left_out():
    assert checked(sides=6, name=None, words=None, kind=None, must_say=None) == {**FILLED, "sides": 6}
    assert checked(sides=6, maybe=None, anything=None) == {**FILLED, "sides": 6}


def test_a_whole_number_in_a_float_is_an_integer():
    value = checked(sides=6.0)["sides"]
    assert (value, type(value)) == (6, int)
    assert type(checked(sides=6, share=1.0)["share"]) is float


def test_too_much_is_refused_whatever_the_schema():
    with pytest.raises(LimitExceeded, match="the arguments of f"):
        checked(sides=6, name="x" * limits.TOOL_ARGUMENTS_BYTES_MAX)


def test_a_tool_without_parameters_takes_none():
    parameters = parse_source("def f(): pass").parameters
    assert check_arguments("f", parameters, {}) == {}
    assert refused({"x": 1}, parameters)[2] == "no arguments"


def test_half_a_surrogate_pair_is_refused():
    assert "surrogate" in refused({"sides": 6, "name": "\ud800"})[0]


@pytest.mark.parametrize(
    ("schema", "fits", "does_not"),
    [
        ({"type": ["string", "null"]}, [None, "a"], [1]),
        ({"const": 1}, [1], [True, 2, "1"]),
        ({"enum": [1, None]}, [1, None], [True, "1"]),
        ({"oneOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}, [1, ["a"]], [[1], "a"]),
        ({"type": "unheard-of", "$ref": "#/x", "minimum": 3}, [1, "a"], []),
        ({"type": "array", "items": True, "enum": "no list"}, [[1, "a"]], [1]),
        ("not a schema", [1], []),
    ],
)
def test_a_schema_that_people_wrote_is_read_as_far_as_it_is_understood(schema, fits, does_not):
    parameters = {"type": "object", "properties": {"x": schema}, "required": ["x"]}
    for value in fits:
        assert check_arguments("f", parameters, {"x": value}) == {"x": value}
    for value in does_not:
        assert refused({"x": value}, parameters)[0].startswith("x must be ")


def test_a_schema_may_allow_more_arguments():
    parameters = {"type": "object", "properties": {}, "additionalProperties": True}
    assert check_arguments("f", parameters, {"x": 1}) == {"x": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([*PARAMETERS["properties"], "unknown"])


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_whatever_a_model_writes_is_checked_or_refused(arguments):
    """What passes has only known names and keeps each value, but for nulls and whole floats."""
    try:
        found = check_arguments("f", PARAMETERS, arguments)
    except ToolFailed:
        return
    assert set(found) <= set(PARAMETERS["properties"])
    assert all(found[name] == value for name, value in arguments.items() if value is not None)


@given(JSON, JSON)
def test_no_schema_and_no_value_makes_the_check_fail_otherwise(schema, value):
    parameters = {"properties": {"x": schema}, "required": schema, "additionalProperties": schema}
    try:
        check_arguments("f", json.loads(json.dumps(parameters)), {"x": value})
    except ToolFailed:
        return
