"""The MCP servers of a tenant as rows.

What goes to a server and its OAuth tokens lie sealed in columns of their own, which no list reads: whoever needs them
asks for them by name. A report says what a server last did wrong; writing one changes no version.
"""

from typing import Any

import msgspec

from kelpie.errors import Conflict, GuardFailed, LimitExceeded, NotFound
from kelpie.sealing import PREFIX, UNSEALED, Seal
from kelpie.tools.mcp import limits
from kelpie.tools.mcp.faults import FaultKind
from kelpie.tools.mcp.settings import Secrets, Settings, checked, is_reference
from umi.dst import Host
from umi.storage import Changes, Migration, Row, View

MIGRATIONS = [
    Migration(
        "kelpie.mcp",
        1,
        """
        CREATE TABLE mcp_server (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL, shown TEXT NOT NULL,
            secrets TEXT NOT NULL, oauth TEXT NOT NULL, report TEXT, version INTEGER NOT NULL,
            created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, name)
        ) STRICT;
        """,
    )
]

_COLUMNS = "tenant, id, settings, shown, report, version, created_at_ms, updated_at_ms"
_SELECT = f"SELECT {_COLUMNS} FROM mcp_server WHERE tenant = ?"
_INSERT = "INSERT INTO mcp_server VALUES (NULL, ?, ?, ?, ?, ?, ?, '', NULL, 1, ?, ?)"
_UPDATE = (
    "UPDATE mcp_server SET name = ?, settings = ?, shown = ?, secrets = ?, oauth = ?, report = NULL,"
    " version = version + 1, updated_at_ms = ? WHERE tenant = ? AND id = ? AND version = ?"
)
_DELETE = "DELETE FROM mcp_server WHERE tenant = ? AND id = ? AND version = ?"
_SECRETS = "SELECT secrets FROM mcp_server WHERE tenant = ? AND id = ?"
_OAUTH = "SELECT oauth FROM mcp_server WHERE tenant = ? AND id = ?"
HIDDEN = "********"  # what stands for a value that is not shown; given back, it means the value that is there


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a server last did wrong."""

    at_ms: int
    kind: FaultKind
    text: str


class McpServer(msgspec.Struct, frozen=True, kw_only=True):
    """A row, without what is not shown.

    shown  what is sent to it, with HIDDEN for values and the names of variables as they are
    """

    tenant: str
    id: str
    settings: Settings
    shown: Secrets
    report: Report | None = None
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int = 0

    @property
    def name(self) -> str:
        return self.settings.name


async def get(view: View, tenant: str, server_id: str) -> McpServer:
    row = await view.one(f"{_SELECT} AND id = ?", tenant, server_id)
    if row is None:
        raise NotFound(f"no MCP server has the id '{server_id}'")
    return _from_row(row)


async def get_by_name(view: View, tenant: str, name: str) -> McpServer:
    row = await view.one(f"{_SELECT} AND name = ?", tenant, name)
    if row is None:
        raise NotFound(f"no MCP server is named '{name}'")
    return _from_row(row)


async def list_all(view: View, tenant: str) -> list[McpServer]:
    """A tenant's servers by age."""
    return [_from_row(row) for row in await view.fetch(f"{_SELECT} ORDER BY seq", tenant)]


async def secrets_of(view: View, server: McpServer, seal: Seal = UNSEALED) -> Secrets:
    """What is sent to it. Raises NotFound, CannotUnseal."""
    row = await view.one(_SECRETS, server.tenant, server.id)
    if row is None:
        raise NotFound(f"no MCP server has the id '{server.id}'")
    return msgspec.json.decode(seal.opened(row[0], server.tenant, "mcp.secrets", server.id), type=Secrets)


async def oauth_of(view: View, tenant: str, server_id: str, seal: Seal = UNSEALED) -> dict[str, Any]:
    """What its authorization server gave: {} before a person consented. Raises CannotUnseal."""
    row = await view.one(_OAUTH, tenant, server_id)
    if row is None or not row[0]:
        return {}
    return msgspec.json.decode(seal.opened(row[0], tenant, "mcp.oauth", server_id), type=dict[str, Any])


async def plan_seal(view: View, seal: Seal) -> Changes:
    """Seal what older versions left as it was: no byte of it stays. Nothing to do is no change."""
    changes = Changes()
    for column in ("secrets", "oauth"):
        plain = f"SELECT tenant, id, {column} FROM mcp_server WHERE {column} != '' AND NOT {column} GLOB ?"
        for tenant, server_id, text in await view.fetch(plain, f"{PREFIX}*"):
            kept = seal.sealed(text, tenant, f"mcp.{column}", server_id)
            sql = f"UPDATE mcp_server SET {column} = ? WHERE tenant = ? AND id = ? AND {column} = ?"
            changes.write(sql, kept, tenant, server_id, text)
    changes.scrub = bool(changes)
    return changes


async def plan_create(
    view: View, host: Host, tenant: str, settings: Settings, secrets: Secrets, seal: Seal = UNSEALED
) -> tuple[McpServer, Changes]:
    """A new server. Raises InvalidInput, LimitExceeded, and Conflict if the name is taken."""
    settings, secrets = checked(settings, secrets)
    known = await list_all(view, tenant)
    if any(one.name == settings.name for one in known):
        raise Conflict(f"an MCP server named '{settings.name}' exists already")
    if len(known) >= limits.MCP_SERVERS_PER_TENANT_MAX:
        most = limits.MCP_SERVERS_PER_TENANT_MAX
        raise LimitExceeded("the list of MCP servers", len(known) + 1, most, "servers")
    now_ms = host.clock.now_ms()
    server = McpServer(
        tenant=tenant,
        id=host.ids.new("mcp_server"),
        settings=settings,
        shown=_shown(secrets),
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )
    values = (_json(settings), _json(server.shown), seal.sealed(_json(secrets), tenant, "mcp.secrets", server.id))
    return server, Changes().write(_INSERT, tenant, server.id, settings.name, *values, now_ms, now_ms)


async def plan_update(
    view: View,
    tenant: str,
    server_id: str,
    now_ms: int,
    settings: Settings,
    secrets: Secrets,
    seal: Seal = UNSEALED,
) -> tuple[McpServer, Changes]:
    """Put these in the place of what is there; a value given as HIDDEN stays. Guard "mcp server".

    Tokens that a person consented to are kept while the URL is the same. A secret is not: one that is left out of a
    server with another URL has to be given again, else who may change a row could have it sent elsewhere.
    Raises NotFound, InvalidInput, and Conflict if the name is taken.
    """
    old = await get(view, tenant, server_id)
    kept = await secrets_of(view, old, seal)
    settings, secrets = checked(settings, _revealed(secrets, kept, same_target=_same_target(old.settings, settings)))
    if settings.name != old.name and await view.one(f"{_SELECT} AND name = ?", tenant, settings.name):
        raise Conflict(f"an MCP server named '{settings.name}' exists already")
    oauth = await oauth_of(view, tenant, server_id, seal) if settings.url == old.settings.url else {}
    new = msgspec.structs.replace(
        old, settings=settings, shown=_shown(secrets), report=None, version=old.version + 1, updated_at_ms=now_ms
    )
    sealed = seal.sealed(_json(secrets), tenant, "mcp.secrets", server_id)
    consented = seal.sealed(_json(oauth) if oauth else "", tenant, "mcp.oauth", server_id)
    values = (_json(settings), _json(new.shown), sealed, consented)
    changes = Changes().guard("mcp server", _UPDATE, settings.name, *values, now_ms, tenant, server_id, old.version)
    return new, changes


async def plan_delete(view: View, tenant: str, server_id: str) -> Changes:
    """Remove it, with its secrets; its tools are rows of their own (rows.py). Guard "mcp server". Raises NotFound."""
    old = await get(view, tenant, server_id)
    return Changes().guard("mcp server", _DELETE, tenant, server_id, old.version)


def plan_report(server: McpServer, now_ms: int, kind: FaultKind, text: str) -> Changes:
    """Note what it did wrong, in place of what was noted before."""
    report = Report(at_ms=now_ms, kind=kind, text=text[: limits.MCP_REPORT_CHARS_MAX])
    return Changes().write(
        "UPDATE mcp_server SET report = ? WHERE tenant = ? AND id = ?", _json(report), server.tenant, server.id
    )


def plan_clear_report(server: McpServer) -> Changes:
    """It was looked at anew, and all was well."""
    return Changes().write("UPDATE mcp_server SET report = NULL WHERE tenant = ? AND id = ?", server.tenant, server.id)


async def keep_oauth(view: View, tenant: str, server_id: str, oauth: dict[str, Any], seal: Seal = UNSEALED) -> None:
    """Keep what the authorization server gave. Raises NotFound if the server is gone."""
    kept = seal.sealed(_json(oauth), tenant, "mcp.oauth", server_id)
    changes = Changes().guard(
        "mcp server", "UPDATE mcp_server SET oauth = ? WHERE tenant = ? AND id = ?", kept, tenant, server_id
    )
    try:
        await view.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"no MCP server has the id '{server_id}'") from None


def _same_target(old: Settings, new: Settings) -> bool:
    return (
        (old.transport == "stdio") == (new.transport == "stdio")
        and old.url == new.url
        and (old.command, old.args) == (new.command, new.args)
    )


def _revealed(given: Secrets, kept: Secrets, *, same_target: bool) -> Secrets:
    """`given`, with what is kept in the place of HIDDEN; without it, where it would go to another place."""
    if not same_target:
        kept = Secrets()

    def shown_again(values: dict[str, str], old: dict[str, str]) -> dict[str, str]:
        revealed = {name: old.get(name, "") if text == HIDDEN else text for name, text in values.items()}
        return {name: text for name, text in revealed.items() if text or values[name] != HIDDEN}

    return Secrets(
        token=kept.token if given.token == HIDDEN else given.token,
        headers=shown_again(given.headers, kept.headers),
        environment=shown_again(given.environment, kept.environment),
    )


def _shown(secrets: Secrets) -> Secrets:
    return Secrets(
        token=_hidden(secrets.token),
        headers={name: _hidden(text) for name, text in secrets.headers.items()},
        environment={name: _hidden(text) for name, text in secrets.environment.items()},
    )


def _hidden(text: str) -> str:
    return text if not text or is_reference(text) else HIDDEN


def _from_row(row: Row) -> McpServer:
    tenant, server_id, settings, shown, report, version, created_at_ms, updated_at_ms = row
    return McpServer(
        tenant=tenant,
        id=server_id,
        settings=msgspec.json.decode(settings, type=Settings),
        shown=msgspec.json.decode(shown, type=Secrets),
        report=None if report is None else msgspec.json.decode(report, type=Report),
        version=version,
        created_at_ms=created_at_ms,
        updated_at_ms=updated_at_ms,
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
