"""A program of ours as a child of the server, seen through to its end: installing packages, reading a web page.

It gets nothing of the server's environment and has an end in time, CPU time and what it may write. It is not isolated:
code that somebody else wrote runs in a Level.
"""

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from umi.dst import Host


class Bounds(NamedTuple):
    """file_bytes  of each file it writes
    output_bytes  kept of what it prints
    memory_bytes  of addresses; None for no bound"""

    wall_ms: int
    cpu_s: int
    file_bytes: int
    output_bytes: int
    memory_bytes: int | None = None


class Ended(NamedTuple):
    """exit  its status, below zero for a signal; None if it was ended because time was up
    output  what it wrote to stdout and stderr, together"""

    exit: int | None
    output: bytes


async def run(
    host: Host,
    command: Sequence[str],
    bounds: Bounds,
    *,
    environment: Mapping[str, str],
    cwd: str = "/",
    given: bytes = b"",
    watched: Callable[[], Awaitable[None]] | None = None,
    every_ms: int = 500,
) -> Ended:
    """Start the program with `given` on its standard input.

    watched  awaited every `every_ms` while it runs; what it raises ends the program
    Raises OSError if it can't be started.
    """
    with _memory("given", given) as stdin, _memory("output", b"") as stdout:
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - starting is one call; the command is ours
            list(command),
            env=dict(environment),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stdout,
            start_new_session=True,
        )
        try:
            _bound(process.pid, bounds)
            in_time = await _seen_through(host, process, bounds, watched, every_ms)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        printed = os.pread(stdout, min(os.fstat(stdout).st_size, bounds.output_bytes), 0)
        return Ended(process.returncode if in_time else None, printed)


@contextlib.contextmanager
def _memory(name: str, content: bytes) -> Iterator[int]:
    """A file of memory: no pipe to feed or to drain while the program runs."""
    fd = os.memfd_create(name)
    try:
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _bound(pid: int, bounds: Bounds) -> None:
    kinds = [
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, bounds.cpu_s),
        (resource.RLIMIT_FSIZE, bounds.file_bytes),
    ]
    if bounds.memory_bytes is not None:
        kinds.append((resource.RLIMIT_AS, bounds.memory_bytes))
    for kind, most in kinds:
        resource.prlimit(pid, kind, (most, most))


async def _seen_through(
    host: Host,
    process: "subprocess.Popen[bytes]",
    bounds: Bounds,
    watched: Callable[[], Awaitable[None]] | None,
    every_ms: int,
) -> bool:
    """Whether it ended in time."""
    ended = host.spawn(_ended(process.pid), "child process")
    try:
        async with host.clock.timeout(bounds.wall_ms):
            while not ended.done():
                with contextlib.suppress(TimeoutError):
                    async with host.clock.timeout(every_ms):
                        await asyncio.shield(ended)
                if watched is not None:
                    await watched()
    except TimeoutError:
        return False
    finally:
        ended.cancel()
    return True


async def _ended(pid: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    fd = os.pidfd_open(pid)
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
