"""Messages as Letta stores them, in agent files and in its database: unlike those it sends, whole, with their parts."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kelpie.api.wire.times import moment_ms
from kelpie.errors import InvalidInput
from kelpie.moving.parcel import Told
from kelpie.trajectories.records import StoredMessage
from umi.dst.ids import named_uuid
from umi.wire.types import ImagePart, Message, Part, TextPart, ToolCall

ROLES = ("system", "user", "assistant", "tool", "function", "approval", "summary")
EXTRA = "kelpie_extra"  # of a call: what its provider wants back
Lost = Counter[str]  # what of messages is not taken, and how often


def precise(at_ms: int) -> str:
    """A moment to the millisecond: the order of messages is told by it elsewhere."""
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")


# ours -> theirs


def record(one: StoredMessage, ref: str, agent_ref: str) -> dict[str, Any]:
    body = one.body
    shown: dict[str, Any] = {
        "type": "message",
        "id": ref,
        "role": body.role,
        "content": _content(body),
        "name": body.name,
        "otid": one.otid,
        "sender_id": None,
        "batch_item_id": None,
        "group_id": None,
        "model": None,
        "agent_id": agent_ref,
        "tool_calls": [_call(call) for call in body.tool_calls] or None,
        "tool_call_id": body.tool_call_id,
        "tool_returns": None,
        "created_at": precise(one.created_at_ms),
        "approve": None,
        "approval_request_id": None,
        "denial_reason": None,
        "approvals": None,
    }
    if body.role == "tool":
        shown["tool_returns"] = [
            {
                "tool_call_id": body.tool_call_id,
                "status": "error" if body.is_error else "success",
                "stdout": None,
                "stderr": None,
                "func_response": body.text,
            }
        ]
    return shown


def _content(body: Message) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if body.reasoning:
        signature = body.reasoning_signature
        parts.append({"type": "reasoning", "is_native": True, "reasoning": body.reasoning, "signature": signature})
    texts = [TextPart(body.content)] if isinstance(body.content, str) else body.content or []
    for part in texts:
        if isinstance(part, ImagePart):
            parts.append({"type": "image", "source": _source(part)})
        elif part.text:
            parts.append({"type": "text", "text": part.text, "signature": None})
    return parts


def _source(part: ImagePart) -> dict[str, Any]:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    return {"type": "base64", "media_type": part.media_type, "data": part.data, "detail": None}


def _call(call: ToolCall) -> dict[str, Any]:
    shown = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    return shown | ({EXTRA: call.extra} if call.extra else {})


# theirs -> ours


def told_of(record: Mapping[str, Any], lost: Lost, now_ms: int) -> list[Told]:
    """What one of their messages becomes: a return of several tools is as many messages here.

    lost    counts what has no place here
    now_ms  when it was said, if it doesn't say
    Raises InvalidInput, naming the message.
    """
    ref = str(record.get("id"))
    try:
        at_ms = moment_ms("created_at", record.get("created_at"))
        bodies = _bodies(record, lost)
    except (InvalidInput, KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidInput(f"the message '{ref[:64]}' can't be read: {what:.300}") from None
    otid = record.get("otid")
    return [
        Told(
            ref=ref if number == 0 else f"message-{named_uuid(f'{ref}/{number}')}",
            body=body,
            created_at_ms=now_ms if at_ms is None else at_ms,
            otid=otid if isinstance(otid, str) and number == 0 else None,
        )
        for number, body in enumerate(bodies)
    ]


def _bodies(record: Mapping[str, Any], lost: Lost) -> list[Message]:
    role, parts = record["role"], _parts(record)
    name = record.get("name")
    if not (name is None or isinstance(name, str)):
        raise InvalidInput("its name is no text")
    match role:
        case "system":
            return [Message(role="system", content=_text(parts))]
        case "user" | "summary":
            return [Message(role="user", content=_shown(parts, lost), name=name)]
        case "assistant":
            return [_said(record, parts, lost)]
        case "tool" | "function":
            return _returns(record, parts, lost)
        case "approval":
            if record.get("tool_calls"):
                return [_said(record, parts, lost)]
            answered = [one for one in record.get("approvals") or [] if "status" in one]
            lost["answers to requests for approval"] += not answered
            return [_return(one, lost) for one in answered]
    raise InvalidInput(f"there is no role {str(role)[:64]!r}; roles are {', '.join(ROLES)}")


def _parts(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = record.get("content")
    if not content and isinstance(record.get("text"), str):  # before messages had parts
        content = record["text"]
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    parts = list(content or [])
    if not all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in parts):
        raise InvalidInput("its content is neither a text nor a list of parts")
    return parts


def _text(parts: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(_str(part["text"]) for part in parts if part["type"] == "text")


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"it has a {type(value).__name__} where a text belongs")
    return value


def _shown(parts: Sequence[Mapping[str, Any]], lost: Lost) -> str | list[Part]:
    """What a person said: a text, or texts and images."""
    found: list[Part] = []
    for part in parts:
        if part["type"] == "text":
            found.append(TextPart(_str(part["text"])))
        elif part["type"] == "image" and (image := _image(part["source"])) is not None:
            found.append(image)
        else:
            lost[f"parts of the kind {part['type'][:64]}"] += 1
    if len(found) == 1 and isinstance(found[0], TextPart):
        return found[0].text
    return found


def _image(source: Mapping[str, Any]) -> ImagePart | None:
    """None for an image that only the other server can show."""
    if isinstance(source.get("url"), str):
        return ImagePart(url=source["url"])
    if isinstance(source.get("data"), str):
        return ImagePart(data=source["data"], media_type=_str(source.get("media_type") or "image/png"))
    return None


def _said(record: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], lost: Lost) -> Message:
    reasoning: list[str] = []
    signature = None
    calls = [_call_of(call) for call in record.get("tool_calls") or []]
    for part in parts:
        match part["type"]:
            case "text":
                pass
            case "reasoning":
                reasoning.append(_str(part["reasoning"]))
                signature = part.get("signature") or signature
            case "summarized_reasoning":
                reasoning += [_str(one["text"]) for one in part.get("summary") or []]
            case "tool_call":
                if all(call.id != part["id"] for call in calls):
                    arguments = msgspec.json.encode(part.get("input") or {}).decode()
                    calls.append(ToolCall(_str(part["id"]), _str(part["name"]), arguments))
            case other:  # encrypted by a provider for itself, or unknown
                lost[f"parts of the kind {other[:64]}"] += 1
    return Message(
        role="assistant",
        content=_text(parts) or None,
        tool_calls=calls,
        reasoning="\n".join(reasoning) or None,
        reasoning_signature=signature if isinstance(signature, str) else None,
    )


def _call_of(call: Mapping[str, Any]) -> ToolCall:
    function, extra = call["function"], call.get(EXTRA) or {}
    if not isinstance(extra, dict):
        raise InvalidInput(f"{EXTRA} of its call is no object")
    return ToolCall(_str(call["id"]), _str(function["name"]), _str(function.get("arguments") or ""), extra)


def _returns(record: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], lost: Lost) -> list[Message]:
    returns = record.get("tool_returns") or []
    texts = [_str(part["text"]) for part in parts if part["type"] == "text"]
    texts += [_str(part["content"]) for part in parts if part["type"] == "tool_return"]
    if len(returns) > 1:
        # What its model was shown of each, if that can be told apart, else what the tools gave.
        shown = texts if len(texts) == len(returns) else [None] * len(returns)
        return [_return(one, lost, text) for one, text in zip(returns, shown, strict=True)]
    status = returns[0].get("status") if returns else None
    call_id = record.get("tool_call_id") or (returns[0].get("tool_call_id") if returns else None)
    call_id = call_id or next((part.get("tool_call_id") for part in parts if part["type"] == "tool_return"), None)
    text = "\n".join(texts) or (_response(returns[0], lost) if returns else "")
    failed = status == "error" or any(part.get("is_error") is True for part in parts)
    return [Message(role="tool", content=text, tool_call_id=_str(call_id or ""), is_error=failed)]


def _return(one: Mapping[str, Any], lost: Lost, shown: str | None = None) -> Message:
    text = _response(one, lost) if shown is None else shown
    call_id = _str(one.get("tool_call_id") or "")
    return Message(role="tool", content=text, tool_call_id=call_id, is_error=one.get("status") == "error")


def _response(one: Mapping[str, Any], lost: Lost) -> str:
    said = one.get("func_response")
    said = one.get("tool_return") if said is None else said
    if said is None or isinstance(said, str):
        return said or ""
    texts = [_str(part["text"]) for part in said if part.get("type") == "text"]
    lost["images that tools gave"] += len(said) - len(texts)
    return "\n".join(texts)
