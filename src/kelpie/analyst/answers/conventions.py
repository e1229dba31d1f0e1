"""Which of the conventions that held had a part in an answer: told from what was done, not from what was said."""

from collections.abc import Sequence

import msgspec

from kelpie.analyst.answers.answer import ConventionUse
from kelpie.analyst.conventions.convention import Convention
from kelpie.analyst.results import Chart, StoredQuery
from kelpie.trajectories.records import StoredMessage


class _Told(msgspec.Struct):
    conventions: list[Convention]


def conventions_of(
    messages: Sequence[StoredMessage], question: str, queries: Sequence[StoredQuery], charts: Sequence[Chart]
) -> list[ConventionUse]:
    """What the tool "conventions" told in this run, each with whether the answer follows it."""
    held: list[Convention] = []
    for message in messages:
        if message.body.role == "tool" and message.body.name == "conventions" and not message.body.is_error:
            try:
                held = msgspec.json.decode(message.body.text, type=_Told).conventions
            except msgspec.DecodeError:
                continue
    return [
        ConventionUse(
            id=one.id,
            kind=one.kind,
            topic=one.topic,
            value=one.value,
            scope=one.scope,
            whose=one.whose,
            used=_is_used(one, question, queries, charts),
        )
        for one in held
    ]


def _is_used(one: Convention, question: str, queries: Sequence[StoredQuery], charts: Sequence[Chart]) -> bool:
    asked = [query.metric_query for query in queries if query.metric_query is not None]
    if one.kind == "preference":
        if one.topic == "show":
            return bool(queries) and (one.value == "chart") == bool(charts)
        return one.topic == "grain" and any(query.get("grain") == one.value for query in asked)
    if one.topic.casefold() not in question.casefold():
        return False
    kind, _, name = one.value.partition(":")
    match kind:
        case "metric":
            return any(name in query["metrics"] for query in asked)
        case "dimension":
            used = [*(query.get("dimensions", []) for query in asked), [f for query in asked for f in _filtered(query)]]
            return any(name in names for names in used)
        case "time":
            return any(query.get("time") == name for query in asked)
        case "year":
            return bool(asked)
        case _:
            return any(name.partition("=")[0] in _filtered(query) for query in asked)


def _filtered(query: dict[str, object]) -> list[str]:
    filters = query.get("filters", [])
    assert isinstance(filters, list), "a metric query's filters are a list"
    return [rule["dimension"] for rule in filters]
