"""After some of an agent's runs were removed: the bytes that none of its other steps holds go as well.

Whoever removes them leaves an errand in the same commit. It reads the agent's steps, which may be many, behind
everybody's back; a step that is written meanwhile may hold what was to go, so then it looks again.
"""

from kelpie.actors import Errand, Outbox
from kelpie.actors.outbox import plan_done
from kelpie.agents import limits
from kelpie.agents.agent import actor_id
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed
from kelpie.trajectories import content
from umi.storage import Changes, View

TOPIC = "contents to sweep"


def plan_errand(outbox: Outbox, tenant: str, agent_id: str, now_ms: int) -> Changes:
    """With the removal of runs."""
    return outbox.put(
        Errand(
            tenant=tenant,
            topic=TOPIC,
            id=agent_id,
            lane=f"contents of {agent_id}",
            owner=str(actor_id(tenant, agent_id)),
            body={"agent_id": agent_id},
            due_at_ms=now_ms,
        )
    )


class Sweeping:
    def __init__(self, workshop: Workshop) -> None:
        """Made once, before the outbox starts."""
        self._shop = workshop
        workshop.outbox.register(TOPIC, self.sweep)

    async def sweep(self, errand: Errand) -> None:
        agent_id = errand.body["agent_id"]
        for _ in range(limits.SWEEP_ATTEMPTS_MAX):
            changes = plan_done(errand)
            changes.extend(await content.plan_sweep(View(self._shop.database), errand.tenant, agent_id))
            try:
                await self._shop.database.commit(changes)
            except GuardFailed as error:
                if error.guard == "steps":
                    continue
            return
        raise Conflict(f"agent '{agent_id}' writes steps faster than its old ones are looked through")
