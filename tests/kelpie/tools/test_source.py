"""What a tool's source says about it, and what is refused: tables of source and schema."""

import contextlib
import inspect
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import InvalidSource
from kelpie.tools import limits
from kelpie.tools.source import described, given_parameters, parse_source, read_docstring

HINTS = [
    ("str", {"type": "string"}),
    ("int", {"type": "integer"}),
    ("float", {"type": "number"}),
    ("bool", {"type": "boolean"}),
    ("Any", {}),
    ("'str'", {"type": "string"}),
    ("list", {"type": "array", "items": {}}),
    ("list[int]", {"type": "array", "items": {"type": "integer"}}),
    ("List[List[str]]", {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}),
    ("typing.Sequence[float]", {"type": "array", "items": {"type": "number"}}),
    ("dict", {"type": "object"}),
    ("dict[str, Any]", {"type": "object"}),
    ("Dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
    ("list[int | None]", {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}),
    ("int | str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ("Union[int, list[str]]", {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}),
    ("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
    ("Literal[1, -2]", {"type": "integer", "enum": [1, -2]}),
    ("Literal['a', 1, None]", {"enum": ["a", 1, None]}),
    ("Annotated[int, 'how many']", {"type": "integer", "description": "how many"}),
    ("Annotated[list[str], Field(description='names', max_length=3)]",
     {"type": "array", "items": {"type": "string"}, "description": "names"}),
]  # fmt: skip
OPTIONAL = [
    ("Optional[int]", {"type": "integer"}),
    ("int | None", {"type": "integer"}),
    ("None | int", {"type": "integer"}),
    ("typing.Union[int, str, None]", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    ("'Optional[int]'", {"type": "integer"}),
    ("Annotated[Optional[int], 'how many']", {"type": "integer", "description": "how many"}),
    ("Optional[list['int']]", {"type": "array", "items": {"type": "integer"}}),
]


def parameters(source):
    return parse_source(textwrap.dedent(source)).parameters


@pytest.mark.parametrize(("hint", "schema"), HINTS)
def test_a_type_hint_becomes_a_schema(hint, schema):
    found = parameters(f"def f(x: {hint}): pass")
    assert found == {"type": "object", "properties": {"x": schema}, "required": ["x"]}


@pytest.mark.parametrize(("hint", "schema"), OPTIONAL)
def test_an_optional_parameter_is_not_required_and_left_out_means_none(hint, schema):
    found = parameters(f"def f(x: {hint}): pass")
    assert found == {"type": "object", "properties": {"x": {**schema, "default": None}}, "required": []}


@pytest.mark.parametrize(
    ("default", "schema"),
    [
        ("3", {"type": "integer", "default": 3}),
        ("-3", {"type": "integer", "default": -3}),
        ("None", {"type": "integer", "default": None}),
        ("[1, 'a', {'b': None}]", {"type": "integer", "default": [1, "a", {"b": None}]}),
        ("(1, 2)", {"type": "integer"}),
        ("{1: 2}", {"type": "integer"}),
        ("LIMIT", {"type": "integer"}),
        ("int(os.environ['SECRET'])", {"type": "integer"}),
    ],
)
def test_a_default_makes_a_parameter_optional_and_is_shown_if_it_is_plain(default, schema):
    assert parameters(f"def f(x: int = {default}): pass") == {
        "type": "object",
        "properties": {"x": schema},
        "required": [],
    }


def test_parameters_after_a_star_count_like_the_others():
    found = parameters("def f(a: int, b: int = 1, *, c: int, d: int = 2): pass")
    assert (list(found["properties"]), found["required"]) == (["a", "b", "c", "d"], ["a", "c"])


def test_the_docstring_describes_tool_and_parameters():
    tool = parse_source(
        textwrap.dedent('''
        def roll_dice(sides: int, count: int = 1, note: str = "") -> str:
            """Roll dice.

            The sum is returned: it may be large.

            Args:
                sides (int): How many sides
                    each die has: 6 is usual.
                count: How many dice.

            Returns:
                str: The sum.
            """
        ''')
    )
    assert tool.name == "roll_dice"
    assert tool.description == "Roll dice.\n\nThe sum is returned: it may be large."
    properties = tool.parameters["properties"]
    assert properties["sides"] == {"type": "integer", "description": "How many sides each die has: 6 is usual."}
    assert properties["count"] == {"type": "integer", "description": "How many dice.", "default": 1}
    assert properties["note"] == {"type": "string", "default": ""}


def test_the_docstring_wins_over_the_note_in_the_hint():
    found = parameters('def f(x: Annotated[int, "a"]):\n    """F.\n\n    Args:\n        x: b\n    """')
    assert found["properties"]["x"] == {"type": "integer", "description": "b"}


@pytest.mark.parametrize(
    ("text", "description", "entries"),
    [
        ("", "", {}),
        ("Only this.", "Only this.", {}),
        ("Args:\n    x: a", "", {"x": "a"}),
        ("F.\n\nParameters:\n  x (Optional[List[str]]): a\n  y(int): b\n", "F.", {"x": "a", "y": "b"}),
        ("F.\nArgs:\n    x: a\n\n    y: b\nx: not this", "F.", {"x": "a", "y": "b"}),
        ("F.\nArgs:\n    x:\n        a\n        b", "F.", {"x": "a b"}),
        ("Sum: of all.\n\nReturns:\n    x: no", "Sum: of all.", {}),
    ],
)
def test_google_style_is_read(text, description, entries):
    assert read_docstring(inspect.cleandoc(text)) == (description, entries)


def test_without_a_docstring_the_name_describes_the_tool():
    assert parse_source("def roll_dice(): pass").description == "roll_dice"


def test_the_last_top_level_function_is_the_tool():
    source = "def first(): pass\nasync def second(x: int): pass\nclass C:\n    def third(self): pass\nLIMIT = 3\n"
    assert parse_source(source).name == "second"


def test_nothing_of_the_source_is_executed(tmp_path):
    trace = tmp_path / "trace"
    source = f"open({str(trace)!r}, 'w')\n@open({str(trace)!r}, 'w')\ndef f(x: int = open({str(trace)!r}, 'w')): pass"
    assert parse_source(source).name == "f"
    assert not trace.exists()


def test_the_agents_state_is_not_the_models_to_give():
    source = "def f(agent_state: 'AgentState', x: int): pass"
    assert parameters(source) == {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    assert given_parameters(source, "python", "f") == ["agent_state"]
    assert given_parameters("def f(x, *, agent_state=None): pass", "python", "f") == ["agent_state"]


@pytest.mark.parametrize("hint", ["", ": Client", ": 'Client'", ": letta_client.Letta", ": 'kelpie.Client'"])
def test_the_client_is_not_the_models_to_give(hint):
    source = f"def f(x: int, client{hint} = None): pass"
    assert list(parameters(source)["properties"]) == ["x"]
    assert given_parameters(source, "python", "f") == ["client"]


def test_javascript_is_read_as_well():
    source = """
/** Greet somebody.
 * @param {string} name For whom.
 */
export function greet(name, times = 1, client) { return `hi ${name}`; }
"""
    for source_type in ("javascript", "typescript"):
        found = parse_source(
            source.replace("(name,", "(name: string,") if source_type == "typescript" else source, source_type
        )
        assert (found.name, found.description, found.parameters["required"]) == ("greet", "Greet somebody.", ["name"])
        assert list(found.parameters["properties"]) == ["name", "times"]
    assert given_parameters(source, "javascript", "greet") == ["client"]
    assert described(source, "javascript", "greet") == "Greet somebody."
    with pytest.raises(InvalidSource, match="no function 'other'"):
        described(source, "javascript", "other")
    with pytest.raises(InvalidSource, match="at most 1,000,000"):
        parse_source("//" + "x" * 1_000_000, "javascript")


def test_a_client_who_is_a_customer_is_an_ordinary_parameter():
    source = "def f(client: str): pass"
    assert list(parameters(source)["properties"]) == ["client"]
    assert given_parameters(source, "python", "f") == []


MODELS = '''
from pydantic import BaseModel, Field
class Base(BaseModel):
    """Where and when."""
    model_config = {}
    city: str
    _cache: int = 0
    kinds: ClassVar[list] = []
    day: str = Field(..., description="a date")
class Leg(Base):
    nights: int = 1
    note: Optional[str] = None
    tags: list[str] = Field(default_factory=list, description="free words")
    price: float = Field(2.5)
    kind: Annotated[Literal["air", "sea"], Field(description="how")]
class Unrelated:
    x: int
'''


def test_a_model_defined_in_the_source_becomes_an_object():
    found = parameters(f"{MODELS}\ndef f(leg: Leg): pass")["properties"]["leg"]
    assert found == {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "day": {"type": "string", "description": "a date"},
            "nights": {"type": "integer", "default": 1},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "tags": {"type": "array", "items": {"type": "string"}, "description": "free words"},
            "price": {"type": "number", "default": 2.5},
            "kind": {"type": "string", "enum": ["air", "sea"], "description": "how"},
        },
        "required": ["city", "day", "kind"],
    }


def test_models_nest():
    found = parameters(f"{MODELS}\ndef f(legs: Optional[list[Base]]): pass")["properties"]["legs"]
    assert found["items"]["required"] == ["city", "day"]
    assert found["items"]["description"] == "Where and when."


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("def f(:", 1, "this is not Python: invalid syntax"),
        ("x = 1\ndef f()\n  pass", 2, "this is not Python: expected ':'"),
        ("def f(x): pass", 1, "parameter 'x' of f has no type hint; write `x: str`"),
        ("\n\ndef f(a: int,\n      b): pass", 4, "parameter 'b' of f has no type hint"),
        ("def f(*args: int): pass", 1, "f takes *args, which a model can't fill"),
        ("def f(**kwargs): pass", 1, "f takes **kwargs, which a model can't fill"),
        ("def f(x: int, /): pass", 1, "parameter 'x' of f is positional-only"),
        ("def f(x: bytes): pass", 1, "parameter 'x' of f: the type hint 'bytes' can't be turned"),
        ("def f(x: set[int]): pass", 1, "parameter 'x' of f: the type hint 'set[int]' can't be turned"),
        ("def f(x: list[Thing]): pass", 1, "parameter 'x' of f: the type hint 'Thing' can't be turned"),
        ("def f(x: dict[int, str]): pass", 1, "the keys of a JSON object are strings"),
        ("def f(x: Literal[A]): pass", 1, "Literal[...] may hold texts, numbers, booleans and None"),
        ("def f(x: 'list['): pass", 1, "the type hint 'list[' is not Python"),
        ("def f(x: 3): pass", 1, "the type hint '3' can't be turned"),
        (f"{MODELS}def f(x: Unrelated): pass", 16, "class Unrelated is not a pydantic BaseModel"),
        ("class A(BaseModel):\n    b: 'A'\ndef f(x: A): pass", 1, "class A refers to itself"),
        ("class A(BaseModel):\n    b: bytes\ndef f(x: A): pass", 2, "parameter 'x' of f, field 'b': the type hint 'b"),
        ("def " + "f" * 49 + "(): pass", 1, "is 49 characters; at most 48"),
        ("def größe(): pass", 1, "the name 'größe' may hold only letters a-z, digits and _"),
        ("def f(" + ", ".join(f"p{n}: int" for n in range(101)) + "): pass", 1, "f has 101 parameters; at most 100"),
    ],
)
def test_what_can_not_be_a_tool_is_refused_with_line_and_reason(source, line, reason):
    with pytest.raises(InvalidSource) as refused:
        parse_source(source)
    assert str(refused.value).startswith(f"line {line}: ")
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "the source has no function at its top level"),
        ("class C:\n    def f(self): pass", "the source has no function at its top level"),
        ("x = '" + "x" * limits.TOOL_SOURCE_BYTES_MAX + "'", "the source has 1,000,006 bytes; at most 1,000,000"),
        ("def f(): pass\0", "this is not Python: "),
        ("def f(): '\ud800'", "character 10 is half of a surrogate pair"),
        ("def f(x: " + "int | " * 5_000 + "int): pass", "nested too deeply"),
        ("x = " + "-" * 200_000 + "1", "nested too deeply"),
    ],
)
def test_what_is_no_source_at_all_is_refused(source, reason):
    with pytest.raises(InvalidSource) as refused:
        parse_source(source)
    assert reason in str(refused.value)


@pytest.mark.parametrize("source_type", ["ruby", "", "Python"])
def test_other_languages_are_refused(source_type):
    with pytest.raises(InvalidSource, match="supported are: python"):
        parse_source("def f(): pass", source_type)


def test_classes_that_multiply_are_stopped():
    """Each holds the next twice: 2**40 parts if nobody counted."""
    classes = "\n".join(f"class C{n}(BaseModel):\n    a: C{n + 1}\n    b: C{n + 1}" for n in range(40))
    with pytest.raises(InvalidSource, match="more than 2,000 parts"):
        parse_source(f"{classes}\nclass C40(BaseModel):\n    x: int\ndef f(x: C0): pass")
    bases = "\n".join(
        f"class B{n}(B{n + 1}a, B{n + 1}b): pass\nclass B{n}a(B{n}): pass\nclass B{n}b(B{n}): pass" for n in range(40)
    )
    with pytest.raises(InvalidSource):
        parse_source(f"{bases}\ndef f(x: B0): pass")


def test_a_warning_about_the_source_is_not_ours():
    assert parse_source("def f():\n    '\\d'\n    return '\\d' is 3").name == "f"


def test_a_named_function_is_described():
    source = 'def a():\n    """The first."""\ndef b(): pass'
    assert described(source, "python", "a") == "The first."
    assert described(source, "python", "b") == "b"
    with pytest.raises(InvalidSource, match="the source has no function 'c'; it has a, b"):
        described(source, "python", "c")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidSource):
        assert parse_source(text).name.isidentifier()


@given(st.text(alphabet="defx:()[],*'| \n=intstrNoneOptional.Literal", max_size=60))
def test_any_hint_is_read_or_refused(hint):
    with contextlib.suppress(InvalidSource):
        assert parse_source(f"def f(x: {hint}): pass").parameters["type"] == "object"
