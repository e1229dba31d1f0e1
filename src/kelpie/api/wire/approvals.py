"""Answers to tool calls that wait, and tools that a client runs itself, as clients send them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from kelpie.agents import limits as agent_limits
from kelpie.api import limits
from kelpie.api.bounds import check_json_bytes
from kelpie.errors import InvalidInput, NotServed
from kelpie.tools import limits as tool_limits
from kelpie.trajectories.records import Answer
from umi.wire.types import ToolSpec

CallId = Annotated[str, Field(min_length=1, max_length=limits.CALL_ID_CHARS_MAX)]
Lines = Annotated[list[str], Field(max_length=limits.OUTPUT_LINES_MAX)]


class ReturnPart(BaseModel):
    type: Literal["text", "image"] = "text"
    text: str = ""


class ApprovalReturn(BaseModel):
    type: Literal["approval"] = "approval"
    tool_call_id: CallId
    approve: bool
    reason: str | None = Field(default=None, max_length=limits.REASON_CHARS_MAX)

    def answer(self) -> Answer:
        return Answer(tool_call_id=self.tool_call_id, is_approved=self.approve, reason=self.reason or "")


class ToolReturn(BaseModel):
    type: Literal["tool"] = "tool"
    tool_call_id: CallId
    tool_return: str | list[ReturnPart]
    status: Literal["success", "error"]
    stdout: Lines | None = None
    stderr: Lines | None = None

    def answer(self) -> Answer:
        text = self.tool_return
        if not isinstance(text, str):
            if any(part.type == "image" for part in text):
                raise NotServed("images in what a tool returns are not served; return text")
            text = "\n".join(part.text for part in text)
        if len(text) > tool_limits.TOOL_RETURN_CHARS_MAX:
            raise InvalidInput(
                f"what call '{self.tool_call_id}' returned has {len(text):,} characters;"
                f" at most {tool_limits.TOOL_RETURN_CHARS_MAX:,} are taken"
            )
        return Answer(
            tool_call_id=self.tool_call_id,
            is_approved=True,
            result=text,
            is_error=self.status == "error",
            stdout=self.stdout or [],
            stderr=self.stderr or [],
        )


class ApprovalCreate(BaseModel):
    """`approvals`; or, as older clients write it, one word for all that waits."""

    type: Literal["approval"]
    approvals: list[Annotated[ApprovalReturn | ToolReturn, Field(discriminator="type")]] | None = Field(
        default=None, max_length=agent_limits.TURN_CALLS_PER_STEP_MAX
    )
    approve: bool | None = None
    approval_request_id: str | None = Field(default=None, max_length=limits.CALL_ID_CHARS_MAX)
    reason: str | None = Field(default=None, max_length=limits.REASON_CHARS_MAX)
    otid: str | None = Field(default=None, max_length=limits.SENDER_CHARS_MAX)

    def answers(self) -> list[Answer]:
        """Raises InvalidInput, NotServed."""
        if self.approvals:
            return [one.answer() for one in self.approvals]
        if self.approve is None:
            raise InvalidInput("an approval has 'approvals', one for each tool call that waits, or 'approve' for all")
        return [Answer(request_id=self.approval_request_id, is_approved=self.approve, reason=self.reason or "")]


class ToolReturnCreate(BaseModel):
    type: Literal["tool_return"]
    tool_returns: list[ToolReturn] = Field(min_length=1, max_length=agent_limits.TURN_CALLS_PER_STEP_MAX)
    otid: str | None = Field(default=None, max_length=limits.SENDER_CHARS_MAX)

    def answers(self) -> list[Answer]:
        return [one.answer() for one in self.tool_returns]


class ClientTool(BaseModel):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = Field(default=None, max_length=limits.DESCRIPTION_CHARS_MAX)
    parameters: dict[str, Any] | None = None

    def spec(self) -> ToolSpec:
        parameters = self.parameters or {"type": "object", "properties": {}}
        check_json_bytes(
            f"the parameters of the client's tool '{self.name}'", parameters, limits.AGENT_EXTRAS_BYTES_MAX
        )
        if parameters.get("type", "object") != "object":
            raise InvalidInput(f"the parameters of the client's tool '{self.name}' are a JSON schema of type object")
        if not isinstance(parameters.get("properties", {}), dict) or not isinstance(
            parameters.get("required", []), list
        ):
            raise InvalidInput(f"the parameters of the client's tool '{self.name}' list 'properties' and 'required'")
        return ToolSpec(self.name, self.description or "", {"type": "object", **parameters})


def specs(given: list[ClientTool]) -> tuple[ToolSpec, ...]:
    """Raises InvalidInput, LimitExceeded."""
    names = [one.name for one in given]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput(f"client_tools have names of their own; used more than once: {', '.join(twice)}")
    return tuple(one.spec() for one in given)
