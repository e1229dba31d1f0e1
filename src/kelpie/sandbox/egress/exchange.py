"""One connection to the proxy: a tunnel (CONNECT) or a single request (absolute URI), then it closes.

Requests are read and written anew by h11, never passed through as bytes: what an upstream server sees is what was
checked. One request a connection leaves nothing to smuggle a second one into.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from kelpie.sandbox import limits
from kelpie.sandbox.egress.gate import Gate, Refused, Streams, Unreachable
from kelpie.sandbox.egress.hosts import Target, read_authority
from umi.dst import Host

if TYPE_CHECKING:  # comes with the extra `server`
    import h11

_CHUNK_BYTES = 64 << 10
_URI = re.compile(r"http://([^/?#\\]*)([/?][^#]*)?", re.IGNORECASE)
_HOP = frozenset({b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"})
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})
Headers = list[tuple[bytes, bytes]]


class Budget:
    """What the exchanges of one call may use together."""

    def __init__(self, bytes_max: int, calls_max: int) -> None:
        self._bytes_max, self._bytes_left = bytes_max, bytes_max
        self._calls_max, self._calls_left = calls_max, calls_max

    def take_bytes(self, count: int) -> None:
        """Before they are passed on, in either direction. However small a piece is, passing it on costs us something,
        so it counts as no less than that. Raises Refused."""
        count = max(count, limits.EGRESS_PIECE_BYTES_MIN)
        if count > self._bytes_left:
            self._bytes_left = 0
            raise self._spent()
        self._bytes_left -= count

    def take_call(self) -> None:
        """At each connection, which is good for one request: refused ones count too. Raises Refused."""
        if self._calls_left == 0:
            raise Refused(f"the budget of {self._calls_max:,} connections and requests for this call is used up")
        self._calls_left -= 1
        if self._bytes_left == 0:
            raise self._spent()

    def _spent(self) -> Refused:
        return Refused(f"the budget of {self._bytes_max:,} bytes for this call is used up")


class _Wire:
    """h11 over one pair of streams. `passed(bytes)` hears of everything that comes and goes."""

    def __init__(self, connection: "h11.Connection", streams: Streams, passed: Callable[[int], None]) -> None:
        self.connection = connection
        self.reader, self.writer = streams
        self._passed = passed

    async def receive(self) -> Any:
        """The next event of h11. Raises its RemoteProtocolError for what isn't HTTP/1.1."""
        import h11

        while (event := self.connection.next_event()) is h11.NEED_DATA:
            if self.connection.they_are_waiting_for_100_continue:
                await self.send(h11.InformationalResponse(status_code=100, headers=[]))
            chunk = await self.reader.read(_CHUNK_BYTES)
            self._passed(len(chunk))
            self.connection.receive_data(chunk)
        return event

    async def send(self, event: "h11.Event") -> None:
        data = self.connection.send(event)
        if data:
            self._passed(len(data))
            self.writer.write(data)
            await self.writer.drain()


class Exchange:
    """`await serve()` sees one connection from inside through to its end, and raises nothing.

    note(line)  told of each refusal
    """

    def __init__(self, host: Host, gate: Gate, budget: Budget, inside: Streams, note: Callable[[str], None]) -> None:
        import h11

        self._host, self._gate, self._budget, self._note = host, gate, budget, note
        reading = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.EGRESS_HEAD_BYTES_MAX)
        self._inside = _Wire(reading, inside, self._alive)
        self._outside: asyncio.StreamWriter | None = None
        self._answered = False  # the head of an answer has left: there is no saying anything else
        self._idle: asyncio.Timeout | None = None

    async def serve(self) -> None:
        try:
            await self._bounded()
        except Refused as refused:
            await self._refuse(str(refused))
        except Unreachable as failed:
            await self._say(502, f"kelpie could not reach {failed}")
        except TimeoutError:
            await self._say(504, "kelpie ended this connection: nothing came for too long, or it lasted too long")
        except OSError:
            self._inside.writer.transport.abort()  # one side went away: the other hears of it the same way
        else:
            await self._flush(self._outside)
            await self._flush(self._inside.writer)
        finally:
            for writer in (self._inside.writer, self._outside):
                if writer is not None:
                    writer.transport.abort()  # what was flushed is closed already

    async def refuse(self, reason: str) -> None:
        """Turn the connection away unread."""
        try:
            await self._refuse(reason)
        finally:
            self._inside.writer.transport.abort()

    async def _bounded(self) -> None:
        timeout = self._host.clock.timeout
        async with timeout(limits.EGRESS_TOTAL_MS_MAX), timeout(limits.EGRESS_IDLE_MS_MAX) as self._idle:
            await self._serve()

    async def _serve(self) -> None:
        import h11

        try:
            request = await self._inside.receive()
        except h11.RemoteProtocolError as error:
            self._budget.take_call()
            raise Refused(f"a request that is not plain HTTP/1.1: {error}") from None
        if not isinstance(request, h11.Request):
            return  # closed before it asked for anything
        self._budget.take_call()
        _check_head(request)
        if request.method == b"CONNECT":
            await self._tunnel(_target(request.target.decode("ascii"), None))
        else:
            await self._forward(request)

    async def _tunnel(self, target: Target) -> None:
        import h11

        reader, writer = await self._gate.connect(target)
        self._outside = writer
        self._answered = True
        await self._inside.send(h11.Response(status_code=200, headers=[], reason=b"Connection established"))
        early, _ = self._inside.connection.trailing_data
        if early:
            await self._pass(early, writer)
        await self._both(self._pump(self._inside.reader, writer), self._pump(reader, self._inside.writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            await self._pass(chunk, writer)
        with contextlib.suppress(OSError, RuntimeError):  # uvloop's word for a stream that is closed by now
            writer.write_eof()

    async def _pass(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        self._counted(len(chunk))
        writer.write(chunk)
        await writer.drain()

    async def _forward(self, request: "h11.Request") -> None:
        import h11

        target, path = _absolute(request.target.decode("ascii"))
        headers = [(name, value) for name, value in _end_to_end(list(request.headers)) if name != b"host"]
        # Left out with the other headers between two hops, and wanted again: it says how the body is framed.
        headers += [(name, value) for name, value in request.headers if name == b"transfer-encoding"]
        host = str(target).removesuffix(":80").encode()
        streams = await self._gate.connect(target)
        self._outside = streams[1]
        outside = _Wire(h11.Connection(h11.CLIENT), streams, self._counted)
        head = [(b"host", host), *headers, (b"connection", b"close")]
        try:
            await outside.send(h11.Request(method=request.method, target=path, headers=head))
            await self._both(self._send_body(outside), self._send_answer(outside), last=1)
        except h11.ProtocolError:
            raise Unreachable(f"{target}: what it answered is not HTTP/1.1") from None

    async def _send_body(self, outside: _Wire) -> None:
        import h11

        try:
            while isinstance(event := await self._inside.receive(), h11.Data):
                await outside.send(h11.Data(data=bytes(event.data)))
                await self._host.clock.sleep(0)  # a thousand pieces in one read hold nobody else up
            await outside.send(h11.EndOfMessage())
        except h11.ProtocolError as error:
            raise Refused(f"a request whose body is not plain HTTP/1.1, or not as long as it says: {error}") from None
        except OSError:
            return  # it wants no more of the body: its answer says why, or its end does

    async def _send_answer(self, outside: _Wire) -> None:
        import h11

        answer = await outside.receive()
        for _ in range(limits.EGRESS_INTERIM_ANSWERS_MAX):
            if not isinstance(answer, h11.InformationalResponse) or answer.status_code == 101:
                break
            answer = await outside.receive()
        if not isinstance(answer, h11.Response):
            raise h11.RemoteProtocolError("no answer")
        headers = _end_to_end(list(answer.headers))
        if any(name == b"transfer-encoding" for name, _ in answer.headers):
            headers = [(name, value) for name, value in headers if name != b"content-length"]
        self._answered = True
        await self._inside.send(
            h11.Response(
                status_code=answer.status_code, reason=answer.reason, headers=[*headers, (b"connection", b"close")]
            )
        )
        while isinstance(event := await outside.receive(), h11.Data):
            self._counted(0)
            await self._inside.send(h11.Data(data=bytes(event.data)))
            await self._host.clock.sleep(0)
        await self._inside.send(h11.EndOfMessage())

    async def _both(self, *works: Coroutine[Any, Any, None], last: int | None = None) -> None:
        """Both directions until both end, or until number `last` does; what one raises ends the other."""
        tasks = [self._host.spawn(work, "egress") for work in works]
        try:
            pending = set(tasks)
            while pending and not (last is not None and tasks[last].done()):
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _counted(self, count: int) -> None:
        self._budget.take_bytes(count)
        self._alive(count)

    def _alive(self, _count: int) -> None:
        if self._idle is not None and not self._idle.expired():
            self._idle.reschedule(asyncio.get_running_loop().time() + limits.EGRESS_IDLE_MS_MAX / 1000)

    async def _refuse(self, reason: str) -> None:
        self._note(_plain(reason))
        await self._say(403, f"kelpie refused this: {reason}")

    async def _say(self, status: int, text: str) -> None:
        """An answer of our own, or an abrupt end where one has begun: nothing may pass for the end of that one."""
        if self._answered:
            self._inside.writer.transport.abort()
            return
        body = f"{_plain(text)}\n".encode()
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            async with self._host.clock.timeout(limits.EGRESS_FLUSH_MS_MAX):
                self._inside.writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
                await self._inside.writer.drain()
                self._inside.writer.write_eof()
                # Whoever still writes would otherwise meet a closed socket before it reads why.
                while await self._inside.reader.read(_CHUNK_BYTES):
                    pass

    async def _flush(self, writer: asyncio.StreamWriter | None) -> None:
        """Close it once what was written has left, unless that takes too long."""
        if writer is None:
            return
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with self._host.clock.timeout(limits.EGRESS_FLUSH_MS_MAX):
                await writer.wait_closed()


_REASONS = {403: "Forbidden", 502: "Bad Gateway", 504: "Gateway Timeout"}


def _check_head(request: "h11.Request") -> None:
    names = [name for name, _ in request.headers]
    if len(names) > limits.EGRESS_HEADERS_MAX:
        raise Refused(f"a request with more than {limits.EGRESS_HEADERS_MAX} headers")
    # h11 looks at the size of what is incomplete; this head may have come in one piece.
    size = len(request.target) + sum(len(name) + len(value) for name, value in request.headers)
    if size > limits.EGRESS_HEAD_BYTES_MAX:
        raise Refused(f"a request whose head is longer than {limits.EGRESS_HEAD_BYTES_MAX:,} bytes")
    if b"transfer-encoding" in names and b"content-length" in names:
        raise Refused("a request with both Content-Length and Transfer-Encoding")
    if request.http_version not in (b"1.0", b"1.1"):
        raise Refused("a request that is not HTTP/1.1")
    if _named_by_connection(list(request.headers)) & _FRAMING:
        raise Refused("a request whose Connection header takes away what frames it")


def _target(authority: str, default_port: int | None) -> Target:
    try:
        return read_authority(authority, default_port)
    except ValueError as error:
        raise Refused(f"{_plain(authority)}: {error}") from None


def _absolute(uri: str) -> tuple[Target, str]:
    """(who is asked, for what) of `http://host[:port]/path?query`."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise Refused(f"{_plain(uri)}: a proxy is asked for http://host/path, or by CONNECT for anything else")
    path = found.group(2) or "/"
    return _target(found.group(1), 80), path if path.startswith("/") else f"/{path}"


def _end_to_end(headers: Headers) -> Headers:
    """Without what concerns this hop alone."""
    dropped = _HOP | _named_by_connection(headers)
    return [(name, value) for name, value in headers if name not in dropped and not name.startswith(b"proxy-")]


def _named_by_connection(headers: Headers) -> set[bytes]:
    values = [value for name, value in headers if name == b"connection"]
    return {token.strip().lower() for value in values for token in value.split(b",")}


def _plain(text: str) -> str:
    """One line of printable ASCII, for answers and records."""
    short = text[: limits.EGRESS_LINE_CHARS_MAX]
    return "".join(character if " " <= character <= "~" else "?" for character in short)
