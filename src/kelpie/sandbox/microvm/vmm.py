"""One virtual machine monitor as a process: start it in its jail, kill it, see it end. The adapter to the machine's
processes, as process/spawn.py is for tools.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import limits
from kelpie.sandbox.microvm.jail import VmmJail
from kelpie.sandbox.process import seccomp
from umi.dst import Host

_SAID_BYTES_MAX, _SAID_LINES_MAX = 8_000, 20


class Vmm:
    """A monitor that was started. Its exit status means nothing: a guest can have it end in any way."""

    def __init__(self, host: Host, process: subprocess.Popen[bytes], said_fd: int) -> None:
        self._host = host
        self._process = process
        self._said_fd = said_fd

    @property
    def pid(self) -> int:
        """Of bubblewrap, the monitor's parent."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """What it and its guest's console said last, in one line."""
        try:
            size = os.fstat(self._said_fd).st_size
            end = os.pread(self._said_fd, _SAID_BYTES_MAX, max(0, size - _SAID_BYTES_MAX))
            lines = end.decode("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        return " / ".join(lines[-_SAID_LINES_MAX:]) if lines else "nothing"

    def kill(self) -> None:
        """SIGKILL to the monitor, which is pid 1 of its namespace; bubblewrap buries it and ends.

        Where there is no such child yet, the whole process group goes.
        """
        if not self.runs:
            return
        with contextlib.suppress(ProcessLookupError):
            children = _children(self._process.pid)
            for child in children:
                os.kill(child, signal.SIGKILL)
            if not children:
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Kill it and bury it. Cancelled, it still does both: what was killed ends in milliseconds."""
        self.kill()
        try:
            async with self._host.clock.timeout(limits.SANDBOX_KILL_WAIT_MS_MAX):
                await self._ended()
        except TimeoutError:
            pass
        finally:
            if self.runs:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(limits.SANDBOX_BURIAL_MS_MAX / 1000)
            if self._said_fd >= 0:
                os.close(self._said_fd)
                self._said_fd = -1

    async def _ended(self) -> None:
        if not self.runs:
            return
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        fd = os.pidfd_open(self._process.pid)
        loop.add_reader(fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)
            self._process.poll()


def start(host: Host, jail: VmmJail, words: Sequence[str], *, fds: Sequence[int], uid: int, memory_bytes: int) -> Vmm:
    """Start a monitor in bubblewrap with `words` and the open descriptors `fds`, which keep their numbers.

    uid           the reserved user it becomes where the server is root
    memory_bytes  its address space
    Raises ToolUnavailable if it can't be started.
    """
    program = seccomp.program(alone=True)
    with contextlib.ExitStack() as ours:
        try:
            bwrap_fd = os.open(jail.bwrap, os.O_PATH)
        except OSError as error:
            raise ToolUnavailable(f"{jail.bwrap} can't be started: {error.strerror}") from None
        ours.callback(os.close, bwrap_fd)
        seccomp_fd = None
        if program is not None:
            seccomp_fd = os.memfd_create("filter")
            ours.callback(os.close, seccomp_fd)
            os.write(seccomp_fd, program)
            os.lseek(seccomp_fd, 0, os.SEEK_SET)
        command = jail.command(words, bwrap_fd=bwrap_fd, seccomp_fd=seccomp_fd, memory_bytes=memory_bytes)
        handed = [*fds, bwrap_fd, *([seccomp_fd] if seccomp_fd is not None else [])]
        user = _as_user(uid, jail.devices) if jail.as_root else {}
        return launch(host, command, fds=handed, **user)


def launch(
    host: Host, command: Sequence[str], *, fds: Sequence[int] = (), stdin_fd: int | None = None, **user: Any
) -> Vmm:
    """Start `command` with an empty environment. Raises ToolUnavailable if it can't be started."""
    said_fd = os.memfd_create("said")
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            bufsize=0,
            stdin=subprocess.DEVNULL if stdin_fd is None else stdin_fd,
            stdout=said_fd,
            stderr=said_fd,
            pass_fds=fds,
            env={},
            cwd="/",
            start_new_session=True,
            **user,
        )
    except OSError as error:
        os.close(said_fd)
        raise ToolUnavailable(f"{command[0]} can't be started: {error.strerror}") from None
    with contextlib.suppress(OSError):  # the server's own work goes first
        os.setpriority(os.PRIO_PGRP, process.pid, limits.MICROVM_NICE)
    return Vmm(host, process, said_fd)


def _as_user(uid: int, devices: Sequence[str]) -> dict[str, Any]:
    """Nobody's user and groups, but those that devices are for."""
    groups = sorted({os.stat(device).st_gid for device in devices})
    return {"user": uid, "group": uid, "extra_groups": [gid for gid in groups if gid != 0]}


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []
