"""The scripted model behind a socket: `python -m kelpie.models.scripted_server --port 0`.

A small HTTP/1.1 server for tests, benchmarks and acceptance runs, which shall measure what stands in front of it: one
protocol object per connection, no framework, thousands of calls open at once. Besides what ScriptedProvider answers:

    GET  /stats   calls so far, open now, most open at once, aborted by the client
    POST /reset   forget the figures, and hold again

With a hold, every reply waits until that many calls are open at once, or until the first of them has waited for the
given time; then it stays open for good. So a test can say: a thousand agents were really waiting together.
"""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping

import msgspec

from kelpie.errors import ModelError
from kelpie.models import limits
from kelpie.models.scripted_wire import ScriptedProvider
from umi.dst import Host
from umi.wire import Response
from umi.wire.memory import Sent
from umi.wire.transport import DEFAULT_TIMEOUTS

_BACKLOG = 4_096  # a thousand clients may knock in the same millisecond
_HEAD_BYTES_MAX = 65_536


class Stats(msgspec.Struct):
    chat: int = 0
    streamed: int = 0
    open: int = 0
    max_open: int = 0
    aborted: int = 0  # the client closed the connection before its reply was sent
    other: int = 0
    released: bool = False  # the hold is over, or there is none


class ScriptedServer:
    def __init__(self, host: Host, *, hold_until: int = 0, hold_ms: float = 0) -> None:
        self._host = host
        self._provider = ScriptedProvider(host)
        self._hold_until, self._hold_ms = hold_until, hold_ms
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, None] = {}
        self.reset()

    def reset(self) -> None:
        self.stats = Stats(released=self._hold_until == 0)
        self._gate = asyncio.Event()
        if self.stats.released:
            self._gate.set()

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, and return the base URL for both wires, `http://127.0.0.1:<port>/v1`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), address, port, backlog=_BACKLOG)
        bound = self._server.sockets[0].getsockname()
        return f"http://{bound[0]}:{bound[1]}/v1"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for connection in list(self._connections):
                connection.abort()
            await self._server.wait_closed()

    async def answer(self, sent: Sent) -> Response:
        path = sent.url.partition("?")[0]
        if path == "/stats":
            return _json(msgspec.json.encode(self.stats))
        if path == "/reset":
            self.reset()
            return _json(b'{"ok":true}')
        if sent.method != "POST":
            self.stats.other += 1
            return await self._provider.answer(sent)
        self.stats.chat += 1
        await self._held()
        response = await self._provider.answer(sent)
        if response.headers["content-type"] == "text/event-stream":
            self.stats.streamed += 1
        return response

    async def _held(self) -> None:
        gate = self._gate
        if gate.is_set():
            return
        if self.stats.open >= self._hold_until:
            self._release(gate)
        try:
            async with self._host.clock.timeout(self._hold_ms):
                await gate.wait()
        except TimeoutError:
            self._release(gate)

    def _release(self, gate: asyncio.Event) -> None:
        self.stats.released = True
        gate.set()

    def spawn(self, connection: "_Connection", sent: Sent) -> asyncio.Task[None]:
        return self._host.spawn(self._serve(connection, sent), "scripted reply")

    async def _serve(self, connection: "_Connection", sent: Sent) -> None:
        """One call, from the request's last byte to the reply's. Ends early when the client hangs up."""
        counted = sent.method == "POST" and sent.url != "/reset"
        stats = self.stats
        if counted:
            stats.open += 1
            stats.max_open = max(stats.max_open, stats.open)
        finished = False
        try:
            await connection.write(await self.answer(sent))
            finished = True
        finally:
            if counted:
                stats.open -= 1
                stats.aborted += not finished
            if not finished:
                connection.abort()
        connection.next_request()

    def joined(self, connection: "_Connection") -> None:
        self._connections[connection] = None

    def left(self, connection: "_Connection") -> None:
        self._connections.pop(connection, None)


class _Connection(asyncio.Protocol):
    """One client. A protocol rather than a stream, because it hears of a hang-up while a reply is being held."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server
        self._received = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio says what it is called with
        self._transport = None
        self._server.left(self)
        if self._task is not None:
            self._task.cancel()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._task is None:
            self.next_request()

    def next_request(self) -> None:
        self._task = None
        head_end = self._received.find(b"\r\n\r\n")
        if self._transport is None or head_end < 0:
            if len(self._received) > _HEAD_BYTES_MAX:
                self.abort()
            return
        lines = bytes(self._received[:head_end]).decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limits.SCRIPT_REQUEST_BYTES_MAX or "transfer-encoding" in headers:
            self._transport.write(b"HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._transport.close()
            return
        end = head_end + 4 + int(length)
        if len(self._received) < end:
            return
        body = bytes(self._received[head_end + 4 : end])
        del self._received[:end]
        sent = Sent(method, rest.rpartition(" ")[0], headers, body, DEFAULT_TIMEOUTS)
        self._task = self._server.spawn(self, sent)

    async def write(self, response: Response) -> None:
        """The whole answer. A scripted cut of a body whose length was announced shows as a dying connection."""
        sized = "content-length" in response.headers
        pending = _head(response.status, response.headers, chunked=not sized)
        try:
            async for chunk in response.chunks:
                self._send(pending + (chunk if sized else _framed(chunk)))
                pending = b""
        except ModelError:
            self.abort()
            return
        self._send(pending + (b"" if sized else b"0\r\n\r\n"))

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)


def _head(status: int, headers: Mapping[str, str], *, chunked: bool) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
    if chunked:
        lines.append("transfer-encoding: chunked")
    return "\r\n".join([*lines, "", ""]).encode()


def _framed(chunk: bytes) -> bytes:
    """One chunk of a chunked body; an empty one would end it."""
    return f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" if chunk else b""


def _json(body: bytes) -> Response:
    async def once() -> AsyncIterator[bytes]:
        yield body

    return Response(200, {"content-type": "application/json", "content-length": str(len(body))}, once())


def raise_open_files_limit() -> None:
    """Each connection is an open file, and the usual soft limit of 1,024 is below what this server is for."""
    with contextlib.suppress(ImportError):  # no such module on Windows, and no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(address: str, port: int, *, hold_until: int, hold_ms: float) -> None:
    """Print the URL and serve until SIGINT or SIGTERM."""
    host = Host()
    server = ScriptedServer(host, hold_until=hold_until, hold_ms=hold_ms)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl+C ends the process instead
            loop.add_signal_handler(name, stop.set)
    print(await server.start(address, port), flush=True)  # noqa: T201 - how whoever started it learns the port
    await stop.wait()
    await server.close()
    await host.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m kelpie.models.scripted_server", description="A scripted model provider. Prints its base URL."
    )
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--hold-until", type=int, default=0, help="hold replies until that many calls are open at once")
    parser.add_argument("--hold-ms", type=float, default=60_000, help="… or until the first has waited that long")
    given = parser.parse_args(arguments)
    raise_open_files_limit()
    asyncio.run(serve(given.address, given.port, hold_until=given.hold_until, hold_ms=given.hold_ms))


if __name__ == "__main__":
    main()
