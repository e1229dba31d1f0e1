"""An agent's history: messages by position, and the search over them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded, NotFound
from kelpie.trajectories import limits, stretches
from kelpie.trajectories.fulltext import history_of, match_query, scope_token, scope_tokens
from kelpie.trajectories.records import MAIN, Compacted, StoredMessage
from kelpie.trajectories.stretches import Stretch
from umi.entity import check_text
from umi.storage import Changes, Page, Row, View, paged
from umi.wire.types import Message

COLUMNS = "tenant, id, agent_id, position, run_id, step_id, body, otid, created_at_ms, conversation_id, compacted"
_INSERT = "INSERT INTO message VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_TEXT = (
    "INSERT INTO message_text (rowid, own, scope) SELECT seq, ?3, ?4 FROM message WHERE tenant = ?1 AND id = ?2"
)
IN_STRETCH = "tenant = ?1 AND agent_id = ?2 AND conversation_id = ?3 AND position BETWEEN ?4 AND ?5"
# Without statistics the planner would take the index over all conversations, and read those of others as well.
OF_CONVERSATION = "message INDEXED BY message_conversation"
# The newest ?6 rows of a stretch, or fewer: the one with which their bodies reach ?7 bytes is the last. No summaries.
_LATEST = (
    f"SELECT {COLUMNS}, length(body) FROM {OF_CONVERSATION} WHERE {IN_STRETCH} AND compacted IS NULL AND position >="
    " (SELECT min(position) FROM (SELECT position, sum(size) OVER (ORDER BY position DESC) - size AS newer FROM"
    f" (SELECT position, length(body) AS size FROM {OF_CONVERSATION} WHERE {IN_STRETCH} AND compacted IS NULL"
    " ORDER BY position DESC LIMIT ?6))"
    " WHERE newer < ?7) ORDER BY position DESC"
)
_COUNT = f"SELECT count(*) FROM {OF_CONVERSATION} WHERE {IN_STRETCH}"
_NEXT_POSITION = "SELECT coalesce(max(position), -1) + 1 FROM message WHERE tenant = ? AND agent_id = ?"
_POSITION = "SELECT position FROM message WHERE tenant = ? AND id = ? AND agent_id = ?"
_AT_REST = (
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM run WHERE tenant = ? AND agent_id = ? AND conversation_id = ?"
    " AND status IN ('created', 'running'))"
)
_SEARCH = "SELECT rowid, rank FROM message_text WHERE message_text MATCH ? ORDER BY rank LIMIT ?"

_HISTORIES_AT_ONCE = 200  # that one search of the index looks through

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode
_decode_compacted = msgspec.msgpack.Decoder(Compacted).decode


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
        conversation_id=row[9],
        compacted=_decode_compacted(row[10]) if row[10] else None,
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
            message.conversation_id,
            _encode(message.compacted) if message.compacted else None,
        )
        # A summary says again what is found word for word.
        if message.body.role in ("user", "assistant") and message.body.text and message.compacted is None:
            tokens = scope_tokens(message.tenant, message.agent_id, message.conversation_id)
            changes.write(_INSERT_TEXT, message.tenant, message.id, message.body.text, tokens)
    return changes


def plan_begin_anew(first: StoredMessage) -> Changes:
    """Let a conversation show nothing but this message from now on. What no other shows either is removed; its runs and
    steps stay, and what memory kept of them. Guard "at rest": no run of its is open, which would go on in the middle of
    nothing."""
    where = (first.tenant, first.agent_id)
    own = [Stretch(first.conversation_id, first.position, stretches.POSITION_MAX)]
    changes = Changes().guard("at rest", _AT_REST, *where, first.conversation_id)
    changes.extend(stretches.plan_set(*where, first.conversation_id, own))
    return changes.extend(stretches.plan_sweep(*where, [first.conversation_id])).extend(plan_add([first]))


async def next_position(view: View, tenant: str, agent_id: str) -> int:
    """After the newest message of an agent, whichever conversation it was said in."""
    position: int = (await view.fetch(_NEXT_POSITION, tenant, agent_id))[0][0]
    return position


async def latest(
    view: View,
    tenant: str,
    agent_id: str,
    limit: int,
    *,
    conversation_id: str = MAIN,
    bytes_max: int = limits.LATEST_BYTES_MAX,
    since: int = 0,
) -> list[StoredMessage]:
    """The newest `limit` messages a conversation shows, oldest first and without summaries; fewer if they would be more
    than `bytes_max` together, and none before the position `since`. Reads those alone, however many there are."""
    newest: list[StoredMessage] = []
    shown = await stretches.of(view, tenant, agent_id, conversation_id)
    for part in reversed(stretches.within(shown, since, stretches.POSITION_MAX)):
        rows = await view.fetch(_LATEST, tenant, agent_id, *part, limit - len(newest), bytes_max)
        newest += [message_from_row(row) for row in rows]
        bytes_max -= sum(row[-1] for row in rows)
        if len(newest) >= limit or bytes_max <= 0:
            break
    return newest[::-1]


async def of_run(view: View, tenant: str, run_id: str) -> list[StoredMessage]:
    """Every message of a run, in order."""
    sql = f"SELECT {COLUMNS} FROM message WHERE tenant = ? AND run_id = ? ORDER BY position"
    return [message_from_row(row) for row in await view.fetch(sql, tenant, run_id)]


async def list_messages(
    view: View,
    tenant: str,
    page: Page,
    *,
    agent_id: str | None = None,
    conversation_id: str | None = None,
    run_id: str | None = None,
    run_ids: Sequence[str] | None = None,
    step_id: str | None = None,
    group_id: str | None = None,
    roles: Sequence[str] = (),
    since_ms: int | None = None,
    until_ms: int | None = None,
    summaries_only: bool = False,
) -> list[StoredMessage]:
    """A page of messages in the order they were committed.

    conversation_id     what this conversation of the agent shows; all of its conversations if left out
    group_id            those of runs that were a group's turn
    roles               those of any of them
    since_ms, until_ms  bounds on when a message was stored, both included
    """
    select, params = f"SELECT {COLUMNS} FROM message WHERE tenant = ?", list[Any]([tenant])
    terms: tuple[tuple[str, Any], ...] = (
        ("run_id = ?", run_id),
        (
            "run_id IN (SELECT value FROM json_each(?))",
            None if run_ids is None else msgspec.json.encode(list(run_ids)).decode(),
        ),
        ("step_id = ?", step_id),
        ("run_id IN (SELECT id FROM run WHERE run.tenant = message.tenant AND group_id = ?)", group_id),
        ("role IN (SELECT value FROM json_each(?))", msgspec.json.encode(list(roles)).decode() if roles else None),
        ("created_at_ms >= ?", since_ms),
        ("created_at_ms <= ?", until_ms),
        ("agent_id = ?", agent_id),
    )
    for term, value in terms:
        if value is not None:
            select += f" AND {term}"
            params.append(value)
    if summaries_only:
        select += " AND compacted IS NOT NULL"
    if agent_id is None:
        assert conversation_id is None, "a conversation is an agent's"
        sql, bound = paged(select, params, page, table="message", tenant=tenant)
        return [message_from_row(row) for row in await view.fetch(sql, *bound)]
    bounds = await _bounds(view, tenant, agent_id, page)
    if conversation_id is None:
        shown = [Stretch(MAIN, *bounds)]
        select += " AND position BETWEEN ? AND ?"
    else:
        shown = stretches.within(await stretches.of(view, tenant, agent_id, conversation_id), *bounds)
        select = select.replace("message", OF_CONVERSATION, 1) + " AND conversation_id = ? AND position BETWEEN ? AND ?"
    select += f" ORDER BY position {'ASC' if page.ascending else 'DESC'} LIMIT ?"
    found: list[StoredMessage] = []
    for part in shown if page.ascending else reversed(shown):
        rows = await view.fetch(select, *params, *part[conversation_id is None :], page.limit - len(found))
        found += [message_from_row(row) for row in rows]
        if len(found) == page.limit:
            break
    return found


async def _bounds(view: View, tenant: str, agent_id: str, page: Page) -> tuple[int, int]:
    """The positions, both included, between which a page of an agent's messages lies: nothing lies between those of an
    id that it doesn't have."""
    first, last = 0, stretches.POSITION_MAX
    for cursor, is_lower in ((page.after, page.ascending), (page.before, not page.ascending)):
        if cursor is not None:
            rows = await view.fetch(_POSITION, tenant, cursor, agent_id)
            if not rows:
                return 0, -1
            if is_lower:
                first = max(first, rows[0][0] + 1)
            else:
                last = min(last, rows[0][0] - 1)
    return first, last


async def count(view: View, tenant: str, agent_id: str, conversation_id: str | None = None) -> int:
    """How many messages a conversation of an agent shows, or all of its conversations have."""
    if conversation_id is None:
        rows = await view.fetch("SELECT count(*) FROM message WHERE tenant = ? AND agent_id = ?", tenant, agent_id)
        return int(rows[0][0])
    parts = await stretches.of(view, tenant, agent_id, conversation_id)
    return sum([int((await view.fetch(_COUNT, tenant, agent_id, *part))[0][0]) for part in parts])


async def get(view: View, tenant: str, message_id: str) -> StoredMessage:
    row = await view.one(f"SELECT {COLUMNS} FROM message WHERE tenant = ? AND id = ?", tenant, message_id)
    if row is None:
        raise NotFound(f"no message has the id '{message_id}'")
    return message_from_row(row)


async def search(
    view: View,
    tenant: str,
    agent_ids: str | Sequence[str],
    query: str,
    *,
    conversation_id: str | None = None,
    limit: int = 10,
    roles: tuple[str, ...] = ("user", "assistant"),
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[StoredMessage]:
    """Messages of one agent, or of several, that share words with `query`, best first, whatever their age.

    conversation_id     what this conversation of the one agent shows; all of its conversations if left out
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
    shown: list[Stretch] | None = None
    histories = [scope_token(tenant, one) for one in asked]
    if conversation_id is not None:
        (agent_id,) = asked
        shown = await stretches.of(view, tenant, agent_id, conversation_id)
        histories = list(dict.fromkeys(history_of(tenant, agent_id, part.source_id) for part in shown))
    own = set(asked)
    return [
        message
        for message in await _candidates(view, tenant, query, histories)
        if message.agent_id in own
        and (shown is None or stretches.shows(shown, message))
        and message.body.role in roles
        and (since_ms is None or message.created_at_ms >= since_ms)
        and (until_ms is None or message.created_at_ms <= until_ms)
    ][:limit]


async def _candidates(view: View, tenant: str, query: str, histories: Sequence[str]) -> list[StoredMessage]:
    """What the index proposes, best first, of these histories and perhaps of others."""
    hits: list[Row] = []
    for start in range(0, len(histories), _HISTORIES_AT_ONCE):
        match = match_query(query, *histories[start : start + _HISTORIES_AT_ONCE])
        hits += await view.fetch(_SEARCH, match, limits.MESSAGE_SEARCH_CANDIDATES_MAX) if match else []
    if not hits:
        return []
    hits = sorted(hits, key=lambda hit: hit[1])[: limits.MESSAGE_SEARCH_CANDIDATES_MAX]
    rank = {seq: place for place, (seq, _) in enumerate(hits)}
    sql = f"SELECT seq, {COLUMNS} FROM message WHERE tenant = ? AND seq IN ({','.join(map(str, rank))})"
    rows = sorted(await view.fetch(sql, tenant), key=lambda row: rank[row[0]])
    return [message_from_row(row[1:]) for row in rows]
