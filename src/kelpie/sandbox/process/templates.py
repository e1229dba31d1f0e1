"""The warm processes of a level: enough for the calls that run, renewed after a number of calls, ended when idle.

A process has one call at a time, and serves one need: what two domains run never shares one. They are bounded in
number; where all are taken the one that rested longest makes room.
"""

from collections.abc import Callable

from kelpie.sandbox import limits
from kelpie.sandbox.process.bwrap import Need
from kelpie.sandbox.process.template import Template
from umi.dst import Host


class Templates:
    """`start(need)` starts a process; all else is who gets which, and for how long."""

    def __init__(self, host: Host, start: Callable[[Need], Template]) -> None:
        self._host = host
        self._start = start
        self._resting: list[tuple[Need, Template]] = []  # the one that rested longest is first
        self._busy: list[Template] = []
        self._watched = False

    def __len__(self) -> int:
        return len(self._resting) + len(self._busy)

    async def take(self, need: Need) -> Template:
        """A process for one call, to be given back. Raises what starting raises."""
        while (warm := self._rested(need)) is not None:
            if warm.alive and not warm.spent:
                self._busy.append(warm)
                return warm
        self._make_room()
        warm = self._start(need)
        self._busy.append(warm)
        try:
            await warm.wait_ready()
        except BaseException:
            self._busy.remove(warm)
            warm.close()
            raise
        return warm

    def give_back(self, need: Need, warm: Template) -> None:
        """After a call, or instead of one."""
        self._busy.remove(warm)
        if warm.running is not None:
            warm.close()  # it was not seen to the end of its call
        elif warm.alive and not warm.spent:
            self._resting.append((need, warm))
            self._watch()

    def _rested(self, need: Need) -> Template | None:
        """The one that rested shortest: the others may grow old and end."""
        for place in reversed(range(len(self._resting))):
            if self._resting[place][0] == need:
                return self._resting.pop(place)[1]
        return None

    def _make_room(self) -> None:
        while self._resting and len(self) >= limits.SANDBOX_TEMPLATES_MAX:
            self._resting.pop(0)[1].close()

    def _watch(self) -> None:
        if not self._watched:
            self._watched = True
            self._host.spawn(self._end_idle(), "sandbox templates")

    async def _end_idle(self) -> None:
        try:
            while self._resting:
                await self._host.clock.sleep(limits.SANDBOX_TEMPLATE_IDLE_MS_MAX / 2)
                self.end_idle()
        finally:
            self._watched = False

    def end_idle(self) -> None:
        """End those that had nothing to do for long."""
        now_ms = self._host.clock.monotonic_ms()
        for need, warm in list(self._resting):
            if not warm.alive or now_ms - warm.rested_ms >= limits.SANDBOX_TEMPLATE_IDLE_MS_MAX:
                self._resting.remove((need, warm))
                warm.close()

    async def close(self) -> None:
        """End them all, and what runs in them."""
        every = [warm for _, warm in self._resting] + self._busy
        self._resting.clear()
        for warm in every:
            warm.close()
        for warm in every:
            await warm.buried()
