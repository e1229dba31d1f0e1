"""Tenants as rows, with their quotas. The default tenant, and those of configured keys, need no row."""

import re

import msgspec

from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from kelpie.tenants import limits
from umi.dst import Host
from umi.storage import Changes, Page, Row, View
from umi.storage.page import paged

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
THE_ASKING_ONE = "me"  # what whoever asks calls its own tenant
_SELECT = "SELECT id, quota, created_at_ms FROM tenant WHERE tenant = ''"
_INSERT = "INSERT INTO tenant (tenant, id, quota, created_at_ms) VALUES ('', ?, ?, ?)"
_UPSERT = f"{_INSERT} ON CONFLICT (tenant, id) DO UPDATE SET quota = excluded.quota"


class Quota(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How much of the server a tenant may use. None: as much as there is."""

    agents: int | None = None
    messages_per_minute: int | None = None
    storage_bytes: int | None = None
    open_runs: int | None = None


NO_QUOTA = Quota()


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is the name that keys and settings call it by."""

    id: str
    quota: Quota = NO_QUOTA
    created_at_ms: int = 0


def checked_name(name: str) -> str:
    """Raises InvalidInput."""
    if len(name) > limits.TENANT_CHARS_MAX or not _NAME.fullmatch(name):
        raise InvalidInput(
            f"a tenant is named with 1 to {limits.TENANT_CHARS_MAX} letters, digits, '_', '.', '-', not {name[:80]!r}"
        )
    if name == THE_ASKING_ONE:
        raise InvalidInput(f"'{name}' stands for the tenant that asks; name this one otherwise")
    return name


def checked_quota(quota: Quota) -> Quota:
    """Raises InvalidInput."""
    for name, value in msgspec.structs.asdict(quota).items():
        if value is not None and not 0 <= value <= limits.QUOTA_NUMBER_MAX:
            raise InvalidInput(f"the quota '{name}' is a whole number from 0 on, or null for none, not {value}")
    return quota


async def get(view: View, name: str) -> Tenant:
    """Raises NotFound."""
    row = await view.one(f"{_SELECT} AND id = ?", name)
    if row is None:
        raise NotFound(f"there is no tenant '{name[:100]}'")
    return _from_row(row)


async def every(view: View) -> list[Tenant]:
    """All there are, by age."""
    return [_from_row(row) for row in await view.fetch(f"{_SELECT} ORDER BY seq")]


async def page(view: View, wanted: Page) -> list[Tenant]:
    sql, bound = paged(_SELECT, (), wanted, table="tenant", tenant="")
    return [_from_row(row) for row in await view.fetch(sql, *bound)]


async def plan_create(view: View, host: Host, name: str, quota: Quota = NO_QUOTA) -> tuple[Tenant, Changes]:
    """Raises InvalidInput, LimitExceeded, and Conflict if there is one of that name."""
    made = Tenant(id=checked_name(name), quota=checked_quota(quota), created_at_ms=host.clock.now_ms())
    found = await view.one("SELECT count(*), sum(id = ?) FROM tenant WHERE tenant = ''", name)
    assert found is not None
    if found[1]:
        raise Conflict(f"there is a tenant '{name}' already")
    if found[0] >= limits.TENANTS_MAX:
        raise LimitExceeded("the list of tenants", found[0] + 1, limits.TENANTS_MAX, "tenants")
    return made, Changes().write(_INSERT, made.id, _json(made.quota), made.created_at_ms)


def plan_quota(host: Host, name: str, quota: Quota) -> Changes:
    """Give a tenant this quota; one that has no row yet gets it. Raises InvalidInput."""
    return Changes().write(_UPSERT, name, _json(checked_quota(quota)), host.clock.now_ms())


def _from_row(row: Row) -> Tenant:
    return Tenant(id=row[0], quota=msgspec.json.decode(row[1], type=Quota), created_at_ms=row[2])


def _json(quota: Quota) -> str:
    return msgspec.json.encode(quota).decode()
