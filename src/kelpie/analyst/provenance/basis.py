"""What a query stands on when it is asked, in words and numbers that stay true whatever changes later."""

import hashlib
from collections.abc import Collection, Sequence

from kelpie.analyst.access.access import Access
from kelpie.analyst.metric_query import MetricQuery
from kelpie.analyst.results import Basis, ColumnBasis
from kelpie.analyst.semantic import formulas
from kelpie.analyst.semantic.model import Metric, SemanticModel
from kelpie.analyst.service import LoadedModel
from kelpie.people.speaker import Speaker

_ADDITIVE = ("count", "sum")


def basis_of(
    loaded: LoadedModel,
    speaker: Speaker,
    query: MetricQuery | None = None,
    *,
    notes: Sequence[str] = (),
    verified: str = "",
) -> Basis:
    """The basis of a query that is about to run.

    query     what it was compiled from, None for SQL
    notes     what the compiled query does that nobody asked for
    verified  the name of the verified query whose SQL runs, "" for none
    """
    return Basis(
        engine=loaded.connection.engine,
        connection=loaded.connection.name,
        semantic_model=loaded.record.name,
        model_version=model_version(loaded.record.yaml),
        person=speaker.person,
        name=speaker.name,
        teams=list(speaker.teams),
        verified=verified,
        notes=list(notes),
        columns={} if query is None else _columns(loaded.model, query),
    )


def rules_over(access: Access, tables: Collection[str]) -> list[str]:
    """The ids of the access rules about `tables`, sorted."""
    about = {table.casefold() for table in tables}
    return sorted(rule.id for rule in access.rules if rule.table.casefold() in about)


def model_version(yaml_text: str) -> str:
    """Equal for equal texts: SHA-256 in hex."""
    return hashlib.sha256(yaml_text.encode()).hexdigest()


def _columns(model: SemanticModel, query: MetricQuery) -> dict[str, ColumnBasis]:
    found: dict[str, ColumnBasis] = {}
    for name in query.metrics:
        metric = model.metric(name)
        if metric is None:
            continue
        found[name] = ColumnBasis(
            kind=metric.kind, formula=formula_text(model, metric), is_additive=is_additive(metric)
        )
        computed: dict[str, str] = {}
        if query.compare is not None:
            earlier = {
                "previous_period": "the period before",
                "previous_year": "a year earlier",
                "period": f"{query.compare.time_from or 'the beginning'} to {query.compare.time_to or 'the end'}",
            }[query.compare.with_]
            computed |= {
                "_before": f"{name}, {earlier}",
                "_change": f"{name} - {name}_before",
                "_growth": f"({name} - {name}_before) / {name}_before, where that is above 0",
            }
        if query.share:
            computed["_share"] = f"{name} / {name} of all values of {', '.join(query.share)}"
        for ending, formula in computed.items():
            found[name + ending] = ColumnBasis(kind="computed", formula=formula)
    return found


def is_additive(metric: Metric) -> bool:
    """Whether the numbers of parts add up to that of the whole: sums and counts, but not counts of distinct things."""
    distinct = "distinct" in (metric.expr or "").lower()
    return metric.kind in ("flow", "stock") and metric.aggregation in _ADDITIVE and not distinct


def formula_text(model: SemanticModel, metric: Metric) -> str:
    """The definition in one line, with those of the metrics it is made of."""
    if metric.formula is not None:
        parts = [part for name in formulas.names(metric.formula) if (part := model.metric(name)) is not None]
        return "; ".join([metric.formula, *(f"{part.name} = {formula_text(model, part)}" for part in parts)])
    text = metric.expr or f"{metric.numerator} / {metric.denominator}"
    if metric.filters:
        text += f" where {' and '.join(metric.filters)}"
    if metric.at is not None:
        return f"{text}, of the rows of the last day ({metric.at})"
    if metric.since is not None:
        until = f" and {metric.until} is later or null" if metric.until is not None else ""
        return f"{text}, of the rows that hold at the period's end: {metric.since} is past{until}"
    return text
