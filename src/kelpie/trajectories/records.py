"""The words of a trajectory: messages, runs, steps and calls."""

from typing import Any, Literal

import msgspec

from kelpie.people.speaker import Speaker
from umi.wire.types import Message, Usage

RunStatus = Literal["created", "running", "completed", "failed", "cancelled"]
OPEN_STATUSES: tuple[RunStatus, ...] = ("created", "running")

StopReason = Literal[
    "end_turn",
    "error",
    "llm_api_error",
    "invalid_llm_response",
    "max_steps",
    "max_tokens_exceeded",
    "tool_rule",
    "cancelled",
    "context_window_overflow_in_system_prompt",
]


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of an agent's history. `position` counts from 0 without gaps within an agent."""

    tenant: str
    id: str
    agent_id: str
    position: int
    run_id: str | None
    step_id: str | None
    body: Message
    otid: str | None = None
    created_at_ms: int = 0


class RunInput(msgspec.Struct, frozen=True, kw_only=True):
    """A message as its sender gave it, with the id it will have in the history."""

    id: str
    body: Message
    otid: str | None = None


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sender may set for one run.

    speaker  whom it is for, as the server found when it accepted the run: never what a message or a model says
    fashion  how its sender wants to see its events, in the words of the wire: for whoever takes up its stream again
    """

    max_steps: int = 50
    stream_tokens: bool = False
    background: bool = False
    model: str | None = None  # another handle than the agent's own, for this run
    speaker: Speaker | None = None
    fashion: dict[str, Any] = {}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One turn, from the moment its input was acknowledged. `attempt` counts how often a run whose reply goes out in
    pieces was taken up again: pieces of an earlier attempt that was cut are never mistaken for those of a later one."""

    tenant: str
    id: str
    agent_id: str
    status: RunStatus
    input: list[RunInput]
    options: RunOptions
    stop_reason: StopReason | None = None
    error: dict[str, Any] | None = None  # {"kind", "message"}
    created_at_ms: int = 0
    completed_at_ms: int | None = None
    attempt: int = 0


PieceKind = Literal["text", "reasoning", "tool_call"]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """How a step's reply went out while it was made: in which attempt at its run, and in which pieces. Of each, in
    order: the kind, the number of the tool call, how many characters. The pieces can be cut again from the reply."""

    attempt: int = 0
    cuts: list[tuple[PieceKind, int, int]] = []


Feedback = Literal["positive", "negative"]


class RecalledFact(msgspec.Struct, frozen=True):
    id: str
    score: float


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """What memory added to the context of a turn: the facts the model was shown, best first, with their scores."""

    scope: str
    facts: list[RecalledFact] = []


class RememberedTurn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What memory kept of a turn.

    facts, known, superseded  ids of facts: new ones; those that said the same already; those that ended with the new
    change_id                 takes it all back (umi); None if nothing was new
    refused                   why nothing could be kept, if so
    """

    scope: str
    at_ms: int
    facts: list[str] = []
    known: list[str] = []
    superseded: list[str] = []
    change_id: str | None = None
    refused: str | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One model call. `request` is a list of content hashes whose bodies, joined, are the exact body that was sent;
    `response` the hash of the exact bytes that came back, or None if nothing did. The first step of a run says what
    was recalled for it, and later what was remembered of it; None where memory had no part. `instead_of` is the handle
    that the agent names, where nobody serves it and the configured fallback answered. `feedback` and `tags`
    are what a person says of it afterwards."""

    tenant: str
    id: str
    run_id: str
    agent_id: str
    number: int  # from 1 within the run
    state: Literal["intent", "done", "failed"]
    model: str  # the handle
    provider: str
    provider_type: str
    model_name: str  # as the provider reported it
    model_version: str
    context_window_tokens: int
    finish: str | None = None
    stop_reason: StopReason | None = None
    error: dict[str, Any] | None = None
    usage: Usage = Usage()
    request: list[bytes] = []
    response: bytes | None = None
    provider_request_id: str | None = None
    started_at_ms: int = 0
    model_duration_ms: float = 0.0
    completed_at_ms: int | None = None
    recalled: Recall | None = None
    remembered: RememberedTurn | None = None
    instead_of: str | None = None
    told: Told | None = None
    feedback: Feedback | None = None
    tags: list[str] = []


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One tool call of a step. Written as an intent before it is made when it reaches outside our store."""

    tenant: str
    step_id: str
    run_id: str
    agent_id: str
    number: int  # from 0 within the step
    tool_call_id: str
    tool: str
    arguments: str
    state: Literal["intent", "done", "interrupted"]
    result_message_id: str | None = None
    is_error: bool = False
    level: str = ""  # the isolation it really ran at
    stdout: list[str] = []
    stderr: list[str] = []
    duration_ms: float = 0.0
