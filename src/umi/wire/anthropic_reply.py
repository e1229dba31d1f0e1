"""What a messages server answers, streamed or whole, as a Reply."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from umi.dst import Host
from umi.errors import ModelError
from umi.wire.draft import Draft, DraftCall, Finish, agreeing
from umi.wire.encoding import UNREADABLE
from umi.wire.faults import fault_of_error, odd_answer
from umi.wire.sse import SseEvent
from umi.wire.types import OnDelta, Reply, Usage

T = TypeVar("T")


class _Block(msgspec.Struct):
    """A content block, and a delta to one: no two kinds use a field for different things."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: list[_Block] | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    type: str | None = None
    error: Any = None


class _Stop(msgspec.Struct):
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: msgspec.Raw = msgspec.Raw()
    usage: _Usage | None = None
    error: Any = None


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_message = msgspec.json.Decoder(_Message).decode
_decode_block = msgspec.json.Decoder(_Block).decode
_decode_stop = msgspec.json.Decoder(_Stop).decode

_FINISH: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Thought:
    """A thinking block that still arrives, or a redacted one."""

    __slots__ = ("data", "signature", "text")

    def __init__(self, data: str = "") -> None:
        self.text: list[str] = []
        self.signature: list[str] = []
        self.data = data

    def as_block(self) -> dict[str, str]:
        if self.data:
            return {"type": "redacted_thinking", "data": self.data}
        return {"type": "thinking", "thinking": "".join(self.text), "signature": "".join(self.signature)}


class AnthropicReader:
    def __init__(self, origin: str, key: str, host: Host, model: str, on_delta: OnDelta | None) -> None:
        self.draft = Draft(host, on_delta)
        self.closed = False
        self._origin, self._key, self._model = origin, key, model
        self._open: dict[int, DraftCall | _Thought | None] = {}  # by block index; None for text and unknown kinds
        self._order: list[_Thought | Literal["text", "tool_use"]] = []
        self._began = False
        self._stop_reason: str | None = None
        self._usage = _Usage()
        self._id: str | None = None

    @property
    def complete(self) -> bool:
        return self.closed or self._stop_reason is not None

    def event(self, event: SseEvent) -> None:
        self._take(self._decoded(_decode_event, event.data), event.data)

    def whole(self, body: bytes) -> None:
        message = self._decoded(_decode_message, body)
        if message.error or message.type == "error":
            raise fault_of_error(self._origin, message.error, body, key=self._key)
        if message.content is None or message.stop_reason is None:
            raise self._odd("a message without content or stop_reason", body)
        self._begin(message)
        for index, block in enumerate(message.content):
            self._start(index, block)
        self._stop_reason = message.stop_reason
        self.closed = True

    def reply(self, raw_request: list[bytes], raw_response: bytes, request_id: str | None) -> Reply:
        if not self._began:
            raise self._odd("no message", raw_response)
        calls = self.draft.finished_calls()
        finish = _FINISH.get(self._stop_reason or "", "stop")
        return Reply(
            text=self.draft.text,
            tool_calls=calls,
            finish=agreeing(finish, calls),
            usage=self._usage_in_our_words(),
            model=self._model,
            reasoning=self.draft.reasoning,
            reasoning_signature=self._signature(),
            raw_request=raw_request,
            raw_response=raw_response,
            provider_request_id=request_id or self._id,
        )

    def _take(self, event: _Event, data: bytes) -> None:
        match event.type:
            case "message_start":
                if event.message is None:
                    raise self._odd("a message_start without its message", data)
                self._begin(event.message)
            case "content_block_start":
                if event.content_block is None:
                    raise self._odd("a content_block_start without its block", data)
                self._start(event.index, event.content_block)
            case "content_block_delta":
                self._grow(event.index, self._decoded(_decode_block, event.delta))
            case "message_delta":
                self._stop_reason = self._decoded(_decode_stop, event.delta).stop_reason or self._stop_reason
                if event.usage is not None:
                    self._count(event.usage)
            case "message_stop":
                self.closed = True
            case "error":
                raise fault_of_error(self._origin, event.error, data, key=self._key)
            case _:
                pass  # ping, content_block_stop, and what may be added: the API asks clients to ignore it

    def _decoded(self, decode: Callable[[bytes | msgspec.Raw], T], data: bytes | msgspec.Raw) -> T:
        try:
            return decode(data)
        except UNREADABLE as error:
            raise self._odd(f"no part of a message ({error})", bytes(data)) from None

    def _begin(self, message: _Message) -> None:
        self._began = True
        self._id, self._model = message.id, message.model or self._model
        if message.usage is not None:
            self._count(message.usage)

    def _start(self, index: int, block: _Block) -> None:
        """A block begins. In a whole message it arrives complete, in a stream empty; some proxies mix the two."""
        self._open[index] = None
        match block.type:
            case "text":
                if "text" not in self._order:
                    self._order.append("text")
                self.draft.add_text(block.text)
            case "thinking":
                thought = _Thought()
                self._open[index] = thought
                self._order.append(thought)
                self._think(thought, block)
            case "redacted_thinking":
                self._order.append(_Thought(block.data))
            case "tool_use":
                if not block.name:
                    raise self._odd("a tool call without a name", block.id.encode())
                self._order.append("tool_use")
                call = self._open[index] = self.draft.start_call(block.id, block.name)
                given = bytes(block.input)
                if given and msgspec.json.decode(given):
                    self.draft.add_arguments(call, given.decode())
            case _:
                pass  # blocks of the provider's own server tools

    def _grow(self, index: int, delta: _Block) -> None:
        target = self._open.get(index)
        if delta.type == "text_delta":
            self.draft.add_text(delta.text)
        elif delta.type == "input_json_delta" and isinstance(target, DraftCall):
            self.draft.add_arguments(target, delta.partial_json)
        elif isinstance(target, _Thought):
            self._think(target, delta)

    def _think(self, thought: _Thought, piece: _Block) -> None:
        thought.text.append(piece.thinking)
        thought.signature.append(piece.signature)
        self.draft.add_reasoning(piece.thinking)

    def _signature(self) -> str | None:
        """What proves to the provider that the reasoning is its own, to be kept as it is and sent back.

        For the usual single thinking block at the beginning it is that block's signature. Otherwise it is a JSON
        list of the reply's blocks in their order: thinking blocks as they were, "text" and "tool_use" as marks.
        """
        thoughts = [item for item in self._order if isinstance(item, _Thought)]
        if not thoughts:
            return None
        if thoughts == self._order[:1] and not thoughts[0].data:
            return "".join(thoughts[0].signature) or None
        order = [item.as_block() if isinstance(item, _Thought) else item for item in self._order]
        return msgspec.json.encode(order).decode()

    def _count(self, usage: _Usage) -> None:
        """Later figures replace earlier ones: they are totals, and the last event has the final ones."""
        for field in _Usage.__struct_fields__:
            value = getattr(usage, field)
            if value is not None:
                setattr(self._usage, field, value)

    def _usage_in_our_words(self) -> Usage:
        """This API counts cached tokens beside the input's; we count them among the prompt's, as others do."""
        usage = self._usage
        read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
        return Usage(
            prompt_tokens=(usage.input_tokens or 0) + (read or 0) + (written or 0),
            completion_tokens=usage.output_tokens or 0,
            cached_prompt_tokens=read,
            cache_write_tokens=written,
        )

    def _odd(self, what: str, raw: bytes) -> ModelError:
        return odd_answer(self._origin, what, raw, key=self._key)
