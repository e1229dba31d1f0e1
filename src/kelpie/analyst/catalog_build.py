"""Fills a catalog: the semantic model's words, and from the data the days they cover and the values dimensions have."""

from typing import Any

from sqlglot import exp

from kelpie.analyst import limits
from kelpie.analyst.catalog import (
    Catalog,
    CatalogDimension,
    CatalogMetric,
    CatalogPeriod,
    CatalogRefusal,
    CatalogTime,
    CatalogValue,
)
from kelpie.analyst.compile import base_of, expression, select_over
from kelpie.analyst.duckdb_source import DuckDbSource
from kelpie.analyst.guard import DIALECT, guard
from kelpie.analyst.semantic.model import Dimension, Metric, SemanticModel
from kelpie.analyst.table import Table


async def build_catalog(model: SemanticModel, source: DuckDbSource, semantic_model_id: str) -> Catalog:
    """Raises QueryFailed if the source can't be asked."""
    return Catalog(
        semantic_model_id=semantic_model_id,
        label=model.label,
        description=model.description,
        metrics=[_metric(model, metric) for metric in model.metrics],
        dimensions=[await _dimension(model, source, dimension) for dimension in model.dimensions],
        time=await _time(model, source),
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


def _metric(model: SemanticModel, metric: Metric) -> CatalogMetric:
    entity = model.entity(metric.entity)
    definition = metric.expr or f"{metric.numerator} / {metric.denominator}"
    if metric.filters:
        definition += f" where {' and '.join(metric.filters)}"
    return CatalogMetric(
        name=metric.name,
        label=metric.label,
        synonyms=metric.synonyms,
        opposites=metric.opposites,
        unit=metric.unit,
        format=metric.format,
        direction=metric.direction,
        aggregation=metric.aggregation,
        support=metric.support,
        support_few=metric.support_few,
        description=metric.description,
        definition=definition,
        counts=entity.plural if entity else "",
    )


async def _dimension(model: SemanticModel, source: DuckDbSource, dimension: Dimension) -> CatalogDimension:
    values: list[CatalogValue] = []
    complete = False
    if dimension.list_values:
        values, complete = await _values(model, source, dimension)
    return CatalogDimension(
        name=dimension.name,
        label=dimension.label,
        plural=dimension.plural,
        type=dimension.type,
        synonyms=dimension.synonyms,
        cues=dimension.cues,
        values=values,
        complete=complete,
        description=dimension.description,
    )


async def _values(model: SemanticModel, source: DuckDbSource, dimension: Dimension) -> tuple[list[CatalogValue], bool]:
    tree = expression(dimension.expr, dimension.line)
    columns = [("value", tree)]
    if dimension.also is not None:
        columns.append(("also", expression(dimension.also, dimension.line)))
    base = base_of(model, [column for _, column in columns])
    known = exp.Not(this=exp.Is(this=tree.copy(), expression=exp.Null()))
    select = select_over(model, base, columns, [known]).distinct().order_by(*(str(n + 1) for n in range(len(columns))))
    found = await _run(model, source, select)
    nicknames: dict[Any, list[str]] = {}
    for name, value in dimension.nicknames.items():
        nicknames.setdefault(value, []).append(name)
    others: dict[Any, list[str]] = {}
    for value, *also in found.rows:
        names = others.setdefault(value, list(nicknames.get(value, [])))
        names += [str(name) for name in also if name is not None and str(name) != value and str(name) not in names]
    complete = len(others) <= limits.DIMENSION_VALUES_MAX and not found.truncated
    listed = list(others.items())[: limits.DIMENSION_VALUES_MAX]
    return [CatalogValue(value, also) for value, also in listed], complete


async def _time(model: SemanticModel, source: DuckDbSource) -> CatalogTime | None:
    if model.time is None:
        return None
    tree = expression(model.time.expr, model.time.line)
    columns: list[tuple[str, exp.Expr]] = [("first", exp.Min(this=tree.copy())), ("last", exp.Max(this=tree.copy()))]
    found = await _run(model, source, select_over(model, base_of(model, [tree]), columns))
    first, last = found.rows[0]
    if first is None or last is None:
        return None
    return CatalogTime(label=model.time.label, grains=list(model.time.grains), first=first[:10], last=last[:10])


async def _run(model: SemanticModel, source: DuckDbSource, select: exp.Select) -> Table:
    guarded = guard(select.sql(dialect=DIALECT), model.tables)
    return await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)
