"""Tool calls that wait for somebody: for a person who says whether they may run, or for the client that runs them.

A conversation has one such row at most: from the commit that asked until the one that ends it, an answer's, its being
taken back, or the reminder that its time is over, whichever is first (guard "approval"). While it is there no run of
the conversation is open, and none is accepted but the one that brings the answer: so nothing comes between a call and
what it came to. What becomes of the calls is in the history with the run that comes next.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from kelpie.actors import ActorId, Reminder, Reminders
from kelpie.actors.recurrence import Once
from kelpie.actors.reminders import new_reminder, plan_delete, plan_set
from kelpie.errors import Conflict, InvalidInput
from kelpie.trajectories import messages, runs
from kelpie.trajectories.records import Answer, CallState, Run, StoredMessage
from umi.dst import Host
from umi.storage import Changes, Database, Migration, Row, View

MIGRATION = Migration(
    "kelpie.agents",
    3,
    """
    CREATE TABLE approval (
        tenant TEXT NOT NULL, agent_id TEXT NOT NULL, conversation_id TEXT NOT NULL, run_id TEXT NOT NULL,
        step_id TEXT NOT NULL, message_id TEXT NOT NULL, reminder_id TEXT NOT NULL, calls BLOB NOT NULL,
        asked_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL,
        PRIMARY KEY (tenant, agent_id, conversation_id)
    ) STRICT, WITHOUT ROWID;
    """,
)
TOPIC = "approvals"
_COLUMNS = (
    "tenant, agent_id, conversation_id, run_id, step_id, message_id, reminder_id, calls, asked_at_ms, expires_at_ms"
)
_OF = "tenant = ? AND agent_id = ? AND conversation_id = ?"
_ASK = (
    f"INSERT INTO approval ({_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE NOT EXISTS"
    " (SELECT 1 FROM run WHERE tenant = ?1 AND agent_id = ?2 AND conversation_id = ?3 AND id <> ?4"
    " AND status IN ('created', 'running'))"
)
_SELECT = f"SELECT {_COLUMNS} FROM approval WHERE {_OF}"
_END = f"DELETE FROM approval WHERE {_OF} AND step_id = ?"
_SETTLE = "UPDATE call SET state = ? WHERE tenant = ? AND step_id = ? AND state = 'waiting'"
# The condition on a message that brings no answer: for a conversation by tenant, agent and its id.
NONE_WAITS = f"NOT EXISTS (SELECT 1 FROM approval WHERE {_OF})"
# For a JSON list of agents: the messages in which those of them asked that wait in their main conversation.
ASKING = (
    f"SELECT {', '.join('m.' + name for name in messages.COLUMNS.split(', '))} FROM json_each(?2) asked JOIN approval a"
    " ON a.tenant = ?1 AND a.agent_id = asked.value AND a.conversation_id = ''"
    " JOIN message m ON m.tenant = a.tenant AND m.id = a.message_id"
)


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A call that waits. `by_client`: the client runs it and brings what it came to."""

    tool_call_id: str
    tool: str
    by_client: bool = False


class Pending(msgspec.Struct, frozen=True):
    """What a conversation waits for. The row, column by column."""

    tenant: str
    agent_id: str
    conversation_id: str
    run_id: str
    step_id: str
    message_id: str
    reminder_id: str
    calls: list[Asked]
    asked_at_ms: int
    expires_at_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Asked]).decode


def _pending(row: Row) -> Pending:
    return Pending(row[0], row[1], row[2], row[3], row[4], row[5], row[6], _decode(row[7]), row[8], row[9])


def plan_ask(host: Host, actor: ActorId, asking: StoredMessage, calls: Sequence[Asked], wait_ms: int) -> Changes:
    """Have the calls of a message wait for an answer, no longer than `wait_ms`. Guard "approval": no other message to
    the conversation was acknowledged meanwhile; it would have to wait as well."""
    now_ms = host.clock.now_ms()
    made = new_reminder(host, actor, TOPIC, Once(now_ms + wait_ms), {"conversation_id": asking.conversation_id})
    row = (asking.tenant, asking.agent_id, asking.conversation_id, asking.run_id, asking.step_id, asking.id)
    changes = Changes().guard("approval", _ASK, *row, made.id, _encode(list(calls)), now_ms, made.due_at_ms)
    return changes.extend(plan_set(made))


def _plan_end(waiting: Pending, state: CallState) -> Changes:
    """Guard "approval": the calls wait still."""
    return (
        Changes()
        .guard("approval", _END, waiting.tenant, waiting.agent_id, waiting.conversation_id, waiting.step_id)
        .write(_SETTLE, state, waiting.tenant, waiting.step_id)
    )


def plan_end_early(waiting: Pending, actor: ActorId, state: CallState) -> Changes:
    """End the waiting before its time is over. Guards "approval", "reminder": it has not ended."""
    return _plan_end(waiting, state).extend(plan_delete(actor, TOPIC, waiting.reminder_id))


def plan_withdraw(waiting: Pending, actor: ActorId) -> Changes:
    """Take the question back; the run that asked counts as cancelled. Guards as above."""
    return plan_end_early(waiting, actor, "withdrawn").extend(runs.plan_withdrawn(waiting.tenant, waiting.run_id))


def plan_forget(tenant: str, agent_id: str, conversation_id: str) -> Changes:
    """A conversation begins anew, or is gone: nothing waits there any more."""
    return Changes().write(f"DELETE FROM approval WHERE {_OF}", tenant, agent_id, conversation_id)


def plan_forget_agent(tenant: str, agent_id: str) -> Changes:
    return Changes().write("DELETE FROM approval WHERE tenant = ? AND agent_id = ?", tenant, agent_id)


async def pending(view: View, tenant: str, agent_id: str, conversation_id: str) -> Pending | None:
    row = await view.one(_SELECT, tenant, agent_id, conversation_id)
    return None if row is None else _pending(row)


async def pending_of_agent(view: View, tenant: str, agent_id: str) -> list[Pending]:
    """The same of all its conversations."""
    sql = f"SELECT {_COLUMNS} FROM approval WHERE tenant = ? AND agent_id = ?"
    return [_pending(row) for row in await view.fetch(sql, tenant, agent_id)]


def answers_of(run: Run) -> list[Answer]:
    """What a run brings for calls that wait; nothing if it brings messages alone."""
    return run.input[0].answers if run.input else []


def answer_to(answers: Sequence[Answer], tool_call_id: str) -> Answer | None:
    given = {answer.tool_call_id: answer for answer in answers}
    return given.get(tool_call_id) or given.get("")


async def plan_answered(view: View, run: Run, actor: ActorId) -> Changes:
    """In the commit that accepts a run with answers. Guards "approval", "reminder": they are the first.

    Raises InvalidInput if nothing waits, or other calls do.
    """
    waiting = await pending(view, run.tenant, run.agent_id, run.conversation_id)
    if waiting is None:
        raise InvalidInput(
            f"no tool call of agent '{run.agent_id}' waits for an answer: it was answered before, taken back, or its"
            " time is over"
        )
    _check(waiting, answers_of(run))
    return plan_end_early(waiting, actor, "answered")


def _check(waiting: Pending, answers: Sequence[Answer]) -> None:
    calls = {call.tool_call_id: call for call in waiting.calls}
    known = ", ".join(f"'{one}'" for one in calls)
    for answer in answers:
        if answer.request_id not in (None, waiting.message_id):
            raise InvalidInput(
                f"nothing waits that message '{answer.request_id}' asked for, but '{waiting.message_id}'"
            )
        if answer.tool_call_id and answer.tool_call_id not in calls:
            raise InvalidInput(f"tool call '{answer.tool_call_id}' does not wait for an answer; these do: {known}")
    if len({answer.tool_call_id for answer in answers}) < len(answers):
        raise InvalidInput("a tool call is answered twice")
    for call in waiting.calls:
        its = answer_to(answers, call.tool_call_id)
        if its is None:
            raise InvalidInput(f"tool call '{call.tool_call_id}' has no answer; these wait: {known}")
        if call.by_client and not its.is_final:
            raise InvalidInput(
                f"'{call.tool}' is the client's own tool: answer call '{call.tool_call_id}' with what it came to"
                " (type 'tool'), or deny it"
            )


def waits(agent_id: str) -> Conflict:
    """Why a message is not taken while a call waits."""
    return Conflict(
        f"agent '{agent_id}' waits for an answer to a tool call: approve or deny it (its state has it as"
        " pending_approval), or cancel, before you send a message"
    )


class Expiry:
    """Ends the waiting for answers whose time is over."""

    def __init__(self, database: Database, reminders: Reminders) -> None:
        """Made once, before the reminders start."""
        self._database = database
        reminders.register(TOPIC, self._expire)

    async def _expire(self, reminder: Reminder, fired: Changes) -> None:
        who, body = reminder.actor, msgspec.convert(reminder.body, dict[str, Any])
        waiting = await pending(View(self._database), who.tenant, who.key, body["conversation_id"])
        if waiting is not None and waiting.reminder_id == reminder.id:
            fired.extend(_plan_end(waiting, "expired"))
        await self._database.commit(fired)
