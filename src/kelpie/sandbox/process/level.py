"""The level "process": a warm Python in bubblewrap for each trust domain, and a locked-up fork of it for every call."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from kelpie.errors import InvalidInput, SandboxBusy, ToolUnavailable
from kelpie.sandbox import egress, languages, limits
from kelpie.sandbox import order as orders
from kelpie.sandbox.process import bwrap, call, cgroups, seccomp, selftest, template
from kelpie.sandbox.process.templates import Templates
from kelpie.sandbox.sandbox import LevelName, LevelReport, SandboxCall, SandboxLimits, SandboxResult
from kelpie.sandbox.verdict import verdict
from umi.dst import Host

LEVEL: LevelName = "process"
BACKEND = "bwrap"


class ProcessLevel:
    """Implements Level. The first call runs the self-test; no call runs before one has passed.

    bwrap_path  bubblewrap to use instead of the packaged or the system's one
    """

    name = LEVEL

    def __init__(self, host: Host, *, bwrap_path: str | None = None) -> None:
        self.host = host
        self._bwrap_path = bwrap_path
        self._places = asyncio.Semaphore(limits.SANDBOX_CALLS_AT_ONCE_MAX)
        self._free = list(range(limits.SANDBOX_CALLS_AT_ONCE_MAX))
        programs = range(limits.SANDBOX_CALLS_AT_ONCE_MAX, bwrap.UIDS)
        self.program_places = list(programs)  # those free, for programs that live on (program.py)
        self._jail: bwrap.Jail | None = None
        self._templates = Templates(host, self._start)
        self._report: LevelReport | None = None
        self._reported_ms = 0.0
        self._testing = asyncio.Lock()  # two first calls, one self-test

    async def exec(self, call: SandboxCall, wanted: SandboxLimits | None = None) -> SandboxResult:
        await self.jail()
        try:
            return await self._exec(call, wanted or SandboxLimits())
        except template.NotStarted as failed:
            why = selftest.explained(failed.complaint, failed.exit)
            raise ToolUnavailable(f"a sandbox did not start, so this tool was not run: {why}") from None

    async def jail(self) -> bwrap.Jail:
        """What calls are jailed with, after the self-test. Raises ToolUnavailable if the level does not exist."""
        report = await self.report()
        if not report.exists:
            raise ToolUnavailable(f"tools can't be isolated on this machine, so this one was not run: {report.reason}")
        assert self._jail is not None
        return self._jail

    async def report(self) -> LevelReport:
        async with self._testing:
            known, now_ms = self._report, self.host.clock.monotonic_ms()
            if known is None or (not known.exists and now_ms - self._reported_ms > limits.SELFTEST_AGAIN_MS):
                self._report, self._reported_ms = await self._selftest(), now_ms
            assert self._report is not None
            return self._report

    async def _selftest(self) -> LevelReport:
        try:
            self._jail = self._made_jail()
            template.check_kernel()
            report = await selftest.run(self._exec, self._hello, self._jail)
        except ToolUnavailable as error:
            report = LevelReport(level=LEVEL, exists=False, reason=str(error))
        except template.NotStarted as failed:
            report = LevelReport(level=LEVEL, exists=False, reason=selftest.explained(failed.complaint, failed.exit))
        if not report.exists:
            await self._templates.close()
        return report

    def _made_jail(self) -> bwrap.Jail:
        filters = {"closed": seccomp.program(), "network": seccomp.program(network=True)}
        return bwrap.Jail(
            bwrap=self._bwrap_path or bwrap.find_bwrap(),
            python=bwrap.find_python(),
            as_root=os.geteuid() == 0,
            filters={name: (program or b"").hex() for name, program in filters.items()},
            cgroups=cgroups.find(),
        )

    async def close(self) -> None:
        """End what is warm, and what runs in it."""
        await self._templates.close()
        if self._jail is not None:
            self._jail.cgroups.sweep()

    def _start(self, need: bwrap.Need) -> template.Template:
        jail = self._jail
        assert jail is not None
        return template.start(self.host, jail.cgroups, lambda control, join: jail.command(control, need, join))

    async def _hello(self) -> template.Hello:
        async with self._warm(bwrap.Need()) as warm:
            return await warm.ready

    @contextlib.asynccontextmanager
    async def _warm(self, need: bwrap.Need) -> AsyncIterator[template.Template]:
        warm = await self._templates.take(need)
        try:
            yield warm
        finally:
            self._templates.give_back(need, warm)

    async def _exec(self, call: SandboxCall, wanted: SandboxLimits) -> SandboxResult:
        order = orders.encode(call, wanted)
        need = _need(call)
        try:
            async with self.host.clock.timeout(limits.SANDBOX_WAIT_MS_MAX):
                await self._places.acquire()
        except TimeoutError:
            raise SandboxBusy(LEVEL, limits.SANDBOX_RETRY_AFTER_S) from None
        place = self._free.pop()
        try:
            return await self._in_place(place, need, call, order, wanted)
        finally:
            self._free.append(place)
            self._places.release()

    async def _in_place(
        self, place: int, need: bwrap.Need, given: SandboxCall, order: bytes, wanted: SandboxLimits
    ) -> SandboxResult:
        refused: list[str] = []
        async with contextlib.AsyncExitStack() as stack:
            path = ""
            if given.egress is not None:
                door = await stack.enter_async_context(egress.open_door(self.host, given.egress))
                path, refused = door.path, door.refused
            work = call.Work(order, bwrap.uid_of(place), wanted, orders.report_bytes(given, wanted), given.asks, path)
            warm = await stack.enter_async_context(self._warm(need))
            ended = await call.run(self.host, warm, work)
        return verdict(ended, wanted, LEVEL, BACKEND, refused=refused)


def _need(given: SandboxCall) -> bwrap.Need:
    """What its warm process must hold. Raises InvalidInput for a layer that is no folder."""
    if given.layer and not (os.path.isabs(given.layer) and os.path.isdir(given.layer)):
        raise InvalidInput(f"there is no folder of packages at '{given.layer}'")
    reads = languages.node_program().reads if given.language in orders.NODE_LANGUAGES else ()
    return bwrap.Need(given.domain, given.layer, "pydantic" in given.source, reads)
