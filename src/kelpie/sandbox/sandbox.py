"""The sandbox as its callers see it: what to run, under which limits, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from kelpie.sandbox import limits

KilledBy = Literal["wall time", "cpu time", "memory", "output"]


@dataclass(frozen=True, slots=True)
class SandboxCall:
    """A function of some Python source, and what to call it with.

    arguments    JSON values by parameter name
    environment  variables the function may read, by name; nothing else of ours is handed over

    A dataclass and not a Struct, so that neither arguments nor secrets show up when a call is printed.
    """

    source: str = field(repr=False)
    function: str
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class SandboxLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one call may use. Memory, CPU time and open files count per process, `processes` for the whole call."""

    wall_ms: int = limits.SANDBOX_WALL_MS_DEFAULT
    cpu_ms: int = limits.SANDBOX_CPU_MS_DEFAULT
    memory_bytes: int = limits.SANDBOX_MEMORY_BYTES_DEFAULT
    processes: int = limits.SANDBOX_PROCESSES_DEFAULT
    open_files: int = limits.SANDBOX_OPEN_FILES_DEFAULT
    file_bytes: int = limits.SANDBOX_FILE_BYTES_DEFAULT
    tmp_bytes: int = limits.SANDBOX_TMP_BYTES_DEFAULT
    output_bytes: int = limits.SANDBOX_OUTPUT_BYTES_DEFAULT
    result_chars: int = limits.SANDBOX_RESULT_CHARS_DEFAULT


class SandboxResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call.

    value      what the function returned, as JSON; a string longer than `result_chars` is cut
    error      None, or why there is no value: "TypeError: ..." as the tool raised it, or what stopped it
    exit       the process's exit status, 128 + n for signal n; None if we killed it
    killed_by  the limit that ended the call
    cpu_ms     of the tool's process and the children it waited for; None if we killed it
    level      the isolation the call ran at
    """

    value: Any = None
    error: str | None = None
    stdout: str = ""
    stderr: str = ""
    exit: int | None = None
    killed_by: KilledBy | None = None
    duration_ms: float = 0.0
    cpu_ms: float | None = None
    level: str = "process"


class LevelReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a level of isolation exists on this machine, as its self-test found it.

    reason   why it does not exist; empty if it does
    holds    what the self-test saw hold
    gaps     what does not hold here and would on another machine or level
    """

    level: str
    exists: bool
    reason: str = ""
    holds: list[str] = []
    gaps: list[str] = []


class Sandbox(Protocol):
    async def exec(self, call: SandboxCall, wanted: SandboxLimits | None = None) -> SandboxResult:
        """Run one call in a fresh sandbox, under the default limits unless others are `wanted`.

        Whatever the tool does is a result, not an exception.

        Raises ToolUnavailable if this machine can't isolate, ToolFailed if all places stay taken, LimitExceeded or
        InvalidInput if the call can't be handed over.
        """
        ...

    async def level_report(self) -> LevelReport:
        """Which level `exec` runs at and what holds there; runs the self-test if none ran yet."""
        ...
