"""An activation's memory of its agent's messages: the newest ones, and the position of the next."""

from collections.abc import Sequence

from kelpie.agents import limits
from kelpie.trajectories import messages
from kelpie.trajectories.records import StoredMessage
from umi.storage import View
from umi.wire.types import Message


class History:
    """Only the activation that owns the agent appends to it, and only what was committed."""

    def __init__(self, stored: Sequence[StoredMessage]) -> None:
        self._stored = list(stored)
        self.next_position = stored[-1].position + 1 if stored else 0

    @classmethod
    async def load(cls, view: View, tenant: str, agent_id: str) -> "History":
        return cls(await messages.latest(view, tenant, agent_id, limits.HISTORY_MESSAGES_MAX))

    def conversation(self) -> list[Message]:
        """What the model may be shown, oldest first. The system message an agent is made with belongs to no run and is
        left out: the context compiles it anew from the agent and its blocks."""
        return [one.body for one in self._stored if one.body.role != "system" or one.run_id is not None]

    def answered(self) -> set[str]:
        """The ids of tool calls that have a result."""
        return {m.body.tool_call_id for m in self._stored if m.body.role == "tool" and m.body.tool_call_id}

    def of_step(self, step_id: str) -> list[StoredMessage]:
        return [message for message in self._stored if message.step_id == step_id]

    def has_run(self, run_id: str) -> bool:
        """Whether the input of this run is in the history already."""
        return any(message.run_id == run_id for message in self._stored)

    def append(self, committed: Sequence[StoredMessage]) -> None:
        for message in committed:
            assert message.position == self.next_position, "a gap in the history"
            self._stored.append(message)
            self.next_position += 1
        del self._stored[: -limits.HISTORY_MESSAGES_MAX]
