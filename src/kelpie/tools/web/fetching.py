"""One web page as text. A model chooses the address, so every hop passes the checks of a sandbox's network.

Redirects are followed by hand: each is a new request, and each connection goes to the very address that was checked.
"""

import asyncio
import ssl
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kelpie.errors import MissingExtra, ToolFailed
from kelpie.sandbox import child
from kelpie.sandbox.egress import AllowList, Gate, Refused, Resolve, Target, Unreachable
from kelpie.sandbox.egress.hosts import read_authority
from kelpie.tools.web import limits, readable
from umi.dst import Host

if TYPE_CHECKING:  # imported with the first page
    import httpcore2
    import httpx2

_HTML = ("text/html", "application/xhtml+xml")
_PLAIN = ("application/json", "application/xml", "application/yaml", "application/javascript")
_MOVED = (301, 302, 303, 307, 308)
_HEADERS = [
    (b"accept", b"text/html,text/*;q=0.9,application/json;q=0.8"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"kelpie"),
]


class Page(msgspec.Struct, frozen=True):
    """`url` is where the redirects ended; `text` is Markdown if it was HTML, else what it says itself."""

    url: str
    title: str
    text: str


class Fetcher:
    """Fetches pages of `hosts`: as in an AllowList, "*" for every public one.

    resolve, backend, tls  how names are resolved, addresses connected to, and whom TLS trusts: the system's; tests hand
                           in their own
    """

    def __init__(
        self,
        host: Host,
        hosts: Sequence[str],
        *,
        resolve: Resolve | None = None,
        backend: "httpcore2.AsyncNetworkBackend | None" = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._gate = Gate(host, AllowList(hosts, any_host=True), resolve=resolve)
        self._backend = backend
        self._tls = tls
        self._places = asyncio.Semaphore(limits.WEB_FETCHES_AT_ONCE_MAX)

    async def page(self, url: str) -> Page:
        """Raises ToolFailed that says why there is none, for the model to read."""
        async with self._places:
            try:
                async with self._host.clock.timeout(limits.WEB_FETCH_MS_MAX):
                    kind, body, at = await self._followed(_checked(url))
            except TimeoutError:
                raise ToolFailed(f"{_short(url)}: it took longer than {limits.WEB_FETCH_MS_MAX // 1000} s") from None
            except Refused as refused:
                raise ToolFailed(f"this server does not fetch that: {refused}") from None
            except Unreachable as failed:
                raise ToolFailed(f"it can't be reached: {failed}") from None
            if kind in _HTML:
                return await self._read(at, body)
        return Page(at, "", body.decode("utf-8", "replace"))

    async def _followed(self, url: "httpx2.URL") -> tuple[str, bytes, str]:
        """(content type, body, address) at the end of the redirects."""
        for _ in range(limits.WEB_REDIRECTS_MAX + 1):
            found = await self._asked(url)
            if isinstance(found, tuple):
                return (*found, str(url))
            url = _checked(str(url.join(found)))
        raise ToolFailed(f"{_short(str(url))}: more than {limits.WEB_REDIRECTS_MAX} redirects")

    async def _asked(self, url: "httpx2.URL") -> tuple[str, bytes] | str:
        """(content type, body), or where it moved to."""
        import httpcore2

        seconds = limits.WEB_IDLE_MS_MAX / 1000
        bounds = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}
        plain = str(url.copy_with(fragment=None))
        connections = httpcore2.AsyncConnectionPool(ssl_context=self._trust(), network_backend=self._checked_backend())
        async with connections as pool:
            try:
                async with pool.stream("GET", plain, headers=_HEADERS, extensions=bounds) as answer:
                    headers = {name.lower().decode("latin1"): value.decode("latin1") for name, value in answer.headers}
                    if answer.status in _MOVED and "location" in headers:
                        return headers["location"]
                    kind = _readable_kind(plain, answer.status, headers)
                    return kind, await _body(plain, answer.aiter_stream())
            except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException) as error:
                raise ToolFailed(f"{_short(plain)}: {type(error).__name__}") from None

    def _trust(self) -> ssl.SSLContext:
        import httpx2

        if self._tls is None:
            self._tls = httpx2.create_ssl_context(trust_env=False)
        return self._tls

    def _checked_backend(self) -> "httpcore2.AsyncNetworkBackend":
        import httpcore2

        gate, real, own = self._gate, self._backend or httpcore2.AnyIOBackend(), self._backend is None

        class Checked(httpcore2.AsyncNetworkBackend):
            """The place where a host becomes a connection: there is no way around it."""

            async def connect_tcp(
                self,
                host: str,
                port: int,
                timeout: float | None = None,  # noqa: ASYNC109 - the library's
                local_address: str | None = None,
                socket_options: Iterable[Any] | None = None,
            ) -> "httpcore2.AsyncNetworkStream":
                addresses = await gate.addresses(_target(host, port))
                stream = await real.connect_tcp(addresses[0], port, timeout, local_address, socket_options)
                if own and _leads_here(stream):
                    await stream.aclose()
                    raise Refused(f"{addresses[0]} is an address of this machine itself")
                return stream

        return Checked()

    async def _read(self, url: str, body: bytes) -> Page:
        try:
            import bs4  # noqa: F401 - looked for here: the process below could only say that it failed
            import markdownify  # noqa: F401
        except ImportError:
            raise MissingExtra("reading web pages", "server") from None
        ended = await child.run(
            self._host,
            [sys.executable, "-E", "-P", "-X", "utf8", readable.__file__],
            child.Bounds(
                wall_ms=limits.READABLE_WALL_MS_MAX,
                cpu_s=limits.READABLE_CPU_S_MAX,
                file_bytes=limits.READABLE_BYTES_MAX,
                output_bytes=limits.READABLE_BYTES_MAX,
                memory_bytes=limits.READABLE_MEMORY_BYTES_MAX,
            ),
            environment={},
            given=body,
        )
        try:
            if ended.exit == 0:
                return _decode_page(ended.output, url)
        except msgspec.MsgspecError:
            pass  # said like any other failure
        raise ToolFailed(f"{_short(url)}: its HTML could not be read within the bounds of this server")


class _Read(msgspec.Struct):
    title: str
    text: str


def _decode_page(output: bytes, url: str) -> Page:
    read = msgspec.json.decode(output, type=_Read)
    return Page(url, read.title, read.text)


def _checked(text: str) -> "httpx2.URL":
    """Raises ToolFailed for what is no address of a web page."""
    import httpx2

    if len(text) > limits.WEB_URL_CHARS_MAX:
        raise ToolFailed(f"an address of {len(text):,} characters; at most {limits.WEB_URL_CHARS_MAX:,} are fetched")
    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, ValueError):
        raise ToolFailed(f"{_short(text)} is no address of a web page") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ToolFailed(f"{_short(text)} is no address of a web page: it begins with https:// or http://")
    if url.userinfo:
        raise ToolFailed("an address with a user name or password is not fetched")
    return url


def _target(host: str, port: int) -> Target:
    """What the library is about to connect to, read as a sandbox's proxy reads it."""
    try:
        return read_authority(f"[{host}]" if ":" in host else host, port)
    except ValueError as error:
        raise Refused(f"{_short(host)}: {error}") from None


def _leads_here(stream: "httpcore2.AsyncNetworkStream") -> bool:
    return bool(stream.get_extra_info("client_addr")[0] == stream.get_extra_info("server_addr")[0])


def _readable_kind(url: str, status: int, headers: dict[str, str]) -> str:
    """The content type, without parameters. Raises ToolFailed for what is no text."""
    if status >= 300:
        raise ToolFailed(f"{_short(url)} answered with status {status}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise ToolFailed(f"{_short(url)} answered in a compressed form that was not asked for")
    kind = headers.get("content-type", "text/plain").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _HTML or kind in _PLAIN or kind.endswith(("+json", "+xml")):
        return kind
    raise ToolFailed(f"{_short(url)} is {_short(kind)}, which is no text")


async def _body(url: str, chunks: Any) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limits.WEB_PAGE_BYTES_MAX:
            raise ToolFailed(f"{_short(url)} has more than {limits.WEB_PAGE_BYTES_MAX:,} bytes")
    return bytes(body)


def _short(text: str) -> str:
    return text[:200]
