"""Fills a catalog: the semantic model's words, and from the data the days they cover and the values dimensions have."""

from typing import Any

import msgspec
from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.access.access import OPEN, Access
from kelpie.analyst.catalog import (
    Catalog,
    CatalogDefault,
    CatalogDimension,
    CatalogFiscal,
    CatalogMetric,
    CatalogPeriod,
    CatalogRefusal,
    CatalogTime,
    CatalogValue,
    CatalogVerified,
)
from kelpie.analyst.compile import Coverage, Days
from kelpie.analyst.compile.fitting import axes_of, separate_by, unreachable
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.coverage import find_coverage
from kelpie.analyst.semantic.model import Dimension, Fiscal, Metric, SemanticModel
from kelpie.analyst.semantic.probe import Probe
from kelpie.analyst.sources.source import Source
from kelpie.errors import QueryRefused


async def build_catalog(model: SemanticModel, source: Source, semantic_model_id: str, access: Access = OPEN) -> Catalog:
    """What can be asked by someone with this `access`. Raises QueryFailed if the source can't be asked."""
    probe = Probe(model, source, access)
    coverage = await find_coverage(probe)
    return Catalog(
        semantic_model_id=semantic_model_id,
        label=model.label,
        description=model.description,
        metrics=[_metric(model, metric, coverage, source.dialect) for metric in model.metrics],
        dimensions=[await _dimension(probe, dimension) for dimension in model.dimensions],
        times=_times(model, coverage),
        fiscal=None if model.fiscal is None else _fiscal(model.fiscal),
        defaults=[CatalogDefault(dimension=one.dimension, note=one.note) for one in model.default_filters],
        verified=[CatalogVerified(name=one.name, questions=one.questions) for one in model.verified],
        periods=[
            CatalogPeriod(
                name=period.name,
                label=period.label,
                from_month=period.from_month,
                to_month=period.to_month,
                synonyms=period.synonyms,
            )
            for period in model.periods
        ],
        refusals=[CatalogRefusal(words=refusal.words, reason=refusal.reason) for refusal in model.refusals],
        background=model.background,
        examples=model.examples,
        nouns=sorted({word for entity in model.entities for word in (entity.label, entity.plural)}),
    )


def _metric(model: SemanticModel, metric: Metric, coverage: Coverage, dialect: str) -> CatalogMetric:
    bases = formulas.bases(model, metric)
    entities = [entity for base in bases if (entity := model.entity(base.entity or "")) is not None]
    flows = [base for base in bases if base.kind != "stock"]
    axes = {base.name: [axis.name for axis in axes_of(model, base, dialect)] for base in flows}
    usual = [coverage.axes.get(names[0]) for names in axes.values() if names]
    days = [one for one in (*usual, *(coverage.stocks.get(base.name) for base in bases)) if one is not None]
    covered = Days(min(one.first for one in days), max(one.last for one in days)) if days else None
    return CatalogMetric(
        name=metric.name,
        label=metric.label,
        kind=metric.kind,
        times=list(dict.fromkeys(name for names in axes.values() for name in names)),
        time_default=all(base.time_default or len(axes[base.name]) < 2 for base in flows),
        first=covered.first.isoformat() if covered else "",
        last=covered.last.isoformat() if covered else "",
        separate_by=separate_by(model, metric),
        not_by=[one.name for one in model.dimensions if any(unreachable(model, base, one, dialect) for base in bases)],
        synonyms=metric.synonyms,
        opposites=metric.opposites,
        unit=metric.unit,
        format=metric.format,
        direction=metric.direction,
        aggregation=metric.aggregation,
        support=metric.support,
        support_few=metric.support_few,
        description=metric.description,
        definition=_definition(metric),
        counts=entities[0].plural if entities else "",
    )


def _definition(metric: Metric) -> str:
    """How it is computed, in the words of the semantic model."""
    definition = metric.formula or metric.expr or f"{metric.numerator} / {metric.denominator}"
    conditions = list(metric.filters)
    if metric.since is not None:
        conditions.append(f"held since {metric.since}" + (f" until {metric.until}" if metric.until else ""))
    if metric.at is not None:
        conditions.append(f"as of {metric.at}")
    return definition + (f" where {' and '.join(conditions)}" if conditions else "")


def _fiscal(fiscal: Fiscal) -> CatalogFiscal:
    return CatalogFiscal(year_begins=fiscal.year_begins, named_by=fiscal.named_by, default=fiscal.default)


def _times(model: SemanticModel, coverage: Coverage) -> list[CatalogTime]:
    return [
        CatalogTime(
            name=axis.name,
            label=axis.label,
            grains=list(model.grains(axis)),
            first=coverage.axes[axis.name].first.isoformat(),
            last=coverage.axes[axis.name].last.isoformat(),
            synonyms=axis.synonyms,
        )
        for axis in model.times
        if axis.name in coverage.axes
    ]


async def _dimension(probe: Probe, dimension: Dimension) -> CatalogDimension:
    found = CatalogDimension(
        name=dimension.name,
        label=dimension.label,
        plural=dimension.plural,
        type=dimension.type,
        synonyms=dimension.synonyms,
        cues=dimension.cues,
        complete=False,
        description=dimension.description,
    )
    if not dimension.list_values:
        return found
    try:
        values, complete = await _values(probe, dimension)
    except QueryRefused as refused:  # an access rule keeps it back from the one who asks
        return msgspec.structs.replace(found, withheld=str(refused))
    return msgspec.structs.replace(found, values=values, complete=complete)


async def _values(probe: Probe, dimension: Dimension) -> tuple[list[CatalogValue], bool]:
    """The values that what is counted has, with their other names; and whether these are all."""
    tree = probe.expression(dimension.expr, dimension.line)
    columns = [("value", tree)]
    if dimension.also is not None:
        columns.append(("also", probe.expression(dimension.also, dimension.line)))
    known = exp.Not(this=exp.Is(this=tree.copy(), expression=exp.Null()))
    nicknames: dict[Any, list[str]] = {}
    for name, meant in dimension.nicknames.items():
        nicknames.setdefault(meant, []).append(name)
    others: dict[Any, list[str]] = {}
    complete = True
    bases = probe.bases([column for _, column in columns])
    for base in bases:
        places = [exp.Literal.number(place + 1) for place in range(len(columns))]
        found = await probe.select(probe.over(base, columns, [known]).distinct().order_by(*places))
        complete = complete and not found.truncated
        for cell, *also in found.rows:
            value: Any = bool(cell) if dimension.type == "boolean" else cell
            names = others.setdefault(value, list(nicknames.get(value, [])))
            names += [str(name) for name in also if name is not None and str(name) != value and str(name) not in names]
    listed = list(others.items()) if len(bases) == 1 else sorted(others.items(), key=lambda item: str(item[0]))
    complete = complete and len(listed) <= limits.DIMENSION_VALUES_MAX
    return [CatalogValue(value, also) for value, also in listed[: limits.DIMENSION_VALUES_MAX]], complete
