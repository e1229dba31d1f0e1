"""The agent as an actor: its history in memory while it lives, one turn at a time."""

from typing import Any

import msgspec

from kelpie.actors import Placement
from kelpie.agents.history import History
from kelpie.agents.scene import Workshop
from kelpie.agents.stream import Ended, RunStream
from kelpie.agents.turn import Turn
from kelpie.trajectories import runs
from umi.storage import View


class TakeTurn(msgspec.Struct):
    """The command: bring this acknowledged run to its end, and tell the stream.

    give_up  set once every attempt met a bug of ours: close the run with this error instead of trying again
    """

    stream: RunStream
    give_up: dict[str, Any] | None = None


class AgentActor:
    def __init__(self, placement: Placement, workshop: Workshop) -> None:
        self._placement = placement
        self._workshop = workshop
        self._history = History([])

    async def activate(self) -> None:
        who = self._placement.actor_id
        self._history = await History.load(View(self._workshop.database), who.tenant, who.key)

    async def receive(self, command: TakeTurn) -> Ended:
        stream = command.stream
        if stream.attempts > 0:
            # Not the first try in this process: what the earlier one committed is in the store, not in `stream.run`.
            stream.run = await runs.get(View(self._workshop.database), stream.run.tenant, stream.run.id)
        stream.begin_attempt()
        turn = Turn(self._workshop, self._placement, self._history, stream.run, stream)
        return await (turn.take() if command.give_up is None else turn.close(command.give_up))
