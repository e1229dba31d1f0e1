"""People who have messages sent to agents later, and what became of them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kelpie.simulate.clients.clients import REFUSED, Clients, Lost, Outcome
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.plans.plan import Event
from kelpie.trajectories.records import RunInput

REMIND = "remind"  # the operation
_LONGEST_PAUSE_MS = 660_000.0  # between two attempts of anything that is done in the background
_input = msgspec.msgpack.Decoder(list[RunInput]).decode


@dataclass(slots=True)
class Asked:
    """A message that an agent is to be sent later, and what whoever asked for that knows."""

    text: str
    agent: int
    outcome: Outcome = "unknown"


class Reminders(Performer):
    kinds = (REMIND,)

    def __init__(self, clients: Clients) -> None:
        self.asked: list[Asked] = []
        self._clients, self._world = clients, clients.world

    async def perform(self, event: Event) -> None:
        """Have a message sent after a while."""
        agent, text = event.args["agent"], f"{event.id}: [[say:as you wished]]"
        asked = Asked(text, agent)
        self.asked.append(asked)
        # By the world's clock: a server whose clock is wrong may refuse it, and says so.
        due_ms = self._world.host.clock.now_ms() + event.args["after_ms"]
        body = {"messages": [{"role": "user", "content": text}], "schedule": {"scheduled_at": due_ms}}
        path, silo = f"/v1/agents/{self._clients.agents[agent]}/schedule", self._clients.silo_for(event, agent)
        patience_ms = self._world.plan.options.client_patience_ms
        try:
            reply = await self._clients.call(event.lane, silo, "POST", path, body, patience_ms)
        except Lost as error:
            self._clients.tell(event, f"wants agent-{agent} to be reminded, and heard nothing: {error}")
            return
        asked.outcome = "ok" if reply.status == 201 else "refused" if reply.status in REFUSED else "unknown"
        self._clients.tell(event, f"wants agent-{agent} to be reminded: {asked.outcome}")

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Once everything has healed: each was sent once; what was refused never; what is unknown at most once."""
        until_ms = self._world.loop.virtual_ms + _LONGEST_PAUSE_MS
        while (left := await self._left()) and self._world.loop.virtual_ms < until_ms:
            await self._world.host.clock.sleep(1_000)
        if left:
            breaks("nothing is left half done", f"{left} reminders or runs are left")
        runs = await self._world.rows("SELECT input FROM run")
        said = Counter(one.body.text for row in runs for one in _input(row[0]))
        for asked in self.asked:
            times = said[asked.text]
            is_gone = asked.agent in self._clients.dismissed
            if times > 1 or (asked.outcome == "refused" and times):
                breaks("each reminder is done once", f"{asked.text!r} was {asked.outcome} and sent {times} times")
            elif asked.outcome == "ok" and times != 1 and not is_gone:
                breaks("each reminder is done once", f"{asked.text!r} was acknowledged and sent {times} times")

    async def _left(self) -> int:
        return int((await self._world.rows("SELECT count(*) FROM reminder"))[0][0]) + await self._world.open_runs()
