"""One step under way, and the records it becomes: messages of its results, calls, the event that says it is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kelpie.agents.rules.ruling import Ruling, reminder
from kelpie.agents.turn import heartbeats
from kelpie.agents.turn.calls import INTERRUPTED_TEXT, Prepared
from kelpie.agents.turn.scene import Scene
from kelpie.agents.turn.stream import Provisional, RunStream
from kelpie.events import StepEnded
from kelpie.tools.tool import Outcome
from kelpie.trajectories.records import Call, CallState, Step, StopReason, StoredMessage
from umi.storage import Changes
from umi.wire.types import Delta, Message, Reply, ToolCall

# A call's outcome and how long it took, in ms.
Performed = tuple[Outcome, float]
EXPIRED_TEXT = "the call was not made: nobody answered in time whether it may be"
WITHDRAWN_TEXT = "the call was not made: the user cancelled the request, so it was denied"
NOT_MADE_TEXT = "the call was not made: the run ended before it came to that"
UNWRITTEN_TEXT = "the memory this tool writes is being changed by too many writers at once; nothing was changed"
UNRECORDED_TEXT = "(what this call wanted to record conflicts with what others record; of that nothing was stored)"


@dataclass(slots=True)
class Work:
    """One step: its record, what it adds to the history, and the calls it makes.

    reply      None if the step makes calls of an earlier one, now that they are answered; `assistant` made them
    """

    scene: Scene
    step: Step
    reply: Reply | None
    incoming: list[StoredMessage]
    assistant: StoredMessage
    prepared: list[Prepared]
    base: Changes  # what commits with the reply, whatever its calls come to
    contents: Changes = field(default_factory=Changes)  # of these, what was sent and received
    ruling: Ruling | None = None
    audited: dict[int, str] = field(default_factory=dict)  # ids of audit rows that were begun, by the call's number

    def next(self, outcomes: Sequence[Performed], max_steps: int) -> tuple[StopReason | None, list[Message]]:
        """Why the run ends with this step, or None if it goes on; then also what the model is told before."""
        stop = self._stop(outcomes)
        if stop in ("end_turn", "tool_rule") and self.ruling is not None:
            missing = self.ruling.missing(self.prepared)
            if missing and not self.ruling.may_remind:
                return "tool_rule", []
            if missing:
                return ("max_steps", []) if self.step.number >= max_steps else (None, [reminder(missing)])
        return stop or ("max_steps" if self.step.number >= max_steps else None), []

    def _stop(self, outcomes: Sequence[Performed]) -> StopReason | None:
        if not self.prepared:
            return "max_tokens_exceeded" if self.reply is not None and self.reply.finish == "length" else "end_turn"
        agent, now_ms = self.scene.agent, self.step.started_at_ms
        made = [(prepared, outcome) for prepared, (outcome, _) in zip(self.prepared, outcomes, strict=True)]
        if any(heartbeats.ends(agent, prepared, outcome, now_ms) for prepared, outcome in made):
            return "end_turn"
        if self.ruling is not None and any(
            self.ruling.ends_turn(prepared.call.name) and not outcome.is_error for prepared, outcome in made
        ):
            return "tool_rule"
        return "end_turn" if heartbeats.are_over(agent, made, now_ms) else None

    def result_bodies(self, outcomes: Sequence[Performed]) -> list[Message]:
        """A message per call, in order, then what the tools said to the user."""
        bodies = [
            Message(
                role="tool",
                content=outcome.text,
                tool_call_id=prepared.call.id,
                name=prepared.call.name,
                is_error=outcome.is_error,
            )
            for prepared, (outcome, _) in zip(self.prepared, outcomes, strict=True)
        ]
        return bodies + [Message(role="assistant", content=outcome.says) for outcome, _ in outcomes if outcome.says]

    def call(self, prepared: Prepared, performed: Performed | None = None, result_id: str | None = None) -> Call:
        """The call's record: an intent, or with its outcome."""
        outcome, duration_ms = performed or (None, 0.0)
        return Call(
            tenant=self.step.tenant,
            step_id=self.step.id,
            run_id=self.step.run_id,
            agent_id=self.step.agent_id,
            number=prepared.number,
            tool_call_id=prepared.call.id,
            tool=prepared.call.name,
            arguments=prepared.call.arguments,
            state="intent" if outcome is None else "done",
            result_message_id=result_id,
            is_error=outcome is not None and outcome.is_error,
            level=outcome.level if outcome else "",
            stdout=outcome.stdout if outcome else [],
            stderr=outcome.stderr if outcome else [],
            duration_ms=duration_ms,
        )


def unwritten(kept: Performed | None) -> Performed:
    """What a call came to whose changes lost to other writers every time: they are left out, so that the step ends."""
    if kept is None:
        return Outcome(UNWRITTEN_TEXT, is_error=True), 0.0
    outcome, duration_ms = kept
    if not outcome.changes:
        return kept
    lost = replace(
        outcome, text=f"{outcome.text}\n{UNRECORDED_TEXT}", is_error=True, changes=Changes(), ends_turn=False
    )
    return lost, duration_ms


def interrupted_body(call: Call) -> Message:
    return Message(role="tool", content=INTERRUPTED_TEXT, tool_call_id=call.tool_call_id, name=call.tool, is_error=True)


def not_made_body(call: ToolCall, state: CallState | None) -> Message:
    """What the model reads of a call that waited for an answer and was not made."""
    text = {"expired": EXPIRED_TEXT, "withdrawn": WITHDRAWN_TEXT}.get(state or "", NOT_MADE_TEXT)
    return Message(role="tool", content=text, tool_call_id=call.id, name=call.name, is_error=True)


def step_ended(step: Step) -> StepEnded:
    return StepEnded(
        tenant=step.tenant,
        agent_id=step.agent_id,
        run_id=step.run_id,
        step_id=step.id,
        model=step.model,
        prompt_tokens=step.usage.prompt_tokens,
        completion_tokens=step.usage.completion_tokens,
        model_duration_ms=step.model_duration_ms,
        duration_ms=step.model_duration_ms,
        outcome="error" if step.state == "failed" else "ok",
        error=step.error["kind"] if step.error else "",
    )


@dataclass(frozen=True, slots=True)
class Publish:
    """Passes the pieces of a reply on to whoever watches the run."""

    stream: RunStream
    message_id: str
    step_id: str
    thinks: bool

    def __call__(self, delta: Delta) -> None:
        self.stream.publish(Provisional(self.message_id, self.step_id, delta, self.stream.run.attempt, self.thinks))
