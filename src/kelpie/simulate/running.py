"""`play`: one plan, lived through on virtual time, with the verdict on it."""

import asyncio
import contextlib
import itertools
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from kelpie.agents.limits import RUN_RETRY_DELAY_MS_MAX
from kelpie.simulate.clients.approvals import Approvals
from kelpie.simulate.clients.asking import Askers
from kelpie.simulate.clients.clients import Clients
from kelpie.simulate.clients.conversing import Conversing
from kelpie.simulate.clients.filing import Filing
from kelpie.simulate.clients.grouping import Grouping
from kelpie.simulate.clients.performer import Performer
from kelpie.simulate.clients.reminding import Reminders
from kelpie.simulate.clients.streaming import Streaming
from kelpie.simulate.machines.world import Violation, World
from kelpie.simulate.nemesis import Nemesis
from kelpie.simulate.plans.plan import Event, Plan
from kelpie.simulate.promises.answers import Answers
from kelpie.simulate.promises.promises import Promises, Unanswered
from kelpie.simulate.telling.story import Moment, Story, logs_told
from umi.dst import Host
from umi.dst.network import CAUSE
from umi.dst.simulate import simulate
from umi.dst.tasks import SimError

LIVENESS_MS = 1_800_000.0  # of virtual time after healing: every run must have ended by then
DOUBT_MS = RUN_RETRY_DELAY_MS_MAX + 30_000.0
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
    """What is known of a run, also if it ends before its time. No world: that is gone with its loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.story: Story | None = None  # while it is being told
        self.moments: list[Moment] = []
        self.broken: list[Violation] = []
        self.fired: Mapping[str, int] = {}
        self.outcomes: dict[str, int] = {}

    async def live(self, host: Host) -> None:
        world = World(host, self.plan)
        self.story = world.story
        self.moments, self.broken, self.fired = world.story.moments, world.broken, world.faults.fired
        await world.begin()
        clients, nemesis = Clients(world), Nemesis(world)
        askers = Askers(clients)
        # In the order in which they are checked: an agent that waits for an answer takes no message, and what is sent
        # for a reminder has to keep the other promises.
        performers: list[Performer] = [
            askers,
            Approvals(clients),
            Reminders(clients),
            Conversing(clients),
            Grouping(clients),
            Filing(clients),
            Streaming(clients),
        ]
        of_kind = {kind: one for one in performers for kind in one.kinds}
        await clients.set_up()
        for one in performers:
            await one.set_up()

        async def perform(event: Event) -> None:
            performer = nemesis if event.is_fault else of_kind.get(event.kind, clients)
            await performer.perform(event)

        backup_at_ms = self.plan.options.backup_at_ms
        await self._happen(world, perform, 0.0, backup_at_ms or math.inf)
        if backup_at_ms is not None:
            await world.back_up()
            await self._happen(world, perform, backup_at_ms, math.inf)
            await clients.everybody_answers_somehow()
        await world.heal()
        if world.backup is not None:
            clients.forget_since(world.backup.at_ms)
        await self._everything_ends(world)
        outcomes = [seen.outcome for seen in clients.sent]
        if "unknown" in itertools.chain(outcomes, *(one.outcomes for one in performers)):
            # A message whose sender heard nothing is committed again, at its own pace; it is then a run like any other.
            await world.host.clock.sleep(DOUBT_MS)
            await self._everything_ends(world)
        with contextlib.suppress(Unanswered):
            answers = Answers(world, clients, askers)
            await answers.check()
            self._count_answers(world, answers)
            for one in performers:
                await one.check(world.breaks)
            await Promises(world, clients).check()
        self.outcomes |= {"claims": world.invariants.claims, "fenced commits": world.invariants.fenced}
        for one in performers:
            self.outcomes |= one.counts()
        self.outcomes |= clients.counts()
        await self._close(world)
        self.story = None

    async def _happen(
        self, world: World, perform: Callable[[Event], Awaitable[None]], since_ms: float, until_ms: float
    ) -> None:
        """Everything that the plan has between two moments; returns when all of it is over."""

        async def one(event: Event) -> None:
            CAUSE.set(event.id)
            await world.host.clock.sleep(event.at_ms - since_ms)
            await perform(event)

        due = [event for event in self.plan.events if since_ms <= event.at_ms < until_ms]
        await asyncio.gather(*(world.host.spawn(one(event), f"event {event.id}") for event in due))

    async def _everything_ends(self, world: World) -> None:
        """Liveness: once nothing fails any more, every acknowledged run reaches an end."""
        until_ms = world.loop.virtual_ms + LIVENESS_MS
        while await world.open_runs() and world.loop.virtual_ms < until_ms:
            await world.host.clock.sleep(500)

    async def _close(self, world: World) -> None:
        """Stop the servers as a SIGTERM does: that has to work as well."""
        for name in world.silos:
            silo = world.life(name).silo
            if silo is not None:
                await silo.stop()
        await world.host.close()
        if self.plan.options.remote and world.database is not None:
            await world.database.close()

    def _count_answers(self, world: World, answers: Answers) -> None:
        if answers.right or answers.without:
            self.outcomes |= {"answers right": answers.right, "answers without numbers": answers.without}
        for ask in world.connection.asks:
            key = f"query {ask.outcome}"
            self.outcomes[key] = self.outcomes.get(key, 0) + 1


def play(plan: Plan, *, trace: list[str] | None = None) -> Verdict:
    """Live through a plan. Never raises for what the plan broke: that is the verdict."""
    run = _Run(plan)
    seed = f"{plan.scenario}/{plan.seed}"
    schedule = plan.schedule or seed
    digest, steps, virtual_ms = "", 0, 0.0
    violations: list[Violation] = []
    try:
        with logs_told(lambda: run.story):
            result = simulate(
                run.live, schedule, host_seed=seed, steps_max=STEPS_MAX, virtual_ms_max=VIRTUAL_MS_MAX, trace=trace
            )
        digest, steps, virtual_ms = result.digest, result.steps, result.virtual_ms
    except (SimError, Exception) as error:  # noqa: BLE001 - a bug of ours that ended the run is the finding
        notes = "; ".join(getattr(error, "__notes__", []))
        violations.append(Violation(f"the run ends ({type(error).__name__})", f"{error} {notes}".strip(), 0.0))
    return Verdict(
        plan=plan,
        violations=[*run.broken, *violations],
        digest=digest,
        steps=steps,
        virtual_ms=virtual_ms,
        fired=_sorted(run.fired),
        outcomes=_sorted(run.outcomes),
        story=run.moments,
    )


def _sorted(counts: Mapping[str, Any]) -> dict[str, int]:
    return {key: int(counts[key]) for key in sorted(counts)}
