"""Facts on their way from one store to another: what an export reads, page by page, and what an import writes.

The pages of one `Snapshot` show one state of the scope, however many commits happen while they are read: versions are
never overwritten, so the state at a revision can be told from the rows of any later one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from umi.archival.facts import Why, fact_from_row, plan_add
from umi.archival.history import Version
from umi.archival.keys import name_key
from umi.archival.schema import FACT_COLUMNS, PAST_COLUMNS, WHY_COLUMNS
from umi.entity import Entity, Fact
from umi.storage import Changes, Row, View

_N = FACT_COLUMNS.count(",") + 1
_ENTITY_COLUMNS = (
    "id, type, name, aliases, attributes, summary, summary_fact, importance, mentions, accesses, first_seen_ms,"
    " last_seen_ms, last_access_ms"
)
_PAGE = "FROM fact WHERE tenant = ? AND scope = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
_PAST_OF_PAGE = (
    f"SELECT {PAST_COLUMNS}, {WHY_COLUMNS}, seq FROM fact_past WHERE tenant = ? AND scope = ?"
    f" AND fact_id IN (SELECT id {_PAGE}) ORDER BY fact_id, version"
)
_MENTIONS_OF_PAGE = (
    "SELECT f.id, e.name FROM mention m JOIN fact f ON f.seq = m.fact_seq JOIN entity e ON e.seq = m.entity_seq"
    f" WHERE m.fact_seq IN (SELECT seq {_PAGE}) AND e.seq <= ? ORDER BY m.fact_seq, m.entity_seq"
)
_EVOLUTIONS_OF_PAGE = (
    "SELECT new_id, old_id, kind, reason, confidence, at_ms FROM evolution WHERE tenant = ? AND scope = ?"
    f" AND new_id IN (SELECT id {_PAGE}) ORDER BY new_id, old_id"
)
_ENTITY = (
    f"INSERT INTO entity (tenant, scope, key, {_ENTITY_COLUMNS})"
    f" VALUES (?, ?, ?, {', '.join('?' * (_ENTITY_COLUMNS.count(',') + 1))})"
    # Known here already: it was seen as early and as late as either says, and nothing is counted twice.
    " ON CONFLICT (tenant, scope, key) DO UPDATE SET"
    " importance = CASE WHEN excluded.importance > entity.importance THEN excluded.importance"
    " ELSE entity.importance END,"
    " mentions = CASE WHEN excluded.mentions > entity.mentions THEN excluded.mentions ELSE entity.mentions END,"
    " first_seen_ms = CASE WHEN excluded.first_seen_ms < entity.first_seen_ms THEN excluded.first_seen_ms"
    " ELSE entity.first_seen_ms END,"
    " last_seen_ms = CASE WHEN excluded.last_seen_ms > entity.last_seen_ms THEN excluded.last_seen_ms"
    " ELSE entity.last_seen_ms END"
)
_MENTION = (
    "INSERT INTO mention (entity_seq, fact_seq) SELECT e.seq, f.seq FROM entity e, fact f"
    " WHERE e.tenant = ?1 AND e.scope = ?2 AND e.key = ?3 AND f.tenant = ?1 AND f.id = ?4 ON CONFLICT DO NOTHING"
)
_EVOLUTION = (
    "INSERT INTO evolution (tenant, scope, old_id, new_id, kind, reason, confidence, at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


class Snapshot(NamedTuple):
    """The state of a scope at one revision. `past_seq` and `entity_seq` are the last rows of their tables then."""

    revision: int
    fact_seq: int
    past_seq: int
    entity_seq: int


class EntityRow(Entity, frozen=True, kw_only=True):
    """An entity with what only its own store counts."""

    summary_fact: str | None = None
    accesses: int = 0
    last_access_ms: int | None = None


class Bearing(msgspec.Struct, frozen=True, kw_only=True):
    """How a fact bears on an older one, as it was noted when it came."""

    old_id: str
    kind: str
    reason: str
    confidence: float
    at_ms: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to one fact: what is held of it now, what was before (newest first), what its coming meant.

    mentions  names of entities
    """

    fact: Fact
    why: Why
    past: list[Version] = []
    mentions: list[str] = []
    evolutions: list[Bearing] = []


async def snapshot(view: View, tenant: str, scope: str) -> Snapshot:
    at = (tenant, scope)
    found = await view.all(
        ("SELECT coalesce(max(revision), 0) FROM fact_scope WHERE tenant = ? AND scope = ?", at),
        ("SELECT coalesce(max(seq), 0) FROM fact WHERE tenant = ? AND scope = ?", at),
        ("SELECT coalesce(max(seq), 0) FROM fact_past WHERE tenant = ? AND scope = ?", at),
        ("SELECT coalesce(max(seq), 0) FROM entity WHERE tenant = ? AND scope = ?", at),
    )
    return Snapshot(*(rows[0][0] for rows in found))


async def was_purged(view: View, tenant: str, scope: str, since: Snapshot) -> bool:
    """Whether something of the scope was removed for good since: the pages read after that lack it."""
    row = await view.one("SELECT purged_at FROM fact_scope WHERE tenant = ? AND scope = ?", tenant, scope)
    return row is not None and row[0] > since.revision


async def entities(
    view: View, tenant: str, scope: str, of: Snapshot, after: int, limit: int
) -> tuple[list[EntityRow], int]:
    """A page of entities, and where the next one begins; as they are now, since they follow from the facts."""
    rows = await view.fetch(
        f"SELECT {_ENTITY_COLUMNS}, seq FROM entity WHERE tenant = ? AND scope = ? AND seq > ? AND seq <= ?"
        " ORDER BY seq LIMIT ?",
        *(tenant, scope, after, of.entity_seq, limit),
    )
    return [_entity(row) for row in rows], rows[-1][-1] if rows else after


async def facts(view: View, tenant: str, scope: str, of: Snapshot, after: int, limit: int) -> tuple[list[Told], int]:
    """A page of facts with all their versions, forgotten ones too, and where the next page begins."""
    at = (tenant, scope, after, of.fact_seq, limit)
    latest, past, mentions, bearings = await view.all(
        (f"SELECT {FACT_COLUMNS}, {WHY_COLUMNS}, seq, revision {_PAGE}", at),
        (_PAST_OF_PAGE, (tenant, scope, *at)),
        (_MENTIONS_OF_PAGE, (*at, of.entity_seq)),
        (_EVOLUTIONS_OF_PAGE, (tenant, scope, *at)),
    )
    told = {}
    for row in latest:
        *past_of_it, now = _versions(row, past, of)
        told[row[1]] = Told(fact=now.fact, why=now.why, past=past_of_it[::-1], mentions=[], evolutions=[])
    for fact_id, name in mentions:
        told[fact_id].mentions.append(name)
    for new_id, old_id, kind, reason, confidence, at_ms in bearings:
        told[new_id].evolutions.append(
            Bearing(old_id=old_id, kind=kind, reason=reason, confidence=confidence, at_ms=at_ms)
        )
    return list(told.values()), latest[-1][-2] if latest else after


def _versions(latest: Row, past: Sequence[Row], of: Snapshot) -> list[Version]:
    """The versions of one fact that there were at the snapshot, oldest first."""
    own = [row for row in past if row[1] == latest[1]]
    if latest[-1] <= of.revision:
        return [_version(row) for row in own] + [_version(latest)]
    # Changed since: the latest version of then is the first that was put away afterwards.
    kept = [_version(row) for row in own if row[-1] <= of.past_seq]
    then = _version(next(row for row in own if row[-1] > of.past_seq))
    if then.fact.known_to_ms != then.fact.known_from_ms:  # else it said "forgotten", then as now
        then = msgspec.structs.replace(then, fact=msgspec.structs.replace(then.fact, known_to_ms=None))
    return [*kept, then]


def _version(row: Row) -> Version:
    action, actor, reason, change_id = row[_N : _N + 4]
    return Version(
        fact=fact_from_row(row[:_N]), why=Why(action=action, actor=actor, reason=reason, change_id=change_id)
    )


def _entity(row: Row) -> EntityRow:
    return EntityRow(
        tenant="",
        scope="",
        id=row[0],
        type=row[1],
        name=row[2],
        aliases=msgspec.json.decode(row[3]),
        attributes=msgspec.json.decode(row[4]),
        summary=row[5],
        summary_fact=row[6],
        importance=row[7],
        mentions=row[8],
        accesses=row[9],
        first_seen_ms=row[10],
        last_seen_ms=row[11],
        last_access_ms=row[12],
    )


async def held(view: View, tenant: str, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Of those facts that the tenant has, forgotten ones too: the scope and the version of each."""
    if not ids:
        return {}
    sql = f"SELECT id, scope, version FROM fact WHERE tenant = ? AND id IN ({', '.join('?' * len(ids))})"
    return {row[0]: (row[1], row[2]) for row in await view.fetch(sql, tenant, *ids)}


async def past_held(view: View, tenant: str, ids: Sequence[str]) -> set[tuple[str, int]]:
    """Which versions of these facts the tenant has among those that ended."""
    if not ids:
        return set()
    sql = f"SELECT fact_id, version FROM fact_past WHERE tenant = ? AND fact_id IN ({', '.join('?' * len(ids))})"
    return {(row[0], row[1]) for row in await view.fetch(sql, tenant, *ids)}


async def entities_elsewhere(view: View, tenant: str, scope: str, ids: Sequence[str]) -> set[str]:
    """Those ids that entities of other scopes have."""
    if not ids:
        return set()
    sql = f"SELECT id FROM entity WHERE tenant = ? AND scope <> ? AND id IN ({', '.join('?' * len(ids))})"
    return {row[0] for row in await view.fetch(sql, tenant, scope, *ids)}


async def entity_names(view: View, tenant: str, scope: str, names: Sequence[str]) -> set[str]:
    """The keys of those names that the scope knows as entities."""
    keys = list(dict.fromkeys(name_key(name) for name in names))
    if not keys:
        return set()
    sql = f"SELECT key FROM entity WHERE tenant = ? AND scope = ? AND key IN ({', '.join('?' * len(keys))})"
    return {row[0] for row in await view.fetch(sql, tenant, scope, *keys)}


def plan_entity(tenant: str, scope: str, entity: EntityRow) -> Changes:
    """Make an entity known here as it was elsewhere; one of the same name stays, and is one with it."""
    encode = msgspec.json.encode
    columns: tuple[Any, ...] = (
        *(entity.id, entity.type, entity.name),
        *(encode(entity.aliases).decode(), encode(entity.attributes).decode()),
        *(entity.summary, entity.summary_fact, entity.importance, entity.mentions, entity.accesses),
        *(entity.first_seen_ms, entity.last_seen_ms, entity.last_access_ms),
    )
    return Changes().write(_ENTITY, tenant, scope, name_key(entity.name), *columns)


def plan_told(told: Told) -> Changes:
    """Store a fact as it was elsewhere, as its latest version; plan_past stores those before. The entities it mentions
    are stored already.

    Raises InvalidInput, LimitExceeded; the commit raises Conflict if the tenant has a fact of this id.
    """
    fact = told.fact
    changes = plan_add([fact], told.why)
    for name in told.mentions:
        changes.write(_MENTION, fact.tenant, fact.scope, name_key(name), fact.id)
    for one in told.evolutions:
        noted = (one.old_id, fact.id, one.kind, one.reason, one.confidence, one.at_ms)
        changes.write(_EVOLUTION, fact.tenant, fact.scope, *noted)
    return changes
