"""One life of a server process: the real server, with a simulated machine around it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kelpie.agents.limits import APPROVAL_MS_DEFAULT
from kelpie.config import Config
from kelpie.server.build import Outside, Server, build
from kelpie.simulate.machines.connection import SimConnection
from kelpie.simulate.machines.fault_points import FaultPoints
from kelpie.simulate.machines.provider import SimTransport
from kelpie.simulate.machines.reading import SimReader
from kelpie.simulate.machines.store import RemoteStore
from kelpie.simulate.machines.toolbox import Bell, SimSandbox
from kelpie.simulate.machines.watch import MortalDatabase, Trap
from kelpie.simulate.plans.plan import Options
from kelpie.simulate.promises.invariants import Invariants
from umi.dst import Host
from umi.dst.faults import Faults
from umi.dst.network import SimNetwork
from umi.embed import HashEmbedder
from umi.embed.simulated import FaultyEmbedder
from umi.storage import Database, Migration
from umi.storage.sqlite import CommitListener

OpenFile = Callable[[Sequence[Migration], Host, CommitListener | None], Awaitable[Database]]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a world gives to every process in it.

    open_file  opens the store's file on the world's disk, for a silo that has it itself
    """

    options: Options
    network: SimNetwork
    faults: Faults
    bell: Bell
    connection: SimConnection
    invariants: Invariants
    open_file: OpenFile


class SiloLife:
    """Made and started in the context of its incarnation. `ready` once its server takes requests."""

    def __init__(self, machine: Machine, name: str, incarnation: str, host: Host, trap: Trap) -> None:
        self.name, self.host = name, host
        self.ready = False
        self._machine, self._trap = machine, trap
        self._remote = RemoteStore(machine.network, name, host) if machine.options.remote else None
        config = Config(
            data_folder="/simulated",
            idle_before_deactivation_ms=machine.options.idle_ms,
            approval_ms=machine.options.approval_ms or APPROVAL_MS_DEFAULT,
            openai_base_url="http://model/v1",
            anthropic_base_url="http://model",
        )
        outside = Outside(
            transport=SimTransport(machine.network, name, host),
            sandbox=SimSandbox(host, machine.faults, machine.bell, name),
            open_store=self._open_store,
            open_source=machine.connection.opener(host, name, incarnation),
            embedder=FaultyEmbedder(HashEmbedder(), machine.faults) if machine.options.embeds else None,
            reader=SimReader(host),
            silo=name,
        )
        self.server: Server = build(config, host, outside)
        self.server.events.subscribe(machine.invariants.listener(incarnation))

    async def start(self) -> None:
        """Raises StoreError: the process ends then, and whoever watches over it starts another."""
        receive = self._remote.receive if self._remote is not None else None
        node = self._machine.network.join(self.name, self.host, receive)
        await self.server.start()
        node.serve = self.server.app
        self.ready = True

    async def _open_store(self, migrations: Sequence[Migration], host: Host, on_group: CommitListener) -> Database:
        database = self._remote or await self._machine.open_file(migrations, host, on_group)
        return MortalDatabase(FaultPoints(database, self._machine.faults), self._trap, self._surprise)

    def _surprise(self) -> None:
        """Once the process is up: one that can't even start has no runs to harm."""
        if self.ready and self._machine.faults.happens("crash.surprise", self.name):
            raise ZeroDivisionError("a bug that the simulation planted")

    async def stop(self) -> None:
        """As a SIGTERM does."""
        self.ready = False
        await self.server.stop()
