"""YAML text -> SemanticModel. Every mistake is refused with the line it is on.

YAML is read node by node instead of by `yaml.load`: nodes know their lines, a key given twice is noticed, `on` stays
a word, and anchors (a few lines that stand for gigabytes) are refused.
"""

import re
from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.semantic.model import GRAINS, Dimension, Metric, SemanticModel
from kelpie.errors import InvalidModel, LimitExceeded, MissingExtra

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FORMAT = re.compile(r",?d|,?\.[0-6][f%]")
_PLACE = re.compile(r" - at `(\$.*)`$")
_UNKNOWN_FIELD = re.compile(r"unknown field `(\w+)`")


def read_model(text: str) -> SemanticModel:
    """The model. Raises InvalidModel ("line 12: …") or LimitExceeded; looks at no data."""
    size = len(text.encode())
    if size > limits.SEMANTIC_YAML_BYTES_MAX:
        raise LimitExceeded("the semantic model", size, limits.SEMANTIC_YAML_BYTES_MAX, "bytes")
    lines: dict[str, int] = {}
    data = _plain(_compose(text), "$", lines)
    if not isinstance(data, dict):
        raise InvalidModel("line 1: a semantic model is a mapping that begins with its name")
    try:
        model = msgspec.convert(data, SemanticModel)
    except msgspec.ValidationError as error:
        raise _with_line(error, lines) from error
    _check_names(model)
    _check_references(model)
    return model


def _compose(text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("reading a semantic model", "analyst") from error
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent):
                raise InvalidModel(f"line {line}: anchors and aliases are not allowed; repeat it")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > limits.SEMANTIC_YAML_DEPTH_MAX:
                raise InvalidModel(f"line {line}: the YAML is nested too deeply")
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidModel(f"line {line}: this is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InvalidModel(f"line 1: this is not YAML: {error}") from error


def _plain(node: Any, path: str, lines: dict[str, int]) -> Any:
    """The node as dicts, lists and scalars; `lines` learns where each path begins."""
    import yaml

    if node is None:
        return None
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{path}[{number}]", lines) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in mapping:
                raise InvalidModel(f"line {line}: '{key}' is given twice")
            if key == "line":
                raise InvalidModel(f"line {line}: 'line' is kept for the line number; remove it")
            mapping[key] = _plain(value_node, f"{path}.{key}", lines)
            lines[f"{path}.{key}"] = line
        if path != "$.nicknames" and not path.endswith(".nicknames"):
            mapping["line"] = lines[path]
        return mapping
    return _scalar(node)


def _scalar(node: Any) -> Any:
    """Numbers, booleans and null as YAML means them; everything else, dates too, stays the text it is."""
    text: str = node.value
    match node.tag.rsplit(":", 1)[-1]:
        case "int":
            return int(text, 0) if text.lower().startswith(("0x", "0o")) else int(text.replace("_", ""))
        case "float":
            return float(text.replace("_", ""))
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "null":
            return None
        case _:
            return text


def _with_line(error: msgspec.ValidationError, lines: dict[str, int]) -> InvalidModel:
    message = str(error)
    place = _PLACE.search(message)
    path = place.group(1) if place else "$"
    problem = message[: place.start()] if place else message
    unknown = _UNKNOWN_FIELD.search(problem)
    if unknown and f"{path}.{unknown.group(1)}" in lines:
        return InvalidModel(f"line {lines[f'{path}.{unknown.group(1)}']}: there is no field '{unknown.group(1)}' here")
    while path not in lines and path != "$":
        path = path[: max(path.rfind("."), path.rfind("["), 1)]
    where = "" if path == "$" else f"{path.removeprefix('$.')}: "
    return InvalidModel(f"line {lines.get(path, 1)}: {where}{problem}")


def _check_names(model: SemanticModel) -> None:
    taken: dict[str, int] = dict.fromkeys(GRAINS, 0)
    parts: list[Metric | Dimension] = [*model.metrics, *model.dimensions]
    for part in parts:
        _check_name(part.name, part.line)
        if part.name in taken:
            other = f"line {taken[part.name]}" if taken[part.name] else "the grain of that name"
            raise InvalidModel(f"line {part.line}: the name '{part.name}' is taken by {other}")
        taken[part.name] = part.line
    entities: dict[str, int] = {}
    for entity in model.entities:
        _check_name(entity.name, entity.line)
        if entity.name in entities:
            raise InvalidModel(f"line {entity.line}: the entity '{entity.name}' is on line {entities[entity.name]} too")
        entities[entity.name] = entity.line
        for word in (entity.table, entity.key):
            if not _TABLE.fullmatch(word):
                raise InvalidModel(f"line {entity.line}: '{word}' is not a plain table or column name")
    if not model.entities or not model.metrics:
        raise InvalidModel(f"line {model.line}: a semantic model needs at least one entity and one metric")


def _check_name(name: str, line: int) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidModel(f"line {line}: '{name}' can't be a name: use lower-case letters, digits and underscores")


def _check_references(model: SemanticModel) -> None:
    targets: dict[str, int] = {}
    for join in model.joins:
        for name in (join.source, join.target):
            if model.entity(name) is None:
                raise InvalidModel(f"line {join.line}: there is no entity '{name}'")
        if join.target in targets:
            raise InvalidModel(
                f"line {join.line}: '{join.target}' is joined on line {targets[join.target]} already; an entity is"
                " reached one way: give it a second entity over the same table"
            )
        targets[join.target] = join.line
    for metric in model.metrics:
        _check_metric(model, metric)
    for period in model.periods:
        if not (1 <= period.from_month <= 12 and 1 <= period.to_month <= 12):
            raise InvalidModel(f"line {period.line}: months are 1 to 12")


def _check_metric(model: SemanticModel, metric: Metric) -> None:
    def wrong(problem: str) -> InvalidModel:
        return InvalidModel(f"line {metric.line}: the metric '{metric.name}' {problem}")

    if model.entity(metric.entity) is None:
        raise wrong(f"counts rows of '{metric.entity}', which is no entity")
    if metric.kind == "flow" and (metric.expr is None or metric.numerator or metric.denominator):
        raise wrong("is a flow: it has an `expr`, and neither `numerator` nor `denominator`")
    if metric.kind == "ratio" and (metric.expr or metric.numerator is None or metric.denominator is None):
        raise wrong("is a ratio: it has `numerator` and `denominator`, and no `expr`")
    if not _FORMAT.fullmatch(metric.format):
        raise wrong(f"has the format '{metric.format}'; use one like ',d', ',.1f' or '.1%'")
    if metric.support is not None:
        support = model.metric(metric.support)
        if support is None or support.entity != metric.entity:
            raise wrong(f"is supported by '{metric.support}', which is no metric over the same entity")
