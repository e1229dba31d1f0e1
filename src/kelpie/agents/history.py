"""An activation's memory of its agent's messages: the newest ones, and the position of the next."""

from collections.abc import Sequence

from kelpie.agents import limits
from kelpie.agents.context import message_chars
from kelpie.trajectories import messages
from kelpie.trajectories.records import StoredMessage
from umi.storage import View
from umi.wire.types import Message


class History:
    """Only the activation that owns the agent appends to it, and only what was committed."""

    def __init__(self, stored: Sequence[StoredMessage]) -> None:
        self._stored = list(stored)
        self._chars = sum(message_chars(one.body) for one in stored)
        self.next_position = stored[-1].position + 1 if stored else 0

    @classmethod
    async def load(cls, view: View, tenant: str, agent_id: str) -> "History":
        newest = await messages.latest(
            view, tenant, agent_id, limits.HISTORY_MESSAGES_MAX, bytes_max=limits.HISTORY_CHARS_MAX
        )
        return cls(newest)

    def conversation(self, before: tuple[str, Message] | None = None) -> list[Message]:
        """What the model may be shown, oldest first. The system message an agent is made with stands first and is left
        out: the context compiles it anew from the agent and its blocks.

        before  a message to put in front of the stored one with this id
        """
        shown: list[Message] = []
        for one in self._stored:
            if before is not None and one.id == before[0]:
                shown.append(before[1])
            if one.body.role != "system" or one.position > 0:
                shown.append(one.body)
        return shown

    def call_ids(self) -> set[str]:
        """The ids of the tool calls in view."""
        return {call.id for one in self._stored for call in one.body.tool_calls}

    def append(self, committed: Sequence[StoredMessage]) -> None:
        for message in committed:
            assert message.position == self.next_position, "a gap in the history"
            self._stored.append(message)
            self._chars += message_chars(message.body)
            self.next_position += 1
        oldest = max(0, len(self._stored) - limits.HISTORY_MESSAGES_MAX)
        self._chars -= sum(message_chars(one.body) for one in self._stored[:oldest])
        while self._chars > limits.HISTORY_CHARS_MAX and oldest < len(self._stored) - 1:
            self._chars -= message_chars(self._stored[oldest].body)
            oldest += 1
        del self._stored[:oldest]
