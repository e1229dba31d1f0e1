"""The network seam without a network: a function answers each request."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from umi.wire.transport import Response, Timeouts


class Sent(NamedTuple):
    """A request as it went over the seam."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeouts: Timeouts


Answer = Callable[[Sent], Awaitable[Response]]


class MemoryTransport:
    """`answer` is called for each request and may sleep, raise ModelError, or return any Response. `sent` keeps every
    request in its order, so that a test can look at what a model would have received."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.sent: list[Sent] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeouts: Timeouts
    ) -> Response:
        sent = Sent(method, url, headers, body, timeouts)
        self.sent.append(sent)
        return await self._answer(sent)

    async def aclose(self) -> None:
        """Nothing to close."""


def canned(
    chunks: Sequence[bytes | Exception], status: int = 200, content_type: str = "application/json", **headers: str
) -> Response:
    """A response with these chunks; an exception among them is raised at its place. Keyword names become headers,
    `_` read as `-`."""

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": content_type, **named}, body())
