"""What a tenant may still do. A tenant without a quota costs a look into a dictionary.

Agents, open runs and bytes are counted in the store, so they hold over restarts; the messages of the last minute are
counted by each node for itself. Whoever makes an agent or begins a run does so within `room_for_…`, which admits one
maker of a tenant at a time: two at once can't both take the last place.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from kelpie.errors import QuotaExceeded, RateExceeded
from kelpie.tenants import limits, records
from kelpie.tenants.records import NO_QUOTA, Quota
from umi.dst import Host
from umi.storage import Changes, Database, View

Count = Callable[[View, str], Awaitable[int]]
_RUNS_RETRY_S = 1
_MINUTE_MS = 60_000


class Counts(NamedTuple):
    """How rooms that own the rows count them.

    stored  statements that each sum the bytes of one kind of thing a tenant (the one parameter) has
    """

    agents: Count
    open_runs: Count
    stored: Sequence[str]


class _Allowance:
    """Messages of one tenant: a minute's worth at most, and as many again as time goes by."""

    def __init__(self, per_minute: int, now_ms: float) -> None:
        self.per_minute, self.left, self._at_ms = per_minute, float(per_minute), now_ms

    def take(self, count: int, now_ms: float) -> float:
        """0 if they may be sent, or after how many milliseconds they may."""
        self.left = min(self.per_minute, self.left + (now_ms - self._at_ms) * self.per_minute / _MINUTE_MS)
        self._at_ms = now_ms
        if self.left >= count:
            self.left -= count
            return 0
        return (count - self.left) * _MINUTE_MS / self.per_minute if self.per_minute else math.inf


class _Stored:
    """How many bytes a tenant had when it was last looked at, and how many were sent since."""

    def __init__(self, measured: int, at_ms: float) -> None:
        self.measured, self.sent, self.at_ms = measured, 0, at_ms


class Quotas:
    def __init__(self, database: Database, host: Host, counts: Counts) -> None:
        self._view, self._host, self._counts = View(database), host, counts
        self._of: dict[str, Quota] = {}
        self._allowances: dict[str, _Allowance] = {}
        self._stored: dict[str, _Stored] = {}
        self._makers: dict[str, asyncio.Lock] = {}

    async def load(self) -> list[str]:
        """Read what every tenant may. Returns the tenants there are."""
        found = await records.every(self._view)
        self._of = {one.id: one.quota for one in found if one.quota != NO_QUOTA}
        return [one.id for one in found]

    def of(self, tenant: str) -> Quota:
        return self._of.get(tenant, NO_QUOTA)

    def plan_set(self, tenant: str, quota: Quota) -> Changes:
        """Raises InvalidInput. It counts from the commit on."""
        return records.plan_quota(self._host, tenant, quota).after(lambda: self.taken(tenant, quota))

    def taken(self, tenant: str, quota: Quota) -> None:
        """For the hook of the commit that gave it to the tenant."""
        self._of[tenant] = quota
        for known in (self._allowances, self._stored):
            known.pop(tenant, None)

    def take_messages(self, tenant: str, count: int = 1) -> None:
        """Note that a tenant sends messages. Raises RateExceeded, saying when it may."""
        most = self.of(tenant).messages_per_minute
        if most is None:
            return
        now_ms = self._host.clock.monotonic_ms()
        allowance = self._allowances.get(tenant)
        if allowance is None:
            allowance = self._allowances[tenant] = _Allowance(most, now_ms)
        wait_ms = allowance.take(count, now_ms)
        if wait_ms:
            after_s = 60 if count > most else max(1, math.ceil(wait_ms / 1000))
            raise RateExceeded("messages_per_minute", most, "messages a minute", after_s)

    @asynccontextmanager
    async def room_for_agents(self, tenant: str, count: int = 1) -> AsyncIterator[None]:
        """Within this that many agents may be made. Raises QuotaExceeded."""
        most = self.of(tenant).agents
        if most is None:
            yield
            return
        async with self._maker(tenant):
            if await self._counts.agents(self._view, tenant) + count > most:
                raise QuotaExceeded("agents", most, "agents")
            yield

    @asynccontextmanager
    async def room_for_run(self, tenant: str, messages: int = 1) -> AsyncIterator[None]:
        """Within this a run of that many messages may begin. Raises RateExceeded; a run that ends makes room."""
        most = self.of(tenant).open_runs
        if most is None:
            self.take_messages(tenant, messages)
            yield
            return
        async with self._maker(tenant):
            if await self._counts.open_runs(self._view, tenant) >= most:
                raise RateExceeded("open_runs", most, "runs at a time", _RUNS_RETRY_S)
            self.take_messages(tenant, messages)
            yield

    async def take_bytes(self, tenant: str, count: int) -> None:
        """Note that a tenant sends something that may be stored. Raises QuotaExceeded."""
        most = self.of(tenant).storage_bytes
        if most is None:
            return
        known = await self._stored_by(tenant, limits.STORAGE_MEASURE_MS)
        if known.measured + known.sent + count > most:
            known = await self._stored_by(tenant, limits.STORAGE_MEASURE_AGAIN_MS)
        if known.measured + known.sent + count > most:
            raise QuotaExceeded("storage_bytes", most, "bytes")
        known.sent += count

    def note_bytes(self, tenant: str, count: int) -> None:
        """The same of what had not said how much it is: it was let in, and counts for what comes after it."""
        known = self._stored.get(tenant)
        if known is not None:
            known.sent += count

    async def used(self, tenant: str) -> Quota:
        """What of each the tenant has now. Messages are those of the last minute here, as far as they are counted."""
        allowance = self._allowances.get(tenant)
        if allowance is not None:
            allowance.take(0, self._host.clock.monotonic_ms())
        return Quota(
            agents=await self._counts.agents(self._view, tenant),
            messages_per_minute=None if allowance is None else math.ceil(allowance.per_minute - allowance.left),
            storage_bytes=await self._measure(tenant),
            open_runs=await self._counts.open_runs(self._view, tenant),
        )

    async def _stored_by(self, tenant: str, fresh_ms: float) -> _Stored:
        known, now_ms = self._stored.get(tenant), self._host.clock.monotonic_ms()
        if known is None or now_ms - known.at_ms >= fresh_ms:
            known = self._stored[tenant] = _Stored(await self._measure(tenant), now_ms)
        return known

    async def _measure(self, tenant: str) -> int:
        sums = await self._view.all(*((sql, (tenant,)) for sql in self._counts.stored))
        return sum(int(rows[0][0] or 0) for rows in sums)

    def _maker(self, tenant: str) -> asyncio.Lock:
        return self._makers.setdefault(tenant, asyncio.Lock())
