"""The HTTP client of the command line: our own API, with errors a person can act on."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2

from kelpie.errors import CallerError, EnvironmentFault

DEFAULT_URL = "http://127.0.0.1:8283"
ANSWER_TIMEOUT_S = 300.0


class ServerUnreachable(EnvironmentFault):
    pass


class Refused(CallerError):
    """The server answered with an error; its own text is the message."""


class Client:
    def __init__(self, url: str = DEFAULT_URL, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=ANSWER_TIMEOUT_S, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._json("GET", path, params=query)

    def get_bytes(self, path: str, **query: Any) -> bytes:
        return self._send("GET", path, params=query).content

    def post(self, path: str, body: Any) -> Any:
        return self._json("POST", path, json=body)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        return self._send(method, path, **options).json()

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.ConnectError as error:
            raise self._unreachable() from error
        except httpx2.TransportError as error:
            raise ServerUnreachable(f"the connection to {self.url} broke: {error}") from error
        if answer.status_code >= 400:
            raise Refused(error_text(answer.status_code, answer.text))
        return answer

    def stream(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        """The events of an SSE answer, as they come."""
        try:
            with self._http.stream("POST", path, json=body) as answer:
                if answer.status_code >= 400:
                    raise Refused(error_text(answer.status_code, answer.read().decode(errors="replace")))
                for line in answer.iter_lines():
                    if line.startswith("data:") and line != "data: [DONE]":
                        yield json.loads(line[5:])
        except httpx2.ConnectError as error:
            raise self._unreachable() from error
        except httpx2.TransportError as error:
            raise ServerUnreachable(f"the connection to {self.url} broke; the run goes on there: {error}") from error

    def lines(self, path: str, **query: Any) -> Iterator[bytes]:
        """The lines of an answer that is too large to hold."""
        try:
            with self._http.stream("GET", path, params=query) as answer:
                if answer.status_code >= 400:
                    raise Refused(error_text(answer.status_code, answer.read().decode(errors="replace")))
                for line in answer.iter_lines():
                    yield line.encode() + b"\n"
        except httpx2.ConnectError as error:
            raise self._unreachable() from error
        except httpx2.TransportError as error:
            raise ServerUnreachable(f"{self.url} broke off in the middle of its answer: {error}") from error

    def _unreachable(self) -> ServerUnreachable:
        return ServerUnreachable(f"no server answers at {self.url}; start one with `kelpie serve`, or give --url")


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
