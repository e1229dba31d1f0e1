"""Collections: facts that several agents share. Each is a scope of umi's memory that agents are given.

An agent writes down in its first collection, if it has one, and else in its own memory; it searches all of them and its
own. On the wire they are archives.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.errors import Conflict, GuardFailed, InvalidInput, LimitExceeded, NotFound
from kelpie.people import scopes
from kelpie.tools import limits
from umi import archival, embed
from umi.entity import Recalled, check_text
from umi.memory import Archive
from umi.storage import Changes, Page, View, paged

GUARD = "collection"
_GET = "SELECT body FROM collection WHERE tenant = ? AND id = ?"
_ATTACH = (
    "INSERT INTO agent_collection (tenant, agent_id, collection_id) SELECT tenant, ?3, id FROM collection"
    " WHERE tenant = ?1 AND id = ?2"
    " ON CONFLICT (tenant, agent_id, collection_id) DO UPDATE SET collection_id = excluded.collection_id"
)
_OF_AGENT = "SELECT collection_id FROM agent_collection WHERE tenant = ? AND agent_id = ? ORDER BY seq"


class Collection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    tenant: str
    id: str
    name: str
    description: str | None = None
    version: int = 1
    created_at_ms: int = 0
    updated_at_ms: int | None = None

    @property
    def scope(self) -> str:
        """Where its facts are; no agent's own memory can be there."""
        return scopes.of_collection(self.id)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Collection).decode


def check(collection: Collection) -> None:
    """Raise InvalidInput or LimitExceeded for what can't be stored."""
    for what, text, maximum in (
        ("the collection's name", collection.name, limits.COLLECTION_NAME_CHARS_MAX),
        ("the collection's description", collection.description or "", limits.COLLECTION_DESCRIPTION_CHARS_MAX),
    ):
        check_text(what, text)
        if len(text) > maximum:
            raise LimitExceeded(what, len(text), maximum, "characters")
    if not collection.name.strip():
        raise InvalidInput("the collection's name is blank")


def plan_create(collection: Collection) -> Changes:
    """Raises InvalidInput, LimitExceeded."""
    check(collection)
    sql = "INSERT INTO collection (tenant, id, name, body, version) VALUES (?, ?, ?, ?, 1)"
    return Changes().write(sql, collection.tenant, collection.id, collection.name, _encode(collection))


async def edit(view: View, tenant: str, collection_id: str, now_ms: int, fields: dict[str, Any]) -> Collection:
    """Change some fields, whoever else is changing others. Raises NotFound, Conflict, InvalidInput, LimitExceeded."""
    for _ in range(limits.COLLECTION_WRITE_ATTEMPTS_MAX):
        old = await get(view, tenant, collection_id)
        new = msgspec.structs.replace(old, **fields, version=old.version + 1, updated_at_ms=now_ms)
        check(new)
        sql = "UPDATE collection SET name = ?, body = ?, version = ? WHERE tenant = ? AND id = ? AND version = ?"
        changed = (new.name, _encode(new), new.version, tenant, collection_id, old.version)
        try:
            await view.database.commit(Changes().guard(GUARD, sql, *changed))
        except GuardFailed:
            continue
        return new
    raise Conflict(f"collection '{collection_id}' is being changed by too many writers at once; try again")


def plan_delete(collection: Collection) -> Changes:
    """Remove a collection with its facts, and it from every agent. Guard "collection"."""
    at = collection.tenant, collection.id
    changes = Changes().guard(GUARD, "DELETE FROM collection WHERE tenant = ? AND id = ?", *at)
    changes.write("DELETE FROM agent_collection WHERE tenant = ? AND collection_id = ?", *at)
    changes.extend(archival.plan_forget_scope(collection.tenant, collection.scope))
    return changes.extend(embed.plan_forget_scope(collection.tenant, collection.scope))


def exists(tenant: str, collection_id: str) -> Changes:
    """Guard "collection": it is there, for a commit that stands on it."""
    return Changes().guard(GUARD, _GET, tenant, collection_id)


async def get(view: View, tenant: str, collection_id: str) -> Collection:
    row = await view.one(_GET, tenant, collection_id)
    if row is None:
        raise NotFound(f"no archive has the id '{collection_id}'")
    return _decode(row[0])


async def list_collections(
    view: View, tenant: str, page: Page, *, name: str | None = None, agent_id: str | None = None
) -> list[Collection]:
    """A page of a tenant's collections by age; those of an agent, or of exactly this name."""
    select, params = "SELECT body FROM collection WHERE tenant = ?", [tenant]
    if name is not None:
        select += " AND name = ?"
        params.append(name)
    if agent_id is not None:
        select += " AND id IN (SELECT collection_id FROM agent_collection WHERE tenant = ? AND agent_id = ?)"
        params += [tenant, agent_id]
    sql, bound = paged(select, params, page, table="collection", tenant=tenant)
    return [_decode(row[0]) for row in await view.fetch(sql, *bound)]


# ---- of agents


async def plan_attach(view: View, tenant: str, agent_id: str, collection_id: str) -> Changes:
    """Give an agent a collection; twice is harmless. Guard "collection": it is there. Raises LimitExceeded."""
    had = [row[0] for row in await view.fetch(_OF_AGENT, tenant, agent_id)]
    if collection_id not in had and len(had) >= limits.COLLECTIONS_PER_AGENT_MAX:
        raise LimitExceeded("the agent's list of archives", len(had) + 1, limits.COLLECTIONS_PER_AGENT_MAX, "archives")
    return Changes().guard(GUARD, _ATTACH, tenant, collection_id, agent_id)


def plan_detach(tenant: str, agent_id: str, collection_id: str) -> Changes:
    sql = "DELETE FROM agent_collection WHERE tenant = ? AND agent_id = ? AND collection_id = ?"
    return Changes().write(sql, tenant, agent_id, collection_id)


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    """Take everything from an agent that is being deleted; what it wrote into collections stays."""
    return Changes().write("DELETE FROM agent_collection WHERE tenant = ? AND agent_id = ?", tenant, agent_id)


async def agents_of(view: View, tenant: str, collection_id: str) -> list[str]:
    sql = "SELECT agent_id FROM agent_collection WHERE tenant = ? AND collection_id = ? ORDER BY seq"
    return [row[0] for row in await view.fetch(sql, tenant, collection_id)]


async def searched(view: View, tenant: str, agent_id: str) -> list[str]:
    """The scopes that an agent looks through: its collections, in the order it was given them, then its own."""
    found = await view.fetch(_OF_AGENT, tenant, agent_id)
    return [*(scopes.of_collection(row[0]) for row in found), agent_id]


async def written(view: View, tenant: str, agent_id: str) -> tuple[str, Changes]:
    """The scope that an agent writes down in, and the guard that it is there still when that is committed."""
    scope = (await searched(view, tenant, agent_id))[0]
    collection_id = scopes.collection_in(scope)
    return scope, Changes() if collection_id is None else exists(tenant, collection_id)


async def recall(
    archive: Archive, view: View, tenant: str, asked: Sequence[str], query: str, *, limit: int, **wanted: Any
) -> list[Recalled]:
    """What bears on a query in several scopes, best first. The rest is as in umi's `Archive.recall`."""
    found: list[Recalled] = []
    for scope in asked:
        found += await archive.recall(view, tenant, scope, query, limit=limit, **wanted)
    return sorted(found, key=lambda one: -one.score)[:limit]
