"""QEMU's machine protocol (QMP): one JSON object a line, both ways."""

import asyncio
import contextlib
import socket
from typing import Any

import msgspec

from kelpie.sandbox.microvm.frames import GuestLost


class QmpRefused(GuestLost):
    """QEMU says no, and why."""


class Qmp:
    """One connection. Commands are answered in their order; events are passed over."""

    def __init__(self, ours: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._socket = ours
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def over(ours: socket.socket) -> "Qmp":
        """Takes the socket over."""
        ours.setblocking(False)
        return Qmp(ours.dup(), *await asyncio.open_unix_connection(sock=ours))

    async def greet(self) -> None:
        """Wait for QEMU's greeting and return it. Raises GuestLost if there is none."""
        await self._line()
        await self.execute("qmp_capabilities")

    async def execute(self, command: str, **arguments: Any) -> Any:
        """What it returned. Names of arguments have hyphens for underscores.

        Raises QmpRefused with what QEMU says, GuestLost if it is gone.
        """
        return await self._answer(self._encoded(command, arguments))

    async def hand_over(self, name: str, fd: int) -> None:
        """Make an open descriptor known as `name` to commands that follow."""
        line = self._encoded("getfd", {"fdname": name})
        socket.send_fds(self._socket, [line], [fd])
        await self._answer(b"")

    def close(self) -> None:
        self._socket.close()
        with contextlib.suppress(OSError):
            self._writer.close()

    @staticmethod
    def _encoded(command: str, arguments: dict[str, Any]) -> bytes:
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return msgspec.json.encode({"execute": command, "arguments": named}) + b"\n"

    async def _answer(self, line: bytes) -> Any:
        try:
            self._writer.write(line)
            await self._writer.drain()
        except OSError:
            raise GuestLost("QEMU is gone") from None
        while True:
            said = await self._line()
            if "error" in said:
                raise QmpRefused(f"QEMU refuses: {said['error'].get('desc')}")
            if "return" in said:
                return said["return"]

    async def _line(self) -> dict[str, Any]:
        try:
            line = await self._reader.readuntil(b"\n")
            return msgspec.json.decode(line, type=dict[str, Any])
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, msgspec.MsgspecError):
            raise GuestLost("QEMU is gone") from None
