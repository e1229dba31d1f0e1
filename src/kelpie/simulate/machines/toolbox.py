"""The sandbox of a simulated world. Tools there do one thing outside, they ring a bell, and every ring is counted; and
they leave a file that says for whom.

It stands for the machine's isolation, which can't be simulated; everything up to `exec` is production's code.
"""

from collections import Counter

import msgspec

from kelpie.errors import IsolationMissing, SandboxBusy
from kelpie.sandbox import MINIMUM, LevelReport, SandboxCall, SandboxLimits, SandboxResult, Trust
from umi.dst import Host
from umi.dst.faults import Faults

RING = "ring"
RING_SOURCE = '''
def ring(what: str) -> str:
    """Ring the bell.

    Args:
        what (str): For whom.
    """
    return f"rang for {what}"
'''
_WORK_MS_MAX = 200.0
_WALL_MS = 60_000.0


def file_of(what: str) -> str:
    """The file that a ring leaves in the workspace of its agent."""
    return f"rings/{what}.txt"


class Bell:
    """The world outside: what was really done, by the text that says for whom."""

    def __init__(self) -> None:
        self.rings: Counter[str] = Counter()


class SimSandbox:
    def __init__(self, host: Host, faults: Faults, bell: Bell, silo: str) -> None:
        self._host, self._faults, self._bell, self._silo = host, faults, bell, silo

    async def exec(self, call: SandboxCall, trust: Trust, wanted: SandboxLimits | None = None) -> SandboxResult:
        what = str(call.arguments.get("what", ""))
        happens = self._faults.happens
        if happens("tool.no_place", self._silo, what):
            raise SandboxBusy("simulated", 1)
        if happens("tool.no_level", self._silo, what):
            raise IsolationMissing(trust, "process", ["simulated: it is gone"])
        level = MINIMUM[trust]
        result = await (self._ring(what, wanted) if level == "process" else self._ring_in_machine(what, wanted))
        # A tool that failed leaves its file as well: what is kept of it is production's to decide.
        left = {**call.files, file_of(what): b"rung"} if call.keeps_files else {}
        return msgspec.structs.replace(result, files=left, level=level, backend="simulated")

    async def _ring_in_machine(self, what: str, wanted: SandboxLimits | None) -> SandboxResult:
        if not self._faults.happens("microvm.dies", self._silo, what):
            return await self._ring(what, wanted)
        if self._faults.share("microvm.dies", f"{what}/rang") < 0.5:
            self._bell.rings[what] += 1
        await self._host.clock.sleep(self._faults.share("microvm.dies", what) * _WORK_MS_MAX)
        return SandboxResult(error="the virtual machine stopped in the middle of the call")

    async def _ring(self, what: str, wanted: SandboxLimits | None) -> SandboxResult:
        happens = self._faults.happens
        share = self._faults.share("tool.hang", f"{what}/works")
        if happens("tool.crash_before_effect", self._silo, what):
            return SandboxResult(error="the tool's process died (signal 11)", exit=139)
        if happens("resource.memory_limit", self._silo, what):
            return SandboxResult(error="the tool needed more memory than it may have", killed_by="memory")
        await self._host.clock.sleep(share * _WORK_MS_MAX / 2)
        self._bell.rings[what] += 1
        await self._host.clock.sleep(share * _WORK_MS_MAX / 2)
        if happens("tool.hang", self._silo, what):
            await self._host.clock.sleep(wanted.wall_ms if wanted else _WALL_MS)
            return SandboxResult(error="the tool took too long", killed_by="wall time")
        if happens("tool.crash_after_effect", self._silo, what):
            return SandboxResult(error="the tool's process died (signal 11)", exit=139)
        if happens("tool.raise", self._silo, what):
            return SandboxResult(error="ValueError: the bell is cracked", exit=0)
        if happens("tool.huge_output", self._silo, what):
            return SandboxResult(value=f"rang for {what} " + "x" * 200_000, exit=0)
        return SandboxResult(value=f"rang for {what}", exit=0)

    async def reports(self) -> list[LevelReport]:
        return [LevelReport(level="simulated", exists=True)]

    async def close(self) -> None:
        pass
