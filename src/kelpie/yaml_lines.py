"""YAML that people write, read with the line of every part: a mistake is refused by its place.

It is read node by node instead of by `yaml.load`: nodes know their lines, a key given twice is noticed, a date stays
the text it is, and anchors (a few lines that stand for gigabytes) are refused.
"""

import re
from collections.abc import Collection
from typing import Any, TypeVar

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded, MissingExtra

T = TypeVar("T")
DEPTH_MAX = 10
_PLACE = re.compile(r" - at `(\$.*)`$")
_UNKNOWN_FIELD = re.compile(r"unknown field `(\w+)`")


def read(text: str, into: type[T], *, what: str, bytes_max: int, free: Collection[str] = ()) -> T:
    """The document as a Struct whose parts each have a field `line`, from 1.

    free  fields that hold a mapping of people's own names: no part, and without a line
    Raises InvalidInput ("line 12: …") or LimitExceeded, naming `what`; MissingExtra without PyYAML.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise InvalidInput(f"line {line}: {text[error.start]!a} is no character") from None
    if size > bytes_max:
        raise LimitExceeded(what, size, bytes_max, "bytes")
    lines: dict[str, int] = {}
    data = _plain(_compose(text), "$", lines, free)
    if not isinstance(data, dict):
        raise InvalidInput(f"line 1: {what} is a mapping, name: value")
    try:
        return msgspec.convert(data, into)
    except msgspec.ValidationError as error:
        raise _with_line(error, lines) from None


def _compose(text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("reading YAML", "cli") from error
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent):
                raise InvalidInput(f"line {line}: anchors and aliases are not allowed; repeat it")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEPTH_MAX:
                raise InvalidInput(f"line {line}: the YAML is nested too deeply")
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidInput(f"line {line}: this is not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InvalidInput(f"line 1: this is not YAML: {error}") from None


def _plain(node: Any, path: str, lines: dict[str, int], free: Collection[str]) -> Any:
    """The node as dicts, lists and scalars; `lines` learns where each path begins."""
    import yaml

    if node is None:
        return None
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{path}[{number}]", lines, free) for number, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node)
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key, line = str(key_node.value), key_node.start_mark.line + 1
        if key in mapping:
            raise InvalidInput(f"line {line}: '{key}' is given twice")
        if key == "line":
            raise InvalidInput(f"line {line}: 'line' is kept for the line number; remove it")
        mapping[key] = _plain(value_node, f"{path}.{key}", lines, free)
        lines[f"{path}.{key}"] = line
    if path.rpartition(".")[2] not in free:
        mapping["line"] = lines[path]
    return mapping


def _scalar(node: Any) -> Any:
    """Numbers, booleans and null as YAML means them; everything else, dates too, stays the text it is."""
    text: str = node.value
    match node.tag.rsplit(":", 1)[-1]:
        case "int" if re.fullmatch(r"[+-]?\d{1,18}", text):
            return int(text)
        case "float" if re.fullmatch(r"[+-]?\d{1,18}\.\d{0,18}", text):
            return float(text)
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "null":
            return None
        case _:
            return text


def _with_line(error: msgspec.ValidationError, lines: dict[str, int]) -> InvalidInput:
    message = str(error)
    place = _PLACE.search(message)
    path = place.group(1) if place else "$"
    problem = message[: place.start()] if place else message
    unknown = _UNKNOWN_FIELD.search(problem)
    if unknown and f"{path}.{unknown.group(1)}" in lines:
        return InvalidInput(f"line {lines[f'{path}.{unknown.group(1)}']}: there is no field '{unknown.group(1)}' here")
    while path not in lines and path != "$":
        path = path[: max(path.rfind("."), path.rfind("["), 1)]
    where = "" if path == "$" else f"{path.removeprefix('$.')}: "
    return InvalidInput(f"line {lines.get(path, 1)}: {where}{problem}")
