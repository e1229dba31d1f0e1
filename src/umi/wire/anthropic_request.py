"""A Request as the body of a messages call, in segments.

Segments: the head (model and tools), the system prompt, one per message, the tail. Consecutive messages of one role
become one message of several blocks, as the API wants it; the cut between segments runs inside that message, so that
each segment still depends only on its own content and on the role before it (see openai_request.py for why).
"""

import re
from typing import Any

import msgspec

from umi import limits
from umi.errors import InvalidInput, ModelError
from umi.wire.encoding import UNREADABLE, encode
from umi.wire.quirks import Quirks
from umi.wire.types import ImagePart, Message, Part, Request, TextPart, ToolCall, ToolSpec

_OURS = frozenset({"model", "messages", "tools", "system", "stream"})
_EPHEMERAL = {"type": "ephemeral"}
_ID_REFUSED = re.compile(r"[^A-Za-z0-9_-]")


def anthropic_segments(request: Request, quirks: Quirks, *, streamed: bool) -> list[bytes]:
    """The body in pieces; their concatenation is what is sent. Raises InvalidInput if `request.extra` names a field
    that is ours to set, ModelError("bad_request") for a response format this API doesn't have."""
    taken = _OURS & request.extra.keys()
    if taken:
        raise InvalidInput(f"the request's extra fields may not set {', '.join(sorted(taken))}")
    segments = [_head(request, quirks)]
    system = _system(request.messages, quirks)
    if system:
        segments.append(b',"system":' + encode(system))
    segments.append(b',"messages":[')
    open_role = ""
    for role, blocks in _turns(request.messages):
        encoded = b",".join([encode(block) for block in blocks])
        if role == open_role:
            segments.append(b"," + encoded)
        else:
            close = b"]}," if open_role else b""
            segments.append(close + b'{"role":"' + role.encode() + b'","content":[' + encoded)
            open_role = role
    close = b"]}]," if open_role else b"],"
    segments.append(close + encode(_tail(request, streamed=streamed))[1:])
    return segments


def _head(request: Request, quirks: Quirks) -> bytes:
    head = b'{"model":' + encode(request.model)
    if not request.tools:
        return head
    tools = [_tool(tool) for tool in request.tools]
    if quirks.cache_prompt:
        tools[-1]["cache_control"] = _EPHEMERAL
    return head + b',"tools":' + encode(tools)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}


def _system(messages: list[Message], quirks: Quirks) -> list[dict[str, Any]]:
    """Every system message, wherever it stands. The cache mark goes on the last of those before the conversation
    begins: later ones come and go."""
    blocks: list[dict[str, Any]] = []
    leading, still_leading = 0, True
    for message in messages:
        if message.role == "system":
            if message.text.strip():
                blocks.append({"type": "text", "text": message.text})
                leading += still_leading
        else:
            still_leading = False
    if leading and quirks.cache_prompt:
        blocks[leading - 1]["cache_control"] = _EPHEMERAL
    return blocks


def _turns(messages: list[Message]) -> list[tuple[str, list[dict[str, Any]]]]:
    """(role, blocks) of each message that has any. The API wants the user to begin: where history was cut in front
    of an assistant's message, a line that says so stands in."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        match message.role:
            case "assistant":
                blocks = _assistant(message)
                if blocks and not turns:
                    turns.append(("user", [{"type": "text", "text": "(the conversation continues)"}]))
                if blocks:
                    turns.append(("assistant", blocks))
            case "tool":
                turns.append(("user", [_result(message)]))
            case "user":
                blocks = _content(message.content)
                turns.append(("user", blocks or [{"type": "text", "text": "(an empty message)"}]))
    return turns


def _assistant(message: Message) -> list[dict[str, Any]]:
    text = _content(message.content)
    uses = [_use(call) for call in message.tool_calls]
    signature = message.reasoning_signature
    if not signature:
        return text + uses  # reasoning without a signature is another provider's, and would be refused
    order = _order_in(signature)
    if order is None:
        return [{"type": "thinking", "thinking": message.reasoning or "", "signature": signature}, *text, *uses]
    return _interleaved(order, text, uses)


def _order_in(signature: str) -> list[Any] | None:
    """The list `AnthropicReader` makes of several thinking blocks; a plain signature is base64 and no JSON list."""
    try:
        return msgspec.json.decode(signature, type=list[Any])
    except UNREADABLE:
        return None


def _interleaved(order: list[Any], text: list[dict[str, Any]], uses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put blocks back where they stood: dicts are thinking blocks, strings mark the others' places."""
    blocks: list[dict[str, Any]] = []
    text_left, uses_left = list(text), list(uses)
    for item in order:
        if isinstance(item, dict):
            blocks.append(item)
        elif item == "text":
            blocks += text_left
            text_left = []
        elif uses_left:
            blocks.append(uses_left.pop(0))
    return blocks + text_left + uses_left


def _use(call: ToolCall) -> dict[str, Any]:
    """`input` must be an object: arguments the model got wrong go back as what they were, visibly."""
    try:
        arguments = msgspec.json.decode(call.arguments)
    except UNREADABLE:
        arguments = None
    well_formed = isinstance(arguments, dict)
    given = msgspec.Raw(call.arguments.encode()) if well_formed else {"malformed_arguments": call.arguments}
    return {**call.extra, "type": "tool_use", "id": _id(call.id), "name": call.name, "input": given}


def _result(message: Message) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "tool_result",
        "tool_use_id": _id(message.tool_call_id or ""),
        "content": _content(message.content),
    }
    if message.is_error:
        block["is_error"] = True
    return block


def _id(call_id: str) -> str:
    """Ids of other providers may hold characters this one refuses; call and result are changed alike."""
    return _ID_REFUSED.sub("_", call_id)


def _content(content: str | list[Part] | None) -> list[dict[str, Any]]:
    """Blocks, without empty texts: the API refuses them."""
    parts = content if isinstance(content, list) else [TextPart(content or "")]
    return [
        {"type": "text", "text": part.text} if isinstance(part, TextPart) else _image(part)
        for part in parts
        if not isinstance(part, TextPart) or part.text.strip()
    ]


def _image(part: ImagePart) -> dict[str, Any]:
    if part.url:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    media_type = part.media_type or "image/png"
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": part.data or ""}}


def _tail(request: Request, *, streamed: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"max_tokens": request.max_output_tokens or limits.WIRE_OUTPUT_TOKENS_DEFAULT}
    if request.tools:
        choice = _tool_choice(request.tool_choice)
        if not request.parallel_tool_calls and choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
        if choice != {"type": "auto"}:
            fields["tool_choice"] = choice
    if request.temperature is not None:
        fields["temperature"] = request.temperature
    if request.response_format is not None and request.response_format.get("type") != "text":
        fields["output_config"] = {"format": _format(request.response_format)}
    extra = dict(request.extra)
    if isinstance(extra.get("output_config"), dict) and "output_config" in fields:
        extra["output_config"] = {**fields["output_config"], **extra["output_config"]}
    fields.update(extra)
    if streamed:
        fields["stream"] = True
    return fields


def _tool_choice(choice: str) -> dict[str, Any]:
    match choice:
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
        case _:
            return {"type": "tool", "name": choice}


def _format(response_format: dict[str, Any]) -> dict[str, Any]:
    """OpenAI's `{"type": "json_schema", "json_schema": {"schema": …}}` in this API's shape."""
    described = response_format.get("json_schema")
    if response_format.get("type") != "json_schema" or not isinstance(described, dict) or "schema" not in described:
        raise ModelError(
            "bad_request",
            f"Anthropic has no response format {response_format.get('type')!r}; give a json_schema with its schema",
        )
    return {"type": "json_schema", "schema": described["schema"]}
