"""How a client asks: one POST for each operation, over connections that are kept."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import msgspec

from umi import limits
from umi.errors import EnvironmentFault, StoreClosed
from umi.serve.failures import error_of
from umi.storage import Page

if TYPE_CHECKING:  # paid at the first call
    import httpx2


class Connection:
    """The way to a server. It begins in the loop that first uses it."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        self._client: httpx2.AsyncClient | None = None
        self._closed = False

    async def post(self, operation: str, query: dict[str, str], body: bytes) -> bytes:
        """The body of the answer. Raises the error that the server tells of, EnvironmentFault if there is none."""
        import httpx2

        try:
            answer = await self._open().post(f"{self.url}/v1/{operation}", params=query, content=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            fault = _fault_of(error, self.url)
        else:
            if answer.status_code == 200:
                return answer.content
            raise error_of(answer.status_code, answer.content, self.url)
        raise fault  # outside the handler: the library's error carries the request, whose headers hold the key

    async def stream(
        self, method: str, operation: str, query: dict[str, str], *, content: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[bytes]:
        """The body of an answer as it arrives. Raises as `post`."""
        import httpx2

        try:
            asking = self._open().stream(method, f"{self.url}/v1/{operation}", params=query, content=content)
            async with asking as answer:
                if answer.status_code != 200:
                    raise error_of(answer.status_code, await answer.aread(), self.url)
                async for piece in answer.aiter_bytes():
                    yield piece
                return
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            fault = _fault_of(error, self.url)
        raise fault

    def _open(self) -> "httpx2.AsyncClient":
        import httpx2

        if self._closed:
            raise StoreClosed(f"the client of {self.url} was closed; make a new one")
        if self._client is None:
            self._client = httpx2.AsyncClient(
                headers=self._headers,
                timeout=httpx2.Timeout(limits.SERVE_CLIENT_TIMEOUT_MS / 1000),
                limits=httpx2.Limits(max_connections=limits.SERVE_CLIENT_CONNECTIONS_MAX),
                trust_env=False,  # a proxy must not see a memory on this machine
            )
        return self._client

    async def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _fault_of(error: Exception, url: str) -> EnvironmentFault:
    import httpx2

    if isinstance(error, httpx2.ConnectError):
        return EnvironmentFault(f"nobody answers at {url}; start `umi serve` there")
    return EnvironmentFault(f"{url} did not answer: {type(error).__name__}")


class Remote:
    """What the faces of a client stand on."""

    def __init__(self, connection: Connection, tenant: str | None, scope: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self.scope = scope

    async def _ask(self, operation: str, answer: Any, **given: Any) -> Any:
        """The answer to an operation, as a value of the type `answer`."""
        found = await self._connection.post(operation, self._where(), msgspec.json.encode(_flat(given)))
        try:
            return msgspec.json.decode(found, type=answer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise EnvironmentFault(f"{self._connection.url} answers in other words; is it another version?") from None

    def _where(self) -> dict[str, str]:
        return {"scope": self.scope} | ({"tenant": self._tenant} if self._tenant else {})


_PAIRS = {"time_range": ("time_from", "time_to"), "as_of": ("valid_at", "known_at")}
_EITHER = {"value": "data", "expected": "expected_data"}


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a method as the parameters of its operation; what is None is left to its default."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        if isinstance(value, Page):
            flat |= {"limit": value.limit, "after": value.after, "before": value.before}
            flat["newest_first"] = not value.ascending
        elif name in _PAIRS:
            flat |= dict(zip(_PAIRS[name], value, strict=True))
        elif name in _EITHER and isinstance(value, bytes):
            flat[_EITHER[name]] = value
        else:
            flat[name] = value
    return flat
