"""The agent as an actor: its history in memory while it lives, one turn at a time."""

import msgspec

from kelpie.actors import Placement
from kelpie.agents.history import History
from kelpie.agents.scene import Workshop
from kelpie.agents.stream import Ended, RunStream
from kelpie.agents.turn import Turn
from kelpie.trajectories import runs, steps
from kelpie.trajectories.records import OPEN_STATUSES
from umi.storage import View


class TakeTurn(msgspec.Struct, frozen=True):
    """The command: bring this acknowledged run to its end, and tell the stream."""

    stream: RunStream


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
            view = View(self._workshop.database)
            run = await runs.get(view, stream.run.tenant, stream.run.id)
            if run.status not in OPEN_STATUSES:
                stream.publish(Ended(run, await steps.of_run(view, run.tenant, run.id)))
                assert stream.ended is not None
                return stream.ended
            stream.run = run
        stream.attempts += 1
        return await Turn(self._workshop, self._placement, self._history, stream.run, stream).take()
