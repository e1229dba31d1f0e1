"""Compaction on the wire: how an agent wants its conversations compacted, and what a summary stands for."""

import datetime as dt
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from kelpie.agents import limits as agent_limits
from kelpie.agents.context.compacting import Mode, shown
from kelpie.api import limits
from kelpie.api.ids import pattern
from kelpie.api.wire.times import iso
from kelpie.errors import CallerError
from kelpie.trajectories.records import Compacted, StoredMessage

_STATS = {
    "context_tokens_before": "tokens_before",
    "context_tokens_after": "tokens_after",
    "context_window": "context_window_tokens",
    "messages_count_before": "messages_before",
    "messages_count_after": "messages_after",
}


class SummariserSettings(BaseModel, extra="allow"):
    """Of the model that writes the summary; others than these are kept and given back."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    max_output_tokens: int | None = Field(default=None, ge=1)


class CompactionSettings(BaseModel, extra="allow"):
    mode: Mode = "sliding_window"
    model: str | None = Field(default=None, max_length=limits.HANDLE_CHARS_MAX)
    model_settings: SummariserSettings | None = None
    prompt: str | None = Field(default=None, min_length=1, max_length=agent_limits.COMPACTION_PROMPT_CHARS_MAX)
    prompt_acknowledgement: bool = False
    clip_chars: int | None = Field(default=agent_limits.COMPACTION_CLIP_CHARS_DEFAULT, ge=1)
    sliding_window_percentage: float = Field(default=agent_limits.COMPACTION_KEPT_SHARE_DEFAULT, ge=0, le=1)

    def kept(self) -> dict[str, Any]:
        """As the agent keeps them, and a run that compacts."""
        kept: dict[str, Any] = self.model_dump()
        if self.model_settings is not None:
            kept["model_settings"] = self.model_settings.model_dump(exclude_unset=True)
        return kept


class Compact(BaseModel):
    """settings  others than the agent's own, this once"""

    compaction_settings: CompactionSettings | None = None

    def settings(self) -> dict[str, Any]:
        return {} if self.compaction_settings is None else self.compaction_settings.kept()


class CompactConversation(Compact):
    """agent_id  whose `default` conversation is meant"""

    agent_id: str | None = Field(default=None, pattern=pattern("agent"))


def response(summary: StoredMessage | None) -> dict[str, Any]:
    """What a compaction came to. Raises CallerError if there was nothing to summarise."""
    if summary is None or summary.compacted is None:
        raise CallerError(
            "there is nothing to summarise: the window holds the summary and what the model has yet to answer"
        )
    return {
        "summary": summary.body.text,
        "num_messages_before": summary.compacted.messages_before,
        "num_messages_after": summary.compacted.messages_after,
    }


def stats(compacted: Compacted) -> dict[str, Any]:
    shown_stats = {name: getattr(compacted, field) for name, field in _STATS.items()}
    return {"trigger": compacted.trigger, **shown_stats}


def event(compacted: Compacted) -> dict[str, Any]:
    """What a client is told that a compaction is about, besides the summary itself."""
    return {
        "trigger": compacted.trigger,
        "mode": compacted.mode,
        "context_token_count": compacted.tokens_before,
        "context_window": compacted.context_window_tokens,
        "messages_summarised": compacted.messages_summarised,
    }


def as_alert(summary: StoredMessage, compacted: Compacted) -> str:
    """The summary as clients know it that have no summary messages: a user's message, with a type of its own in it."""
    alert = {"type": "system_alert", "message": shown(summary.body.text, compacted).text, "time": _time(summary)}
    return msgspec.json.encode(alert).decode()


def _time(summary: StoredMessage) -> str:
    at = dt.datetime.fromtimestamp(summary.created_at_ms / 1000, dt.UTC)
    return at.strftime("%Y-%m-%d %I:%M:%S %p UTC%z")


def link(summary: StoredMessage, ends: tuple[str | None, str | None]) -> dict[str, Any]:
    """A summary and what it stands for: all messages from one to another, both included, in the order they were said.

    ends  the ids of the two; None of one that is gone
    """
    record = summary.compacted
    assert record is not None, "a summary"
    return {
        "id": summary.id,
        "conversation_id": summary.conversation_id or None,
        "run_id": summary.run_id,
        "step_id": summary.step_id,
        "created_at": iso(summary.created_at_ms),
        "summary": summary.body.text,
        "mode": record.mode,
        "first_message_id": ends[0],
        "last_message_id": ends[1],
        "from_position": record.from_position,
        "upto_position": record.upto_position,
        "messages_summarised": record.messages_summarised,
        "messages_unseen": record.unseen,
        "previous_summary_id": record.previous,
        "compaction_stats": stats(record),
    }
