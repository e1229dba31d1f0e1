"""Frames: JSON objects both ways on one stream, each with its length before it. The transport, and nothing else.

    4 bytes, unsigned, big-endian: how many bytes of UTF-8 JSON follow

    a call to the server     {"ask": {"id", "operation", "arguments"}}     any number of times, and each is answered by
                             {"answer": {"id", "value"}} or {"answer": {"id", "error"}}
    a call to the server     {"report": {"value", "error", "out_of_memory", "files"}}     once, at the end

The server trusts neither the order nor the contents of what comes.
"""

from __future__ import annotations

import json
import os
import struct
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FRAME_BYTES_MAX = 64 << 20  # of what we believe: the server's own caps are narrower
_LENGTH = struct.Struct(">I")


class AskError(RuntimeError):
    """The server refused what was asked, or could not do it; the text says why."""


class Channel:
    """One end of the stream: a socket, or a pair of pipes or serial ports.

    Asks of several threads are served one after another. A child that the tool forked has no business here.
    """

    def __init__(self, read_fd: int, write_fd: int | None = None) -> None:
        self.read_fd = read_fd
        self.write_fd = read_fd if write_fd is None else write_fd
        self._asking = threading.Lock()
        self._asked = 0

    def ask(self, operation: str, arguments: dict[str, Any]) -> Any:
        """The server's answer. Raises AskError if it refuses, TypeError if the arguments are not JSON."""
        with self._asking:
            self._asked += 1
            asked = {"id": self._asked, "operation": operation, "arguments": arguments}
            self.send({"ask": asked})
            answer = self.receive()["answer"]
        if "error" in answer:
            raise AskError(answer["error"])
        return answer.get("value")

    def send(self, frame: dict[str, Any]) -> None:
        self.send_text(json.dumps(frame, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))

    def send_text(self, text: bytes) -> None:
        """A frame that is JSON already."""
        left = memoryview(_LENGTH.pack(len(text)) + text)
        while left:
            left = left[os.write(self.write_fd, left) :]

    def receive(self) -> dict[str, Any]:
        """The next frame. Raises EOFError at the stream's end, ValueError if it is no frame."""
        frame: dict[str, Any] = json.loads(self.receive_text())
        return frame

    def receive_text(self) -> bytes:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        if length > FRAME_BYTES_MAX:
            raise ValueError(f"a frame of {length:,} bytes; at most {FRAME_BYTES_MAX:,}")
        return self._read(length)

    def _read(self, count: int) -> bytes:
        read = bytearray()
        while len(read) < count:
            chunk = os.read(self.read_fd, min(count - len(read), 1 << 20))
            if not chunk:
                raise EOFError("the other end is gone")
            read += chunk
        return bytes(read)
