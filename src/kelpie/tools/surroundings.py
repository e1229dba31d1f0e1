"""What all custom tools of a tenant are handed: variables, beside the secrets of the agent that calls, which go before
them. They hang on the tenant's settings of its sandbox, of which there is one: Letta's "local". Where tools really run
is the levels' matter, and nothing here changes it.
"""

from typing import Any

import msgspec

from kelpie.errors import Conflict, LimitExceeded, NotFound
from kelpie.sealing import UNSEALED, Seal
from kelpie.tools import limits, secrets
from kelpie.tools.secrets import Secrets
from umi.dst import Host
from umi.storage import Changes, Page, Row, View
from umi.storage.page import paged

_CONFIG = "tenant, id, settings, created_at_ms, updated_at_ms"
_VARIABLE = "tenant, id, config_id, name, description, created_at_ms, updated_at_ms"
_SELECT = f"SELECT {_CONFIG} FROM sandbox_config WHERE tenant = ?"
_VARIABLES = f"SELECT {_VARIABLE} FROM sandbox_variable WHERE tenant = ?"
_INSERT = "INSERT INTO sandbox_config (tenant, id, settings, created_at_ms, updated_at_ms) VALUES (?, ?, ?, ?, ?)"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """`settings` are the client's own, given back and read by nobody."""

    tenant: str
    id: str
    settings: dict[str, Any] = {}
    created_at_ms: int = 0
    updated_at_ms: int = 0


class Variable(msgspec.Struct, frozen=True, kw_only=True):
    """That there is one. Its value is handed to tools."""

    tenant: str
    id: str
    config_id: str
    name: str
    description: str | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0


async def get(view: View, tenant: str, config_id: str) -> Config:
    """Raises NotFound."""
    row = await view.one(f"{_SELECT} AND id = ?", tenant, config_id)
    if row is None:
        raise NotFound(f"no sandbox config has the id '{config_id}'")
    return _config(row)


async def configs(view: View, tenant: str) -> list[Config]:
    """The tenant's, if it has one."""
    return [_config(row) for row in await view.fetch(f"{_SELECT} ORDER BY seq", tenant)]


def plan_config(host: Host, tenant: str, settings: dict[str, Any]) -> tuple[Config, Changes]:
    """The tenant's config. Raises Conflict in the commit if it has one."""
    now_ms = host.clock.now_ms()
    made = Config(
        tenant=tenant, id=host.ids.new("sandbox"), settings=settings, created_at_ms=now_ms, updated_at_ms=now_ms
    )
    return made, Changes().write(_INSERT, tenant, made.id, _json(settings), now_ms, now_ms)


def plan_change(old: Config, settings: dict[str, Any], now_ms: int) -> tuple[Config, Changes]:
    """Guard "sandbox config": it is there."""
    sql = "UPDATE sandbox_config SET settings = ?, updated_at_ms = ? WHERE tenant = ? AND id = ?"
    new = msgspec.structs.replace(old, settings=settings, updated_at_ms=now_ms)
    return new, Changes().guard("sandbox config", sql, _json(settings), now_ms, old.tenant, old.id)


def plan_delete(config: Config) -> Changes:
    """With its variables. Guard "sandbox config"."""
    gone = Changes()
    gone.guard("sandbox config", "DELETE FROM sandbox_config WHERE tenant = ? AND id = ?", config.tenant, config.id)
    return gone.write("DELETE FROM sandbox_variable WHERE tenant = ?", config.tenant)


async def variable(view: View, tenant: str, variable_id: str) -> Variable:
    """Raises NotFound."""
    row = await view.one(f"{_VARIABLES} AND id = ?", tenant, variable_id)
    if row is None:
        raise NotFound(f"no variable has the id '{variable_id}'")
    return _variable(row)


async def variables(view: View, tenant: str, config_id: str, page: Page) -> list[Variable]:
    """A page of a config's, by age."""
    select = f"{_VARIABLES} AND config_id = ?"
    sql, bound = paged(select, [tenant, config_id], page, table="sandbox_variable", tenant=tenant)
    return [_variable(row) for row in await view.fetch(sql, *bound)]


async def handed(view: View, tenant: str, seal: Seal = UNSEALED) -> Secrets:
    """All variables of a tenant, for a sandbox alone. Raises CannotUnseal."""
    rows = await view.fetch("SELECT id, name, value FROM sandbox_variable WHERE tenant = ?", tenant)
    return Secrets({name: seal.opened(value, *_about(tenant, variable_id)) for variable_id, name, value in rows})


async def plan_variable(
    view: View, host: Host, seal: Seal, config: Config, name: str, value: str, description: str | None
) -> tuple[Variable, Changes]:
    """A new one. Raises InvalidInput, LimitExceeded, Conflict if there is one of its name."""
    secrets.check({name: value})
    found = await view.one("SELECT count(*), sum(name = ?) FROM sandbox_variable WHERE tenant = ?", name, config.tenant)
    assert found is not None
    if found[1]:
        raise Conflict(f"there is a variable {name} already")
    if found[0] >= limits.SECRETS_PER_AGENT_MAX:
        raise LimitExceeded("the list of variables", found[0] + 1, limits.SECRETS_PER_AGENT_MAX, "variables")
    now_ms = host.clock.now_ms()
    made = Variable(
        tenant=config.tenant,
        id=host.ids.new("sandbox-env"),
        config_id=config.id,
        name=name,
        description=description,
        created_at_ms=now_ms,
        updated_at_ms=now_ms,
    )
    kept = seal.sealed(value, *_about(config.tenant, made.id))
    changes = Changes().write(
        f"INSERT INTO sandbox_variable ({_VARIABLE}, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        *(made.tenant, made.id, made.config_id, name, description, now_ms, now_ms, kept),
    )
    return made, changes


async def plan_change_variable(
    view: View, seal: Seal, new: Variable, value: str | None, now_ms: int
) -> tuple[Variable, Changes]:
    """Another name or description; another value, if one is given. Guard "sandbox variable". Raises InvalidInput,
    Conflict if another has the name."""
    secrets.check({new.name: value or ""})
    taken = "SELECT 1 FROM sandbox_variable WHERE tenant = ? AND name = ? AND id != ?"
    if await view.one(taken, new.tenant, new.name, new.id) is not None:
        raise Conflict(f"there is a variable {new.name} already")
    new = msgspec.structs.replace(new, updated_at_ms=now_ms)
    kept = None if value is None else seal.sealed(value, *_about(new.tenant, new.id))
    changes = Changes().guard(
        "sandbox variable",
        "UPDATE sandbox_variable SET name = ?, description = ?, value = coalesce(?, value), updated_at_ms = ?"
        " WHERE tenant = ? AND id = ?",
        *(new.name, new.description, kept, now_ms, new.tenant, new.id),
    )
    return new, changes


def plan_delete_variable(one: Variable) -> Changes:
    """Guard "sandbox variable"."""
    sql = "DELETE FROM sandbox_variable WHERE tenant = ? AND id = ?"
    return Changes().guard("sandbox variable", sql, one.tenant, one.id)


def _about(tenant: str, variable_id: str) -> tuple[str, ...]:
    return tenant, "sandbox_variable", variable_id


def _config(row: Row) -> Config:
    tenant, config_id, settings, created_at_ms, updated_at_ms = row
    return Config(
        tenant=tenant,
        id=config_id,
        settings=msgspec.json.decode(settings),
        created_at_ms=created_at_ms,
        updated_at_ms=updated_at_ms,
    )


def _variable(row: Row) -> Variable:
    return Variable(**dict(zip(_VARIABLE.split(", "), row, strict=True)))


def _json(settings: dict[str, Any]) -> str:
    return msgspec.json.encode(settings).decode()
