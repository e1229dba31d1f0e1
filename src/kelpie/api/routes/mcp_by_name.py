"""MCP servers by name: Letta's older routes, over the same rows."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response

from kelpie.agents import trying
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.routes import mcp_servers as by_id
from kelpie.api.sse import event
from kelpie.api.wire import mcp as wire
from kelpie.api.wire import tools as tool_wire
from kelpie.errors import NotFound
from kelpie.tools import limits as tool_limits
from kelpie.tools.audit import Sandboxed
from kelpie.tools.mcp import records, rows
from kelpie.tools.mcp.records import McpServer

router = APIRouter(prefix="/v1/tools/mcp", tags=["mcp servers"])


async def _named(who: Caller, name: str) -> McpServer:
    return await records.get_by_name(who.view, who.tenant, name)


async def _listed(who: Caller) -> list[McpServer]:
    return await records.list_all(who.view, who.tenant)


@router.get("/servers")
async def list_mcp_servers(request: Request) -> Response:
    """All servers, by name."""
    found = await _listed(caller(request))
    return answer({server.name: wire.legacy_server(server) for server in found})


@router.put("/servers")
async def add_mcp_server(request: Request, body: wire.LegacyServer) -> Response:
    """Add a server; its tools are added one by one, or by resync. 409 for a taken name."""
    who = caller(request)
    by_id.mcp_of(who)
    _, changes = await records.plan_create(who.view, who.workshop.host, who.tenant, *body.read(), who.workshop.seal)
    await who.workshop.database.commit(changes)
    return answer([wire.legacy_server(server) for server in await _listed(who)])


@router.post("/servers/test")
async def test_mcp_server(request: Request, body: wire.LegacyServer) -> Response:
    """What a server offers, without adding it."""
    who = caller(request)
    offer = await by_id.mcp_of(who).test(who.view, who.tenant, *body.read())
    return answer({"status": "success", "tools": [wire.offered(tool) for tool in offer.tools]})


@router.post("/servers/connect")
async def connect_mcp_server(request: Request, body: wire.LegacyServer) -> Response:
    """Connect to the server of this name, as server-sent events. One that wants consent has to be added first."""
    who = caller(request)
    settings, _ = body.read()
    try:
        server = await _named(who, settings.name)
    except NotFound as error:
        text = f"{error}: add it first, so that there is a place for what a person consents to"
        return by_id.streamed(_one(event({"event": "error", "message": text})))
    return by_id.streamed(by_id.connecting(who, server, by_id.callback_url(request)))


async def _one(block: bytes) -> AsyncIterator[bytes]:
    yield block


@router.get("/oauth/callback")
async def come_back(
    request: Request,
    code: str | None = None,
    state: str | None = None,
    iss: str | None = None,
    error: str | None = None,
    error_description: str | None = None,
) -> Response:
    """Where an authorization server sends a person back to. The state says whose consent it is; there is no key."""
    house = request.app.state.house
    if house.mcp is None or not state:
        raise NotFound("nobody waits for this consent")
    house.mcp.consented(state, code, iss, error_description or error)
    return answer({"status": "success" if code else "error", "message": "you may close this page"})


@router.get("/servers/{mcp_server_name}/tools")
async def list_mcp_tools(request: Request, mcp_server_name: str) -> Response:
    """What the server offers now."""
    who = caller(request)
    offer = await by_id.mcp_of(who).offer(who.view, await _named(who, mcp_server_name))
    return answer([wire.offered(tool) for tool in offer.tools])


@router.post("/servers/{mcp_server_name}/resync")
async def resync_mcp_server(request: Request, mcp_server_name: str) -> Response:
    """Take the server's tools as it offers them now: added, updated and deleted ones by name."""
    who = caller(request)
    return answer(wire.synced(await by_id.sync(who, await _named(who, mcp_server_name))))


@router.post("/servers/{mcp_server_name}/tools/{tool_name}/execute")
async def execute_mcp_tool(request: Request, mcp_server_name: str, tool_name: str, body: wire.RunMcpTool) -> Response:
    """Call a tool of the server by the server's own name for it, added or not, without an agent."""
    who = caller(request)
    mcp, chars_max = by_id.mcp_of(who), tool_limits.TOOL_RETURN_CHARS_DEFAULT
    server = await _named(who, mcp_server_name)
    outcome = await trying.call_once(
        who.workshop,
        who.tenant,
        tool_name,
        Sandboxed(trust="reviewed", needs="", server=server.name),
        lambda: mcp.run_offered(who.view, server, tool_name, body.args, chars_max),
    )
    return answer({"result": outcome.text, "success": not outcome.is_error})


@router.post("/servers/{mcp_server_name}/{mcp_tool_name}")
async def add_mcp_tool(request: Request, mcp_server_name: str, mcp_tool_name: str) -> Response:
    """Add one of the server's tools, as it is now."""
    who = caller(request)
    server = await _named(who, mcp_server_name)
    offer = await by_id.mcp_of(who).offer(who.view, server)
    tool = next((one for one in offer.tools if one.name == mcp_tool_name), None)
    if tool is None:
        raise NotFound(f"the MCP server '{server.name}' offers no tool '{mcp_tool_name[:100]}'")
    builtins = who.workshop.catalog.builtins
    record, changes = await rows.plan_add_one(who.view, who.workshop.host, server, tool, builtins)
    await who.workshop.database.commit(changes)
    return answer(tool_wire.tool(record, strict=who.house.strict_letta))


@router.patch("/servers/{mcp_server_name}")
async def update_mcp_server(request: Request, mcp_server_name: str, body: wire.LegacyModify) -> Response:
    """Change some fields."""
    who = caller(request)
    return answer(wire.legacy_server(await by_id.modify(who, await _named(who, mcp_server_name), body)))


@router.delete("/servers/{mcp_server_name}")
async def delete_mcp_server(request: Request, mcp_server_name: str) -> Response:
    """Remove a server and its tools. Answers with the servers that are left."""
    who = caller(request)
    await by_id.remove(who, await _named(who, mcp_server_name))
    return answer([wire.legacy_server(server) for server in await _listed(who)])
