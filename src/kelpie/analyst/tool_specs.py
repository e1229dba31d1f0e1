"""How the analyst's tools describe themselves to a model. The planner needs none of it; language models do."""

from typing import Any

from kelpie.analyst import limits
from kelpie.analyst.charts.shape import CHART_KINDS
from kelpie.analyst.semantic.model import GRAINS
from umi.wire.types import ToolSpec

_STRINGS = {"type": "array", "items": {"type": "string"}}

LIST_METRICS = ToolSpec(
    name="list_metrics",
    description=(
        "What can be asked about the connected data: every metric (a number with one definition), the dimensions to"
        " group and filter by with their values, the time axes and the days they cover, the fiscal year, named periods"
        " such as seasons, filters that hold by default, questions with a verified query, and topics that the data"
        " can't answer. Call it first; use its names exactly in query_metric. A metric with several `times` and"
        " `time_default` false needs `time`: ask which is meant. One with `separate_by` is never summed across it."
    ),
    parameters={"type": "object", "properties": {}, "required": []},
)

_FILTER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "dimension": {"type": "string", "description": "The dimension's name."},
        "values": {
            "type": "array",
            "items": {"type": ["string", "number", "boolean", "null"]},
            "description": "Values as list_metrics shows them; their other names work too. null: rows without a value.",
        },
        "op": {"type": "string", "enum": ["in", "not_in"], "description": 'Default "in".'},
    },
    "required": ["dimension", "values"],
}
_ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "by": {
            "type": "string",
            "description": "A metric, dimension or grain of this query, or mrr_growth, mrr_share …",
        },
        "direction": {"type": "string", "enum": ["asc", "desc"], "description": 'Default "desc".'},
    },
    "required": ["by"],
}

_CONDITION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "metric": {"type": "string", "description": "A metric of this query, or a column beside it: mrr_growth."},
        "op": {"type": "string", "enum": ["gt", "gte", "lt", "lte", "eq", "ne"], "description": "How they compare."},
        "value": {"type": "number", "description": "A percentage as its fraction: 0.1 is 10 %."},
    },
    "required": ["metric", "op", "value"],
}
_COMPARE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "with": {"type": "string", "enum": ["previous_period", "previous_year", "period"]},
        "time_from": {"type": "string", "description": 'First day of "period", YYYY-MM-DD.'},
        "time_to": {"type": "string", "description": 'Last day of "period", included, YYYY-MM-DD.'},
    },
    "required": ["with"],
    "description": (
        "Adds to each metric its value before and what became of it: columns <metric>_before, <metric>_change,"
        " <metric>_growth. With a grain each row is compared with the row before it, or the same period a year earlier."
    ),
}

QUERY_METRIC = ToolSpec(
    name="query_metric",
    description=(
        "Numbers by name: one or more metrics, optionally by dimensions and by time, filtered, compared, as shares. The"
        " right SQL is made from the definitions, so prefer this to run_sql. The result's query_id proves where its"
        " numbers come from: use only numbers from its rows in your answer, rounded as `format` says, and name the"
        " query_id. Tell what `notes` say: filters that hold by default, of when a stock is, periods not yet over."
    ),
    parameters={
        "type": "object",
        "properties": {
            "metrics": {**_STRINGS, "description": "Names of metrics, the most important first."},
            "dimensions": {**_STRINGS, "description": "Names of dimensions: one row for each combination of values."},
            "filters": {"type": "array", "items": _FILTER, "description": "All of them must hold."},
            "time_from": {"type": "string", "description": "First day, YYYY-MM-DD."},
            "time_to": {"type": "string", "description": "Last day, included, YYYY-MM-DD."},
            "time": {"type": "string", "description": "The time axis, where the metrics may be dated by several."},
            "grain": {
                "type": "string",
                "enum": list(GRAINS),
                "description": "One row for each of these: a time series. A stock is shown as at each one's end.",
            },
            "compare": _COMPARE,
            "share": {
                **_STRINGS,
                "description": (
                    "Dimensions of this query, grouped or filtered by: adds <metric>_share, each row's part of all of"
                    " their values."
                ),
            },
            "having": {"type": "array", "items": _CONDITION, "description": "Only rows for which all of these hold."},
            "order": {"type": "array", "items": _ORDER, "description": "Default: by time, then by dimension."},
            "limit": {
                "type": "integer",
                "minimum": 1,
                "maximum": limits.QUERY_ROWS_MAX,
                "description": "At most so many rows, for example 5 for a top five. Needs `order`.",
            },
        },
        "required": ["metrics"],
    },
)

RUN_VERIFIED = ToolSpec(
    name="run_verified",
    description=(
        "Run a verified query word for word: SQL that a person vouches for. Call it when the user asks one of its"
        " questions, and say that the answer is verified and by whom. For any other question use query_metric."
    ),
    parameters={
        "type": "object",
        "properties": {"name": {"type": "string", "description": "The name that list_metrics gives under `verified`."}},
        "required": ["name"],
    },
)

RUN_SQL = ToolSpec(
    name="run_sql",
    description=(
        "Run one read-only SELECT in the connection's own SQL, for what no metric covers. Only the tables of the"
        " semantic model, no functions that read files or change from call to call, at most"
        f" {limits.QUERY_ROWS_MAX:,} rows and {limits.QUERY_TIMEOUT_MS_DEFAULT // 1_000} seconds."
    ),
    parameters={
        "type": "object",
        "properties": {"sql": {"type": "string", "description": "The query. It is stored with its result."}},
        "required": ["sql"],
    },
)

CHART = ToolSpec(
    name="chart",
    description=(
        "Draw the result of an earlier query: bars for a ranking, lines for a time series. The numbers come from the"
        " stored result, never from you. Don't call it when the user wants tables."
    ),
    parameters={
        "type": "object",
        "properties": {
            "query_id": {"type": "string", "description": "The query_id of a result of this conversation."},
            "kind": {
                "type": "string",
                "enum": list(CHART_KINDS),
                "description": (
                    "Default: what fits the result, which is best. column: a flow over few periods. grouped: beside the"
                    " value before, or two dimensions. stacked: parts that add up. panels, scatter: two metrics."
                ),
            },
            "title": {"type": "string", "description": "A short title that says what is shown and of when."},
        },
        "required": ["query_id"],
    },
)

ASK_USER = ToolSpec(
    name="ask_user",
    description=(
        "Ask the user one question and wait for the answer: when a word could mean several metrics, dimensions or"
        " periods and the numbers would differ. Don't ask what list_metrics already tells."
    ),
    parameters={
        "type": "object",
        "properties": {
            "question": {"type": "string", "description": "One short question."},
            "options": {**_STRINGS, "description": "The possible answers, if there are few."},
        },
        "required": ["question"],
    },
)
