"""A provider made of raw bytes on a real socket: what it sends is written down, byte for byte, by each test."""

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from umi.wire import AnthropicWire, HttpTransport, OpenAIWire, Timeouts
from umi.wire.types import Message, Request

TLS = ssl.create_default_context()  # building one takes 40 ms: once, rather than in every test

HANG = object()  # send nothing more, and wait for the client to leave
DIE = object()  # drop the connection without a word


@dataclass
class Received:
    method: str
    path: str
    headers: dict
    raw_body: bytes

    @property
    def body(self):
        return json.loads(self.raw_body)


@dataclass
class RawProvider:
    """Answers the n-th request with the n-th script, and later ones with the last. A script is a list of bytes, HANG
    and DIE; `left` is set when a client closes a connection that was still being answered."""

    scripts: list
    received: list = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1_024)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self.origin = f"127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        script = self.scripts[min(len(self.received), len(self.scripts) - 1)]
        self.received.append(Received(method, path, headers, body))
        self.arrived.set()
        for item in script:
            if item is HANG:
                assert await reader.read() == b""
                self.left.set()
                raise ConnectionError
            if item is DIE:
                writer.transport.abort()
                raise ConnectionError
            writer.write(item)
            await writer.drain()


def http(status, body, content_type="application/json", **headers):
    """A whole answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{named}\r\n"
    return [head.encode() + body]


def stream(*chunks, end=(b"0\r\n\r\n",), content_type="text/event-stream"):
    """A chunked answer: each argument becomes one chunk, which the client sees as one piece."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    framed = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    return [head.encode(), *framed, *end]


@pytest.fixture
def provider():
    return lambda *scripts: RawProvider(list(scripts))


@pytest.fixture
def raw():
    """The words of scripts, for files that can't import this one."""
    return SimpleNamespace(http=http, stream=stream, HANG=HANG, DIE=DIE, TLS=TLS)


@pytest.fixture
def call(host):
    """Make one call of a wire against a provider, and close everything."""

    async def call(provider, wire_name, request=None, *, streamed=True, read_ms=5_000, key="sk-secret-0123456789"):
        request = request or Request("m", [Message("user", "hi")])
        wire_of = {"openai": OpenAIWire, "anthropic": AnthropicWire}[wire_name]
        transport = HttpTransport(TLS)
        deltas = []
        try:
            wire = wire_of(transport, provider.url, key, host, timeouts=Timeouts(read_ms=read_ms))
            return await wire.reply(request, deltas.append if streamed else None), deltas
        finally:
            await transport.aclose()

    return call


@pytest.fixture
def wire_answers():
    """A scenario's bytes as a script: streams go out in small chunks that cut lines and characters."""

    def script(scenario):
        if not scenario.streamed:
            return http(200, scenario.body, x_request_id="r-9")
        pieces = [scenario.body[at : at + 7] for at in range(0, len(scenario.body), 7)]
        answer = stream(*pieces)
        return [answer[0][:-2] + b"request-id: r-9\r\n\r\n", b"".join(answer[1:])]

    return script
