"""What a server offers, as data: schemas with references in them, what changed, and answers as text."""

from hypothesis import given
from hypothesis import strategies as st

from kelpie.tools import limits as tool_limits
from kelpie.tools.arguments import check_arguments
from kelpie.tools.mcp import results
from kelpie.tools.mcp.offers import OfferedTool, changes_of, inlined
from kelpie.tools.mcp.rows import _name

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
KEYS = st.sampled_from(["type", "properties", "$ref", "$defs", "items", "anyOf", "required", "x", "a"])
SCHEMAS = st.dictionaries(KEYS, st.dictionaries(KEYS, JSON | st.just("#/$defs/a"), max_size=4) | JSON, max_size=6)


def parts(value):
    if isinstance(value, dict):
        return 1 + sum(map(parts, value.values()))
    return 1 + sum(map(parts, value)) if isinstance(value, list) else 1


def test_references_are_resolved_and_those_to_themselves_end():
    schema = {
        "type": "object",
        "properties": {"person": {"$ref": "#/$defs/Person"}, "other": {"$ref": "https://elsewhere/schema"}},
        "$defs": {
            "Person": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "friend": {"$ref": "#/$defs/Person"}},
                "required": ["name"],
            }
        },
    }
    checked = inlined(schema)
    assert "$defs" not in checked
    assert checked["properties"]["person"]["properties"]["friend"]["required"] == ["name"]
    assert checked["properties"]["other"] == {}
    given_arguments = {"person": {"name": "Ada", "friend": {"name": "Bob"}}, "other": [1]}
    assert check_arguments("t", checked, given_arguments) == given_arguments


@given(SCHEMAS)
def test_any_schema_of_a_server_ends_in_one_that_can_be_checked(schema):
    checked = inlined(schema)
    assert parts(checked) <= tool_limits.TOOL_SCHEMA_PARTS_MAX * 3
    assert "$ref" not in str(checked) or "$ref" in str(schema)


def test_a_schema_that_doubles_with_each_level_stays_small():
    definitions = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(40)}
    checked = inlined({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions})
    assert parts(checked) <= tool_limits.TOOL_SCHEMA_PARTS_MAX * 3


def test_what_changed_is_named_and_what_did_not_is_not():
    before = {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}
    reordered = {"required": ["a"], "properties": {"b": {}, "a": {"type": "string"}}, "type": "object"}

    def now(description="Look.", parameters=before):
        return OfferedTool(name="look", description=description, parameters=parameters)

    assert changes_of("look", "Look.", before, now(parameters=reordered)) == []
    assert changes_of("look", "Look.", before, None) == ["it no longer offers 'look'"]
    assert changes_of("look", "Look.", before, now("Look away.")) == ["its description"]
    fewer = {"type": "object", "properties": {"a": {"type": "integer"}, "c": {}}}
    assert changes_of("look", "Look.", before, now(parameters=fewer)) == [
        "parameter 'c' is new",
        "parameter 'b' is gone",
        "parameter 'a' is another",
    ]
    assert changes_of("look", "Look.", before, now(parameters={**before, "required": []})) == ["its schema"]


@given(st.lists(st.text(max_size=50), max_size=30), st.integers(1, 200))
def test_an_answer_is_never_much_longer_than_it_may_be(texts, chars_max):
    shown = results.joined(texts, chars_max)
    assert len(shown) <= chars_max + 100
    if len("\n".join(texts)) <= chars_max:
        assert shown == "\n".join(texts)


@given(st.text(max_size=200), st.text(max_size=200), st.sets(st.sampled_from(["a", "b", "one_a", "tool"])))
def test_a_tool_gets_a_name_that_providers_take_and_nobody_has(server, tool, taken):
    name = _name(None, server, tool, taken)
    assert name not in taken
    assert 1 <= len(name) <= tool_limits.TOOL_NAME_CHARS_MAX
    assert name.isascii()
    assert name.replace("_", "").replace("-", "").isalnum() or set(name) <= {"_", "-"}
