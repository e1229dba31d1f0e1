"""What a server offers as rows of the tenant's tools: kind "external_mcp", one a tool, and one each for its resources
and prompts where it has them.

The row says what the tool said when it was added. It keeps the server's own name for the tool in its metadata: names
of tools are short, of few letters, and one a tenant.
"""

import re
from collections.abc import Collection
from typing import Any, Literal

import msgspec

from kelpie.errors import NotFound, ToolFailed
from kelpie.tools import custom
from kelpie.tools import limits as tool_limits
from kelpie.tools.custom import EXTERNAL, ToolRecord
from kelpie.tools.mcp.offers import Offer, OfferedTool
from kelpie.tools.mcp.records import McpServer
from umi.dst import Host
from umi.storage import Changes, View

Use = Literal["tool", "resource", "prompt"]
_OTHER_LETTERS = re.compile(r"[^A-Za-z0-9_-]+")
_NAMES_TRIED_MAX = 20
_INSERT = f"INSERT INTO tool ({', '.join(custom.COLUMNS)}) VALUES ({', '.join('?' * len(custom.COLUMNS))})"
_FIXED = ("tenant", "id", "version", "created_at_ms")
_CHANGING = [name for name in custom.COLUMNS if name not in _FIXED]
_UPDATE = (
    f"UPDATE tool SET {', '.join(f'{name} = ?' for name in _CHANGING)}, version = version + 1"
    " WHERE tenant = ? AND id = ? AND version = ?"
)
_OF_SERVER = (
    f"SELECT {', '.join(custom.COLUMNS)} FROM tool WHERE tenant = ? AND tool_type = '{EXTERNAL}'"
    " AND json_extract(metadata, '$.mcp.server_id') = ? ORDER BY seq"
)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a row calls: a tool by the server's own name for it, or its resources, or its prompts."""

    server_id: str
    server_name: str
    use: Use
    tool: str


class Synced(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a server did to the rows, by their names; `deleted_ids` have to be detached as well."""

    added: list[str] = []
    updated: list[str] = []
    deleted: list[str] = []
    deleted_ids: list[str] = []


def target_of(record: ToolRecord) -> Target:
    """Raises ToolFailed for a row that says of no server."""
    try:
        return msgspec.convert(record.metadata.get("mcp"), Target)
    except msgspec.ValidationError:
        raise ToolFailed(f"the tool '{record.name}' belongs to no MCP server: refresh its server's tools") from None


async def of_server(view: View, tenant: str, server_id: str) -> list[ToolRecord]:
    """The rows of a server's tools, in the order they were added."""
    return [custom.record_from_row(row) for row in await view.fetch(_OF_SERVER, tenant, server_id)]


async def get(view: View, tenant: str, server_id: str, tool_id: str) -> ToolRecord:
    """One row of a server's. Raises NotFound."""
    for record in await of_server(view, tenant, server_id):
        if record.id == tool_id:
            return record
    raise NotFound(f"the MCP server '{server_id}' has no tool with the id '{tool_id}'")


async def plan_sync(
    view: View, host: Host, server: McpServer, offer: Offer, builtins: Collection[str]
) -> tuple[Synced, Changes]:
    """Make the rows what the server offers: what it no longer has goes, what it changed is taken as it is now.

    Guard "tool". A custom or built-in tool keeps its name: the server's is then named after the server as well.
    """
    rows = [(target_of(record), record) for record in await of_server(view, server.tenant, server.id)]
    old = {(target.use, target.tool): record for target, record in rows}
    taken = {row[0] for row in await view.fetch("SELECT name FROM tool WHERE tenant = ?", server.tenant)}
    taken = taken.union(builtins).difference(record.name for record in old.values())
    added, updated, changes = [], [], Changes()
    for use, tool in _wanted(server, offer):
        kept = old.pop((use, tool.name), None)
        name = _name(kept.name if kept is not None else None, server.name, tool.name, taken)
        taken.add(name)
        record = _record(host, server, use, tool, name)
        if kept is None:
            added.append(name)
            changes.write(_INSERT, *_values(record, custom.COLUMNS))
        elif _said(kept) != _said(record):
            updated.append(name)
            changes.guard("tool", _UPDATE, *_values(_onto(record, kept), _CHANGING), kept.tenant, kept.id, kept.version)
    for gone in old.values():
        changes.extend(_plan_delete(gone))
    names, ids = [gone.name for gone in old.values()], [gone.id for gone in old.values()]
    return Synced(added=added, updated=updated, deleted=names, deleted_ids=ids), changes


async def plan_add_one(
    view: View, host: Host, server: McpServer, tool: OfferedTool, builtins: Collection[str]
) -> tuple[ToolRecord, Changes]:
    """The row of one of its tools, made, or put in the place of what it said before. Guard "tool"."""
    for kept in await of_server(view, server.tenant, server.id):
        if target_of(kept).use == "tool" and target_of(kept).tool == tool.name:
            new = _onto(_record(host, server, "tool", tool, kept.name), kept)
            values = (*_values(new, _CHANGING), kept.tenant, kept.id, kept.version)
            return msgspec.structs.replace(new, version=kept.version + 1), Changes().guard("tool", _UPDATE, *values)
    taken = {row[0] for row in await view.fetch("SELECT name FROM tool WHERE tenant = ?", server.tenant)}
    record = _record(host, server, "tool", tool, _name(None, server.name, tool.name, taken.union(builtins)))
    return record, Changes().write(_INSERT, *_values(record, custom.COLUMNS))


async def plan_delete_all(view: View, server: McpServer) -> tuple[list[str], Changes]:
    """Remove a server's rows; returns their ids, which have to be detached as well. Guard "tool"."""
    records = await of_server(view, server.tenant, server.id)
    changes = Changes()
    for record in records:
        changes.extend(_plan_delete(record))
    return [record.id for record in records], changes


def _plan_delete(record: ToolRecord) -> Changes:
    sql = "DELETE FROM tool WHERE tenant = ? AND id = ? AND version = ?"
    return Changes().guard("tool", sql, record.tenant, record.id, record.version)


def _wanted(server: McpServer, offer: Offer) -> list[tuple[Use, OfferedTool]]:
    wanted: list[tuple[Use, OfferedTool]] = [("tool", tool) for tool in offer.tools]
    if offer.has_resources:
        wanted.append(("resource", _resource_tool(server.name)))
    if offer.has_prompts:
        wanted.append(("prompt", _prompt_tool(server.name)))
    return wanted


def _resource_tool(server: str) -> OfferedTool:
    text = {"type": "string", "description": "Which resource; left out, they are listed."}
    return OfferedTool(
        name="read_resource",
        description=f"Read a resource of the MCP server '{server}'. Without a uri: list what there is.",
        parameters={"type": "object", "properties": {"uri": text}, "required": []},
    )


def _prompt_tool(server: str) -> OfferedTool:
    properties = {
        "name": {"type": "string", "description": "Which prompt; left out, they are listed with their arguments."},
        "arguments": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    return OfferedTool(
        name="get_prompt",
        description=f"Fetch a prompt that the MCP server '{server}' offers, filled in. Without a name: list them.",
        parameters={"type": "object", "properties": properties, "required": []},
    )


def _name(kept: str | None, server: str, tool: str, taken: Collection[str]) -> str:
    """A free name for the row: the one it has, the tool's own, or the server's before it, or that with a number."""
    if kept is not None:
        return kept
    most = tool_limits.TOOL_NAME_CHARS_MAX
    own = _OTHER_LETTERS.sub("_", tool)[:most] or "tool"
    both = _OTHER_LETTERS.sub("_", f"{server}_{tool}")[:most]
    numbered = (f"{both[: most - 3]}_{number}" for number in range(2, _NAMES_TRIED_MAX))
    for name in (own, both, *numbered):
        if name not in taken:
            return name
    raise ToolFailed(f"there is no free name for the tool '{tool[:100]}' of '{server}'")


def _record(host: Host, server: McpServer, use: Use, tool: OfferedTool, name: str) -> ToolRecord:
    target = Target(server_id=server.id, server_name=server.name, use=use, tool=tool.name)
    metadata: dict[str, Any] = {"mcp": msgspec.to_builtins(target)}
    if tool.annotations:
        metadata["annotations"] = tool.annotations
    now_ms = host.clock.now_ms()
    return ToolRecord(
        tenant=server.tenant,
        id=host.ids.new("tool"),
        name=name,
        tool_type=EXTERNAL,
        description=tool.description,
        source_type="json",
        json_schema={"name": name, "description": tool.description, "parameters": tool.parameters},
        tags=[f"mcp:{server.name}"],
        metadata=metadata,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )


def _onto(new: ToolRecord, kept: ToolRecord) -> ToolRecord:
    """What a person set on the row stays."""
    return msgspec.structs.replace(
        new,
        id=kept.id,
        version=kept.version,
        created_at_ms=kept.created_at_ms,
        return_chars_max=kept.return_chars_max,
    )


def _said(record: ToolRecord) -> bytes:
    said = (record.name, record.description, record.json_schema, record.metadata, record.tags)
    return msgspec.json.encode(said, order="deterministic")


def _values(record: ToolRecord, columns: Collection[str]) -> tuple[Any, ...]:
    values = (getattr(record, name) for name in columns)
    return tuple(
        msgspec.json.encode(value).decode() if isinstance(value, dict | list | msgspec.Struct) else value
        for value in values
    )
