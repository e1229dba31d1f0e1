"""The header Idempotency-Key: a request that is sent again with it is answered again, and not done again.

What the rows behind it promise is in `claims`; this is the way of a request past them. Without the header a request
passes by after one look at its headers.
"""

import contextlib
import hashlib
import logging
import re
from collections.abc import Callable, Iterable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kelpie.api import claims, failures, limits
from kelpie.api.answer import answer
from kelpie.api.claims import Attempt, Claim, Kept, KeyedRequest
from kelpie.errors import Conflict, InvalidInput, StoreError, UmiError
from umi.dst import Host
from umi.storage import Database

log = logging.getLogger(__name__)

_HEADER = b"idempotency-key"
_MUTATIONS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_KEPT_HEADERS = frozenset({b"content-type", b"location", b"x-kelpie-run-id", b"x-should-retry"})
_REPLAYED = (b"idempotent-replayed", b"true")
# What may do something that no commit of ours undoes, or that costs: of these a crash leaves nobody who can tell.
_ACTS_OUTSIDE = re.compile(r".*/(?:run|execute|generate|generate-tool|test|check|connect|refresh|resync|completions)")
_BOUNDARY = re.compile(rb'boundary="?([^";,]+)')


class Idempotency:
    """Pure ASGI, within the gate: whose request it is, is known."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._at_work: dict[tuple[str, bytes], bytes] = {}  # requests of this process, with their fingerprints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _MUTATIONS:
            await self._app(scope, receive, send)
            return
        key = next((value for name, value in scope["headers"] if name == _HEADER), None)
        if key is None or not scope["kelpie.tenant"]:  # who was asked for no key of a tenant writes no row of one
            await self._app(scope, receive, send)
            return
        try:
            _check(key)
            body = await _whole(receive)
            if body is not None:
                await self._once(_keyed(scope, key, body), scope, _again(body, receive), send)
        except HTTPException as error:
            await answer({"detail": error.detail}, error.status_code)(scope, receive, send)
        except _Refused as refused:
            response = await failures.on_umi_error(Request(scope), refused.error)
            response.headers.update(refused.headers)
            await response(scope, receive, send)

    async def _once(self, request: KeyedRequest, scope: Scope, receive: Receive, send: Send) -> None:
        """Do it, unless it was done: then answer as it was answered."""
        who = request.tenant, request.name
        if (fingerprint := self._at_work.get(who)) is not None:
            raise _in_progress(is_same=fingerprint == request.fingerprint)
        self._at_work[who] = request.fingerprint
        try:
            workshop = scope["app"].state.house.workshop
            found = await _taken(workshop.database, workshop.host, request)
            if isinstance(found, Kept):
                await _replay(found, send)
                return
            if found.resumes is not None:
                self._at_work.pop(who, None)  # it is watched, and not done: any number may watch
            await self._attempt(found, workshop.database, scope, receive, send)
        finally:
            self._at_work.pop(who, None)

    async def _attempt(self, claim: Claim, database: Database, scope: Scope, receive: Receive, send: Send) -> None:
        who = claim.request.tenant, claim.request.name
        recorder = _Recorder(claim, database, send, lambda: self._at_work.pop(who, None))
        with Attempt(claim):
            try:
                await self._app(scope, receive, recorder.send)
            except Exception:
                # The server's fault, answered further out. What did nothing may be tried again.
                if claim.resumes is None:
                    with contextlib.suppress(StoreError):
                        await claims.release(database, claim)
                raise


class _Refused(Exception):
    def __init__(self, error: UmiError, headers: dict[str, str]) -> None:
        self.error, self.headers = error, headers


def _in_progress(*, is_same: bool) -> _Refused:
    if not is_same:
        return _Refused(InvalidInput("this Idempotency-Key is being used for another request"), {})
    return _Refused(Conflict("a request with this Idempotency-Key is in progress; ask again"), {"retry-after": "1"})


async def _taken(database: Database, host: Host, request: KeyedRequest) -> Claim | Kept:
    try:
        return await claims.take(database, host, request)
    except UmiError as error:
        raise _Refused(error, {"x-should-retry": "false"} if isinstance(error, Conflict) else {}) from error


class _Recorder:
    """Holds an answer back until it is kept with its key. A stream, or what is too long, goes out as it comes. Of what
    is said once and stored nowhere (`cache-control: no-store`), only that it was said is kept."""

    def __init__(self, claim: Claim, database: Database, send: Send, unblock: Callable[[], object]) -> None:
        self._claim, self._database, self._send, self._unblock = claim, database, send, unblock
        self._start: Message = {}
        self._body = bytearray()
        self._passes = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._passes or message["type"] != "http.response.body":
            await self._send(message)
        else:
            await self._gather(message)

    async def _begin(self, start: Message) -> None:
        if self._claim.resumes is not None:
            self._passes = True
            await self._send({**start, "headers": [*start["headers"], _REPLAYED]})
            return
        self._start = start
        if _header(start["headers"], b"content-type").startswith(b"text/event-stream"):
            if self._claim.run_id is None:
                await self._keep(None)
            self._unblock()  # whoever sends it again meanwhile watches the same run
            await self._pass()

    async def _gather(self, message: Message) -> None:
        self._body += message.get("body", b"")
        is_whole = not message.get("more_body", False)
        if len(self._body) > limits.KEY_ANSWER_BYTES_MAX:
            await self._keep(None)
            await self._pass()
            await self._send({**message, "body": bytes(self._body)})
        elif is_whole:
            is_secret = _header(self._start["headers"], b"cache-control") == b"no-store"
            await self._keep(None if is_secret else bytes(self._body))
            await self._pass()
            await self._send({"type": "http.response.body", "body": bytes(self._body)})

    async def _pass(self) -> None:
        self._passes = True
        await self._send(self._start)

    async def _keep(self, body: bytes | None) -> None:
        """Before the client hears of it. If that can't be written the work is done all the same, and so is answered:
        the same request is then refused rather than done again."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in self._start["headers"]
            if name in _KEPT_HEADERS
        }
        try:
            await claims.keep(self._database, self._claim, Kept(self._start["status"], headers, body))
        except StoreError as error:
            log.warning("an answer can't be kept with its key", exc_info=error)


async def _replay(kept: Kept, send: Send) -> None:
    assert kept.body is not None
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers.items()]
    length = (b"content-length", str(len(kept.body)).encode())
    await send({"type": "http.response.start", "status": kept.status, "headers": [*headers, length, _REPLAYED]})
    await send({"type": "http.response.body", "body": kept.body})


def _keyed(scope: Scope, key: bytes, body: bytes) -> KeyedRequest:
    method, path = scope["method"].encode(), scope["path"].encode()
    content_type = _header(scope["headers"], b"content-type")
    boundary = _BOUNDARY.search(content_type)
    if boundary is not None:  # drawn anew each time that the same files are sent
        body = body.replace(boundary.group(1), b"")
    people = "\n".join(scope["kelpie.people"]).encode()  # another key of the tenant may not see what this one may
    return KeyedRequest(
        tenant=scope["kelpie.tenant"],
        name=_digest((method, path, key)),
        fingerprint=_digest((scope["query_string"], people, body)),
        acts_outside=_ACTS_OUTSIDE.fullmatch(scope["path"]) is not None,
    )


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _check(key: bytes) -> None:
    if not 1 <= len(key) <= limits.KEY_CHARS_MAX or not all(0x21 <= byte <= 0x7E for byte in key):
        text = f"an Idempotency-Key is 1 to {limits.KEY_CHARS_MAX} visible ASCII characters long, without spaces"
        raise _Refused(InvalidInput(text), {})


async def _whole(receive: Receive) -> bytes | None:
    """The body of a request; None if its sender went away. Raises HTTPException for one that is too large."""
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body that was read, then what else comes."""
    ready: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return ready.pop() if ready else await receive()

    return next_message


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for key, value in headers if key.lower() == name), b"")
