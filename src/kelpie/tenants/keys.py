"""Keys as rows. A key is random, shown to whoever makes it, once, and kept as its SHA-256: with 256 bits of chance in
it there is nothing to guess, and so nothing that a slow hash would protect.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from kelpie.config import KeyOwner, KeyScope
from kelpie.errors import InvalidInput, LimitExceeded, NotFound
from kelpie.tenants import limits
from umi.dst import Host
from umi.storage import Changes, Page, Row, View
from umi.storage.page import paged

KEY_PREFIX = "kelpie_"  # so that scanners of leaked keys, and our own gate, tell one from what is none
SCOPES: tuple[KeyScope, ...] = ("read", "write", "admin")
_HINT_CHARS = 4
_COLUMNS = "tenant, id, name, hint, scope, people, created_at_ms, expires_at_ms, revoked_at_ms"
_SELECT = f"SELECT {_COLUMNS} FROM api_key WHERE tenant = ?"
_INSERT = f"INSERT INTO api_key ({_COLUMNS}, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LIVING = "revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ?)"
_FORGET = "DELETE FROM api_key WHERE tenant = ? AND coalesce(revoked_at_ms, expires_at_ms) < ?"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key. `hint` are its last characters, for people who look for the one they hold.

    people  handles and team names it speaks for alone; empty for everybody of the tenant
    """

    tenant: str
    id: str
    name: str
    hint: str
    scope: KeyScope
    people: tuple[str, ...] = ()
    created_at_ms: int = 0
    expires_at_ms: int | None = None
    revoked_at_ms: int | None = None

    @property
    def owner(self) -> KeyOwner:
        return KeyOwner(self.tenant, self.people, self.scope)

    def opens_at(self, now_ms: int) -> bool:
        return self.revoked_at_ms is None and (self.expires_at_ms is None or now_ms < self.expires_at_ms)


class Found(NamedTuple):
    """A key's row, and its digest, by which rings know it."""

    record: KeyRecord
    digest: bytes


def digest_of(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def plan_create(
    view: View,
    host: Host,
    tenant: str,
    *,
    name: str,
    scope: KeyScope,
    people: Sequence[str] = (),
    expires_at_ms: int | None = None,
) -> tuple[KeyRecord, str, Changes]:
    """A new key: its record, the key itself, and what makes it count. Raises InvalidInput, LimitExceeded."""
    now_ms = host.clock.now_ms()
    _check(name, scope, people, expires_at_ms, now_ms)
    row = await view.one(f"SELECT count(*) FROM api_key WHERE tenant = ? AND {_LIVING}", tenant, now_ms)
    assert row is not None
    if row[0] >= limits.KEYS_PER_TENANT_MAX:
        raise LimitExceeded("the tenant's list of keys", row[0] + 1, limits.KEYS_PER_TENANT_MAX, "keys")
    key = KEY_PREFIX + base64.urlsafe_b64encode(host.rng.bytes(limits.KEY_BYTES)).decode().rstrip("=")
    made = KeyRecord(
        tenant=tenant,
        id=host.ids.new("key"),
        name=name,
        hint=key[-_HINT_CHARS:],
        scope=scope,
        people=tuple(people),
        created_at_ms=now_ms,
        expires_at_ms=expires_at_ms,
    )
    values = (tenant, made.id, name, made.hint, scope, msgspec.json.encode(made.people).decode(), now_ms, expires_at_ms)
    changes = Changes().write(_FORGET, tenant, now_ms - limits.KEYS_ENDED_KEPT_MS)
    return made, key, changes.write(_INSERT, *values, None, digest_of(key))


async def get(view: View, tenant: str, key_id: str) -> KeyRecord:
    """Raises NotFound."""
    row = await view.one(f"{_SELECT} AND id = ?", tenant, key_id)
    if row is None:
        raise NotFound(f"no key has the id '{key_id}'")
    return _from_row(row)


async def list_keys(view: View, tenant: str, page: Page) -> list[KeyRecord]:
    """A tenant's keys by age, those that ended lately included."""
    sql, bound = paged(_SELECT, (tenant,), page, table="api_key", tenant=tenant)
    return [_from_row(row) for row in await view.fetch(sql, *bound)]


async def find(view: View, digest: bytes) -> KeyRecord | None:
    """The key of this digest, whosever it is, and whether or not it still opens anything."""
    row = await view.one(f"SELECT {_COLUMNS} FROM api_key WHERE digest = ?", digest)
    return None if row is None else _from_row(row)


async def plan_revoke(view: View, tenant: str, key_id: str, now_ms: int) -> tuple[Found, Changes]:
    """End a key; one that was revoked stays as it ended. Raises NotFound."""
    row = await view.one(f"SELECT {_COLUMNS}, digest FROM api_key WHERE tenant = ? AND id = ?", tenant, key_id)
    if row is None:
        raise NotFound(f"no key has the id '{key_id}'")
    record = _from_row(row[:-1])
    if record.revoked_at_ms is None:
        record = msgspec.structs.replace(record, revoked_at_ms=now_ms)
    sql = "UPDATE api_key SET revoked_at_ms = coalesce(revoked_at_ms, ?) WHERE tenant = ? AND id = ?"
    return Found(record, bytes(row[-1])), Changes().write(sql, now_ms, tenant, key_id)


def _check(name: str, scope: KeyScope, people: Sequence[str], expires_at_ms: int | None, now_ms: int) -> None:
    if not name.strip() or len(name) > limits.KEY_NAME_CHARS_MAX or not name.isprintable():
        raise InvalidInput(f"a key has a name of 1 to {limits.KEY_NAME_CHARS_MAX} printable characters")
    if scope not in SCOPES:
        raise InvalidInput(f"a key's scope is one of {', '.join(SCOPES)}, not {scope[:40]!r}")
    if len(people) > limits.KEY_PEOPLE_MAX or not all(one.strip() for one in people):
        raise InvalidInput(f"a key speaks for up to {limits.KEY_PEOPLE_MAX} people or teams by name, or for everybody")
    if people and scope == "admin":
        raise InvalidInput("a key that speaks for a few people alone can't administer their tenant")
    if expires_at_ms is not None and expires_at_ms <= now_ms:
        raise InvalidInput("a key expires in the future")


def _from_row(row: Row) -> KeyRecord:
    tenant, key_id, name, hint, scope, people, created_at_ms, expires_at_ms, revoked_at_ms = row
    return KeyRecord(
        tenant=tenant,
        id=key_id,
        name=name,
        hint=hint,
        scope=scope,
        people=msgspec.json.decode(people, type=tuple[str, ...]),
        created_at_ms=created_at_ms,
        expires_at_ms=expires_at_ms,
        revoked_at_ms=revoked_at_ms,
    )
