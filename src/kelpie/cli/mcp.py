"""`kelpie mcp`: servers of the Model Context Protocol, whose tools agents can have."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from kelpie.cli.options import Key, Url
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput, NotFound

mcp_app = typer.Typer(help="MCP servers: other programs' tools for agents.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The server's name.")]
_BY_NAME = "/v1/tools/mcp/servers"


@mcp_app.command("list")
def mcp_list(url: Url = DEFAULT_URL, key: Key = None) -> None:
    """List servers, where they are, and what they last did wrong."""
    screen, found = Screen(), Client(url, key).get("/v1/mcp-servers")
    if not found:
        screen.note("there are no MCP servers")
        return
    rows = [[one["server_name"], one["mcp_server_type"], _place(one), _said(one)] for one in found]
    screen.table(["name", "transport", "where", "report"], rows, rows_max=len(rows))


def _place(server: dict[str, Any]) -> str:
    return server.get("server_url") or " ".join([server["command"], *server["args"]])


def _said(server: dict[str, Any]) -> str:
    report = server.get("kelpie_report")
    return "" if report is None else f"{report['kind']}: {report['text']}"


@mcp_app.command("add")
def mcp_add(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="A program and its arguments, after `--`.")] = None,
    at: Annotated[str | None, typer.Option(help="The server's URL, instead of a program.")] = None,
    sse: Annotated[bool, typer.Option("--sse", help="It speaks SSE, the older way over HTTP.")] = False,
    token: Annotated[str | None, typer.Option(help="Name of the variable with its token: KELPIE_SECRET_MCP_…")] = None,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Add a server and its tools. A program runs on the server's machine, in a jail."""
    if (at is None) == (not command):
        raise InvalidInput("give a server's URL with --at, or a program and its arguments after `--`")
    config: dict[str, Any] = (
        {"mcp_server_type": "stdio", "command": command[0], "args": command[1:]}
        if command
        else {
            "mcp_server_type": "sse" if sse else "streamable_http",
            "server_url": at,
            "auth_token": f"${token}" if token else None,
        }
    )
    made = Client(url, key).post("/v1/mcp-servers", {"server_name": name, "config": config})
    screen = Screen()
    screen.good(f"{name} ({made['id']})")
    if _said(made):
        screen.note(f"its tools were not added: {_said(made)}")


@mcp_app.command("refresh")
def mcp_refresh(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Take a server's tools as it offers them now."""
    done = Client(url, key).post(f"{_BY_NAME}/{quote(name, safe='')}/resync", {})
    screen = Screen()
    for what in ("added", "updated", "deleted"):
        if done[what]:
            screen.good(f"{what}: {', '.join(done[what])}")
    if not any(done.values()):
        screen.note("nothing changed")


@mcp_app.command("connect")
def mcp_connect(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Connect to a server that wants your consent: prints the page to open, and waits until you come back."""
    client, screen = Client(url, key), Screen()
    found = next((one for one in client.get("/v1/mcp-servers") if one["server_name"] == name), None)
    if found is None:
        raise NotFound(f"no MCP server is named '{name}'")
    for line in client.lines(f"/v1/mcp-servers/connect/{found['id']}"):
        if not line.startswith(b"data:"):
            continue
        event = json.loads(line[5:])
        if event["event"] == "authorization_url":
            screen.note(f"open this page: {event['url']}")
        elif event["event"] == "error":
            raise InvalidInput(event["message"])
        elif event["event"] == "success":
            screen.good(f"{name}: {len(event['tools'])} tools")


@mcp_app.command("remove")
def mcp_remove(name: Name, url: Url = DEFAULT_URL, key: Key = None) -> None:
    """Remove a server, its secrets and its tools; agents that have them lose them."""
    Client(url, key).delete(f"{_BY_NAME}/{quote(name, safe='')}")
    Screen().good(f"{name} is gone, with its tools")
