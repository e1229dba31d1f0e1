"""One model call over a transport: send, read, and try again while nobody has seen a piece of the reply."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

from umi import limits
from umi.dst import Host
from umi.errors import InvalidInput, ModelError
from umi.wire.draft import Draft
from umi.wire.faults import fault_of_status, odd_answer, without_key
from umi.wire.sse import SseEvent, SseParser
from umi.wire.transport import Response, Timeouts, Transport, origin_of
from umi.wire.types import OnDelta, Reply

_RETRIED = frozenset({"connection", "rate_limit", "overloaded"})


class Endpoint:
    """Where a provider is and how to be let in. `repr` names the address and never the key.

    auth_header  "authorization" sends `Bearer <key>`; any other header gets the bare key
    Raises InvalidInput for an address that isn't http(s), or holds credentials, and for a key no header can carry.
    """

    def __init__(
        self,
        transport: Transport,
        base_url: str,
        key: str,
        host: Host,
        *,
        auth_header: str,
        timeouts: Timeouts,
        headers: Mapping[str, str],
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"the base URL {base_url!r} is no http:// or https:// address")
        if parts.username or parts.password:
            raise InvalidInput(f"the base URL of {parts.hostname} holds credentials; set the provider's key instead")
        if not (key.isascii() and key.isprintable()) or key != key.strip():
            raise InvalidInput(f"the key for {parts.hostname} holds spaces around it or unprintable characters")
        self.transport, self.host, self.key, self.timeouts = transport, host, key, timeouts
        self.base_url = base_url.rstrip("/")
        self.origin = origin_of(base_url)
        self.rng = host.rng.fork("wire")
        self.headers = {"user-agent": "umi", **headers}
        if key:
            self.headers[auth_header.lower()] = f"Bearer {key}" if auth_header.lower() == "authorization" else key

    def __repr__(self) -> str:
        return f"<Endpoint {self.base_url}>"

    async def send(self, method: str, path: str, body: bytes, accept: str) -> Response:
        headers = {**self.headers, "accept": accept}
        if body:
            headers["content-type"] = "application/json"
        return await self.transport.send(method, self.base_url + path, headers, body, self.timeouts)


class Reader(Protocol):
    """One wire's understanding of an answer, fed event by event or with the whole body.

    complete  the provider has said how the reply ended
    closed    nothing more will follow
    """

    draft: Draft

    @property
    def complete(self) -> bool: ...
    @property
    def closed(self) -> bool: ...
    def event(self, event: SseEvent) -> None: ...
    def whole(self, body: bytes) -> None: ...
    def reply(self, raw_request: list[bytes], raw_response: bytes, request_id: str | None) -> Reply: ...


async def exchange(
    endpoint: Endpoint,
    path: str,
    segments: list[bytes],
    make_reader: Callable[[OnDelta | None], Reader],
    on_delta: OnDelta | None,
) -> Reply:
    """Send the joined segments and read the reply, streamed if there is an `on_delta`.

    Tried again, at most WIRE_RETRIES_MAX times, after 429, 503, 529 and a lost connection, as long as no piece of
    the reply has gone out: a caller must never see the beginning of one reply and the end of another.
    """
    body = b"".join(segments)
    for attempt in range(limits.WIRE_RETRIES_MAX + 1):
        reader = make_reader(on_delta)
        try:
            return await _attempt(endpoint, path, segments, body, reader, streamed=on_delta is not None)
        except ModelError as fault:
            delay_ms = _retry_delay_ms(endpoint, fault, attempt)
            if reader.draft.pieces or delay_ms is None:
                raise
        await endpoint.host.clock.sleep(delay_ms)
    raise AssertionError("the last attempt returns or raises")


async def post(endpoint: Endpoint, path: str, body: bytes) -> bytes:
    """The whole answer to `body`, tried again as `exchange` does: for what is no chat. Raises ModelError."""
    for attempt in range(limits.WIRE_RETRIES_MAX + 1):
        try:
            response = await endpoint.send("POST", path, body, "application/json")
            try:
                if not 200 <= response.status < 300:
                    raise await fault_in(endpoint, response)
                return await read_whole(endpoint, response)
            finally:
                await response.aclose()
        except ModelError as fault:
            delay_ms = _retry_delay_ms(endpoint, fault, attempt)
            if delay_ms is None:
                raise
        await endpoint.host.clock.sleep(delay_ms)
    raise AssertionError("the last attempt returns or raises")


def _retry_delay_ms(endpoint: Endpoint, fault: ModelError, attempt: int) -> float | None:
    """None: don't try again. The jitter spreads a thousand agents that were refused at the same moment."""
    if attempt == limits.WIRE_RETRIES_MAX or fault.model_error_kind not in _RETRIED:
        return None
    if fault.retry_after_ms is None:
        return limits.WIRE_RETRY_DELAY_MS_DEFAULT * (1 << attempt) * (0.5 + endpoint.rng.random() / 2)
    if fault.retry_after_ms > limits.WIRE_RETRY_AFTER_MS_MAX:
        return None
    return fault.retry_after_ms * (1 + endpoint.rng.random() / 10)


async def _attempt(
    endpoint: Endpoint, path: str, segments: list[bytes], body: bytes, reader: Reader, *, streamed: bool
) -> Reply:
    response = await endpoint.send("POST", path, body, "text/event-stream" if streamed else "application/json")
    chunks: list[bytes] = []
    try:
        if not 200 <= response.status < 300:
            raise await fault_in(endpoint, response)
        if streamed and _is_event_stream(response.headers):
            await _read_events(endpoint, response, reader, chunks)
        else:  # a server that does not stream answers in one piece even when asked to
            await _collect(endpoint, response, chunks)
            reader.whole(b"".join(chunks))
        request_id = response.headers.get("x-request-id") or response.headers.get("request-id")
        return reader.reply(segments, b"".join(chunks), request_id)
    except ModelError as fault:
        if chunks:  # whoever looks into the failure sees all that came, not only the piece that was wrong
            fault.raw_response = without_key(endpoint.key, b"".join(chunks))
        raise
    finally:
        await response.aclose()


async def fault_in(endpoint: Endpoint, response: Response) -> ModelError:
    """The failure a response stands for, by its status and whatever of its body can be read."""
    chunks: list[bytes] = []
    with contextlib.suppress(ModelError):
        await _collect(endpoint, response, chunks)
    now_ms = endpoint.host.clock.now_ms()
    body = b"".join(chunks)
    return fault_of_status(endpoint.origin, response.status, response.headers, body, key=endpoint.key, now_ms=now_ms)


async def read_whole(endpoint: Endpoint, response: Response) -> bytes:
    chunks: list[bytes] = []
    await _collect(endpoint, response, chunks)
    return b"".join(chunks)


async def _collect(endpoint: Endpoint, response: Response, chunks: list[bytes]) -> None:
    size_bytes = 0
    async for chunk in response.chunks:
        chunks.append(chunk)
        size_bytes = _checked(endpoint, size_bytes + len(chunk))


async def _read_events(endpoint: Endpoint, response: Response, reader: Reader, chunks: list[bytes]) -> None:
    """Raises ModelError("connection") if the stream ends before the reply is complete: a reply that was cut must not
    pass for one that stopped."""
    parser = SseParser(endpoint.origin)
    size_bytes = events = 0
    while not reader.closed:
        try:
            chunk = await anext(response.chunks)
        except StopAsyncIteration:
            break
        except ModelError:
            if reader.complete:  # only the end of the connection is missing
                break
            raise
        chunks.append(chunk)
        size_bytes = _checked(endpoint, size_bytes + len(chunk))
        for event in parser.feed(chunk):
            events += 1
            reader.event(event)
    if reader.closed:
        await _drain(endpoint.host, response.chunks, chunks)
    elif not reader.complete:
        if size_bytes and not events:
            raise odd_answer(endpoint.origin, "no events in its event stream", b"".join(chunks), key=endpoint.key)
        raise ModelError("connection", f"{endpoint.origin} ended the stream in the middle of the reply")


async def _drain(host: Host, rest: AsyncIterator[bytes], chunks: list[bytes]) -> None:
    """Read what is left: a connection whose body was read to its end can carry the next call."""
    try:
        async with host.clock.timeout(limits.WIRE_DRAIN_MS_MAX):
            async for chunk in rest:
                chunks.append(chunk)  # noqa: PERF401 - one by one: what came before a timeout counts
    except (TimeoutError, ModelError):
        pass  # the reply is complete; the connection is simply not used again


def _checked(endpoint: Endpoint, size_bytes: int) -> int:
    if size_bytes > limits.WIRE_RESPONSE_BYTES_MAX:
        raise ModelError(
            "invalid_response", f"{endpoint.origin} sent more than {limits.WIRE_RESPONSE_BYTES_MAX:,} bytes"
        )
    return size_bytes


def _is_event_stream(headers: Mapping[str, str]) -> bool:
    """Some servers mislabel their streams; none labels JSON or a web page as anything else."""
    return not headers.get("content-type", "").startswith(("application/json", "text/html"))
