"""A program in a jail as a connection's two streams: one JSON-RPC message a line, in and out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from kelpie.tools.mcp import limits
from kelpie.tools.mcp.programs import Program
from kelpie.tools.mcp.watching import Streams, Watch, Watched
from umi.dst import Host

_READ_BYTES = 64 << 10


@asynccontextmanager
async def program_streams(program: Program, host: Host, watch: Watch) -> AsyncIterator[Streams]:
    """The program's streams; it is closed with them."""
    complaints = host.spawn(_complaints(program.stderr, watch), "mcp server's stderr")
    try:
        yield Watched(_Lines(program.stdout, watch, complaints), watch), _Writes(program.stdin)
    finally:
        complaints.cancel()
        await program.close()


async def _complaints(stderr: asyncio.StreamReader, watch: Watch) -> str:
    """The end of what it complains of; the rest is read and dropped, so that it never waits for us."""
    kept = b""
    while chunk := await stderr.read(_READ_BYTES):
        watch.took(len(chunk))
        kept = (kept + chunk)[-limits.MCP_STDERR_CHARS_MAX :]
    return kept.decode("utf-8", "replace")


class _Lines:
    """Messages from standard output. A line is never held whole if it is longer than a message may be."""

    def __init__(self, stdout: asyncio.StreamReader, watch: Watch, complaints: "asyncio.Task[str]") -> None:
        self._stdout, self._watch, self._complaints = stdout, watch, complaints
        self._chunks: list[bytes] = []  # of a line that has no end yet
        self._held = 0
        self._lines: list[bytes] = []  # read and not handed out, the last first

    def __aiter__(self) -> "_Lines":
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while True:
            while not self._lines:
                await self._read()
            line = self._lines.pop()
            if line.strip():
                return _message(line)

    async def receive(self) -> SessionMessage | Exception:
        return await self.__anext__()

    async def _read(self) -> None:
        """Raises StopAsyncIteration at the end, of the program or of our patience."""
        chunk = await self._stdout.read(_READ_BYTES)
        if not chunk:
            self._watch.break_off("died", f"ended by itself{await self._last_words()}")
            raise StopAsyncIteration
        self._watch.took(len(chunk))
        head, *rest = chunk.split(b"\n")
        self._chunks.append(head)
        self._held += len(head)
        if self._held > limits.MCP_MESSAGE_BYTES_MAX:
            self._watch.too_large()
        if self._watch.is_broken:
            raise StopAsyncIteration
        if rest:
            *whole, last = [b"".join(self._chunks), *rest]
            self._lines = whole[::-1]
            self._chunks, self._held = [last], len(last)

    async def _last_words(self) -> str:
        """What it said on standard error before it ended, if that ended too."""
        await asyncio.wait([self._complaints], timeout=0.1)
        if not self._complaints.done() or self._complaints.cancelled() or self._complaints.exception():
            return ""
        said = " ".join(self._complaints.result().split())
        return f", saying: {said[-300:]}" if said else ""

    async def aclose(self) -> None:
        """The program is closed by who opened it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def _message(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


class _Writes:
    """Messages to standard input, whole lines one after another."""

    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin
        self._turn = asyncio.Lock()

    async def send(self, item: SessionMessage, /) -> None:
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
        async with self._turn:
            self._stdin.write(line.encode())
            await self._stdin.drain()

    async def aclose(self) -> None:
        self._stdin.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
