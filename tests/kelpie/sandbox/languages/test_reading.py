"""A tool off its JavaScript or TypeScript source."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kelpie.errors import InvalidSource
from kelpie.sandbox import limits
from kelpie.sandbox.languages import parse_javascript


def read(source, **more):
    return parse_javascript(textwrap.dedent(source), **more)


def of(declaration, *, types=""):
    """The schema of one TypeScript parameter."""
    tool = read(f"{types}\nfunction f({declaration}) {{}}", typescript=True)
    return tool.parameters["properties"], tool.parameters["required"]


def test_a_documented_function_is_a_tool():
    tool = read("""
        const helper = (x) => x;

        /**
         * Book a table.
         * Asks the restaurant first.
         *
         * @param {string} place - Where, by name.
         * @param {number} [guests=2] - How many
         *     come along.
         * @param {('inside'|'outside')=} where
         * @param {string[]} names
         * @returns {Promise<string>} what was said
         */
        export async function book(place, guests = 2, where, names) {
            return `${place} ${guests}`;
        }
    """)
    assert (tool.name, tool.description) == ("book", "Book a table.\nAsks the restaurant first.")
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "place": {"type": "string", "description": "Where, by name."},
            "guests": {"type": "number", "description": "How many come along.", "default": 2},
            "where": {"type": "string", "enum": ["inside", "outside"]},
            "names": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["place", "names"],
    }


@pytest.mark.parametrize(
    "source",
    [
        "/** Says it. */ function f(/** x */ a = 'x') {}",
        "/** Says it. */ export default function f(a = 'x') {}",
        "/** Says it. */ const f = (a = 'x') => a;",
        "/** Says it. */ export const f = async function (a = 'x') {};",
        "function g() {}\n/** Says it. */ let f = a => a, h = 1; /** @param {string} a */",
    ],
)
def test_every_way_to_declare_a_function(source):
    if "a => a" in source:
        source = source.replace("/** Says it. */", "/** Says it.\n * @param {string} a */")
    tool = read(source)
    assert (tool.name, tool.description) == ("f", "Says it.")
    assert tool.parameters["properties"]["a"]["type"] == "string"


def test_another_function_than_the_last_can_be_named():
    source = "function a(x = 1) {}\nfunction b(y = 1) {}"
    assert list(read(source).parameters["properties"]) == ["y"]
    assert list(read(source, function="a").parameters["properties"]) == ["x"]
    with pytest.raises(InvalidSource, match="no function 'c'; it has a, b"):
        read(source, function="c")


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        ("string", {"type": "string"}),
        ("number", {"type": "number"}),
        ("boolean", {"type": "boolean"}),
        ("any", {}),
        ("unknown", {}),
        ("object", {"type": "object"}),
        ("string[]", {"type": "array", "items": {"type": "string"}}),
        ("Array<number[]>", {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
        ("readonly string[]", {"type": "array", "items": {"type": "string"}}),
        ("(string | number)[]", {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}}),
        ("Record<string, boolean>", {"type": "object", "additionalProperties": {"type": "boolean"}}),
        ("string | null", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("'a' | \"b\"", {"type": "string", "enum": ["a", "b"]}),
        ("1 | -2 | 2.5", {"type": "number", "enum": [1, -2, 2.5]}),
        ("'a' | 1 | true", {"enum": ["a", 1, True]}),
        (
            "'a' | string[]",
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "array", "items": {"type": "string"}}]},
        ),
        (
            "{ a: string; b?: number }",
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "number"}},
                "required": ["a"],
            },
        ),
    ],
)
def test_typescripts_types_are_schemas(kind, schema):
    assert of(f"a: {kind}") == ({"a": schema}, ["a"])


@pytest.mark.parametrize("declaration", ["a?: string", "a: string | undefined", "a: string = make()"])
def test_what_may_be_left_out_is_not_required(declaration):
    assert of(declaration) == ({"a": {"type": "string"}}, [])


def test_declared_types_are_known_by_name():
    types = """
        /** ignored */
        export interface Address {
            /** Street and number. */
            street: string;
            zip?: Zip;
        }
        type Zip = string | number;
    """
    properties, _ = of("to: Address[]", types=types)
    assert properties["to"]["items"] == {
        "type": "object",
        "properties": {
            "street": {"type": "string", "description": "Street and number."},
            "zip": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        },
        "required": ["street"],
    }


def test_an_object_that_is_taken_apart_is_the_parameters():
    properties, required = of("{ city, days = 3 }: { city: string, days?: number }")
    assert properties == {"city": {"type": "string"}, "days": {"type": "number", "default": 3}}
    assert required == ["city"]
    tool = read("""
        /**
         * @param {object} options
         * @param {string} options.city - Where.
         * @param {integer} [options.days]
         */
        const weather = ({ city, days: count }) => city;
    """)
    assert tool.parameters["properties"] == {
        "city": {"type": "string", "description": "Where."},
        "days": {"type": "integer"},
    }
    assert tool.parameters["required"] == ["city"]


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        ("?string", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        ("!string", {"type": "string"}),
        ("*", {}),
        ("Array.<string>", {"type": "array", "items": {"type": "string"}}),
        ("{a: string}", {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
    ],
)
def test_jsdocs_own_ways_to_write_a_type(kind, schema):
    tool = read(f"/** @param {{{kind}}} a */\nfunction f(a) {{}}")
    assert tool.parameters["properties"] == {"a": schema}


def test_what_the_runtime_fills_in_is_not_in_the_schema():
    tool = read("function f(agent_state, a = 1, client) {}")
    assert tool.given == ("agent_state", "client")
    assert list(tool.parameters["properties"]) == ["a"]
    named = read("/** @param {string} client - A customer. */\nfunction f(client) {}")
    assert named.given == ()
    assert list(named.parameters["properties"]) == ["client"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "no named function"),
        ("export default function () {}", "no named function"),
        ("const x = 1; class A { f() {} }", "no named function"),
        ("function f( {", "line 1: this is not"),
        ("let a = 1;\n\nfunction f() { return }}", "line 3: this is not"),
        ("function f(a) {}", "parameter 'a' of f has no type"),
        ("function f(...a) {}", "can't be filled by name"),
        ("function f([a]) {}", "can't be filled by name"),
        ("function f({...a}) {}", "can't be filled by name"),
        ("function f(a = 1, {b = 2}) {}", "that one alone"),
        ("function* f() {}", "generator"),
        ("function $f() {}", "may hold only"),
        ("function \u00e4() {}", "may hold only"),
        (f"function {'f' * 49}() {{}}", "at most 48"),
        ("/** @param {Date} a */ function f(a) {}", "can't be turned into"),
        ("/** @param {string; let b} a */ function f(a) {}", "is not read"),
        ("/** @param {string; type U = number} a */ function f(a) {}", "is not read"),
        ("x = '\ud800'; function f() {}", "surrogate"),
    ],
)
def test_what_is_no_tool_is_refused_with_the_reason(source, reason):
    with pytest.raises(InvalidSource, match=reason):
        parse_javascript(source)


# Nine fields each, four levels: 6,561 parts of a few lines.
MANY = "".join(f"type T{n + 1} = {{{', '.join(f'f{m}: T{n}' for m in range(9))}}};" for n in range(4))


@pytest.mark.parametrize(
    ("declaration", "types", "reason"),
    [
        ("a: Date", "", "Date"),
        ("a: Map<string, string>", "", "Map"),
        ("a: T", "type T = { t: T };", "refers to itself"),
        ("a: T", "interface T<U> { u: U }", "write its fields out"),
        ("a: T", "interface T extends S { u: string }", "write its fields out"),
        ("a: T", "enum T { A }", "can't be turned"),
        ("a: { f(): void }", "", "only `name: type`"),
        ("a: { [k: string]: number }", "", "only `name: type`"),
        ("a: 'x\\n'", "", "only plain texts"),
        ("a: string & number", "", "can't be turned"),
        ("a: [string, number]", "", "can't be turned"),
        ("{ a }: { b: string }", "", "'a' is taken from"),
        (f"a: {'(' * 5_000}string{')' * 5_000}[]", "", "this is not|nested too deeply|."),
        (f"a: string{'[]' * 100}", "", "nested too deeply"),
        ("a: T4", MANY + "type T0 = 1;", "more than 2,000 parts"),
    ],
)
def test_types_that_are_no_schema_are_refused_with_the_reason(declaration, types, reason):
    with pytest.raises(InvalidSource, match=reason):
        of(declaration, types=types)


def test_sources_and_parameters_have_a_bound():
    with pytest.raises(InvalidSource, match="bytes"):
        parse_javascript("x" * (limits.JAVASCRIPT_BYTES_MAX + 1))
    many = ", ".join(f"a{number} = 1" for number in range(limits.JAVASCRIPT_PARAMETERS_MAX + 1))
    with pytest.raises(InvalidSource, match="parameters; at most"):
        parse_javascript(f"function f({many}) {{}}")


@pytest.mark.parametrize("source", ["(" * 100_000, "{[(" * 50_000, "a?b:" * 50_000, "`${" * 50_000, "<" * 100_000])
def test_deep_nonsense_is_refused_and_nothing_else(source):
    with pytest.raises(InvalidSource):
        parse_javascript(source, typescript=True)


PIECES = st.sampled_from(
    "function f ( a ) { } : string ? | < > [ ] => = ' \" ` ${ /** */ @param {x} export default const let async * , ; ."
    " 1 interface type enum class this null \n \u00e4 \U0001f600".split(" ")
)


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=40).map(" ".join), st.booleans())
def test_any_text_is_a_tool_or_refused(source, typescript):
    try:
        tool = parse_javascript(source, typescript=typescript)
    except InvalidSource:
        return
    assert tool.parameters["type"] == "object"
