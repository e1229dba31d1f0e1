"""The sessions of all servers: one a server, shared by all who call it, opened when it is first used.

A server that fails is left alone for a while, longer each time; calls meanwhile are refused at once and say when it is
tried again. A call that answers ends that. Nothing is sent twice: a call that was under way when its connection was
lost is an error.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from kelpie.errors import ToolFailed, ToolUnavailable
from kelpie.tools.mcp import limits
from kelpie.tools.mcp.records import McpServer
from umi.dst import Host
from umi.storage import View

if TYPE_CHECKING:
    from kelpie.tools.mcp.connection import Connection

# (server, its row's view, watch) -> its two streams; "Any" is a watching.Watch and what the SDK reads and writes.
OpenStreams = Callable[[McpServer, View, Any], AbstractAsyncContextManager[Any]]


@dataclass(slots=True)
class _Waiting:
    """How often a server failed in a row, and until when it is left alone."""

    failures: int
    until_ms: float
    text: str


class Connections:
    """
    opens    a server's streams, with whatever secrets it is sent
    idle_ms  unused for so long, a connection is closed
    """

    def __init__(self, host: Host, opens: OpenStreams, idle_ms: int = limits.MCP_IDLE_MS_DEFAULT) -> None:
        self._host, self._opens, self._idle_ms = host, opens, idle_ms
        self._version = version("kelpie")
        self._open: dict[str, Connection] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._opening: dict[str, asyncio.Lock] = {}

    async def use(self, view: View, server: McpServer) -> "Connection":
        """The server's connection, opened if it is not. Raises McpFault if it can't be, and while it is left alone;
        ToolUnavailable if too many others are in use."""
        lock = self._opening.setdefault(server.id, asyncio.Lock())
        async with lock:
            held = self._open.get(server.id)
            if held is not None and held.is_open and held.server.version >= server.version:
                held.touch()
                return held
            if held is not None:
                await self._drop(server.id)
            self._check_waiting(server)
            await self._make_room()
            connection = await self._connect(view, server)
            self._open[server.id] = connection
            return connection

    async def _connect(self, view: View, server: McpServer) -> "Connection":
        from kelpie.tools.mcp.connection import Connection

        level = "process" if server.settings.transport == "stdio" else "remote"
        connection = Connection(
            self._host, server, lambda watch: self._opens(server, view, watch), level, self._idle_ms, self._version
        )
        await connection.open()
        return connection

    def _check_waiting(self, server: McpServer) -> None:
        waiting = self._waiting.get(server.id)
        now_ms = self._host.clock.monotonic_ms()
        if waiting is not None and now_ms < waiting.until_ms:
            seconds = max(1, round((waiting.until_ms - now_ms) / 1000))
            raise ToolFailed(f"{waiting.text}; it is tried again in {seconds} s")

    async def _make_room(self) -> None:
        for server_id, held in list(self._open.items()):
            if not held.is_open:
                await self._drop(server_id)
        if len(self._open) < limits.MCP_CONNECTIONS_MAX:
            return
        idle = [(held.used_ms, server_id) for server_id, held in self._open.items() if held.is_idle]
        if not idle:
            raise ToolUnavailable(f"all {limits.MCP_CONNECTIONS_MAX} connections to MCP servers are in use: try again")
        await self._drop(min(idle)[1])

    def failed(self, server: McpServer, text: str) -> None:
        """Leave the server alone for a while, longer than the last time."""
        before = self._waiting.get(server.id)
        failures = 1 if before is None else before.failures + 1
        doubled = limits.MCP_BACKOFF_MS_MIN << min(failures - 1, limits.MCP_BACKOFF_DOUBLINGS_MAX)
        delay_ms = min(doubled, limits.MCP_BACKOFF_MS_MAX)
        self._waiting[server.id] = _Waiting(failures, self._host.clock.monotonic_ms() + delay_ms, text)

    def worked(self, server: McpServer) -> None:
        """It answered a call."""
        self._waiting.pop(server.id, None)

    async def forget(self, server_id: str) -> None:
        """Close what is open to it, and try it at once the next time: it was changed, or is gone."""
        self._waiting.pop(server_id, None)
        await self._drop(server_id)
        self._opening.pop(server_id, None)

    async def _drop(self, server_id: str) -> None:
        held = self._open.pop(server_id, None)
        if held is not None:
            await held.close()

    async def close(self) -> None:
        """Close all of them."""
        for server_id in list(self._open):
            await self._drop(server_id)
