"""Conversations of an agent beside its main one: each has a history, and runs, of its own."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kelpie.errors import LimitExceeded, NotFound
from kelpie.trajectories import limits, messages, stretches
from kelpie.trajectories.records import MAIN, Conversation, ConversationSettings, Run, StoredMessage
from kelpie.trajectories.stretches import POSITION_MAX, Stretch
from umi.entity import check_text
from umi.storage import Changes, Page, Row, View

Order = Literal["created", "last_message", "last_completion"]

_COLUMNS = (
    "tenant, id, agent_id, summary, model, settings, context_window_tokens, description, hidden, archived_at_ms,"
    " updated_at_ms, last_message_at_ms, created_at_ms"
)
SELECT = f"SELECT {_COLUMNS} FROM conversation WHERE tenant = ? AND id = ?"
_INSERT = f"INSERT INTO conversation ({_COLUMNS}) VALUES ({', '.join('?' * 13)})"
_SAID = "UPDATE conversation SET last_message_at_ms = ? WHERE tenant = ? AND id = ? AND agent_id = ?"
_IS_THERE = "SELECT 1 FROM conversation WHERE tenant = ? AND id = ? AND agent_id = ?"
_DELETE = "DELETE FROM conversation WHERE tenant = ? AND id = ? AND agent_id = ?"
# The ids of a conversation's runs: ?1 is the tenant, ?2 its id.
RUNS = "SELECT id FROM run WHERE tenant = ?1 AND conversation_id = ?2 AND conversation_id <> ''"
_FORGET_RUNS = (
    f"DELETE FROM step WHERE tenant = ?1 AND run_id IN ({RUNS})",
    f"DELETE FROM call WHERE tenant = ?1 AND run_id IN ({RUNS})",
    f"UPDATE message SET run_id = NULL, step_id = NULL WHERE tenant = ?1 AND run_id IN ({RUNS})",
    "DELETE FROM run WHERE tenant = ?1 AND conversation_id = ?2 AND conversation_id <> ''",
)
_FORGET_NAMES = "DELETE FROM run_otid WHERE tenant = ? AND agent_id = ? AND conversation_id = ?"
# What a list is sorted by; one that has no such moment comes last.
_LAST_COMPLETION = (
    "(SELECT max(r.completed_at_ms) FROM run r WHERE r.tenant = conversation.tenant"
    " AND r.conversation_id = conversation.id AND r.conversation_id <> '')"
)
_KEYS: dict[Order, str] = {
    "created": "conversation.created_at_ms",
    "last_message": "conversation.last_message_at_ms",
    "last_completion": _LAST_COMPLETION,
}

_encode = msgspec.msgpack.Encoder().encode
_decode_settings = msgspec.msgpack.Decoder(ConversationSettings).decode


def conversation_from_row(row: Row) -> Conversation:
    return Conversation(
        tenant=row[0],
        id=row[1],
        agent_id=row[2],
        summary=row[3],
        model=row[4],
        settings=_decode_settings(row[5]) if row[5] else None,
        context_window_tokens=row[6],
        description=row[7],
        hidden=bool(row[8]),
        archived_at_ms=row[9],
        updated_at_ms=row[10],
        last_message_at_ms=row[11],
        created_at_ms=row[12],
    )


def check(one: Conversation) -> None:
    """Raise InvalidInput or LimitExceeded for what can't be stored."""
    for name, text in (("summary", one.summary or ""), ("description", one.description or "")):
        check_text(f"the {name} of the conversation", text)
        if len(text) > limits.CONVERSATION_TEXT_CHARS_MAX:
            what = f"the {name} of the conversation"
            raise LimitExceeded(what, len(text), limits.CONVERSATION_TEXT_CHARS_MAX, "characters")


def plan_is_there(tenant: str, agent_id: str, conversation_id: str) -> Changes:
    """Guard "conversation": it is one of the agent's. The main one always is."""
    if conversation_id == MAIN:
        return Changes()
    return Changes().guard("conversation", _IS_THERE, tenant, conversation_id, agent_id)


def plan_said(run: Run) -> Changes:
    """Note that somebody says something in a conversation. Guard "conversation": it is one of the agent's."""
    if run.conversation_id == MAIN:
        return Changes()
    said = (run.created_at_ms, run.tenant, run.conversation_id, run.agent_id)
    return Changes().guard("conversation", _SAID, *said)


def plan_create(one: Conversation, before: Sequence[Stretch] = ()) -> Changes:
    """A new conversation, which shows these stretches before what will be said in it.

    Conflict on an id that is taken. The agent must be there: guard it in the same commit.
    """
    check(one)
    changes = Changes().write(
        _INSERT,
        one.tenant,
        one.id,
        one.agent_id,
        *_values(one).values(),
        one.created_at_ms,
    )
    own = Stretch(one.id, before[-1].until + 1 if before else 0, POSITION_MAX)
    return changes.extend(stretches.plan_set(one.tenant, one.agent_id, one.id, [*before, own]))


async def plan_fork(view: View, source_id: str, fork: Conversation, upto: StoredMessage | None = None) -> Changes:
    """A new conversation that shows what another of its agent shows, by reference, to its end or to a message. Of a
    reply that calls tools it shows the answers as well; one whose calls nobody has answered yet is left out.

    Guard "conversation": the other is there. Raises NotFound for a message that it doesn't show, LimitExceeded.
    """
    tenant, agent_id = fork.tenant, fork.agent_id
    shown = await stretches.of(view, tenant, agent_id, source_id)
    if upto is not None and (upto.agent_id != agent_id or not stretches.shows(shown, upto)):
        raise NotFound(f"the conversation shows no message with the id '{upto.id}'")
    before = stretches.within(shown, 0, await _end(view, fork, source_id, upto))
    if len(before) > limits.CONVERSATION_STRETCHES_MAX:
        raise LimitExceeded("the forks a fork goes back to", len(before), limits.CONVERSATION_STRETCHES_MAX, "forks")
    changes = plan_is_there(tenant, agent_id, source_id).extend(plan_create(fork, before))
    return changes.extend(stretches.plan_keep_main(tenant, agent_id)) if source_id == MAIN else changes


async def _end(view: View, fork: Conversation, source_id: str, upto: StoredMessage | None) -> int:
    """The last position of what a fork shows; -1 if that is nothing."""

    async def page(*, ascending: bool) -> list[StoredMessage]:
        cursor = None if upto is None else upto.id
        wanted = Page(limit=limits.CONVERSATION_STEP_MESSAGES_MAX, after=cursor, ascending=ascending)
        return await messages.list_messages(
            view, fork.tenant, wanted, agent_id=fork.agent_id, conversation_id=source_id
        )

    tail = [*([] if upto is None else [upto]), *await page(ascending=False)]
    answered: set[str | None] = set()
    for one in tail:
        if one.body.role == "tool":
            answered.add(one.body.tool_call_id)
            continue
        unanswered = {call.id for call in one.body.tool_calls} - answered
        if not unanswered:
            break
        for later in await page(ascending=True) if upto is not None else ():
            if later.body.role != "tool":
                break
            unanswered.discard(later.body.tool_call_id or "")
            if not unanswered:
                return later.position
        return one.position - 1
    return tail[0].position if tail else -1


def plan_update(old: Conversation, new: Conversation) -> Changes:
    """Change what a conversation says of itself. Guard "conversation": it is there."""
    check(new)
    before, after = _values(old), _values(new)
    # Only what is another now: what somebody else changes at the same time stays, above all when something was said.
    changed = {column: value for column, value in after.items() if value != before[column]}
    columns = ", ".join(f"{column} = ?" for column in changed) or "id = id"
    sql = f"UPDATE conversation SET {columns} WHERE tenant = ? AND id = ?"
    return Changes().guard("conversation", sql, *changed.values(), old.tenant, old.id)


async def plan_delete(view: View, one: Conversation) -> Changes:
    """Remove a conversation with its runs, and those of its messages that no other shows. A run of its that is at work
    can't commit any more. Guard "conversation": it is there."""
    where = (one.tenant, one.agent_id, one.id)
    sources = [part.source_id for part in await stretches.of(view, *where)]
    changes = Changes().guard("conversation", _DELETE, one.tenant, one.id, one.agent_id)
    changes.extend(stretches.plan_set(*where, [])).extend(stretches.plan_sweep(one.tenant, one.agent_id, sources))
    for sql in _FORGET_RUNS:
        changes.write(sql, one.tenant, one.id)
    return changes.write(_FORGET_NAMES, *where)


async def get(view: View, tenant: str, conversation_id: str, *, agent_id: str | None = None) -> Conversation:
    """Raises NotFound, also for one of another agent than `agent_id`."""
    row = await view.one(SELECT, tenant, conversation_id)
    if row is None:
        raise NotFound(f"no conversation has the id '{conversation_id}'")
    if agent_id not in (None, row[2]):
        raise NotFound(f"agent '{agent_id}' has no conversation with the id '{conversation_id}'")
    return conversation_from_row(row)


async def list_conversations(
    view: View,
    tenant: str,
    page: Page,
    *,
    agent_id: str | None = None,
    text: str | None = None,
    archived: bool | None = None,
    order: Order = "created",
) -> list[Conversation]:
    """A page of conversations, of one agent or of all, without hidden ones.

    text      what their summaries hold
    archived  those that were put away, or those that were not; None: both
    order     by when they were made, when somebody last said something, or when a run last ended; those without such a
              moment come last in either direction
    """
    # One number for both directions: whoever has no moment is after everybody who has one.
    key = f"coalesce({_KEYS[order]}, {POSITION_MAX if page.ascending else -1})"
    select, params = f"SELECT {_COLUMNS} FROM conversation WHERE tenant = ? AND hidden = 0", list[Any]([tenant])
    for term, value in (("agent_id = ?", agent_id), ("instr(lower(summary), lower(?)) > 0", text or None)):
        if value is not None:
            select += f" AND {term}"
            params.append(value)
    if archived is not None:
        select += f" AND archived_at_ms IS {'NOT ' if archived else ''}NULL"
    later, earlier = (">", "<") if page.ascending else ("<", ">")
    for cursor, side in ((page.after, later), (page.before, earlier)):
        if cursor is not None:
            place = f"SELECT {key}, conversation.seq FROM conversation WHERE tenant = ? AND id = ?"
            select += f" AND ({key}, seq) {side} ({place})"
            params += [tenant, cursor]
    direction = "ASC" if page.ascending else "DESC"
    select += f" ORDER BY {key} {direction}, seq {direction} LIMIT ?"
    return [conversation_from_row(row) for row in await view.fetch(select, *params, page.limit)]


def _values(one: Conversation) -> dict[str, Any]:
    """What may change of it, by column."""
    return {
        "summary": one.summary,
        "model": one.model,
        "settings": None if one.settings is None else _encode(one.settings),
        "context_window_tokens": one.context_window_tokens,
        "description": one.description,
        "hidden": int(one.hidden),
        "archived_at_ms": one.archived_at_ms,
        "updated_at_ms": one.updated_at_ms,
        "last_message_at_ms": one.last_message_at_ms,
    }
