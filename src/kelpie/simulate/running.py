"""`play`: one plan, lived through on virtual time, with the verdict on it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from kelpie.simulate.clients import Clients
from kelpie.simulate.nemesis import Nemesis
from kelpie.simulate.plan import Plan
from kelpie.simulate.promises import Promises, Unanswered
from kelpie.simulate.story import Moment, logs_told
from kelpie.simulate.world import Violation, World
from umi.dst import Host
from umi.dst.simulate import simulate
from umi.dst.tasks import SimError

LIVENESS_MS = 1_800_000.0  # of virtual time after healing: every run must have ended by then
STEPS_MAX = 3_000_000
VIRTUAL_MS_MAX = 6 * 3_600_000.0


class Verdict(msgspec.Struct, frozen=True):
    """What came of a plan.

    violations  the promises it broke; empty for a good run
    digest      a hash over every step
    fired       how often each kind of fault happened
    outcomes    how the operations ended: {"send ok": 12, …}
    """

    plan: Plan
    violations: list[Violation]
    digest: str
    steps: int
    virtual_ms: float
    fired: dict[str, int]
    outcomes: dict[str, int]
    story: list[Moment]

    @property
    def promises_broken(self) -> list[str]:
        return list(dict.fromkeys(one.promise for one in self.violations))


class _Run:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world: World | None = None
        self.outcomes: dict[str, int] = {}

    async def live(self, host: Host) -> None:
        world = self.world = World(host, self.plan)
        with logs_told(world.story):
            await world.begin()
            clients, nemesis = Clients(world), Nemesis(world)
            await clients.set_up()
            work = [
                world.spawn((nemesis if event.is_fault else clients).perform(event), f"event {event.id}")
                for event in self.plan.events
            ]
            await asyncio.gather(*work)
            await world.heal()
            await self._everything_ends(world)
            try:
                await Promises(world, clients).check()
            except Unanswered:
                pass
            self._count(clients)
            await self._close(world)

    async def _everything_ends(self, world: World) -> None:
        """Liveness: once nothing fails any more, every acknowledged run reaches an end."""
        assert world.database is not None
        clock, until_ms = world.host.clock, world.loop.virtual_ms + LIVENESS_MS
        while world.loop.virtual_ms < until_ms:
            rows = await world.database.view().fetch("SELECT 1 FROM run WHERE status IN ('created', 'running')")
            if not rows:
                return
            await clock.sleep(500)

    async def _close(self, world: World) -> None:
        """Stop the servers as a SIGTERM does: that has to work as well."""
        for name in world.silos:
            silo = world.life(name).silo
            if silo is not None:
                await silo.stop()
        await world.host.close()
        if self.plan.options.remote and world.database is not None:
            await world.database.close()

    def _count(self, clients: Clients) -> None:
        for seen in clients.sent:
            key = f"send {seen.outcome}"
            self.outcomes[key] = self.outcomes.get(key, 0) + 1
        for _, outcome in clients.facts.values():
            self.outcomes[f"insert {outcome}"] = self.outcomes.get(f"insert {outcome}", 0) + 1


def play(plan: Plan, *, trace: list[str] | None = None) -> Verdict:
    """Live through a plan. Never raises for what the plan broke: that is the verdict."""
    run = _Run(plan)
    seed = f"{plan.scenario}/{plan.seed}"
    schedule = plan.schedule or seed
    digest, steps, virtual_ms = "", 0, 0.0
    violations: list[Violation] = []
    try:
        result = simulate(
            run.live, schedule, host_seed=seed, steps_max=STEPS_MAX, virtual_ms_max=VIRTUAL_MS_MAX, trace=trace
        )
        digest, steps, virtual_ms = result.digest, result.steps, result.virtual_ms
    except (SimError, Exception) as error:  # noqa: BLE001 - a bug of ours that ended the run is the finding
        notes = "; ".join(getattr(error, "__notes__", []))
        violations.append(Violation(f"the run ends ({type(error).__name__})", f"{error} {notes}".strip(), 0.0))
    world = run.world
    return Verdict(
        plan=plan,
        violations=[*(world.broken if world else []), *violations],
        digest=digest,
        steps=steps,
        virtual_ms=virtual_ms,
        fired=_sorted(world.faults.fired if world else {}),
        outcomes=_sorted(run.outcomes),
        story=world.story.moments if world else [],
    )


def _sorted(counts: Mapping[str, Any]) -> dict[str, int]:
    return {key: int(counts[key]) for key in sorted(counts)}
