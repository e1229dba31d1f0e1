"""Who ran what, for whom, and where it really ran: one row for every call that a sandbox, or an MCP server, was or
should have been asked for.

The row is written before the call, in the commit of its intent, and finished in the commit of its results; a process
that dies in between leaves a row that says so. Arguments and results are not in it: `step_id` and `tool_call_id` lead
to them. Rows outlive their agent.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kelpie.errors import CallerError, NotFound, ToolFailed
from kelpie.sandbox import MINIMUM, LevelName, SandboxResult, Trust
from kelpie.sandbox.sandbox import LEVEL_NAMES
from kelpie.tools import limits
from umi.storage import Changes, Page, Row, View, paged

State = Literal["begun", "ran", "refused", "cancelled", "interrupted"]
FILTERS = ("agent_id", "run_id", "tool", "server", "trust", "level", "state", "killed_by")
_COLUMNS = (
    "id, tenant, at_ms, state, tool, tool_id, tool_version, trust, needs, agent_id, run_id, step_id, tool_call_id,"
    " speaker, model, level, backend, killed_by, exit_status, is_error, duration_ms, cpu_ms, memory_bytes, network,"
    " asks, refusal, server"
)
_INSERT = f"INSERT INTO tool_audit ({_COLUMNS}) VALUES ({', '.join('?' * 27)})"
_END = (
    "UPDATE tool_audit SET state = ?, level = ?, backend = ?, killed_by = ?, exit_status = ?, is_error = ?,"
    " duration_ms = ?, cpu_ms = ?, memory_bytes = ?, network = ?, asks = ?, refusal = ? WHERE tenant = ? AND id = ?"
)


class Sandboxed(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a tool's calls ones that are audited.

    trust    how far its source is trusted
    needs    the level that this server demands for that; "" for a tool of an MCP server, which may be another machine
    tool_id, version  the row it was read from, "" and 0 for one that ships with the server
    server   the MCP server's name, "" for a tool of a sandbox
    """

    trust: Trust
    needs: LevelName | Literal[""]
    tool_id: str = ""
    version: int = 0
    server: str = ""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call, as the sandbox or the connection tells it and not the tool.

    level    where it ran; "remote" for an MCP server that is another machine's
    backend  what isolated it there, or how the MCP server was reached
    killed_by  the limit that ended it, or the MCP server's fault
    asks     how often it asked the server for what, by operation
    refusal  why it did not run, as the model reads it
    """

    state: State = "ran"
    level: str = ""
    backend: str = ""
    killed_by: str | None = None
    exit: int | None = None
    duration_ms: float | None = None
    cpu_ms: float | None = None
    memory_bytes: int | None = None
    network: list[str] = []
    asks: dict[str, int] = {}
    refusal: str = ""


class Failed(ToolFailed):
    """A call's error; `ran` is what came of the call, if it was made at all."""

    ran: Ran | None = None


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row. `speaker` is the key of whom the run was for, "" for nobody in particular; `run_id`, `step_id` are ""
    where a person ran the source through the API."""

    tenant: str
    id: str
    at_ms: int
    state: State = "begun"
    tool: str
    sandboxed: Sandboxed
    agent_id: str
    run_id: str
    step_id: str
    tool_call_id: str
    speaker: str
    model: str
    is_error: bool = False
    ran: Ran = Ran()

    @property
    def is_lowered(self) -> bool:
        """Whether an operator demanded less for this trust than kelpie does."""
        of = self.sandboxed
        return of.needs != "" and LEVEL_NAMES.index(of.needs) < LEVEL_NAMES.index(MINIMUM[of.trust])


def of_result(result: SandboxResult, asks: dict[str, int]) -> Ran:
    return Ran(
        level=result.level,
        backend=result.backend,
        killed_by=result.killed_by,
        exit=result.exit,
        duration_ms=result.usage.duration_ms,
        cpu_ms=result.usage.cpu_ms,
        memory_bytes=result.usage.memory_bytes,
        network=[
            _storable(line)[: limits.AUDIT_NETWORK_LINE_CHARS_MAX]
            for line in result.network[: limits.AUDIT_NETWORK_LINES_MAX]
        ],
        asks=asks,
    )


def of_error(error: CallerError) -> Ran:
    """What came of a call that ended with this error: it was refused, unless the error knows that it ran."""
    if isinstance(error, Failed) and error.ran is not None:
        return error.ran
    return Ran(state="refused", refusal=_storable(f"{error.kind}: {error}")[: limits.AUDIT_REFUSAL_CHARS_MAX])


def plan_begin(row: AuditRow) -> Changes:
    """Write down that a call is about to be made."""
    return Changes().write(_INSERT, *_values(row))


def plan_end(tenant: str, audit_id: str, ran: Ran, *, is_error: bool) -> Changes:
    """Write down what came of it."""
    return Changes().write(
        _END,
        ran.state,
        ran.level,
        ran.backend,
        ran.killed_by,
        ran.exit,
        int(is_error),
        ran.duration_ms,
        ran.cpu_ms,
        ran.memory_bytes,
        _json(ran.network),
        _json(ran.asks),
        ran.refusal,
        tenant,
        audit_id,
    )


def plan_interrupted(tenant: str, step_id: str) -> Changes:
    """The process that made a step's calls is gone: whether they ran is not known."""
    sql = (
        "UPDATE tool_audit SET state = 'interrupted', is_error = 1 WHERE tenant = ? AND step_id = ? AND state = 'begun'"
    )
    return Changes().write(sql, tenant, step_id)


def plan_cut_off(tenant: str, runs: str, *params: str) -> Changes:
    """The same of runs whose record goes: `runs` selects their ids, and ?1 is the tenant there too."""
    sql = f"UPDATE tool_audit SET state = 'interrupted', is_error = 1 WHERE tenant = ?1 AND run_id IN ({runs})"
    return Changes().write(f"{sql} AND state = 'begun'", tenant, *params)


async def get(view: View, tenant: str, audit_id: str) -> AuditRow:
    """Raises NotFound."""
    row = await view.one(f"SELECT {_COLUMNS} FROM tool_audit WHERE tenant = ? AND id = ?", tenant, audit_id)
    if row is None:
        raise NotFound(f"no audit row has the id '{audit_id}'")
    return row_from(row)


async def list_rows(
    view: View,
    tenant: str,
    page: Page,
    *,
    equal: dict[str, str] | None = None,
    speakers: Sequence[str] | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[AuditRow]:
    """A page of rows in the order the calls began.

    equal     values by column, one of FILTERS
    speakers  keys of those for whom the calls were made; None for everybody
    """
    select, params = f"SELECT {_COLUMNS} FROM tool_audit WHERE tenant = ?", [tenant]
    for column, value in (equal or {}).items():
        assert column in FILTERS, f"the audit is not filtered by {column}"
        select += f" AND {column} = ?"
        params.append(value)
    if speakers is not None:
        select += " AND speaker IN (SELECT value FROM json_each(?))"
        params.append(_json(list(speakers)))
    bounds: list[Any] = []
    for sign, moment_ms in ((">=", since_ms), ("<", until_ms)):
        if moment_ms is not None:
            select += f" AND at_ms {sign} ?"
            bounds.append(moment_ms)
    sql, bound = paged(select, [*params, *bounds], page, table="tool_audit", tenant=tenant)
    return [row_from(row) for row in await view.fetch(sql, *bound)]


def row_from(row: Row) -> AuditRow:
    return AuditRow(
        id=row[0],
        tenant=row[1],
        at_ms=row[2],
        state=row[3],
        tool=row[4],
        sandboxed=Sandboxed(tool_id=row[5], version=row[6], trust=row[7], needs=row[8], server=row[26]),
        agent_id=row[9],
        run_id=row[10],
        step_id=row[11],
        tool_call_id=row[12],
        speaker=row[13],
        model=row[14],
        is_error=bool(row[19]),
        ran=Ran(
            state=row[3],
            level=row[15],
            backend=row[16],
            killed_by=row[17],
            exit=row[18],
            duration_ms=row[20],
            cpu_ms=row[21],
            memory_bytes=row[22],
            network=msgspec.json.decode(row[23]),
            asks=msgspec.json.decode(row[24]),
            refusal=row[25],
        ),
    )


def _values(row: AuditRow) -> tuple[Any, ...]:
    of, ran = row.sandboxed, row.ran
    return (
        row.id,
        row.tenant,
        row.at_ms,
        row.state,
        _storable(row.tool)[: limits.AUDIT_TOOL_CHARS_MAX],
        of.tool_id,
        of.version,
        of.trust,
        of.needs,
        row.agent_id,
        row.run_id,
        row.step_id,
        row.tool_call_id,
        row.speaker,
        row.model,
        ran.level,
        ran.backend,
        ran.killed_by,
        ran.exit,
        int(row.is_error),
        ran.duration_ms,
        ran.cpu_ms,
        ran.memory_bytes,
        _json(ran.network),
        _json(ran.asks),
        ran.refusal,
        of.server,
    )


def _storable(text: str) -> str:
    """Some of it was said by what ran: no store takes NUL or half of a surrogate pair."""
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
