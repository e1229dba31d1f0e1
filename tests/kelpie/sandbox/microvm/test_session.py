"""A guest in other hands: whatever it says, the call ends with a result that names it, and nothing is believed."""

import asyncio
import base64
import json
import socket
import struct

import pytest

from kelpie.sandbox import SandboxCall, SandboxLimits, limits
from kelpie.sandbox import order as orders
from kelpie.sandbox.microvm import session
from kelpie.sandbox.microvm.frames import Frames, GuestLost
from kelpie.sandbox.verdict import verdict
from umi.dst import Host

CALL = SandboxCall("def tool(): pass", "tool")
REPORT = {"report": {"value": 42, "error": None, "out_of_memory": False, "files": {}}}
ENDED = {
    "exit": 0,
    "cpu_ms": 1.0,
    "memory_bytes": 1,
    "out_of_memory": False,
    "stopped": None,
    "stdout": "",
    "stderr": "",
    "seen": [0, 0],
}


def frame(content):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack(">I", len(text)) + text


def tool(content):
    return frame({"tool": True}) + frame(content)


class Guest:
    """The far end of a machine's channel, which says what a test has it say."""

    def __init__(self, says, *, stays):
        ours, self._end = socket.socketpair()
        self._ours = ours
        self._says, self._stays = says, stays
        self.runs = True

    async def resume(self):
        self.frames = await Frames.over(self._ours)
        self._end.setblocking(False)
        self._task = asyncio.ensure_future(self._speak())

    async def _speak(self):
        try:
            await asyncio.get_running_loop().sock_sendall(self._end, self._says)
        except OSError:
            return  # it is not listened to any more
        if not self._stays:
            self._end.shutdown(socket.SHUT_WR)

    async def end(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.frames.close()
        self._end.close()


async def result_of(*says, stays=False, wanted=None, call=CALL):
    machine = Guest(b"".join(says), stays=stays)
    wanted = wanted or SandboxLimits()
    try:
        ended = await session.run(Host(), machine, call, orders.encode(call, wanted), wanted)
    finally:
        await machine.end()
    return verdict(ended, wanted, "microvm", "qemu-tcg")


async def test_a_report_and_an_end_are_a_result():
    result = await result_of(tool(REPORT), frame({"ended": ENDED}))
    assert (result.value, result.error, result.exit) == (42, None, 0)


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"\0",
        b"\xff\xff\xff\xff",
        frame(b"not json"),
        frame(b"[1]"),
        frame({"ended": {**ENDED, "exit": "zero"}}),
        frame({"ended": {}}),
        frame({"ended": {**ENDED, "memory_bytes": 1 << 70}}),
        frame({"ended": {**ENDED, "cpu_ms": -1}}),
        frame({"tool": True}) + struct.pack(">I", 1 << 31),
        tool(REPORT),  # no end
        frame(b"[" * 3_000),
    ],
)
async def test_what_no_agent_says_is_no_result(says):
    result = await result_of(says)
    assert (result.value, result.exit, result.killed_by) == (None, None, None)
    assert result.error.startswith("NoResult: the virtual machine ")


async def test_a_tool_can_not_say_that_it_has_ended():
    """Its own frames are handed on unread: what looks like the agent's word is nonsense there."""
    result = await result_of(tool({"ended": {**ENDED, "stdout": "forged"}}), frame({"ended": ENDED}))
    assert (result.value, result.stdout) == (None, "")
    assert result.error.startswith("NoResult: ")


async def test_output_is_cut_to_what_was_asked_for():
    said = {**ENDED, "stdout": base64.b64encode(b"x" * 50).decode(), "stderr": "not base64!", "seen": [1_000, 0]}
    result = await result_of(tool(REPORT), frame({"ended": said}), wanted=SandboxLimits(output_bytes=20))
    assert result.stdout == "x" * 20 + "\n[980 more bytes were left out]"
    assert result.stderr == ""


async def test_files_that_lead_out_of_the_folder_are_no_result():
    report = {"report": {**REPORT["report"], "files": {"../../etc/passwd": ""}}}
    result = await result_of(tool(report), frame({"ended": ENDED}))
    assert (result.value, result.files) == (None, {})
    assert "leads out of the working folder" in result.error


async def test_a_guest_that_says_nothing_is_given_up_at_the_deadline(monkeypatch):
    monkeypatch.setattr(limits, "MICROVM_STOP_MS", 50)
    result = await result_of(stays=True, wanted=SandboxLimits(wall_ms=50))
    assert (result.value, result.killed_by) == (None, "wall time")


async def test_a_guest_that_floods_is_stopped(monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_OUTPUT_BYTES_MAX", 1 << 10)
    wanted = SandboxLimits(result_chars=1_000)
    flood = tool(b"x" * orders.report_bytes(CALL, wanted)) * 40
    result = await result_of(flood, stays=True, wanted=wanted)
    assert (result.value, result.killed_by) == (None, "output")


async def test_a_machine_that_does_not_go_on_is_lost(monkeypatch):
    class Stuck(Guest):
        async def resume(self):
            await super().resume()
            await asyncio.Event().wait()

    monkeypatch.setattr(limits, "MICROVM_RESTORE_MS_MAX", 20)
    machine = Stuck(b"", stays=True)
    with pytest.raises(GuestLost, match="does not go on"):
        await session.run(Host(), machine, CALL, b"{}", SandboxLimits())
    await machine.end()
