"""An agent spoken to as if it were a model of OpenAI's: chat completions in and out.

The agent has its history, so of the messages those are new that stand after the last one it said itself.
"""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from kelpie.agents.turn import structured
from kelpie.agents.turn.stream import Ended
from kelpie.api import limits
from kelpie.api.ids import UUID_CHARS, pattern
from kelpie.api.wire.incoming import Content, ImageContent, MessageCreate, SendMessages, TextContent
from kelpie.errors import InvalidInput, NotServed
from kelpie.trajectories.records import Run, Step
from umi.wire.types import Message, Reply, Request

_LENGTH = ("max_tokens_exceeded", "context_window_overflow_in_system_prompt", "max_steps")


class ChatPart(BaseModel):
    type: str
    text: str | None = None
    image_url: dict[str, Any] | None = None


class ChatMessage(BaseModel):
    role: str
    content: str | list[ChatPart] | None = None
    name: str | None = Field(default=None, max_length=limits.SENDER_CHARS_MAX)

    def as_letta(self) -> MessageCreate:
        """Raises NotServed, InvalidInput."""
        return MessageCreate(role="user", content=self._content(), name=self.name)

    def _content(self) -> Content:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return [_part(part) for part in self.content]


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatCompletion(BaseModel):
    """`model` is an agent's id. How its model samples is the agent's own matter: temperature and the like are taken
    and change nothing."""

    model: Annotated[str, Field(pattern=pattern("agent"))]
    messages: list[ChatMessage] = Field(min_length=1, max_length=limits.CHAT_MESSAGES_MAX)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1)
    stop: str | list[str] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None

    def sending(self) -> SendMessages:
        """What the agent is sent. Raises InvalidInput, NotServed."""
        for name, is_asked in (("n", (self.n or 1) > 1), ("stop", self.stop), ("tools", self.tools or self.functions)):
            if is_asked:
                raise NotServed(f"'{name}' is not served for an agent: it answers once, by itself, with its own tools")
        said = [number for number, one in enumerate(self.messages) if one.role == "assistant"]
        new = self.messages[said[-1] + 1 :] if said else self.messages
        messages = [one.as_letta() for one in new if one.role == "user"]
        if not messages:
            raise InvalidInput("there is no message of the user after the last one of the assistant")
        return SendMessages(messages=list(messages), stream_tokens=bool(self.stream))

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class Generate(BaseModel):
    """One question to an agent's model, without the agent."""

    prompt: str = Field(min_length=1, max_length=limits.PROMPT_CHARS_MAX)
    system_prompt: str | None = Field(default=None, max_length=limits.PROMPT_CHARS_MAX)
    override_model: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)
    response_schema: dict[str, Any] | None = None

    def request(self, model: str, output_tokens_max: int | None) -> Request:
        """Raises InvalidInput, LimitExceeded for a schema that can't be."""
        system = [Message(role="system", content=self.system_prompt)] if self.system_prompt else []
        schema = self.response_schema
        described = {"type": "json_schema", "json_schema": {"schema": schema}}
        return Request(
            model=model,
            messages=[*system, Message(role="user", content=self.prompt)],
            max_output_tokens=output_tokens_max,
            response_format=None if schema is None else structured.checked_format(described),
        )


def generated(reply: Reply) -> dict[str, Any]:
    used = reply.usage
    return {
        "content": reply.text or "",
        "model": reply.model,
        "usage": {
            "message_type": "usage_statistics",
            "completion_tokens": used.completion_tokens,
            "prompt_tokens": used.prompt_tokens,
            "total_tokens": used.prompt_tokens + used.completion_tokens,
            "step_count": 1,
            "run_ids": None,
            "cached_input_tokens": used.cached_prompt_tokens,
            "cache_write_tokens": used.cache_write_tokens,
            "reasoning_tokens": used.reasoning_tokens,
        },
    }


def _part(part: ChatPart) -> TextContent | ImageContent:
    if part.type == "text" and part.text is not None:
        return TextContent(text=part.text)
    url = (part.image_url or {}).get("url")
    if part.type != "image_url" or not isinstance(url, str):
        raise NotServed(f"a part of the type '{part.type[:40]}' is not served: send text, or an image by its URL")
    if not url.startswith("data:"):
        return ImageContent(type="image", source={"type": "url", "url": url})
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    if not data:
        raise InvalidInput("an image in a data URL is base64: data:image/png;base64,…")
    return ImageContent(type="image", source={"type": "base64", "media_type": kind, "data": data})


def completion(run: Run, ended: Ended, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish(ended.run)}
    return {**_head(run, "chat.completion"), "choices": [choice], "usage": usage(ended.steps)}


def chunk(run: Run, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**_head(run, "chat.completion.chunk"), "choices": [choice]}


def last_chunk(run: Run, steps: list[Step]) -> dict[str, Any]:
    """With the usage, for whoever asked for it."""
    return {**_head(run, "chat.completion.chunk"), "choices": [], "usage": usage(steps)}


def finish(run: Run) -> str:
    return "length" if run.stop_reason in _LENGTH else "stop"


def usage(steps: list[Step]) -> dict[str, int]:
    prompt = sum(step.usage.prompt_tokens for step in steps)
    completion = sum(step.usage.completion_tokens for step in steps)
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _head(run: Run, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{run.id[-UUID_CHARS:]}",
        "object": kind,
        "created": run.created_at_ms // 1000,
        "model": run.agent_id,
    }


def text_of(shown: dict[str, Any]) -> str:
    """What an event or message of ours says to the user, as text."""
    if shown["message_type"] != "assistant_message":
        return ""
    content = shown["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or ())
