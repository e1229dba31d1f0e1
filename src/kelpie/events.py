"""The one seam through which the house says what happened.

Rooms emit; logs, traces and metrics listen (kelpie.server.telemetry). An event carries names, sizes, durations and
outcomes, never contents: no prompt, no argument, no result and no secret belongs in one.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

Outcome = Literal["ok", "error", "cancelled", "interrupted", "fenced", "refused"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str = ""
    agent_id: str = ""
    run_id: str = ""
    duration_ms: float = 0.0
    outcome: Outcome = "ok"
    error: str = ""  # the class of what went wrong, in snake_case


class StepEnded(Event, frozen=True, kw_only=True):
    """One model call and its tool calls are durable, or failed."""

    step_id: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_duration_ms: float = 0.0


class ToolEnded(Event, frozen=True, kw_only=True):
    step_id: str
    tool: str
    level: str = ""  # the isolation it really ran at


class RunEnded(Event, frozen=True, kw_only=True):
    stop_reason: str


class CommitGroupEnded(Event, frozen=True, kw_only=True):
    commits: int


class ActivationChanged(Event, frozen=True, kw_only=True):
    actor: str
    change: Literal["activated", "deactivated", "dropped"]
    live: int  # activations in this silo after the change


class QueueChanged(Event, frozen=True, kw_only=True):
    """Messages accepted by this silo and not yet begun."""

    waiting: int


class RequestEnded(Event, frozen=True, kw_only=True):
    """One HTTP request. `route` is the template, never the path with its ids."""

    method: str
    route: str
    status: int


Listener = Callable[[Event], None]


class Events:
    """Fans an event out to listeners, in the order they subscribed, on the caller's stack: listeners must be quick."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
