"""What the model is shown: a stable prefix, then as much history as the token budget holds.

The prefix (system prompt, core blocks, tools) is the same text as long as the agent and its blocks are: that is what
a provider's prompt cache pays back. Anything that changes with every message comes after it.
"""

import datetime as dt
import zoneinfo
from collections.abc import Sequence

import msgspec

from kelpie.agents import limits
from kelpie.agents.agent import Agent
from kelpie.errors import ModelError
from kelpie.models.model import ModelCard
from umi.entity import Block
from umi.wire.types import Message, Request, ToolSpec

CHARS_PER_TOKEN = 4  # the usual estimate for English text; budgets leave room for its error
MESSAGE_OVERHEAD_TOKENS = 8
MEMORY_PLACE = "{CORE_MEMORY}"


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


def system_prompt(agent: Agent, blocks: Sequence[Block], now_ms: int) -> str:
    """The system message. The date changes once a day, so the prefix does too."""
    memory = render_blocks(blocks)
    text = agent.system.replace(MEMORY_PLACE, memory) if MEMORY_PLACE in agent.system else f"{agent.system}\n\n{memory}"
    today = dt.datetime.fromtimestamp(now_ms / 1000, _timezone(agent.timezone)).strftime("%A, %Y-%m-%d")
    metadata = f"- AGENT_ID: {agent.id}\n- Today is {today} ({agent.timezone})"
    return f"{text.strip()}\n\n<memory_metadata>\n{metadata}\n</memory_metadata>"


def _timezone(name: str) -> dt.tzinfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return dt.UTC


def estimate_tokens(message: Message) -> int:
    """A rough count, on the high side for prose. Usage from the provider is what is billed and stored."""
    chars = len(message.text) + len(message.reasoning or "")
    chars += sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return chars // CHARS_PER_TOKEN + MESSAGE_OVERHEAD_TOKENS


def compile_request(
    agent: Agent,
    blocks: Sequence[Block],
    tools: Sequence[ToolSpec],
    history: Sequence[Message],
    card: ModelCard,
    now_ms: int,
) -> Request:
    """The request for the next step: prefix, then the newest part of `history` that fits.

    Raises ModelError("context_overflow") if the prefix and the newest message alone are too large.
    """
    system = Message(role="system", content=system_prompt(agent, blocks, now_ms))
    window = agent.context_window_tokens or card.context_window_tokens
    output_max = min(agent.output_tokens_max or card.output_tokens_max, card.output_tokens_max)
    reserved = min(output_max, int(window * limits.OUTPUT_TOKENS_RESERVED_SHARE))
    tools_tokens = sum(len(msgspec.json.encode(spec)) for spec in tools) // CHARS_PER_TOKEN
    budget = window - reserved - tools_tokens - estimate_tokens(system)
    kept = fit(history, budget)
    if not kept:
        raise ModelError(
            "context_overflow",
            f"the system prompt, its memory blocks and tools leave no room for a message in the model's window of"
            f" {window:,} tokens: shorten blocks, detach tools or raise the agent's context window",
        )
    return Request(
        model=card.name,
        messages=[system, *kept],
        tools=list(tools),
        parallel_tool_calls=agent.parallel_tool_calls,
        max_output_tokens=agent.output_tokens_max,
        temperature=agent.temperature,
    )


def fit(history: Sequence[Message], budget_tokens: int) -> list[Message]:
    """The newest messages within the budget. It never begins with a tool's result: its call must be in view."""
    start, used = len(history), 0
    while start > 0:
        used += estimate_tokens(history[start - 1])
        if used > budget_tokens:
            break
        start -= 1
    while start < len(history) and history[start].role == "tool":
        start += 1
    return list(history[start:])
