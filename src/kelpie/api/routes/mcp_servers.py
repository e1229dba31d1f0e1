"""MCP servers: tools that other programs offer, and a person's consent to them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response
from starlette.responses import StreamingResponse

from kelpie.agents import agent as agents
from kelpie.agents import trying
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import McpServerId, ToolId
from kelpie.api.sse import event
from kelpie.api.wire import mcp as wire
from kelpie.api.wire import tools as tool_wire
from kelpie.errors import Conflict, GuardFailed, NotServed, ToolFailed, UmiError
from kelpie.tools.mcp import limits, records, rows
from kelpie.tools.mcp.faults import McpFault
from kelpie.tools.mcp.records import McpServer
from kelpie.tools.mcp.rows import Synced
from kelpie.tools.mcp.settings import Secrets, Settings
from kelpie.tools.mcp.tools import McpTools, audited
from umi.storage import Changes

router = APIRouter(tags=["mcp servers"])
CALLBACK_PATH = "/v1/tools/mcp/oauth/callback"  # where a person comes back to; a browser has no key
# A proxy that collects a response before passing it on would undo the streaming.
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def mcp_of(who: Caller) -> McpTools:
    """Raises NotServed where this server was built without MCP."""
    if who.house.mcp is None:
        raise NotServed("MCP servers are not served here")
    return who.house.mcp


@router.post("/v1/mcp-servers")
async def create_mcp_server(request: Request, body: wire.CreateMcpServer) -> Response:
    """Add a server, and its tools if it can be reached; if not, the server's report says why. 409 for a taken name."""
    who = caller(request)
    server = await create(who, *body.read())
    return answer(wire.server(server, strict=who.house.strict_letta))


@router.get("/v1/mcp-servers")
async def list_mcp_servers(request: Request) -> Response:
    """All servers, oldest first."""
    who = caller(request)
    found = await records.list_all(who.view, who.tenant)
    return answer([wire.server(one, strict=who.house.strict_letta) for one in found])


@router.get("/v1/mcp-servers/connect/{mcp_server_id}")
async def connect_mcp_server(request: Request, mcp_server_id: McpServerId) -> Response:
    """Connect, as server-sent events; where a person's consent is wanted, one of them says where to get it."""
    who = caller(request)
    server = await records.get(who.view, who.tenant, mcp_server_id)
    return streamed(connecting(who, server, callback_url(request)))


@router.get("/v1/mcp-servers/{mcp_server_id}")
async def retrieve_mcp_server(request: Request, mcp_server_id: McpServerId) -> Response:
    """One server, with what it last did wrong."""
    who = caller(request)
    server = await records.get(who.view, who.tenant, mcp_server_id)
    return answer(wire.server(server, strict=who.house.strict_letta))


@router.patch("/v1/mcp-servers/{mcp_server_id}")
async def modify_mcp_server(request: Request, mcp_server_id: McpServerId, body: wire.ModifyMcpServer) -> Response:
    """Change some fields. Secrets do not follow a server to another URL or command: give them again."""
    who = caller(request)
    server = await modify(who, await records.get(who.view, who.tenant, mcp_server_id), body)
    return answer(wire.server(server, strict=who.house.strict_letta))


@router.delete("/v1/mcp-servers/{mcp_server_id}", status_code=204)
async def delete_mcp_server(request: Request, mcp_server_id: McpServerId) -> Response:
    """Remove a server and its tools; agents that have them lose them."""
    who = caller(request)
    await remove(who, await records.get(who.view, who.tenant, mcp_server_id))
    return Response(status_code=204)


@router.get("/v1/mcp-servers/{mcp_server_id}/tools")
async def list_mcp_tools(request: Request, mcp_server_id: McpServerId) -> Response:
    """The server's tools as they were added; refresh it to take what it offers now."""
    who = caller(request)
    server = await records.get(who.view, who.tenant, mcp_server_id)
    found = await rows.of_server(who.view, who.tenant, server.id)
    return answer([tool_wire.tool(record, strict=who.house.strict_letta) for record in found])


@router.get("/v1/mcp-servers/{mcp_server_id}/tools/{tool_id}")
async def retrieve_mcp_tool(request: Request, mcp_server_id: McpServerId, tool_id: ToolId) -> Response:
    """One of the server's tools."""
    who = caller(request)
    record = await rows.get(who.view, who.tenant, mcp_server_id, tool_id)
    return answer(tool_wire.tool(record, strict=who.house.strict_letta))


@router.post("/v1/mcp-servers/{mcp_server_id}/tools/{tool_id}/run")
async def run_mcp_tool(
    request: Request,
    mcp_server_id: McpServerId,
    tool_id: ToolId,
    body: Annotated[wire.RunMcpTool | None, Body()] = None,
) -> Response:
    """Call one of the server's tools, without an agent."""
    who = caller(request)
    record = await rows.get(who.view, who.tenant, mcp_server_id, tool_id)
    mcp, given = mcp_of(who), body.args if body is not None else {}
    outcome = await trying.call_once(
        who.workshop, who.tenant, record.name, audited(record), lambda: mcp.call(who.view, record, given)
    )
    return answer(tool_wire.executed(outcome))


@router.patch("/v1/mcp-servers/{mcp_server_id}/refresh")
async def refresh_mcp_server(request: Request, mcp_server_id: McpServerId) -> Response:
    """Take the server's tools as it offers them now: added, updated and deleted ones by name."""
    who = caller(request)
    server = await records.get(who.view, who.tenant, mcp_server_id)
    return answer(wire.synced(await sync(who, server)))


# ---- what both fashions of routes do


async def create(who: Caller, settings: Settings, secrets: Secrets) -> McpServer:
    """Store a server and look at it once: one that can't be reached is kept, with a report."""
    mcp = mcp_of(who)
    shop = who.workshop
    server, changes = await records.plan_create(who.view, shop.host, who.tenant, settings, secrets, shop.seal)
    await who.workshop.database.commit(changes)
    try:
        await sync(who, server)
    except ToolFailed:
        await mcp.forget(server.id)  # the next to ask need not wait
    return await records.get(who.view, who.tenant, server.id)


async def modify(who: Caller, old: McpServer, body: wire.ModifyMcpServer | wire.LegacyModify) -> McpServer:
    mcp = mcp_of(who)
    for _ in range(limits.MCP_PLAN_ATTEMPTS_MAX):
        settings, secrets = body.read(old)
        server, changes = await records.plan_update(
            who.view, who.tenant, old.id, who.now_ms(), settings, secrets, who.workshop.seal
        )
        try:
            await who.workshop.database.commit(changes)
        except GuardFailed:
            old = await records.get(who.view, who.tenant, old.id)
            continue
        await mcp.forget(server.id)
        return server
    raise Conflict(f"the MCP server '{old.name}' is being changed by too many writers at once; try again")


async def remove(who: Caller, server: McpServer) -> None:
    mcp = mcp_of(who)
    for _ in range(limits.MCP_PLAN_ATTEMPTS_MAX):
        ids, changes = await rows.plan_delete_all(who.view, server)
        changes.extend(await records.plan_delete(who.view, who.tenant, server.id))
        try:
            await who.workshop.database.commit(_detached(who, ids).extend(changes))
        except GuardFailed:
            continue  # a tool was changed since it was read
        await mcp.forget(server.id)
        return
    raise Conflict(f"the MCP server '{server.name}' is being changed by too many writers at once; try again")


async def sync(who: Caller, server: McpServer) -> Synced:
    """Make the tools' rows what the server offers now. Raises ToolFailed, with a report on its row."""
    offer = await mcp_of(who).offer(who.view, server)
    for _ in range(limits.MCP_PLAN_ATTEMPTS_MAX):
        builtins = who.workshop.catalog.builtins
        done, changes = await rows.plan_sync(who.view, who.workshop.host, server, offer, builtins)
        if not changes:
            return done
        try:
            await who.workshop.database.commit(_detached(who, done.deleted_ids).extend(changes))
        except (GuardFailed, Conflict):
            continue
        return done
    raise Conflict(f"the tools of '{server.name}' are being changed by too many writers at once; try again")


def _detached(who: Caller, tool_ids: list[str]) -> Changes:
    changes = Changes()
    for tool_id in tool_ids:
        changes.extend(agents.plan_forget_tool(who.tenant, tool_id))
    return changes


def callback_url(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{CALLBACK_PATH}"


def streamed(body: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(body, headers=_HEADERS, media_type="text/event-stream")


async def connecting(who: Caller, server: McpServer, callback: str) -> AsyncIterator[bytes]:
    """Connection events of Letta's: attempt, then success; or that consent is wanted, where to give it, and the end.

    A flow ends with its client: a person who comes back later is told to start again.
    """
    mcp = mcp_of(who)
    yield event({"event": "connection_attempt", "server_name": server.name})
    try:
        if await _wants_consent(who, server):
            yield event({"event": "oauth_required", "message": "a person's consent is wanted"})
            async for url in _pages_to_visit(who, server, callback):
                yield event({"event": "authorization_url", "url": url, "session_id": server.id})
                yield event({"event": "waiting_for_auth", "message": "waiting for the person to come back"})
        await sync(who, server)
        offer = await mcp.offer(who.view, server)
        yield event({"event": "success", "tools": [wire.offered(tool) for tool in offer.tools]})
    except UmiError as error:
        yield event({"event": "error", "message": who.house.redact(str(error))})


async def _wants_consent(who: Caller, server: McpServer) -> bool:
    try:
        await mcp_of(who).offer(who.view, server)
    except McpFault as fault:
        if fault.fault != "consent":
            raise
        return True
    return False


async def _pages_to_visit(who: Caller, server: McpServer, callback: str) -> AsyncIterator[str]:
    """Where to send the person, while their consent is waited for; ends when it is there. Raises McpFault."""
    pages: asyncio.Queue[str | None] = asyncio.Queue()

    async def flow() -> None:
        try:
            await mcp_of(who).consent(who.view, server, callback, pages.put)
        finally:
            pages.put_nowait(None)

    task = who.workshop.host.spawn(flow(), "mcp consent")
    try:
        while (page := await pages.get()) is not None:
            yield page
        await task
    finally:
        task.cancel()
