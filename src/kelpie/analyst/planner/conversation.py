"""A model's request read back as a conversation: the turns, what was called in them and what came back."""

from typing import Any

import msgspec

from kelpie.agents.memory.recalling import NAME as RECALLED
from kelpie.analyst.metric_query import MetricQuery
from kelpie.analyst.planner.asked import Previous
from kelpie.analyst.table import ResultColumn, ResultTable
from umi.wire.types import Message, Request


class Call(msgspec.Struct, frozen=True):
    """A tool call with its result. `data` is the result decoded, or None if it is no JSON object."""

    name: str
    arguments: dict[str, Any]
    text: str
    data: dict[str, Any] | None
    is_error: bool


class Turn(msgspec.Struct):
    """What a user said and what was done about it."""

    question: str
    calls: list[Call]

    def last(self, name: str) -> Call | None:
        return next((call for call in reversed(self.calls) if call.name == name), None)

    def count(self, name: str) -> int:
        return sum(call.name == name for call in self.calls)

    @property
    def asked_back(self) -> bool:
        """Whether the turn ended with a question to the user."""
        return bool(self.calls) and self.calls[-1].name == "ask_user" and not self.calls[-1].is_error


class Conversation(msgspec.Struct):
    system: str
    turns: list[Turn]

    @property
    def current(self) -> Turn:
        return self.turns[-1]

    def catalog_text(self) -> str | None:
        """What list_metrics told last."""
        for turn in reversed(self.turns):
            for call in reversed(turn.calls):
                if call.name == "list_metrics" and not call.is_error:
                    return call.text
        return None

    def before_answers(self) -> tuple[int, list[str]]:
        """The turn that holds the question, and what the user said since when asked back about it.

        The current turn, unless it answers a question of ours; then the one that made us ask.
        """
        at = len(self.turns) - 1
        answers: list[str] = []
        while at > 0 and self.turns[at - 1].asked_back:
            answers.insert(0, self.turns[at].question)
            at -= 1
        return at, answers

    def earlier_answers(self, before: int) -> dict[tuple[str, tuple[str, ...]], str]:
        """(question, options) that were asked back before the turn numbered `before` -> what the user said next."""
        found: dict[tuple[str, tuple[str, ...]], str] = {}
        for turn, following in zip(self.turns[:before], self.turns[1:before], strict=False):
            if turn.asked_back:
                asked = turn.calls[-1].arguments
                options = asked.get("options")
                if isinstance(options, list) and all(isinstance(option, str) for option in options):
                    found[str(asked.get("question")), tuple(options)] = following.question
        return found

    def previous(self, before: int) -> Previous | None:
        """The last query that gave a result in a turn before the one numbered `before`."""
        for turn in reversed(self.turns[:before]):
            for call in reversed(turn.calls):
                table = result_table(call) if call.name == "query_metric" else None
                if table is not None:
                    try:
                        return Previous(msgspec.convert(call.arguments, MetricQuery), table)
                    except msgspec.ValidationError:
                        continue
        return None


def result_table(call: Call) -> ResultTable | None:
    """The result of a query, or None if there is none."""
    if call.is_error or call.data is None or "query_id" not in call.data:
        return None
    try:
        return ResultTable(
            query_id=str(call.data["query_id"]),
            columns=msgspec.convert(call.data.get("columns"), list[ResultColumn]),
            rows=msgspec.convert(call.data.get("rows"), list[list[Any]]),
            row_count=int(call.data.get("row_count", 0)),
            truncated=bool(call.data.get("truncated")),
            stated=result_notes(call),
        )
    except (msgspec.ValidationError, TypeError, ValueError):
        return None


def result_notes(call: Call) -> list[str]:
    """What the query did that nobody asked for, in words."""
    notes = (call.data or {}).get("notes")
    return [str(note) for note in notes] if isinstance(notes, list) else []


def read_conversation(request: Request) -> Conversation:
    """Turns in order; every user message begins one. There is at least one turn."""
    system = "\n".join(message.text for message in request.messages if message.role == "system")
    outcomes = {message.tool_call_id: message for message in request.messages if message.role == "tool"}
    turns: list[Turn] = []
    for message in request.messages:
        if message.role == "user" and message.name == RECALLED:
            continue  # what memory adds: numbers and wishes of other conversations are no part of this one
        if message.role == "user":
            turns.append(Turn(message.text.strip(), []))
        elif message.role == "assistant" and turns:
            turns[-1].calls += [
                _call(call.name, call.arguments, outcomes[call.id])
                for call in message.tool_calls
                if call.id in outcomes
            ]
    return Conversation(system, turns or [Turn("", [])])


def _call(name: str, arguments: str, outcome: Message) -> Call:
    data = _object(outcome.text)
    text, is_error = outcome.text, outcome.is_error
    if data is not None and set(data) <= {"status", "message", "time"} and "message" in data:
        # Some runtimes wrap what a tool said: {"status": "OK", "message": …, "time": …}.
        is_error = is_error or data.get("status") in ("Failed", "error")
        inner = data["message"]
        text = inner if isinstance(inner, str) else msgspec.json.encode(inner).decode()
        data = inner if isinstance(inner, dict) else _object(text)
    return Call(name, _object(arguments) or {}, text, data, is_error)


def _object(text: str) -> dict[str, Any] | None:
    try:
        data = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return data if isinstance(data, dict) else None
