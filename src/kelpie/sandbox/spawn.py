"""One process from start to end: feed it, drain it, stop it at its deadline. The adapter to asyncio's subprocesses.

All pipes are read at the same time, and read on after their cap (dropping what comes), so that a tool that prints
more than we keep neither blocks nor fills our memory. Whatever happens, also when the caller is cancelled, the whole
tree is killed: pid 1 of the sandbox dies, and its pid namespace with it.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.sandbox import KilledBy, SandboxLimits
from umi.dst import Host

_CHUNK_BYTES = 64 << 10
# JSON writes a control character in six bytes; the rest of the report is small.
_REPORT_BYTES_PER_CHAR = 6
_REPORT_BYTES_MORE = 256 << 10


class Ended(msgspec.Struct, frozen=True):
    """What is left of a process. `exit` is None if we killed it, `stopped` says why we did."""

    exit: int | None
    stopped: KilledBy | None
    stdout: str
    stderr: str
    report: bytes
    duration_ms: float


@dataclass(slots=True)
class _Drain:
    """Reads a pipe to its end, keeps the first `keep` bytes and calls `overflow` once more than `most` came."""

    keep: int
    most: int
    overflow: Callable[[], None]
    kept: bytearray
    seen: int = 0

    async def read(self, pipe: asyncio.StreamReader) -> None:
        while chunk := await pipe.read(_CHUNK_BYTES):
            self.seen += len(chunk)
            self.kept += chunk[: max(0, self.keep - len(self.kept))]
            if self.seen > self.most:
                self.overflow()

    @property
    def text(self) -> str:
        text = self.kept.decode("utf-8", "replace")
        left_out = self.seen - len(self.kept)
        return f"{text}\n[{left_out:,} more bytes were left out]" if left_out else text


async def run(
    host: Host,
    command: Callable[[int, int | None], list[str]],
    order: bytes,
    wanted: SandboxLimits,
    program: bytes | None,
) -> Ended:
    """Start `command(result_fd, seccomp_fd)`, hand `order` to its stdin, and see it through to its end.

    program  the system call filter it reads from seccomp_fd, or None
    Raises ToolUnavailable if the program can't be started.
    """
    started_ms = host.clock.monotonic_ms()
    result_fd, result_end = os.pipe()
    ours = [result_end]
    filter_fd = None
    if program is not None:
        filter_fd, filter_end = os.pipe()
        ours.append(filter_fd)
        os.write(filter_end, program)  # shorter than a pipe's buffer
        os.close(filter_end)
    try:
        process = await _start(command(result_end, filter_fd), ours)
    except BaseException:
        os.close(result_fd)
        raise
    finally:
        for fd in ours:
            os.close(fd)
    return await _see_through(host, process, result_fd, order, wanted, started_ms)


async def _start(command: list[str], fds: list[int]) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            pass_fds=fds,
            env={},  # bubblewrap itself gets nothing of the server's environment either
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolUnavailable(f"{command[0]} can't be started: {error.strerror}") from error


async def _see_through(
    host: Host, process: Process, result_fd: int, order: bytes, wanted: SandboxLimits, started_ms: float
) -> Ended:
    stopped: list[KilledBy] = []

    def stop(reason: KilledBy) -> None:
        stopped.append(reason)
        _kill(process)

    def too_much() -> None:
        stop("output")

    assert process.stdout is not None
    assert process.stderr is not None
    kept, most = wanted.output_bytes, limits.SANDBOX_OUTPUT_BYTES_MAX
    report_bytes = wanted.result_chars * _REPORT_BYTES_PER_CHAR + _REPORT_BYTES_MORE
    out, err = (_Drain(kept, most, too_much, bytearray()) for _ in range(2))
    report = _Drain(report_bytes, report_bytes, too_much, bytearray())
    result = asyncio.StreamReader()
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(result), os.fdopen(result_fd, "rb", 0)
        )
    except BaseException:
        _kill(process)
        raise
    works = (_feed(process, order), out.read(process.stdout), err.read(process.stderr), report.read(result))
    tasks = [host.spawn(work, "sandbox pipe") for work in works]
    ended = host.spawn(process.wait(), "sandbox process")
    try:
        async with host.clock.timeout(wanted.wall_ms):
            await asyncio.wait([*tasks, ended])
    except TimeoutError:
        stop("wall time")
    finally:
        await _settle(host, process, [*tasks, ended])
        transport.close()
    return Ended(
        exit=None if stopped else process.returncode,
        stopped=stopped[0] if stopped else None,
        stdout=out.text,
        stderr=err.text,
        report=bytes(report.kept) if report.seen <= report_bytes else b"",
        duration_ms=host.clock.monotonic_ms() - started_ms,
    )


async def _feed(process: Process, order: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):  # it may end without reading: its exit status says so
        process.stdin.write(order)
        await process.stdin.drain()
    process.stdin.close()


def _kill(process: Process) -> None:
    """SIGKILL to pid 1 of the sandbox, and with it to all in it; bubblewrap, its parent, buries it and ends.

    Where there is no such child yet, or none we can see, the whole process group goes.
    """
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        children = _children(process.pid)
        for child in children:
            os.kill(child, signal.SIGKILL)
        if not children:
            os.killpg(process.pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []


async def _settle(host: Host, process: Process, tasks: list[asyncio.Task[None] | asyncio.Task[int]]) -> None:
    """Nothing of the call may outlive it; a process that a broken kernel won't let go is not waited for for ever."""
    if all(task.done() for task in tasks):
        return
    _kill(process)
    with contextlib.suppress(TimeoutError):
        async with host.clock.timeout(limits.SANDBOX_KILL_WAIT_MS_MAX):
            await asyncio.wait(tasks)
    stuck = [task for task in tasks if not task.done()]
    for task in stuck:
        task.cancel()
    if stuck:
        # A Process has no public way to let go of its pipes while one that holds the other end lives on.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
