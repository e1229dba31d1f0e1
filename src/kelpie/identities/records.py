"""Identities as rows, and the agents and blocks they are attached to."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.identities import limits
from umi.entity import check_json, check_text
from umi.storage import Changes, Page, Row, View, paged

GUARD = "identity"
Kind = Literal["org", "user", "other"]
Owner = Literal["agent", "block"]
PropertyType = Literal["string", "number", "boolean", "json"]

_TYPES: dict[PropertyType, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}
_MOST: dict[Owner, int] = {"agent": limits.IDENTITY_AGENTS_MAX, "block": limits.IDENTITY_BLOCKS_MAX}
_GET = "SELECT body FROM identity WHERE tenant = ? AND id = ?"
_BY_KEY = "SELECT body FROM identity WHERE tenant = ? AND key = ?"


class Property(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: Any
    type: PropertyType


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`key` is the client's own name for it, one of a kind in its tenant."""

    tenant: str
    id: str
    key: str
    name: str
    kind: Kind
    properties: list[Property] = []
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int | None = None


class Attached(msgspec.Struct, frozen=True):
    """The ids of what an identity is attached to, in the order of attaching."""

    agents: list[str]
    blocks: list[str]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Identity).decode


def check(identity: Identity) -> None:
    """Raise InvalidInput or LimitExceeded for what can't be stored."""
    for what, text, maximum in (
        ("the identity's name", identity.name, limits.IDENTITY_NAME_CHARS_MAX),
        ("the identity's key", identity.key, limits.IDENTITY_KEY_CHARS_MAX),
    ):
        check_text(what, text)
        if not text.strip():
            raise InvalidInput(f"{what} is blank")
        if len(text) > maximum:
            raise LimitExceeded(what, len(text), maximum, "characters")
    if (count := len(identity.properties)) > limits.IDENTITY_PROPERTIES_MAX:
        raise LimitExceeded("the identity's properties", count, limits.IDENTITY_PROPERTIES_MAX, "properties")
    for one in identity.properties:
        _check_property(one)
    if (size := len(msgspec.json.encode(identity.properties))) > limits.IDENTITY_PROPERTIES_BYTES_MAX:
        raise LimitExceeded("the identity's properties", size, limits.IDENTITY_PROPERTIES_BYTES_MAX, "bytes")


def _check_property(one: Property) -> None:
    check_text("a property's key", one.key)
    check_json("a property's value", {one.key: one.value}, limits.IDENTITY_PROPERTIES_BYTES_MAX)
    wanted = _TYPES.get(one.type, (dict,))
    if not isinstance(one.value, wanted) or (isinstance(one.value, bool) and one.type != "boolean"):
        raise InvalidInput(f"the property '{one.key[:64]}' says it is of type {one.type}, and its value is not")


# ---- writing


def plan_create(identity: Identity) -> Changes:
    """A key that is taken makes the commit fail with Conflict. Raises InvalidInput, LimitExceeded."""
    check(identity)
    return Changes().write(
        "INSERT INTO identity VALUES (NULL, ?, ?, ?, ?, ?, ?, 1)",
        identity.tenant,
        identity.id,
        identity.key,
        identity.name,
        identity.kind,
        _encode(identity),
    )


def plan_update(old: Identity, fields: Mapping[str, Any], now_ms: int) -> tuple[Identity, Changes]:
    """Guard "identity": nobody changed it since it was read. Raises InvalidInput, LimitExceeded."""
    new = msgspec.structs.replace(old, **fields, version=old.version + 1, updated_at_ms=now_ms)
    check(new)
    sql = "UPDATE identity SET key = ?, name = ?, kind = ?, body = ?, version = ?"
    changed = (new.key, new.name, new.kind, _encode(new), new.version)
    where = " WHERE tenant = ? AND id = ? AND version = ?"
    return new, Changes().guard(GUARD, sql + where, *changed, old.tenant, old.id, old.version)


async def edit(
    view: View,
    tenant: str,
    identity_id: str,
    now_ms: int,
    fields: Mapping[str, Any],
    attached: Mapping[Owner, Sequence[str]] | None = None,
    there: Changes | None = None,
) -> Identity:
    """Change some fields, whoever else is changing others, and make `attached`, where given, exactly what it is
    attached to.

    there  guards that those agents and blocks are there
    Raises NotFound, Conflict, InvalidInput, LimitExceeded, and GuardFailed for what isn't there.
    """
    for _ in range(limits.IDENTITY_WRITE_ATTEMPTS_MAX):
        old = await get(view, tenant, identity_id)
        if "key" in fields and fields["key"] != old.key and await with_key(view, tenant, fields["key"]) is not None:
            raise _taken(fields["key"])
        new, changes = plan_update(old, fields, now_ms)
        for owner, ids in (attached or {}).items():
            changes.extend(plan_replace(owner, tenant, identity_id, ids))
        try:
            await view.database.commit(changes.extend(there or Changes()))
        except (GuardFailed, Conflict) as error:
            if isinstance(error, GuardFailed) and error.guard != GUARD:
                raise
            continue
        return new
    raise Conflict(f"identity '{identity_id}' is being changed by too many writers at once; try again")


def _taken(key: str) -> Conflict:
    return Conflict(f"another identity has the key '{key[: limits.IDENTITY_KEY_CHARS_MAX]}' already")


async def create(
    view: View, identity: Identity, attached: Mapping[Owner, Sequence[str]], there: Changes | None = None
) -> None:
    """With what it is attached to; `there` guards that this is there. Raises Conflict (its key is taken), InvalidInput,
    LimitExceeded, GuardFailed."""
    changes = (there or Changes()).extend(plan_create(identity))
    for owner, ids in attached.items():
        changes.extend(plan_replace(owner, identity.tenant, identity.id, ids))
    try:
        await view.database.commit(changes)
    except Conflict:
        raise _taken(identity.key) from None


def plan_delete(tenant: str, identity_id: str) -> Changes:
    """What it was attached to stays. Guard "identity"."""
    changes = Changes().guard(GUARD, "DELETE FROM identity WHERE tenant = ? AND id = ?", tenant, identity_id)
    for owner in _MOST:
        changes.write(f"DELETE FROM identity_{owner} WHERE tenant = ? AND identity_id = ?", tenant, identity_id)
    return changes


def plan_attach(owner: Owner, tenant: str, identity_id: str, owner_id: str) -> Changes:
    """Attach it to an agent or a block that is there; twice is harmless. Guard "identity": it is there, and neither of
    them has too many already."""
    table = f"identity_{owner}"
    room = (
        f"SELECT 1 FROM identity WHERE tenant = ?1 AND id = ?2 AND (EXISTS (SELECT 1 FROM {table} WHERE tenant = ?1"
        f" AND identity_id = ?2 AND {owner}_id = ?3) OR ((SELECT count(*) FROM {table} WHERE tenant = ?1"
        f" AND identity_id = ?2) < {_MOST[owner]} AND (SELECT count(*) FROM {table} WHERE tenant = ?1"
        f" AND {owner}_id = ?3) < {limits.IDENTITIES_PER_OWNER_MAX}))"
    )
    changes = Changes().guard(GUARD, room, tenant, identity_id, owner_id)
    return changes.extend(_plan_insert(owner, tenant, identity_id, owner_id))


def _plan_insert(owner: Owner, tenant: str, identity_id: str, owner_id: str) -> Changes:
    sql = f"INSERT INTO identity_{owner} VALUES (NULL, ?, ?, ?) ON CONFLICT DO NOTHING"
    return Changes().write(sql, tenant, identity_id, owner_id)


def plan_detach(owner: Owner, tenant: str, identity_id: str, owner_id: str) -> Changes:
    sql = f"DELETE FROM identity_{owner} WHERE tenant = ? AND identity_id = ? AND {owner}_id = ?"
    return Changes().write(sql, tenant, identity_id, owner_id)


def plan_replace(owner: Owner, tenant: str, identity_id: str, ids: Sequence[str]) -> Changes:
    """Make these, which are there, exactly the agents or blocks it is attached to. Raises LimitExceeded."""
    ids = list(dict.fromkeys(ids))
    if len(ids) > _MOST[owner]:
        raise LimitExceeded(f"the identity's list of {owner}s", len(ids), _MOST[owner], f"{owner}s")
    sql = f"DELETE FROM identity_{owner} WHERE tenant = ? AND identity_id = ?"
    changes = Changes().write(sql, tenant, identity_id)
    for owner_id in ids:
        changes.extend(_plan_insert(owner, tenant, identity_id, owner_id))
    return changes


async def plan_give(view: View, owner: Owner, tenant: str, owner_id: str, identity_ids: Sequence[str]) -> Changes:
    """Make these exactly the identities of an agent or a block. Guard "identity". Raises NotFound, LimitExceeded."""
    wanted = list(dict.fromkeys(identity_ids))
    if len(wanted) > limits.IDENTITIES_PER_OWNER_MAX:
        what, most = f"the {owner}'s list of identities", limits.IDENTITIES_PER_OWNER_MAX
        raise LimitExceeded(what, len(wanted), most, "identities")
    changes = plan_forget(owner, tenant, owner_id)
    for identity_id in wanted:
        await get(view, tenant, identity_id)
        changes.extend(plan_attach(owner, tenant, identity_id, owner_id))
    return changes


def plan_forget(owner: Owner, tenant: str, owner_id: str) -> Changes:
    """Take every identity from an agent or a block."""
    return Changes().write(f"DELETE FROM identity_{owner} WHERE tenant = ? AND {owner}_id = ?", tenant, owner_id)


# ---- reading


async def get(view: View, tenant: str, identity_id: str) -> Identity:
    row = await view.one(_GET, tenant, identity_id)
    if row is None:
        raise NotFound(f"no identity has the id '{identity_id}'")
    return _decode(row[0])


async def with_key(view: View, tenant: str, key: str) -> Identity | None:
    row = await view.one(_BY_KEY, tenant, key)
    return None if row is None else _decode(row[0])


async def list_identities(
    view: View, tenant: str, page: Page, *, name: str | None = None, key: str | None = None, kind: Kind | None = None
) -> list[Identity]:
    """A page of a tenant's identities by age; those with `name` in their name, of exactly this key, of a kind."""
    select, params = "SELECT body FROM identity WHERE tenant = ?", [tenant]
    for term, value in (("instr(lower(name), lower(?)) > 0", name), ("key = ?", key), ("kind = ?", kind)):
        if value is not None:
            select += f" AND {term}"
            params.append(value)
    sql, bound = paged(select, params, page, table="identity", tenant=tenant)
    return [_decode(row[0]) for row in await view.fetch(sql, *bound)]


async def count(view: View, tenant: str) -> int:
    total: int = (await view.fetch("SELECT count(*) FROM identity WHERE tenant = ?", tenant))[0][0]
    return total


async def attached(view: View, tenant: str, identities: Sequence[Identity]) -> dict[str, Attached]:
    """What each of them is attached to, by its id."""
    found = {one.id: Attached([], []) for one in identities}
    ids = _json(found)
    agents, blocks = await view.all(
        (_of_identities("agent"), (tenant, ids)),
        (_of_identities("block"), (tenant, ids)),
    )
    for identity_id, agent_id in agents:
        found[identity_id].agents.append(agent_id)
    for identity_id, block_id in blocks:
        found[identity_id].blocks.append(block_id)
    return found


def _of_identities(owner: Owner) -> str:
    return (
        f"SELECT identity_id, {owner}_id FROM identity_{owner} WHERE tenant = ?"
        " AND identity_id IN (SELECT value FROM json_each(?)) ORDER BY seq"
    )


# For a JSON list of agents: agent and body of each identity it has, in the order it was given them.
OF_AGENTS = (
    "SELECT a.agent_id, identity.body FROM identity_agent a JOIN identity ON identity.tenant = a.tenant"
    " AND identity.id = a.identity_id WHERE a.tenant = ? AND a.agent_id IN (SELECT value FROM json_each(?))"
    " ORDER BY a.seq"
)


async def owners_of(
    view: View, owner: Owner, tenant: str, *, ids: Sequence[str] = (), keys: Sequence[str] = ()
) -> list[str]:
    """The agents or blocks that have any of these identities, named by id or by key."""
    sql = (
        f"SELECT DISTINCT o.{owner}_id FROM identity_{owner} o JOIN identity ON identity.tenant = o.tenant"
        " AND identity.id = o.identity_id WHERE o.tenant = ? AND (identity.id IN (SELECT value FROM json_each(?))"
        " OR identity.key IN (SELECT value FROM json_each(?)))"
    )
    return [row[0] for row in await view.fetch(sql, tenant, _json(ids), _json(keys))]


async def owners_matching(
    view: View, owner: Owner, tenant: str, identity_id: str | None, keys: Sequence[str] | None
) -> list[str] | None:
    """The agents or blocks that have this identity, and one of these keys, as far as either is asked for; None if
    neither is. Raises NotFound for an identity that is not there."""
    found: list[set[str]] = []
    if identity_id is not None:
        await get(view, tenant, identity_id)
        found.append(set(await owners_of(view, owner, tenant, ids=[identity_id])))
    if keys:
        found.append(set(await owners_of(view, owner, tenant, keys=keys)))
    return sorted(set.intersection(*found)) if found else None


def _json(values: Any) -> str:
    return msgspec.json.encode(list(values)).decode()


def from_row(row: Row) -> tuple[str, Identity]:
    """A row of OF_AGENTS: the agent's id, and an identity of its."""
    return row[0], _decode(row[1])
