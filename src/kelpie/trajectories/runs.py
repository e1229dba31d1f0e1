"""Runs: a turn's record, written when its input is acknowledged and closed when it ends."""

from typing import Any

import msgspec

from kelpie.errors import Conflict, NotFound
from kelpie.trajectories import limits
from kelpie.trajectories.records import OPEN_STATUSES, Run, RunInput, RunOptions, RunStatus, StopReason
from umi.storage import Changes, Page, Row, View, paged

_COLUMNS = (
    "tenant, id, agent_id, status, stop_reason, input, options, error, created_at_ms, completed_at_ms, attempt,"
    " conversation_id"
)
_INSERT = (
    "INSERT INTO run (tenant, id, agent_id, status, input, options, background, created_at_ms, conversation_id,"
    " group_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# A run that has begun comes first, also before one that was committed earlier and not heard of until later.
_IN_TURN = "ORDER BY status = 'created', seq"
# For what is kept beside a run: written only while that is there. Its parameters are the tenant and the run's id.
IS_THERE = "EXISTS (SELECT 1 FROM run WHERE tenant = ? AND id = ?)"
_OPEN = f"SELECT {_COLUMNS} FROM run WHERE status IN ('created', 'running') {_IN_TURN}"
_OPEN_OF_AGENT = (
    f"SELECT {_COLUMNS} FROM run WHERE status IN ('created', 'running') AND tenant = ? AND agent_id = ? {_IN_TURN}"
)
# For a JSON list of agents: agent, stop reason, times of the newest run that ended.
LAST_ENDED = (
    "SELECT run.agent_id, run.stop_reason, run.created_at_ms, run.completed_at_ms FROM json_each(?2) asked JOIN run"
    " ON run.seq = (SELECT r.seq FROM run r WHERE r.tenant = ?1 AND r.agent_id = asked.value"
    " AND r.completed_at_ms IS NOT NULL ORDER BY r.seq DESC LIMIT 1)"
)
_START = "UPDATE run SET status = 'running' WHERE tenant = ? AND id = ? AND status IN ('created', 'running')"
_AGAIN = "UPDATE run SET attempt = ? WHERE tenant = ? AND id = ? AND status IN ('created', 'running')"
_END = (
    "UPDATE run SET status = ?, stop_reason = ?, error = ?, completed_at_ms = ?"
    " WHERE tenant = ? AND id = ? AND status IN ('created', 'running')"
)
_WITHDRAWN = (
    "UPDATE run SET status = 'cancelled', stop_reason = 'cancelled'"
    " WHERE tenant = ? AND id = ? AND stop_reason = 'requires_approval'"
)
# The name is free, or it was given so long ago that this is another message.
_NAME = (
    "INSERT INTO run_otid (tenant, agent_id, conversation_id, otid, run_id, accepted_at_ms) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (tenant, agent_id, conversation_id, otid) DO UPDATE SET run_id = excluded.run_id,"
    " accepted_at_ms = excluded.accepted_at_ms WHERE run_otid.accepted_at_ms < ?"
)
_NAMED = (
    "SELECT otid, run_id FROM run_otid WHERE tenant = ? AND agent_id = ? AND conversation_id = ?"
    " AND accepted_at_ms >= ? AND otid IN (SELECT value FROM json_each(?)) ORDER BY otid"
)

_encode = msgspec.msgpack.Encoder().encode
_decode_input = msgspec.msgpack.Decoder(list[RunInput]).decode
_decode_options = msgspec.msgpack.Decoder(RunOptions).decode


def run_from_row(row: Row) -> Run:
    return Run(
        tenant=row[0],
        id=row[1],
        agent_id=row[2],
        status=row[3],
        stop_reason=row[4],
        input=_decode_input(row[5]),
        options=_decode_options(row[6]),
        error=msgspec.msgpack.decode(row[7]) if row[7] else None,
        created_at_ms=row[8],
        completed_at_ms=row[9],
        attempt=row[10],
        conversation_id=row[11],
    )


def error_record(kind: str, message: str) -> dict[str, Any]:
    """An error as runs and steps keep it: its kind and a bounded text."""
    return {"kind": kind, "message": message[: limits.ERROR_TEXT_CHARS_MAX]}


def plan_accept(run: Run) -> Changes:
    """Make a run and its input durable: from this commit on it is acknowledged and will reach an end.

    Guard "otid": no message of its was accepted before, by the name that its sender gave it. It comes after the run
    itself, so that a commit which is made again meets Conflict, the run, and not its own names.
    """
    assert run.status == "created"
    assert (run.options.compact is None) <= len(run.input) <= limits.RUN_INPUT_MESSAGES_MAX
    changes = Changes().write(
        _INSERT,
        run.tenant,
        run.id,
        run.agent_id,
        run.status,
        _encode(run.input),
        _encode(run.options),
        int(run.options.background),
        run.created_at_ms,
        run.conversation_id,
        run.options.group_id,
    )
    for otid in _otids(run):
        since_ms = run.created_at_ms - limits.RUN_OTID_MS_MAX
        named = (run.tenant, run.agent_id, run.conversation_id, otid, run.id, run.created_at_ms)
        changes.guard("otid", _NAME, *named, since_ms)
    return changes


def _otids(run: Run) -> list[str]:
    return list(dict.fromkeys(one.otid for one in run.input if one.otid))


async def accepted_as(view: View, run: Run) -> str | None:
    """The run in which these messages were accepted before, by the names their sender gave them; None if in none.

    Raises Conflict if they are not the same messages: other contents, or others with them.
    """
    since_ms = run.created_at_ms - limits.RUN_OTID_MS_MAX
    otids = _otids(run)
    asked = (run.tenant, run.agent_id, run.conversation_id, since_ms, msgspec.json.encode(otids).decode())
    rows = await view.fetch(_NAMED, *asked)
    if not rows:
        return None
    otid, run_id = str(rows[0][0]), str(rows[0][1])
    try:
        earlier = await get(view, run.tenant, run_id)
    except NotFound:
        raise Conflict(
            f"a message of the otid '{otid}' was accepted before; the record of its run was deleted"
        ) from None
    if [(one.otid, one.body, one.answers) for one in earlier.input] != [
        (one.otid, one.body, one.answers) for one in run.input
    ]:
        raise Conflict(f"the otid '{otid}' was given to another message, in run '{run_id}'; give each message its own")
    return run_id


async def named(view: View, tenant: str, agent_id: str, conversation_id: str, otid: str) -> str | None:
    """The run that took in a message of this name in a conversation lately."""
    asked = (tenant, agent_id, conversation_id, 0, msgspec.json.encode([otid]).decode())
    rows = await view.fetch(_NAMED, *asked)
    return str(rows[0][1]) if rows else None


def plan_start(run: Run) -> Changes:
    """Guard "run": a run that was deleted or ended meanwhile can't go on."""
    return Changes().guard("run", _START, run.tenant, run.id)


def plan_again(run: Run) -> tuple[Run, Changes]:
    """Begin another attempt at an open run. Guard "run": it has not ended."""
    again = msgspec.structs.replace(run, attempt=run.attempt + 1)
    return again, Changes().guard("run", _AGAIN, again.attempt, run.tenant, run.id)


def plan_end(
    run: Run, status: RunStatus, stop_reason: StopReason, now_ms: int, error: dict[str, Any] | None = None
) -> Changes:
    """Close a run. Guard "run": it closes once."""
    assert status not in OPEN_STATUSES
    packed = msgspec.msgpack.encode(error) if error else None
    return Changes().guard("run", _END, status, stop_reason, packed, now_ms, run.tenant, run.id)


def plan_leave_group(tenant: str, group_id: str) -> Changes:
    """What was said in a group is from now on its agents' alone."""
    sql = "UPDATE run SET group_id = NULL WHERE tenant = ? AND group_id = ?"
    return Changes().write(sql, tenant, group_id)


def plan_leave_groups(tenant: str, groups: str, *params: str) -> Changes:
    """The same of several groups: `groups` is a query for their ids."""
    return Changes().write(
        f"UPDATE run SET group_id = NULL WHERE tenant = ? AND group_id IN ({groups})", tenant, *params
    )


def plan_withdrawn(tenant: str, run_id: str) -> Changes:
    """A run that ended with a question counts as cancelled, as the question was taken back."""
    return Changes().write(_WITHDRAWN, tenant, run_id)


def plan_delete(tenant: str, run_id: str) -> Changes:
    """Remove the record of a run that ended, with its steps and calls. Its messages stay in the agent's history.
    Guard "run": an open run has to end first."""
    return (
        Changes()
        .guard("run", "DELETE FROM run WHERE tenant = ? AND id = ? AND completed_at_ms IS NOT NULL", tenant, run_id)
        .write("DELETE FROM step WHERE tenant = ? AND run_id = ?", tenant, run_id)
        .write("DELETE FROM call WHERE tenant = ? AND run_id = ?", tenant, run_id)
        .write("UPDATE message SET run_id = NULL, step_id = NULL WHERE tenant = ? AND run_id = ?", tenant, run_id)
    )


async def get(view: View, tenant: str, run_id: str) -> Run:
    row = await view.one(f"SELECT {_COLUMNS} FROM run WHERE tenant = ? AND id = ?", tenant, run_id)
    if row is None:
        raise NotFound(f"no run has the id '{run_id}'")
    return run_from_row(row)


async def open_runs(view: View) -> list[Run]:
    """Every acknowledged run that has not ended, of all tenants: what a restart has to finish. Those that have begun
    come first, then the oldest."""
    return [run_from_row(row) for row in await view.fetch(_OPEN)]


async def open_runs_of(view: View, tenant: str, agent_id: str) -> list[Run]:
    """The same of one agent."""
    return [run_from_row(row) for row in await view.fetch(_OPEN_OF_AGENT, tenant, agent_id)]


async def count_open(view: View, tenant: str) -> int:
    """How many runs of a tenant have been acknowledged and have not ended."""
    row = await view.one("SELECT count(*) FROM run WHERE status IN ('created', 'running') AND tenant = ?", tenant)
    assert row is not None
    return int(row[0])


async def list_runs(
    view: View,
    tenant: str,
    page: Page,
    *,
    agent_ids: list[str] | None = None,
    statuses: list[str] | None = None,
    stop_reason: str | None = None,
    background: bool | None = None,
    conversation_id: str | None = None,
) -> list[Run]:
    """A page of runs by the time they were acknowledged."""
    select, params = f"SELECT {_COLUMNS} FROM run WHERE tenant = ?", [tenant]
    for column, values in (("agent_id", agent_ids), ("status", statuses)):
        if values:
            select += f" AND {column} IN ({','.join('?' * len(values))})"
            params += values
    if stop_reason is not None:
        select += " AND stop_reason = ?"
        params.append(stop_reason)
    if background is not None:
        select += f" AND background = {int(background)}"
    if conversation_id is not None:
        # The second term lets the index over conversations serve it, which leaves out agents' main ones.
        select += " AND conversation_id = ?" + (" AND conversation_id <> ''" if conversation_id else "")
        params.append(conversation_id)
    sql, bound = paged(select, params, page, table="run", tenant=tenant)
    return [run_from_row(row) for row in await view.fetch(sql, *bound)]
