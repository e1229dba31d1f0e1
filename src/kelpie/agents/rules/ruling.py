"""Rules and answers applied to one step: what the model is offered, and what becomes of each of its calls."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from kelpie.agents import limits
from kelpie.agents.context.history import History
from kelpie.agents.rules import rules
from kelpie.agents.rules.rules import Made
from kelpie.agents.turn.calls import Prepared
from kelpie.agents.turn.scene import Scene
from kelpie.trajectories.records import Run, StoredMessage
from umi.wire.encoding import UNREADABLE
from umi.wire.types import Message, Request, ToolCall, ToolSpec

REMINDER = "[This is an automated system message hidden from the user] Before your turn ends you must call: "


class Ruling:
    """
    made      the calls of the turn so far, of an agent that has rules
    reminded  how often it was told so far what it has to call before its end
    """

    def __init__(self, run: Run, history: History, now: Scene, asking: StoredMessage | None = None) -> None:
        """`asking`: the newest message, if the step is to make the calls of that."""
        self._rules = now.agent.rules
        self._now = now
        self._client = {spec.name: spec for spec in run.options.client_tools}
        self._names = list(now.tools) if not self._client else list({**now.tools, **self._client})
        self.made: list[Made] = []
        self.reminded = 0
        if self._rules:
            calls, self.reminded = _so_far(history, run, asking)
            self.made = rules.replay(self._rules, self._names, calls)

    # ---- before the call of the model

    def offered(self) -> list[ToolSpec]:
        """The tools the model is shown: those that may be called now. A client's own stands for one of ours that has
        its name."""
        own = [tool.spec for name, tool in self._now.tools.items() if name not in self._client]
        specs = [*own, *self._client.values()] if self._client else own
        if not self._rules:
            return specs
        allowed = set(rules.allowed(self._rules, self._names, self.made))
        return [spec for spec in specs if spec.name in allowed]

    def applied(self, request: Request) -> Request:
        """The request with what the rules ask of the reply: a call where one must be made; one at a time, where what
        may be called next depends on it."""
        if not self._rules:
            return request
        if request.tools and rules.must_call(self._rules, self._names, self.made):
            request = msgspec.structs.replace(request, tool_choice="required")
        if rules.constrain(self._rules):
            request = msgspec.structs.replace(request, parallel_tool_calls=False)
        return request

    # ---- after it

    def prepared(self, calls: list[ToolCall], prepare: Callable[[int, ToolCall], Prepared]) -> list[Prepared]:
        """The calls of a reply, each with why it can't be made, if so, and whether somebody has to be asked."""
        made, found = list(self.made), list[Prepared]()
        for number, call in enumerate(calls):
            if call.name in self._client:
                one = Prepared(number, call, None, {}, by_client=True)
            else:
                one = prepare(number, call)
            if self._rules and one.refusal is None:
                one = self._ruled(one, made)
            if one.refusal is None:
                made.append(Made(call.name))
                one = replace(one, asks=self._asks(one))
            found.append(one)
        return found

    def _ruled(self, one: Prepared, made: list[Made]) -> Prepared:
        name = one.call.name
        refusal = rules.refusal(self._rules, self._names, made, name)
        # What was asked about is made as it was asked about: it was filled in before.
        filled = {} if refusal or one.call.asked else rules.filled_in(self._rules, made, name)
        if refusal is None and not filled:
            return one
        return replace(
            one, call=_with_arguments(one.call, filled), refusal=refusal, arguments={**one.arguments, **filled}
        )

    def _asks(self, one: Prepared) -> bool:
        by_itself = one.tool is not None and one.tool.needs_approval
        return one.by_client or rules.needs_approval(self._rules, one.call.name, by_itself=by_itself)

    # ---- the end of the turn

    def ends_turn(self, tool: str) -> bool:
        return bool(self._rules) and rules.ends_turn(self._rules, tool)

    def goes_on(self, tool: str) -> bool:
        return bool(self._rules) and rules.goes_on(self._rules, tool)

    def missing(self, prepared: list[Prepared]) -> list[str]:
        """What has to be called before the turn ends, after these calls too."""
        if not self._rules:
            return []
        now = [Made(one.call.name) for one in prepared if one.refusal is None]
        return rules.missing(self._rules, self._names, [*self.made, *now])

    @property
    def may_remind(self) -> bool:
        return self.reminded < limits.EXIT_REMINDERS_MAX


def _with_arguments(call: ToolCall, filled: Mapping[str, Any]) -> ToolCall:
    """The call as it is made, for who is asked about it and for its record."""
    if not filled:
        return call
    try:
        written = msgspec.json.decode(call.arguments or "{}", type=dict[str, Any])
    except UNREADABLE:
        return call  # it is refused for that, or its client reads it
    return msgspec.structs.replace(call, arguments=msgspec.json.encode({**written, **filled}).decode())


def reminder(missing: list[str]) -> Message:
    return Message(role="user", content=f"{REMINDER}{', '.join(missing)}.", by_turn=True)


def _so_far(history: History, run: Run, asking: StoredMessage | None) -> tuple[list[Made], int]:
    """The calls of the turn with what they gave, oldest first, and how often it was reminded. A turn that was answered
    goes on from the run that asked."""
    outputs, calls, reminded = dict[str, str](), list[Made](), 0
    for one in history.newest_first(history.turn_of(run)):
        if one is asking:
            continue
        if one.body.role == "tool":
            outputs[one.body.tool_call_id or ""] = one.body.text
        reminded += one.body.by_turn
        for call in reversed(one.body.tool_calls):
            calls.append(Made(call.name, outputs.get(call.id)))
    return calls[::-1], reminded
