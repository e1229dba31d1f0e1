"""A group's runs: what was said to it, and whose turn it was, written before that one speaks.

A turn's row commits with the run of the agent that has it: whatever stops the process, nobody speaks twice, and who
takes the group's run up again finds whose turn it is.
"""

from typing import Any, Literal

import msgspec

from kelpie.errors import NotFound
from kelpie.groups import limits
from kelpie.trajectories.records import OPEN_STATUSES, RunInput, RunOptions, RunStatus
from umi.storage import Changes, Row, View

GUARD = "group run"
Part = Literal["speaker", "manager"]

_COLUMNS = "tenant, id, group_id, status, input, options, stop_reason, error, created_at_ms, completed_at_ms"
# The group is there, and not too much waits for it.
_ROOM = (
    "SELECT 1 FROM agent_group WHERE tenant = ?1 AND id = ?2 AND (SELECT count(*) FROM group_run WHERE tenant = ?1"
    " AND group_id = ?2 AND status IN ('created', 'running')) < ?3"
)
_INSERT = f"INSERT INTO group_run ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, ?, NULL)"
_BEGIN = (
    "UPDATE group_run SET status = 'running' WHERE tenant = ?1 AND id = ?2 AND status IN ('created', 'running')"
    " AND ?3 = (SELECT count(*) FROM group_turn WHERE tenant = ?1 AND group_run_id = ?2)"
)
_END = (
    "UPDATE group_run SET status = ?, stop_reason = ?, error = ?, completed_at_ms = ?"
    " WHERE tenant = ? AND id = ? AND status IN ('created', 'running')"
)
_EARLIER = (
    "SELECT 1 FROM group_run WHERE tenant = ?1 AND group_id = ?2 AND status IN ('created', 'running')"
    " AND seq < (SELECT seq FROM group_run WHERE tenant = ?1 AND id = ?3) LIMIT 1"
)
_AT_REST = (
    "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM group_run WHERE tenant = ? AND group_id = ?"
    " AND status IN ('created', 'running'))"
)


class GroupRun(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a group, until nobody has a turn any more. `options` hold for every turn."""

    tenant: str
    id: str
    group_id: str
    status: RunStatus
    input: list[RunInput]
    options: RunOptions
    stop_reason: str | None = None
    error: dict[str, Any] | None = None
    created_at_ms: int = 0
    completed_at_ms: int | None = None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES


class GroupTurn(msgspec.Struct, frozen=True, kw_only=True):
    """Whose turn it was, from 0, in which run: to speak, or as a manager to say who speaks."""

    number: int
    agent_id: str
    part: Part
    run_id: str


_encode = msgspec.msgpack.Encoder().encode
_decode_input = msgspec.msgpack.Decoder(list[RunInput]).decode
_decode_options = msgspec.msgpack.Decoder(RunOptions).decode


def plan_accept(run: GroupRun) -> Changes:
    """Guard "group run": the group is there, and not too much waits for it already."""
    assert run.status == "created"
    at = run.tenant, run.group_id
    changes = Changes().guard(GUARD, _ROOM, *at, limits.GROUP_RUNS_OPEN_MAX)
    values = (run.tenant, run.id, run.group_id, run.status, _encode(run.input), _encode(run.options))
    return changes.write(_INSERT, *values, run.created_at_ms)


def plan_turn(run: GroupRun, turn: GroupTurn) -> Changes:
    """Commits with the run of the agent whose turn it is. Guard "group run": it has not ended, and this turn is the
    next one."""
    changes = Changes().guard(GUARD, _BEGIN, run.tenant, run.id, turn.number)
    sql = "INSERT INTO group_turn VALUES (?, ?, ?, ?, ?, ?, ?)"
    values = (run.tenant, run.id, turn.number, run.group_id, turn.agent_id, turn.part, turn.run_id)
    return changes.write(sql, *values)


def plan_end(
    run: GroupRun, status: RunStatus, stop_reason: str, now_ms: int, error: dict[str, Any] | None = None
) -> tuple[GroupRun, Changes]:
    """Guard "group run": it ends once."""
    fields = {"status": status, "stop_reason": stop_reason, "error": error, "completed_at_ms": now_ms}
    packed = msgspec.msgpack.encode(error) if error else None
    changes = Changes().guard(GUARD, _END, status, stop_reason, packed, now_ms, run.tenant, run.id)
    return msgspec.structs.replace(run, **fields), changes


def plan_forget(tenant: str, group_id: str) -> Changes:
    """Remove the records of a group's runs. Guard "at rest": none of them is open."""
    changes = Changes().guard("at rest", _AT_REST, tenant, group_id)
    for table in ("group_run", "group_turn"):
        changes.write(f"DELETE FROM {table} WHERE tenant = ? AND group_id = ?", tenant, group_id)
    return changes


async def get(view: View, tenant: str, run_id: str) -> GroupRun:
    row = await view.one(f"SELECT {_COLUMNS} FROM group_run WHERE tenant = ? AND id = ?", tenant, run_id)
    if row is None:
        raise NotFound(f"no run of a group has the id '{run_id}'")
    return _run(row)


async def count_open(view: View, tenant: str) -> int:
    """How many of a tenant's have been acknowledged and have not ended."""
    sql = "SELECT count(*) FROM group_run WHERE status IN ('created', 'running') AND tenant = ?"
    count: int = (await view.fetch(sql, tenant))[0][0]
    return count


async def has_to_wait(view: View, run: GroupRun) -> bool:
    """Whether an earlier message to the group has not been answered yet. No such one can come later."""
    return await view.one(_EARLIER, run.tenant, run.group_id, run.id) is not None


async def turns_of(view: View, tenant: str, run_id: str) -> list[GroupTurn]:
    sql = "SELECT number, agent_id, part, run_id FROM group_turn WHERE tenant = ? AND group_run_id = ? ORDER BY number"
    rows = await view.fetch(sql, tenant, run_id)
    return [GroupTurn(number=row[0], agent_id=row[1], part=row[2], run_id=row[3]) for row in rows]


def _run(row: Row) -> GroupRun:
    return GroupRun(
        tenant=row[0],
        id=row[1],
        group_id=row[2],
        status=row[3],
        input=_decode_input(row[4]),
        options=_decode_options(row[5]),
        stop_reason=row[6],
        error=msgspec.msgpack.decode(row[7]) if row[7] else None,
        created_at_ms=row[8],
        completed_at_ms=row[9],
    )
