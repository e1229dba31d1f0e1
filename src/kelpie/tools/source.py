"""A custom tool's name, description and JSON schema, by parsing its source. Nothing of it is executed.

Of Python's the last top-level function is the tool. Its Google-style docstring describes it and its parameters, its
type hints make the schema (see annotations.py). Parameters with a default, and optional ones, are not required.
JavaScript and TypeScript are read by kelpie.sandbox.languages.
"""

import ast
import re
import warnings
from typing import TYPE_CHECKING, Any

import msgspec

from kelpie.errors import InvalidSource
from kelpie.tools import limits
from kelpie.tools.annotations import Annotations, default_of

if TYPE_CHECKING:
    from kelpie.sandbox.languages import JavaScriptTool

NODE_TYPES = ("javascript", "typescript")
SOURCE_TYPES = ("python", *NODE_TYPES)
# Parameters the runtime fills in: the model never sees them. A `client` with a hint of its own, a customer's name for
# example, is an ordinary one.
AGENT_STATE, CLIENT = "agent_state", "client"
_CLIENT_HINTS = ("Client", "Letta")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECTION = re.compile(
    r"(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?|attributes)\s*:", re.IGNORECASE
)
_PARAMETERS = frozenset({"args", "arguments", "parameters", "params"})
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\(.*?\))?\s*:\s*(.*)")
_TOO_DEEP = "the source is nested too deeply to be read"

Function = ast.FunctionDef | ast.AsyncFunctionDef


class ToolSource(msgspec.Struct, frozen=True):
    """What a source says about its tool; `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


def parse_source(source: str, source_type: str = "python") -> ToolSource:
    """Read a tool off its source. Raises InvalidSource with the line and the reason, MissingExtra where the parser of a
    language is not installed."""
    _check_type(source_type)
    if source_type in NODE_TYPES:
        found = _javascript(source, source_type)
        return ToolSource(found.name, found.description, found.parameters)
    module = _module(source)
    try:
        return _read(module, _function(module, None))
    except RecursionError:
        raise InvalidSource(_TOO_DEEP) from None


def described(source: str, source_type: str, function: str) -> str:
    """The description in a named function's comment, for a tool whose schema is given. Raises as parse_source does."""
    _check_type(source_type)
    if source_type in NODE_TYPES:
        return _javascript(source, source_type, function).description
    text, _ = read_docstring(ast.get_docstring(_function(_module(source), function)) or "")
    return text or function


def given_parameters(source: str, source_type: str, function: str) -> list[str]:
    """The parameters of a named function that the runtime fills in itself. Raises what parse_source does."""
    if source_type in NODE_TYPES:
        return list(_javascript(source, source_type, function).given)
    arguments = _function(_module(source), function).args
    return [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs) if _is_given(argument)]


def _check_type(source_type: str) -> None:
    if source_type not in SOURCE_TYPES:
        known = ", ".join(SOURCE_TYPES)
        raise InvalidSource(f"tools in '{source_type[:64]}' are not supported; supported are: {known}")


def _check_size(source: str) -> None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise InvalidSource(f"this is no program: character {error.start} is half of a surrogate pair") from None
    if size > limits.TOOL_SOURCE_BYTES_MAX:
        raise InvalidSource(f"the source has {size:,} bytes; at most {limits.TOOL_SOURCE_BYTES_MAX:,} are allowed")


def _javascript(source: str, source_type: str, function: str | None = None) -> "JavaScriptTool":
    # The parser takes a moment to load, and few tools need it.
    from kelpie.sandbox.languages import parse_javascript

    _check_size(source)
    return parse_javascript(source, typescript=source_type == "typescript", function=function)


def _is_given(argument: ast.arg) -> bool:
    if argument.arg != CLIENT or argument.annotation is None:
        return argument.arg in (AGENT_STATE, CLIENT)
    hint = argument.annotation
    text = hint.value if isinstance(hint, ast.Constant) and isinstance(hint.value, str) else ast.unparse(hint)
    return text.rpartition(".")[2].endswith(_CLIENT_HINTS)


def _module(source: str) -> ast.Module:
    _check_size(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escape sequences in somebody else's text
            return ast.parse(source)
    except SyntaxError as error:
        raise InvalidSource(f"line {error.lineno}: this is not Python: {error.msg}") from None
    except ValueError as error:
        raise InvalidSource(f"this is not Python: {error}") from None
    except (MemoryError, RecursionError):  # what the parser raises, whatever memory there is
        raise InvalidSource(_TOO_DEEP) from None


def _function(module: ast.Module, name: str | None) -> Function:
    functions = [node for node in module.body if isinstance(node, Function)]
    if not functions:
        raise InvalidSource("the source has no function at its top level: write `def name(...):` without indentation")
    found = functions[-1] if name is None else next((f for f in reversed(functions) if f.name == name), None)
    if found is None:
        known = ", ".join(node.name for node in functions)
        raise InvalidSource(f"the source has no function '{name}'; it has {known}")
    if len(found.name) > limits.TOOL_NAME_CHARS_MAX:
        most = limits.TOOL_NAME_CHARS_MAX
        raise InvalidSource(
            f"line {found.lineno}: the name '{found.name}' is {len(found.name)} characters; at most {most}"
        )
    if not _NAME.fullmatch(found.name):
        raise InvalidSource(f"line {found.lineno}: the name '{found.name}' may hold only letters a-z, digits and _")
    return found


def _read(module: ast.Module, function: Function) -> ToolSource:
    description, texts = read_docstring(ast.get_docstring(function) or "")
    annotations = Annotations(module)
    properties: dict[str, Any] = {}
    required = []
    for argument, default in _parameters(function):
        name = argument.arg
        if _is_given(argument):
            continue
        if argument.annotation is None:
            raise InvalidSource(
                f"line {argument.lineno}: parameter '{name}' of {function.name} has no type hint; write `{name}: str`"
            )
        where = f"parameter '{name}' of {function.name}"
        schema, nullable = annotations.parameter(argument.annotation, where)
        if name in texts:
            schema = {**schema, "description": texts[name]}
        if default is not None:
            schema = {**schema, **default_of(default)}
        elif nullable:
            schema = {**schema, "default": None}  # left out means None: the call fills it in
        else:
            required.append(name)
        properties[name] = schema
    if len(properties) > limits.TOOL_PARAMETERS_MAX:
        most = limits.TOOL_PARAMETERS_MAX
        raise InvalidSource(f"line {function.lineno}: {function.name} has {len(properties)} parameters; at most {most}")
    parameters = {"type": "object", "properties": properties, "required": required}
    return ToolSource(function.name, description or function.name, parameters)


def _parameters(function: Function) -> list[tuple[ast.arg, ast.expr | None]]:
    """Each parameter with its default, in order."""
    arguments = function.args
    for argument, stars in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
        if argument is not None:
            raise InvalidSource(
                f"line {argument.lineno}: {function.name} takes {stars}{argument.arg}, which a model can't fill;"
                " name every parameter"
            )
    if arguments.posonlyargs:
        argument = arguments.posonlyargs[0]
        raise InvalidSource(
            f"line {argument.lineno}: parameter '{argument.arg}' of {function.name} is positional-only, but arguments"
            " are passed by name; remove the `/`"
        )
    missing = len(arguments.args) - len(arguments.defaults)
    positional = zip(arguments.args, [None] * missing + list(arguments.defaults), strict=True)
    return [*positional, *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """(the text before the first section, the description of each entry under Args)."""
    lines = text.splitlines()
    headings = [number for number, line in enumerate(lines) if _SECTION.fullmatch(line.strip())]
    description = "\n".join(lines[: headings[0]] if headings else lines).strip()
    entries: dict[str, str] = {}
    for number in headings:
        if lines[number].strip().rstrip(": ").lower() in _PARAMETERS:
            entries.update(_entries(lines, number))
    return description, entries


def _entries(lines: list[str], heading: int) -> dict[str, str]:
    """`name (type): text` one level below the heading; deeper lines continue the entry above them."""
    entries: dict[str, str] = {}
    # A heading in the docstring's first line has lost its indentation, and the lines below it too.
    outside, level, current = _indent(lines[heading]) if heading else -1, None, None
    for line in lines[heading + 1 :]:
        if not line.strip():
            continue
        indent = _indent(line)
        if indent <= outside or _SECTION.fullmatch(line.strip()):
            break
        level = indent if level is None else level
        entry = _ENTRY.fullmatch(line.strip()) if indent <= level else None
        if entry is not None:
            current = entry.group(1)
            entries[current] = entry.group(2).strip()
        elif current is not None:
            entries[current] = f"{entries[current]} {line.strip()}".strip()
    return entries


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
