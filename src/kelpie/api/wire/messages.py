"""Messages on the wire. A stored message is one thing the model saw or said; Letta's clients expect it taken apart:
reasoning, text, tool calls and tool returns each on their own, all with the stored message's id.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kelpie.api.ids import otid
from kelpie.api.wire.times import iso
from kelpie.trajectories.records import Call, RunOptions, StoredMessage
from umi.wire.types import ImagePart, Message, ToolCall

# The tool whose call is shown as the agent's own words.
SPEAKING_TOOL = "send_message"


class Fashion(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a client wants to see messages.

    speaking   show a call of send_message as an assistant message, and hide its return
    types      the message types to show, or None for all
    """

    speaking: bool = True
    types: frozenset[str] | None = None

    @classmethod
    def of(cls, options: RunOptions) -> "Fashion":
        """How the sender of a run wants to see it."""
        return msgspec.convert(options.fashion, cls)

    def kept(self) -> dict[str, Any]:
        """What a run keeps of it, for `of`: nothing if it is the usual one."""
        kept: dict[str, Any] = msgspec.to_builtins(self, order="deterministic")
        return kept

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


def spoken_text(call: ToolCall) -> str | None:
    """The text of a send_message call, or None if its arguments hold none."""
    try:
        arguments = msgspec.json.decode(call.arguments or "{}")
    except msgspec.DecodeError:
        return None
    text = arguments.get("message") if isinstance(arguments, dict) else None
    return text if isinstance(text, str) else None


def shown(messages: Iterable[StoredMessage], calls: Mapping[str, Call], fashion: Fashion) -> list[dict[str, Any]]:
    """All of `messages`, taken apart, in order. `calls` are tool calls by the id of the message that answers them."""
    parts: list[dict[str, Any]] = []
    for message in messages:
        parts += _parts(message, calls.get(message.id), fashion)
    return [part for part in parts if fashion.shows(part["message_type"])]


def _parts(message: StoredMessage, call: Call | None, fashion: Fashion) -> list[dict[str, Any]]:
    role = message.body.role
    if role == "assistant":
        return _said(message, fashion)
    if role == "tool":
        return _returned(message, call, fashion)
    part = _part(message, f"{role}_message", 0)
    part["content"] = message.body.text if role == "system" else content(message.body)
    part["name"] = message.body.name
    if message.otid is not None:
        part["otid"] = message.otid
    return [part]


def _part(message: StoredMessage, message_type: str, number: int) -> dict[str, Any]:
    return base(message_type, message.id, number, iso(message.created_at_ms), message.run_id, message.step_id)


def _said(message: StoredMessage, fashion: Fashion) -> list[dict[str, Any]]:
    """The pieces of a reply: reasoning, text, then calls; calls that stand together are one piece."""
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
    for call in body.tool_calls:
        text = spoken_text(call) if fashion.speaking and call.name == SPEAKING_TOOL else None
        if text is not None:
            parts.append(_part(message, "assistant_message", len(parts)) | {"content": text})
            together = None
            continue
        shown_call = {"name": call.name, "arguments": call.arguments, "tool_call_id": call.id}
        if together is None:
            together = []
            parts.append(
                _part(message, "tool_call_message", len(parts)) | {"tool_call": shown_call, "tool_calls": together}
            )
        together.append(shown_call)
    return parts


def _returned(message: StoredMessage, call: Call | None, fashion: Fashion) -> list[dict[str, Any]]:
    body = message.body
    if fashion.speaking and body.name == SPEAKING_TOOL and not body.is_error:
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
