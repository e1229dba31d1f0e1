"""A run's events as messages on the wire, while it is under way.

Token streaming: every piece of a message repeats its id and otid and carries only what is new. What went out in
pieces is not repeated when it is committed; what did not (a model that doesn't stream, a tool's return) follows whole.
"""

from collections.abc import Mapping
from typing import Any

from kelpie.agents.stream import Committed, Provisional
from kelpie.api.wire.messages import SPEAKING_TOOL, Fashion, base, shown
from kelpie.api.wire.partial import StringValue
from kelpie.api.wire.times import iso
from kelpie.trajectories.records import Call
from umi.wire.types import Delta, Message

_PIECES = {"reasoning": "reasoning_message", "text": "assistant_message", "tool_call": "tool_call_message"}


class _OpenMessage:
    """One reply as it arrives: which of its parts have begun, and their numbers in the order of arrival."""

    def __init__(self, date: str) -> None:
        self.date = date
        self.kinds: set[str] = set()
        self._last: str | None = None
        self.number = -1
        self.call_ids: dict[int, str] = {}
        self.speaking: dict[int, StringValue] = {}

    def begin(self, kind: str, key: str) -> int:
        """The number of the part that `key` belongs to; parts of one key that follow each other are one."""
        if key != self._last:
            self._last = key
            self.number += 1
        self.kinds.add(kind)
        return self.number


class Narrator:
    """Turns the events of one run into messages, as one client wants to see them."""

    def __init__(self, run_id: str, fashion: Fashion) -> None:
        self._run_id = run_id
        self._fashion = fashion
        self._open: dict[str, _OpenMessage] = {}

    def pieces(self, event: Provisional, now_ms: int) -> list[dict[str, Any]]:
        """What a piece of a reply becomes: one message, or none if this client doesn't see it."""
        message = self._open.get(event.message_id)
        if message is None:
            message = self._open[event.message_id] = _OpenMessage(iso(now_ms))
        delta = event.delta
        made = self._call(event, message) if delta.kind == "tool_call" else self._words(event, message)
        if made is None or not self._fashion.shows(made["message_type"]):
            return []
        return [made]

    def _piece(self, event: Provisional, message: _OpenMessage, message_type: str, number: int) -> dict[str, Any]:
        return base(message_type, event.message_id, number, message.date, self._run_id, event.step_id)

    def _words(self, event: Provisional, message: _OpenMessage) -> dict[str, Any]:
        kind = event.delta.kind
        piece = self._piece(event, message, _PIECES[kind], message.begin(kind, kind))
        if kind == "reasoning":
            return piece | {"source": "reasoner_model", "reasoning": event.delta.text, "signature": None}
        return piece | {"content": event.delta.text}

    def _call(self, event: Provisional, message: _OpenMessage) -> dict[str, Any] | None:
        delta = event.delta
        if delta.tool_call_id is not None:
            message.call_ids[delta.index] = delta.tool_call_id
        if delta.tool_name == SPEAKING_TOOL and self._fashion.speaking:
            message.speaking[delta.index] = StringValue("message")
        if delta.index in message.speaking:
            return self._speech(event, message, message.speaking[delta.index])
        number = message.begin("tool_call", "tool_call")
        call = _call_delta(delta, message.call_ids.get(delta.index))
        return self._piece(event, message, "tool_call_message", number) | {"tool_call": call, "tool_calls": call}

    def _speech(self, event: Provisional, message: _OpenMessage, value: StringValue) -> dict[str, Any] | None:
        """A send_message call is the agent's own words: what is new of its text."""
        number = message.begin("tool_call", f"speech {event.delta.index}")
        text = value.feed(event.delta.arguments)
        if not text:
            return None
        return self._piece(event, message, "assistant_message", number) | {"content": text}

    def committed(self, event: Committed, calls: Mapping[str, Call]) -> list[dict[str, Any]]:
        """What of a committed step has not gone out in pieces."""
        whole = []
        for message in event.messages:
            streamed = self._open.pop(message.id, None)
            sent = streamed.kinds if streamed is not None else frozenset()
            whole += [p for p in shown([message], calls, self._fashion) if _kind(p, message.body) not in sent]
        return whole


def _kind(part: dict[str, Any], body: Message) -> str:
    """Which kind of piece a whole part would have come in: a speaking call looks like text, and follows it."""
    if part["message_type"] != "assistant_message":
        return {"reasoning_message": "reasoning", "tool_call_message": "tool_call"}.get(part["message_type"], "")
    text_at = 1 if body.reasoning else 0
    return "text" if body.content and int(part["otid"][-2:], 16) == text_at else "tool_call"


def _call_delta(delta: Delta, call_id: str | None) -> dict[str, Any]:
    call: dict[str, Any] = {"tool_call_id": call_id}
    if delta.tool_name is not None:
        call["name"] = delta.tool_name
    if delta.arguments:
        call["arguments"] = delta.arguments
    return call
