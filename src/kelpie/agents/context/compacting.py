"""What a compaction summarises and what stays, and how the summary is asked for. Pure: no store, no model.

Where a conversation no longer fits its window, the oldest of it is summarised by a model. The summary is a message of
the history that says which positions it stands for; what the model is shown begins with it from then on. Nothing is
deleted, a call is never parted from its result, and what the model has not answered yet always stays.

    sliding_window   the oldest part is summarised; what is newer, up to a share of the window, stays word for word
    all              everything is summarised that the model has answered
    self_compact_…   the same, asked of the agent's own model at the end of the very request it knows (a provider's
                     prompt cache has it), not of a summariser that is given a transcript
"""

from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec

from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.context.context import CHARS_PER_TOKEN, estimate_tokens, fit, text_tokens
from kelpie.models.model import ModelCard
from kelpie.trajectories.records import Compacted
from umi.wire.types import Message, Request, ToolSpec

Mode = Literal["sliding_window", "all", "self_compact_sliding_window", "self_compact_all"]
Trigger = Literal["post_step_context_check", "context_window_exceeded", "manual"]

PROMPT = (
    "You summarise a conversation between a user and an agent, so that the agent can go on without reading it again."
    " Say what the user wants and has said of themselves, what was decided, what was done with which result (names,"
    " numbers and ids word for word), what failed, and what is still open. What an earlier summary says and still"
    " holds goes into yours. Write plain sentences, the latest state last, and nothing that was not said."
)
SELF_PROMPT = (
    "The conversation above is about to leave your view. Write the summary with which you will go on without it: what"
    " the user wants and has said of themselves, what was decided, what was done with which result (names, numbers and"
    " ids word for word), what failed, and what is still open. Call no tool; answer with the summary and nothing else."
)
ACKNOWLEDGEMENT = "I will answer with the summary of the conversation that I am given, and nothing else."
_CLIPPED = " […] "
_SELF = "self_compact_"


class ModelSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is acted on of a summariser's model settings."""

    temperature: float | None = None
    max_output_tokens: int | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an agent's conversations are compacted.

    model                      handle of the summariser; None, or one that nobody serves: the agent's own
    prompt                     instead of ours
    prompt_acknowledgement     the summariser is shown as having agreed to answer with nothing else
    clip_chars                 of the summary; None: what its share of the window holds
    sliding_window_percentage  the share of the window's room for messages that stays word for word
    """

    mode: Mode = "sliding_window"
    model: str | None = None
    model_settings: ModelSettings | None = None
    prompt: str | None = None
    prompt_acknowledgement: bool = False
    clip_chars: int | None = limits.COMPACTION_CLIP_CHARS_DEFAULT
    sliding_window_percentage: float = limits.COMPACTION_KEPT_SHARE_DEFAULT


# Of agents that were given none. Of the modes that keep what is newest word for word it makes models read least anew
# (docs/benchmarks.md): the agent's own model has the conversation in its cache. Where it fails, the other is tried.
USUAL = Settings(mode="self_compact_sliding_window")


def settings_of(agent: Agent) -> Settings:
    """Those that the agent was given, or the usual ones: also where an agent from elsewhere has some that make no
    sense to us."""
    return read_settings(agent.extras.get("compaction_settings")) or USUAL


def read_settings(given: Any) -> Settings | None:
    """None if they are none."""
    try:
        known = {name: value for name, value in given.items() if value is not None or name == "clip_chars"}
        settings = msgspec.convert(known, Settings, strict=False)
    except (msgspec.ValidationError, AttributeError):
        return None
    return settings if 0 <= settings.sliding_window_percentage <= 1 and (settings.clip_chars or 1) > 0 else None


def attempts(mode: Mode) -> list[Mode]:
    """The modes to try, in order: an agent that can't summarise itself is summarised."""
    return [mode, cast("Mode", mode.removeprefix(_SELF))] if mode.startswith(_SELF) else [mode]


def is_self(mode: Mode) -> bool:
    return mode.startswith(_SELF)


# ---- what stays


def cuts(history: Sequence[Message]) -> list[int]:
    """Where a history may be cut: before which of its messages (or after the last), so that no call stands on one side
    and its result on the other. A call that nobody has answered is open while it is the model's latest word."""
    last_of: dict[str, int] = {}  # the latest message with a call of this id
    until = list(range(len(history)))  # of a message with calls: where the last of their results stands
    newest = -1
    for at, message in enumerate(history):
        if message.role == "assistant":
            newest = at
            last_of |= {call.id: at for call in message.tool_calls}
        elif message.role == "tool" and (called := last_of.get(message.tool_call_id or "")) is not None:
            until[called] = at
    if newest >= 0 and _is_open(history, newest):
        until[newest] = len(history)
    found, reach = [0], -1
    for at in range(1, len(history) + 1):
        reach = max(reach, until[at - 1])
        if reach < at and not (at < len(history) and history[at].role == "tool"):
            found.append(at)
    return found


def _is_open(history: Sequence[Message], at: int) -> bool:
    answered = {message.tool_call_id for message in history[at + 1 :] if message.role == "tool"}
    return any(call.id not in answered for call in history[at].tool_calls)


def unanswered(history: Sequence[Message], incoming: int) -> int:
    """How many of the newest messages the model still has to answer: the run's input, or results and their calls.

    incoming  how many of the newest are the input of a run that has no reply yet
    """
    start = len(history)
    while start > 0 and history[start - 1].role != "assistant":
        start -= 1
    trailing = history[start:]
    if start > 0 and any(message.role == "tool" for message in trailing):
        return max(len(trailing) + 1, incoming)
    return min(incoming, len(history))


def first_kept(history: Sequence[Message], mode: Mode, *, budget_tokens: int, kept_share: float, pending: int) -> int:
    """The number of messages, from the oldest, that are to be summarised; 0 if none can be.

    budget_tokens  what the window holds of messages
    kept_share     of it, or of what there is if that is less, stays in the sliding modes
    pending        of the newest stay in any case
    """
    allowed = [at for at in cuts(history) if 0 < at <= len(history) - pending]
    if not allowed or mode.endswith("all"):
        return allowed[-1] if allowed else 0
    newer = [0] * (len(history) + 1)  # tokens from there on
    for at in range(len(history) - 1, -1, -1):
        newer[at] = newer[at + 1] + estimate_tokens(history[at])
    keep = int(kept_share * min(budget_tokens, newer[0]))
    return next((at for at in allowed if newer[at] <= keep), allowed[-1])


# ---- how it is asked for


def summary_tokens_max(budget_tokens: int) -> int:
    """What a summary may take of the room for messages."""
    return max(limits.COMPACTION_SUMMARY_TOKENS_MIN, int(budget_tokens * limits.COMPACTION_SUMMARY_SHARE_MAX))


def plain_request(
    settings: Settings, card: ModelCard, earlier: str | None, summarised: Sequence[Message], tokens_max: int
) -> tuple[Request, int]:
    """The request to a summariser, and how many of the messages, the oldest, did not fit into it.

    earlier     the summary so far
    tokens_max  of the new one
    """
    prompt = settings.prompt or PROMPT
    room = int(card.context_window_tokens * limits.COMPACTION_TRANSCRIPT_SHARE) - tokens_max - text_tokens(prompt)
    parts = [] if earlier is None else [f"[earlier summary]\n{earlier}"]
    room -= sum(map(text_tokens, parts))
    lines: list[str] = []
    for message in reversed(summarised):
        line = _line(message)
        room -= text_tokens(line) + 1
        if room < 0:
            break
        lines.append(line)
    asked = [Message(role="system", content=prompt)]
    if settings.prompt_acknowledgement:
        asked.append(Message(role="assistant", content=ACKNOWLEDGEMENT))
    asked.append(Message(role="user", content="\n\n".join([*parts, *reversed(lines)])))
    return _request(settings, card, asked, tokens_max), len(summarised) - len(lines)


def self_request(
    settings: Settings,
    card: ModelCard,
    head: Sequence[Message],
    summarised: Sequence[Message],
    tools: Sequence[ToolSpec],
    room_tokens: int,
    tokens_max: int,
) -> tuple[Request, int]:
    """The same asked of the agent itself: the request it knows, up to the cut, then our question.

    head         its system message, and the summary so far as it is shown it, if there is one
    room_tokens  for the messages after the system message
    """
    shown = fit(summarised, room_tokens - sum(map(estimate_tokens, head[1:])))
    question = Message(role="user", content=settings.prompt or SELF_PROMPT)
    return _request(settings, card, [*head, *shown, question], tokens_max, tools), len(summarised) - len(shown)


def _request(
    settings: Settings, card: ModelCard, asked: list[Message], tokens_max: int, tools: Sequence[ToolSpec] = ()
) -> Request:
    own = settings.model_settings or ModelSettings()
    return Request(
        model=card.name,
        messages=asked,
        tools=list(tools),
        tool_choice="none" if tools else "auto",
        max_output_tokens=min(own.max_output_tokens or tokens_max, tokens_max, card.output_tokens_max),
        temperature=own.temperature,
    )


def _line(message: Message) -> str:
    """A message in a transcript. What tools returned is often long, and seldom worth it."""
    text = _middle_out(message.text, limits.COMPACTION_LINE_CHARS_MAX)
    if message.role == "tool":
        return f"[result of {message.name or 'a tool'}{', failed' if message.is_error else ''}]\n{text}"
    calls = "".join(
        f"\n[calls {call.name}] {_middle_out(call.arguments, limits.COMPACTION_LINE_CHARS_MAX)}"
        for call in message.tool_calls
    )
    return f"[{message.role}{f' {message.name}' if message.name else ''}]\n{text}{calls}"


def _middle_out(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    half = max((chars - len(_CLIPPED)) // 2, 0)
    return f"{text[:half]}{_CLIPPED}{text[len(text) - half :]}"


def clipped(text: str, settings: Settings, tokens_max: int) -> str:
    """The summary as it is kept: within what it may take, in characters and in tokens."""
    text = text.strip()[: settings.clip_chars]
    while (tokens := text_tokens(text)) > tokens_max:
        text = text[: min(len(text) * tokens_max // tokens, len(text) - CHARS_PER_TOKEN)]
    return text


def shown(text: str, compacted: Compacted) -> Message:
    """The summary as the model is shown it, at the head of the conversation: the same bytes until the next one."""
    note = (
        f"(The {compacted.messages_hidden:,} messages before this are out of view; conversation_search, if you have it,"
        " finds them word for word. What they came to:)"
    )
    return Message(role="user", content=f"<summary>\n{note}\n{text}\n</summary>")
