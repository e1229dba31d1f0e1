"""What the model is shown: a stable prefix, then as much history as the token budget holds.

The prefix (system prompt, core blocks, tools) is the same text as long as the agent and its blocks are: that is what
a provider's prompt cache pays back. Anything that changes with every message comes after it.
"""

import datetime as dt
import sys
import zoneinfo
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.agents.rules import rules
from kelpie.errors import ModelError
from kelpie.models.model import ModelCard
from umi.entity import Block
from umi.wire.types import ImagePart, Message, Request, ToolSpec

CHARS_PER_TOKEN = 4  # the usual estimate for English text; budgets leave room for its error
# Each UTF-8 byte beyond a character's first adds this much: a Chinese character (3 bytes) comes to one token, a
# Cyrillic letter (2) to five eighths. Counted as English, a Chinese history would overflow the window four times over.
TOKENS_PER_EXTRA_BYTE = 0.375
MESSAGE_OVERHEAD_TOKENS = 8
IMAGE_TOKENS = 1_600  # what providers charge for a large one
MEMORY_PLACE = "{CORE_MEMORY}"
Rewritten = Callable[[str], str]


def render_blocks(blocks: Sequence[Block]) -> str:
    """Core memory as Letta's agents know it: one section per block, named by its label."""
    if not blocks:
        return ""
    sections = []
    for block in blocks:
        flags = "- read_only=true\n" if block.read_only else ""
        sections.append(
            f"<{block.label}>\n<description>\n{block.description or ''}\n</description>\n<metadata>\n{flags}"
            f"- chars_current={len(block.value)}\n- chars_limit={block.limit_chars}\n</metadata>\n"
            f"<value>\n{block.value}\n</value>\n</{block.label}>"
        )
    return (
        "<memory_blocks>\nThe following memory blocks are currently engaged in your core memory unit:\n\n"
        + "\n\n".join(sections)
        + "\n</memory_blocks>"
    )


def system_prompt(agent: Agent, blocks: Sequence[Block], now_ms: int, directories: str = "") -> str:
    """The system message. The date changes once a day, so the prefix does too.

    directories  the agent's folders and open files (see directories.py)
    """
    memory = "\n\n".join(part for part in (render_blocks(blocks), rules.in_words(agent.rules), directories) if part)
    before, place, after = agent.system.partition(MEMORY_PLACE)
    # One place: the same memory shown twice would cost twice, and an edit would seem to apply to one of the two.
    text = f"{before}{memory}{after.replace(MEMORY_PLACE, '')}" if place else f"{agent.system}\n\n{memory}"
    today = dt.datetime.fromtimestamp(now_ms / 1000, _timezone(agent.timezone)).strftime("%A, %Y-%m-%d")
    metadata = f"- AGENT_ID: {agent.id}\n- Today is {today} ({agent.timezone})"
    return f"{text.strip()}\n\n<memory_metadata>\n{metadata}\n</memory_metadata>"


def _timezone(name: str) -> dt.tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC


def text_tokens(text: str) -> int:
    tokens = len(text) // CHARS_PER_TOKEN
    if not text.isascii():
        tokens += int((len(text.encode("utf-8", "replace")) - len(text)) * TOKENS_PER_EXTRA_BYTE)
    return tokens


def estimate_tokens(message: Message) -> int:
    """A rough count, on the high side for prose. Usage from the provider is what is billed and stored."""
    tokens = MESSAGE_OVERHEAD_TOKENS + text_tokens(message.text)
    if message.reasoning:
        tokens += text_tokens(message.reasoning)
    for call in message.tool_calls:
        tokens += text_tokens(call.name) + text_tokens(call.arguments)
    if isinstance(message.content, list):
        tokens += IMAGE_TOKENS * sum(isinstance(part, ImagePart) for part in message.content)
    return tokens


def tools_tokens(tools: Sequence[ToolSpec]) -> int:
    """The same for what the model is told of its tools."""
    return sum(len(msgspec.json.encode(spec)) for spec in tools) // CHARS_PER_TOKEN


def message_chars(message: Message) -> int:
    """What a message takes in memory, roughly."""
    chars = len(message.text) + len(message.reasoning or "") + sum(len(call.arguments) for call in message.tool_calls)
    if isinstance(message.content, list):
        chars += sum(len(part.data or "") for part in message.content if isinstance(part, ImagePart))
    return chars


class Room(NamedTuple):
    """The window of an agent's model: its system message and its tools take `prefix`, and leave `budget` for messages,
    all in tokens."""

    system: Message
    window: int
    prefix: int
    budget: int


def room_of(
    agent: Agent,
    blocks: Sequence[Block],
    tools: Sequence[ToolSpec],
    card: ModelCard,
    now_ms: int,
    directories: str,
    rewritten: Rewritten | None = None,
) -> Room:
    """`directories` as in system_prompt, `rewritten` what makes another text of that. What the reply may take is left
    out of the budget."""
    text = system_prompt(agent, blocks, now_ms, directories)
    return room_beside(
        agent, card, Message(role="system", content=text if rewritten is None else rewritten(text)), tools
    )


def room_beside(agent: Agent, card: ModelCard, system: Message, tools: Sequence[ToolSpec]) -> Room:
    """The same of a system message that was compiled."""
    window = agent.context_window_tokens or card.context_window_tokens
    output_max = min(agent.output_tokens_max or card.output_tokens_max, card.output_tokens_max)
    reserved = min(output_max, int(window * limits.OUTPUT_TOKENS_RESERVED_SHARE))
    prefix = tools_tokens(tools) + estimate_tokens(system)
    return Room(system, window, prefix, window - reserved - prefix)


def compile_request(
    agent: Agent,
    blocks: Sequence[Block],
    tools: Sequence[ToolSpec],
    history: Sequence[Message],
    card: ModelCard,
    now_ms: int,
    *,
    summary: Message | None = None,
    history_tokens_max: int | None = None,
    directories: str = "",
    rewritten: Rewritten | None = None,
) -> Request:
    """The request for the next step: prefix, the summary of what is out of view, the newest part of `history` that
    fits.

    history_tokens_max  less history than the window would hold
    directories         as in system_prompt
    rewritten           as in room_of
    Raises ModelError("context_overflow") if the prefix and the newest message alone are too large, saying which is.
    """
    system, window, prefix, budget = room_of(agent, blocks, tools, card, now_ms, directories, rewritten)
    if history_tokens_max is not None:
        budget = min(budget, history_tokens_max)
    head = [] if summary is None else [summary]
    returns = returns_shown(window)
    kept = fit(history, budget - sum(map(estimate_tokens, head)), returns)
    if head and history and not kept:
        head, kept = [], fit(history, budget, returns)  # what must be answered comes before what is past
    if not kept and (history or budget <= 0):
        raise _overflow(window, prefix, budget, history)
    return Request(
        model=card.name,
        messages=[system, *head, *kept],
        tools=list(tools),
        parallel_tool_calls=agent.parallel_tool_calls,
        max_output_tokens=agent.output_tokens_max,
        temperature=agent.temperature,
    )


def returns_shown(window: int) -> int:
    """Of what a tool returned, the characters that are shown in a window of so many tokens."""
    return max(limits.RETURN_CHARS_SHOWN_MIN, int(window * CHARS_PER_TOKEN * limits.RETURN_WINDOW_SHARE_MAX))


def _overflow(window: int, prefix: int, budget: int, history: Sequence[Message]) -> ModelError:
    newest = estimate_tokens(history[-1]) if history else 0
    if prefix > newest or budget <= 0:
        why = (
            f"the system prompt, its memory blocks and tools take about {prefix:,} tokens and leave no room for a"
            f" message in the model's window of {window:,}: shorten blocks, detach tools or raise the agent's context"
            " window"
        )
    else:
        why = (
            f"the newest message is too long for the model's window of {window:,} tokens, of which {budget:,} are left"
            f" for messages (it takes about {newest:,}): send less at once, or raise the agent's context window"
        )
    return ModelError("context_overflow", why)


def fit(history: Sequence[Message], budget_tokens: int, returns_chars_max: int = sys.maxsize) -> list[Message]:
    """The newest messages within the budget. It never begins with a tool's result: its call must be in view. Of a
    result that is longer than `returns_chars_max` the beginning is shown."""
    start, used = len(history), 0
    shortened: dict[int, Message] = {}
    while start > 0:
        message = history[start - 1]
        if (shown := shortened_return(message, returns_chars_max)) is not message:
            message = shortened[start - 1] = shown
        used += estimate_tokens(message)
        if used > budget_tokens:
            break
        start -= 1
    while start < len(history) and history[start].role == "tool":
        start += 1
    kept = list(history[start:])
    for place, message in shortened.items():
        if place >= start:
            kept[place - start] = message
    return kept


def shortened_return(message: Message, chars_max: int) -> Message:
    """What a tool returned as it is shown; another message as it is."""
    if message.role != "tool" or not isinstance(message.content, str) or len(message.content) <= chars_max:
        return message
    return msgspec.structs.replace(message, content=cut(message.content, chars_max))


def cut(text: str, chars_max: int) -> str:
    """The text, or its beginning with a note of how much is missing."""
    if len(text) <= chars_max:
        return text
    return f"{text[:chars_max]}\n… [cut: the result has {len(text):,} characters, {chars_max:,} are shown]"
