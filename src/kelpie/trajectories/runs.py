"""Runs: a turn's record, written when its input is acknowledged and closed when it ends."""

from typing import Any

import msgspec

from kelpie.errors import NotFound
from kelpie.trajectories import limits
from kelpie.trajectories.records import OPEN_STATUSES, Run, RunInput, RunOptions, RunStatus, StopReason
from umi.storage import Changes, Page, Row, View, paged

_COLUMNS = "tenant, id, agent_id, status, stop_reason, input, options, error, created_at_ms, completed_at_ms"
_INSERT = "INSERT INTO run VALUES (NULL, ?, ?, ?, ?, NULL, ?, ?, ?, NULL, ?, NULL)"
# A run that has begun comes first, also before one that was committed earlier and not heard of until later.
_IN_TURN = "ORDER BY status = 'created', seq"
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
_END = (
    "UPDATE run SET status = ?, stop_reason = ?, error = ?, completed_at_ms = ?"
    " WHERE tenant = ? AND id = ? AND status IN ('created', 'running')"
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
    )


def error_record(kind: str, message: str) -> dict[str, Any]:
    """An error as runs and steps keep it: its kind and a bounded text."""
    return {"kind": kind, "message": message[: limits.ERROR_TEXT_CHARS_MAX]}


def plan_accept(run: Run) -> Changes:
    """Make a run and its input durable: from this commit on it is acknowledged and will reach an end."""
    assert run.status == "created"
    assert 1 <= len(run.input) <= limits.RUN_INPUT_MESSAGES_MAX
    return Changes().write(
        _INSERT,
        run.tenant,
        run.id,
        run.agent_id,
        run.status,
        _encode(run.input),
        _encode(run.options),
        int(run.options.background),
        run.created_at_ms,
    )


def plan_start(run: Run) -> Changes:
    """Guard "run": a run that was deleted or ended meanwhile can't go on."""
    return Changes().guard("run", _START, run.tenant, run.id)


def plan_end(
    run: Run, status: RunStatus, stop_reason: StopReason, now_ms: int, error: dict[str, Any] | None = None
) -> Changes:
    """Close a run. Guard "run": it closes once."""
    assert status not in OPEN_STATUSES
    packed = msgspec.msgpack.encode(error) if error else None
    return Changes().guard("run", _END, status, stop_reason, packed, now_ms, run.tenant, run.id)


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


async def list_runs(
    view: View,
    tenant: str,
    page: Page,
    *,
    agent_ids: list[str] | None = None,
    statuses: list[str] | None = None,
    stop_reason: str | None = None,
    background: bool | None = None,
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
    sql, bound = paged(select, params, page, table="run", tenant=tenant)
    return [run_from_row(row) for row in await view.fetch(sql, *bound)]
