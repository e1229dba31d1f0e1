"""Tool calls of one step: matched to tools, run one after another, and brought to an Outcome whatever happens."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from kelpie.agents.context.context import cut
from kelpie.errors import CallerError, UmiError
from kelpie.events import Events, ToolEnded
from kelpie.tools import audit, limits
from kelpie.tools.tool import Outcome, Tool, ToolContext
from kelpie.trajectories.records import Answer
from umi.wire.encoding import UNREADABLE
from umi.wire.types import ToolCall

INTERRUPTED_TEXT = (
    "interrupted: the server stopped while this call was running. It may or may not have had its effect;"
    " it was not run again."
)
DENIED_TEXT = "the call was not made: it was denied"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call as the model wrote it, with its tool and arguments, or with the reason why it can't run.

    asks       somebody has to answer before it is made; by_client: with what it came to, as the client has the tool
    answer     what somebody said instead of having it made: no, or what it came to
    """

    number: int
    call: ToolCall
    tool: Tool | None
    arguments: dict[str, Any]
    refusal: str | None = None
    asks_on: bool = False  # it asked for another step after it
    asks: bool = False
    by_client: bool = False
    answer: Answer | None = None

    @property
    def is_outside(self) -> bool:
        is_made = self.refusal is None and self.answer is None
        return is_made and self.tool is not None and self.tool.reach == "outside"


def prepare(number: int, call: ToolCall, tools: Mapping[str, Tool]) -> Prepared:
    tool = tools.get(call.name)
    if tool is None:
        known = ", ".join(sorted(tools)) or "none"
        return Prepared(number, call, None, {}, f"no tool named '{call.name}' is attached; attached tools: {known}")
    if len(call.arguments.encode()) > limits.TOOL_ARGUMENTS_BYTES_MAX:
        size = len(call.arguments.encode())
        text = f"the arguments are {size:,} bytes; at most {limits.TOOL_ARGUMENTS_BYTES_MAX:,} are allowed"
        return Prepared(number, call, tool, {}, text)
    try:
        arguments = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except UNREADABLE as error:
        return Prepared(number, call, tool, {}, f"the arguments are not a JSON object: {error}")
    return Prepared(number, call, tool, arguments)


async def run(prepared: Prepared, context: ToolContext, events: Events) -> tuple[Outcome, float]:
    """The call's outcome and its duration in ms. A tool's exception becomes an error the model reads."""
    started_ms = context.host.clock.monotonic_ms()
    outcome, error = await _outcome(prepared, context)
    chars_max = prepared.tool.return_chars_max if prepared.tool is not None else limits.TOOL_RETURN_CHARS_DEFAULT
    outcome = bounded(outcome, chars_max)
    duration_ms = context.host.clock.monotonic_ms() - started_ms
    events.emit(
        ToolEnded(
            tenant=context.tenant,
            agent_id=context.agent_id,
            run_id=context.run_id,
            step_id=context.step_id,
            tool=prepared.call.name if prepared.tool is not None else "unknown",
            level=outcome.level,
            duration_ms=duration_ms,
            outcome="error" if outcome.is_error else "ok",
            error=error,
        )
    )
    return outcome, duration_ms


async def _outcome(prepared: Prepared, context: ToolContext) -> tuple[Outcome, str]:
    if prepared.answer is not None:
        return answered(prepared.answer), ""
    if prepared.refusal is not None or prepared.tool is None:
        return Outcome(prepared.refusal or "", is_error=True), "refused"
    try:
        return await prepared.tool.run(context, prepared.arguments), ""
    except CallerError as error:
        return Outcome(str(error), is_error=True, ran=audit.of_error(error)), error.kind
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # The turn was not cancelled; something the tool waited for was.
        text = f"Error executing function {prepared.call.name}: what it waited for was cancelled"
        return Outcome(text, is_error=True), "cancelled"
    except Exception as error:  # noqa: BLE001 - the tool boundary: whatever a tool raises, the turn goes on
        kind = error.kind if isinstance(error, UmiError) else type(error).__name__
        text = f"Error executing function {prepared.call.name}: {type(error).__name__}: {error}"
        return Outcome(text, is_error=True), kind


def answered(answer: Answer) -> Outcome:
    """What a call came to that somebody denied, or made themselves."""
    if answer.result is None:
        return Outcome(f"{DENIED_TEXT}: {answer.reason}" if answer.reason else DENIED_TEXT, is_error=True)
    return Outcome(
        answer.result,
        is_error=answer.is_error,
        level="client",
        stdout=list(answer.stdout),
        stderr=list(answer.stderr),
    )


def bounded(outcome: Outcome, chars_max: int) -> Outcome:
    """What the tool gave, or the error it raised, as it can be stored and shown."""
    outcome.text = cut(storable(outcome.text), chars_max)
    outcome.says = storable(outcome.says) if outcome.says is not None else None
    outcome.stdout, outcome.stderr = [*map(storable, outcome.stdout)], [*map(storable, outcome.stderr)]
    return outcome


def storable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair: those have no UTF-8, so no store takes them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
