"""Every message of a connection, counted as it comes in.

A server may answer what it was asked and say a little besides. One that sends more than that, or what is no JSON-RPC,
loses its connection; so does one with a message too large, wherever that is noticed.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest, JSONRPCResponse

from kelpie.tools.mcp import limits
from kelpie.tools.mcp.faults import FaultKind

# What it reads from and what it writes to; the SDK's session takes anything that behaves so.
Streams = tuple[Any, Any]
# What a server may ask a client for, and what the model, the person or the files would then be asked.
_REFUSED = {
    "sampling/createMessage": "a model's reply (sampling)",
    "elicitation/create": "an answer of a person (elicitation)",
    "roots/list": "folders of this machine (roots)",
}
# Lists of a result: to look through a long one takes the SDK seconds, in which nothing else runs.
_LISTS = {"tools": limits.MCP_TOOLS_MAX} | dict.fromkeys(
    ("content", "contents", "messages", "prompts", "resources", "resourceTemplates"), limits.MCP_LIST_ITEMS_MAX
)
TOOLS_CHANGED = "notifications/tools/list_changed"


class Watch:
    """What one connection has sent since it was last asked something, and why it was ended, if it was.

    on_broken    called once, when it has sent too much
    asked_for    what it asked for and was refused, in words
    listing_old  it said that its tools have changed
    """

    def __init__(self, on_broken: Callable[[], None]) -> None:
        self._on_broken = on_broken
        self._bytes = self._messages = self._invalid = 0
        self.kind: FaultKind | None = None
        self.reason = ""
        self.last_status = 0
        self.asked_for: list[str] = []
        self.listing_old = False

    @property
    def is_broken(self) -> bool:
        return bool(self.reason)

    def asked(self) -> None:
        """We sent a request: it may speak again."""
        self._bytes = self._messages = 0

    def took(self, size: int) -> None:
        """`size` bytes came in, of whatever."""
        self._bytes += size
        if self._bytes > limits.MCP_UNASKED_BYTES_MAX:
            self.break_off("flooded", f"sent more than {limits.MCP_UNASKED_BYTES_MAX:,} bytes for one request")

    def too_large(self) -> None:
        self.break_off("flooded", f"sent a message of more than {limits.MCP_MESSAGE_BYTES_MAX:,} bytes")

    def message(self, item: Any) -> None:
        """A message, or what a transport could not read as one."""
        self._messages += 1
        if self._messages > limits.MCP_UNASKED_MESSAGES_MAX:
            self.break_off("flooded", f"sent more than {limits.MCP_UNASKED_MESSAGES_MAX:,} messages for one request")
        if isinstance(item, Exception):
            self._invalid += 1
            if self._invalid > limits.MCP_INVALID_MESSAGES_MAX:
                self.break_off("invalid", "does not speak the protocol: its messages are no JSON-RPC")
            return
        body = item.message
        if isinstance(body, JSONRPCResponse):
            for name, most in _LISTS.items():
                found = body.result.get(name)
                if isinstance(found, list) and len(found) > most:
                    self.break_off("flooded", f"sent a list of more than {most:,} {name}")
        if isinstance(body, JSONRPCRequest) and body.method in _REFUSED:
            what = _REFUSED[body.method]
            if what not in self.asked_for:
                self.asked_for.append(what)
        if isinstance(body, JSONRPCNotification) and body.method == TOOLS_CHANGED:
            self.listing_old = True

    def break_off(self, kind: FaultKind, reason: str) -> None:
        """End the connection; the first reason counts."""
        if not self.reason:
            self.kind, self.reason = kind, reason
            self._on_broken()


class Watched:
    """A transport's stream of messages, each shown to a Watch; it ends when the Watch is broken."""

    def __init__(self, stream: Any, watch: Watch) -> None:
        self._stream, self._watch = stream, watch

    @property
    def last_context(self) -> Any:
        """What the SDK hands on from message to message."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        item: SessionMessage | Exception = await self._stream.receive()
        self._watch.message(item)
        return item

    def __aiter__(self) -> "Watched":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        item: SessionMessage | Exception = await self._stream.__anext__()
        self._watch.message(item)
        if self._watch.is_broken:
            raise StopAsyncIteration
        return item

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stream.__aexit__(kind, error, trace)
