"""Searches of messages: what is asked, and what was found, in the two shapes Letta has for it."""

from typing import Any, Literal, TypedDict

from pydantic import BaseModel, Field

from kelpie.api.ids import CONVERSATION
from kelpie.api.wire.context import whole_message
from kelpie.api.wire.messages import content
from kelpie.api.wire.times import iso, moment_ms
from kelpie.errors import NotServed
from kelpie.trajectories import limits
from kelpie.trajectories.records import StoredMessage

_RANK_AT_ONE = 61  # Letta's scores are reciprocal ranks, counted from 60: of the first 1/61


class Bounds(TypedDict):
    """Of when a message was stored."""

    since_ms: int | None
    until_ms: int | None


class Search(BaseModel):
    """By words. `hybrid` is by words too: nobody embeds messages here."""

    search_mode: Literal["vector", "fts", "hybrid"] = "hybrid"
    agent_id: str | None = None
    conversation_id: str | None = Field(default=None, pattern=CONVERSATION)
    limit: int = Field(default=50, ge=1, le=limits.MESSAGE_SEARCH_RESULTS_MAX)
    start_date: str | None = None
    end_date: str | None = None

    def bounds(self) -> Bounds:
        """Raises InvalidInput, and NotServed for what would find the wrong messages."""
        self.refuse()
        since, until = moment_ms("start_date", self.start_date), moment_ms("end_date", self.end_date)
        return Bounds(since_ms=since, until_ms=until)

    def refuse(self) -> None:
        if self.search_mode == "vector":
            raise NotServed("the search_mode 'vector' is not served: messages are found by their words; use 'fts'")


class SearchAll(Search):
    query: str


class SearchOfAgents(Search):
    """Without a query: the newest."""

    query: str | None = None
    roles: list[Literal["system", "user", "assistant", "tool"]] | None = None
    project_id: str | None = None
    template_id: str | None = None

    def refuse(self) -> None:
        super().refuse()
        for name in ("project_id", "template_id"):
            if getattr(self, name) is not None:
                raise NotServed(f"the filter '{name}' is not served: this server has no projects or templates")


def listed(message: StoredMessage) -> dict[str, Any]:
    """One that was found, for a list of what people and agents said."""
    return {
        "message_type": f"{message.body.role}_message",
        "content": content(message.body) if message.body.role == "user" else message.body.text,
        "message_id": message.id,
        "agent_id": message.agent_id,
        "conversation_id": message.conversation_id or None,
        "created_at": iso(message.created_at_ms),
    }


def ranked(found: list[StoredMessage], *, is_searched: bool) -> list[dict[str, Any]]:
    return [
        {
            "embedded_text": message.body.text,
            "message": whole_message(message.body, message),
            "fts_rank": place + 1 if is_searched else None,
            "vector_rank": None,
            "rrf_score": 1 / (_RANK_AT_ONE + place) if is_searched else 0.0,
        }
        for place, message in enumerate(found)
    ]
