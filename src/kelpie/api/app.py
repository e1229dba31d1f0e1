"""The application: routes, error handlers and the gate."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from kelpie.api import failures, reference
from kelpie.api.gate import Gate
from kelpie.api.idempotency import Idempotency
from kelpie.api.mcp import server as mcp_server
from kelpie.api.routes import (
    access_rules,
    agent_files,
    agent_folders,
    agent_parts,
    agents,
    analyst,
    answers,
    archival,
    archives,
    audit,
    batches,
    blocks,
    compaction,
    completions,
    contexts,
    conventions,
    conversations,
    folders,
    groups,
    health,
    history,
    identities,
    jobs,
    keys,
    mcp_by_name,
    mcp_servers,
    messages,
    metrics,
    models,
    people,
    providers,
    questions,
    runs,
    sandboxes,
    schedules,
    steps,
    tenants,
    tools,
    trajectories,
    workspace,
)
from kelpie.errors import UmiError

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
# In the order in which requests look for their route: what is asked most stands first.
_ROUTERS = (
    messages,
    completions,
    agents,
    agent_parts,
    archival,
    blocks,
    archives,
    agent_folders,
    folders,
    runs,
    steps,
    identities,
    groups,
    batches,  # before history, which would take "batches" for a message's id
    history,
    contexts,
    conversations,
    compaction,
    tools,
    models,
    health,
    metrics,
    questions,
    analyst,
    answers,
    conventions,
    access_rules,
    people,
    trajectories,
    workspace,
    mcp_servers,
    mcp_by_name,
    audit,
    schedules,
    keys,
    tenants,
    providers,
    jobs,
    sandboxes,
    agent_files,
)
DESCRIPTION = "The part of Letta's REST API that kelpie serves, and the analyst's own routes."


def create_app(version: str, lifespan: Lifespan | None = None) -> FastAPI:
    """Before the first request, `app.state.house` must hold a House (see kelpie.server)."""
    app = FastAPI(
        title="kelpie",
        version=version,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    for resource in (*_ROUTERS, reference):
        app.router.routes.extend(resource.router.routes)
    app.router.routes.append(mcp_server.route())
    app.add_exception_handler(UmiError, failures.on_umi_error)
    app.add_exception_handler(RequestValidationError, failures.on_invalid_request)
    for unwritable in (UnicodeEncodeError, OverflowError, RecursionError):
        app.add_exception_handler(unwritable, failures.on_unwritable)
    app.add_exception_handler(HTTPException, failures.on_http_error)
    app.add_middleware(Idempotency)
    app.add_middleware(Gate)  # outermost: nothing passes without it
    return app
