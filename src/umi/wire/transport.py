"""The seam between the wires and the network: one method sends a request and hands back a stream of bytes.

Everything above it (encoding, parsing, retries, error mapping) is the same code in production, tests and simulation.
"""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

from umi import limits
from umi.errors import ModelError

if TYPE_CHECKING:  # httpx2 costs 20 ms and a TLS context 44 ms: both are paid at the first call, or never
    import httpx2


class Timeouts(NamedTuple):
    """`read_ms` bounds the wait between two pieces of the answer, not the whole of it."""

    connect_ms: int = limits.WIRE_CONNECT_TIMEOUT_MS
    read_ms: int = limits.WIRE_READ_TIMEOUT_MS


DEFAULT_TIMEOUTS = Timeouts()


class Response:
    """An answer whose head has arrived.

    headers  names in lower case
    chunks   the body as it arrives, without transfer or content encoding. Raises ModelError of kind "timeout" when
             the provider stalls and "connection" when the connection dies
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncIterator[bytes],
        close: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.status, self.headers, self.chunks = status, headers, chunks
        self._close = close

    async def aclose(self) -> None:
        """Let go of the connection: it is used again if the body was read to its end and closed otherwise."""
        if self._close is not None:
            await self._close()


class Transport(Protocol):
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts
    ) -> Response:
        """Send and wait for the head of the answer, whatever its status. Cancelling closes the connection.
        Raises ModelError of kind "connection" or "timeout"."""
        ...

    async def aclose(self) -> None: ...


def origin_of(url: str) -> str:
    """`host` or `host:port` of a URL: what error texts name. Never the path, never credentials."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


class HttpTransport:
    """Real sockets. One instance per Host and event loop, shared by every provider.

    Connections are not limited in number: a thousand agents may wait for their models at once. Proxies and
    certificates of the environment (HTTPS_PROXY, SSL_CERT_FILE, …) are honoured, as httpx2 does by default; `tls`
    says instead whom to trust.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._client: httpx2.AsyncClient | None = None
        self._urls: dict[str, httpx2.URL] = {}  # parsing takes 30 µs, and there are as many as providers
        self._closed = False

    def open(self) -> "httpx2.AsyncClient":
        """Build the client now rather than in the first call."""
        import httpx2

        if self._client is None:
            bounds = httpx2.Limits(max_connections=None, max_keepalive_connections=limits.WIRE_IDLE_CONNECTIONS_MAX)
            verify = True if self._tls is None else self._tls
            self._client = httpx2.AsyncClient(limits=bounds, verify=verify, follow_redirects=False)
        return self._client

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts
    ) -> Response:
        import httpx2

        origin = origin_of(url)
        if self._closed:
            raise ModelError("connection", f"{origin} was not called: the transport is closed")
        client = self._client or self.open()
        seconds = {
            "connect": timeouts.connect_ms / 1000,
            "read": timeouts.read_ms / 1000,
            "write": timeouts.read_ms / 1000,
            "pool": None,
        }
        request = httpx2.Request(
            method, self._parsed(url), headers=headers, content=body, extensions={"timeout": seconds}
        )
        try:
            response = await client.send(request, stream=True)
        except httpx2.HTTPError as error:
            fault = _fault_of(error, origin)
        else:
            return Response(response.status_code, dict(response.headers), _Chunks(response, origin), response.aclose)
        # Raised outside the handler: the library's error carries the request, whose headers hold the key.
        raise fault

    async def aclose(self) -> None:
        self._closed = True
        if self._client is not None:
            await self._client.aclose()

    def _parsed(self, url: str) -> "httpx2.URL":
        import httpx2

        parsed = self._urls.get(url)
        if parsed is None:
            if len(self._urls) >= limits.WIRE_URLS_KEPT_MAX:  # some hold a model's name, and that is anybody's
                self._urls.clear()
            parsed = self._urls[url] = httpx2.URL(url)
        return parsed


class _Chunks:
    """The body of an httpx2 response, its errors translated."""

    def __init__(self, response: "httpx2.Response", origin: str) -> None:
        encoded = "content-encoding" in response.headers
        self._parts = response.aiter_bytes() if encoded else response.aiter_raw()
        self._origin = origin

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        import httpx2

        try:
            return await self._parts.__anext__()
        except httpx2.HTTPError as error:
            fault = _fault_of(error, self._origin)
        raise fault


def _fault_of(error: "httpx2.HTTPError", origin: str) -> ModelError:
    """The library's own text is left out: for some errors it quotes headers."""
    import httpx2

    match error:
        case httpx2.ConnectTimeout():
            return ModelError("connection", f"{origin} could not be reached in time")
        case httpx2.TimeoutException():
            return ModelError("timeout", f"{origin} was silent for too long")
        case httpx2.ConnectError():
            return ModelError("connection", f"{origin} could not be reached: is the address right, is it running?")
        case httpx2.ProxyError():
            return ModelError("connection", f"{origin} could not be reached through the proxy")
        case httpx2.DecodingError():
            return ModelError("invalid_response", f"{origin} sent a body whose content encoding is broken")
        case httpx2.LocalProtocolError() | httpx2.UnsupportedProtocol():
            return ModelError("bad_request", f"{origin}: the request can't be written as HTTP ({type(error).__name__})")
        case _:
            return ModelError("connection", f"{origin} closed the connection ({type(error).__name__})")
