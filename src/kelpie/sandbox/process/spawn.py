"""One process from start to end: start it, drain it, stop it at its deadline. The adapter to the machine's processes.

All pipes are read at the same time, and read on after their cap (dropping what comes), so that a tool that prints
more than we keep neither blocks nor fills our memory. Whatever happens, also when the caller is cancelled, the whole
tree is killed: pid 1 of the sandbox dies, and its pid namespace with it.

Not asyncio's subprocesses: they start in several awaits, and a cancellation between two of them kills bubblewrap
before it has tied its child to itself; the child stays, and the loop waits for its pipes for ever. Here the start is
one call, the order lies in a file of memory instead of a pipe that wants feeding, and no thread waits for the end.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.sandbox import KilledBy, SandboxLimits
from umi.dst import Host

_CHUNK_BYTES = 64 << 10
# JSON writes a control character in six bytes; the rest of the report is small.
_REPORT_BYTES_PER_CHAR = 6
_REPORT_BYTES_MORE = 256 << 10

Process = subprocess.Popen[bytes]


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

    pipe: IO[bytes]
    keep: int
    most: int
    overflow: Callable[[], None]
    kept: bytearray = field(default_factory=bytearray)
    seen: int = 0

    async def read(self) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self.pipe
        )
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                self.seen += len(chunk)
                self.kept += chunk[: max(0, self.keep - len(self.kept))]
                if self.seen > self.most:
                    self.overflow()
        finally:
            transport.close()

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
    """Start `command(result_fd, seccomp_fd)` with `order` on its stdin, and see it through to its end.

    program  the system call filter it reads from seccomp_fd, or None
    Raises ToolUnavailable if the program can't be started.
    """
    started_ms = host.clock.monotonic_ms()
    stopped: list[KilledBy] = []

    def stop(reason: KilledBy) -> None:
        stopped.append(reason)
        _kill(process)

    def too_much() -> None:
        stop("output")

    process, result = _start(command, order, program)
    assert process.stdout is not None
    assert process.stderr is not None
    kept, most = wanted.output_bytes, limits.SANDBOX_OUTPUT_BYTES_MAX
    report_bytes = wanted.result_chars * _REPORT_BYTES_PER_CHAR + _REPORT_BYTES_MORE
    out, err = (_Drain(pipe, kept, most, too_much) for pipe in (process.stdout, process.stderr))
    report = _Drain(result, report_bytes, report_bytes, too_much)
    tasks = [host.spawn(drain.read(), "sandbox pipe") for drain in (out, err, report)]
    tasks.append(host.spawn(_ended(process), "sandbox process"))
    try:
        async with host.clock.timeout(wanted.wall_ms):
            await asyncio.wait(tasks)
    except TimeoutError:
        stop("wall time")
    finally:
        await _settle(host, process, tasks)
    return Ended(
        exit=None if stopped else process.returncode,
        stopped=stopped[0] if stopped else None,
        stdout=out.text,
        stderr=err.text,
        report=bytes(report.kept) if report.seen <= report_bytes else b"",
        duration_ms=host.clock.monotonic_ms() - started_ms,
    )


def check_kernel() -> None:
    """Raises ToolUnavailable where the kernel can't tell us of a process's end."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        raise ToolUnavailable(
            f"the kernel has no pidfd_open ({error.strerror}): Linux 5.3 or newer is needed"
        ) from error


def _start(
    command: Callable[[int, int | None], list[str]], order: bytes, program: bytes | None
) -> tuple[Process, IO[bytes]]:
    """The process, and the end of the result's pipe that we read."""
    with contextlib.ExitStack() as ours:
        stdin = ours.enter_context(os.fdopen(os.memfd_create("order"), "w+b"))
        stdin.write(order)
        stdin.seek(0)
        result_fd, result_end = os.pipe()
        result = os.fdopen(result_fd, "rb", 0)
        ours.callback(os.close, result_end)
        filter_fd = None
        if program is not None:
            filter_fd, filter_end = os.pipe()
            ours.callback(os.close, filter_fd)
            os.write(filter_end, program)  # shorter than a pipe's buffer
            os.close(filter_end)
        words = command(result_end, filter_fd)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command line; the tool's source is in the order
                words,
                bufsize=0,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[result_end] if filter_fd is None else [result_end, filter_fd],
                env={},  # bubblewrap itself gets nothing of the server's environment either
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            result.close()
            raise ToolUnavailable(f"{words[0]} can't be started: {error.strerror}") from error
    return process, result


async def _ended(process: Process) -> None:
    """Wait for the end of the process, and bury it."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    fd = os.pidfd_open(process.pid)
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
        process.poll()


def _kill(process: Process) -> None:
    """SIGKILL to pid 1 of the sandbox, and with it to all in it; bubblewrap, its parent, buries it and ends.

    Where there is no such child yet, or none we can see, the whole process group goes.
    """
    if process.poll() is not None:
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


async def _settle(host: Host, process: Process, tasks: list[asyncio.Task[None]]) -> None:
    """Nothing of the call may outlive it; a process that a broken kernel won't let go is not waited for for ever."""
    if process.poll() is not None and all(task.done() for task in tasks):
        return
    _kill(process)
    try:
        async with host.clock.timeout(limits.SANDBOX_KILL_WAIT_MS_MAX):
            await asyncio.wait(tasks)
            # A host that closes has cancelled the task that waits for the end as well.
            while process.poll() is None:
                await host.clock.sleep(limits.SANDBOX_KILL_POLL_MS)
    except TimeoutError:
        pass
    except asyncio.CancelledError:
        # Cancelled while it settles: it was killed, so its end is a matter of milliseconds, and is waited for here.
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limits.SANDBOX_BURIAL_MS_MAX / 1000)
        raise
    finally:
        for task in tasks:
            task.cancel()
