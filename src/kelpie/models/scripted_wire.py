"""The scripted model as a provider: requests of both wires in, bytes of both wires out.

`ScriptedProvider.answer` is what scripted_server puts on a socket and what MemoryTransport takes as its function, so
that a simulation runs the same parsing, streaming and error mapping as production, without a network.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from kelpie.errors import ModelError
from kelpie.models.scripted import Script, error_body_of, pieces_of, script_of
from umi.dst import Host
from umi.wire import Response
from umi.wire.encoding import UNREADABLE
from umi.wire.memory import Sent
from umi.wire.types import Message, Request, SampledToken, ToolCall, ToolSpec

_encode = msgspec.json.encode

_LISTED = (
    ("scripted", 128_000),
    ("gpt-4o-mini", 128_000),
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_047_576),
    ("small", 8_192),
)
_STOP_REASON = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}


class ScriptedProvider:
    """Answers POST …/chat/completions, POST …/messages and GET …/models; anything else is a 404.

    script_of  what a request is answered with; a simulation bends it
    """

    def __init__(self, host: Host, script_of: Callable[[Request], Script] = script_of) -> None:
        self._host = host
        self._script_of = script_of

    async def answer(self, sent: Sent) -> Response:
        path = sent.url.partition("?")[0].rstrip("/")
        if sent.method == "GET" and path.endswith("/models"):
            return _json(200, _encode({"object": "list", "data": [_listed(*model) for model in _LISTED]}))
        if sent.method != "POST" or not path.endswith(("/chat/completions", "/messages")):
            return _json(404, _encode({"error": {"message": f"no route {sent.method} {path}", "type": "not_found"}}))
        try:
            body = msgspec.json.decode(sent.body, type=dict[str, Any])
            anthropic = path.endswith("/messages")
            request = request_of_anthropic(body) if anthropic else request_of_openai(body)
        except (*UNREADABLE, KeyError, TypeError, AttributeError) as error:
            return _json(400, _encode({"error": {"message": f"no such request: {error!r}", "type": "bad_request"}}))
        script = self._script_of(request)
        if script.delay_ms:
            await self._host.clock.sleep(script.delay_ms)
        return self._scripted(script, request.model, anthropic=anthropic, streamed=bool(body.get("stream")))

    def _scripted(self, script: Script, model: str, *, anthropic: bool, streamed: bool) -> Response:
        if script.error_status is not None:
            response = _json(script.error_status, error_body_of(script))
            # Clients that retry shall not slow tests down.
            return Response(script.error_status, {**response.headers, "retry-after-ms": "1"}, response.chunks)
        reply_id = self._host.ids.new("reply")
        if not streamed:
            if script.garbage:
                return _json(200, b"<html><body>This is no reply.</body></html>", "text/html")
            whole = (anthropic_whole if anthropic else openai_whole)(script, model, reply_id)
            return _json(200, whole) if script.cut_after_events is None else _cut(whole)
        events = (anthropic_events if anthropic else openai_events)(script, model, reply_id)
        if script.garbage:
            events = [b"data: {this is no JSON\n\n"]
        elif script.cut_after_events is not None:
            events = events[: script.cut_after_events]
        return Response(200, {"content-type": "text/event-stream"}, self._paced(events, script.pace_ms))

    async def _paced(self, events: Sequence[bytes], pace_ms: int) -> AsyncIterator[bytes]:
        if not pace_ms:
            yield b"".join(events)
            return
        for event in events:
            yield event
            await self._host.clock.sleep(pace_ms)


def request_of_openai(body: dict[str, Any]) -> Request:
    """As much of a chat completions body as scripts look at. Raises KeyError or TypeError for what isn't one."""
    messages = [
        Message(
            role=_ROLES.get(message["role"], "user"),
            content=_text(message.get("content")),
            tool_calls=[
                ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
                for call in message.get("tool_calls") or ()
            ],
            tool_call_id=message.get("tool_call_id"),
        )
        for message in body["messages"]
    ]
    tools = [_tool(tool["function"], "parameters") for tool in body.get("tools") or () if tool["type"] == "function"]
    choice = body.get("tool_choice") or "auto"
    named = choice if isinstance(choice, str) else choice["function"]["name"]
    return Request(
        model=body.get("model", ""),
        messages=messages,
        tools=tools,
        tool_choice=named,
        logprobs=bool(body.get("logprobs")),
        token_ids=bool(body.get("return_token_ids")),
    )


_ROLES: dict[str, Any] = {role: role for role in ("system", "user", "assistant", "tool")} | {"developer": "system"}


def request_of_anthropic(body: dict[str, Any]) -> Request:
    """As much of a messages body as scripts look at. Raises KeyError or TypeError for what isn't one."""
    system = _text(body.get("system"))
    messages = [Message(role="system", content=system)] if system else []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if block["type"] == "tool_result":
                result = Message(role="tool", content=_text(block.get("content")), tool_call_id=block["tool_use_id"])
                messages.append(result)
        calls = [
            ToolCall(block["id"], block["name"], _encode(block["input"]).decode())
            for block in blocks
            if block["type"] == "tool_use"
        ]
        text = _text(blocks)
        if text or calls:
            messages.append(Message(role=_ROLES[message["role"]], content=text, tool_calls=calls))
    tools = [_tool(tool, "input_schema") for tool in body.get("tools") or ()]
    choice = body.get("tool_choice") or {"type": "auto"}
    named = {"any": "required"}.get(choice["type"], choice.get("name") or choice["type"])
    return Request(model=body.get("model", ""), messages=messages, tools=tools, tool_choice=named)


def openai_whole(script: Script, model: str, reply_id: str) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": script.text}
    if script.reasoning:
        message["reasoning_content"] = script.reasoning
    if script.tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in script.tool_calls
        ]
    logprobs = None if script.sampled is None else {"content": script.sampled}
    choice = {"index": 0, "message": message, "finish_reason": script.finish, "logprobs": logprobs}
    head: dict[str, Any] = {"id": reply_id, "object": "chat.completion", "created": 0, "model": model}
    if script.prompt_token_ids is not None:
        head["prompt_token_ids"] = script.prompt_token_ids
    return _encode({**head, "choices": [choice], "usage": _openai_usage(script)})


def openai_events(script: Script, model: str, reply_id: str) -> list[bytes]:
    head = {"id": reply_id, "object": "chat.completion.chunk", "created": 0, "model": model}

    def event(delta: dict[str, Any], finish: str | None = None, *, token: SampledToken | None = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
        if token is not None:
            choice["logprobs"] = {"content": [token]}
        return b"data: " + _encode({**head, "choices": [choice]}) + b"\n\n"

    sampled = iter(script.sampled or ())
    events = [event({"role": "assistant", "content": None})]
    for piece in pieces_of(script):
        if piece.kind == "text":
            events.append(event({"content": piece.text}, token=next(sampled, None)))
        elif piece.kind == "reasoning":
            events.append(event({"reasoning_content": piece.text}))
        else:
            call: dict[str, Any] = {"index": piece.index, "function": {"arguments": piece.arguments}}
            if piece.tool_name is not None:
                call |= {"id": piece.tool_call_id, "type": "function"}
                call["function"]["name"] = piece.tool_name
            events.append(event({"tool_calls": [call]}))
    events.append(event({}, script.finish))
    events.append(b"data: " + _encode({**head, "choices": [], "usage": _openai_usage(script)}) + b"\n\n")
    return [*events, b"data: [DONE]\n\n"]


def anthropic_whole(script: Script, model: str, reply_id: str) -> bytes:
    content: list[dict[str, Any]] = []
    if script.reasoning:
        content.append({"type": "thinking", "thinking": script.reasoning, "signature": "c2NyaXB0ZWQ="})
    if script.text:
        content.append({"type": "text", "text": script.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": _arguments(call)} for call in script.tool_calls
    ]
    head = {"id": reply_id, "type": "message", "role": "assistant", "model": model}
    stop = {"stop_reason": _STOP_REASON[script.finish], "stop_sequence": None}
    return _encode({**head, "content": content, **stop, "usage": _anthropic_usage(script)})


def anthropic_events(script: Script, model: str, reply_id: str) -> list[bytes]:
    """One content block for the reasoning, one for the text, one for each call."""
    usage = _anthropic_usage(script)
    message = {"id": reply_id, "type": "message", "role": "assistant", "model": model, "content": []}
    events = [_named("message_start", message={**message, "stop_reason": None, "usage": {**usage, "output_tokens": 1}})]
    events.append(_named("ping"))
    open_block: tuple[str, int] | None = None
    index = -1
    for piece in pieces_of(script):
        if open_block != (piece.kind, piece.index):
            if open_block is not None:
                events += _close_block(index, open_block[0])
            open_block, index = (piece.kind, piece.index), index + 1
            begin = _BEGIN_BLOCK[piece.kind]
            if piece.kind == "tool_call":
                begin = {**begin, "id": piece.tool_call_id, "name": piece.tool_name, "input": {}}
            events.append(_named("content_block_start", index=index, content_block=begin))
        if piece.text or piece.arguments:
            kind, field = _GROW_BLOCK[piece.kind]
            delta = {"type": kind, field: piece.text or piece.arguments}
            events.append(_named("content_block_delta", index=index, delta=delta))
    if open_block is not None:
        events += _close_block(index, open_block[0])
    stop = {"stop_reason": _STOP_REASON[script.finish], "stop_sequence": None}
    events.append(_named("message_delta", delta=stop, usage={"output_tokens": usage["output_tokens"]}))
    return [*events, _named("message_stop")]


_BEGIN_BLOCK: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": ""},
    "reasoning": {"type": "thinking", "thinking": "", "signature": ""},
    "tool_call": {"type": "tool_use"},
}
_GROW_BLOCK = {
    "text": ("text_delta", "text"),
    "reasoning": ("thinking_delta", "thinking"),
    "tool_call": ("input_json_delta", "partial_json"),
}


def _close_block(index: int, kind: str) -> list[bytes]:
    events = [_named("content_block_stop", index=index)]
    if kind == "reasoning":
        signature = {"type": "signature_delta", "signature": "c2NyaXB0ZWQ="}
        events.insert(0, _named("content_block_delta", index=index, delta=signature))
    return events


def _named(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + _encode({"type": kind, **fields}) + b"\n\n"


def _arguments(call: ToolCall) -> Any:
    """This API has no way to send malformed arguments in a whole message."""
    try:
        return msgspec.json.decode(call.arguments)
    except UNREADABLE:
        return {"malformed": call.arguments}


def _openai_usage(script: Script) -> dict[str, Any]:
    prompt, completion = script.usage.prompt_tokens, script.usage.completion_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": script.usage.cached_prompt_tokens or 0},
    }


def _anthropic_usage(script: Script) -> dict[str, Any]:
    cached = script.usage.cached_prompt_tokens or 0
    return {
        "input_tokens": script.usage.prompt_tokens - cached,
        "output_tokens": script.usage.completion_tokens,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": 0,
    }


def _tool(tool: dict[str, Any], schema_field: str) -> ToolSpec:
    return ToolSpec(tool["name"], tool.get("description") or "", tool.get(schema_field) or {})


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")


def _listed(name: str, context_tokens: int) -> dict[str, Any]:
    sizes = {"max_model_len": context_tokens, "context_length": context_tokens}
    return {"id": name, "object": "model", "created": 0, "owned_by": "kelpie", **sizes}


def _json(status: int, body: bytes, content_type: str = "application/json") -> Response:
    async def once() -> AsyncIterator[bytes]:
        yield body

    return Response(status, {"content-type": content_type, "content-length": str(len(body))}, once())


def _cut(body: bytes) -> Response:
    """A body announced whole whose connection dies half way."""

    async def half() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        raise ModelError("connection", "the scripted model cut its answer, as it was told")

    return Response(200, {"content-type": "application/json", "content-length": str(len(body))}, half())
