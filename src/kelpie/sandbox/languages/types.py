"""Types as JSON schemas, read from the syntax tree: TypeScript's, and JSDoc's as TypeScript writes them."""

import re
from typing import TYPE_CHECKING, Any

from kelpie.errors import InvalidSource
from kelpie.sandbox import limits
from kelpie.sandbox.languages.jsdoc import read_comment
from kelpie.sandbox.languages.parsing import named, parse, refused, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

Schema = dict[str, Any]
_SIMPLE: dict[str, Schema] = {
    "string": {"type": "string"},
    "String": {"type": "string"},
    "number": {"type": "number"},
    "Number": {"type": "number"},
    "integer": {"type": "integer"},
    "int": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "Boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "Object": {"type": "object"},
    "Array": {"type": "array", "items": {}},
    "any": {},
    "unknown": {},
    "null": {"type": "null"},
}
_LISTS = frozenset({"Array", "ReadonlyArray"})
_TRANSPARENT = frozenset({"parenthesized_type", "readonly_type"})
_JSON_TYPES = {str: "string", bool: "boolean", int: "number", float: "number"}
_WORDS = {"true": True, "false": False}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
SUPPORTED = "string, number, boolean, T[], Array<T>, Record<string, T>, { a: T }, 'a' | 'b', any, interface, type"


class Types:
    """The types of one source; interfaces and type aliases declared at its top level are known by name."""

    def __init__(self, root: "Node") -> None:
        self._declared: dict[str, Node] = {}
        self._parts = 0
        self.declare(root)

    def declare(self, root: "Node") -> None:
        for statement in root.named_children:
            inner = statement.child_by_field_name("declaration") if statement.type == "export_statement" else statement
            if inner is not None and inner.type in ("interface_declaration", "type_alias_declaration"):
                name = inner.child_by_field_name("name")
                assert name is not None
                self._declared[text_of(name)] = inner

    def parameter(self, kind: "Node", where: str) -> tuple[Schema, bool]:
        """(the schema, whether `undefined` is among what it may be). Raises InvalidSource naming `where`."""
        variants = _variants(kind)
        real = [variant for variant in variants if text_of(variant) not in ("undefined", "void")]
        return self._union(real or variants, kind, where, ()), len(real) < len(variants)

    def documented(self, text: str, where: str) -> tuple[Schema, bool]:
        """The same for a JSDoc type: `?T` may be null, `*` is anything."""
        text = text.replace("Array.<", "Array<").strip()
        if text.startswith(("?", "!")):
            text = f"({text[1:]}) | null" if text[0] == "?" else text[1:]
        try:
            root = parse(f"type T = {'any' if text == '*' else text};", typescript=True)
        except InvalidSource:
            raise InvalidSource(f"{where}: the type '{text[:200]}' is not read; supported are {SUPPORTED}") from None
        alias = root.named_children[0].child_by_field_name("value")
        if alias is None or len(root.named_children) != 1:
            raise InvalidSource(f"{where}: the type '{text[:200]}' is not read; supported are {SUPPORTED}")
        return self.parameter(alias, where)

    def _schema(self, node: "Node", where: str, inside: tuple[str, ...]) -> Schema:
        self._count(node, where, inside)
        kind, deeper = node.type, (*inside, "")
        if kind in _TRANSPARENT:
            return self._schema(next(named(node)), where, deeper)
        if kind == "union_type":
            return self._union(_variants(node), node, where, deeper)
        if kind == "array_type":
            return {"type": "array", "items": self._schema(next(named(node)), where, deeper)}
        if kind in ("object_type", "interface_body"):
            return self._object(node, where, deeper)
        if kind == "literal_type" and text_of(node) != "null":
            return _enumerated([node], where)
        if kind == "generic_type":
            return self._generic(node, where, deeper)
        name = text_of(node)
        if name in self._declared:
            return self._named(name, node, where, inside)
        if name in _SIMPLE:
            return dict(_SIMPLE[name])
        raise _unread(node, where)

    def _count(self, node: "Node", where: str, inside: tuple[str, ...]) -> None:
        """A few types that hold each other twice make a schema of any size: every part of it is counted."""
        self._parts += 1
        if self._parts > limits.JAVASCRIPT_SCHEMA_PARTS_MAX:
            raise refused(node, f"{where}: the schema has more than {limits.JAVASCRIPT_SCHEMA_PARTS_MAX:,} parts")
        if len(inside) > limits.JAVASCRIPT_SCHEMA_DEPTH_MAX:
            raise refused(node, f"{where}: the type is nested too deeply")

    def _union(self, variants: list["Node"], node: "Node", where: str, inside: tuple[str, ...]) -> Schema:
        literals = [one for one in variants if one.type == "literal_type" and text_of(one) != "null"]
        others = [one for one in variants if one not in literals]
        schemas = [self._schema(one, where, (*inside, "")) for one in others]
        if literals:
            schemas.insert(0, _enumerated(literals, where))
        if not schemas:
            raise refused(node, f"{where}: the type has no value that JSON can hold")
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _generic(self, node: "Node", where: str, inside: tuple[str, ...]) -> Schema:
        name, arguments = text_of(node.named_children[0]), list(named(node.named_children[-1]))
        if name in _LISTS and len(arguments) == 1:
            return {"type": "array", "items": self._schema(arguments[0], where, inside)}
        if name == "Record" and len(arguments) == 2 and text_of(arguments[0]) == "string":
            value = self._schema(arguments[1], where, inside)
            return {"type": "object", "additionalProperties": value} if value else {"type": "object"}
        raise refused(
            node, f"{where}: the type '{text_of(node)[:200]}' can't be turned into a JSON schema: {SUPPORTED}"
        )

    def _named(self, name: str, node: "Node", where: str, inside: tuple[str, ...]) -> Schema:
        if name in inside:
            raise refused(node, f"{where}: type {name} refers to itself, which a tool's schema can't say")
        declared = self._declared[name]
        if any(child.type in ("type_parameters", "extends_type_clause") for child in declared.children):
            raise refused(declared, f"{where}: type {name} has parameters or extends another: write its fields out")
        body = declared.child_by_field_name("value") or declared.child_by_field_name("body")
        assert body is not None
        return self._schema(body, where, (*inside, name))

    def _object(self, node: "Node", where: str, inside: tuple[str, ...]) -> Schema:
        properties: Schema = {}
        required: list[str] = []
        comment = ""
        for child in node.named_children:
            if child.type == "comment":
                comment = text_of(child)
                continue
            name, annotation = child.child_by_field_name("name"), child.child_by_field_name("type")
            if child.type != "property_signature" or name is None or annotation is None:
                raise refused(child, f"{where}: of an object type only `name: type` is read")
            key = text_of(name).strip("'\"")
            schema, optional = self._property(annotation, f"{where}, field '{key}'", inside)
            description = read_comment(comment).description
            properties[key] = {**schema, "description": description} if description else schema
            if not optional and all(part.type != "?" for part in child.children):
                required.append(key)
            comment = ""
        return {"type": "object", "properties": properties, "required": required} if properties else {"type": "object"}

    def _property(self, annotation: "Node", where: str, inside: tuple[str, ...]) -> tuple[Schema, bool]:
        kind = next(named(annotation))
        variants = _variants(kind)
        real = [variant for variant in variants if text_of(variant) != "undefined"]
        return self._union(real, kind, where, inside), len(real) < len(variants)


def _unread(node: "Node", where: str) -> InvalidSource:
    return refused(node, f"{where}: the type '{text_of(node)[:200]}' can't be turned into a JSON schema: {SUPPORTED}")


def _variants(node: "Node") -> list["Node"]:
    """The members of a union, or the type alone."""
    found, rest = [], [node]
    while rest:
        one = rest.pop()
        if one.type in ("union_type", "parenthesized_type"):
            rest += reversed(list(named(one)))
        else:
            found.append(one)
    return found


def _enumerated(literals: list["Node"], where: str) -> Schema:
    values = [_literal(one, where) for one in literals]
    kinds = {_JSON_TYPES[type(value)] for value in values}
    return {"type": kinds.pop(), "enum": values} if len(kinds) == 1 else {"enum": values}


def _literal(node: "Node", where: str) -> Any:
    text, value = text_of(node), node.named_children[0] if node.named_children else None
    if value is not None and value.type == "string" and all(part.type == "string_fragment" for part in named(value)):
        return "".join(text_of(part) for part in named(value))
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    raise refused(node, f"{where}: of literals only plain texts, numbers, true and false are read")
