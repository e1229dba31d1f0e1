"""Providers of a tenant as rows, each with keys of its own. The keys lie sealed, and no read of a row returns them."""

import logging
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

from kelpie.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from kelpie.models import limits
from kelpie.sealing import CannotUnseal, Seal
from umi.dst import Host
from umi.storage import Changes, Migration, Page, Row, View
from umi.storage.page import paged

_log = logging.getLogger("kelpie.models")

MIGRATIONS = [
    Migration(
        "kelpie.models",
        1,
        """
        CREATE TABLE provider (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, provider_type TEXT NOT NULL,
            base_url TEXT, region TEXT, api_version TEXT,
            key TEXT NOT NULL, access_key TEXT NOT NULL, -- sealed, or '' for none
            created_at_ms INTEGER NOT NULL, updated_at_ms INTEGER NOT NULL, listed_at_ms INTEGER,
            version INTEGER NOT NULL,
            UNIQUE (tenant, id), UNIQUE (tenant, name)
        ) STRICT;
        """,
    )
]
_COLUMNS = (
    "tenant, id, name, provider_type, base_url, region, api_version, created_at_ms, updated_at_ms, listed_at_ms,"
    " version"
)
_SELECT = f"SELECT {_COLUMNS} FROM provider WHERE tenant = ?"
_INSERT = f"INSERT INTO provider ({_COLUMNS}, key, access_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE = (
    "UPDATE provider SET base_url = ?, region = ?, api_version = ?, key = ?, access_key = ?, updated_at_ms = ?,"
    " listed_at_ms = NULL, version = version + 1 WHERE tenant = ? AND id = ? AND version = ?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PRINTABLE = re.compile(r"[\x21-\x7e]*")
_REGION = re.compile(r"[a-z0-9-]{1,32}")  # it becomes a part of a host's name
_OWN = ("kelpie", "local")  # models in this process: their handles mean the same for everybody


@dataclass(frozen=True, slots=True)
class Credentials:
    """A dataclass whose repr is silent."""

    key: str = field(default="", repr=False)
    access_key: str = field(default="", repr=False)


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what its handles begin with. `listed_at_ms` is when somebody last had it say what models it has."""

    tenant: str
    id: str
    name: str
    provider_type: str
    base_url: str | None = None
    region: str | None = None
    api_version: str | None = None
    created_at_ms: int = 0
    updated_at_ms: int = 0
    listed_at_ms: int | None = None
    version: int = 1


async def get(view: View, tenant: str, provider_id: str) -> ProviderRow:
    """Raises NotFound."""
    row = await view.one(f"{_SELECT} AND id = ?", tenant, provider_id)
    if row is None:
        raise NotFound(f"no provider has the id '{provider_id}'")
    return _from_row(row)


async def list_rows(
    view: View, tenant: str, page: Page, *, name: str | None = None, provider_type: str | None = None
) -> list[ProviderRow]:
    """A tenant's providers by age."""
    select, params = _SELECT, [tenant]
    for column, value in (("name", name), ("provider_type", provider_type)):
        if value is not None:
            select += f" AND {column} = ?"
            params.append(value)
    sql, bound = paged(select, params, page, table="provider", tenant=tenant)
    return [_from_row(row) for row in await view.fetch(sql, *bound)]


async def every(view: View, seal: Seal) -> list[tuple[ProviderRow, Credentials]]:
    """The providers of all tenants, by age, with what opens them. One whose key does not open is logged and left out:
    its agents are refused by their model's name, and all others work."""
    found = []
    for row in await view.fetch(f"SELECT {_COLUMNS}, key, access_key FROM provider ORDER BY seq"):
        try:
            found.append(_opened(seal, row))
        except CannotUnseal as error:
            _log.warning("the provider '%s' of tenant '%s' is left out: %s", row[2], row[0], error)
    return found


async def credentials_of(view: View, seal: Seal, row: ProviderRow) -> Credentials:
    """Raises NotFound, CannotUnseal."""
    found = await view.one(
        f"SELECT {_COLUMNS}, key, access_key FROM provider WHERE tenant = ? AND id = ?", row.tenant, row.id
    )
    if found is None:
        raise NotFound(f"no provider has the id '{row.id}'")
    return _opened(seal, found)[1]


async def plan_create(
    view: View, host: Host, seal: Seal, row: ProviderRow, credentials: Credentials
) -> tuple[ProviderRow, Changes]:
    """A new provider of `row`'s tenant. Raises InvalidInput, LimitExceeded, and Conflict if the name is taken."""
    check(row, credentials)
    found = await view.one("SELECT count(*), sum(name = ?) FROM provider WHERE tenant = ?", row.name, row.tenant)
    assert found is not None
    if found[1]:
        raise Conflict(f"a provider named '{row.name}' exists already")
    if found[0] >= limits.PROVIDERS_PER_TENANT_MAX:
        raise LimitExceeded("the list of providers", found[0] + 1, limits.PROVIDERS_PER_TENANT_MAX, "providers")
    now_ms = host.clock.now_ms()
    made = msgspec.structs.replace(row, id=host.ids.new("provider"), created_at_ms=now_ms, updated_at_ms=now_ms)
    values = (getattr(made, name) for name in _COLUMNS.replace(" ", "").split(","))
    return made, Changes().write(_INSERT, *values, *_sealed(seal, made, credentials))


def plan_update(
    host: Host, seal: Seal, old: ProviderRow, new: ProviderRow, credentials: Credentials
) -> tuple[ProviderRow, Changes]:
    """Put these in the place of what is there. Guard "provider". Raises InvalidInput."""
    check(new, credentials)
    new = msgspec.structs.replace(new, updated_at_ms=host.clock.now_ms(), listed_at_ms=None, version=old.version + 1)
    values = (new.base_url, new.region, new.api_version, *_sealed(seal, old, credentials), new.updated_at_ms)
    return new, Changes().guard("provider", _UPDATE, *values, old.tenant, old.id, old.version)


def plan_listed(row: ProviderRow, now_ms: int) -> tuple[ProviderRow, Changes]:
    """Note that it said what it has. Guard "provider"."""
    sql = "UPDATE provider SET listed_at_ms = ? WHERE tenant = ? AND id = ? AND version = ?"
    changes = Changes().guard("provider", sql, now_ms, row.tenant, row.id, row.version)
    return msgspec.structs.replace(row, listed_at_ms=now_ms), changes


def plan_delete(row: ProviderRow) -> Changes:
    """Guard "provider"."""
    return Changes().guard("provider", "DELETE FROM provider WHERE tenant = ? AND id = ?", row.tenant, row.id)


def check(row: ProviderRow, credentials: Credentials) -> None:
    """What no header, path or handle can carry is refused here, not at the first message. No text repeats a key, or
    the credentials in an address. Raises InvalidInput."""
    if len(row.name) > limits.PROVIDER_NAME_CHARS_MAX or not _NAME.fullmatch(row.name):
        raise InvalidInput(
            f"a provider is named with 1 to {limits.PROVIDER_NAME_CHARS_MAX} letters, digits, '_', '.' and '-'"
        )
    if row.name in _OWN:
        raise InvalidInput(f"'{row.name}' names models of this server; give the provider another name")
    if row.region is not None and not _REGION.fullmatch(row.region):
        raise InvalidInput("a region is written like 'eu-west-1'")
    texts = {"base_url": row.base_url, "region": row.region, "api_version": row.api_version}
    for name, text in (*texts.items(), ("api_key", credentials.key), ("access_key", credentials.access_key)):
        if text is not None and (len(text) > limits.PROVIDER_TEXT_CHARS_MAX or not _PRINTABLE.fullmatch(text)):
            most = limits.PROVIDER_TEXT_CHARS_MAX
            raise InvalidInput(f"'{name}' has up to {most} visible ASCII characters, without spaces")
    if row.base_url is not None:
        _check_address(row.base_url)


def _check_address(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # read by whoever connects
    except ValueError:
        raise InvalidInput("'base_url' is no address") from None
    if "@" in parts.netloc:
        raise InvalidInput("'base_url' holds credentials; give them as 'api_key'")


def _sealed(seal: Seal, row: ProviderRow, credentials: Credentials) -> tuple[str, str]:
    return (
        seal.sealed(credentials.key, row.tenant, "provider.key", row.id),
        seal.sealed(credentials.access_key, row.tenant, "provider.access_key", row.id),
    )


def _opened(seal: Seal, found: Row) -> tuple[ProviderRow, Credentials]:
    row = _from_row(found[:-2])
    key = seal.opened(found[-2], row.tenant, "provider.key", row.id)
    return row, Credentials(key, seal.opened(found[-1], row.tenant, "provider.access_key", row.id))


def _from_row(row: Row) -> ProviderRow:
    return ProviderRow(**dict(zip(_COLUMNS.replace(" ", "").split(","), row, strict=True)))
