"""The gate every request passes: who is asking, how much they may send, and what is noted about it afterwards."""

import logging
import re
from ipaddress import ip_address

import msgspec
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kelpie.api import limits
from kelpie.api.house import House
from kelpie.config import KeyOwner, KeyScope
from kelpie.errors import NotAuthenticated, QuotaExceeded
from kelpie.events import RequestEnded

log = logging.getLogger(__name__)

# The last is where an authorization server sends a browser, which has no key: the state in its query is one.
OPEN_PATHS = frozenset({"/health", "/v1/health", "/v1/ready", "/v1/tools/mcp/oauth/callback"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
# What only looks although it is a POST: its question is too long for a query. Each by its whole path: a file, a tool or
# a person may be called "search". And what does not only look, although it is a GET.
_ALSO_LOOKS = re.compile(
    r"POST /v1/(?:(?:agents/messages|messages|passages|tools)/search|(?:runs|conversations)/[^/]+/stream)"
)
_ALSO_ACTS = re.compile(r"/v1/.*/connect/.*", re.DOTALL)
_ADMIN = re.compile(r"/v1/(?:keys|tenants|providers)(?:/.*)?", re.DOTALL)


class Gate:
    """Pure ASGI. A path is the same with and without a slash at its end; nothing is redirected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/") or "/"
        house: House = scope["app"].state.house
        clock = house.workshop.host.clock
        started_ms = clock.monotonic_ms()
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._pass(house, scope, receive, noting)
        except Exception:
            log.exception("%s %s failed", scope["method"], _template(scope))
            if status == 0:
                await _refuse(noting, 500, "the server failed in a way it should not have; its log says more")
        finally:
            house.workshop.events.emit(
                RequestEnded(
                    tenant=scope.get("kelpie.tenant", ""),
                    method=scope["method"],
                    route=_template(scope),
                    status=status,
                    duration_ms=clock.monotonic_ms() - started_ms,
                    outcome="ok" if 0 < status < 500 or status == 501 else "error",
                )
            )

    async def _pass(self, house: House, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = (
            await _identify(house, scope) or _misread(scope) or _too_long(scope) or await _beyond_quota(house, scope)
        )
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        await self._app(scope, _bounded(house, scope, receive) if scope["method"] in _WITH_BODY else receive, send)


async def _identify(house: House, scope: Scope) -> tuple[int, str] | None:
    """Note whose request it is, or say why it is refused."""
    headers = scope["headers"]
    if scope["path"] in OPEN_PATHS:
        scope["kelpie.tenant"] = ""
        scope["kelpie.scope"] = "read"
        return None
    if not house.keys.are_required and not _is_own_host(_header(headers, b"host")):
        # Without keys only this machine may call. A web page that had its name resolved to 127.0.0.1 is not it.
        return 403, "without keys this server answers to localhost and IP addresses only; set KELPIE_KEYS"
    try:
        owner = await house.keys.owner_of(_header(headers, b"authorization"), _header(headers, b"x-bare-password"))
    except NotAuthenticated as error:
        return error.http_status, str(error)
    scope["kelpie.tenant"], scope["kelpie.people"], scope["kelpie.scope"] = owner.tenant, owner.people, owner.scope
    return _beyond_scope(owner, scope["method"], scope["path"])


def _beyond_scope(owner: KeyOwner, method: str, path: str) -> tuple[int, str] | None:
    if method in _LOOKING:
        looks = _ALSO_ACTS.fullmatch(path) is None
    else:
        looks = _ALSO_LOOKS.fullmatch(f"{method} {path}") is not None
    needed: KeyScope = "read" if looks else "write"
    if _ADMIN.fullmatch(path) and (not looks or not path.startswith("/v1/providers")):
        needed = "admin"
    if owner.may(needed):
        return None
    return 403, f"this key has the scope '{owner.scope}', and {method} {path[:200]} needs '{needed}'"


async def _beyond_quota(house: House, scope: Scope) -> tuple[int, str, str] | None:
    """What is sent may be kept: so it counts until somebody looks at what was. Of a body that doesn't say its length
    one byte counts before it is read, and of what has none (to cancel, to detach) nothing can be kept."""
    tenant, length = scope["kelpie.tenant"], _header(scope["headers"], b"content-length")
    count = int(length) if length is not None and length.isdigit() else 0
    if length is None and _header(scope["headers"], b"transfer-encoding") is not None:
        count = 1
    if scope["method"] not in _WITH_BODY or not tenant or not count:
        return None
    try:
        await house.quotas.take_bytes(tenant, count)
    except QuotaExceeded as error:
        return error.http_status, str(error), error.quota
    return None


def _misread(scope: Scope) -> tuple[int, str] | None:
    """The patterns of routes end in `$`, which passes a line break: such a path would be one thing here, and another
    to them."""
    return (404, "there is nothing at a path that ends in a line break") if scope["path"].endswith("\n") else None


def _too_long(scope: Scope) -> tuple[int, str] | None:
    length = _header(scope["headers"], b"content-length")
    if length is not None and length.isdigit() and int(length) > limits.REQUEST_BODY_BYTES_MAX:
        return 413, _too_large()
    return None


def _bounded(house: House, scope: Scope, receive: Receive) -> Receive:
    """Counts while reading: a body that doesn't say its length, or lies, is refused as well."""
    size, is_announced = 0, _header(scope["headers"], b"content-length") is not None

    async def counting() -> Message:
        nonlocal size
        message = await receive()
        if message["type"] == "http.request":
            size += (count := len(message.get("body", b"")))
            if not is_announced:
                house.quotas.note_bytes(scope["kelpie.tenant"], count)
            if size > limits.REQUEST_BODY_BYTES_MAX:
                raise HTTPException(413, _too_large())
        return message

    return counting


def _too_large() -> str:
    return f"the request body is larger than the {limits.REQUEST_BODY_BYTES_MAX:,} bytes that are allowed"


def _header(headers: list[tuple[bytes, bytes]], name: bytes) -> str | None:
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


def _is_own_host(host: str | None) -> bool:
    if host is None:
        return True
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _template(scope: Scope) -> str:
    """The route with its parameters' names: a path with ids in it would make a metric of each agent."""
    return getattr(scope.get("route"), "path", "unmatched")


async def _refuse(send: Send, status: int, text: str, quota: str | None = None) -> None:
    body = msgspec.json.encode({"detail": text} | ({"quota": quota} if quota is not None else {}))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
