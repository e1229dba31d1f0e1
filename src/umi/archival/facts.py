"""Facts: added, changed, forgotten. A change writes a new version and keeps the one before it in `fact_past`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from umi import limits
from umi.archival.keys import digest, name_key
from umi.archival.schema import FACT_COLUMNS, PAST_COLUMNS, WHY_COLUMNS
from umi.entity import Claim, Fact, check_json, check_number, check_size, check_texts
from umi.errors import InvalidInput, LimitExceeded, NotFound
from umi.index.terms import own_terms
from umi.storage import Changes, Page, Row, View, paged

_claims = msgspec.json.Decoder(list[Claim])
_encode = msgspec.json.Encoder().encode

_REVISE = (
    "INSERT INTO fact_scope (tenant, scope, revision, purged_at) VALUES (?1, ?2, 1, ?3)"
    " ON CONFLICT (tenant, scope) DO UPDATE SET revision = fact_scope.revision + 1,"
    " purged_at = CASE WHEN ?3 = 1 THEN fact_scope.revision + 1 ELSE fact_scope.purged_at END"
)
_REVISION = "(SELECT revision FROM fact_scope WHERE tenant = ?1 AND scope = ?3)"
_SCOPES_AT_ONCE = 500  # that are looked up by one statement
_COUNT = FACT_COLUMNS.count(",") + 1
_INSERT = (
    f"INSERT INTO fact ({FACT_COLUMNS}, {WHY_COLUMNS}, digest, terms, revision)"
    f" VALUES ({', '.join(f'?{n}' for n in range(1, _COUNT + 7))}, {_REVISION})"
)
_KEEP = (
    f"INSERT INTO fact_past ({PAST_COLUMNS}, {WHY_COLUMNS})"
    f" SELECT {FACT_COLUMNS.replace('known_to_ms', 'CAST(?4 AS BIGINT)')}, {WHY_COLUMNS}"
    " FROM fact WHERE tenant = ?1 AND id = ?2 AND version = ?3"
)
_PAST = (
    f"INSERT INTO fact_past ({PAST_COLUMNS}, {WHY_COLUMNS}) VALUES ({', '.join(f'?{n}' for n in range(1, _COUNT + 5))})"
    " ON CONFLICT DO NOTHING"
)
_CHANGED = [name.strip() for name in FACT_COLUMNS.split(",")][3:]  # tenant, id and scope never change
_UPDATE = (
    f"UPDATE fact SET {', '.join(f'{name} = ?{n}' for n, name in enumerate(_CHANGED, 4))},"
    f" {', '.join(f'{name.strip()} = ?{n}' for n, name in enumerate(WHY_COLUMNS.split(','), _COUNT + 1))},"
    f" digest = ?{_COUNT + 5}, terms = ?{_COUNT + 6}, revision = {_REVISION}"
    f" WHERE tenant = ?1 AND id = ?2 AND scope = ?3 AND version = ?{_COUNT + 7}"
)
_CLAIM = (
    "INSERT INTO claim (tenant, scope, subject, attribute, value, fact_seq)"
    " SELECT ?1, ?2, ?3, ?4, ?5, seq FROM fact WHERE tenant = ?1 AND id = ?6 ON CONFLICT DO NOTHING"
)
_OF_IDS = "(SELECT seq FROM fact WHERE tenant = ?1 AND scope = ?2 AND id = ?3)"
_OF_SESSION = "(SELECT seq FROM fact WHERE tenant = ?1 AND scope = ?2 AND session = ?3)"
_IDS_OF_SESSION = _OF_SESSION.replace("seq", "id")
_SUMMED_UP = "summary_fact = ?3", f"summary_fact IN {_IDS_OF_SESSION}"
# Entities that nothing else mentions go with a fact; the others keep nothing that may be from it.
_FORGET_ALONE = (
    f"DELETE FROM entity WHERE seq IN (SELECT entity_seq FROM mention WHERE fact_seq IN {_OF_IDS})"
    f" AND NOT EXISTS (SELECT 1 FROM mention WHERE entity_seq = entity.seq AND fact_seq NOT IN {_OF_IDS})"
)
_FORGET_WHAT_IT_SAID = (
    "UPDATE entity SET attributes = '{}', importance = coalesce((SELECT max(f.importance) FROM mention m"
    f" JOIN fact f ON f.seq = m.fact_seq WHERE m.entity_seq = entity.seq AND m.fact_seq NOT IN {_OF_IDS}), 0.5),"
    " summary = CASE WHEN summary_fact = ?3 THEN '' ELSE summary END,"
    " summary_fact = CASE WHEN summary_fact = ?3 THEN NULL ELSE summary_fact END"
    f" WHERE seq IN (SELECT entity_seq FROM mention WHERE fact_seq IN {_OF_IDS})"
)


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """Why a version of a fact was written: kept with it, as its history.

    action     add, update, supersede, restore, forget or undo
    change_id  one for all that one call did; `undo` takes it back as one
    """

    action: str = "add"
    actor: str | None = None
    reason: str | None = None
    change_id: str | None = None


def fact_from_row(row: Row) -> Fact:
    return Fact(
        tenant=row[0],
        id=row[1],
        scope=row[2],
        text=row[3],
        tags=msgspec.json.decode(row[4]),
        importance=row[5],
        metadata=msgspec.json.decode(row[6]),
        source=msgspec.json.decode(row[7]),
        speaker=row[8],
        session=row[9],
        claims=_claims.decode(row[10]),
        document_time_ms=row[11],
        event_time_ms=row[12],
        valid_from_ms=row[13],
        valid_to_ms=row[14],
        known_from_ms=row[15],
        known_to_ms=row[16],
        created_at_ms=row[17],
        version=row[18],
    )


def _values(fact: Fact) -> tuple[Any, ...]:
    """What `fact_from_row` reads, in its order."""
    return (
        fact.tenant,
        fact.id,
        fact.scope,
        fact.text,
        _encode(fact.tags).decode() if fact.tags else "[]",
        fact.importance,
        _encode(fact.metadata).decode() if fact.metadata else "{}",
        _encode(fact.source).decode() if fact.source else "{}",
        fact.speaker,
        fact.session,
        _encode(fact.claims).decode() if fact.claims else "[]",
        fact.document_time_ms,
        fact.event_time_ms,
        fact.valid_from_ms,
        fact.valid_to_ms,
        fact.known_from_ms,
        fact.known_to_ms,
        fact.created_at_ms,
        fact.version,
    )


def check(fact: Fact) -> None:
    """Raise InvalidInput or LimitExceeded for a fact that can't be stored."""
    check_size("the fact's text", fact.text, limits.ENTITY_CONTENT_BYTES_MAX)
    if not fact.text or fact.text.isspace():
        raise InvalidInput("a fact needs a text that is not blank")
    for what, text, bytes_max in (
        ("the scope", fact.scope, limits.SCOPE_BYTES_MAX),
        ("the speaker", fact.speaker, limits.ENTITY_NAME_BYTES_MAX),
        ("the session", fact.session, limits.SCOPE_BYTES_MAX),
    ):
        if text is not None:
            check_size(what, text, bytes_max)
    check_number("importance", fact.importance, limits.MEMORY_IMPORTANCE_MIN, limits.MEMORY_IMPORTANCE_MAX)
    if fact.tags or type(fact.tags) is not list:
        check_texts("tags", fact.tags, limits.ENTITY_TAGS_COUNT_MAX, limits.ENTITY_TAG_BYTES_MAX)
    for what, body in (("the fact's metadata", fact.metadata), ("the fact's source", fact.source)):
        if body or type(body) is not dict:
            check_json(what, body, limits.FACT_METADATA_BYTES_MAX)
    if fact.claims:
        _check_claims(fact.claims)
    if fact.valid_to_ms is not None and fact.valid_to_ms < fact.valid_from_ms:
        raise InvalidInput("a fact can't stop being true before it became true")


def _check_claims(claims: Sequence[Claim]) -> None:
    if len(claims) > limits.EXTRACTION_RELATIONS_COUNT_MAX:
        raise LimitExceeded("the list of claims", len(claims), limits.EXTRACTION_RELATIONS_COUNT_MAX, "claims")
    for claim in claims:
        for what, text, bytes_max in (
            ("a claim's subject", claim.subject, limits.ENTITY_NAME_BYTES_MAX),
            ("a claim's attribute", claim.attribute, limits.ENTITY_NAME_BYTES_MAX),
            ("a claim's value", claim.value, limits.CLAIM_VALUE_BYTES_MAX),
        ):
            check_size(what, text, bytes_max)
            if not text.strip() and not (claim.negated and what.endswith("value")):
                raise InvalidInput(f"{what} is blank")
        check_number("a claim's confidence", claim.confidence, 0, 1)


def revise(changes: Changes, tenant: str, scope: str, *, purged: bool = False) -> Changes:
    """Raise the scope's revision: the first statement of every commit that touches its facts. On PostgreSQL it locks
    the scope's row, so that what follows is decided on what other writers committed."""
    return changes.write(_REVISE, tenant, scope, int(purged))


def plan_add(facts: Sequence[Fact], why: Why, *, revised: bool = False) -> Changes:
    """Store new facts of one scope, which the commit may have `revised` before. Raises InvalidInput, LimitExceeded."""
    changes = Changes()
    if not facts:
        return changes
    if not revised:
        revise(changes, facts[0].tenant, facts[0].scope)
    for fact in facts:
        assert (fact.tenant, fact.scope) == (facts[0].tenant, facts[0].scope), "one commit, one scope"
        check(fact)
        changes.write(_INSERT, *_values(fact), *_why(why), *_derived(fact))
        _plan_claims(changes, fact)
    return changes


def plan_change(old: Fact, new: Fact, why: Why, now_ms: int) -> tuple[Fact, Changes]:
    """Make `new` the next version of `old`, if nobody changed it since it was read (guard "fact"). Returns that
    version as it will be."""
    check(new)
    # Every version that was known lived for a moment, whatever the clock does; one that says "forgotten" never did.
    now_ms = max(now_ms, old.known_from_ms + 1)
    new = msgspec.structs.replace(new, version=old.version + 1, known_from_ms=now_ms)
    if new.known_to_ms is not None:
        new = msgspec.structs.replace(new, known_to_ms=now_ms)
    changes = revise(Changes(), old.tenant, old.scope)
    # What the older version was known to the end of: a forgotten one had ended already.
    ended_ms = now_ms if old.known_to_ms is None else old.known_to_ms
    changes.write(_KEEP, old.tenant, old.id, old.version, ended_ms)
    changes.guard("fact", _UPDATE, *_values(new), *_why(why), *_derived(new), old.version)
    _plan_claims(changes, new)
    return new, changes


def plan_past(past: Fact, why: Why) -> Changes:
    """Store a version that ended, of a fact that is stored already, unless it is there: what an import brings along."""
    check(past)
    changes = Changes().write(_PAST, *_values(past), *_why(why))
    _plan_claims(changes, past)
    return changes


def plan_purge(tenant: str, scope: str, fact_id: str) -> Changes:
    """Remove a fact with all its versions, claims and mentions, and what its entities took from it. Guard "fact"."""
    at = (tenant, scope, fact_id)
    return (
        revise(Changes(), tenant, scope, purged=True)
        .write(_FORGET_ALONE, *at)
        .write(_FORGET_WHAT_IT_SAID, *at)
        .write(f"DELETE FROM claim WHERE fact_seq IN {_OF_IDS}", *at)
        .write(f"DELETE FROM mention WHERE fact_seq IN {_OF_IDS}", *at)
        .write("DELETE FROM fact_past WHERE tenant = ? AND scope = ? AND fact_id = ?", *at)
        .write("DELETE FROM evolution WHERE tenant = ?1 AND scope = ?2 AND (old_id = ?3 OR new_id = ?3)", *at)
        .guard("fact", "DELETE FROM fact WHERE tenant = ? AND scope = ? AND id = ?", *at)
    )


def plan_forget_mentions(tenant: str, scope: str, fact_id: str) -> Changes:
    """A fact no longer mentions anything; what only it mentioned is gone."""
    at = (tenant, scope, fact_id)
    return (
        Changes()
        .write(_FORGET_ALONE, *at)
        .write(_FORGET_WHAT_IT_SAID, *at)
        .write(f"DELETE FROM mention WHERE fact_seq IN {_OF_IDS}", *at)
    )


def plan_forget_session(tenant: str, scope: str, session: str) -> Changes:
    """Remove every fact of a scope that has this session, for good: what it stands for is gone. With all their
    versions, claims and mentions, and what their entities took from them."""
    at = (tenant, scope, session)
    changes = (
        revise(Changes(), tenant, scope, purged=True)
        .write(_FORGET_ALONE.replace(_OF_IDS, _OF_SESSION), *at)
        .write(_FORGET_WHAT_IT_SAID.replace(_OF_IDS, _OF_SESSION).replace(*_SUMMED_UP), *at)
        .write(f"DELETE FROM claim WHERE fact_seq IN {_OF_SESSION}", *at)
        .write(f"DELETE FROM mention WHERE fact_seq IN {_OF_SESSION}", *at)
    )
    ids = f"IN {_IDS_OF_SESSION}"
    changes.write(f"DELETE FROM fact_past WHERE tenant = ?1 AND scope = ?2 AND fact_id {ids}", *at)
    changes.write(f"DELETE FROM evolution WHERE tenant = ?1 AND scope = ?2 AND (old_id {ids} OR new_id {ids})", *at)
    return changes.write("DELETE FROM fact WHERE tenant = ? AND scope = ? AND session = ?", *at)


def plan_forget_scope(tenant: str, scope: str) -> Changes:
    """Remove everything that archival memory holds of a scope for good: its owner is gone."""
    of_scope = "(SELECT seq FROM fact WHERE tenant = ? AND scope = ?)"
    changes = revise(Changes(), tenant, scope, purged=True)
    changes.write(f"DELETE FROM mention WHERE fact_seq IN {of_scope}", tenant, scope)
    for table in ("claim", "entity", "evolution", "fact_past", "fact"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND scope = ?", tenant, scope)
    return changes


def _why(why: Why) -> tuple[str, str | None, str | None, str | None]:
    return why.action, why.actor, why.reason, why.change_id


def _derived(fact: Fact) -> tuple[bytes, bytes]:
    """The columns that follow from the text."""
    return (
        digest(fact.tenant, fact.scope, fact.text),
        own_terms(fact.text, fact.speaker, fact.document_time_ms),
    )


def _plan_claims(changes: Changes, fact: Fact) -> None:
    for claim in fact.claims:
        changes.write(
            _CLAIM,
            fact.tenant,
            fact.scope,
            name_key(claim.subject),
            claim.attribute,
            name_key(claim.value),
            fact.id,
        )


async def get(view: View, tenant: str, fact_id: str, *, scope: str | None = None) -> Fact:
    """Raises NotFound for a fact that isn't there or was forgotten."""
    row = await view.one(
        f"SELECT {FACT_COLUMNS} FROM fact WHERE tenant = ? AND id = ? AND known_to_ms IS NULL", tenant, fact_id
    )
    if row is None or (scope is not None and row[2] != scope):
        raise NotFound(f"no fact has the id '{fact_id}'")
    return fact_from_row(row)


async def list_facts(
    view: View,
    tenant: str,
    scope: str | Sequence[str],
    page: Page,
    *,
    text: str | None = None,
    tags: Sequence[str] = (),
    match_all_tags: bool = False,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[Fact]:
    """A page of what a scope knows, or several, by age, superseded facts too.

    text                a substring, whatever its case
    tags                facts with any of them, or with all
    since_ms, until_ms  bounds on when a fact became true, both included
    """
    wanted = [scope] if isinstance(scope, str) else list(scope)
    if not wanted:
        return []
    marks = ", ".join("?" * len(wanted))
    select = f"SELECT {FACT_COLUMNS} FROM fact WHERE tenant = ? AND scope IN ({marks}) AND known_to_ms IS NULL"
    params: list[Any] = [tenant, *wanted]
    for term, bound_ms in ((" AND valid_from_ms >= ?", since_ms), (" AND valid_from_ms <= ?", until_ms)):
        if bound_ms is not None:
            select += term
            params.append(bound_ms)
    asked = list(dict.fromkeys(tags))
    if asked:
        least = len(asked) if match_all_tags else 1
        select += (
            " AND (SELECT count(DISTINCT t.value) FROM json_each(fact.tags) t"
            f" WHERE t.value IN ({', '.join('?' * len(asked))})) >= {least}"
        )
        params += asked
    if text is not None:
        select += " AND lower(text) LIKE '%' || lower(?) || '%' ESCAPE '\\'"
        params.append(text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_"))
    sql, bound = paged(select, params, page, table="fact", tenant=tenant)
    return [fact_from_row(row) for row in await view.fetch(sql, *bound)]


async def filled(view: View, tenant: str, scopes: Sequence[str]) -> list[str]:
    """Those of `scopes` in which something is known."""
    found: list[str] = []
    for start in range(0, len(scopes), _SCOPES_AT_ONCE):
        part = scopes[start : start + _SCOPES_AT_ONCE]
        sql = (
            f"SELECT scope FROM fact_scope s WHERE tenant = ? AND scope IN ({', '.join('?' * len(part))}) AND EXISTS"
            " (SELECT 1 FROM fact f WHERE f.tenant = s.tenant AND f.scope = s.scope AND f.known_to_ms IS NULL)"
        )
        there = {row[0] for row in await view.fetch(sql, tenant, *part)}
        found += [scope for scope in part if scope in there]
    return found


async def count(view: View, tenant: str, scope: str) -> int:
    rows = await view.fetch(
        "SELECT count(*) FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL", tenant, scope
    )
    total: int = rows[0][0]
    return total
