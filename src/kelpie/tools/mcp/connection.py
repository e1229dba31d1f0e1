"""One session with a server: opened once, kept while it is used, ended when idle, or when the server gives cause.

A task of its own enters and leaves the SDK's transport and session, as those demand; calls come from any task. The SDK
answers what a server asks of its client by itself: a model's reply, a person's answer and folders of this machine are
refused, and never announced.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TypeVar

import httpx2
from mcp import ClientSession, MCPError
from mcp.client.auth import OAuthFlowError
from mcp_types import CONNECTION_CLOSED, UNSUPPORTED_PROTOCOL_VERSION, Implementation

from kelpie.errors import ToolFailed, UmiError
from kelpie.tools.mcp import limits
from kelpie.tools.mcp.faults import McpFault, McpHung
from kelpie.tools.mcp.offers import Offer, read_offer
from kelpie.tools.mcp.records import McpServer
from kelpie.tools.mcp.watching import Streams, Watch
from umi.dst import Host

T = TypeVar("T")
# What the SDK's HTTP transport says where there was no answer, or one without sense: it is begun anew.
_SESSION_LOST = ("Session terminated", "Server returned an error response", "Not Found")
OpenStreams = Callable[[Watch], AbstractAsyncContextManager[Streams]]


class Connection:
    """
    opens    the transport's streams; what they raise on entering is why the server can't be reached
    idle_ms  unused for so long, it ends by itself
    """

    def __init__(
        self, host: Host, server: McpServer, opens: OpenStreams, level: str, idle_ms: int, version: str
    ) -> None:
        self.server, self.level = server, level
        self._host, self._opens, self._idle_ms = host, opens, idle_ms
        self._info = Implementation(name="kelpie", version=version)
        self._over = asyncio.Event()
        self.watch = Watch(self._over.set)
        self._places = asyncio.Semaphore(limits.MCP_CALLS_AT_ONCE_MAX)
        self._in_use = 0
        self._used_ms = host.clock.monotonic_ms()
        self._ready: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._keeper: asyncio.Task[None] | None = None
        self._offer: Offer | None = None
        self._offer_ms = 0.0
        self._listing = asyncio.Lock()

    # ---- its life

    async def open(self) -> None:
        """Connect, agree on a version, read what it offers. Raises McpFault."""
        self._keeper = self._host.spawn(self._keep(), f"mcp server {self.server.name}")
        try:
            async with self._host.clock.timeout(limits.MCP_CONNECT_MS_MAX):
                await asyncio.shield(self._ready)
                await self.offer()
        except TimeoutError:
            await self.close()
            seconds = limits.MCP_CONNECT_MS_MAX // 1000
            raise McpHung(self.server.name, f"did not answer within {seconds} s") from None
        except BaseException:
            await self.close()
            raise

    @property
    def is_open(self) -> bool:
        return self._keeper is not None and not self._keeper.done() and not self._over.is_set()

    @property
    def is_idle(self) -> bool:
        return self._in_use == 0

    @property
    def used_ms(self) -> float:
        return self._used_ms

    def touch(self) -> None:
        """Somebody is about to use it."""
        self._used_ms = self._host.clock.monotonic_ms()

    async def close(self) -> None:
        """End it, with calls that are under way; returns when the transport is closed."""
        self._over.set()
        if self._keeper is not None:
            if not self._ready.done():
                self._keeper.cancel()  # it waits for the server, not for us
            await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        """Hold transport and session open until it is over. Every way in which they fail ends here."""
        error: BaseException | None = None
        try:
            async with AsyncExitStack() as stack:
                reads, writes = await stack.enter_async_context(self._opens(self.watch))
                session = await stack.enter_async_context(ClientSession(reads, writes, client_info=self._info))
                await _negotiate(session)
                if not self._ready.done():
                    self._ready.set_result(session)
                self.touch()
                await self._until_over()
        except asyncio.CancelledError as cancelled:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # the server stops
            error = cancelled
        except BaseException as raised:
            error = raised
            if _holds(raised, KeyboardInterrupt, SystemExit):
                raise
        finally:
            self._over.set()
            if not self._ready.done():
                self._ready.set_exception(self._fault(error))
                self._ready.exception()  # taken note of, should nobody wait any more

    async def _until_over(self) -> None:
        """Until somebody ends it, or nobody has used it for a while."""
        clock = self._host.clock
        while not self._over.is_set():
            left_ms = self._idle_ms if self._in_use else self._used_ms + self._idle_ms - clock.monotonic_ms()
            if left_ms <= 0:
                self._over.set()  # from here on nobody is handed this connection
                return
            with contextlib.suppress(TimeoutError):
                async with clock.timeout(left_ms):
                    await self._over.wait()

    # ---- what is asked of it

    async def offer(self, since_ms: float | None = None) -> Offer:
        """What it offers, as it was at `since_ms` of the monotonic clock or later, at MCP_LISTING_AGE_MS_MAX before now
        unless given, and not before its last word that something changed. Raises McpFault."""
        if since_ms is None:
            since_ms = self._host.clock.monotonic_ms() - limits.MCP_LISTING_AGE_MS_MAX
        async with self._listing:
            if self._offer is None or self.watch.listing_old or self._offer_ms < since_ms:
                self.watch.listing_old = False
                try:
                    self._offer = await self.ask(read_offer)
                except McpFault:
                    self.watch.listing_old = True
                    raise
                except ToolFailed as error:
                    raise McpFault("invalid", self.server.name, str(error)) from None
                self._offer_ms = self._host.clock.monotonic_ms()
            return self._offer

    async def ask(self, work: Callable[[ClientSession], Awaitable[T]]) -> T:
        """What `work` gets from the session within the server's time. Raises McpFault, whatever went wrong there."""
        self._in_use += 1
        try:
            session = await asyncio.shield(self._ready)
            async with self._host.clock.timeout(self.server.settings.call_ms_max), self._places:
                self.watch.asked()
                return await work(session)
        except TimeoutError:
            if self._in_use == 1:
                self._over.set()  # nobody else waits for it: whatever it still does, it does for nobody
            seconds = self.server.settings.call_ms_max / 1000
            raise McpHung(self.server.name, f"did not answer within {seconds:g} s") from None
        except McpFault:
            raise
        except UmiError:
            raise
        except Exception as error:  # noqa: BLE001 - what another program does wrong, in whatever way
            raise self._fault(error) from None
        finally:
            self._in_use -= 1
            self.touch()

    # ---- why it failed

    def _fault(self, error: BaseException | None) -> McpFault:
        """A fault in words: the watch's where it saw more than the caller."""
        name = self.server.name
        if self.watch.is_broken:
            return McpFault(self.watch.kind, name, self.watch.reason)
        if self.watch.last_status in (401, 403) or _is_consent(error):
            wants = "it wants a token, or a person's consent: connect to it once"
            return McpFault("consent", name, f"answers {self.watch.last_status or 'nothing'}: {wants}")
        error = first(error)
        if isinstance(error, MCPError):
            return self._refusal(error)
        if isinstance(error, McpFault):
            return error
        if isinstance(error, ValueError):
            return McpFault("invalid", name, "answered in a form that the protocol does not have")
        return McpFault("unreachable", name, f"can't be reached: {why(error)}")

    def _refusal(self, error: MCPError) -> McpFault:
        """What an error of the protocol means: its answer, or that there will be none."""
        name, text = self.server.name, error.message[:500]
        if error.code == CONNECTION_CLOSED or error.message in _SESSION_LOST:
            self._over.set()
            return McpFault("died", name, "closed the connection before it answered")
        if not self._ready.done():
            return McpFault("invalid", name, f"did not begin: {text}")
        return McpFault(None, name, f"answered with an error: {text}")


async def _negotiate(session: ClientSession) -> None:
    """Agree on a protocol version: the present ones first, then the older ones that begin with a handshake."""
    try:
        await session.discover()
    except (MCPError, RuntimeError, ValueError):  # it doesn't know the question, or the answer
        try:
            await session.initialize()
        except MCPError as error:
            if error.code != UNSUPPORTED_PROTOCOL_VERSION:
                raise
            await session.discover()  # it was slow to begin, and has answered the first question by now


def _is_consent(error: BaseException | None) -> bool:
    return error is not None and _holds(error, OAuthFlowError)


def _holds(error: BaseException, *kinds: type[BaseException]) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_holds(one, *kinds) for one in error.exceptions)
    return isinstance(error, kinds)


def first(error: BaseException | None) -> BaseException | None:
    """The first thing that went wrong, where a group says that something did."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def why(error: BaseException | None) -> str:
    """What went wrong, in few words: what a library says of a request may hold more than it should."""
    if error is None:
        return "it closed the connection"
    if isinstance(error, OAuthFlowError):
        return "a person's consent is needed, or was refused"
    if isinstance(error, UmiError):
        return str(error)
    if isinstance(error, OSError | httpx2.TransportError | RuntimeError):
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return type(error).__name__
