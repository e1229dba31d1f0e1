"""SSE and streamable HTTP as a connection's two streams: the SDK's transports over a client that trusts nobody.

Each request goes to an address that was checked just before (also each one of an OAuth flow, and each redirect), takes
no proxy, cookie or password from this process's surroundings, and reads no more than a message may have.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from kelpie.errors import ToolUnavailable
from kelpie.tools.mcp import limits
from kelpie.tools.mcp.addresses import Hosts
from kelpie.tools.mcp.settings import Settings
from kelpie.tools.mcp.watching import Streams, Watch, Watched

_EVENTS = "text/event-stream"


@asynccontextmanager
async def remote_streams(
    settings: Settings, headers: Mapping[str, str], auth: httpx2.Auth | None, hosts: Hosts, watch: Watch
) -> AsyncIterator[Streams]:
    """The streams of a server over SSE or streamable HTTP."""
    connect_s, call_s = limits.MCP_CONNECT_MS_MAX / 1000, settings.call_ms_max / 1000

    def client(*_: Any, **__: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            transport=Guarded(hosts, watch),
            headers={**headers, "accept-encoding": "identity"},
            auth=auth,
            # What is long is the wait for an answer, which each call bounds itself; a stream may be silent for ever.
            timeout=httpx2.Timeout(connect_s, read=None, write=call_s),
            trust_env=False,
        )

    if settings.transport == "sse":
        async with sse_client(settings.url, httpx_client_factory=client) as (reads, writes):
            yield Watched(reads, watch), writes
        return
    most = limits.MCP_MESSAGE_BYTES_MAX
    async with (
        client() as http,
        streamable_http_client(settings.url, http_client=http, max_sse_event_size=most) as (reads, writes),
    ):
        yield Watched(reads, watch), writes


class Guarded(httpx2.AsyncBaseTransport):
    """Sends each request to a checked address and counts what comes back."""

    def __init__(self, hosts: Hosts, watch: Watch) -> None:
        self._hosts, self._watch = hosts, watch
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises ToolUnavailable for a host that may not be reached."""
        try:
            address = await self._hosts.address_of(request.url)
        except ToolUnavailable as error:
            self._watch.break_off("unreachable", str(error))
            raise
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,  # "host" among them: the name
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        response = await self._inner.handle_async_request(pinned)
        self._watch.last_status = response.status_code
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            # A few bytes can stand for a gigabyte, which is unpacked before anybody counts.
            await response.aclose()
            self._watch.break_off("flooded", "packs its answers, which it was asked not to do")
            raise httpx2.ReadError("the answer is packed", request=request)
        is_stream = response.headers.get("content-type", "").lower().startswith(_EVENTS)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        counted = _Counted(response.stream, self._watch, None if is_stream else limits.MCP_MESSAGE_BYTES_MAX)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=counted, extensions=response.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    """A body that ends with an error when it is longer than `most`, or when the connection has said too much."""

    def __init__(self, stream: httpx2.AsyncByteStream, watch: Watch, most: int | None) -> None:
        self._stream, self._watch, self._most = stream, watch, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            self._watch.took(len(chunk))
            if self._most is not None and size > self._most:
                self._watch.too_large()
            if self._watch.is_broken:
                raise httpx2.ReadError(f"the server {self._watch.reason}")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
