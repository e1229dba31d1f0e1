"""Connections: which data sources a tenant's analysts may ask. Rows of the table `connection`."""

from typing import Any, Literal, get_args

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.sources.engines import checked_config
from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from umi.dst import Host
from umi.storage import Changes, View

# What of the data may reach a model: names and types alone; aggregates of rows; rows themselves.
Sharing = Literal["schema", "aggregates", "rows"]

_COLUMNS = "tenant, id, name, engine, config, sharing, created_at_ms"
_INSERT = f"INSERT INTO connection ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
_ONE = f"SELECT {_COLUMNS} FROM connection WHERE tenant = ? AND id = ?"
_BY_NAME = f"SELECT {_COLUMNS} FROM connection WHERE tenant = ? AND name = ?"
_ALL = f"SELECT {_COLUMNS} FROM connection WHERE tenant = ? ORDER BY name"
_DELETE = "DELETE FROM connection WHERE tenant = ? AND id = ?"
_USERS = "SELECT name FROM semantic_model WHERE tenant = ? AND connection_id = ? ORDER BY name"


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """A data source by name. What `config` holds is its engine's own: sources/config.py. Never a secret."""

    tenant: str
    id: str
    name: str
    engine: str
    config: dict[str, Any]
    sharing: Sharing = "rows"
    created_at_ms: int


def new_connection(
    host: Host, tenant: str, name: str, engine: str, config: dict[str, Any], sharing: Sharing = "rows"
) -> Connection:
    """A connection that isn't stored yet. Raises InvalidInput or LimitExceeded; the source itself is not looked at."""
    name = name.strip()
    if not name:
        raise InvalidInput("a connection needs a name that is not blank")
    if len(name) > limits.CONNECTION_NAME_CHARS_MAX:
        raise LimitExceeded("the connection's name", len(name), limits.CONNECTION_NAME_CHARS_MAX, "characters")
    checked_config(engine, config)
    if sharing not in get_args(Sharing):
        raise InvalidInput(f"the sharing level '{sharing}' is not known; levels: {', '.join(get_args(Sharing))}")
    return Connection(
        tenant=tenant,
        id=host.ids.new("connection"),
        name=name,
        engine=engine,
        config=config,
        sharing=sharing,
        created_at_ms=host.clock.now_ms(),
    )


async def plan_create(view: View, connection: Connection) -> Changes:
    """Store it. Raises Conflict if the tenant has a connection of that name."""
    if await view.one(_BY_NAME, connection.tenant, connection.name):
        raise Conflict(
            f"there is a connection named '{connection.name}' already; choose another name or delete that one"
        )
    config = msgspec.json.encode(connection.config).decode()
    return Changes().write(
        _INSERT,
        connection.tenant,
        connection.id,
        connection.name,
        connection.engine,
        config,
        connection.sharing,
        connection.created_at_ms,
    )


async def get(view: View, tenant: str, connection_id: str) -> Connection:
    """Raises NotFound."""
    row = await view.one(_ONE, tenant, connection_id)
    if row is None:
        raise NotFound(f"no connection has the id '{connection_id}'")
    return _from_row(row)


async def by_name(view: View, tenant: str, name: str) -> Connection | None:
    row = await view.one(_BY_NAME, tenant, name)
    return None if row is None else _from_row(row)


async def list_all(view: View, tenant: str) -> list[Connection]:
    """A tenant's connections by name."""
    return [_from_row(row) for row in await view.fetch(_ALL, tenant)]


async def plan_delete(view: View, tenant: str, connection_id: str) -> Changes:
    """Raises NotFound, or Conflict while a semantic model stands on it. Results that it gave keep their rows."""
    await get(view, tenant, connection_id)
    users = [row[0] for row in await view.fetch(_USERS, tenant, connection_id)]
    if users:
        raise Conflict(f"semantic models stand on this connection: {', '.join(users)}; delete them first")
    return Changes().guard("connection exists", _DELETE, tenant, connection_id)


def _from_row(row: tuple[Any, ...]) -> Connection:
    tenant, connection_id, name, engine, config, sharing, created_at_ms = row
    return Connection(
        tenant=tenant,
        id=connection_id,
        name=name,
        engine=engine,
        config=msgspec.json.decode(config, type=dict[str, Any]),
        sharing=sharing,
        created_at_ms=created_at_ms,
    )
