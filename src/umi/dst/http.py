"""HTTP between simulated nodes: streaming ASGI over two pipes, with clients that leave and connections that break.

    answer = await request(network, "client-1", "silo-2", "GET", "/v1/agents/")
    async for chunk in answer.chunks: ...

The server's side is called as uvicorn calls it: body and disconnect come through `receive`, and what is sent after a
disconnect is dropped. A reader that doesn't read makes the sender wait.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from umi.dst.network import CAUSE, Node, SimNetwork

_UNREAD_BYTES_MAX = 65_536  # sent and not read: more makes the sender wait
_SLOW_READER_MS_MAX = 5_000

Headers = list[tuple[bytes, bytes]]


class Answer:
    """A response whose head has arrived. `chunks` raises ConnectionResetError when the connection breaks."""

    def __init__(
        self, status: int, headers: Mapping[str, str], chunks: AsyncIterator[bytes], exchange: "_Exchange"
    ) -> None:
        self.status, self.headers, self.chunks = status, headers, chunks
        self._exchange = exchange

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks])

    def hang_up(self) -> None:
        """Leave, whether or not everything was read."""
        self._exchange.hang_up()


async def request(
    network: SimNetwork,
    source: str,
    target: str,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    label: str = "",
) -> Answer:
    """Send a request and wait for the head of its answer, for as long as that takes: a caller that has enough cancels.

    label  what the fate of its pieces is keyed by, besides the link and the cause
    Raises ConnectionRefusedError, ConnectionResetError.
    """
    exchange = _Exchange(network, source, target, label or f"{method} {path}")
    try:
        return await exchange.begin(method, path, dict(headers or {}), body)
    except asyncio.CancelledError:
        exchange.hang_up()
        raise


class _Exchange:
    """One connection with one request on it. Client, server and the wire between them."""

    def __init__(self, network: SimNetwork, source: str, target: str, label: str) -> None:
        self._network, self._source, self._target = network, source, target
        self._up = network.pipe(source, target, label)
        self._down = network.pipe(target, source, label)
        self._up.on_break = self._down.on_break = self._break
        self._client = _End()
        self._server = _End()
        self._unread_bytes = 0
        self._room = asyncio.Event()
        self._node: Node | None = None
        self._label = label

    # ---- the client's side

    async def begin(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        here = self._network.node(self._source)
        if here is not None:
            here.on_leave[self] = self.hang_up
        self._up.put(lambda: self._accept(method, path, headers, body))
        try:
            head = await self._client.next()
        except OSError:
            self._forget()
            raise
        status, received = head
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in received}
        return Answer(status, named, self._chunks(), self)

    async def _chunks(self) -> AsyncIterator[bytes]:
        name, number = f"{self._target}>{self._source}", 0
        try:
            while (chunk := await self._client.next()) is not None:
                self._unread_bytes -= len(chunk)
                self._room.set()
                number += 1
                key = f"{name}/{self._label}/{CAUSE.get()}/{number}"
                if self._network.faults.happens("network.slow_reader", name, key):
                    share = self._network.faults.share("network.slow_reader", key)
                    await self._network.host.clock.sleep(_SLOW_READER_MS_MAX * share)
                yield chunk
        finally:
            self.hang_up()

    def hang_up(self) -> None:
        self._forget()
        self._down.stop()
        self._up.put(self._left, matters=not self._client.is_over)

    def _left(self) -> None:
        self._server.put(None)
        self._room.set()
        self._release()

    # ---- the server's side

    def _accept(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        node = self._network.node(self._target)
        if node is None or node.serve is None:
            self._refuse()
        elif node.connections_max is not None and node.connections >= node.connections_max:
            self._network.faults.fire("network.connection_limit")
            self._refuse()
        else:
            self._node = node
            node.connections += 1
            node.on_leave[self] = self._break
            self._server.put({"type": "http.request", "body": body, "more_body": False})
            work = self._serve(node, _scope(self._source, self._target, method, path, headers))
            node.run(CAUSE.get(), node.host.spawn, work, f"{method} {path}")

    def _refuse(self) -> None:
        self._down.put(lambda: self._client.fail(ConnectionRefusedError(f"{self._target} refuses connections")))

    async def _serve(self, node: Node, scope: dict[str, Any]) -> None:
        served = False
        try:
            await node.serve(scope, self._receive, self._send)
            served = True
        finally:
            if served:
                self._down.put(lambda: self._client.put(None))
            else:  # the application raised, or its process stops: the connection is closed in the middle
                self._down.put(self._broken)
            self._release()

    async def _receive(self) -> dict[str, Any]:
        with suppress(OSError):
            message: dict[str, Any] | None = await self._server.next()
            if message is not None:
                return message
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if self._server.is_over:
            return
        if message["type"] == "http.response.start":
            head = message["status"], list(message.get("headers", ()))
            self._down.put(lambda: self._client.put(head))
            return
        chunk = bytes(message.get("body", b""))
        while self._unread_bytes > _UNREAD_BYTES_MAX and not self._server.is_over:
            self._room.clear()
            await self._room.wait()
        if chunk:
            self._unread_bytes += len(chunk)
            self._down.put(lambda: self._client.put(chunk))

    # ---- how it ends

    def _break(self) -> None:
        """The connection is gone: both ends hear of it, each in its own time."""
        self._up.stop()
        self._server.put(None)
        self._room.set()
        self._release()
        self._broken()

    def _broken(self) -> None:
        self._down.stop()
        self._client.fail(ConnectionResetError(f"the connection to {self._target} broke"))

    def _release(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            node.connections -= 1
            node.on_leave.pop(self, None)

    def _forget(self) -> None:
        here = self._network.node(self._source)
        if here is not None:
            here.on_leave.pop(self, None)


class _End:
    """What has arrived at one end and was not taken yet. None is the end of it."""

    def __init__(self) -> None:
        self._arrived: deque[Any] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._failed: OSError | None = None
        self.is_over = False

    def put(self, what: Any) -> None:
        self._arrived.append(what)
        self.is_over = self.is_over or what is None
        self._wake()

    def fail(self, error: OSError) -> None:
        self._failed = self._failed or error
        self.is_over = True
        self._wake()

    async def next(self) -> Any:
        while not self._arrived:
            if self._failed is not None:
                raise self._failed
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        if self._arrived[0] is None:
            return None
        return self._arrived.popleft()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _scope(source: str, target: str, method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    bare, _, query = path.partition("?")
    sent: Headers = [(b"host", f"{target}.localhost".encode())]
    sent += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(bare),
        "raw_path": bare.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": sent,
        "client": (source, 1),
        "server": (target, 80),
    }
