"""Structured answers: formats that are taken, answers that match, and schemas that would take for ever."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.agents.turn.structured import checked_format, demand, problem
from kelpie.errors import CallerError, ModelError
from umi.wire.types import Reply, ToolCall, Usage


def form(schema, **described):
    return checked_format({"type": "json_schema", "json_schema": {"schema": schema, **described}})


CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "at": {"type": "array", "items": {"type": "number"}, "maxItems": 2}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"city": "Rome"}', None),
        ('{"city": "Rome", "at": [1, 2.5]}', None),
        ('{"city": 5}', "city: 5 is not of type 'string'"),
        ('{"city": "Rome", "at": [1, "x"]}', "at[1]: 'x' is not"),
        ('{"city": "Rome", "more": 1}', "as a whole: Additional properties"),
        ("{}", "'city' is a required property"),
        ('{"city": "Ro', "it is not JSON"),
        ("Rome", "it is not JSON"),
        ("", "it is not JSON"),
    ],
)
def test_an_answer_matches_or_it_is_said_where_it_does_not(answer, why):
    found = problem(form(CITY), answer)
    assert (found is None) if why is None else why in found


def test_an_object_is_all_that_json_object_asks_for():
    assert problem({"type": "json_object"}, '{"any": ["thing"]}') is None
    assert "is not of type 'object'" in problem({"type": "json_object"}, "[1]")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "must be text, json_object or json_schema"),
        ({"type": "xml"}, "must be text"),
        ({"type": "json_schema"}, "under 'schema'"),
        ({"type": "json_schema", "json_schema": {"schema": "object"}}, "under 'schema'"),
        ({"type": "json_schema", "json_schema": {"schema": {"type": "thing"}}}, "no JSON schema"),
        ({"type": "json_schema", "json_schema": {"schema": {"required": "x"}}}, "no JSON schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}, "name": 5}}, "must be a text"),
        ({"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * 70_000]}}}, "at most 64,000"),
    ],
)
def test_what_is_no_format_is_refused(given, why):
    with pytest.raises(CallerError, match=why):
        checked_format(given)


def test_a_format_has_a_name_and_keeps_what_providers_read():
    assert form(CITY, strict=True) == {
        "type": "json_schema",
        "json_schema": {"schema": CITY, "strict": True, "name": "answer"},
    }


def test_a_schema_that_takes_too_many_checks_is_given_up():
    """Each level is looked at twice: thirty levels would take a thousand million checks."""
    schema = {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(30)}
    deep = {"$ref": "#/$defs/l0", "$defs": {**schema, "l30": {"type": "object"}}}
    assert "more than 20,000 checks" in problem(form(deep), "{}")
    endless = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert "can't be followed" in problem(form(endless), "{}") or "checks" in problem(form(endless), "{}")


def test_nothing_is_fetched_for_a_schema():
    elsewhere = {"$ref": "http://127.0.0.1:9/schema.json"}
    assert "can't be followed" in problem(form(elsewhere), "{}")


def test_a_pattern_that_takes_for_ever_is_left_to_the_provider():
    slow = {"type": "string", "pattern": "^(a+)+$"}
    assert problem(form(slow), json.dumps("a" * 40 + "!")) is None


def test_a_schema_inside_that_names_its_draft_is_checked_no_other_way():
    for draft in ("http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"):
        slow = {"allOf": [{"$schema": draft, "type": "string", "pattern": "^(a+)+$"}]}
        assert problem(form(slow), json.dumps("a" * 40 + "!")) is None
        assert "is not of type" in problem(form(slow), "5")


@pytest.mark.parametrize("keyword", ["additionalProperties", "unevaluatedProperties"])
def test_expressions_for_names_are_left_to_the_provider_as_well(keyword):
    slow = {"patternProperties": {"^(a+)+$": {}}, keyword: False}
    assert problem(form(slow), json.dumps({"a" * 40 + "!": 1})) is None


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"items": {"enum": [f"v{n}" for n in range(6_000)]}}, ["v5999"] * 3_000),
        ({"items": {"properties": {f"v{n}": {} for n in range(900)}}}, [{}] * 3_000),
        ({"anyOf": [{"type": "string"}] * 900}, [*range(100_000)]),
        ({"anyOf": [{"type": "integer"}] * 900}, "x" * 900_000),
    ],
    ids=["values", "properties", "parts", "text"],
)
def test_what_a_single_check_goes_through_counts_as_well(schema, answer):
    assert "more than 20,000 checks" in problem(
        {"type": "json_schema", "json_schema": {"schema": schema}}, json.dumps(answer)
    )


@pytest.mark.parametrize(
    "schema",
    [{"$ref": "#/x", "x": 5}, {"$ref": "#/x", "x": {"minLength": "a"}}, {"multipleOf": 0.5}],
    ids=["a number", "no schema", "a number without end"],
)
def test_what_no_check_can_be_made_with_is_said_so(schema):
    answer = '"a"' if "$ref" in schema else "9" * 400
    assert "can't be followed" in problem(form(schema), answer)


def test_a_schema_that_takes_too_long_to_read_is_refused_and_a_large_one_is_taken():
    with pytest.raises(CallerError, match="more than 50,000 checks"):
        form({"anyOf": [{}] * 15_000})
    large = {f"v{n}": {"type": "string", "description": "what it is"} for n in range(500)}
    assert problem(form({"properties": large, "additionalProperties": False}), '{"v499": "x"}') is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_any_answer_is_told_apart(value):
    found = problem(form({"type": "array"}), json.dumps(value))
    assert (found is None) == isinstance(value, list)


def reply(text, finish="stop", calls=()):
    return Reply(text, list(calls), finish, Usage(), "m", raw_request=[b"asked"], raw_response=b"said")


def test_a_reply_that_ends_the_turn_has_to_match_and_its_bytes_are_kept():
    demand(None, reply("anything"))
    demand({"type": "text"}, reply("anything"))
    demand(form(CITY), reply('{"city": "Rome"}'))
    demand(form(CITY), reply(None, "tool_calls", [ToolCall("1", "look", "{}")]))
    with pytest.raises(ModelError, match="not JSON") as caught:
        demand(form(CITY), reply("Rome"))
    assert (caught.value.model_error_kind, caught.value.raw_response) == ("invalid_response", b"said")
    with pytest.raises(ModelError, match="greatest length"):
        demand(form(CITY), reply('{"city": ', "length"))
    with pytest.raises(ModelError, match="declined"):
        demand(form(CITY), reply("I can't", "content_filter"))
