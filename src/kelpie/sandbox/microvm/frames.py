"""Frames between the server and the guest's agent (see guest/agent.py): four bytes of length, big end first, and JSON.

What comes from a guest is the word of a machine that may be in other hands: bounded here, typed by who reads it.
"""

import asyncio
import contextlib
import socket
import struct

from kelpie.errors import ToolFailed
from kelpie.sandbox import limits

_HEAD = struct.Struct(">I")


class GuestLost(ToolFailed):
    """The guest's agent is gone, or says what it may not. The machine is of no more use."""


class Frames:
    """One channel to an agent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def over(ours: socket.socket) -> "Frames":
        """Takes the socket over."""
        ours.setblocking(False)
        return Frames(*await asyncio.open_unix_connection(sock=ours))

    @staticmethod
    async def through(path: str, port: int) -> "Frames":
        """By Firecracker's unix socket at `path` to a port of its guest.

        Raises OSError if nobody listens on the socket, GuestLost if nobody does on the port.
        """
        reader, writer = await asyncio.open_unix_connection(path)
        frames, answer = Frames(reader, writer), b""
        try:
            writer.write(b"CONNECT %d\n" % port)
            answer = await reader.readline()
        finally:
            if not answer.startswith(b"OK "):
                frames.close()
        if not answer.startswith(b"OK "):
            raise GuestLost("nobody listens in the guest yet")
        return frames

    async def send(self, text: bytes) -> None:
        """`text` is JSON already. Raises GuestLost if nobody takes it."""
        try:
            self._writer.write(_HEAD.pack(len(text)) + text)
            await self._writer.drain()
        except OSError as error:
            raise GuestLost(f"the virtual machine takes no more ({type(error).__name__})") from None

    async def receive(self, bytes_max: int = limits.MICROVM_WORD_BYTES_MAX) -> bytes:
        """The next frame's text. Raises GuestLost for the end, and for one longer than `bytes_max`."""
        try:
            (size,) = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
            if size > bytes_max:
                raise GuestLost(f"the virtual machine sent {size:,} bytes at once; at most {bytes_max:,} are read")
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            raise GuestLost("the virtual machine ended before it answered") from None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()
