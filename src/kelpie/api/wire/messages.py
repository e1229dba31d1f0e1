"""Messages on the wire. A stored message is one thing the model saw or said; Letta's clients expect it taken apart:
reasoning, text, tool calls and tool returns each on their own, all with the stored message's id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from kelpie.agents.kinds import SPEAKING_TOOL, THOUGHT
from kelpie.agents.turn.structured import as_text
from kelpie.api.ids import otid
from kelpie.api.wire import compaction
from kelpie.api.wire.times import iso
from kelpie.trajectories.records import Call, Compacted, RunOptions, StoredMessage
from umi.wire.encoding import UNREADABLE
from umi.wire.types import ImagePart, Message, ToolCall

# The argument of the speaking tool that is shown as the agent's own words.
SPEAKING_ARGUMENT = "message"


class Fashion(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a client wants to see messages.

    speaking   show a call of the speaking tool as an assistant message, and hide its return
    tool, argument  which tool that is, and where its text is
    types      the message types to show, or None for all
    summaries  not at all, as messages of the user with an alert in them (older clients know nothing else), as summary
               messages, or as these behind the event that made them
    """

    speaking: bool = True
    tool: str = SPEAKING_TOOL
    argument: str = SPEAKING_ARGUMENT
    types: frozenset[str] | None = None
    summaries: Literal["hidden", "alerts", "whole", "events"] = "whole"

    @classmethod
    def of(cls, options: RunOptions) -> "Fashion":
        """How the sender of a run wants to see it."""
        return msgspec.convert(options.fashion, cls)

    def kept(self) -> dict[str, Any]:
        """What a run keeps of it, for `of`: nothing if it is the usual one."""
        kept: dict[str, Any] = msgspec.to_builtins(self, order="deterministic")
        return kept

    def is_speech(self, tool: str | None) -> bool:
        return self.speaking and tool == self.tool

    def shows(self, message_type: str) -> bool:
        return self.types is None or message_type in self.types


def base(
    message_type: str, message_id: str, number: int, date: str, run_id: str | None, step_id: str | None
) -> dict[str, Any]:
    """The fields every message on the wire has."""
    return {
        "id": message_id,
        "date": date,
        "name": None,
        "message_type": message_type,
        "otid": otid(message_id, number),
        "sender_id": None,
        "step_id": step_id,
        "is_err": None,
        "seq_id": None,
        "run_id": run_id,
    }


def _arguments(call: ToolCall) -> dict[str, Any] | None:
    """None for arguments that are no object."""
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except UNREADABLE:
        return None


def spoken_text(call: ToolCall, argument: str = SPEAKING_ARGUMENT) -> str | None:
    """The text of a call that speaks, or None if its arguments hold none; a structured message is shown as JSON."""
    said = (_arguments(call) or {}).get(argument)
    return as_text(said) if isinstance(said, str | dict | list) else None


def thought_in(call: ToolCall) -> tuple[str | None, ToolCall]:
    """What an agent thought in a call's arguments, and the call without it."""
    arguments = _arguments(call)
    thought = arguments.pop(THOUGHT, None) if arguments else None
    if not isinstance(thought, str):
        return None, call
    return thought or None, msgspec.structs.replace(call, arguments=msgspec.json.encode(arguments).decode())


def shown(messages: Iterable[StoredMessage], calls: Mapping[str, Call], fashion: Fashion) -> list[dict[str, Any]]:
    """All of `messages`, taken apart, in order. `calls` are tool calls by the id of the message that answers them."""
    parts: list[dict[str, Any]] = []
    for message in messages:
        parts += _parts(message, calls.get(message.id), fashion)
    return [part for part in parts if fashion.shows(part["message_type"])]


def _parts(message: StoredMessage, call: Call | None, fashion: Fashion) -> list[dict[str, Any]]:
    role = message.body.role
    if message.compacted is not None:
        return _summary(message, message.compacted, fashion)
    if role == "assistant":
        return _said(message, fashion)
    if role == "tool":
        return _returned(message, call, fashion)
    if message.body.by_turn:
        return []
    part = _part(message, f"{role}_message", 0)
    part["content"] = message.body.text if role == "system" else content(message.body)
    part["name"] = message.body.name
    if message.otid is not None:
        part["otid"] = message.otid
    return [part]


def _part(message: StoredMessage, message_type: str, number: int) -> dict[str, Any]:
    return base(message_type, message.id, number, iso(message.created_at_ms), message.run_id, message.step_id)


def _summary(message: StoredMessage, record: Compacted, fashion: Fashion) -> list[dict[str, Any]]:
    if fashion.summaries == "hidden":
        return []
    if fashion.summaries == "alerts":
        return [_part(message, "user_message", 0) | {"content": compaction.as_alert(message, record)}]
    stats, parts = compaction.stats(record), list[dict[str, Any]]()
    if fashion.summaries == "events":
        parts.append(
            _part(message, "event_message", 0) | {"event_type": "compaction", "event_data": compaction.event(record)}
        )
    told = {"summary": message.body.text, "compaction_stats": stats}
    return [*parts, _part(message, "summary_message", len(parts)) | told]


def _said(message: StoredMessage, fashion: Fashion) -> list[dict[str, Any]]:
    """The pieces of a reply: reasoning, text, then calls; calls that stand together are one piece, and so are those
    that somebody was asked about."""
    body = message.body
    parts: list[dict[str, Any]] = []
    if body.reasoning:
        parts.append(
            _part(message, "reasoning_message", 0)
            | {"source": "reasoner_model", "reasoning": body.reasoning, "signature": body.reasoning_signature}
        )
    if body.content:
        parts.append(_part(message, "assistant_message", len(parts)) | {"content": body.text})
    together: list[dict[str, Any]] | None = None
    asked: list[dict[str, Any]] = []
    for call in body.tool_calls:
        if body.thinks_in_calls:
            thought, call = thought_in(call)  # noqa: PLW2901 - shown without it
            if thought is not None:
                parts.append(_part(message, "reasoning_message", len(parts)) | _thought(thought))
                together = None
        if call.asked:
            asked.append(_call(call))
            continue
        text = spoken_text(call, fashion.argument) if fashion.is_speech(call.name) else None
        if text is not None:
            parts.append(_part(message, "assistant_message", len(parts)) | {"content": text})
            together = None
            continue
        if together is None:
            together = []
            parts.append(
                _part(message, "tool_call_message", len(parts)) | {"tool_call": _call(call), "tool_calls": together}
            )
        together.append(_call(call))
    if asked:
        parts.append(
            _part(message, "approval_request_message", len(parts)) | {"tool_call": asked[0], "tool_calls": asked}
        )
    return parts


def _call(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments, "tool_call_id": call.id}


def approval_request(message: StoredMessage) -> dict[str, Any]:
    """The part of a message with which it asks about calls of its."""
    return next(part for part in _said(message, Fashion()) if part["message_type"] == "approval_request_message")


def _thought(text: str) -> dict[str, Any]:
    return {"source": "non_reasoner_model", "reasoning": text, "signature": None}


def _returned(message: StoredMessage, call: Call | None, fashion: Fashion) -> list[dict[str, Any]]:
    body = message.body
    if fashion.is_speech(body.name) and not body.is_error:
        return []
    result = {
        "type": "tool",
        "tool_return": body.text,
        "status": "error" if body.is_error else "success",
        "tool_call_id": body.tool_call_id or "",
        "stdout": call.stdout if call is not None and call.stdout else None,
        "stderr": call.stderr if call is not None and call.stderr else None,
    }
    part = _part(message, "tool_return_message", 0)
    part |= {key: value for key, value in result.items() if key != "type"}
    part["tool_returns"] = [result]
    part["name"] = body.name
    part["is_err"] = body.is_error
    return [part]


def content(body: Message) -> str | list[dict[str, Any]]:
    """The content as its sender gave it: a text, or parts."""
    if body.content is None or isinstance(body.content, str):
        return body.content or ""
    return [
        _image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text} for part in body.content
    ]


def _image(part: ImagePart) -> dict[str, Any]:
    if part.url is not None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}


def answering_calls(calls: Sequence[Call]) -> dict[str, Call]:
    return {call.result_message_id: call for call in calls if call.result_message_id is not None}
