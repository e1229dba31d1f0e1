"""One life of a server process: the real server, with a simulated machine around it."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kelpie.config import Config
from kelpie.server.build import Outside, Server, build
from kelpie.simulate.provider import SimTransport
from kelpie.simulate.store import RemoteStore
from kelpie.simulate.toolbox import SimSandbox
from kelpie.simulate.watch import MortalDatabase, WatchedDatabase
from umi.dst import Host
from umi.dst.network import SimNetwork
from umi.storage import Database, Migration, SqliteDatabase
from umi.storage.sqlite import CommitListener

if TYPE_CHECKING:
    from kelpie.simulate.world import World


class SiloLife:
    """Made and started in the context of its incarnation. `ready` once its server takes requests."""

    def __init__(self, world: "World", name: str, incarnation: str, host: Host) -> None:
        self.world, self.name, self.incarnation, self.host = world, name, incarnation, host
        self.ready = False
        self._remote = RemoteStore(world.network, name, host) if world.plan.options.remote else None
        config = Config(
            data_folder="/simulated",
            idle_before_deactivation_ms=world.plan.options.idle_ms,
            openai_base_url="http://model/v1",
            anthropic_base_url="http://model",
        )
        outside = Outside(
            transport=SimTransport(world.network, name, host),
            sandbox=SimSandbox(host, world.faults, world.bell, name),
            open_store=self._open_store,
            silo=name,
        )
        self.server: Server = build(config, host, outside)
        self.server.events.subscribe(world.invariants.listener(incarnation))

    @property
    def network(self) -> SimNetwork:
        return self.world.network

    async def start(self) -> None:
        """Raises StoreError: the process ends then, and whoever watches over it starts another."""
        receive = self._remote.receive if self._remote is not None else None
        node = self.network.join(self.name, self.host, receive)
        await self.server.start()
        node.serve = self.server.app
        self.ready = True

    async def _open_store(self, migrations: Sequence[Migration], host: Host, on_group: CommitListener) -> Database:
        world = self.world
        database: Database
        if self._remote is not None:
            database = self._remote
        else:
            path, vfs = world.mount()
            opened = await SqliteDatabase.open(path, migrations, host=host, on_group=on_group, vfs=vfs)
            database = WatchedDatabase(opened, world.invariants)
            world.opened(opened)
        return MortalDatabase(database, lambda point: world.trap(self.name, point))

    async def stop(self) -> None:
        """As a SIGTERM does."""
        self.ready = False
        with contextlib.suppress(Exception):
            await self.server.stop()
