"""A knock at a server's door with nothing but a person behind it: what an OAuth flow begins with."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp_types.version import LATEST_HANDSHAKE_VERSION

from kelpie.errors import UmiError
from kelpie.tools.mcp import limits
from kelpie.tools.mcp.addresses import Hosts
from kelpie.tools.mcp.connection import first, why
from kelpie.tools.mcp.faults import McpFault, McpHung
from kelpie.tools.mcp.records import McpServer
from kelpie.tools.mcp.remote import Guarded
from kelpie.tools.mcp.watching import Watch
from umi.dst import Host


async def knock(
    host: Host,
    server: McpServer,
    headers: Mapping[str, str],
    provider: OAuthClientProvider,
    private_hosts: Sequence[str],
) -> None:
    """Send one request that a server answers with 401 if it wants consent; the provider does the rest.

    Raises McpFault if no consent came of it, or the server does not answer.
    """
    watch = Watch(lambda: None)
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": LATEST_HANDSHAKE_VERSION,
            "capabilities": {},
            "clientInfo": {"name": "kelpie", "version": version("kelpie")},
        },
    }
    accepts = {"accept": "application/json, text/event-stream", "accept-encoding": "identity", **headers}
    client = httpx2.AsyncClient(
        transport=Guarded(Hosts(private_hosts), watch), auth=provider, headers=accepts, trust_env=False, timeout=None
    )
    is_stream = server.settings.transport == "sse"
    try:
        async with host.clock.timeout(limits.MCP_OAUTH_WAIT_MS_MAX + limits.MCP_CONNECT_MS_MAX), client:
            request = client.build_request(
                "GET" if is_stream else "POST", server.settings.url, json=None if is_stream else body
            )
            response = await client.send(request, stream=True)
            status = response.status_code
            await response.aclose()
    except TimeoutError:
        raise McpHung(server.name, "did not answer while consent was asked for") from None
    except UmiError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever an authorization server, or who pretends to be one, does
        raise McpFault("consent", server.name, f"gave no consent: {watch.reason or why(first(error))}") from None
    if status in (401, 403):
        raise McpFault("consent", server.name, f"answers {status} still")
