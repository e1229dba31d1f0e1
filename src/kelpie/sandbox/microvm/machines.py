"""Machines for calls: one booted template for each set of packages, a copy of it for each call, and a spare one that
is restored while nobody waits for it."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from kelpie.sandbox import limits
from kelpie.sandbox.microvm import session
from kelpie.sandbox.microvm.frames import GuestLost
from kelpie.sandbox.microvm.image import Image
from kelpie.sandbox.microvm.monitor import Machine, Monitor, Template
from umi.dst import Host

# Layer of the machines that most calls get, and that spares are made of.
_PLAIN = ""


class Machines:
    """Copies of what `monitor` boots of `image`.

    running  how many calls there are at most at once: no two machines share a reserved user
    """

    def __init__(self, host: Host, monitor: Monitor, image: Image, running: int) -> None:
        self._host = host
        self.monitor = monitor
        self._image = image
        # One more for a template that boots.
        uids = running + limits.MICROVM_SPARE + 1
        self._uids = list(range(limits.MICROVM_UID_FIRST, limits.MICROVM_UID_FIRST + uids))
        self._templates: OrderedDict[str, Template] = OrderedDict()  # the one used last is last
        self._booting = asyncio.Lock()
        self._spares: list[tuple[Machine, int]] = []
        self._refilling: asyncio.Task[None] | None = None
        self._closed = False

    @contextlib.asynccontextmanager
    async def take(self, layer: str) -> AsyncIterator[Machine]:
        """A machine of one's own, with the packages in the folder `layer`; nothing of it is left afterwards.

        Raises GuestLost if it does not come up, and what Monitor.boot raises.
        """
        machine, uid = await self._taken(layer)
        try:
            yield machine
        finally:
            await self._end(machine, uid)

    async def close(self) -> None:
        self._closed = True
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.gather(self._refilling, return_exceptions=True)
        while self._spares:
            await self._end(*self._spares.pop())
        while self._templates:
            self._templates.popitem()[1].close()

    async def _taken(self, layer: str) -> tuple[Machine, int]:
        if layer == _PLAIN:
            while self._spares:
                machine, uid = self._spares.pop()
                if machine.runs:
                    self._refill()
                    return machine, uid
                await self._end(machine, uid)
        taken = await self._restored(layer)
        self._refill()
        return taken

    async def _restored(self, layer: str) -> tuple[Machine, int]:
        template = await self._template(layer)
        uid = self._uids.pop()
        try:
            return await self.monitor.restore(template, uid), uid
        except BaseException:
            self._uids.append(uid)
            raise

    async def _template(self, layer: str) -> Template:
        async with self._booting:  # two first calls, one boot
            template = self._templates.get(layer)
            if template is None:
                template = await self._boot(layer)
                self._templates[layer] = template
                # The plain one stays: most calls need it.
                others = [known for known in self._templates if known not in (_PLAIN, layer)]
                if len(self._templates) > limits.MICROVM_TEMPLATES_MAX:
                    self._templates.pop(others[0]).close()
            self._templates.move_to_end(layer)
            return template

    async def _boot(self, layer: str) -> Any:
        uid = self._uids.pop()
        try:
            return await self.monitor.boot(self._image, session.setup(), layer, uid)
        finally:
            self._uids.append(uid)

    def _refill(self) -> None:
        if self._closed or (self._refilling is not None and not self._refilling.done()):
            return
        if len(self._spares) < limits.MICROVM_SPARE:
            self._refilling = self._host.spawn(self._restore_spare(), "spare microvm")

    async def _restore_spare(self) -> None:
        with contextlib.suppress(GuestLost):  # the next call sees for itself, and says why
            machine, uid = await self._restored(_PLAIN)
            try:
                await self.monitor.warm(machine)
            except BaseException:
                await self._end(machine, uid)
                raise
            self._spares.append((machine, uid))

    async def _end(self, machine: Machine, uid: int) -> None:
        try:
            await machine.end()
        finally:
            self._uids.append(uid)
