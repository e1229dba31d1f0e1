"""`kelpie audit`: what ran in a sandbox or an MCP server, for whom, and where it really ran."""

from typing import Annotated, Any

import typer

from kelpie.cli.options import Key, Url
from kelpie.console.client import DEFAULT_URL, Client
from kelpie.console.show import Screen

audit_app = typer.Typer(help="What was run that is not the server's own code.", no_args_is_help=True)
_LIMIT_DEFAULT = 50
_PAGE_MAX = 1_000


@audit_app.command("tools")
def audit_tools(
    agent: Annotated[str | None, typer.Option(help="Only calls of this agent id.")] = None,
    run: Annotated[str | None, typer.Option(help="Only calls of this run id.")] = None,
    tool: Annotated[str | None, typer.Option(help="Only calls of the tool of this name.")] = None,
    server: Annotated[str | None, typer.Option(help="Only calls of the MCP server of this name.")] = None,
    trust: Annotated[str | None, typer.Option(help="Only this trust: operator, reviewed or untrusted.")] = None,
    level: Annotated[str | None, typer.Option(help="Only what ran at this level: process, microvm or remote.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only these: begun, ran, refused, cancelled or interrupted.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_PAGE_MAX, help="How many, the newest first.")] = _LIMIT_DEFAULT,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show calls of tools in sandboxes and MCP servers: when, at which trust and level, how they ended, for whom."""
    given = {"agent_id": agent, "run_id": run, "tool": tool, "server": server, "trust": trust}
    given |= {"level": level, "state": state}
    query = {name: value for name, value in given.items() if value is not None}
    rows = Client(url, key).get("/v1/audit/tools", limit=limit, **query)
    screen = Screen()
    if not rows:
        screen.note("no call of a tool in a sandbox or an MCP server, or none that matches")
        return
    columns = ["when", "tool", "trust", "level", "end", "ms", "for", "agent"]
    screen.table(columns, [_shown(row) for row in rows], rows_max=len(rows))
    for row in rows:
        for line in _remarks(row):
            screen.note(f"{_when(row)} {row['tool']}: {line}")


def _shown(row: dict[str, Any]) -> list[Any]:
    level = f"{row['level']} ({row['backend']})" if row["backend"] else row["level"]
    took_ms = None if row["duration_ms"] is None else round(row["duration_ms"])
    tool = f"{row['server']}: {row['tool']}" if row["server"] else row["tool"]
    return [_when(row), tool, row["trust"], level, _end(row), took_ms, row["speaker"], row["agent_id"]]


def _when(row: dict[str, Any]) -> str:
    return str(row["at"])[:19].replace("T", " ")


def _end(row: dict[str, Any]) -> str:
    """In one or two words: the limit that ended it, or how it went."""
    if row["killed_by"]:
        return f"killed: {row['killed_by']}"
    if row["state"] != "ran":
        return str(row["state"])
    return "error" if row["is_error"] else "ok"


def _remarks(row: dict[str, Any]) -> list[str]:
    """What the table has no room for."""
    lines = [row["refusal"]] if row["refusal"] else []
    if row["lowered"]:
        lines.append(f"the level it needs was lowered to '{row['needs']}' by the operator")
    lines += [f"network: {line}" for line in row["network_refused"]]
    if row["asks"]:
        lines.append("asked the server: " + ", ".join(f"{name} × {count}" for name, count in row["asks"].items()))
    return lines
