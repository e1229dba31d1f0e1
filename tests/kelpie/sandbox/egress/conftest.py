"""A small internet on loopback: names, public addresses, and real servers that stand for them."""

import asyncio
import contextlib
from collections import deque

import pytest

from kelpie.sandbox.egress import open_door
from kelpie.sandbox.sandbox import EgressRules
from umi.dst import Host

ALLOWED = "api.example.com"
PUBLIC = "93.184.216.34"


class Internet:
    """`names` is what its DNS answers (one answer after the other, the last for ever), `places` which server on
    loopback stands for a public address. Only tests have such a connector."""

    def __init__(self):
        self.names = {ALLOWED: deque([[PUBLIC]])}
        self.places = {}
        self.asked = []
        self.connected = []
        self.heard = []

    async def resolve(self, name, port):
        self.asked.append(name)
        answers = self.names.get(name)
        if answers is None:
            raise OSError("no such name")
        return answers.popleft() if len(answers) > 1 else answers[0]

    async def connect(self, address, port):
        self.connected.append((address, port))
        if (address, port) not in self.places:
            raise ConnectionRefusedError
        return await asyncio.open_connection("127.0.0.1", self.places[address, port])

    @contextlib.asynccontextmanager
    async def server(self, answer, address=PUBLIC, port=80):
        """`answer(reader, writer)` at a public address."""

        async def serve(reader, writer):
            try:
                await answer(reader, writer)
            except (ConnectionError, EOFError):
                pass  # the proxy hung up
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.places[address, port] = server.sockets[0].getsockname()[1]
        async with server:
            yield

    def says(self, response, until=b"\r\n\r\n"):
        """A server's answer to whatever it hears, which is kept."""

        async def answer(reader, writer):
            self.heard.append(await reader.readuntil(until))
            writer.write(response)
            await writer.drain()

        return answer

    @contextlib.asynccontextmanager
    async def door(self, *hosts, **more):
        host = Host()
        rules = EgressRules(hosts=hosts or (ALLOWED,), **more)
        async with open_door(host, rules, resolve=self.resolve, connect=self.connect) as door:
            yield door
        await host.close()


@pytest.fixture
def internet():
    return Internet()


async def send(door, request):
    """What the proxy answers to these bytes, to the end of the connection."""
    reader, writer = await asyncio.open_unix_connection(door.path)
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def get(url, *headers, method="GET", body=b""):
    head = "".join(f"{line}\r\n" for line in (f"{method} {url} HTTP/1.1", "Host: x", *headers))
    return f"{head}\r\n".encode() + body


def connect_to(authority):
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
