"""What goes to a model and what comes back, in words both wires share.

The structs are frozen: a Message that was sent is the Message that was stored.
"""

from collections.abc import Callable
from typing import Any, Literal

import msgspec


class TextPart(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image", tag_field="type"):
    """Either a URL, or base64 data with its media type."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None


Part = TextPart | ImagePart


class ToolCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """`arguments` is the raw JSON text the model wrote; it may be malformed. `extra` holds fields a provider wants
    back unchanged with the next request (for example a thought signature). `asked`: it waited for somebody's answer;
    of no concern to a provider."""

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = {}
    asked: bool = False


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    tool_calls: list[ToolCall] = []
    tool_call_id: str | None = None  # role "tool": the call this answers
    name: str | None = None  # role "tool": the tool's name; role "user": the sender
    is_error: bool = False  # role "tool"
    reasoning: str | None = None  # role "assistant"
    reasoning_signature: str | None = None
    thinks_in_calls: bool = False  # role "assistant": what it thought is an argument of its calls
    by_turn: bool = False  # role "user": said to the model by the turn itself, and shown to nobody else

    @property
    def text(self) -> str:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as a model sees it. `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


class Request(msgspec.Struct, frozen=True):
    model: str  # the provider's own name, without our handle's prefix
    messages: list[Message]
    tools: list[ToolSpec] = []
    tool_choice: str = "auto"  # "auto", "none", "required", or a tool's name
    parallel_tool_calls: bool = True
    max_output_tokens: int | None = None
    temperature: float | None = None
    response_format: dict[str, Any] | None = None
    logprobs: bool = False
    token_ids: bool = False  # ask for prompt and reply token ids where the backend has them (vLLM)
    extra: dict[str, Any] = {}  # body fields of the provider's own, sent as they are


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one model call. None means the provider did not say."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_prompt_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class Delta(msgspec.Struct, frozen=True):
    """A piece of a reply as it arrives. For a tool call, `index` tells parallel calls apart; the first delta of a
    call has its id and name, later ones add to `arguments`."""

    kind: Literal["text", "reasoning", "tool_call"]
    text: str = ""
    index: int = 0
    tool_call_id: str | None = None
    tool_name: str | None = None
    arguments: str = ""


class LikelyToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token that could have stood at a place, and how likely it was there. `bytes` are its own, where the backend
    gives them: a character may take several tokens."""

    token: str = ""
    logprob: float = 0.0
    bytes: list[int] | None = None


class SampledToken(LikelyToken, frozen=True, omit_defaults=True):
    """A token of a reply, with its number in the model's vocabulary where the backend names it, and with those that
    were likeliest at its place."""

    id: int | None = None
    top_logprobs: list[LikelyToken] | None = None


class Reply(msgspec.Struct, frozen=True):
    """A finished reply. `raw_request` is the exact body that was sent, in segments that repeat from call to call
    (one per message), and `raw_response` the exact bytes that came back."""

    text: str | None
    tool_calls: list[ToolCall]
    finish: Literal["stop", "length", "tool_calls", "content_filter"]
    usage: Usage
    model: str  # as the provider named it
    reasoning: str | None = None
    reasoning_signature: str | None = None
    raw_request: list[bytes] = []
    raw_response: bytes = b""
    prompt_token_ids: list[int] | None = None
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    sampled: list[SampledToken] | None = None  # the same tokens, with all that was said of them
    provider_request_id: str | None = None

    def as_message(self) -> Message:
        return Message(
            role="assistant",
            content=self.text,
            tool_calls=self.tool_calls,
            reasoning=self.reasoning,
            reasoning_signature=self.reasoning_signature,
        )


OnDelta = Callable[[Delta], None]
