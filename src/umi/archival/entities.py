"""The named things that facts mention: one row for a name in a scope, whatever else it was taken for before."""

from collections.abc import Sequence

import msgspec

from umi import limits
from umi.archival.keys import name_key
from umi.archival.schema import columns_of
from umi.dst.ids import named_uuid
from umi.entity import Entity, Mention
from umi.errors import NotFound
from umi.storage import Changes, Page, Row, View, paged

COLUMNS = (
    "tenant, id, scope, type, name, aliases, attributes, summary, importance, mentions, first_seen_ms, last_seen_ms"
)
# A thing that was a note or a topic, for want of better, gets its type when somebody says what it is.
_UPSERT = (
    "INSERT INTO entity (tenant, id, scope, type, name, key, aliases, attributes, summary, summary_fact, importance,"
    " mentions, accesses, first_seen_ms, last_seen_ms)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, '[]', ?7, ?8, ?9, ?10, 1, 0, ?11, ?11)"
    " ON CONFLICT (tenant, scope, key) DO UPDATE SET mentions = entity.mentions + 1,"
    " type = CASE WHEN entity.type = 'note' OR (entity.type = 'topic' AND excluded.type <> 'note') THEN excluded.type"
    " ELSE entity.type END,"
    " attributes = CASE excluded.attributes WHEN '{}' THEN entity.attributes ELSE excluded.attributes END,"
    " summary = CASE WHEN excluded.last_seen_ms >= entity.last_seen_ms THEN excluded.summary ELSE entity.summary END,"
    " summary_fact = CASE WHEN excluded.last_seen_ms >= entity.last_seen_ms THEN excluded.summary_fact"
    " ELSE entity.summary_fact END,"
    " importance = CASE WHEN excluded.importance > entity.importance THEN excluded.importance"
    " ELSE entity.importance END,"
    " last_seen_ms = CASE WHEN excluded.last_seen_ms > entity.last_seen_ms THEN excluded.last_seen_ms"
    " ELSE entity.last_seen_ms END"
)
_MENTION = (
    "INSERT INTO mention (entity_seq, fact_seq) SELECT e.seq, f.seq FROM entity e, fact f"
    " WHERE e.tenant = ?1 AND e.scope = ?2 AND e.key = ?3 AND f.tenant = ?1 AND f.id = ?4 ON CONFLICT DO NOTHING"
)
_LIVE = (
    " AND EXISTS (SELECT 1 FROM mention m JOIN fact f ON f.seq = m.fact_seq"
    " WHERE m.entity_seq = entity.seq AND f.known_to_ms IS NULL)"
)


def entity_from_row(row: Row) -> Entity:
    return Entity(
        tenant=row[0],
        id=row[1],
        scope=row[2],
        type=row[3],
        name=row[4],
        aliases=msgspec.json.decode(row[5]),
        attributes=msgspec.json.decode(row[6]),
        summary=row[7],
        importance=row[8],
        mentions=row[9],
        first_seen_ms=row[10],
        last_seen_ms=row[11],
    )


def plan_mention(
    tenant: str,
    scope: str,
    fact_id: str,
    mention: Mention,
    *,
    importance: float,
    seen_ms: int,
    entity_id: str | None = None,
) -> Changes:
    """Note that a fact mentions a thing, which becomes an entity unless its name is one already. Its id follows from
    scope and name, unless it has one: who writes it first, or writes it again, doesn't matter."""
    key = name_key(mention.name)
    entity_id = entity_id or f"entity-{named_uuid(f'{tenant}/{scope}/{key}')}"
    attributes = msgspec.json.encode(mention.attributes).decode()
    what = (mention.type, mention.name, key, attributes, mention.content, fact_id, importance, seen_ms)
    return Changes().write(_UPSERT, tenant, entity_id, scope, *what).write(_MENTION, tenant, scope, key, fact_id)


def recent(tenant: str, scope: str, limit: int) -> tuple[str, tuple[str | int, ...]]:
    """The query for name, type and aliases of the entities mentioned last: those that a pronoun may mean next."""
    select = f"SELECT name, type, aliases FROM entity WHERE tenant = ? AND scope = ?{_LIVE}"
    return f"{select} ORDER BY last_seen_ms DESC, seq DESC LIMIT ?", (tenant, scope, limit)


def recent_from_row(tenant: str, scope: str, row: Row) -> Entity:
    name, kind, aliases = row
    known_as = msgspec.json.decode(aliases) if aliases != "[]" else []
    return Entity(tenant=tenant, id="", scope=scope, type=kind, name=name, aliases=known_as)


async def by_name(view: View, tenant: str, scope: str, name: str) -> Entity:
    """Raises NotFound for a name that no known fact mentions."""
    select = f"SELECT {COLUMNS} FROM entity WHERE tenant = ? AND scope = ? AND key = ?{_LIVE}"
    row = await view.one(select, tenant, scope, name_key(name))
    if row is None:
        raise NotFound(f"nothing called '{name[: limits.ENTITY_NAME_BYTES_MAX]}' is known here")
    return entity_from_row(row)


async def list_entities(view: View, tenant: str, scope: str, page: Page, *, types: Sequence[str] = ()) -> list[Entity]:
    """A page of what a scope knows of by name, in the order it was first mentioned."""
    select, params = f"SELECT {COLUMNS} FROM entity WHERE tenant = ? AND scope = ?", [tenant, scope]
    if types:
        select += f" AND type IN ({', '.join('?' * len(types))})"
        params += types
    sql, bound = paged(select + _LIVE, params, page, table="entity", tenant=tenant)
    return [entity_from_row(row) for row in await view.fetch(sql, *bound)]


async def of_fact(view: View, tenant: str, scope: str, fact_id: str) -> list[Entity]:
    """What a fact mentions, in the order it was first mentioned anywhere."""
    columns = columns_of("e", COLUMNS)
    rows = await view.fetch(
        f"SELECT {columns} FROM fact f JOIN mention m ON m.fact_seq = f.seq JOIN entity e ON e.seq = m.entity_seq"
        " WHERE f.tenant = ? AND f.scope = ? AND f.id = ? ORDER BY e.seq",
        tenant,
        scope,
        fact_id,
    )
    return [entity_from_row(row) for row in rows]


def people_called(tenant: str, scope: str, word: str) -> tuple[str, tuple[str, ...]]:
    """The query for those whose name is this word, or goes on after it: what `full_name` reads."""
    key = name_key(word)
    # "bob" itself, and all from "bob " to just before "bob!".
    sql = (
        "SELECT name, key FROM entity WHERE tenant = ? AND scope = ? AND type = 'person'"
        " AND (key = ? OR (key > ? AND key < ?)) LIMIT 3"
    )
    return sql, (tenant, scope, key, f"{key} ", f"{key}!")


def full_name(word: str, called: Sequence[Row]) -> str:
    """The name of the one known person whose first name this is, else the word itself."""
    return called[0][0] if len(called) == 1 and called[0][1] != name_key(word) else word
