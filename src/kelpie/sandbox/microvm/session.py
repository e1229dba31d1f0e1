"""One call in one machine: what the guest is told, what it says, and the deadline that it can't move."""

import asyncio
import base64
import binascii
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec

from kelpie.sandbox import limits
from kelpie.sandbox import order as orders
from kelpie.sandbox.microvm.frames import Frames, GuestLost
from kelpie.sandbox.microvm.monitor import Machine
from kelpie.sandbox.process import seccomp
from kelpie.sandbox.process.streams import Talk
from kelpie.sandbox.sandbox import KilledBy, SandboxCall, SandboxLimits
from kelpie.sandbox.verdict import Ended
from umi.dst import Host

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - the guest's own /tmp
_SEED_BYTES = 64
_LENGTH = struct.Struct(">I")
_FIRST = struct.Struct(f">Q{_SEED_BYTES}s")  # as in guest/agent.py


# What a guest says of itself is kept and added up: no number of it is larger than a machine can be.
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]


class _Said(msgspec.Struct, frozen=True):
    """How the agent says a call ended (see guest/agent.py)."""

    exit: Annotated[int, msgspec.Meta(ge=0, le=255)] | None
    cpu_ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)]
    memory_bytes: _Count
    out_of_memory: bool
    stopped: str | None
    stdout: str
    stderr: str
    seen: tuple[_Count, _Count]


class _Frame(msgspec.Struct, frozen=True):
    tool: bool = False
    ended: _Said | None = None


_decode = msgspec.json.Decoder(_Frame).decode


def bounds(wanted: SandboxLimits) -> dict[str, int]:
    """What the agent must know of a call's limits."""
    return orders.bounds(wanted) | {
        "tmp_bytes": wanted.tmp_bytes,
        "tmp_files": limits.SANDBOX_TMP_FILES_MAX,
        "output_bytes": wanted.output_bytes,
        "output_bytes_max": limits.SANDBOX_OUTPUT_BYTES_MAX,
        "frame_bytes": _frame_bytes(wanted),
    }


def setup() -> dict[str, Any]:
    """What the agent prepares its child with before the snapshot: a call with the default limits needs nothing more."""
    program = seccomp.program("x86_64") or b""
    return {
        "environment": ENVIRONMENT,
        "filter": base64.b64encode(program).decode(),
        "limits": bounds(SandboxLimits()),
    }


def _frame_bytes(wanted: SandboxLimits) -> int:
    """The longest frame that a tool may send: its report, with files."""
    longest = SandboxCall("", "", keeps_files=True)
    return max(orders.report_bytes(longest, wanted), limits.SANDBOX_ASK_BYTES_MAX) + _LENGTH.size


async def run(host: Host, machine: Machine, call: SandboxCall, order: bytes, wanted: SandboxLimits) -> Ended:
    """See a call through, in a machine that has waited for it. The machine is of no use afterwards.

    Raises GuestLost if the machine does not go on, and what serving its asks raised that was not the tool's fault.
    """
    try:
        async with host.clock.timeout(limits.MICROVM_RESTORE_MS_MAX):
            await machine.resume()
    except TimeoutError:
        raise GuestLost("the virtual machine does not go on") from None
    started_ms = host.clock.monotonic_ms()
    stopped: list[KilledBy] = []
    said, lost = None, ""
    done = asyncio.Event()

    def too_much() -> None:
        stopped.append("output")
        done.set()

    async with _talk(host, machine.frames, call, wanted, too_much) as (talk, tool_end):
        work = host.spawn(_converse(host, machine, order, wanted, tool_end), "microvm call")
        work.add_done_callback(lambda _: done.set())
        try:
            try:
                async with host.clock.timeout(wanted.wall_ms):
                    await done.wait()
            except TimeoutError:
                stopped.append("wall time")
                await _stop(host, machine.frames, work)
            if work.done():
                said = work.result()
        except GuestLost as error:
            lost = str(error)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    if talk.failure is not None:
        raise talk.failure
    return _ended(
        said, stopped, lost, b"" if talk.forged else talk.report, host.clock.monotonic_ms() - started_ms, wanted
    )


@contextlib.asynccontextmanager
async def _talk(
    host: Host, frames: Frames, call: SandboxCall, wanted: SandboxLimits, too_much: Any
) -> AsyncIterator[tuple[Talk, socket.socket]]:
    """The tool's conversation as every level serves it, on one end of a pair; the machine is behind the other."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    talk = Talk(host, ours, call.asks, orders.report_bytes(call, wanted), too_much)
    answers = host.spawn(_hand_answers(frames, theirs), "microvm answers")
    try:
        yield talk, theirs
    finally:
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
        theirs.close()
        talk.close()


async def _hand_answers(frames: Frames, end: socket.socket) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=end.dup())
    try:
        with contextlib.suppress(asyncio.IncompleteReadError, GuestLost):
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                await frames.send(await reader.readexactly(length))
    finally:
        writer.close()


async def _converse(
    host: Host, machine: Machine, order: bytes, wanted: SandboxLimits, tool_end: socket.socket
) -> _Said:
    """From the first word to the agent's last. Raises GuestLost."""
    asked = bounds(wanted)
    first = _FIRST.pack(host.clock.now_ms() * 1_000_000, host.rng.bytes(_SEED_BYTES))
    await machine.frames.send(first if asked == bounds(SandboxLimits()) else first + msgspec.json.encode(asked))
    await machine.frames.send(order)
    loop = asyncio.get_running_loop()
    word_bytes = limits.MICROVM_WORD_BYTES_MAX + 2 * (wanted.output_bytes * 4 // 3 + 4)
    frame_bytes = _frame_bytes(wanted)
    while True:
        try:
            frame = _decode(await machine.frames.receive(word_bytes))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise GuestLost("the virtual machine said something that its agent never says") from None
        if frame.ended is not None:
            return frame.ended
        if frame.tool:
            text = await machine.frames.receive(frame_bytes)
            await loop.sock_sendall(tool_end, _LENGTH.pack(len(text)) + text)


async def _stop(host: Host, frames: Frames, work: "asyncio.Task[_Said]") -> None:
    """The deadline has passed: the agent may still say what the tool wrote. It is not waited for much longer."""
    with contextlib.suppress(TimeoutError, GuestLost):
        async with host.clock.timeout(limits.MICROVM_STOP_MS):
            await frames.send(b'{"stop": true}')
            await asyncio.wait([work])


def _ended(
    said: _Said | None, stopped: list[KilledBy], lost: str, report: bytes, duration_ms: float, wanted: SandboxLimits
) -> Ended:
    why = stopped[0] if stopped else None
    if said is None:
        return Ended(
            exit=None,
            stopped=why,
            stdout="",
            stderr="",
            report=report if not lost else b"",
            duration_ms=duration_ms,
            cpu_ms=None,
            out_of_memory=False,
            memory_bytes=None,
            lost=lost,
        )
    if why is None and said.stopped == "output":
        why = "output"
    return Ended(
        stopped=why,
        exit=None if why else said.exit,
        out_of_memory=said.out_of_memory,
        stdout=_text(said.stdout, said.seen[0], wanted.output_bytes),
        stderr=_text(said.stderr, said.seen[1], wanted.output_bytes),
        report=report,
        duration_ms=duration_ms,
        cpu_ms=said.cpu_ms,
        memory_bytes=said.memory_bytes,
    )


def _text(written: str, seen: int, keep: int) -> str:
    try:
        kept = base64.b64decode(written, validate=True)[:keep]
    except (binascii.Error, ValueError):
        return ""
    text = kept.decode("utf-8", "replace")
    left_out = seen - len(kept)
    return f"{text}\n[{left_out:,} more bytes were left out]" if left_out > 0 else text
