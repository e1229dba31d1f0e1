"""Conversations on the wire."""

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.bounds import check_json_bytes
from kelpie.api.ids import pattern
from kelpie.api.wire import model_settings
from kelpie.api.wire.incoming import SendMessages
from kelpie.api.wire.runs import WatchRun
from kelpie.api.wire.times import iso, iso_or_none, moment_ms
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories.records import Conversation, ConversationSettings


class _ConversationFields(BaseModel):
    """Null stands for what the conversation has, or for the agent's."""

    summary: str | None = Field(default=None, max_length=trajectory_limits.CONVERSATION_TEXT_CHARS_MAX)
    description: str | None = Field(default=None, max_length=trajectory_limits.CONVERSATION_TEXT_CHARS_MAX)
    context_window_limit: int | None = Field(default=None, ge=1)
    model: str | None = Field(default=None, min_length=1, max_length=limits.HANDLE_CHARS_MAX)
    model_settings: dict[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """What is given, in our words. Raises InvalidInput, LimitExceeded."""
        given: dict[str, Any] = {
            "summary": self.summary,
            "description": self.description,
            "context_window_tokens": self.context_window_limit,
            "model": self.model,
        }
        if self.model_settings is not None:
            check_json_bytes("model_settings", self.model_settings, limits.AGENT_EXTRAS_BYTES_MAX)
            acted = model_settings.fields(self.model_settings)
            given["settings"] = ConversationSettings(acted, self.model_settings)
        return {name: value for name, value in given.items() if value is not None}


class CreateConversation(_ConversationFields):
    hidden: bool = False
    isolated_block_labels: list[str] | None = Field(default=None, max_length=limits.CONVERSATION_BLOCKS_MAX)


class UpdateConversation(_ConversationFields):
    last_message_at: str | None = None
    archived: bool | None = None

    def applied(self, old: Conversation, now_ms: int) -> Conversation:
        """The conversation as it is to be. Raises InvalidInput, LimitExceeded."""
        fields, said_ms = self.fields(), moment_ms("last_message_at", self.last_message_at)
        if said_ms is not None:
            fields["last_message_at_ms"] = said_ms
        if self.archived is not None:
            fields["archived_at_ms"] = (old.archived_at_ms or now_ms) if self.archived else None
        return msgspec.structs.replace(old, **fields, updated_at_ms=now_ms)


class SendToConversation(SendMessages):
    """As to an agent, but streamed unless it says otherwise. `agent_id`: whose conversation 'default' is meant."""

    agent_id: str | None = Field(default=None, pattern=pattern("agent"))
    streaming: bool = True


class WatchConversation(WatchRun):
    """The run is the newest of the conversation that has not ended, or the one that is named: by its id, or by the otid
    of a message that it took in."""

    agent_id: str | None = Field(default=None, pattern=pattern("agent"))
    run_id: str | None = Field(default=None, pattern=pattern("run"))
    otid: str | None = Field(default=None, min_length=1, max_length=limits.SENDER_CHARS_MAX)


class RecompileConversation(BaseModel):
    """Its settings of compaction are for another route that takes the same body: they change nothing here."""

    agent_id: str | None = Field(default=None, pattern=pattern("agent"))
    compaction_settings: dict[str, Any] | None = None


def conversation(one: Conversation, *, isolated: Sequence[str] = (), in_context: Sequence[str] = ()) -> dict[str, Any]:
    """
    isolated    ids of the blocks it has for itself
    in_context  ids of the messages its model is shown
    """
    return {
        "id": one.id,
        "agent_id": one.agent_id,
        "summary": one.summary,
        "description": one.description,
        "context_window_limit": one.context_window_tokens,
        "archived": one.archived_at_ms is not None,
        "archived_at": iso_or_none(one.archived_at_ms),
        "in_context_message_ids": list(in_context),
        "isolated_block_ids": list(isolated),
        "model": one.model,
        "model_settings": None if one.settings is None else one.settings.given,
        "last_message_at": iso_or_none(one.last_message_at_ms),
        "created_at": iso(one.created_at_ms),
        "updated_at": iso(one.updated_at_ms),
        "created_by_id": None,
        "last_updated_by_id": None,
    }
