"""What came of a call, from what is left of it: the same words at every level."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from kelpie.sandbox import order as orders
from kelpie.sandbox.sandbox import KilledBy, LevelName, SandboxLimits, SandboxResult, Usage

_CPU_EXIT = 128 + signal.SIGXCPU
_AROUND: dict[LevelName, str] = {"process": "sandbox", "microvm": "machine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What is left of a call.

    exit           the tool's status; None if we killed it, or nobody said
    stopped        why we did
    out_of_memory  the kernel killed a process because all of them together took too much memory
    cpu_ms         None if nobody said
    memory_bytes   the most that all of them held at once; None where nobody counts it
    lost           why what it ran in never said how it ended; "" if it did
    """

    exit: int | None
    stopped: KilledBy | None
    stdout: str
    stderr: str
    report: bytes
    duration_ms: float
    cpu_ms: float | None
    out_of_memory: bool
    memory_bytes: int | None
    lost: str = ""


def verdict(
    ended: Ended, wanted: SandboxLimits, level: LevelName, backend: str, *, refused: Sequence[str] = ()
) -> SandboxResult:
    """The result of a call that ran at `level`; `refused` are the connections it did not get."""
    killed_by = ended.stopped
    if killed_by is None and ended.exit == _CPU_EXIT:
        killed_by = "cpu time"
    report = orders.read_report(ended.report)
    value, error, files = None, None, {}
    if killed_by is not None:
        error = _stopped_text(killed_by, wanted)
    elif ended.lost:
        error = f"NoResult: {ended.lost}"
    elif report is None:
        killed_by = "memory" if ended.out_of_memory else None
        said = f"NoResult: the tool's process ended ({_exit_text(ended.exit, level)}) before its function returned"
        error = _stopped_text(killed_by, wanted) if killed_by else said
    else:
        value, error = report.value, report.error
        if report.out_of_memory or (error is not None and ended.out_of_memory):
            killed_by = "memory"
        try:
            files = orders.files_of(report) if error is None else {}
        except ValueError as forged:
            value, error = None, f"ValueError: {forged}"
    return SandboxResult(
        value=value if error is None else None,
        error=error,
        stdout=ended.stdout,
        stderr=ended.stderr,
        exit=ended.exit,
        killed_by=killed_by,
        usage=Usage(duration_ms=ended.duration_ms, cpu_ms=ended.cpu_ms, memory_bytes=ended.memory_bytes),
        level=level,
        backend=backend,
        files=files,
        network=list(refused),
    )


def _exit_text(status: int | None, level: LevelName) -> str:
    """128 + n means signal n. SIGKILL is mostly the kernel, out of memory."""
    if status is None:
        return f"with its {_AROUND[level]}"
    try:
        return signal.Signals(status - 128).name
    except ValueError:
        return f"exit status {status}"


def _stopped_text(killed_by: KilledBy, wanted: SandboxLimits) -> str:
    match killed_by:
        case "wall time":
            return f"TimeoutError: the tool ran longer than {wanted.wall_ms:,} ms and was stopped"
        case "cpu time":
            return f"TimeoutError: the tool used more than {wanted.cpu_ms:,} ms of CPU time and was stopped"
        case "memory":
            most = wanted.memory_bytes >> 20
            return f"MemoryError: the tool and its processes need more than {most} MiB together and were stopped"
        case _:
            return "OutputError: the tool wrote more than can be read and was stopped"
