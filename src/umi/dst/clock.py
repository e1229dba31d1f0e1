"""Time as an argument: one protocol, the real clock, and one that only moves when told."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC: for records that people read. May jump."""
        ...

    def monotonic_ms(self) -> float:
        """Milliseconds from an arbitrary origin: for durations and deadlines. Never falls."""
        ...

    async def sleep(self, duration_ms: float) -> None: ...

    def timeout(self, duration_ms: float) -> asyncio.Timeout:
        """A scope that raises TimeoutError inside itself after `duration_ms`."""
        ...


class SystemClock:
    """The machine's clocks; sleeping and deadlines belong to the running event loop."""

    # A large offset makes a duration computed from a mix of two clocks absurd at once, instead of slightly wrong.
    _MONOTONIC_OFFSET_MS = 7_000_000_000.0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic() * 1000 + self._MONOTONIC_OFFSET_MS

    async def sleep(self, duration_ms: float) -> None:
        await asyncio.sleep(duration_ms / 1000)

    def timeout(self, duration_ms: float) -> asyncio.Timeout:
        return asyncio.timeout(duration_ms / 1000)


class ManualClock(SystemClock):
    """A clock for tests: reads stand still until `advance`; sleeping yields once and moves time on."""

    def __init__(self, start_ms: int = 1_750_000_000_000) -> None:
        self._now_ms = float(start_ms)

    def now_ms(self) -> int:
        return int(self._now_ms)

    def monotonic_ms(self) -> float:
        return self._now_ms

    def advance(self, duration_ms: float) -> None:
        assert duration_ms >= 0, "time does not run backwards"
        self._now_ms += duration_ms

    async def sleep(self, duration_ms: float) -> None:
        self.advance(duration_ms)
        await asyncio.sleep(0)
