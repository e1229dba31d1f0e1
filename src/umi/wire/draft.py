"""A reply while it grows: what arrives is collected and passed on, piece by piece."""

from typing import Any, Literal

from umi.dst import Host
from umi.wire.types import Delta, OnDelta, ToolCall

Finish = Literal["stop", "length", "tool_calls", "content_filter"]


def agreeing(finish: Finish, calls: list[ToolCall]) -> Finish:
    """Some servers say "stop" after calls, and some "tool_calls" after none."""
    if finish in ("stop", "tool_calls"):
        return "tool_calls" if calls else "stop"
    return finish


class DraftCall:
    """A tool call whose arguments still arrive. `index` is its place among the reply's calls, `sent_id` the id as the
    provider wrote it, which may be empty or used twice."""

    __slots__ = ("arguments", "extra", "id", "index", "name", "sent_id")

    def __init__(self, index: int, call_id: str, sent_id: str, name: str) -> None:
        self.index, self.id, self.sent_id, self.name = index, call_id, sent_id, name
        self.arguments: list[str] = []
        self.extra: dict[str, Any] = {}


class Draft:
    """`pieces` counts what has gone out to `on_delta`: after the first, a call must not be repeated."""

    def __init__(self, host: Host, on_delta: OnDelta | None) -> None:
        self._host = host
        self._on_delta = on_delta
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self.calls: list[DraftCall] = []
        self.pieces = 0

    @property
    def text(self) -> str | None:
        return "".join(self._text) or None

    @property
    def reasoning(self) -> str | None:
        return "".join(self._reasoning) or None

    def add_text(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._pass_on(Delta(kind="text", text=text))

    def add_reasoning(self, text: str) -> None:
        if text:
            self._reasoning.append(text)
            self._pass_on(Delta(kind="reasoning", text=text))

    def start_call(self, sent_id: str, name: str) -> DraftCall:
        """A new call. A missing id is made up and one that was seen before made unique: results are matched by it."""
        call_id = sent_id or self._host.ids.new("call")
        if any(call.id == call_id for call in self.calls):
            call_id = f"{call_id}-{len(self.calls)}"
        call = DraftCall(len(self.calls), call_id, sent_id, name)
        self.calls.append(call)
        self._pass_on(Delta(kind="tool_call", index=call.index, tool_call_id=call.id, tool_name=name))
        return call

    def add_arguments(self, call: DraftCall, arguments: str) -> None:
        if arguments:
            call.arguments.append(arguments)
            self._pass_on(Delta(kind="tool_call", index=call.index, arguments=arguments))

    def finished_calls(self) -> list[ToolCall]:
        """A call without any arguments gets `{}`: that is what models mean by sending none."""
        return [ToolCall(call.id, call.name, "".join(call.arguments) or "{}", call.extra) for call in self.calls]

    def _pass_on(self, delta: Delta) -> None:
        if self._on_delta is not None:
            self.pieces += 1
            self._on_delta(delta)
