"""The tools of an analyst agent. Each reads its semantic model's id from the agent's metadata.

`list_metrics`, `query_metric` and `run_sql` ask a data source: they reach outside the store. `chart` and `ask_user`
do not. What a query gave, or why it was refused, is stored with the step that asked.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from kelpie.analyst import limits, results, tool_specs
from kelpie.analyst.metric_query import metric_query
from kelpie.analyst.results import StoredQuery
from kelpie.analyst.service import Analyst, LoadedModel
from kelpie.errors import InvalidInput, ToolFailed
from kelpie.tools.tool import Outcome, Tool, ToolContext

SEMANTIC_MODEL_KEY = "semantic_model_id"


def analyst_tools(analyst: Analyst) -> list[Tool]:
    """list_metrics, query_metric, run_sql, chart and ask_user, over one Analyst."""

    def bound(
        function: Callable[[Analyst, ToolContext, dict[str, Any]], Awaitable[Outcome]],
    ) -> Callable[[ToolContext, dict[str, Any]], Awaitable[Outcome]]:
        return lambda context, arguments: function(analyst, context, arguments)

    # The list of metrics must arrive whole: half a JSON text is no list.
    return [
        Tool(tool_specs.LIST_METRICS, bound(_list_metrics), "outside", return_chars_max=1_000_000),
        Tool(tool_specs.QUERY_METRIC, bound(_query_metric), "outside"),
        Tool(tool_specs.RUN_SQL, bound(_run_sql), "outside"),
        Tool(tool_specs.CHART, _chart, "store"),
        Tool(tool_specs.ASK_USER, _ask_user, "store"),
    ]


async def _list_metrics(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    _refuse_unknown(arguments, ())
    catalog = await analyst.catalog(await _loaded(analyst, context))
    return Outcome(msgspec.json.encode(catalog).decode())


async def _query_metric(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.asking import ask_metrics

    query = metric_query(arguments)
    return _outcome(await ask_metrics(analyst, context, await _loaded(analyst, context), query))


async def _run_sql(analyst: Analyst, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.asking import ask_sql

    _refuse_unknown(arguments, ("sql",))
    sql = _text(arguments, "sql", limits.SQL_CHARS_MAX)
    return _outcome(await ask_sql(analyst, context, await _loaded(analyst, context), sql))


async def _chart(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
    from kelpie.analyst.charts import build_spec

    _refuse_unknown(arguments, ("query_id", "kind", "title"))
    query = await results.query_by_id(context.view, context.tenant, _text(arguments, "query_id", 100))
    if query.agent_id != context.agent_id:
        raise ToolFailed(f"no query of this agent has the id '{query.id}'")
    if query.verdict.outcome != "run":
        raise ToolFailed(f"{query.id} was {query.verdict.outcome}: there is no result to draw")
    kind = arguments.get("kind")
    if kind not in (None, "bar", "line"):
        raise InvalidInput(f"the kind is '{kind}'; it must be bar or line")
    title = None if arguments.get("title") is None else _text(arguments, "title", limits.CHART_TITLE_CHARS_MAX)
    chart = results.new_chart(context.host, query, build_spec(query, kind, title))
    shown = {"chart_id": chart.id, "query_id": query.id, "title": title or ""}
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


async def _loaded(analyst: Analyst, context: ToolContext) -> LoadedModel:
    model_id = context.agent_metadata.get(SEMANTIC_MODEL_KEY)
    if not isinstance(model_id, str):
        raise ToolFailed(f"this agent has no semantic model: set '{SEMANTIC_MODEL_KEY}' in its metadata")
    return await analyst.load(context.view, context.tenant, model_id)


def _outcome(query: StoredQuery) -> Outcome:
    """What the model reads of a query, and the row that keeps it."""
    changes = results.plan_query(query)
    if query.verdict.outcome != "run":
        return Outcome(query.verdict.message, is_error=True, changes=changes)
    return Outcome(_shown(query), changes=changes)


def _shown(query: StoredQuery) -> str:
    """The result as JSON, with as many rows as fit; `rows_shown` tells when not all did."""
    rows: list[bytes] = []
    used_chars = 0
    for row in query.rows[: limits.MODEL_ROWS_MAX]:
        encoded = msgspec.json.encode(row)
        used_chars += len(encoded) + 1
        if used_chars > limits.MODEL_RESULT_CHARS_MAX:
            break
        rows.append(encoded)
    shown = {
        "query_id": query.id,
        "columns": query.columns,
        "rows": [msgspec.Raw(row) for row in rows],
        "rows_shown": len(rows),
        "row_count": query.row_count,
        "truncated": query.truncated,
        "sql": query.sql,
    }
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
