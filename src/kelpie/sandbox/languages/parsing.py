"""A source as tree-sitter's syntax tree. Nothing of it is executed."""

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kelpie.errors import InvalidSource, MissingExtra
from kelpie.sandbox import limits

if TYPE_CHECKING:  # comes with the extra `server`
    from tree_sitter import Language, Node

_NAMES = {False: "JavaScript", True: "TypeScript"}


def parse(source: str, *, typescript: bool) -> "Node":
    """The root of the tree. Raises InvalidSource with the line of the first thing that is not the language, and
    MissingExtra without the parser."""
    name = _NAMES[typescript]
    try:
        text = source.encode()
    except UnicodeEncodeError as error:
        raise InvalidSource(f"this is not {name}: character {error.start} is half of a surrogate pair") from None
    if len(text) > limits.JAVASCRIPT_BYTES_MAX:
        raise InvalidSource(f"the source has {len(text):,} bytes; at most {limits.JAVASCRIPT_BYTES_MAX:,} are read")
    language = _language(typescript)
    from tree_sitter import Parser

    root = Parser(language).parse(text).root_node
    if root.has_error:
        raise InvalidSource(f"line {_first_error(root)}: this is not {name}")
    return root


@functools.cache
def _language(typescript: bool) -> "Language":
    try:
        import tree_sitter_javascript
        import tree_sitter_typescript
        from tree_sitter import Language
    except ImportError:
        raise MissingExtra("reading JavaScript and TypeScript", "server") from None
    return Language(tree_sitter_typescript.language_typescript() if typescript else tree_sitter_javascript.language())


def _first_error(root: "Node") -> int:
    node = root
    while not node.is_error and not node.is_missing:
        node = next(child for child in node.children if child.has_error)
    return line_of(node)


def line_of(node: "Node") -> int:
    return node.start_point.row + 1


def text_of(node: "Node") -> str:
    assert node.text is not None
    return node.text.decode()


def named(node: "Node") -> Iterator["Node"]:
    """The children that mean something, comments left out."""
    return (child for child in node.named_children if child.type != "comment")


def refused(node: "Node", reason: str) -> InvalidSource:
    return InvalidSource(f"line {line_of(node)}: {reason}")
