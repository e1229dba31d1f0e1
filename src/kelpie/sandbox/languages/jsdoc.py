"""What a JSDoc comment says: a description, and the parameters with their types."""

import re
from typing import NamedTuple

_PARAM = re.compile(r"@(?:param|arg|argument)\b\s*(.*)", re.DOTALL)
_NAME = re.compile(r"(\[?)\s*([\w$.]+)\s*(?:=([^\]]*))?\]?\s*(?:-\s*)?(.*)", re.DOTALL)


class Tag(NamedTuple):
    """One @param. `type` is its text without braces, "" if it has none."""

    type: str
    optional: bool
    text: str


class Comment(NamedTuple):
    """`parameters` by name; a property of a parameter has the name `parameter.property`."""

    description: str = ""
    parameters: dict[str, Tag] = {}  # noqa: RUF012 - never changed


def read_comment(text: str) -> Comment:
    """The meaning of a comment that begins with `/**`; of any other, nothing."""
    if not text.startswith("/**"):
        return Comment()
    lines = [re.sub(r"^\s*\*? ?", "", line) for line in text[3:].removesuffix("*/").splitlines()]
    blocks = [""]
    for line in lines:
        if line.startswith("@"):
            blocks.append(line)
        else:
            blocks[-1] += f"\n{line}"
    parameters: dict[str, Tag] = {}
    for block in blocks[1:]:
        found = _PARAM.match(block)
        if found is not None:
            _read_parameter(found.group(1), parameters)
    return Comment(blocks[0].strip(), parameters)


def _read_parameter(text: str, into: dict[str, Tag]) -> None:
    kind, rest = _braced(text)
    found = _NAME.match(rest)
    if found is None:
        return
    bracket, name, _, said = found.groups()
    optional = bool(bracket) or kind.endswith("=")
    into[name] = Tag(kind.removesuffix("=").strip(), optional, " ".join(said.split()))


def _braced(text: str) -> tuple[str, str]:
    """(what stands in the braces it begins with, the rest)."""
    if not text.startswith("{"):
        return "", text
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:at].strip(), text[at + 1 :].lstrip()
    return "", text
