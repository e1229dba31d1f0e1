"""The function of a source that is its tool, and what it is called with."""

from typing import TYPE_CHECKING, NamedTuple

from kelpie.errors import InvalidSource
from kelpie.sandbox.languages.parsing import named, refused, text_of

if TYPE_CHECKING:
    from tree_sitter import Node

GENERATORS = frozenset({"generator_function_declaration", "generator_function"})
_FUNCTIONS = frozenset({"function_declaration", "arrow_function", "function_expression"}) | GENERATORS


class Parameter(NamedTuple):
    """One parameter. `name` is "" for an object that is taken apart; its names are then `parts`, each with its
    default or None."""

    name: str
    node: "Node"
    annotation: "Node | None"
    default: "Node | None"
    optional: bool
    parts: "dict[str, Node | None]"


class Function(NamedTuple):
    """A function at the top level, and the comment before it ("" if none)."""

    name: str
    node: "Node"
    comment: str


def find_function(root: "Node", name: str | None) -> Function:
    """The last function of the top level, or the last one of that name. Raises InvalidSource."""
    functions = [found for statement in root.named_children for found in _declared(statement)]
    if not functions:
        raise InvalidSource("the source has no named function at its top level: write `function name(…) { … }`")
    if name is None:
        return functions[-1]
    found = next((function for function in reversed(functions) if function.name == name), None)
    if found is None:
        known = ", ".join(function.name for function in functions)
        raise InvalidSource(f"the source has no function '{name}'; it has {known}")
    return found


def _declared(statement: "Node") -> list[Function]:
    comment = statement.prev_sibling
    said = text_of(comment) if comment is not None and comment.type == "comment" else ""
    inner = statement.child_by_field_name("declaration") if statement.type == "export_statement" else statement
    if inner is None:
        return []
    declared = [child for child in inner.named_children if child.type == "variable_declarator"] or [inner]
    found = []
    for one in declared:
        name = one.child_by_field_name("name")
        function = one.child_by_field_name("value") if one.type == "variable_declarator" else one
        if name is not None and function is not None and function.type in _FUNCTIONS:
            found.append(Function(text_of(name), function, said))
    return found


def parameters_of(function: Function) -> list[Parameter]:
    """In order, without TypeScript's `this`. Raises InvalidSource for what can't be filled by name."""
    single = function.node.child_by_field_name("parameter")  # x => x
    if single is not None:
        return [Parameter(text_of(single), single, None, None, optional=False, parts={})]
    listed = function.node.child_by_field_name("parameters")
    assert listed is not None
    read = [_parameter(node, function.name) for node in named(listed) if not _is_this(node)]
    if len(read) > 1 and any(not parameter.name for parameter in read):
        raise refused(listed, f"{function.name} takes an object apart beside other parameters; give it that one alone")
    return read


def _is_this(node: "Node") -> bool:
    pattern = node.child_by_field_name("pattern")
    return pattern is not None and pattern.type == "this"


def _parameter(node: "Node", function: str) -> Parameter:
    """Of JavaScript's and of TypeScript's grammar, which wraps each parameter once more."""
    pattern, default, annotation, optional = node, None, None, False
    if node.type in ("required_parameter", "optional_parameter"):
        found = node.child_by_field_name("pattern")
        assert found is not None
        pattern, default = found, node.child_by_field_name("value")
        kind = node.child_by_field_name("type")
        annotation = next(named(kind)) if kind is not None else None
        optional = node.type == "optional_parameter"
    elif node.type == "assignment_pattern":
        left, default = node.child_by_field_name("left"), node.child_by_field_name("right")
        assert left is not None
        pattern = left
    if pattern.type == "identifier":
        return Parameter(text_of(pattern), node, annotation, default, optional, {})
    if pattern.type == "object_pattern":
        return Parameter("", node, annotation, default, optional, _parts(pattern, function))
    raise refused(node, f"{function} takes {text_of(node)[:100]}, which can't be filled by name; name every parameter")


def _parts(pattern: "Node", function: str) -> "dict[str, Node | None]":
    parts: dict[str, Node | None] = {}
    for node in named(pattern):
        if node.type == "shorthand_property_identifier_pattern":
            parts[text_of(node)] = None
        elif node.type == "object_assignment_pattern":
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            assert left is not None
            parts[text_of(left)] = right
        elif node.type == "pair_pattern":
            key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
            assert key is not None
            assert value is not None
            parts[text_of(key)] = value.child_by_field_name("right") if value.type == "assignment_pattern" else None
        else:
            raise refused(node, f"{function} takes {text_of(node)[:100]}, which can't be filled by name")
    return parts
