"""A run's events as messages on the wire, while it is under way.

Token streaming: every piece of a message repeats its id and otid and carries only what is new. What went out in
pieces is not repeated when it is committed; what did not (a model that doesn't stream, a tool's return) follows whole.

Every message has a number, its `seq_id`, from 1 in the order of the run. What was committed has the same numbers
whenever it is told: they follow from the messages and from where each reply was cut. A new attempt at a run, after a
crash, begins far above the one before, whose last pieces nobody has any more: their numbers are never given again.
"""

from collections.abc import Mapping
from typing import Any

from kelpie.agents.kinds import THOUGHT
from kelpie.agents.turn.pieces import cut_again
from kelpie.agents.turn.stream import Committed, Provisional
from kelpie.api import limits
from kelpie.api.wire.messages import Fashion, base, shown
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
        self.thoughts: dict[int, StringValue] = {}

    def begin(self, kind: str | None, key: str) -> int:
        """The number of the part that `key` belongs to; parts of one key that follow each other are one. `kind` is what
        has been told now, None if nothing of the part has."""
        if key != self._last:
            self._last = key
            self.number += 1
        if kind is not None:
            self.kinds.add(kind)
        return self.number


class Narrator:
    """Turns the events of one run into messages, numbered, as its sender wanted to see them. It has to hear all of
    them, from the first: `seq_id` is the number of the last message it made."""

    def __init__(self, run_id: str, fashion: Fashion) -> None:
        self.seq_id = 0
        self._run_id = run_id
        self._fashion = fashion
        self._open: dict[str, _OpenMessage] = {}

    def _numbered(self, made: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for one in made:
            self.seq_id += 1
            one["seq_id"] = self.seq_id
        return made

    def pieces(self, event: Provisional, now_ms: int) -> list[dict[str, Any]]:
        """What a piece of a reply becomes: one message as a rule, or none if this client doesn't see it."""
        message = self._open.get(event.message_id)
        if message is None:
            message = self._open[event.message_id] = _OpenMessage(iso(now_ms))
            self.seq_id = max(self.seq_id, event.attempt * limits.STREAM_EVENTS_PER_ATTEMPT)
        delta = event.delta
        made = self._call(event, message) if delta.kind == "tool_call" else [self._words(event, message)]
        return self._numbered([one for one in made if self._fashion.shows(one["message_type"])])

    def _piece(self, event: Provisional, message: _OpenMessage, message_type: str, number: int) -> dict[str, Any]:
        return base(message_type, event.message_id, number, message.date, self._run_id, event.step_id)

    def _words(self, event: Provisional, message: _OpenMessage) -> dict[str, Any]:
        kind = event.delta.kind
        piece = self._piece(event, message, _PIECES[kind], message.begin(kind, kind))
        if kind == "reasoning":
            return piece | {"source": "reasoner_model", "reasoning": event.delta.text, "signature": None}
        return piece | {"content": event.delta.text}

    def _call(self, event: Provisional, message: _OpenMessage) -> list[dict[str, Any]]:
        """A call that speaks is the agent's own words: what is new of its text. Where calls hold what the agent thinks,
        that comes apart, and the call itself once it is whole."""
        delta = event.delta
        if delta.tool_call_id is not None:
            message.call_ids[delta.index] = delta.tool_call_id
        if self._fashion.is_speech(delta.tool_name):
            message.speaking[delta.index] = StringValue(self._fashion.argument)
        made = self._thought(event, message) if event.thinks else []
        if delta.index in message.speaking:
            return made + self._speech(event, message, message.speaking[delta.index])
        if event.thinks:
            return made
        number = message.begin("tool_call", "tool_call")
        call = _call_delta(delta, message.call_ids.get(delta.index))
        return [self._piece(event, message, "tool_call_message", number) | {"tool_call": call, "tool_calls": call}]

    def _speech(self, event: Provisional, message: _OpenMessage, value: StringValue) -> list[dict[str, Any]]:
        text = value.feed(event.delta.arguments)
        number = message.begin("speech" if text else None, f"speech {event.delta.index}")
        if not text:
            return []
        return [self._piece(event, message, "assistant_message", number) | {"content": text}]

    def _thought(self, event: Provisional, message: _OpenMessage) -> list[dict[str, Any]]:
        index = event.delta.index
        text = message.thoughts.setdefault(index, StringValue(THOUGHT)).feed(event.delta.arguments)
        if not text:
            return []
        piece = self._piece(event, message, "reasoning_message", message.begin("thought", f"thought {index}"))
        return [piece | {"source": "non_reasoner_model", "reasoning": text, "signature": None}]

    def committed(self, event: Committed, calls: Mapping[str, Call]) -> list[dict[str, Any]]:
        """What of a committed step this narrator has not told in pieces: the pieces, then what has none."""
        made = self._missed_pieces(event)
        for message in event.messages:
            streamed = self._open.pop(message.id, None)
            sent = streamed.kinds if streamed is not None else frozenset()
            whole = [part for part in shown([message], calls, self._fashion) if _kind(part, message.body) not in sent]
            made += self._numbered(whole)
        return made

    def _missed_pieces(self, event: Committed) -> list[dict[str, Any]]:
        """The pieces of a reply that went out before anybody watched."""
        told, reply = event.step.told, event.messages[0] if event.messages else None
        if told is None or reply is None or reply.id in self._open:
            return []
        self.seq_id = max(self.seq_id, told.attempt * limits.STREAM_EVENTS_PER_ATTEMPT)
        if reply.body.role != "assistant":
            return []
        made = []
        for delta in cut_again(reply.body, told):
            piece = Provisional(reply.id, event.step.id, delta, told.attempt, reply.body.thinks_in_calls)
            made += self.pieces(piece, reply.created_at_ms)
        return made


def _kind(part: dict[str, Any], body: Message) -> str:
    """Which kind of piece a whole part would have come in: a speaking call looks like text, and follows it."""
    kind = part["message_type"]
    if kind == "reasoning_message":
        return "reasoning" if part["source"] == "reasoner_model" else "thought"
    if kind != "assistant_message":
        return "tool_call" if kind == "tool_call_message" else ""
    text_at = 1 if body.reasoning else 0
    return "text" if body.content and int(part["otid"][-2:], 16) == text_at else "speech"


def _call_delta(delta: Delta, call_id: str | None) -> dict[str, Any]:
    call: dict[str, Any] = {"tool_call_id": call_id}
    if delta.tool_name is not None:
        call["name"] = delta.tool_name
    if delta.arguments:
        call["arguments"] = delta.arguments
    return call
