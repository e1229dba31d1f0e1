"""Firecracker's API: HTTP on a unix socket, which exists a moment before anybody listens on it."""

from typing import Any

from kelpie.sandbox import limits
from kelpie.sandbox.microvm.frames import GuestLost


class ApiRefused(GuestLost):
    """Firecracker says no; `status` is its HTTP status, the text its own."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"Firecracker refuses ({status}): {said}")
        self.status = status


class Api:
    """One connection at a time to the socket at `path` (short: the kernel takes 107 bytes)."""

    def __init__(self, path: str) -> None:
        import httpx2  # a server that has no Firecracker does not pay for it

        self._lost = httpx2.TransportError
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=path),
            base_url="http://firecracker",
            timeout=limits.MICROVM_API_MS_MAX / 1000,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def answers(self) -> bool:
        """Whether it does yet."""
        try:
            await self._client.get("/version")
        except self._lost:
            return False
        return True

    async def get(self, path: str) -> dict[str, Any]:
        return await self._asked("GET", path, None)

    async def put(self, path: str, **body: Any) -> None:
        await self._asked("PUT", path, body)

    async def patch(self, path: str, **body: Any) -> None:
        await self._asked("PATCH", path, body)

    async def _asked(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """What it answers. Raises ApiRefused with what it says, GuestLost if it is gone or takes too long."""
        try:
            answer = await self._client.request(method, path, json=body)
        except self._lost as error:
            raise GuestLost(f"Firecracker does not answer ({type(error).__name__})") from None
        try:
            said = answer.json() if answer.content else {}
        except ValueError:
            raise GuestLost("Firecracker answers with something that is not JSON") from None
        if answer.is_error:
            raise ApiRefused(answer.status_code, str(said.get("fault_message", "no reason given")))
        return said if isinstance(said, dict) else {}
