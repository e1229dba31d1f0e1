"""What was done for an answer, in order, in words a person can follow."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kelpie.analyst.answers.answer import Step
from kelpie.analyst.results import StoredQuery
from kelpie.trajectories.records import StoredMessage

_ARGUMENTS_CHARS_MAX = 200


def steps_of(messages: Sequence[StoredMessage], queries: Sequence[StoredQuery]) -> list[Step]:
    """A step for each tool call of the run, with what became of it."""
    by_call = {query.tool_call_id: query for query in queries}
    arguments = {call.id: call.arguments for message in messages for call in message.body.tool_calls}
    steps = []
    for message in messages:
        if message.body.role == "tool":
            call_id = message.body.tool_call_id or ""
            steps.append(step_of(message, arguments.get(call_id, "{}"), by_call.get(call_id)))
    return steps


def step_of(message: StoredMessage, arguments: str, query: StoredQuery | None = None) -> Step:
    """What the tool call that `message` answers came to. `query` is what was stored of it."""
    name, said = message.body.name or "", _object(message.body.text)
    if query is not None:
        return query_step(query)
    if message.body.is_error:
        return Step(kind="failed", text=f"{name}: {message.body.text}")
    if name == "conventions":
        held = said.get("conventions", [])
        words = ", ".join(f"{one.get('topic')}: {one.get('value')}" for one in held)
        text = f"{_count(len(held), 'convention')} held: {words}" if held else "no conventions held"
        return Step(kind="conventions", text=text)
    if name == "list_metrics":
        words = (
            f"{_count(len(said.get('metrics', [])), 'metric')}, {_count(len(said.get('dimensions', [])), 'dimension')}"
        )
        return Step(kind="catalog", text=f"looked at what {said.get('label', 'the data')} can tell: {words}")
    if name == "chart":
        return Step(kind="chart", text=f"drew {said.get('chart_id', 'a chart')}", query_id=said.get("query_id", ""))
    if name == "ask_user":
        return Step(kind="question", text="asked one question back")
    if name == "keep_convention":
        return Step(kind="kept", text="kept what was said for later answers")
    return Step(kind="other", text=f"{name} {arguments[:_ARGUMENTS_CHARS_MAX]}".strip(), rows=said.get("row_count"))


def query_step(query: StoredQuery) -> Step:
    """The query with the guard's verdict, its rows and its time."""
    verdict, asked = query.verdict, _asked(query)
    step = Step(kind="query", text="", query_id=query.id, sql=query.sql, duration_ms=query.duration_ms)
    if verdict.outcome != "run":
        kind = "refused" if verdict.outcome == "refused" else "failed"
        text = f"{asked}: {verdict.message}"
        return msgspec.structs.replace(step, kind=kind, text=text, duration_ms=None)
    tables = f"passed by the guard, read {', '.join(verdict.tables) or 'no table'}"
    held = "".join(f"; {words}" for words in verdict.withheld)
    rows = f"{_count(query.row_count, 'row')}{', and there are more' if query.truncated else ''}"
    return msgspec.structs.replace(step, text=f"{asked}: {tables}{held}; {rows}", rows=query.row_count)


def _asked(query: StoredQuery) -> str:
    if query.basis.verified:
        return f"ran the verified query '{query.basis.verified}'"
    if query.metric_query is None:
        return "ran SQL"
    asked = query.metric_query
    by = [*asked.get("dimensions", []), *([asked["grain"]] if asked.get("grain") else [])]
    return f"asked for {', '.join(asked['metrics'])}" + (f" by {', '.join(by)}" if by else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _object(text: str) -> Mapping[str, Any]:
    try:
        data = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return data if isinstance(data, dict) else {}
