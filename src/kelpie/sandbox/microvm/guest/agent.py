"""Pid 1 of the guest: keeps a child locked up and waiting, hands it the one call of this machine's life, and answers.

The machine is stopped and copied while both wait. What happens from then on happens once in every copy, on a processor
that may be emulated and has to translate each instruction at its first use: so whatever can is done before.

Frames both ways: four bytes of length, big end first, and a JSON object.

In:   nothing at all, which asks to rehearse and greet again; once, no JSON: the time in ns and a seed (see _FIRST), and
      the limits as JSON if they are not the usual ones; then the order for the runner, then {"answer": …} to what the
      tool asks, and {"stop": true} at its deadline
Out:  {"ready": release}, then {"tool": true} before each frame of the tool, which is handed on unread, and last
      {"ended": {exit, cpu_ms, memory_bytes, out_of_memory, stopped, stdout, stderr, seen}}

The server takes all of it for the word of a machine that may be in other hands.
"""

from __future__ import annotations

import binascii
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

import kernel
import tool
from rehearsal import Rehearsal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SETUP = "/usr/lib/kelpie/setup.json"
CHANNEL = "/dev/vport0p1"
VSOCK_PORT = 1024
_FRAME_BYTES_MAX = 64 << 20
_CHUNK_BYTES = 64 << 10
_HEAD = struct.Struct(">I")
_POLL_S = 0.005  # of a port that nobody has opened yet
_FIRST = struct.Struct(">Q64s")
_ADD_ENTROPY, _RESEED = 0x40085203, 0x5207
_ENTROPY = struct.pack("ii", 64 * 8, 64)  # how much a seed is worth, and how long it is
_REMOUNT = 32 | kernel.NOSUID | kernel.NODEV


def main() -> None:
    with open(SETUP) as file:
        setup = json.load(file)
    os.nice(-5)  # the agent goes first where the processor is short
    host = Host()
    urandom = os.open("/dev/urandom", os.O_WRONLY | os.O_CLOEXEC)
    bound(setup["limits"])
    child = Tool(setup)
    greeting, rehearsal = {"ready": os.uname().release}, Rehearsal(setup["limits"])
    rehearsal.perform()
    # It draws its seed when it is imported, and no two machines may have the same.
    assert "random" not in sys.modules
    gc.collect()
    gc.freeze()
    while not (frame := host.first(greeting)):
        rehearsal.perform()
    now_ns, seed = _FIRST.unpack_from(frame)
    time.clock_settime_ns(time.CLOCK_REALTIME, now_ns)
    fcntl.ioctl(urandom, _ADD_ENTROPY, _ENTROPY + seed)
    fcntl.ioctl(urandom, _RESEED)
    limits = setup["limits"]
    if len(frame) > _FIRST.size:
        limits = json.loads(frame[_FIRST.size :])
        bound(limits, child.pid)
    host.send({"ended": child.run(host, limits)})
    while True:  # the server ends the machine
        signal.pause()


def bound(limits: dict[str, int], pid: int = 0) -> None:
    """The whole call's memory and processes, the size of /tmp, and what the process `pid` may use."""
    tool.write(f"{tool.CGROUP}/memory.max", limits["memory_bytes"] + limits["memory_reserve_bytes"])
    tool.write(f"{tool.CGROUP}/pids.max", limits["processes"] + 1)
    sizes = f"size={limits['tmp_bytes']},nr_inodes={limits['tmp_files']}"
    kernel.mount("tmpfs", "/tmp", _REMOUNT, sizes)  # noqa: S108 - the guest's
    if pid:
        for kind, *bounds in tool.rlimits(limits):
            resource.prlimit(pid, kind, tuple(bounds))


class Stream:
    """Frames out of bytes that come as they come."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.buffer = bytearray()

    def pop(self) -> bytes | None:
        """The next whole frame's text, or None. Raises ValueError for one too long."""
        if len(self.buffer) < _HEAD.size:
            return None
        end = _HEAD.size + _HEAD.unpack_from(self.buffer)[0]
        if end > self.bytes_max:
            raise ValueError("a frame too long")
        if len(self.buffer) < end:
            return None
        text = bytes(self.buffer[_HEAD.size : end])
        del self.buffer[:end]
        return text


class Host:
    """The server: behind the port of a virtual console, or at the other end of a vsock connection."""

    def __init__(self) -> None:
        self.stream = Stream(_FRAME_BYTES_MAX)
        self.fd, self._listener = -1, None
        if os.path.exists(CHANNEL):
            self.fd = os.open(CHANNEL, os.O_RDWR | os.O_CLOEXEC)
        else:
            self._listener = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            self._listener.bind((socket.VMADDR_CID_ANY, VSOCK_PORT))
            self._listener.listen(1)

    def first(self, greeting: dict[str, str]) -> bytes:
        """Greet until the server has something to say: a vsock connection does not live through a snapshot."""
        while True:
            if self._listener is not None:
                self.fd = self._listener.accept()[0].detach()
            self.send(greeting)
            while self.fill():
                if (text := self.stream.pop()) is not None:
                    return text
            os.close(self.fd)
            self.stream.buffer.clear()

    def fill(self) -> bool:
        """Read once. False if the server is gone."""
        try:
            chunk = os.read(self.fd, _CHUNK_BYTES)
        except ConnectionError:
            return False
        if not chunk and self._listener is None:
            time.sleep(_POLL_S)
            return True
        self.stream.buffer += chunk
        return bool(chunk)

    def send(self, frame: dict[str, Any]) -> None:
        send(self.fd, json.dumps(frame).encode())

    def next(self) -> bytes:
        """The next frame's text. Raises EOFError if the server is gone."""
        while (text := self.stream.pop()) is None:
            if not self.fill():
                raise EOFError("the server is gone")
        return text


class Tail:
    """The first bytes of a stream, and how many there were."""

    def __init__(self, fd: int) -> None:
        self.fd, self.kept, self.seen = fd, bytearray(), 0

    def add(self, chunk: bytes, keep: int) -> None:
        self.seen += len(chunk)
        self.kept += chunk[: max(0, keep - len(self.kept))]

    def text(self) -> str:
        return binascii.b2a_base64(self.kept, newline=False).decode() if self.kept else ""


class Tool:
    """The child in which the call happens, and what the agent holds of it."""

    def __init__(self, setup: dict[str, Any]) -> None:
        outputs = [os.pipe2(os.O_CLOEXEC) for _ in range(2)]
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            tool.be(setup, [end for _, end in outputs], theirs.detach())
        self.end = os.pidfd_open(self.pid)
        self.outputs = [Tail(fd) for fd, _ in outputs]
        self.socket = ours
        theirs.close()
        for _, end in outputs:
            os.close(end)
        # Open already, because a path costs more than what is read.
        self.counters = {name: os.open(f"{tool.CGROUP}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in _COUNTERS}
        if not ours.recv(1):
            said = read(self.outputs[1].fd).decode("utf-8", "replace")
            raise RuntimeError(f"the child could not be locked up: {said}")
        self.cpu_us = self._cpu_us()
        self.status: int | None = None

    def run(self, host: Host, limits: dict[str, int]) -> dict[str, Any]:
        """Hand over the order and see it through. What the server is told of its end."""
        send(self.socket.fileno(), host.next())
        stopped = self._watch(host, limits)
        if stopped is not None:
            kill_all()
        elif self.status is None:
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.status = code if code >= 0 else 128 - code
        out, err = self.outputs
        return {
            "exit": self.status if stopped is None else None,
            "cpu_ms": (self._cpu_us() - self.cpu_us) / 1000,
            "memory_bytes": int(self._counter("memory.peak")),
            "out_of_memory": bool(self.status) and b"oom_kill 0\n" not in self._counter("memory.events"),
            "stopped": stopped,
            "stdout": out.text(),
            "stderr": err.text(),
            "seen": [out.seen, err.seen],
        }

    def _watch(self, host: Host, limits: dict[str, int]) -> str | None:
        """Until the tool's output and conversation end. Why it has to be stopped, or None."""
        poll, stream, asks = select.poll(), Stream(limits["frame_bytes"]), self.socket.fileno()
        tails = {tail.fd: tail for tail in self.outputs}
        waits_for = {asks, *tails}
        for fd in (host.fd, self.end, *waits_for):
            poll.register(fd, select.POLLIN)
        stop = None
        while waits_for and stop is None:
            for fd, _ in poll.poll():
                if fd == host.fd:
                    stop = stop or self._heard(host)
                elif fd == self.end or not (chunk := read(fd)):
                    poll.unregister(fd)
                    waits_for.discard(fd)
                    if fd == self.end:
                        kill_all()  # what it left running does not keep the call open; what it wrote is still read
                elif fd == asks:
                    stream.buffer += chunk
                    self._hand_on(stream, host)
                else:
                    tails[fd].add(chunk, limits["output_bytes"])
                    stop = stop or ("output" if tails[fd].seen > limits["output_bytes_max"] else None)
        return stop

    def _heard(self, host: Host) -> str | None:
        """The server's answers, handed to the tool. Why it wants the tool stopped, or None."""
        if not host.fill():
            return "gone"
        while (text := host.stream.pop()) is not None:
            if text.startswith(b'{"stop"'):
                return "stop"
            send(self.socket.fileno(), text)
        return None

    def _hand_on(self, stream: Stream, host: Host) -> None:
        """What the tool says, for the server to read; a frame too long ends the conversation.

        One byte is no JSON object: it is the exit status the child is about to have, which takes it long to reach.
        """
        try:
            while (text := stream.pop()) is not None:
                if len(text) == 1:
                    self.status = text[0]
                    continue
                send(host.fd, b'{"tool": true}')
                send(host.fd, text)
        except ValueError:
            self.socket.shutdown(socket.SHUT_RDWR)

    def _cpu_us(self) -> int:
        return int(self._counter("cpu.stat").split(None, 2)[1])  # "usage_usec", of the call and all its children

    def _counter(self, name: str) -> bytes:
        return os.pread(self.counters[name], 4096, 0)


_COUNTERS = ("cpu.stat", "memory.peak", "memory.events")


def send(fd: int, text: bytes) -> None:
    """A frame. To a tool that is gone it is not sent."""
    data = memoryview(_HEAD.pack(len(text)) + text)
    while data:
        try:
            data = data[os.write(fd, data) :]
        except ConnectionError:
            return


def read(fd: int) -> bytes:
    try:
        return os.read(fd, _CHUNK_BYTES)
    except ConnectionError:
        return b""


def kill_all() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        return
