"""The tools of an analyst agent. Each reads its semantic model's id from the agent's metadata.

`list_metrics`, `query_metric`, `run_verified` and `run_sql` ask a data source: they reach outside the store. `chart`
and `ask_user` do not. What a query gave, or why it was refused, is stored with the step that asked; what of it the
model reads is decided by the connection's sharing level (kelpie.analyst.sharing).
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from kelpie.analyst import learned, limits, results, tool_specs
from kelpie.analyst.catalog import Catalog
from kelpie.analyst.connections import Sharing
from kelpie.analyst.conventions.tools import convention_tools
from kelpie.analyst.metric_query import metric_query
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.analyst.sharing import level_for, shared_catalog, shared_error, shared_result
from kelpie.analyst.sources.engines import engine_of
from kelpie.errors import InvalidInput, QueryFailed, ToolFailed
from kelpie.tools.tool import Outcome, Tool, ToolContext

SEMANTIC_MODEL_KEY = "semantic_model_id"


def analyst_tools(analyst: Analyst) -> list[Tool]:
    """list_metrics, query_metric, run_verified, run_sql, chart and ask_user, over one Analyst; conventions and
    keep_convention."""

    def bound(
        function: Callable[[Analyst, ToolContext, dict[str, Any]], Awaitable[Outcome]],
    ) -> Callable[[ToolContext, dict[str, Any]], Awaitable[Outcome]]:
        async def run(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
            try:
                return await function(analyst, context, arguments)
            except QueryFailed as error:  # before anything was stored: the data could not be looked at
                level = _level(context, await _loaded(analyst, context))
                raise type(error)(shared_error(str(error), level)) from error

        return run

    # The list of metrics must arrive whole: half a JSON text is no list.
    return [
        Tool(tool_specs.LIST_METRICS, bound(_list_metrics), "outside", return_chars_max=1_000_000),
        Tool(tool_specs.QUERY_METRIC, bound(_query_metric), "outside"),
        Tool(tool_specs.RUN_VERIFIED, bound(_run_verified), "outside"),
        Tool(tool_specs.RUN_SQL, bound(_run_sql), "outside"),
        Tool(tool_specs.CHART, _chart, "store"),
        Tool(tool_specs.ASK_USER, _ask_user, "store"),
        *convention_tools(lambda context: _semantic_model(analyst, context)),
    ]


async def _list_metrics(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    _refuse_unknown(arguments, ())
    loaded = await _loaded(analyst, context)
    catalog = await _catalog(analyst, context, loaded)
    return Outcome(msgspec.json.encode(shared_catalog(catalog, _level(context, loaded))).decode())


async def _query_metric(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.asking import access_of, ask_metrics, with_known_values

    query = metric_query(arguments)
    loaded = await _loaded(analyst, context)
    if _level(context, loaded) == "schema":
        access = await access_of(analyst, context, loaded)
        try:
            with_known_values(await analyst.catalog(loaded, access), query, access)
        except InvalidInput:  # its words name values that are near
            raise InvalidInput("the data have no such value to filter by; which they have is withheld") from None
    return _outcome(await ask_metrics(analyst, context, loaded, query), context, loaded)


async def _run_verified(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.asking import access_of, ask_sql

    _refuse_unknown(arguments, ("name",))
    name = _text(arguments, "name", limits.VERIFIED_NAME_CHARS_MAX)
    loaded = await _loaded(analyst, context)
    own = next((one for one in loaded.model.verified if one.name == name), None)
    if own is not None:
        query = await ask_sql(analyst, context, loaded, own.sql, verified=name)
        return _outcome(query, context, loaded, verified=name, verified_by=own.verified_by)
    last = learned.last_day(await analyst.catalog(loaded, await access_of(analyst, context, loaded)))
    found = await learned.named(context.view, context.tenant, loaded.record.id, context.speaker, name, last)
    query = await learned.ask_learned(analyst, context, loaded, found, name)
    return _outcome(query, context, loaded, verified=name, verified_by=found.verified_by)


async def _run_sql(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.asking import ask_sql

    _refuse_unknown(arguments, ("sql",))
    sql = _text(arguments, "sql", limits.SQL_CHARS_MAX)
    loaded = await _loaded(analyst, context)
    return _outcome(await ask_sql(analyst, context, loaded, sql), context, loaded)


async def _chart(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.answers.stated import times_in
    from kelpie.analyst.charts import CHART_KINDS, build_spec

    _refuse_unknown(arguments, ("query_id", "kind", "title"))
    query = await results.query_by_id(context.view, context.tenant, _text(arguments, "query_id", 100))
    if query.agent_id != context.agent_id:
        raise ToolFailed(f"no query of this agent has the id '{query.id}'")
    if query.verdict.outcome != "run":
        raise ToolFailed(f"{query.id} was {query.verdict.outcome}: there is no result to draw")
    kind = arguments.get("kind")
    if kind not in (None, *CHART_KINDS):
        raise InvalidInput(f"the kind is '{kind}'; it must be one of {', '.join(CHART_KINDS)}")
    title = None if arguments.get("title") is None else _text(arguments, "title", limits.CHART_TITLE_CHARS_MAX)
    stated = [text for one in context.said for text in times_in(one.body.text)]
    chart = results.new_chart(context.host, query, build_spec(query, kind, title, stated))
    shown = {"chart_id": chart.id, "query_id": query.id, "title": chart.spec["title"]["text"]}
    return Outcome(msgspec.json.encode(shown).decode(), changes=results.plan_chart(chart))


async def _ask_user(_: ToolContext, arguments: dict[str, Any]) -> Outcome:
    _refuse_unknown(arguments, ("question", "options"))
    question = _text(arguments, "question", limits.QUESTION_CHARS_MAX)
    options = arguments.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise InvalidInput("options must be a list of texts")
    if len(options) > limits.QUESTION_OPTIONS_MAX:
        raise InvalidInput(f"{len(options)} options are too many to choose from; at most {limits.QUESTION_OPTIONS_MAX}")
    says = question + "".join(f"\n- {option}" for option in options)
    return Outcome("asked; the user's next message is the answer", says=says, ends_turn=True)


async def _semantic_model(analyst: Analyst, context: ToolContext) -> SemanticModel:
    return (await _loaded(analyst, context)).model


async def _loaded(analyst: Analyst, context: ToolContext) -> LoadedModel:
    model_id = context.agent_metadata.get(SEMANTIC_MODEL_KEY)
    if not isinstance(model_id, str):
        raise ToolFailed(f"this agent has no semantic model: set '{SEMANTIC_MODEL_KEY}' in its metadata")
    return await analyst.load(context.view, context.tenant, model_id)


async def _catalog(analyst: Analyst, context: ToolContext, loaded: LoadedModel) -> Catalog:
    """What the one who asks can ask, with what was learned for them."""
    from kelpie.analyst.asking import access_of

    catalog = await analyst.catalog(loaded, await access_of(analyst, context, loaded))
    own = await learned.learned_for(
        context.view, context.tenant, loaded.record.id, context.speaker, learned.last_day(catalog)
    )
    return msgspec.structs.replace(catalog, verified=[*catalog.verified, *learned.as_catalog(own)])


def _level(context: ToolContext, loaded: LoadedModel) -> Sharing:
    return level_for(context.model, loaded.connection)


def _outcome(query: StoredQuery, context: ToolContext, loaded: LoadedModel, **beside: str) -> Outcome:
    """What the model reads of a query, and the row that keeps it."""
    changes, level = results.plan_query(query), _level(context, loaded)
    if query.verdict.outcome == "run":
        return Outcome(_shown(query, level, loaded, beside), changes=changes)
    message = query.verdict.message
    if query.verdict.outcome == "failed":
        message = shared_error(message, level)
    return Outcome(message, is_error=True, changes=changes)


def _shown(query: StoredQuery, level: Sharing, loaded: LoadedModel, beside: dict[str, str]) -> str:
    """The result as JSON, with as many rows as fit; `rows_shown` tells when not all did."""
    shared = shared_result(query, level, loaded.model, engine_of(loaded.connection.engine).dialect)
    rows: list[bytes] = []
    used_chars = 0
    for row in shared.rows[: limits.MODEL_ROWS_MAX]:
        encoded = msgspec.json.encode(row)
        used_chars += len(encoded) + 1
        if used_chars > limits.MODEL_RESULT_CHARS_MAX:
            break
        rows.append(encoded)
    shown: dict[str, Any] = {
        "query_id": query.id,
        "columns": shared.columns,
        "rows": [msgspec.Raw(row) for row in rows],
        "rows_shown": len(rows),
        "row_count": query.row_count,
        "truncated": query.truncated,
        **beside,
    }
    if shared.withheld:
        shown["withheld"] = shared.withheld
    if query.verdict.withheld:
        shown["not_allowed"] = query.verdict.withheld
    if level != "schema":  # both hold days of the data
        shown |= {"notes": query.basis.notes, "sql": query.sql}
    return msgspec.json.encode(shown).decode()


def _text(arguments: dict[str, Any], name: str, chars_max: int) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"'{name}' must be a text that is not blank")
    if len(value) > chars_max:
        raise InvalidInput(f"'{name}' has {len(value):,} characters; at most {chars_max:,}")
    return value


def _refuse_unknown(arguments: dict[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(arguments) - set(known))
    if unknown:
        raise InvalidInput(f"there is no argument '{unknown[0]}'; arguments: {', '.join(known) or 'none'}")
