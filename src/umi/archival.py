"""Archival memory: dated facts of a scope, without number, found by their words."""

from collections.abc import Sequence

import msgspec

from umi import limits
from umi.entity import Fact, Recalled, check_json, check_text
from umi.errors import InvalidInput, LimitExceeded, NotFound
from umi.index import create_text_table, match_query, scope_token, scores
from umi.storage import Changes, Migration, Page, Row, View, paged

MIGRATIONS = [
    Migration(
        "umi.archival",
        1,
        f"""
        CREATE TABLE fact (
            seq INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL, id TEXT NOT NULL, scope TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL,
            importance REAL NOT NULL, metadata TEXT NOT NULL, source TEXT NOT NULL,
            valid_from_ms INTEGER NOT NULL, valid_to_ms INTEGER, known_from_ms INTEGER NOT NULL, known_to_ms INTEGER,
            UNIQUE (tenant, id)
        ) STRICT;
        CREATE INDEX fact_scope ON fact (tenant, scope, seq);
        {create_text_table("fact_text")};
        """,
    )
]

_COLUMNS = (
    "tenant, id, scope, text, tags, importance, metadata, source,"
    " valid_from_ms, valid_to_ms, known_from_ms, known_to_ms"
)
_INSERT = f"INSERT INTO fact ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_TEXT = "INSERT INTO fact_text (rowid, own, scope) SELECT seq, text, ?3 FROM fact WHERE tenant = ?1 AND id = ?2"
_SEARCH = "SELECT rowid, rank FROM fact_text WHERE fact_text MATCH ? ORDER BY rank LIMIT ?"
_DELETE_TEXT = "DELETE FROM fact_text WHERE rowid IN (SELECT seq FROM fact WHERE tenant = ? AND scope = ? AND id = ?)"


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
        valid_from_ms=row[8],
        valid_to_ms=row[9],
        known_from_ms=row[10],
        known_to_ms=row[11],
    )


def check(fact: Fact) -> None:
    """Raise InvalidInput or LimitExceeded for a fact that can't be stored."""
    if not fact.text.strip():
        raise InvalidInput("a fact needs a text that is not blank")
    for what, text, maximum in (
        ("the fact's text", fact.text, limits.FACT_TEXT_BYTES_MAX),
        ("the scope", fact.scope, limits.SCOPE_BYTES_MAX),
        *((f"the tag '{tag[:20]}…'", tag, limits.FACT_TAG_BYTES_MAX) for tag in fact.tags),
    ):
        check_text(what, text)
        if len(text.encode()) > maximum:
            raise LimitExceeded(what, len(text.encode()), maximum, "bytes")
    for what, body in (("the fact's metadata", fact.metadata), ("the fact's source", fact.source)):
        check_json(what, body, limits.FACT_METADATA_BYTES_MAX)
    if len(fact.tags) > limits.FACT_TAGS_MAX:
        raise LimitExceeded("the list of tags", len(fact.tags), limits.FACT_TAGS_MAX, "tags")
    if not 0 <= fact.importance <= 1:
        raise InvalidInput(f"importance must be between 0 and 1, not {fact.importance}")


def plan_remember(fact: Fact) -> Changes:
    """Store one fact and make it findable. Raises InvalidInput, LimitExceeded."""
    check(fact)
    return (
        Changes()
        .write(
            _INSERT,
            fact.tenant,
            fact.id,
            fact.scope,
            fact.text,
            msgspec.json.encode(fact.tags).decode(),
            fact.importance,
            msgspec.json.encode(fact.metadata).decode(),
            msgspec.json.encode(fact.source).decode(),
            fact.valid_from_ms,
            fact.valid_to_ms,
            fact.known_from_ms,
            fact.known_to_ms,
        )
        .write(_INSERT_TEXT, fact.tenant, fact.id, scope_token(fact.tenant, fact.scope))
    )


def plan_forget(tenant: str, scope: str, fact_id: str, now_ms: int, *, hard: bool = False) -> Changes:
    """Stop knowing a fact: it is not found or listed any more. `hard` removes its row too. Guard "fact"."""
    changes = Changes().write(_DELETE_TEXT, tenant, scope, fact_id)
    if hard:
        return changes.guard(
            "fact", "DELETE FROM fact WHERE tenant = ? AND scope = ? AND id = ?", tenant, scope, fact_id
        )
    return changes.guard(
        "fact",
        "UPDATE fact SET known_to_ms = ? WHERE tenant = ? AND scope = ? AND id = ? AND known_to_ms IS NULL",
        now_ms,
        tenant,
        scope,
        fact_id,
    )


def plan_forget_scope(tenant: str, scope: str) -> Changes:
    """Remove every fact of a scope for good: its owner is gone."""
    return (
        Changes()
        .write(
            "DELETE FROM fact_text WHERE rowid IN (SELECT seq FROM fact WHERE tenant = ? AND scope = ?)", tenant, scope
        )
        .write("DELETE FROM fact WHERE tenant = ? AND scope = ?", tenant, scope)
    )


async def get(view: View, tenant: str, fact_id: str) -> Fact:
    """Raises NotFound for a fact that isn't there or was forgotten."""
    row = await view.one(
        f"SELECT {_COLUMNS} FROM fact WHERE tenant = ? AND id = ? AND known_to_ms IS NULL", tenant, fact_id
    )
    if row is None:
        raise NotFound(f"no fact has the id '{fact_id}'")
    return fact_from_row(row)


async def list_facts(view: View, tenant: str, scope: str, page: Page, *, text: str | None = None) -> list[Fact]:
    """A page of what a scope knows, by age; `text` is a substring, whatever its case."""
    select = f"SELECT {_COLUMNS} FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL"
    params = [tenant, scope]
    if text is not None:
        select += " AND instr(lower(text), lower(?))"
        params.append(text)
    sql, bound = paged(select, params, page, table="fact", tenant=tenant)
    return [fact_from_row(row) for row in await view.fetch(sql, *bound)]


async def count(view: View, tenant: str, scope: str) -> int:
    rows = await view.fetch(
        "SELECT count(*) FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL", tenant, scope
    )
    total: int = rows[0][0]
    return total


async def recall(
    view: View,
    tenant: str,
    scope: str,
    query: str,
    *,
    limit: int = limits.RECALL_RESULTS_DEFAULT,
    tags: Sequence[str] = (),
    match_all_tags: bool = False,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[Recalled]:
    """The facts of a scope that share words with `query`, best first; an empty list if none does.

    since_ms, until_ms  bounds on when the fact was true (`valid_from_ms`), both included
    Raises InvalidInput, LimitExceeded.
    """
    check_text("the query", query)
    if len(query.encode()) > limits.RECALL_QUERY_BYTES_MAX:
        raise LimitExceeded("the query", len(query.encode()), limits.RECALL_QUERY_BYTES_MAX, "bytes")
    if not 1 <= limit <= limits.RECALL_RESULTS_MAX:
        raise InvalidInput(f"limit must be between 1 and {limits.RECALL_RESULTS_MAX}, not {limit}")
    match = match_query(query, scope_token(tenant, scope))
    if match is None:
        return []
    # Filters apply after the index proposes, so they need more proposals than a plain search.
    filtered = bool(tags) or since_ms is not None or until_ms is not None
    hits = await view.fetch(_SEARCH, match, limits.RECALL_CANDIDATES_MAX if filtered else 2 * limit)
    if not hits:
        return []
    scored = dict(zip((hit[0] for hit in hits), scores([hit[1] for hit in hits]), strict=True))
    found = await view.fetch(_of_rows(list(scored)), tenant, scope)
    recalled = [Recalled(fact_from_row(row[1:]), scored[row[0]]) for row in found]
    wanted = set(tags)
    kept = [
        one
        for one in recalled
        if (not wanted or (wanted <= set(one.fact.tags) if match_all_tags else wanted & set(one.fact.tags)))
        and (since_ms is None or one.fact.valid_from_ms >= since_ms)
        and (until_ms is None or one.fact.valid_from_ms <= until_ms)
    ]
    # Equal scores: the newer first; then by id, so that the order never depends on the engine.
    kept.sort(key=lambda one: (-one.score, -one.fact.known_from_ms, one.fact.id))
    return kept[:limit]


def _of_rows(seqs: list[int]) -> str:
    # Integers of our own index, so they may stand in the text; SQLite bounds the number of bound parameters.
    return (
        f"SELECT seq, {_COLUMNS} FROM fact WHERE seq IN ({','.join(map(str, seqs))})"
        " AND tenant = ? AND scope = ? AND known_to_ms IS NULL"
    )
