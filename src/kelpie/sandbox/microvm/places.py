"""Who may have a machine now, who waits, and who is told to come again."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator

from kelpie.errors import SandboxBusy
from kelpie.sandbox import limits
from umi.dst import Host

_WEIGHT = 0.2  # of the newest call in the average duration
_FIRST_GUESS_MS = 500.0


class Places:
    """At most `running` calls at once and `waiting` behind them; any further is refused at once.

    level  how the refusal names what is full
    """

    def __init__(self, host: Host, level: str, running: int, waiting: int) -> None:
        self._host = host
        self._level = level
        self._running = running
        self._waiting_max = waiting
        self._waiting = 0
        self._places = asyncio.Semaphore(running)
        self._average_ms = _FIRST_GUESS_MS

    @contextlib.asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place. Raises SandboxBusy if too many wait already, or none came free in time."""
        if self._places.locked() and self._waiting >= self._waiting_max:
            raise SandboxBusy(self._level, self.retry_after_s)
        self._waiting += 1
        try:
            async with self._host.clock.timeout(limits.SANDBOX_WAIT_MS_MAX):
                await self._places.acquire()
        except TimeoutError:
            raise SandboxBusy(self._level, self.retry_after_s) from None
        finally:
            self._waiting -= 1
        started_ms = self._host.clock.monotonic_ms()
        try:
            yield
        finally:
            taken_ms = self._host.clock.monotonic_ms() - started_ms
            self._average_ms += _WEIGHT * (taken_ms - self._average_ms)
            self._places.release()

    @property
    def retry_after_s(self) -> int:
        """When those who wait now will have been served, by how long calls took lately."""
        return max(1, math.ceil(self._average_ms * (self._waiting + 1) / self._running / 1000))
