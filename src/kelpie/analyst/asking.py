"""One query from words or SQL to a result that is kept: compiled, guarded, run, and stored whatever came of it.

A refused query is kept too, with the rule it broke: what was tried is part of the record. What somebody may see is
decided by who the run is for (`context.speaker`), never by a text.
"""

import difflib
from collections.abc import Iterable
from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.access.access import OPEN, Access, access_for
from kelpie.analyst.catalog import Catalog, CatalogDimension
from kelpie.analyst.compile import compile_query, coverage_of
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import Filter, MetricQuery, Value
from kelpie.analyst.provenance.basis import basis_of, rules_over
from kelpie.analyst.results import Basis, StoredQuery, Verdict
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.analyst.table import ResultColumn, Table
from kelpie.errors import InvalidInput, QueryFailed, QueryRefused
from kelpie.tools.tool import ToolContext


async def ask_metrics(analyst: Analyst, context: ToolContext, loaded: LoadedModel, query: MetricQuery) -> StoredQuery:
    """The result, not yet stored (results.plan_query does that); `verdict` says whether it ran.

    Raises InvalidInput or LimitExceeded if the query does not fit the model, QueryFailed if the source is not there to
    say what the data cover: then nothing was tried.
    """
    access = await access_of(analyst, context, loaded)
    catalog = await analyst.catalog(loaded, access)
    query = with_known_values(catalog, query, access)
    source = await analyst.open_source(loaded.connection)
    compiled = compile_query(loaded.model, query, source.dialect, coverage_of(catalog))
    basis = basis_of(loaded, context.speaker, query, notes=compiled.notes)
    asked = await _ask(analyst, context, loaded, access, compiled.sql, basis, _days_of(catalog, query))
    return msgspec.structs.replace(asked, metric_query=msgspec.to_builtins(query), columns=compiled.columns)


async def ask_sql(
    analyst: Analyst, context: ToolContext, loaded: LoadedModel, sql: str, *, verified: str = ""
) -> StoredQuery:
    """As ask_metrics, for SQL that somebody wrote; `verified` names the verified query that it is, word for word."""
    access = await access_of(analyst, context, loaded)
    days = _days(await analyst.catalog(loaded, access))
    basis = basis_of(loaded, context.speaker, verified=verified)
    return await _ask(analyst, context, loaded, access, sql, basis, days)


async def access_of(analyst: Analyst, context: ToolContext, loaded: LoadedModel) -> Access:
    """What the one a call is for may see through the model. Raises QueryFailed."""
    access = await access_for(context.view, context.tenant, loaded.record.id, context.speaker)
    return await access.over(await analyst.open_source(loaded.connection))


async def _ask(
    analyst: Analyst,
    context: ToolContext,
    loaded: LoadedModel,
    access: Access,
    sql: str,
    basis: Basis,
    days: dict[str, str],
) -> StoredQuery:
    source = await analyst.open_source(loaded.connection)
    table = Table(columns=[], types=[], rows=[])
    basis = msgspec.structs.replace(basis, asked=sql, access=rules_over(access, loaded.model.tables))
    try:
        guarded = guard(sql, loaded.model.tables, dialect=source.dialect, access=access)
        sql = guarded.sql
        basis = msgspec.structs.replace(basis, access=rules_over(access, guarded.tables))
        verdict = Verdict(outcome="run", tables=guarded.tables, withheld=guarded.withheld, access_rules=guarded.rules)
        table = await source.query(sql, rows_max=limits.QUERY_ROWS_MAX)
    except QueryRefused as error:
        verdict = Verdict(outcome="refused", rule=error.rule, message=str(error), access_rules=error.access_rules)
    except QueryFailed as error:
        verdict = msgspec.structs.replace(verdict, outcome="failed", message=str(error))
    return StoredQuery(
        tenant=context.tenant,
        id=context.host.ids.new("query"),
        agent_id=context.agent_id,
        run_id=context.run_id,
        step_id=context.step_id,
        tool_call_id=context.tool_call_id,
        connection_id=loaded.connection.id,
        semantic_model_id=loaded.record.id,
        metric_query=None,
        sql=sql,
        verdict=verdict,
        columns=_columns(table),
        rows=table.rows,
        row_count=len(table.rows),
        truncated=table.truncated,
        duration_ms=table.duration_ms,
        snapshot=msgspec.to_builtins(table.snapshot or source.snapshot) | days,
        basis=basis,
        created_at_ms=context.host.clock.now_ms(),
    )


def _columns(table: Table) -> list[ResultColumn]:
    return [
        ResultColumn(name=name, kind="value", label=name, type=kind)
        for name, kind in zip(table.columns, table.types, strict=True)
    ]


def _days_of(catalog: Catalog, query: MetricQuery) -> dict[str, str]:
    """The days that the data of a metric query cover: on the axis it is asked by, or on that of its metrics."""
    axis = catalog.axis(query.time) if query.time else None
    if axis is not None:
        return {"first": axis.first, "last": axis.last}
    metrics = [metric for name in query.metrics if (metric := catalog.metric(name)) is not None and metric.first]
    return _span((metric.first, metric.last) for metric in metrics)


def _days(catalog: Catalog) -> dict[str, str]:
    """The days that the data cover on any axis."""
    return _span((axis.first, axis.last) for axis in catalog.times)


def _span(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    known = list(pairs)
    return {"first": min(first for first, _ in known), "last": max(last for _, last in known)} if known else {}


def with_known_values(catalog: Catalog, query: MetricQuery, access: Access = OPEN) -> MetricQuery:
    """The query with every filter value as the data spell it: codes and nicknames become the values they stand for.

    Raises InvalidInput for a value that the data do not have: silently finding nothing would look like an answer. Where
    `access` keeps rows back it says so: there may be such a value, for others.
    """
    filters = []
    for rule in query.filters:
        dimension = catalog.dimension(rule.dimension)
        if dimension is None or not dimension.values:
            filters.append(rule)
            continue
        values = [_known_value(dimension, value, access) for value in rule.values]
        filters.append(Filter(dimension=rule.dimension, values=values, op=rule.op))
    return msgspec.structs.replace(query, filters=filters)


def _known_value(dimension: CatalogDimension, value: Value, access: Access) -> Value:
    if value is None:
        return None
    wanted = str(value).casefold()
    names: dict[str, Any] = {}
    for known in dimension.values:
        for name in (str(known.value), *known.also):
            names.setdefault(name.casefold(), known.value)
    if wanted in names:
        found: Value = names[wanted]
        return found
    if not dimension.complete:
        return value
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    instead = f"; did you mean {' or '.join(repr(names[name]) for name in near)}?" if near else ";"
    missing = access.missing_rows()
    among = f" among what you may see: {'; '.join(missing)}" if missing else ""
    raise InvalidInput(f"'{value}' is no value of '{dimension.name}'{among}{instead} list_metrics shows all of them")
