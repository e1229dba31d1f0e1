"""The words of a trajectory: messages, runs, steps and calls."""

from typing import Any, Literal

import msgspec

from kelpie.people.speaker import Speaker
from umi.wire.types import Message, SampledToken, ToolSpec, Usage

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
    "requires_approval",
    "context_window_overflow_in_system_prompt",
]


MAIN = ""  # the id of every agent's own conversation, which is there without a row


class Compacted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a summary stands for: the messages of its conversation from one position to another, both included, that no
    earlier summary stands for. They stay where they are, and are found by search; the window begins at the summary.

    mode, trigger   how it was made, and why (see kelpie.agents.context.compacting)
    previous        the id of the summary before, which went into this one
    unseen          of these messages, the oldest that whoever wrote the summary could not be shown
    messages_…      how many it stands for; how many are out of view in all; how many the window held before and holds
                    since, summaries included
    tokens_…        of the request before, and of the messages since, as estimated
    """

    from_position: int
    upto_position: int
    mode: str
    trigger: str
    messages_summarised: int
    messages_hidden: int
    messages_before: int
    messages_after: int
    tokens_before: int
    tokens_after: int
    context_window_tokens: int
    previous: str | None = None
    unseen: int = 0


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of an agent's history. `position` counts from 0 within an agent, over all of its conversations;
    `conversation_id` is the one it was said in, '' the agent's main one."""

    tenant: str
    id: str
    agent_id: str
    position: int
    run_id: str | None
    step_id: str | None
    body: Message
    otid: str | None = None
    created_at_ms: int = 0
    conversation_id: str = MAIN
    compacted: Compacted | None = None  # of a summary; its body holds the text alone


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody says to a tool call that waits: it may run, it may not and why, or what it came to where they ran
    it themselves.

    tool_call_id  "" for every call that waits
    request_id    the message that asked, if they name it
    result        what it came to; None if it did not run yet
    """

    tool_call_id: str = ""
    request_id: str | None = None
    is_approved: bool = False
    reason: str = ""
    result: str | None = None
    is_error: bool = False
    stdout: list[str] = []
    stderr: list[str] = []

    @property
    def is_final(self) -> bool:
        """Whether the call is not made here any more."""
        return self.result is not None or not self.is_approved


class RunInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message as its sender gave it, with the id it will have in the history. `sender` is the agent that wrote it:
    then nobody takes it for what a person said. One with `answers` is no message: its body is empty, and the history
    has what the calls came to in its place."""

    id: str
    body: Message
    otid: str | None = None
    sender: str | None = None
    answers: list[Answer] = []


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Whose run began another, and by which of its calls; `waits` if that call waits for the answer."""

    agent_id: str
    name: str
    run_id: str
    tool_call_id: str = ""
    waits: bool = False


class Skill(msgspec.Struct, frozen=True):
    """Something that the sender's client can do, as the model is told of it."""

    name: str
    description: str
    location: str


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sender may set for one run.

    speaker  whom it is for, as the server found when it accepted the run: never what a message or a model says
    callers  the agents through which it came here, the first of them first; empty: nobody's run began it
    group_id  the group whose turn it is
    fashion  how its sender wants to see its events, in the words of the wire: for whoever takes up its stream again
    system   what the model is shown in the place of the agent's system message
    thinks   false: the model is not asked to think before it answers
    client_tools  tools that the sender runs: a call of one is handed to it
    response_format  what the answer must be, as the chat completions API says it; None: as the agent has it
    logprobs, top_logprobs, token_ids  keep of each step what the backend says of its tokens
    compact  the run has no input and compacts its conversation, as these settings say; {}: as the agent's do
    """

    max_steps: int = 50
    stream_tokens: bool = False
    background: bool = False
    model: str | None = None  # another handle than the agent's own, for this run
    speaker: Speaker | None = None
    callers: tuple[Caller, ...] = ()
    group_id: str | None = None
    fashion: dict[str, Any] = {}
    system: str | None = None
    skills: tuple[Skill, ...] = ()
    client_tools: tuple[ToolSpec, ...] = ()
    thinks: bool = True
    response_format: dict[str, Any] | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    token_ids: bool = False
    compact: dict[str, Any] | None = None


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
    conversation_id: str = MAIN


class ConversationSettings(msgspec.Struct, frozen=True):
    """How its model is asked: fields of the agent with other values, and what the wire said, to be given back."""

    fields: dict[str, Any] = {}
    given: dict[str, Any] = {}


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One of the conversations of an agent beside its main one. They share its memory, and see nothing of each other.


    model, settings, context_window_tokens  others than the agent's; None: the agent's
    hidden          it is in no list
    archived_at_ms  when somebody put it away, so that lists of those in use leave it out
    """

    tenant: str
    id: str
    agent_id: str
    summary: str | None = None
    model: str | None = None
    settings: ConversationSettings | None = None
    context_window_tokens: int | None = None
    description: str | None = None
    hidden: bool = False
    archived_at_ms: int | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0
    last_message_at_ms: int | None = None


PieceKind = Literal["text", "reasoning", "tool_call"]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """How a step's reply went out while it was made: in which attempt at its run, and in which pieces. Of each, in
    order: the kind, the number of the tool call, how many characters. The pieces can be cut again from the reply."""

    attempt: int = 0
    cuts: list[tuple[PieceKind, int, int]] = []


class Tokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the backend said of the tokens of a model call, where its sender wanted that kept: the numbers of those that
    were sent and of those that came, and of the latter how likely each was. None for what it doesn't say."""

    prompt_ids: list[int] | None = None
    ids: list[int] | None = None
    sampled: list[SampledToken] | None = None


Feedback = Literal["positive", "negative"]
# What a step asks a model for: the next reply, or a summary of the conversation so far.
# Or the step asks no model: it makes the calls of an earlier reply, now that somebody answered.
StepKind = Literal["reply", "compaction", "answered"]


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
    kind: StepKind = "reply"
    tokens: Tokens | None = None


# `waiting` for somebody's answer until it is `answered`, its time is over (`expired`), or it is taken back
# (`withdrawn`). An answered call is made by a step of the run that brought the answer, and has another record there.
CallState = Literal["intent", "done", "interrupted", "waiting", "answered", "expired", "withdrawn"]


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
    state: CallState
    result_message_id: str | None = None
    is_error: bool = False
    level: str = ""  # the isolation it really ran at
    stdout: list[str] = []
    stderr: list[str] = []
    duration_ms: float = 0.0
