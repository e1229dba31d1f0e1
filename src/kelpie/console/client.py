"""The HTTP client of the command line: our own API, with errors a person can act on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kelpie.errors import CallerError, EnvironmentFault

if TYPE_CHECKING:
    import httpx2

DEFAULT_URL = "http://127.0.0.1:8283"
ANSWER_TIMEOUT_S = 300.0


class ServerUnreachable(EnvironmentFault):
    pass


class Refused(CallerError):
    """The server answered with an error; its own text is the message."""


class Client:
    """One connection pool to one server. Every call raises ServerUnreachable or Refused."""

    def __init__(self, url: str = DEFAULT_URL, key: str | None = None) -> None:
        import httpx2  # 65 ms: only a command that talks to a server pays them

        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=ANSWER_TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._send("GET", path, params=query).json()

    def get_bytes(self, path: str, **query: Any) -> bytes:
        return self._send("GET", path, params=query).content

    def post(self, path: str, body: Any) -> Any:
        return self._send("POST", path, json=body).json()

    def patch(self, path: str, body: Any) -> Any:
        return self._send("PATCH", path, json=body).json()

    def delete(self, path: str, **query: Any) -> Any:
        return self._send("DELETE", path, params=query).json()

    def stream(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        """The events of an SSE answer, as they come."""
        for line in self._lines("POST", path, json=body):
            if line.startswith("data:") and line != "data: [DONE]":
                yield json.loads(line[5:])

    def lines(self, path: str, **query: Any) -> Iterator[bytes]:
        """The lines of an answer that is too large to hold."""
        for line in self._lines("GET", path, params=query):
            yield line.encode() + b"\n"

    def _send(self, method: str, path: str, **options: Any) -> "httpx2.Response":
        with self._faults():
            answer = self._http.request(method, path, **options)
        _refuse(answer)
        return answer

    def _lines(self, method: str, path: str, **options: Any) -> Iterator[str]:
        with self._faults(), self._http.stream(method, path, **options) as answer:
            if answer.status_code >= 400:
                answer.read()
            _refuse(answer)
            yield from answer.iter_lines()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """The network's errors in our words."""
        import httpx2

        try:
            yield
        except httpx2.ConnectError as error:
            text = f"no server answers at {self.url}; start one with `kelpie serve`, or give --url"
            raise ServerUnreachable(text) from error
        except httpx2.TransportError as error:
            text = f"the connection to {self.url} broke ({error}); what was acknowledged goes on there"
            raise ServerUnreachable(text) from error


def _refuse(answer: "httpx2.Response") -> None:
    if answer.status_code >= 400:
        raise Refused(error_text(answer.status_code, answer.text))


def error_text(status: int, body: str) -> str:
    """The server's own sentence, whichever of its error shapes it is in."""
    try:
        answer = json.loads(body)
    except ValueError:
        return f"the server answered {status}: {body[:500]}"
    detail = answer.get("detail") if isinstance(answer, dict) else None
    if detail is None and isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        detail = answer["error"].get("detail") or answer["error"].get("message")
    return str(detail or answer)
