"""One call from start to end: hand it to a template, drain it, stop it at its deadline, and see all of it gone."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.process.streams import Drain, Talk
from kelpie.sandbox.process.template import Gone, Running, Template
from kelpie.sandbox.sandbox import Asks, KilledBy, SandboxLimits
from kelpie.sandbox.verdict import Ended
from umi.dst import Host

_WATCHERS = 2  # processes of ours in its cgroup: the warm one, and pid 1 of the call (see inside/template.py)


@dataclass(frozen=True, slots=True)
class Work:
    """What a call needs beside its template.

    order         as the runner reads it
    uid           the reserved uid it becomes
    report_bytes  how long its report may be
    door          the path of the unix socket to our proxy, "" for no network
    """

    order: bytes
    uid: int
    wanted: SandboxLimits
    report_bytes: int
    asks: Asks | None = None
    door: str = ""


async def run(host: Host, warm: Template, work: Work) -> Ended:
    """See a call through.

    Raises ToolUnavailable if it can't be begun, and what serving its asks raised that was not the tool's fault.
    """
    started_ms = host.clock.monotonic_ms()
    stopped: list[KilledBy] = []

    def too_much() -> None:
        if not stopped:
            stopped.append("output")
            running.kill()

    running, ends = begin(warm, work, ("stdout", "stderr", "channel"))
    out, err = (Drain(end, work.wanted.output_bytes, too_much) for end in ends[:2])
    talk = Talk(host, socket.socket(fileno=ends[2]), work.asks, work.report_bytes, too_much)
    try:
        try:
            async with host.clock.timeout(work.wanted.wall_ms):
                gone = await asyncio.shield(running.ended)
        except TimeoutError:
            if not stopped:
                stopped.append("wall time")
            running.kill()
            gone = await _see_gone(host, warm, running)
    except asyncio.CancelledError:
        running.kill()
        await _see_gone(host, warm, running)
        raise
    finally:
        for end in (out, err, talk):
            end.close()
        running.forget()
    if talk.failure is not None:
        raise talk.failure
    memory_out = warm.group is not None and warm.group.killed_by_memory()
    if talk.forged or memory_out:
        warm.retire()  # nothing of them can be left in it, and a fresh one is cheap
    return Ended(
        exit=None if stopped or gone.lost else gone.status,
        stopped=stopped[0] if stopped else None,
        stdout=out.text,
        stderr=err.text,
        report=b"" if talk.forged else talk.report,
        duration_ms=host.clock.monotonic_ms() - started_ms,
        cpu_ms=None if gone.lost else gone.cpu_ms,
        out_of_memory=memory_out,
        memory_bytes=warm.group.peak_bytes() if warm.group is not None else None,
    )


async def _see_gone(host: Host, warm: Template, running: Running) -> Gone:
    """It was killed, so its end is a matter of milliseconds. If it does not come, the template goes with it."""
    try:
        async with host.clock.timeout(limits.SANDBOX_KILL_WAIT_MS_MAX):
            return await asyncio.shield(running.ended)
    except TimeoutError:
        warm.close()
        return await asyncio.shield(running.ended)
    except asyncio.CancelledError:
        running.bury()
        raise


def _message(work: Work) -> dict[str, object]:
    """What the template must know before it forks."""
    return {
        "uid": work.uid,
        "tmp_bytes": work.wanted.tmp_bytes,
        "tmp_files": limits.SANDBOX_TMP_FILES_MAX,
        "network": bool(work.door),
    }


def begin(warm: Template, work: Work, streams: Sequence[str]) -> tuple[Running, list[int]]:
    """The running call, and our ends of its streams, in their order. Raises ToolUnavailable."""
    _renew(warm, work)
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        fds = {"order": _order_fd(work.order, theirs)}
        ends = []
        for name in streams:
            mine, fds[name] = _ends(name)
            ours.callback(os.close, mine)
            theirs.callback(os.close, fds[name])
            ends.append(mine)
        if work.door:  # opened by us, so that nobody inside needs a path to it
            fds["door"] = os.open(work.door, os.O_PATH | os.O_CLOEXEC)
            theirs.callback(os.close, fds["door"])
        try:
            running = warm.begin(_message(work), fds)
        except OSError as error:
            raise ToolUnavailable(f"a sandbox could not take a call ({error.strerror}); try again") from error
        ours.pop_all()
        return running, ends


def _renew(warm: Template, work: Work) -> None:
    if warm.group is None:
        return
    memory_bytes = work.wanted.memory_bytes + limits.SANDBOX_MEMORY_RESERVE_BYTES
    try:
        warm.group.renew(memory_bytes, work.wanted.processes + _WATCHERS + bool(work.door))
    except OSError as error:
        warm.close()
        raise ToolUnavailable(f"a tool's cgroup can't be limited ({error.strerror}), so it was not run") from error


def _ends(name: str) -> tuple[int, int]:
    """(ours, theirs) of a new stream."""
    if name == "channel":
        ours, theirs = socket.socketpair()
        return ours.detach(), theirs.detach()
    read, write = os.pipe()
    return (write, read) if name == "stdin" else (read, write)


def _order_fd(order: bytes, theirs: contextlib.ExitStack) -> int:
    """A file of memory: nobody has to feed it, and it is on no command line."""
    fd = os.memfd_create("order")
    theirs.callback(os.close, fd)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(order)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
