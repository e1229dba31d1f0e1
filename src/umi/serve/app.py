"""The operations as HTTP: `POST /v1/{operation}?scope=…`, the parameters as JSON, the answer as JSON."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp

from umi.errors import UmiError
from umi.memory import Memory
from umi.serve.failures import Failure, failure_of, status_of
from umi.serve.gate import Gate, memory_for
from umi.serve.keys import Keys
from umi.serve.openapi import describe
from umi.serve.operations import OPERATIONS, Operation

Endpoint = Callable[[Request], Awaitable[Response]]


class Answer(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


def create_app(memory: Memory, keys: Keys, *, mounts: Sequence[tuple[str, ASGIApp]] = ()) -> FastAPI:
    """
    memory  open already; its database serves every scope
    mounts  what else is served, by path, behind the same gate
    """
    release = version("kelpie")
    app = FastAPI(title="umi", version=release, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for operation in OPERATIONS.values():
        app.router.add_route(f"/v1/{operation.name}", _endpoint(memory, operation), methods=["POST"])
    app.router.add_route("/v1/export", _export(memory), methods=["GET"])
    app.router.add_route("/v1/import", _import(memory), methods=["POST"])
    description = msgspec.json.encode(describe(release))

    async def health(request: Request) -> Response:  # noqa: ARG001 - Starlette's form
        await memory.count()  # the store answers
        return Answer({"status": "ok", "version": release})

    async def openapi(request: Request) -> Response:  # noqa: ARG001 - Starlette's form
        return Response(description, media_type="application/json")

    app.router.add_route("/health", health, methods=["GET"])
    app.router.add_route("/openapi.json", openapi, methods=["GET"])
    for path, mounted in mounts:
        app.router.routes.append(whole_route(path, mounted))
    app.add_exception_handler(UmiError, _on_umi_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_middleware(Gate, keys=keys)
    return app


def whole_route(path: str, mounted: ASGIApp, methods: Sequence[str] = ("GET", "POST", "DELETE")) -> Any:
    """A route that hands everything at one path to an ASGI application as it is."""
    from starlette.routing import Route

    class Whole:
        def __init__(self) -> None:
            self.__name__ = path.strip("/")

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await mounted(scope, receive, send)

    return Route(path, Whole(), methods=list(methods))


def _endpoint(memory: Memory, operation: Operation) -> Endpoint:
    async def answer(request: Request) -> Response:
        given = operation.read(await request.body())
        return Answer(await operation.run(memory_for(memory, request), given))

    return answer


def _export(memory: Memory) -> Endpoint:
    async def answer(request: Request) -> Response:
        lines = memory_for(memory, request).export_lines()
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return answer


def _import(memory: Memory) -> Endpoint:
    async def answer(request: Request) -> Response:
        return Answer(await memory_for(memory, request).import_lines(request.stream()))

    return answer


async def _on_umi_error(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's form
    assert isinstance(error, UmiError)
    return Answer(failure_of(error), status_of(error))


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path[:200]
    says = {404: f"there is nothing at {path}", 405: f"{path} does not take {request.method}"}
    kind = {404: "NotFound", 413: "LimitExceeded"}.get(error.status_code, "CallerError")
    return Answer(Failure(error=kind, detail=says.get(error.status_code, error.detail)), error.status_code)
