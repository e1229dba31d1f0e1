"""The gate every request passes: who asks, and how much they may send."""

from ipaddress import ip_address

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from umi import limits
from umi.errors import NotAllowed
from umi.memory import Memory
from umi.serve.failures import Failure, failure_of
from umi.serve.keys import Keys

OPEN_PATHS = frozenset({"/health"})
_IMPORT = "/v1/import"


class Gate:
    """Pure ASGI. Notes the key's tenant (None: any) in scope["umi.tenant"]."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._keys.are_required and not _is_own_host(host):
            # A web page that had its name resolved to 127.0.0.1 is not this machine.
            text = "without keys this server answers to localhost and IP addresses only; start it with --key"
            await _refuse(send, 403, Failure(error="NotAllowed", detail=text))
            return
        if not self._keys.are_required and b"origin" in headers and not is_own_origin(headers[b"origin"]):
            text = "without keys this server answers no page of another origin; start it with --key"
            await _refuse(send, 403, Failure(error="NotAllowed", detail=text))
            return
        if scope["path"] not in OPEN_PATHS:
            try:
                authorization = headers.get(b"authorization")
                given = None if authorization is None else authorization.decode("latin-1")
                scope["umi.tenant"] = self._keys.tenant_of(given)
            except NotAllowed as error:
                await _refuse(send, error.http_status, failure_of(error))
                return
        most = limits.SERVE_IMPORT_BYTES_MAX if scope["path"] == _IMPORT else limits.SERVE_BODY_BYTES_MAX
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > most:
            await _refuse(send, 413, Failure(error="LimitExceeded", detail=too_large(most)))
            return
        await self._app(scope, _bounded(receive, most), send)


def memory_for(memory: Memory, request: Request) -> Memory:
    """The memory that a request is about. Raises NotAllowed for another tenant than the key's."""
    owner: str | None = request.scope.get("umi.tenant")
    tenant = request.query_params.get("tenant")
    if owner is not None and tenant not in (None, owner):
        raise NotAllowed("this key is of another tenant")
    return memory.of(request.query_params.get("scope", "default"), tenant=owner or tenant)


def too_large(bytes_max: int) -> str:
    return f"the request body is larger than the {bytes_max:,} bytes that are allowed"


def _bounded(receive: Receive, bytes_max: int) -> Receive:
    """Counts while reading: a body that doesn't say its length, or lies, is refused as well."""
    size = 0

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            if size > bytes_max:
                raise HTTPException(413, too_large(bytes_max))
        return message

    return counting


def _is_own_host(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_own_origin(origin: bytes) -> bool:
    """Whether a page that asks is of this machine: its Origin header names it."""
    scheme, _, host = origin.decode("latin-1").partition("://")
    return scheme in ("http", "https") and bool(host) and _is_own_host(host)


async def _refuse(send: Send, status: int, failure: Failure) -> None:
    body = msgspec.json.encode(failure)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
