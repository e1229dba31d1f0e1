"""Messages to agents as clients send them, turned into a run's input."""

from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field

from kelpie.agents import limits as agent_limits
from kelpie.agents.kinds import SPEAKING_TOOL
from kelpie.agents.turn import structured
from kelpie.api import limits
from kelpie.api.wire.approvals import ApprovalCreate, ClientTool, ToolReturnCreate, specs
from kelpie.api.wire.messages import SPEAKING_ARGUMENT, Fashion
from kelpie.errors import InvalidInput, NotServed
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories.records import RunInput, RunOptions, Skill
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


Incoming = MessageCreate | ApprovalCreate | ToolReturnCreate


class ClientSkill(BaseModel):
    name: str = Field(max_length=limits.SKILL_CHARS_MAX)
    description: str = Field(max_length=limits.SKILL_CHARS_MAX)
    location: str = Field(max_length=limits.SKILL_CHARS_MAX)


class SendMessages(BaseModel):
    """A request to an agent: `messages`, or `input` for one message of the user."""

    messages: list[Incoming] | None = Field(default=None, max_length=trajectory_limits.RUN_INPUT_MESSAGES_MAX)
    input: Content | None = None
    max_steps: int = agent_limits.TURN_STEPS_DEFAULT
    use_assistant_message: bool = True
    include_return_message_types: list[MessageType] | None = None
    assistant_message_tool_name: str = Field(default=SPEAKING_TOOL, max_length=limits.SENDER_CHARS_MAX)
    assistant_message_tool_kwarg: str = Field(default=SPEAKING_ARGUMENT, max_length=limits.SENDER_CHARS_MAX)
    enable_thinking: bool | None = None
    override_model: str | None = None
    override_system: str | None = Field(
        default=None,
        max_length=agent_limits.AGENT_SYSTEM_CHARS_MAX,
        validation_alias=AliasChoices("override_system", "system"),
    )
    response_format: dict[str, Any] | None = None
    return_logprobs: bool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=limits.TOP_LOGPROBS_MAX)
    return_token_ids: bool = False
    client_skills: list[ClientSkill] | None = Field(default=None, max_length=limits.SKILLS_MAX)
    client_tools: list[ClientTool] | None = Field(default=None, max_length=limits.CLIENT_TOOLS_MAX)
    streaming: bool = False
    stream_tokens: bool = False
    include_pings: bool = True
    include_compaction_messages: bool = False
    background: bool = False

    def fashion(self) -> Fashion:
        types = self.include_return_message_types
        summaries: Literal["events", "hidden"] = "events" if self.include_compaction_messages else "hidden"
        return Fashion(
            speaking=self.use_assistant_message,
            tool=self.assistant_message_tool_name,
            argument=self.assistant_message_tool_kwarg,
            types=None if types is None else frozenset(types),
            summaries=summaries,
        )

    def options(self) -> RunOptions:
        return RunOptions(
            max_steps=self.max_steps,
            stream_tokens=self.stream_tokens,
            background=self.background,
            model=self.override_model,
            fashion=self.fashion().kept(),
            system=self.override_system,
            client_tools=specs(self.client_tools or []),
            skills=tuple(Skill(one.name, one.description, one.location) for one in self.client_skills or ()),
            thinks=self.enable_thinking is not False,
            response_format=None if self.response_format is None else structured.checked_format(self.response_format),
            logprobs=self.return_logprobs,
            top_logprobs=self._top_logprobs(),
            token_ids=self.return_token_ids,
        )

    def _top_logprobs(self) -> int | None:
        if self.top_logprobs is not None and not self.return_logprobs:
            raise InvalidInput("top_logprobs needs return_logprobs: set it to true")
        return self.top_logprobs

    def run_input(self, ids: Ids) -> list[RunInput]:
        """Raises InvalidInput, and NotServed for what this server can't do yet."""
        if (self.messages is None) == (self.input is None):
            raise InvalidInput("give either 'messages' or 'input', and not both")
        messages = [MessageCreate(content=self.input)] if self.input is not None else self.messages or []
        return [_run_input(message, ids) for message in messages]


def _run_input(message: Incoming, ids: Ids) -> RunInput:
    if isinstance(message, ApprovalCreate | ToolReturnCreate):
        body, answers = Message(role="user"), message.answers()
        return RunInput(id=ids.new("message"), body=body, otid=message.otid, answers=answers)
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
