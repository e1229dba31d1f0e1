"""The level "process": a fresh bubblewrap and a fresh Python for every call."""

import asyncio
import os
import re
import signal
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded, ToolFailed, ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.process import bwrap, seccomp, selftest, spawn
from kelpie.sandbox.sandbox import KilledBy, LevelName, LevelReport, SandboxCall, SandboxLimits, SandboxResult, Usage
from umi.dst import Host

LEVEL: LevelName = "process"
BACKEND = "bwrap"
T = TypeVar("T")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CPU_EXIT = 128 + signal.SIGXCPU


class _Report(msgspec.Struct):
    """What the runner says about a call (see inside/runner.py)."""

    value: Any
    error: str | None
    out_of_memory: bool


class _Seen(msgspec.Struct):
    """What pid 1 of the sandbox adds."""

    cpu_ms: float


_decode = msgspec.json.Decoder(_Report).decode
_decode_seen = msgspec.json.Decoder(_Seen).decode


class ProcessLevel:
    """Implements Level. The first call runs the self-test; no call runs before one has passed.

    bwrap_path  bubblewrap to use instead of the packaged or the system's one
    """

    name = LEVEL

    def __init__(self, host: Host, *, bwrap_path: str | None = None) -> None:
        self._host = host
        self._bwrap_path = bwrap_path
        self._program = seccomp.program()
        self._places = asyncio.Semaphore(limits.SANDBOX_CALLS_AT_ONCE_MAX)
        self._free = list(range(limits.SANDBOX_CALLS_AT_ONCE_MAX))
        self._jail: bwrap.Jail | None = None
        self._report: LevelReport | None = None
        self._reported_ms = 0.0
        self._testing = asyncio.Lock()  # two first calls, one self-test

    async def exec(self, call: SandboxCall, wanted: SandboxLimits | None = None) -> SandboxResult:
        report = await self.report()
        if not report.exists:
            raise ToolUnavailable(f"tools can't be isolated on this machine, so this one was not run: {report.reason}")
        return await self._exec(call, wanted or SandboxLimits())

    async def report(self) -> LevelReport:
        async with self._testing:
            known, now_ms = self._report, self._host.clock.monotonic_ms()
            if known is None or (not known.exists and now_ms - self._reported_ms > limits.SELFTEST_AGAIN_MS):
                self._report, self._reported_ms = await self._selftest(), now_ms
            assert self._report is not None
            return self._report

    async def _selftest(self) -> LevelReport:
        as_root = os.geteuid() == 0
        try:
            self._jail = bwrap.Jail(self._bwrap_path or bwrap.find_bwrap(), bwrap.find_python(), as_root)
            spawn.check_kernel()
            return await selftest.run(self._exec, as_root=as_root, filtered=self._program is not None)
        except ToolUnavailable as error:
            return LevelReport(level=LEVEL, exists=False, reason=str(error))

    async def close(self) -> None:
        """Nothing is warm: every call starts afresh."""

    async def _exec(self, call: SandboxCall, wanted: SandboxLimits) -> SandboxResult:
        order = _order(call, wanted)
        try:
            async with self._host.clock.timeout(limits.SANDBOX_WAIT_MS_MAX):
                await self._places.acquire()
        except TimeoutError:
            count, waited_s = limits.SANDBOX_CALLS_AT_ONCE_MAX, limits.SANDBOX_WAIT_MS_MAX // 1000
            raise ToolFailed(f"all {count} sandboxes were busy for {waited_s} seconds; try again later") from None
        place = self._free.pop()
        try:
            return await self._in_place(place, call, order, wanted)
        finally:
            self._free.append(place)
            self._places.release()

    async def _in_place(self, place: int, call: SandboxCall, order: bytes, wanted: SandboxLimits) -> SandboxResult:
        jail = self._jail
        assert jail is not None
        packages = "pydantic" in call.source

        def command(result_fd: int, seccomp_fd: int | None) -> list[str]:
            return jail.command(bwrap.uid_of(place), wanted, result_fd, seccomp_fd, packages)

        return _verdict(await spawn.run(self._host, command, order, wanted, self._program), wanted)


def _order(call: SandboxCall, wanted: SandboxLimits) -> bytes:
    """The call as the runner reads it. Raises InvalidInput, LimitExceeded."""
    names = list(call.environment)
    if len(names) > limits.SANDBOX_ENVIRONMENT_NAMES_MAX:
        most = limits.SANDBOX_ENVIRONMENT_NAMES_MAX
        raise LimitExceeded("the environment of a tool", len(names), most, "variables")
    for name, value in call.environment.items():
        if not _VARIABLE.fullmatch(name) or "\0" in value:  # the value may be a secret: it is not shown
            raise InvalidInput(f"'{name}' can't be handed to a tool as an environment variable; use letters, digits, _")
    order = msgspec.json.encode(
        {
            "source": call.source,
            "function": call.function,
            "arguments": call.arguments,
            "environment": dict(call.environment),
            "limits": {
                "cpu_ms": wanted.cpu_ms,
                "memory_bytes": wanted.memory_bytes,
                "memory_reserve_bytes": limits.SANDBOX_MEMORY_RESERVE_BYTES,
                "processes": wanted.processes,
                "open_files": wanted.open_files,
                "file_bytes": wanted.file_bytes,
                "result_chars": wanted.result_chars,
                "error_chars": limits.SANDBOX_ERROR_CHARS_MAX,
            },
        }
    )
    if len(order) > limits.SANDBOX_ORDER_BYTES_MAX:
        raise LimitExceeded("a tool's source with its arguments", len(order), limits.SANDBOX_ORDER_BYTES_MAX, "bytes")
    return order


def _verdict(ended: spawn.Ended, wanted: SandboxLimits) -> SandboxResult:
    said, _, seen = ended.report.rpartition(b"\n")
    report, killed_by = _read(_decode, said), ended.stopped
    if killed_by is None and ended.exit == _CPU_EXIT:
        killed_by = "cpu time"
    value, error, pid_1 = None, None, _read(_decode_seen, seen)
    if killed_by is not None:
        error = _stopped_text(killed_by, wanted)
    elif report is None:
        error = f"NoResult: the tool's process ended ({_exit_text(ended.exit)}) before its function returned"
    else:
        value, error = report.value, report.error
        killed_by = "memory" if report.out_of_memory else None
    return SandboxResult(
        value=value,
        error=error,
        stdout=ended.stdout,
        stderr=ended.stderr,
        exit=ended.exit,
        killed_by=killed_by,
        usage=Usage(duration_ms=ended.duration_ms, cpu_ms=pid_1.cpu_ms if pid_1 is not None else None),
        level=LEVEL,
        backend=BACKEND,
    )


def _read(decode: Callable[[bytes], T], written: bytes) -> T | None:
    """None for anything that is not a report: the tool can write to the same pipe."""
    try:
        return decode(written)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _exit_text(status: int | None) -> str:
    """bubblewrap says 128 + n for signal n. SIGKILL is mostly the kernel, out of memory."""
    try:
        return signal.Signals((status or 0) - 128).name
    except ValueError:
        return f"exit status {status}"


def _stopped_text(killed_by: KilledBy, wanted: SandboxLimits) -> str:
    match killed_by:
        case "wall time":
            return f"TimeoutError: the tool ran longer than {wanted.wall_ms:,} ms and was stopped"
        case "cpu time":
            return f"TimeoutError: the tool used more than {wanted.cpu_ms:,} ms of CPU time and was stopped"
        case _:
            return "OutputError: the tool wrote more than can be read and was stopped"
