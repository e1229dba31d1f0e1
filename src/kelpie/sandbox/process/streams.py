"""The server's ends of a call: its output, drained and capped, and the channel on which it asks and reports.

Both are read without transports or tasks, which would cost more than the call: a callback reads what is there. Both
are read on after their cap (dropping what comes), so that a tool that prints more than we keep neither blocks nor
fills our memory.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from kelpie.errors import CallerError
from kelpie.sandbox import limits
from kelpie.sandbox.sandbox import Asks
from umi.dst import Host

_CHUNK_BYTES = 64 << 10
_LENGTH = struct.Struct(">I")


class Drain:
    """Reads a pipe, keeps the first `keep` bytes, and calls `overflow` once more than a call may write came."""

    def __init__(self, fd: int, keep: int, overflow: Callable[[], None]) -> None:
        self._fd = fd
        self._keep = keep
        self._overflow = overflow
        self._kept = bytearray()
        self._seen = 0
        os.set_blocking(fd, False)
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            chunk = os.read(self._fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._fd)
            return False
        self._seen += len(chunk)
        self._kept += chunk[: max(0, self._keep - len(self._kept))]
        if self._seen > limits.SANDBOX_OUTPUT_BYTES_MAX:
            self._overflow()
        return True

    def close(self) -> None:
        """Take what is left: nobody writes any more."""
        while self._fd >= 0 and self._read():
            pass
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    @property
    def text(self) -> str:
        text = self._kept.decode("utf-8", "replace")
        left_out = self._seen - len(self._kept)
        return f"{text}\n[{left_out:,} more bytes were left out]" if left_out else text


class _Ask(msgspec.Struct):
    id: int
    operation: str
    arguments: dict[str, Any]


class _Frame(msgspec.Struct):
    ask: _Ask | None = None
    report: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Frame).decode


class Talk:
    """The channel of one call: serves what it asks, one ask after another, and keeps its report.

    report    the report's JSON, b"" until it came
    forged    whether something came that is no frame of ours; the rest was not looked at
    failure   what a served ask raised that is not the caller's fault
    """

    def __init__(
        self, host: Host, end: socket.socket, asks: Asks | None, report_bytes: int, overflow: Callable[[], None]
    ) -> None:
        self._host = host
        self._end = end
        self._asks = asks
        self._frame_bytes = max(report_bytes, limits.SANDBOX_ASK_BYTES_MAX)
        self._most = self._frame_bytes + limits.SANDBOX_OUTPUT_BYTES_MAX
        self._overflow = overflow
        self._buffer = bytearray()
        self._seen = 0
        self._asked = 0
        self._waiting: deque[tuple[_Ask, int]] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._reading = True
        self.report = b""
        self.forged = False
        self.failure: Exception | None = None
        end.setblocking(False)
        asyncio.get_running_loop().add_reader(end, self._read)

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            chunk = self._end.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            self._pause()
            return False
        self._seen += len(chunk)
        if not self.forged:
            self._buffer += chunk
            self._take()
        if self._seen > self._most:
            self._overflow()
        return True

    def _take(self) -> None:
        """The whole frames that are there."""
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if length > self._frame_bytes or self.report:
                return self._forge()
            if len(self._buffer) < end:
                return None
            text = bytes(memoryview(self._buffer)[_LENGTH.size : end])
            del self._buffer[:end]
            try:
                frame = _decode(text)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
                return self._forge()
            if report := bytes(frame.report):
                self.report = report
            elif frame.ask is not None:
                self._hear(frame.ask, length)
            else:
                return self._forge()
        return None

    def _forge(self) -> None:
        self.forged = True
        self._buffer.clear()

    def _hear(self, ask: _Ask, length: int) -> None:
        self._waiting.append((ask, length))
        if len(self._waiting) >= limits.SANDBOX_ASKS_WAITING_MAX:
            self._pause()
        if self._serving is None or self._serving.done():
            self._serving = self._host.spawn(self._serve(), "sandbox asks")

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._end)

    async def _serve(self) -> None:
        while self._waiting:
            ask, length = self._waiting.popleft()
            text = await self._answer(ask, length)
            try:
                await asyncio.get_running_loop().sock_sendall(self._end, _LENGTH.pack(len(text)) + text)
            except OSError:
                return  # it ended and does not want to know
            if not self._reading and self._end.fileno() >= 0:
                self._reading = True
                asyncio.get_running_loop().add_reader(self._end, self._read)

    async def _answer(self, ask: _Ask, length: int) -> bytes:
        """The frame that answers. What the caller of the tool is not to blame for ends the call."""
        self._asked += 1
        try:
            text = await self._value(ask, length)
        except CallerError as refused:
            text = _answer({"id": ask.id, "error": str(refused)[: limits.SANDBOX_ERROR_CHARS_MAX]})
        except Exception as failure:  # noqa: BLE001 - carried to whoever runs the call, and raised there
            self.failure = failure
            self._overflow()
            text = _answer({"id": ask.id, "error": "the server could not do it"})
        return text

    async def _value(self, ask: _Ask, length: int) -> bytes:
        if self._asks is None:
            raise CallerError("this tool may not ask anything of the server")
        if self._asked > limits.SANDBOX_ASKS_MAX:
            raise CallerError(f"a tool may ask {limits.SANDBOX_ASKS_MAX:,} times in one call")
        if length > limits.SANDBOX_ASK_BYTES_MAX:
            raise CallerError(f"what a tool asks has at most {limits.SANDBOX_ASK_BYTES_MAX:,} bytes")
        text = _answer({"id": ask.id, "value": await self._asks(ask.operation, ask.arguments)})
        if len(text) > limits.SANDBOX_ANSWER_BYTES_MAX:
            raise CallerError(f"the answer has {len(text):,} bytes; at most {limits.SANDBOX_ANSWER_BYTES_MAX:,} fit")
        return text

    def close(self) -> None:
        """Take what is left: nobody writes any more, and nobody waits for an answer."""
        while self._end.fileno() >= 0 and self._read():
            pass
        self._pause()
        if self._serving is not None:
            self._serving.cancel()
        self._end.close()


def _answer(answer: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"answer": answer})
