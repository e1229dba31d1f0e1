"""A question that leans on the one before it: "How did it develop month by month?", "And for July?"."""

import datetime as dt

from kelpie.analyst import limits
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.formats import range_text
from kelpie.analyst.metric_query import Filter, MetricQuery
from kelpie.analyst.planner import english
from kelpie.analyst.planner.asked import Intent, Previous

_POINTING = english.PRONOUNS - {"this", "that"}


def leans_on_previous(words: list[str], intent: Intent, *, is_trend: bool) -> bool:
    """Whether the question leaves out what the last one said.

    Without a metric any part of a question does. With one it must open as a follow-up or point back.
    """
    text = " ".join(words)
    points = bool(_POINTING & set(words)) or any(text.startswith(f"{opener} ") for opener in english.OPENERS)
    if intent.metrics:
        return points
    says = intent.dimensions or intent.filters or intent.period or intent.grain or intent.superlative or is_trend
    return bool(says) or points


def carried(intent: Intent, previous: Previous, catalog: Catalog, *, is_trend: bool) -> Intent:
    """The intent with what it leaves out taken from the previous query.

    A development after a ranking is that of the ranked members, not of all.
    """
    before = previous.query
    is_series = intent.grain is not None or is_trend
    filters = [*intent.filters]
    if is_series and not intent.dimensions and before.limit is not None:
        filters += [rule for rule in _members(previous) if rule.dimension not in [own.dimension for own in filters]]
    filters += [rule for rule in before.filters if rule.dimension not in [own.dimension for own in filters]]
    single = {rule.dimension for rule in intent.filters if rule.op == "in" and len(rule.values) == 1}
    dimensions = intent.dimensions or [name for name in before.dimensions if name not in single]
    merged = Intent(
        metrics=intent.metrics or _own_metrics(before, catalog),
        dimensions=dimensions,
        filters=filters,
        first=intent.first,
        last=intent.last,
        period=intent.period,
        grain=intent.grain,
        superlative=intent.superlative,
        limit=intent.limit,
        show=intent.show,
    )
    if not intent.period and before.time_from and before.time_to:
        merged.first, merged.last = dt.date.fromisoformat(before.time_from), dt.date.fromisoformat(before.time_to)
        merged.period = range_text(merged.first, merged.last)
    if not is_series and not intent.dimensions:
        merged.grain = before.grain
        if not intent.superlative and before.limit is not None and before.order and (dimensions or before.grain):
            merged.superlative = "highest" if before.order[0].direction == "desc" else "lowest"
            merged.limit = before.limit
        merged.limit = merged.limit or (before.limit if intent.superlative else None)
    return merged


def _own_metrics(query: MetricQuery, catalog: Catalog) -> list[str]:
    """The metrics asked for, without the one that only stood beside as support."""
    first = catalog.metric(query.metrics[0])
    support = first.support if first else None
    return [query.metrics[0], *(name for name in query.metrics[1:] if name != support)]


def _members(previous: Previous) -> list[Filter]:
    """The members of a ranking by one dimension, in their order."""
    query = previous.query
    if len(query.dimensions) != 1 or query.grain is not None:
        return []
    place = previous.table.place(query.dimensions[0])
    members = [row[place] for row in previous.table.rows[: limits.CHART_SERIES_MAX]]
    return [Filter(dimension=query.dimensions[0], values=members)] if members else []
