"""Programs that live on between calls, in the jail of a call: an MCP server that talks on its standard streams.

Each is a warm process of its own with one call in it that becomes the program. Namespaces, user, filter, Landlock,
cgroup and limits are those of any call, but for the wall time: it lives until `close`, or as long as its server.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded, SandboxBusy, ToolUnavailable
from kelpie.sandbox import egress as proxy
from kelpie.sandbox import limits as bounds
from kelpie.sandbox import order as orders
from kelpie.sandbox.process import bwrap, call, selftest, template
from kelpie.sandbox.process.level import ProcessLevel
from kelpie.sandbox.process.template import Running
from kelpie.sandbox.sandbox import EgressRules, SandboxLimits

_OWN = ("proc", "sys", "dev", "run")  # a jail's own, with all below
_WHOLE = ("/tmp", "/etc", "/root", "/home", "/var")  # noqa: S108 - not lent as a whole


@dataclass(slots=True)
class Program:
    """A running program.

    stdin, stdout, stderr  its streams; what it prints must be read, or it waits
    network                one line for each connection it was refused
    """

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    network: list[str]
    _running: Running
    _after: contextlib.AsyncExitStack = field(repr=False)

    async def wait(self) -> int | None:
        """Its exit status, 128 + n for signal n; None if it was killed."""
        gone = await asyncio.shield(self._running.ended)
        return None if self._running.condemned or gone.lost else gone.status

    async def close(self) -> None:
        """Kill it with all that it started, and give its place back. Once is enough, more does no harm."""
        self._running.kill()
        await self._after.aclose()


async def open_program(
    level: ProcessLevel,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    reads: Sequence[str] = (),
    egress: EgressRules | None = None,
    limits: SandboxLimits | None = None,
) -> Program:
    """Start `command` in the jail of `level`, in a /tmp of its own.

    reads   absolute paths of this machine that it may read, at the same place inside
    limits  of the program; `wall_ms` and the bounds of output and result are not applied
    Raises ToolUnavailable if the level does not exist or can't start it, SandboxBusy if too many run, InvalidInput and
    LimitExceeded for a path that is not there, or a command or environment that can't be handed over. A command that is
    not found ends with status 127 and says so on stderr.
    """
    wanted = limits or SandboxLimits()
    order = _order(command, environment or {}, wanted)
    need = bwrap.Need(domain=f"program {command[0]}", reads=_checked(reads))
    jail = await level.jail()
    async with contextlib.AsyncExitStack() as stack:
        place = _place(level, stack)
        path, refused = "", list[str]()
        if egress is not None:
            door = await stack.enter_async_context(proxy.open_door(level.host, egress))
            path, refused = door.path, door.refused
        work = call.Work(order, bwrap.uid_of(place), wanted, report_bytes=0, door=path)
        warm = template.start(level.host, jail.cgroups, lambda control, join: jail.command(control, need, join))
        stack.push_async_callback(warm.buried)
        stack.callback(warm.close)
        try:
            await warm.wait_ready()
        except template.NotStarted as failed:
            why = selftest.explained(failed.complaint, failed.exit)
            raise ToolUnavailable(f"{command[0]} was not started: {why}") from None
        running, ends = call.begin(warm, work, ("stdin", "stdout", "stderr"))
        stack.callback(running.forget)
        pipes = [os.fdopen(end, mode, 0) for end, mode in zip(ends, ("wb", "rb", "rb"), strict=True)]
        for pipe in pipes:
            stack.callback(pipe.close)
        stdin = await _write(pipes[0], stack)
        stdout, stderr = await _read(pipes[1], stack), await _read(pipes[2], stack)
        return Program(stdin, stdout, stderr, refused, running, stack.pop_all())


def _order(command: Sequence[str], environment: Mapping[str, str], wanted: SandboxLimits) -> bytes:
    if not command or any("\0" in word for word in command):
        raise InvalidInput("a program needs a command, whose words hold no zero byte")
    order = {
        "command": list(command),
        "environment": orders.checked_environment(environment),
        "node": None,
        "limits": orders.bounds(wanted),
    }
    text = msgspec.json.encode(order)
    if len(text) > bounds.SANDBOX_ORDER_BYTES_MAX:
        raise LimitExceeded("a program's command and environment", len(text), bounds.SANDBOX_ORDER_BYTES_MAX, "bytes")
    return text


def _checked(reads: Sequence[str]) -> tuple[str, ...]:
    checked = []
    for path in reads:
        if not os.path.isabs(path) or not os.path.exists(path):
            raise InvalidInput(f"a program can't read '{path}': there is no such absolute path")
        checked.append(os.path.normpath(path))
        if checked[-1].strip("/") == "" or checked[-1].strip("/").split("/")[0] in _OWN or checked[-1] in _WHOLE:
            raise InvalidInput(f"a program can't be lent '{path}': it has its own, or too much lies there")
    return tuple(checked)


def _place(level: ProcessLevel, stack: contextlib.AsyncExitStack) -> int:
    """One of the places, and with it a reserved uid, that no call runs in."""
    if not level.program_places:
        raise SandboxBusy(level.name, bounds.SANDBOX_RETRY_AFTER_S)
    place = level.program_places.pop()
    stack.callback(level.program_places.append, place)
    return place


async def _read(pipe: IO[bytes], stack: contextlib.AsyncExitStack) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    stack.callback(transport.close)
    return reader


async def _write(pipe: IO[bytes], stack: contextlib.AsyncExitStack) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    unread = asyncio.StreamReader()  # a protocol that knows when to wait comes with one
    transport, protocol = await loop.connect_write_pipe(lambda: asyncio.StreamReaderProtocol(unread), pipe)
    stack.callback(transport.close)
    return asyncio.StreamWriter(transport, protocol, None, loop)
