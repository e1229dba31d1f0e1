"""PlannerModel: a model like any other, one request in and one reply out, made by rules instead of weights."""

import msgspec

from kelpie.analyst.planner.deciding import decide
from kelpie.analyst.planner.knowledge import Library
from kelpie.analyst.planner.moves import CallTool
from umi.dst import Host
from umi.wire.openai_request import openai_segments
from umi.wire.quirks import Quirks
from umi.wire.types import Delta, OnDelta, Reply, Request, ToolCall, Usage

_CHARS_PER_TOKEN = 4  # nothing is tokenised here; usage is an estimate, as for budgets everywhere else
_DELTA_CHARS = 60


class PlannerModel:
    """Implements kelpie.models.model.Model. The same request gets the same reply, but for the id of a tool call."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._library = Library()

    async def reply(self, request: Request, on_delta: OnDelta | None = None) -> Reply:
        """Raises NumberWithoutSource rather than show a number that no result holds."""
        decision = decide(request, self._library)
        text, calls = None, []
        if isinstance(decision, CallTool):
            arguments = msgspec.json.encode(decision.arguments).decode()
            calls = [ToolCall(id=self._host.ids.new("call"), name=decision.name, arguments=arguments)]
        else:
            text = decision.text
        if on_delta is not None:
            _stream(text, calls, on_delta)
        # What a language model would have been sent, in the same form: a trajectory is read alike whoever planned it.
        segments = openai_segments(request, Quirks(), streamed=on_delta is not None)
        raw = msgspec.json.encode({"text": text, "tool_calls": calls})
        return Reply(
            text=text,
            tool_calls=calls,
            finish="tool_calls" if calls else "stop",
            usage=Usage(
                prompt_tokens=sum(map(len, segments)) // _CHARS_PER_TOKEN,
                completion_tokens=len(raw) // _CHARS_PER_TOKEN,
            ),
            model=request.model,
            raw_request=segments,
            raw_response=raw,
        )


def _stream(text: str | None, calls: list[ToolCall], on_delta: OnDelta) -> None:
    """The reply in pieces, broken between words."""
    for index, call in enumerate(calls):
        on_delta(Delta("tool_call", index=index, tool_call_id=call.id, tool_name=call.name, arguments=call.arguments))
    rest = text or ""
    while rest:
        cut = rest.find(" ", _DELTA_CHARS) + 1 or len(rest)
        on_delta(Delta("text", text=rest[:cut]))
        rest = rest[cut:]
