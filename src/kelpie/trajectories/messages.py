"""An agent's history: messages by position, and the search over them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded, NotFound
from kelpie.trajectories import limits
from kelpie.trajectories.fulltext import match_query, scope_token
from kelpie.trajectories.records import StoredMessage
from umi.entity import check_text
from umi.storage import Changes, Page, Row, View, paged
from umi.wire.types import Message

_COLUMNS = "tenant, id, agent_id, position, run_id, step_id, body, otid, created_at_ms"
_INSERT = "INSERT INTO message VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_TEXT = (
    "INSERT INTO message_text (rowid, own, scope) SELECT seq, ?3, ?4 FROM message WHERE tenant = ?1 AND id = ?2"
)
# The newest ?3 rows, or fewer: the one with which their bodies reach ?4 bytes is the last.
_LATEST = (
    f"SELECT {_COLUMNS} FROM message WHERE tenant = ?1 AND agent_id = ?2 AND position >= (SELECT min(position) FROM"
    " (SELECT position, sum(size) OVER (ORDER BY position DESC) - size AS newer FROM"
    " (SELECT position, length(body) AS size FROM message WHERE tenant = ?1 AND agent_id = ?2"
    " ORDER BY position DESC LIMIT ?3)) WHERE newer < ?4) ORDER BY position"
)
_AT_REST = (
    "SELECT 1 WHERE NOT EXISTS"
    " (SELECT 1 FROM run WHERE tenant = ? AND agent_id = ? AND status IN ('created', 'running'))"
)
_FORGET_TEXT = "DELETE FROM message_text WHERE rowid IN (SELECT seq FROM message WHERE tenant = ? AND agent_id = ?)"
_FORGET_RESULTS = "UPDATE call SET result_message_id = NULL WHERE tenant = ? AND agent_id = ?"
_SEARCH = "SELECT rowid, rank FROM message_text WHERE message_text MATCH ? ORDER BY rank LIMIT ?"

_AGENTS_AT_ONCE = 200  # whose histories one search of the index looks through

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def message_from_row(row: Row) -> StoredMessage:
    return StoredMessage(
        tenant=row[0],
        id=row[1],
        agent_id=row[2],
        position=row[3],
        run_id=row[4],
        step_id=row[5],
        body=_decode(row[6]),
        otid=row[7],
        created_at_ms=row[8],
    )


def plan_add(messages: Iterable[StoredMessage]) -> Changes:
    """Append messages to a history. A position that is taken makes the commit fail with Conflict."""
    changes = Changes()
    for message in messages:
        changes.write(
            _INSERT,
            message.tenant,
            message.id,
            message.agent_id,
            message.position,
            message.run_id,
            message.step_id,
            message.body.role,
            _encode(message.body),
            message.otid,
            message.created_at_ms,
        )
        if message.body.role in ("user", "assistant") and message.body.text:
            token = scope_token(message.tenant, message.agent_id)
            changes.write(_INSERT_TEXT, message.tenant, message.id, message.body.text, token)
    return changes


def plan_forget(tenant: str, agent_id: str) -> Changes:
    """Remove an agent's history; its runs and steps stay, and what memory kept of them. Guard "at rest": no run of its
    is open, which would go on in the middle of nothing."""
    changes = Changes().guard("at rest", _AT_REST, tenant, agent_id)
    for sql in (_FORGET_TEXT, _FORGET_RESULTS, "DELETE FROM message WHERE tenant = ? AND agent_id = ?"):
        changes.write(sql, tenant, agent_id)
    return changes


async def latest(
    view: View, tenant: str, agent_id: str, limit: int, *, bytes_max: int = limits.LATEST_BYTES_MAX
) -> list[StoredMessage]:
    """The newest `limit` messages of an agent, oldest first; fewer if they would be more than `bytes_max` together."""
    return [message_from_row(row) for row in await view.fetch(_LATEST, tenant, agent_id, limit, bytes_max)]


async def of_run(view: View, tenant: str, run_id: str) -> list[StoredMessage]:
    """Every message of a run, in order."""
    sql = f"SELECT {_COLUMNS} FROM message WHERE tenant = ? AND run_id = ? ORDER BY position"
    return [message_from_row(row) for row in await view.fetch(sql, tenant, run_id)]


async def list_messages(
    view: View,
    tenant: str,
    page: Page,
    *,
    agent_id: str | None = None,
    run_id: str | None = None,
    step_id: str | None = None,
    roles: Sequence[str] = (),
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[StoredMessage]:
    """A page of messages in the order they were committed.

    roles               those of any of them
    since_ms, until_ms  bounds on when a message was stored, both included
    """
    select, params = f"SELECT {_COLUMNS} FROM message WHERE tenant = ?", list[Any]([tenant])
    terms: tuple[tuple[str, Any], ...] = (
        ("agent_id = ?", agent_id),
        ("run_id = ?", run_id),
        ("step_id = ?", step_id),
        ("role IN (SELECT value FROM json_each(?))", msgspec.json.encode(list(roles)).decode() if roles else None),
        ("created_at_ms >= ?", since_ms),
        ("created_at_ms <= ?", until_ms),
    )
    for term, value in terms:
        if value is not None:
            select += f" AND {term}"
            params.append(value)
    sql, bound = paged(select, params, page, table="message", tenant=tenant)
    return [message_from_row(row) for row in await view.fetch(sql, *bound)]


async def count(view: View, tenant: str, agent_id: str) -> int:
    """How many messages an agent's history has."""
    rows = await view.fetch("SELECT count(*) FROM message WHERE tenant = ? AND agent_id = ?", tenant, agent_id)
    total: int = rows[0][0]
    return total


async def get(view: View, tenant: str, message_id: str) -> StoredMessage:
    row = await view.one(f"SELECT {_COLUMNS} FROM message WHERE tenant = ? AND id = ?", tenant, message_id)
    if row is None:
        raise NotFound(f"no message has the id '{message_id}'")
    return message_from_row(row)


async def search(
    view: View,
    tenant: str,
    agent_ids: str | Sequence[str],
    query: str,
    *,
    limit: int = 10,
    roles: tuple[str, ...] = ("user", "assistant"),
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[StoredMessage]:
    """Messages of one agent, or of several, that share words with `query`, best first, whatever their age.

    since_ms, until_ms  bounds on when the message was stored, both included
    Raises InvalidInput, LimitExceeded.
    """
    check_text("the query", query)
    if (size := len(query.encode())) > limits.MESSAGE_SEARCH_QUERY_BYTES_MAX:
        raise LimitExceeded("the query", size, limits.MESSAGE_SEARCH_QUERY_BYTES_MAX, "bytes")
    if not 1 <= limit <= limits.MESSAGE_SEARCH_RESULTS_MAX:
        raise InvalidInput(f"limit must be between 1 and {limits.MESSAGE_SEARCH_RESULTS_MAX}, not {limit}")
    asked = [agent_ids] if isinstance(agent_ids, str) else list(agent_ids)
    if len(asked) > limits.MESSAGE_SEARCH_AGENTS_MAX:
        raise LimitExceeded("the number of agents to search", len(asked), limits.MESSAGE_SEARCH_AGENTS_MAX, "agents")
    hits: list[Row] = []
    for start in range(0, len(asked), _AGENTS_AT_ONCE):
        match = match_query(query, *(scope_token(tenant, one) for one in asked[start : start + _AGENTS_AT_ONCE]))
        hits += await view.fetch(_SEARCH, match, limits.MESSAGE_SEARCH_CANDIDATES_MAX) if match else []
    if not hits:
        return []
    hits = sorted(hits, key=lambda hit: hit[1])[: limits.MESSAGE_SEARCH_CANDIDATES_MAX]
    rank = {seq: place for place, (seq, _) in enumerate(hits)}
    sql = f"SELECT seq, {_COLUMNS} FROM message WHERE tenant = ? AND seq IN ({','.join(map(str, rank))})"
    own = set(asked)
    rows = [row for row in await view.fetch(sql, tenant) if row[3] in own]
    rows.sort(key=lambda row: rank[row[0]])
    found = (message_from_row(row[1:]) for row in rows)
    return [
        message
        for message in found
        if message.body.role in roles
        and (since_ms is None or message.created_at_ms >= since_ms)
        and (until_ms is None or message.created_at_ms <= until_ms)
    ][:limit]
