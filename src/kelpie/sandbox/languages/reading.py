"""A tool's name, description and JSON schema, off its JavaScript or TypeScript source. Nothing of it is executed.

The last named function of the top level is the tool. Its JSDoc comment describes it and its parameters; types come
from TypeScript's annotations, else from `@param {type}`, else from a default that is plain JSON.
"""

import re
from typing import TYPE_CHECKING, Any

import msgspec

from kelpie.errors import InvalidSource
from kelpie.sandbox import limits
from kelpie.sandbox.languages.function import GENERATORS, Function, Parameter, find_function, parameters_of
from kelpie.sandbox.languages.jsdoc import Comment, Tag, read_comment
from kelpie.sandbox.languages.parsing import line_of, parse, refused, text_of
from kelpie.sandbox.languages.types import Types

if TYPE_CHECKING:
    from tree_sitter import Node

GIVEN = frozenset({"agent_state", "client"})  # parameters the runtime fills in: the model never sees them
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NOTHING = Tag("", optional=False, text="")
_WORDS = {"true": True, "false": False, "null": None}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_KINDS = {str: "string", bool: "boolean", int: "number", float: "number"}


class JavaScriptTool(msgspec.Struct, frozen=True):
    """What a source says about its tool.

    parameters  a JSON schema of type object
    given       parameters that the runtime fills in itself; they are not in the schema
    """

    name: str
    description: str
    parameters: dict[str, Any]
    given: tuple[str, ...] = ()


def parse_javascript(source: str, *, typescript: bool = False, function: str | None = None) -> JavaScriptTool:
    """Read a tool off its source; `function` names another one than the last. Raises InvalidSource with the line and
    the reason, MissingExtra without the parser."""
    root = parse(source, typescript=typescript)
    found = find_function(root, function)
    _check_name(found)
    comment = read_comment(found.comment)
    reading = _Reading(found, comment, Types(root))
    for parameter in parameters_of(found):
        reading.add(parameter)
    count = len(reading.properties)
    if count > limits.JAVASCRIPT_PARAMETERS_MAX:
        most = limits.JAVASCRIPT_PARAMETERS_MAX
        raise refused(found.node, f"{found.name} has {count} parameters; at most {most}")
    parameters = {"type": "object", "properties": reading.properties, "required": reading.required}
    return JavaScriptTool(found.name, comment.description or found.name, parameters, tuple(reading.given))


def _check_name(found: Function) -> None:
    if len(found.name) > limits.JAVASCRIPT_NAME_CHARS_MAX:
        most = limits.JAVASCRIPT_NAME_CHARS_MAX
        raise refused(found.node, f"the name '{found.name[:100]}' is {len(found.name)} characters; at most {most}")
    if not _NAME.fullmatch(found.name):
        raise refused(found.node, f"the name '{found.name}' may hold only letters a-z, digits and _")
    if found.node.type in GENERATORS:
        raise refused(found.node, f"{found.name} is a generator, which has no single result")


class _Reading:
    """The schema of one function's parameters, as they are added."""

    def __init__(self, function: Function, comment: Comment, types: Types) -> None:
        self._function, self._comment, self._types = function.name, comment, types
        self.properties: dict[str, Any] = {}
        self.required: list[str] = []
        self.given: list[str] = []

    def add(self, parameter: Parameter) -> None:
        if parameter.name in GIVEN and parameter.annotation is None and parameter.name not in self._comment.parameters:
            self.given.append(parameter.name)
        elif parameter.name:
            tag = self._comment.parameters.get(parameter.name, _NOTHING)
            optional = parameter.optional or tag.optional
            self._property(parameter.name, parameter.node, parameter.annotation, parameter.default, tag, optional)
        elif parameter.annotation is not None:
            self._taken_apart(parameter)
        else:
            tags = self._dotted()
            for name, default in parameter.parts.items():
                tag = tags.get(name, _NOTHING)
                self._property(name, parameter.node, None, default, tag, tag.optional)

    def _taken_apart(self, parameter: Parameter) -> None:
        """`({ a, b = 2 }: { a: string, b?: number })`: the type says it all."""
        assert parameter.annotation is not None
        where = f"the parameters of {self._function}"
        schema, _ = self._types.parameter(parameter.annotation, where)
        properties = schema.get("properties", {})
        for name, default in parameter.parts.items():
            if name not in properties:
                raise refused(
                    parameter.node, f"{where}: '{name}' is taken from the object, and its type has no such field"
                )
            text = self._dotted().get(name, _NOTHING).text
            described = {**properties[name], "description": text} if text else properties[name]
            self.properties[name] = {**described, **_default(default)}
            if default is None and name in schema["required"]:
                self.required.append(name)

    def _property(
        self,
        name: str,
        node: "Node",
        annotation: "Node | None",
        default: "Node | None",
        tag: Tag,
        optional: bool,
    ) -> None:
        where = f"parameter '{name}' of {self._function}"
        known = _default(default)
        if annotation is not None:
            schema, leaves_out = self._types.parameter(annotation, where)
        elif tag.type:
            try:
                schema, leaves_out = self._types.documented(tag.type, where)
            except InvalidSource as error:
                raise InvalidSource(f"line {line_of(node)}: {error}") from None
        elif type(known.get("default")) in _KINDS:
            schema, leaves_out = {"type": _KINDS[type(known["default"])]}, False
        else:
            raise refused(
                node, f"{where} has no type; write `@param {{string}} {name}` in a comment before the function"
            )
        if tag.text:
            schema = {**schema, "description": tag.text}
        self.properties[name] = {**schema, **known}
        if default is None and not optional and not leaves_out:
            self.required.append(name)

    def _dotted(self) -> dict[str, Tag]:
        """`@param {string} options.city`: the properties of an object that is taken apart."""
        tags = self._comment.parameters
        return {name.split(".", 1)[1]: tag for name, tag in tags.items() if "." in name} or dict(tags)


def _default(node: "Node | None") -> dict[str, Any]:
    """`{"default": …}` for a default that is a plain value, else nothing: other defaults are the function's secret."""
    if node is None:
        return {}
    text = text_of(node)
    if text in _WORDS:
        return {"default": _WORDS[text]}
    if _NUMBER.fullmatch(text):
        return {"default": float(text) if "." in text else int(text)}
    if node.type == "string" and all(part.type == "string_fragment" for part in node.named_children):
        return {"default": "".join(text_of(part) for part in node.named_children)}
    return {}
