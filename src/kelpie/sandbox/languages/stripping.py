"""TypeScript without its types: every type becomes as many spaces, so that lines and columns stay what they were.

Only what can be taken away is taken away, as node's own type stripping does. Enums, namespaces, parameter properties
and the like would have to be translated; they are refused. What comes out is parsed as JavaScript, so nothing that was
overlooked reaches node.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from kelpie.errors import InvalidSource
from kelpie.sandbox.languages.parsing import parse, refused

if TYPE_CHECKING:
    from tree_sitter import Node

_TYPES = frozenset(
    "type_annotation type_predicate_annotation asserts_annotation type_parameters type_arguments implements_clause"
    " accessibility_modifier override_modifier method_signature abstract_method_signature index_signature".split()
)
_STATEMENTS = frozenset("interface_declaration type_alias_declaration ambient_declaration function_signature".split())
# Single words and signs, and in what they are types.
_SIGNS = {
    "optional_parameter": ("?",),
    "method_definition": ("?", "readonly"),
    "public_field_definition": ("?", "!", "readonly"),
    "variable_declarator": ("!",),
    "non_null_expression": ("!",),
    "abstract_class_declaration": ("abstract",),
}
_REFUSED = {
    "enum_declaration": "an enum has to be translated; use a constant object, or a union of texts",
    "internal_module": "a namespace has to be translated; use a module's own names",
    "module": "a namespace has to be translated; use a module's own names",
    "import_alias": "write `const name = …`",
    "import_require_clause": "write `import name from '…'`",
    "decorator": "decorators have to be translated",
    "type_assertion": "write `value as Type`",
}

_FLAT = bytes([0x20]) * 256
_KEEPS_LINES = bytes(byte if byte in b"\r\n" else 0x20 for byte in range(256))


class _Cut(NamedTuple):
    """Bytes that become spaces. A statement leaves a semicolon, so that the lines around it don't become one; `flat`
    takes line breaks away too, where JavaScript would read one as an end."""

    start: int
    end: int
    statement: bool = False
    flat: bool = False


def strip_types(source: str) -> str:
    """JavaScript that does the same. Raises InvalidSource with the line for what is more than types."""
    root = parse(source, typescript=True)
    text = bytearray(source.encode())
    rest = [root]
    while rest:
        node = rest.pop()
        if node.type in _REFUSED:
            raise refused(node, _REFUSED[node.type])
        if node.type == "export_statement" and _has(node, "="):
            raise refused(node, "write `export default …`")
        whole = _whole(node)
        if whole is not None:
            _blank(text, whole)
            continue
        for cut in _parts(node):
            _blank(text, cut)
        rest += node.children
    stripped = text.decode()
    try:
        parse(stripped, typescript=False)
    except InvalidSource as error:
        raise InvalidSource(f"{error} once its types are taken away") from None
    return stripped


def _whole(node: "Node") -> _Cut | None:
    """The cut of a node that is nothing but type."""
    if node.type in _STATEMENTS or (node.type in ("import_statement", "export_statement") and _is_of_types(node)):
        return _Cut(node.start_byte, node.end_byte, statement=True)
    parent = node.parent.type if node.parent is not None else ""
    if node.type in _TYPES:
        return _Cut(node.start_byte, node.end_byte, flat=parent in ("arrow_function", "call_expression"))
    if node.type in ("import_specifier", "export_specifier") and _has(node, "type"):
        return _Cut(node.start_byte, _after_comma(node))
    if node.type == "public_field_definition" and (_has(node, "declare") or _has(node, "abstract")):
        return _Cut(node.start_byte, node.end_byte)
    if node.type == "required_parameter" and node.children[0].type == "this":
        return _Cut(node.start_byte, _after_comma(node))
    return None


def _parts(node: "Node") -> Iterator[_Cut]:
    """The cuts inside a node that stays."""
    if node.type in ("as_expression", "satisfies_expression"):
        yield _Cut(node.children[0].end_byte, node.end_byte, flat=True)
    if node.type in ("required_parameter", "optional_parameter"):
        for child in node.children:
            if child.type in ("accessibility_modifier", "override_modifier", "readonly"):
                raise refused(node, "a parameter that is a property too has to be translated; assign it")
    for child in node.children:
        if child.type in _SIGNS.get(node.type, ()):
            yield _Cut(child.start_byte, child.end_byte)


def _is_of_types(statement: "Node") -> bool:
    declaration = statement.child_by_field_name("declaration")
    return _has(statement, "type") or (declaration is not None and declaration.type in _STATEMENTS)


def _has(node: "Node", word: str) -> bool:
    return any(child.type == word and not child.is_named for child in node.children)


def _after_comma(node: "Node") -> int:
    following = node.next_sibling
    return following.end_byte if following is not None and following.type == "," else node.end_byte


def _blank(text: bytearray, cut: _Cut) -> None:
    blank = text[cut.start : cut.end].translate(_FLAT if cut.flat else _KEEPS_LINES)
    text[cut.start : cut.end] = (b";" + blank[1:]) if cut.statement else blank
