"""A world: the machines of a plan, the processes on them, and what becomes of both.

Every process runs in an incarnation of its own. Killing one runs no `finally`; whoever watches over it starts the next
life, as systemd or Kubernetes would. The store is one real SQLite file on a disk that can lose power.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.server.build import MIGRATIONS
from kelpie.simulate.kinds import KINDS
from kelpie.simulate.machines.connection import SimConnection
from kelpie.simulate.machines.provider import PROVIDER, Shown, SimProvider
from kelpie.simulate.machines.silo import Machine, SiloLife
from kelpie.simulate.machines.store import STORE, StoreServer
from kelpie.simulate.machines.toolbox import Bell
from kelpie.simulate.machines.watch import WatchedDatabase
from kelpie.simulate.plans.plan import Event, Plan
from kelpie.simulate.promises.invariants import Invariants
from kelpie.simulate.telling.story import Story
from umi.dst import Host
from umi.dst.disk import SimDisk
from umi.dst.disk_files import DiskFiles
from umi.dst.faults import Faults
from umi.dst.loop import SimLoop
from umi.dst.network import SimNetwork
from umi.dst.simulate import SimClock
from umi.dst.tasks import incarnation_context
from umi.errors import StoreError
from umi.storage import Migration, SqliteDatabase
from umi.storage.sqlite import CommitListener

FAULTS_TOLD_MAX = 5  # of each kind, as moments of the story
RESTART_MS = 300.0  # until a process that could not start is started again


class Violation(msgspec.Struct, frozen=True):
    """A promise that was broken, and how."""

    promise: str
    text: str
    at_ms: float


@dataclass(slots=True)
class Life:
    """One life of a process, as its supervisor knows it."""

    name: str
    incarnation: str
    died: "asyncio.Future[float]"  # its result: for how many ms the process stays down
    silo: SiloLife | None = None
    is_up: bool = False


@dataclass(slots=True)
class Backup:
    """The disk as it was when nothing was going on, and what had been done outside until then."""

    at_ms: float
    files: DiskFiles
    rings: Counter[str]


@dataclass(slots=True)
class Limits:
    """What is bounded tighter than usual for a while; None: as usual."""

    mailbox_messages: int | None = None
    runs_open: int | None = None
    usual: dict[str, tuple[int, int]] = field(default_factory=dict)


class World:
    def __init__(self, host: Host, plan: Plan) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop), "a world lives in a simulation"
        self.loop, self.host, self.plan = loop, host, plan
        self.faults = Faults(host.rng.fork("faults"), KINDS)
        self.network = SimNetwork(host, self.faults, latency_ms=plan.options.latency_ms)
        self.disk = SimDisk(
            host.rng.fork("disk"),
            sector_bytes=plan.options.sector_bytes,
            faults=self.faults,
            clock=host.clock,
            on_delay=loop.workers.hold_up,
            on_power_cut=self._power_is_out,
        )
        self.story = Story(lambda: loop.virtual_ms)
        self.faults.on_happening = self._tell_fault
        self.broken: list[Violation] = []
        self.invariants = Invariants(self.breaks)
        self.bell = Bell()
        self.connection = SimConnection(self.faults, self.invariants.asked)
        self.shown: list[Shown] = []
        self._machine = Machine(
            plan.options, self.network, self.faults, self.bell, self.connection, self.invariants, self._open_file
        )
        self.limits = Limits()
        self.traps: dict[tuple[str, str], Event] = {}  # (silo, point) -> the fault that kills it there
        self.clocks: dict[str, SimClock] = {}
        self.database: SqliteDatabase | None = None  # of the living store process
        self.recovery_cut: int | None = None  # operations until the power fails again in the next recovery
        self.backup: Backup | None = None
        self.is_rotting = False  # from the backup until it is restored nothing is promised
        self._lives: dict[str, Life] = {}
        self._counts: dict[str, int] = {}
        self._paused: dict[str, str] = {}

    @property
    def silos(self) -> list[str]:
        return [f"silo-{number}" for number in range(1, self.plan.options.silos + 1)]

    @property
    def store_name(self) -> str:
        """The process that has the disk."""
        return STORE if self.plan.options.remote else self.silos[0]

    def breaks(self, promise: str, text: str, *, always: bool = False) -> None:
        """`always`: also while nothing is promised about data."""
        if self.is_rotting and not always:
            return
        self.broken.append(Violation(promise, text, round(self.loop.virtual_ms, 3)))
        self.story.tell("world", f"{promise}: {text}", "broken")

    def _tell_fault(self, kind: str, name: str) -> None:
        """The first times that a window's fault really happens; a reader has enough of it then."""
        if self.faults.fired[kind] <= FAULTS_TOLD_MAX:
            where = kind.partition(".")[0]
            lane = where if where in ("disk", "model") else name or where
            self.story.tell(lane, f"{kind} happens{f' to {name}' if lane == 'disk' else ''}", "fault")

    # ---- processes

    async def begin(self) -> None:
        """Start everything and wait until it is up."""
        provider = SimProvider(self.host, self.faults, self.shown.append)
        self.network.join(PROVIDER, self.host, serve=provider)
        names = [STORE, *self.silos] if self.plan.options.remote else self.silos
        for name in names:
            self.host.spawn(self._watch_over(name), f"supervisor of {name}")
        await self.all_up()

    async def all_up(self) -> None:
        while not all(life.is_up for life in self._lives.values()) or not self._lives:
            await self.host.clock.sleep(20)

    def is_up(self, name: str) -> bool:
        life = self._lives.get(name)
        return life is not None and life.is_up

    def life(self, name: str) -> Life:
        return self._lives[name]

    async def _watch_over(self, name: str) -> None:
        while True:
            number = self._counts[name] = self._counts.get(name, 0) + 1
            incarnation = f"{name}.{number}"
            life = self._lives[name] = Life(name, incarnation, self.loop.create_future())
            work = self._store(life) if name == STORE else self._silo(life)
            begun = self.loop.create_task(work, name=f"life {incarnation}", context=incarnation_context(incarnation))
            await asyncio.wait([begun, life.died], return_when=asyncio.FIRST_COMPLETED)
            if begun.done() and (error := begun.exception()) is not None:
                if not isinstance(error, StoreError):
                    raise error
                self.story.tell(name, f"could not start: {error}", "log")
                self.kill(name, RESTART_MS)
            await self.host.clock.sleep(await life.died)

    async def _silo(self, life: Life) -> None:
        host = self._node_host(life)
        life.silo = SiloLife(
            self._machine, life.name, life.incarnation, host, lambda point: self.trap(life.name, point)
        )
        await life.silo.start()
        life.is_up = True
        self.apply_limits()
        self.story.tell(life.name, f"is up (life {life.incarnation.rpartition('.')[2]})")

    async def _store(self, life: Life) -> None:
        host = self._node_host(life)
        server = StoreServer(self.network, await self._open_file(MIGRATIONS, host, None), host)
        self.network.join(STORE, host, server.receive)
        life.is_up = True
        self.story.tell(STORE, f"is up (life {life.incarnation.rpartition('.')[2]})")

    async def _open_file(
        self, migrations: Sequence[Migration], host: Host, on_group: CommitListener | None
    ) -> WatchedDatabase:
        """The store's file, as a process that starts now finds it."""
        path = f"{self.disk.mount()}/store.db"
        if self.recovery_cut is not None:
            self.disk.cut_power_after(self.recovery_cut, "disk.crash_in_recovery")
            self.recovery_cut = None
        opened = await SqliteDatabase.open(path, migrations, host=host, on_group=on_group, vfs=self.disk.vfs)
        self.database = opened
        return WatchedDatabase(opened, self.invariants)

    def _node_host(self, life: Life) -> Host:
        return Host(self.clock_of(life.name), self.host.rng.fork(f"node/{life.incarnation}"))

    def clock_of(self, name: str) -> SimClock:
        """A machine's clock outlives its processes."""
        if name not in self.clocks:
            self.clocks[name] = SimClock(self.loop, on_fault=self.faults.fire)
        return self.clocks[name]

    # ---- what becomes of them

    def kill(self, name: str, down_ms: float, event: str = "") -> bool:
        """End a process where it stands. False if there is none. `event` is the fault of the plan that does it."""
        life = self._lives[name]
        if life.died.done():
            return False
        life.is_up = False
        self._paused.pop(name, None)
        if life.silo is not None:
            life.silo.ready = False
        self.loop.freeze(life.incarnation)
        self.network.leave(name)
        life.died.set_result(down_ms)
        self.story.tell(name, f"died; back in {down_ms:,.0f} ms", "fault", event)
        return True

    def lose_power(self, down_ms: float, event: str = "") -> None:
        """The machine with the disk loses power."""
        self.kill(self.store_name, down_ms, event)
        self.disk.crash()

    def _power_is_out(self) -> None:
        """Told from inside the failing operation: the process ends in a step of its own."""
        self.loop.call_soon(self.lose_power, 1_000.0, context=incarnation_context(""))

    def trap(self, silo: str, point: str) -> bool:
        """Whether the process dies here; called at the edge of each of its commits."""
        trapped = self.traps.pop((silo, point), None)
        if trapped is None:
            return False
        self.faults.fire(point)
        return self.kill(silo, trapped.for_ms, trapped.id)

    def pause(self, name: str, event: str = "") -> bool:
        life = self._lives[name]
        if not life.is_up or name in self._paused:
            return False
        self._paused[name] = life.incarnation
        self.loop.pause(life.incarnation)
        self.story.tell(name, "stands still", "fault", event)
        return True

    def resume(self, name: str, event: str = "") -> None:
        incarnation = self._paused.pop(name, None)
        if incarnation is not None:
            self.loop.resume(incarnation)
            self.story.tell(name, "goes on", "", event)

    def apply_limits(self) -> None:
        """Bound, or unbind again, every silo that is up."""
        for life in self._lives.values():
            if life.silo is None or not life.silo.ready:
                continue
            inbox = life.silo.server.app.state.house.inbox
            usual = self.limits.usual.setdefault(
                life.incarnation, (inbox.silo.mailbox_messages_max, inbox.runs_open_max)
            )
            mailbox, runs = self.limits.mailbox_messages, self.limits.runs_open
            inbox.silo.mailbox_messages_max = usual[0] if mailbox is None else mailbox
            inbox.runs_open_max = usual[1] if runs is None else runs

    async def open_runs(self) -> int:
        """How many runs have not ended, as the store has it."""
        rows = await self.rows("SELECT count(*) FROM run WHERE status IN ('created', 'running')")
        return int(rows[0][0])

    async def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """What is in the store, read in its own process; again in the next one if that dies meanwhile."""
        while True:
            life = self._lives[self.store_name]
            if life.is_up and self.database is not None:
                reading = self.host.spawn(self.database.view().fetch(sql, *params), "the world reads")
                either: list[asyncio.Future[Any]] = [reading, life.died]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if reading.done() and not isinstance(reading.exception(), StoreError):
                    return reading.result()
            await self.host.clock.sleep(100)

    async def back_up(self) -> None:
        while await self.open_runs():
            await self.host.clock.sleep(100)
        self.backup = Backup(self.loop.virtual_ms, self.disk.files.settled(), self.bell.rings.copy())
        self.is_rotting = True

    def _restore(self, backup: Backup) -> None:
        """Put the backup in the place of the disk."""
        self.kill(self.store_name, RESTART_MS)
        self.disk.replace(backup.files.settled())
        self.bell.rings = backup.rings.copy()
        self.invariants.forget()
        self.is_rotting = False
        self.story.tell("world", "the backup was restored")

    async def heal(self) -> None:
        """No more faults, and everything that is down comes back: from here the system has to converge."""
        self.story.tell("world", "healed: no more faults")
        self.faults.stop()
        self.disk.keep_power()
        self.network.mend_all()
        self.traps.clear()
        self.recovery_cut = None
        self.limits.mailbox_messages = self.limits.runs_open = None
        for name in list(self._paused):
            self.resume(name)
        for name in ("store", "model", *self.silos):
            node = self.network.node(name)
            if node is not None:
                node.connections_max = None
        self.apply_limits()
        if self.backup is not None:
            self._restore(self.backup)
        await self.all_up()
