"""An activation's memory of its agent's messages: the newest of each conversation, and the position of the next."""

import itertools
from collections import OrderedDict
from collections.abc import Container, Iterator, Sequence

from kelpie.agents import limits
from kelpie.agents.context.context import message_chars
from kelpie.agents.rules.approving import answers_of
from kelpie.trajectories import messages, stretches, summaries
from kelpie.trajectories.records import MAIN, Run, StoredMessage
from umi.storage import View
from umi.wire.types import Message


class Positions:
    """Where the next message of an agent goes, whichever of its conversations it is said in."""

    def __init__(self, next_position: int) -> None:
        self.next = next_position


class History:
    """What one conversation shows: its newest summary, and what came after the messages that this stands for. Only the
    activation that owns the agent appends to it, and only what was committed.

    begins_at  the position from which on the conversation shows messages
    """

    def __init__(
        self,
        stored: Sequence[StoredMessage],
        positions: Positions | None = None,
        *,
        begins_at: int = 0,
        summary: StoredMessage | None = None,
    ) -> None:
        self.summary = summary
        self._stored = list(stored)
        self._begins_at = begins_at
        self._positions = positions or Positions(stored[-1].position + 1 if stored else 0)
        self.chars = sum(message_chars(one.body) for one in stored)

    @property
    def next_position(self) -> int:
        return self._positions.next

    @classmethod
    async def load(
        cls, view: View, tenant: str, agent_id: str, conversation_id: str = MAIN, positions: Positions | None = None
    ) -> "History":
        """A conversation as it is stored; with `positions`, as one of several of its agent."""
        if positions is None:
            positions = Positions(await messages.next_position(view, tenant, agent_id))
        shown = await stretches.of(view, tenant, agent_id, conversation_id)
        summary = await summaries.newest(view, tenant, agent_id, conversation_id)
        newest = await messages.latest(
            view,
            tenant,
            agent_id,
            limits.HISTORY_MESSAGES_MAX,
            conversation_id=conversation_id,
            bytes_max=limits.HISTORY_CHARS_MAX,
            since=_after(summary),
        )
        return cls(newest, positions, begins_at=shown[0].since if shown else 0, summary=summary)

    @property
    def is_full(self) -> bool:
        """Whether the oldest message goes, summarised or not, once there is another."""
        return len(self._stored) >= limits.HISTORY_MESSAGES_MAX or self.chars >= limits.HISTORY_CHARS_MAX

    @property
    def window(self) -> list[StoredMessage]:
        """What no summary stands for, oldest first, without the system message that the conversation begins with."""
        return [one for one in self._stored if self._is_shown(one)]

    def _is_shown(self, one: StoredMessage) -> bool:
        return one.body.role != "system" or one.position > self._begins_at

    def conversation(
        self, before: tuple[str, Message] | None = None, *, of_runs: Container[str | None] | None = None
    ) -> list[Message]:
        """What the model may be shown after the summary, oldest first. The system message an agent is made with stands
        first and is left out: the context compiles it anew from the agent and its blocks.

        before  a message to put in front of the stored one with this id
        of_runs  only what belongs to these: for an agent that forgets
        """
        shown: list[Message] = []
        for one in self._stored:
            if before is not None and one.id == before[0]:
                shown.append(before[1])
            if self._is_shown(one) and (of_runs is None or one.run_id in of_runs):
                shown.append(one.body)
        return shown

    def turn_of(self, run: Run) -> set[str]:
        """The runs of one turn, which this one ends: before it, those that asked what it brings the answers to."""
        chain, is_result = {run.id}, False
        if not answers_of(run):
            return chain
        for place, one in enumerate(reversed(self._stored)):
            if one.run_id not in chain:
                # Calls that were asked about belong to the results after them, or wait for them.
                is_asking = any(call.asked for call in one.body.tool_calls)
                if one.run_id is None or not is_asking or not (is_result or place == 0):
                    break
                chain.add(one.run_id)
            is_result = one.body.role == "tool"
        return chain

    def newest_first(self, run_ids: Container[str | None]) -> Iterator[StoredMessage]:
        """What is in view of the newest runs, from its end, as far as it is of these."""
        return itertools.takewhile(lambda one: one.run_id in run_ids, reversed(self._stored))

    def unanswered(self) -> StoredMessage | None:
        """The newest message, if it makes calls: nobody has said yet what they came to."""
        return self._stored[-1] if self._stored and self._stored[-1].body.tool_calls else None

    def call_ids(self) -> set[str]:
        """The ids of the tool calls in view."""
        return {call.id for one in self._stored for call in one.body.tool_calls}

    def append(self, committed: Sequence[StoredMessage]) -> None:
        for message in committed:
            assert message.position == self.next_position, "a gap in the history"
            self._positions.next += 1
            if message.compacted is not None:
                self._begin_with(message)
                continue
            self._stored.append(message)
            self.chars += message_chars(message.body)
        oldest = max(0, len(self._stored) - limits.HISTORY_MESSAGES_MAX)
        self.chars -= sum(message_chars(one.body) for one in self._stored[:oldest])
        while self.chars > limits.HISTORY_CHARS_MAX and oldest < len(self._stored) - 1:
            self.chars -= message_chars(self._stored[oldest].body)
            oldest += 1
        del self._stored[:oldest]

    def _begin_with(self, summary: StoredMessage) -> None:
        self.summary = summary
        self._stored = [one for one in self._stored if one.position >= _after(summary)]
        self.chars = sum(message_chars(one.body) for one in self._stored)


def _after(summary: StoredMessage | None) -> int:
    """The first position that no summary stands for."""
    return summary.compacted.upto_position + 1 if summary is not None and summary.compacted is not None else 0


class Histories:
    """The conversations that an activation has had something to do with lately, together no larger than one may be."""

    def __init__(self, tenant: str, agent_id: str, next_position: int = 0) -> None:
        self._tenant, self._agent_id = tenant, agent_id
        self.positions = Positions(next_position)
        self._kept: OrderedDict[str, History] = OrderedDict()

    @classmethod
    async def load(cls, view: View, tenant: str, agent_id: str) -> "Histories":
        return cls(tenant, agent_id, await messages.next_position(view, tenant, agent_id))

    async def of(self, view: View, conversation_id: str) -> History:
        """One of them, read unless it is at hand."""
        found = self._kept.get(conversation_id)
        if found is None:
            found = await History.load(view, self._tenant, self._agent_id, conversation_id, self.positions)
        self.keep(conversation_id, found)
        return found

    def keep(self, conversation_id: str, history: History) -> None:
        """Have this one at hand, as the latest."""
        self._kept[conversation_id] = history
        self._kept.move_to_end(conversation_id)
        while len(self._kept) > 1 and (
            len(self._kept) > limits.HISTORIES_KEPT_MAX
            or sum(one.chars for one in self._kept.values()) > limits.HISTORY_CHARS_MAX
        ):
            self._kept.popitem(last=False)
