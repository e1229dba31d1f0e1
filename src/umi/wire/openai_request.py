"""A Request as the body of a chat completions call, in segments.

Segments: the head (model and tools), one per message, the tail (everything that may differ from call to call). A
segment depends on nothing but its own content and on whether it comes first, so that a conversation which grows by
two messages repeats all the others byte for byte: providers' prompt caches see the same prefix, and a store keyed by
content keeps each once.
"""

import re
from typing import Any

from umi.errors import InvalidInput
from umi.wire.encoding import encode
from umi.wire.quirks import Quirks
from umi.wire.types import ImagePart, Message, Part, Request, TextPart, ToolCall, ToolSpec

_SENDER_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OURS = frozenset({"model", "messages", "tools", "stream", "stream_options"})


def openai_segments(request: Request, quirks: Quirks, *, streamed: bool) -> list[bytes]:
    """The body in pieces; their concatenation is what is sent. Raises InvalidInput if `request.extra` names a field
    that is ours to set."""
    taken = _OURS & request.extra.keys()
    if taken:
        raise InvalidInput(f"the request's extra fields may not set {', '.join(sorted(taken))}")
    head = b'{"model":' + encode(request.model)
    if request.tools:
        head += b',"tools":' + encode([_tool(tool) for tool in request.tools])
    segments = [head + b',"messages":[']
    for message in request.messages:
        encoded = encode(_message(message, quirks))
        segments.append(encoded if len(segments) == 1 else b"," + encoded)
    fields = _tail(request, quirks, streamed=streamed)
    segments.append(b"]," + encode(fields)[1:] if fields else b"]}")
    return segments


def _tail(request: Request, quirks: Quirks, *, streamed: bool) -> dict[str, Any]:
    """Only what differs from the defaults: some models refuse fields they know but don't support."""
    fields: dict[str, Any] = {}
    if request.tools and request.tool_choice != "auto":
        plain = request.tool_choice in ("none", "required")
        named = {"type": "function", "function": {"name": request.tool_choice}}
        fields["tool_choice"] = request.tool_choice if plain else named
    if request.tools and not request.parallel_tool_calls:
        fields["parallel_tool_calls"] = False
    if request.max_output_tokens is not None:
        fields[quirks.max_tokens_field] = request.max_output_tokens
    if request.temperature is not None:
        fields["temperature"] = request.temperature
    if request.response_format is not None:
        fields["response_format"] = request.response_format
    if request.logprobs:
        fields["logprobs"] = True
    if request.token_ids and quirks.token_ids:
        fields["return_token_ids"] = True
    fields.update(request.extra)
    if streamed:
        fields["stream"] = True
        if quirks.stream_usage:
            fields["stream_options"] = {"include_usage": True}
    return fields


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _message(message: Message, quirks: Quirks) -> dict[str, Any]:
    match message.role:
        case "assistant":
            return _assistant(message, quirks)
        case "tool":
            # Tool results are text on this wire; what the tool showed as an image is only named.
            return {"role": "tool", "tool_call_id": message.tool_call_id or "", "content": _text_only(message)}
        case "user":
            fields: dict[str, Any] = {"role": "user", "content": _content(message.content)}
            if message.name and _SENDER_NAME.fullmatch(message.name):
                fields["name"] = message.name
            return fields
        case _:
            return {"role": message.role, "content": message.text}


def _assistant(message: Message, quirks: Quirks) -> dict[str, Any]:
    # Servers refuse an assistant message with neither content nor calls, and some an empty string beside calls.
    fields: dict[str, Any] = {"role": "assistant", "content": message.text or (None if message.tool_calls else "")}
    if quirks.reasoning_field and message.reasoning:
        fields[quirks.reasoning_field] = message.reasoning
    if message.tool_calls:
        fields["tool_calls"] = [_call(call) for call in message.tool_calls]
    return fields


def _call(call: ToolCall) -> dict[str, Any]:
    """Fields we don't know go back where they came from: Google keeps a thought signature in one."""
    function = {"name": call.name, "arguments": call.arguments}
    return {**call.extra, "id": call.id, "type": "function", "function": function}


def _content(content: str | list[Part] | None) -> str | list[dict[str, Any]]:
    if content is None or isinstance(content, str):
        return content or ""
    return [{"type": "text", "text": part.text} if isinstance(part, TextPart) else _image(part) for part in content]


def _image(part: ImagePart) -> dict[str, Any]:
    url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data or ''}"
    return {"type": "image_url", "image_url": {"url": url}}


def _text_only(message: Message) -> str:
    if not isinstance(message.content, list):
        return message.text
    return "\n".join(part.text if isinstance(part, TextPart) else "[an image]" for part in message.content)
