"""The application: routes, error handlers and the gate, over a house."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import resources

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from kelpie.api import failures
from kelpie.api.gate import Gate
from kelpie.api.house import House
from kelpie.api.routes import (
    agent_parts,
    agents,
    archival,
    blocks,
    health,
    messages,
    metrics,
    models,
    runs,
    steps,
    tools,
)
from kelpie.errors import UmiError

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
# In the order in which requests look for their route: what is asked most stands first.
_ROUTERS = (messages, agents, agent_parts, archival, blocks, runs, steps, tools, models, health, metrics)
DESCRIPTION = "The part of Letta's REST API that kelpie serves, and the analyst's own routes."


def create_app(house: House, lifespan: Lifespan | None = None) -> FastAPI:
    app = FastAPI(
        title="kelpie",
        version=house.version,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.house = house
    for resource in _ROUTERS:
        app.router.routes.extend(resource.router.routes)
    app.add_api_route("/openapi.json", _description, include_in_schema=False)
    app.add_exception_handler(UmiError, failures.on_umi_error)
    app.add_exception_handler(RequestValidationError, failures.on_invalid_request)
    app.add_exception_handler(HTTPException, failures.on_http_error)
    app.add_middleware(Gate, house=house)
    return app


async def _description(request: Request) -> Response:
    """The API's description, as it was built: computing it takes half a second, in which nothing else would run."""
    return Response(resources.files("kelpie.api").joinpath("openapi.json").read_bytes(), media_type="application/json")
