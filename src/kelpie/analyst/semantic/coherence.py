"""Whether a semantic model makes sense by itself, before any data: names, references, fields that go together."""

import re
from collections.abc import Sequence

from kelpie.analyst import limits
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import (
    FISCAL_GRAINS,
    GRAINS,
    Dimension,
    Entity,
    Metric,
    SemanticModel,
    TimeAxis,
    VerifiedQuery,
)
from kelpie.errors import InvalidModel

# With "_before" behind it a name still fits into PostgreSQL's 63 bytes.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,54}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_FORMAT = re.compile(r",?d|,?\.[0-6][f%]")
_BESIDE = ("before", "change", "growth", "share")  # what a metric's other columns are called

# The fields of each kind of metric: those it must have, and those it may have beside the common ones.
_FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "flow": (("entity", "expr"), ("times", "time_default", "filters")),
    "stock": (("entity", "expr"), ("since", "until", "at", "times", "filters")),
    "ratio": (("entity", "numerator", "denominator"), ("times", "time_default", "filters")),
    "formula": (("formula",), ()),
}
_KIND_FIELDS = dict.fromkeys(field for fields in _FIELDS.values() for group in fields for field in group)


def check_coherence(model: SemanticModel) -> None:
    """Raises InvalidModel ("line 12: …") for the first thing that does not go together."""
    if not model.entities or not model.metrics:
        raise InvalidModel(f"line {model.line}: a semantic model needs at least one entity and one metric")
    _check_names(model)
    _check_joins(model)
    _check_fiscal(model)
    for axis in model.times:
        _check_axis(model, axis)
    for metric in model.metrics:
        _check_metric(model, metric)
    _check_ways(model)
    _check_defaults(model)
    _check_verified(model)
    for period in model.periods:
        if not (1 <= period.from_month <= 12 and 1 <= period.to_month <= 12):
            raise InvalidModel(f"line {period.line}: months are 1 to 12")


def _check_names(model: SemanticModel) -> None:
    taken: dict[str, int] = dict.fromkeys(GRAINS, 0)
    parts: list[Metric | Dimension] = [*model.metrics, *model.dimensions]
    for part in parts:
        _check_name(part.name, part.line)
        if part.name in taken:
            other = f"line {taken[part.name]}" if taken[part.name] else "the grain of that name"
            raise InvalidModel(f"line {part.line}: the name '{part.name}' is taken by {other}")
        taken[part.name] = part.line
    for part in parts:
        metric, _, beside = part.name.rpartition("_")
        if beside in _BESIDE and model.metric(metric) is not None:
            raise InvalidModel(f"line {part.line}: '{part.name}' is what a column of '{metric}' is called; rename it")
    for what, named in (("entity", model.entities), ("time axis", model.times), ("verified query", model.verified)):
        _check_unique(what, named)
    for entity in model.entities:
        for word in (entity.table, entity.key):
            if not _PRINTABLE.fullmatch(word):
                raise InvalidModel(f"line {entity.line}: {word!r} is not the name of a table or column")


def _check_unique(what: str, named: Sequence[Entity | TimeAxis | VerifiedQuery]) -> None:
    lines: dict[str, int] = {}
    for one in named:
        _check_name(one.name, one.line)
        if one.name in lines:
            raise InvalidModel(f"line {one.line}: the {what} '{one.name}' is on line {lines[one.name]} too")
        lines[one.name] = one.line


def _check_name(name: str, line: int) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidModel(
            f"line {line}: '{name}' can't be a name: use lower-case letters, digits and underscores, at most 55"
        )


def _check_joins(model: SemanticModel) -> None:
    lines: dict[tuple[str, str], int] = {}
    for join in model.joins:
        for name in (join.source, join.target):
            if model.entity(name) is None:
                raise InvalidModel(f"line {join.line}: there is no entity '{name}'")
        if join.source == join.target:
            raise InvalidModel(
                f"line {join.line}: '{join.source}' is joined to itself: give it a second entity over the same table"
            )
        if (join.source, join.target) in lines:
            raise InvalidModel(
                f"line {join.line}: '{join.target}' is joined to '{join.source}' on line"
                f" {lines[join.source, join.target]} already: give it a second entity over the same table"
            )
        lines[join.source, join.target] = join.line


def _check_ways(model: SemanticModel) -> None:
    """Joins follow the shortest way (compile/joins.py). Two of the same length could give two different numbers."""
    for base in dict.fromkeys(metric.entity for metric in model.metrics if metric.entity):
        distance, reached_from = {base: 0}, {base: ""}
        waiting = [base]
        while waiting:
            at = waiting.pop(0)
            for join in model.joins:
                if join.source != at:
                    continue
                if join.target not in distance:
                    distance[join.target], reached_from[join.target] = distance[at] + 1, at
                    waiting.append(join.target)
                elif distance[join.target] == distance[at] + 1:
                    raise InvalidModel(
                        f"line {join.line}: from '{base}' there are two ways to '{join.target}', by"
                        f" '{reached_from[join.target]}' and by '{at}': join it directly, or give it a second entity"
                    )


def _check_fiscal(model: SemanticModel) -> None:
    if model.fiscal is not None and not 1 <= model.fiscal.year_begins <= 12:
        raise InvalidModel(f"line {model.fiscal.line}: year_begins is a month, 1 to 12")


def _check_axis(model: SemanticModel, axis: TimeAxis) -> None:
    if not axis.grains or len(set(axis.grains)) != len(axis.grains):
        raise InvalidModel(f"line {axis.line}: the grains of '{axis.name}' are each named once, and at least one")
    if model.fiscal is None and set(axis.grains) & set(FISCAL_GRAINS):
        raise InvalidModel(f"line {axis.line}: '{axis.name}' has a fiscal grain, and the model no `fiscal` year")


def _check_metric(model: SemanticModel, metric: Metric) -> None:
    problem = _wrong_fields(metric) or _wrong_formula(model, metric) or _wrong_references(model, metric)
    if problem:
        raise InvalidModel(f"line {metric.line}: the metric '{metric.name}' {problem}")


def _wrong_fields(metric: Metric) -> str | None:
    needed, allowed = _FIELDS[metric.kind]
    for field in needed:
        if not getattr(metric, field):
            return f"is a {metric.kind}: it needs `{field}`"
    for field in _KIND_FIELDS:
        if getattr(metric, field) and field not in (*needed, *allowed):
            return f"is a {metric.kind}: it has no `{field}`"
    if metric.kind == "stock" and (metric.since is None) == (metric.at is None):
        return "is a stock: it has either `since`, with or without `until`, or `at`"
    if metric.until is not None and metric.since is None:
        return "has `until` without `since`"
    if not _FORMAT.fullmatch(metric.format):
        return f"has the format '{metric.format}'; use one like ',d', ',.1f' or '.1%'"
    return None


def _wrong_formula(model: SemanticModel, metric: Metric) -> str | None:
    if metric.formula is not None:
        try:
            formulas.terms(model, metric)
        except ValueError as error:
            return f"has a formula that {error}"
    return None


def _wrong_references(model: SemanticModel, metric: Metric) -> str | None:
    if metric.entity is not None and model.entity(metric.entity) is None:
        return f"counts rows of '{metric.entity}', which is no entity"
    for name in metric.times:
        if model.axis(name) is None or metric.times.count(name) > 1:
            return f"is dated by '{name}', which is no time axis, or is there twice"
    for name in metric.separate_by:
        if model.dimension(name) is None:
            return f"is separated by '{name}', which is no dimension"
    if metric.support is not None:
        support = model.metric(metric.support)
        if support is None or (metric.entity and support.entity != metric.entity):
            return f"is supported by '{metric.support}', which is no metric over the same entity"
    return None


def _check_defaults(model: SemanticModel) -> None:
    seen: set[str] = set()
    types: dict[str, tuple[type, ...]] = {"text": (str,), "number": (int, float), "boolean": (bool,)}
    for default in model.default_filters:
        where = f"line {default.line}: the default filter on '{default.dimension}'"
        dimension = model.dimension(default.dimension)
        if dimension is None:
            raise InvalidModel(f"{where} filters no dimension")
        if default.dimension in seen:
            raise InvalidModel(f"{where} is there twice: name all values in one")
        seen.add(default.dimension)
        if not default.values or not default.note.strip():
            raise InvalidModel(f"{where} needs values, and a note that answers can show")
        for value in default.values:
            fits = isinstance(value, types[dimension.type]) and isinstance(value, bool) == (dimension.type == "boolean")
            if value is not None and not fits:
                raise InvalidModel(f"{where} names {value!r}, and '{dimension.name}' holds {dimension.type} values")


def _check_verified(model: SemanticModel) -> None:
    asked: dict[str, int] = {}
    for verified in model.verified:
        where = f"line {verified.line}: the verified query '{verified.name}'"
        if not verified.questions or not all(question.strip() for question in verified.questions):
            raise InvalidModel(f"{where} answers no question")
        if not 0 < len(verified.sql.strip()) <= limits.SQL_CHARS_MAX:
            raise InvalidModel(f"{where} has {len(verified.sql):,} characters of SQL; 1 to {limits.SQL_CHARS_MAX:,}")
        for question in verified.questions:
            words = " ".join(question.casefold().split()).rstrip("?!. ")
            if words in asked:
                raise InvalidModel(f"{where} answers a question that line {asked[words]} answers too: '{question}'")
            asked[words] = verified.line
