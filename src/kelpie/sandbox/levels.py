"""Which level a call runs at: the weakest that is strong enough for its trust, or none at all."""

from collections.abc import Mapping, Sequence

from kelpie.errors import IsolationMissing
from kelpie.sandbox.sandbox import (
    LEVEL_NAMES,
    MINIMUM,
    Level,
    LevelName,
    LevelReport,
    SandboxCall,
    SandboxLimits,
    SandboxResult,
    Trust,
)


class Levels:
    """Implements Sandbox.

    levels   what this server was built with
    minimum  the level that each trust needs at least; an operator may lower one knowingly, no call can
    """

    def __init__(self, levels: Sequence[Level], minimum: Mapping[Trust, LevelName] = MINIMUM) -> None:
        self._levels = sorted(levels, key=lambda level: LEVEL_NAMES.index(level.name))
        self._minimum = dict(minimum)

    async def exec(self, call: SandboxCall, trust: Trust, wanted: SandboxLimits | None = None) -> SandboxResult:
        needed = self._minimum[trust]
        missing = []
        for level in self._levels:
            if LEVEL_NAMES.index(level.name) < LEVEL_NAMES.index(needed):
                continue
            report = await level.report()
            if report.exists:
                return await level.exec(call, wanted)
            missing.append(f"{level.name}: {report.reason}")
        raise IsolationMissing(trust, needed, missing)

    async def reports(self) -> list[LevelReport]:
        return [await level.report() for level in self._levels]

    async def close(self) -> None:
        for level in self._levels:
            await level.close()
