"""Messages to agents as clients send them, turned into a run's input."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from kelpie.agents import limits as agent_limits
from kelpie.api import limits
from kelpie.api.wire.messages import Fashion
from kelpie.errors import InvalidInput, NotServed
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories.records import RunInput, RunOptions
from umi.dst import Ids
from umi.wire.types import ImagePart, Message, Part, TextPart

MessageType = Literal[
    "system_message",
    "user_message",
    "assistant_message",
    "reasoning_message",
    "hidden_reasoning_message",
    "tool_call_message",
    "tool_return_message",
    "approval_request_message",
    "approval_response_message",
    "summary_message",
    "event_message",
]


class TextContent(BaseModel):
    type: Literal["text"] = "text"
    text: str


class ImageContent(BaseModel):
    type: Literal["image"]
    source: dict[str, Any]


Content = str | list[TextContent | ImageContent]


class MessageCreate(BaseModel):
    type: Literal["message"] | None = "message"
    role: Literal["user", "system", "assistant"] = "user"
    content: Content
    name: str | None = Field(default=None, max_length=limits.SENDER_CHARS_MAX)
    otid: str | None = Field(default=None, max_length=limits.SENDER_CHARS_MAX)


class OtherInput(BaseModel):
    """An answer to an approval request or a client's tool result: known, and not served yet."""

    type: Literal["approval", "tool_return"]


Incoming = MessageCreate | OtherInput


class SendMessages(BaseModel):
    """A request to an agent: `messages`, or `input` for one message of the user."""

    messages: list[Incoming] | None = Field(default=None, max_length=trajectory_limits.RUN_INPUT_MESSAGES_MAX)
    input: Content | None = None
    max_steps: int = agent_limits.TURN_STEPS_DEFAULT
    use_assistant_message: bool = True
    include_return_message_types: list[MessageType] | None = None
    override_model: str | None = None
    override_system: str | None = None
    client_tools: list[dict[str, Any]] | None = None
    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    background: bool = False

    def fashion(self) -> Fashion:
        types = self.include_return_message_types
        return Fashion(self.use_assistant_message, None if types is None else frozenset(types))

    def options(self) -> RunOptions:
        return RunOptions(
            max_steps=self.max_steps,
            stream_tokens=self.stream_tokens,
            background=self.background,
            model=self.override_model,
            fashion=self.fashion().kept(),
        )

    def run_input(self, ids: Ids) -> list[RunInput]:
        """Raises InvalidInput, and NotServed for what this server can't do yet."""
        if (self.messages is None) == (self.input is None):
            raise InvalidInput("give either 'messages' or 'input', and not both")
        if self.client_tools:
            raise NotServed("client_tools are not served yet; attach server tools instead")
        if self.override_system is not None:
            raise NotServed("override_system is not served yet; change the agent's system prompt instead")
        messages = [MessageCreate(content=self.input)] if self.input is not None else self.messages or []
        return [_run_input(message, ids) for message in messages]


def _run_input(message: Incoming, ids: Ids) -> RunInput:
    if isinstance(message, OtherInput):
        raise NotServed(f"messages of type '{message.type}' are not served yet")
    return RunInput(id=ids.new("message"), body=message_of(message), otid=message.otid)


def message_of(message: MessageCreate) -> Message:
    """Raises InvalidInput, NotServed."""
    content = message.content if isinstance(message.content, str) else [_part(part) for part in message.content]
    if not content:
        raise InvalidInput("a message's content must not be empty")
    return Message(role=message.role, content=content, name=message.name)


def _part(part: TextContent | ImageContent) -> Part:
    if isinstance(part, TextContent):
        return TextPart(text=part.text)
    match part.source:
        case {"type": "url", "url": str(url)}:
            return ImagePart(url=url)
        case {"type": "base64", "data": str(data), "media_type": str(media_type)}:
            return ImagePart(data=data, media_type=media_type)
        case {"type": "letta"}:
            raise NotServed("images by file id are not served yet; send them as base64")
    raise InvalidInput("an image's source is {type: 'url', url} or {type: 'base64', media_type, data}")
