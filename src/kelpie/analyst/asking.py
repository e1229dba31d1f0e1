"""One query from words or SQL to a result that is kept: compiled, guarded, run, and stored whatever came of it.

A refused query is kept too, with the rule it broke: what was tried is part of the record.
"""

import difflib
from typing import Any

import msgspec

from kelpie.analyst import limits, results
from kelpie.analyst.catalog import Catalog, CatalogDimension
from kelpie.analyst.compile import compile_query
from kelpie.analyst.guard import guard
from kelpie.analyst.metric_query import Filter, MetricQuery, Value
from kelpie.analyst.results import StoredQuery, Verdict
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.analyst.table import ResultColumn, Table
from kelpie.errors import InvalidInput, QueryFailed, QueryRefused
from kelpie.tools.tool import ToolContext
from umi.storage import View


async def ask_metrics(analyst: Analyst, context: ToolContext, loaded: LoadedModel, query: MetricQuery) -> StoredQuery:
    """The result, not yet stored (results.plan_query does that); `verdict` says whether it ran.

    Raises InvalidInput or LimitExceeded if the query does not fit the model: then nothing was tried.
    """
    query = with_known_values(await analyst.catalog(loaded), query)
    compiled = compile_query(loaded.model, query)
    return await _ask(analyst, context, loaded, compiled.sql, query, compiled.columns)


async def ask_sql(analyst: Analyst, context: ToolContext, loaded: LoadedModel, sql: str) -> StoredQuery:
    """As ask_metrics, for SQL that somebody wrote."""
    return await _ask(analyst, context, loaded, sql, None, None)


async def _ask(
    analyst: Analyst,
    context: ToolContext,
    loaded: LoadedModel,
    sql: str,
    query: MetricQuery | None,
    columns: list[ResultColumn] | None,
) -> StoredQuery:
    source = await analyst.open_source(loaded.connection)
    table = Table(columns=[], types=[], rows=[])
    try:
        guarded = guard(sql, loaded.model.tables)
        sql = guarded.sql
        table = await source.query(sql, rows_max=limits.QUERY_ROWS_MAX)
        verdict = Verdict(outcome="run", tables=guarded.tables)
    except QueryRefused as error:
        verdict = Verdict(outcome="refused", rule=error.rule, message=str(error))
    except QueryFailed as error:
        verdict = Verdict(outcome="failed", tables=guarded.tables, message=str(error))
    return StoredQuery(
        tenant=context.tenant,
        id=context.host.ids.new("query"),
        agent_id=context.agent_id,
        run_id=context.run_id,
        step_id=context.step_id,
        tool_call_id=context.tool_call_id,
        connection_id=loaded.connection.id,
        semantic_model_id=loaded.record.id,
        metric_query=None if query is None else msgspec.to_builtins(query),
        sql=sql,
        verdict=verdict,
        columns=_columns(table) if columns is None else columns,
        rows=table.rows,
        row_count=len(table.rows),
        truncated=table.truncated,
        duration_ms=table.duration_ms,
        snapshot=msgspec.to_builtins(source.snapshot) | await _covered(analyst, loaded),
        created_at_ms=context.host.clock.now_ms(),
    )


async def _covered(analyst: Analyst, loaded: LoadedModel) -> dict[str, str]:
    time = (await analyst.catalog(loaded)).time
    return {} if time is None else {"first": time.first, "last": time.last}


def _columns(table: Table) -> list[ResultColumn]:
    return [
        ResultColumn(name=name, kind="value", label=name, type=kind)
        for name, kind in zip(table.columns, table.types, strict=True)
    ]


def with_known_values(catalog: Catalog, query: MetricQuery) -> MetricQuery:
    """The query with every filter value as the data spell it: codes and nicknames become the values they stand for.

    Raises InvalidInput for a value that the data do not have: silently finding nothing would look like an answer.
    """
    filters = []
    for rule in query.filters:
        dimension = catalog.dimension(rule.dimension)
        if dimension is None or not dimension.values:
            filters.append(rule)
            continue
        values = [_known_value(dimension, value) for value in rule.values]
        filters.append(Filter(dimension=rule.dimension, values=values, op=rule.op))
    return msgspec.structs.replace(query, filters=filters)


def _known_value(dimension: CatalogDimension, value: Value) -> Value:
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
    instead = f"; did you mean {' or '.join(repr(names[name]) for name in near)}?" if near else ""
    raise InvalidInput(f"'{value}' is no value of '{dimension.name}'{instead} list_metrics shows all of them")


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """A query asked again. `same`: equal rows in equal order; `first_difference` is a row from 0, or None.

    `stale`: the data have changed since the first time, so that a difference is no mistake.
    """

    query_id: str
    same: bool
    stale: bool
    first_difference: int | None
    table: Table


async def rerun(analyst: Analyst, view: View, tenant: str, query_id: str) -> Rerun:
    """Run a stored query again and compare.

    Raises NotFound (also if its semantic model is gone), InvalidInput if it never ran, QueryRefused, QueryFailed.
    """
    query = await results.query_by_id(view, tenant, query_id)
    loaded = await analyst.load(view, tenant, query.semantic_model_id)
    if query.verdict.outcome != "run":
        raise InvalidInput(f"{query.id} was {query.verdict.outcome}: there is no result to compare with")
    source = await analyst.open_source(loaded.connection)
    guarded = guard(query.sql, loaded.model.tables)
    table = await source.query(guarded.sql, rows_max=limits.QUERY_ROWS_MAX)
    difference = None
    if table.rows != query.rows:
        pairs = zip(table.rows, query.rows, strict=False)
        shorter = min(len(table.rows), len(query.rows))
        difference = next((number for number, (new, old) in enumerate(pairs) if new != old), shorter)
    return Rerun(
        query_id=query.id,
        same=difference is None,
        stale=bool(msgspec.to_builtins(source.snapshot).items() - query.snapshot.items()),
        first_difference=difference,
        table=table,
    )
