"""Steps and calls: what the model was asked, what it answered, what its tools came to."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from kelpie.errors import NotFound
from kelpie.trajectories.content import HASH_BYTES
from kelpie.trajectories.records import Call, Feedback, Recall, RememberedTurn, Step, Tokens, Told
from umi.storage import Changes, Page, Row, View, paged
from umi.wire.types import Usage

_COLUMNS = (
    "tenant, id, run_id, agent_id, number, state, model, provider, provider_type, model_name, model_version,"
    " context_window_tokens, finish, stop_reason, error, usage, request, response, provider_request_id,"
    " started_at_ms, model_duration_ms, completed_at_ms, recalled, remembered, instead_of, told, feedback, tags, kind,"
    " tokens"
)
_INSERT = f"INSERT INTO step ({_COLUMNS}) VALUES ({', '.join('?' * 30)})"
_FINISH = (
    "UPDATE step SET state = ?, stop_reason = ?, completed_at_ms = ? WHERE tenant = ? AND id = ? AND state = 'intent'"
)
_JUDGE = "UPDATE step SET feedback = ?, tags = coalesce(?, tags) WHERE tenant = ? AND id = ?"
_REMEMBERED = "UPDATE step SET remembered = ? WHERE tenant = ? AND run_id = ? AND number = 1"
_TAGGED = "EXISTS (SELECT 1 FROM json_each(step.tags) own JOIN json_each(?) asked ON asked.value = own.value)"
_CALL_COLUMNS = (
    "tenant, step_id, run_id, agent_id, number, tool_call_id, tool, arguments, state, result_message_id, is_error,"
    " level, stdout, stderr, duration_ms"
)
_PUT_CALL = f"INSERT OR REPLACE INTO call ({_CALL_COLUMNS}) VALUES ({', '.join('?' * 15)})"

_encode = msgspec.msgpack.Encoder().encode
_decode_usage = msgspec.msgpack.Decoder(Usage).decode
_decode_recall = msgspec.msgpack.Decoder(Recall).decode
_decode_remembered = msgspec.msgpack.Decoder(RememberedTurn).decode
_decode_told = msgspec.msgpack.Decoder(Told).decode
_decode_tokens = msgspec.msgpack.Decoder(Tokens).decode
_decode_tags = msgspec.json.Decoder(list[str]).decode
_decode_lines = msgspec.msgpack.Decoder(list[str]).decode


def step_from_row(row: Row) -> Step:
    packed: bytes = row[16]
    return Step(
        tenant=row[0],
        id=row[1],
        run_id=row[2],
        agent_id=row[3],
        number=row[4],
        state=row[5],
        model=row[6],
        provider=row[7],
        provider_type=row[8],
        model_name=row[9],
        model_version=row[10],
        context_window_tokens=row[11],
        finish=row[12],
        stop_reason=row[13],
        error=msgspec.msgpack.decode(row[14]) if row[14] else None,
        usage=_decode_usage(row[15]),
        request=[packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)],
        response=row[17],
        provider_request_id=row[18],
        started_at_ms=row[19],
        model_duration_ms=row[20],
        completed_at_ms=row[21],
        recalled=_decode_recall(row[22]) if row[22] else None,
        remembered=_decode_remembered(row[23]) if row[23] else None,
        instead_of=row[24],
        told=_decode_told(row[25]) if row[25] else None,
        feedback=row[26],
        tags=_decode_tags(row[27]),
        kind=row[28],
        tokens=_decode_tokens(row[29]) if row[29] else None,
    )


def call_from_row(row: Row) -> Call:
    return Call(
        tenant=row[0],
        step_id=row[1],
        run_id=row[2],
        agent_id=row[3],
        number=row[4],
        tool_call_id=row[5],
        tool=row[6],
        arguments=row[7],
        state=row[8],
        result_message_id=row[9],
        is_error=bool(row[10]),
        level=row[11],
        stdout=_decode_lines(row[12]),
        stderr=_decode_lines(row[13]),
        duration_ms=row[14],
    )


def plan_add(step: Step) -> Changes:
    """Write a step. A number that is taken within its run makes the commit fail with Conflict."""
    return Changes().write(
        _INSERT,
        step.tenant,
        step.id,
        step.run_id,
        step.agent_id,
        step.number,
        step.state,
        step.model,
        step.provider,
        step.provider_type,
        step.model_name,
        step.model_version,
        step.context_window_tokens,
        step.finish,
        step.stop_reason,
        msgspec.msgpack.encode(step.error) if step.error else None,
        _encode(step.usage),
        b"".join(step.request),
        step.response,
        step.provider_request_id,
        step.started_at_ms,
        step.model_duration_ms,
        step.completed_at_ms,
        _encode(step.recalled) if step.recalled else None,
        _encode(step.remembered) if step.remembered else None,
        step.instead_of,
        _encode(step.told) if step.told else None,
        step.feedback,
        msgspec.json.encode(step.tags).decode(),
        step.kind,
        _encode(step.tokens) if step.tokens else None,
    )


def plan_remembered(tenant: str, run_id: str, remembered: RememberedTurn) -> Changes:
    """Write down, with a run's first step, what memory kept of the run. A run that was deleted has none any more."""
    return Changes().write(_REMEMBERED, _encode(remembered), tenant, run_id)


def plan_judge(tenant: str, step_id: str, feedback: Feedback | None, tags: Sequence[str] | None) -> Changes:
    """Write down what a person says of a step; None takes the word back, and leaves the tags as they are. Guard
    "step": it is there."""
    packed = None if tags is None else msgspec.json.encode(list(dict.fromkeys(tags))).decode()
    return Changes().guard("step", _JUDGE, feedback, packed, tenant, step_id)


def plan_finish(step: Step) -> Changes:
    """Close a step that was written with intents. Guard "step": it closes once."""
    return Changes().guard("step", _FINISH, step.state, step.stop_reason, step.completed_at_ms, step.tenant, step.id)


def plan_put_calls(calls: Iterable[Call]) -> Changes:
    """Write calls, or overwrite their intents."""
    changes = Changes()
    for call in calls:
        changes.write(
            _PUT_CALL,
            call.tenant,
            call.step_id,
            call.run_id,
            call.agent_id,
            call.number,
            call.tool_call_id,
            call.tool,
            call.arguments,
            call.state,
            call.result_message_id,
            int(call.is_error),
            call.level,
            _encode(call.stdout),
            _encode(call.stderr),
            call.duration_ms,
        )
    return changes


async def get(view: View, tenant: str, step_id: str) -> Step:
    row = await view.one(f"SELECT {_COLUMNS} FROM step WHERE tenant = ? AND id = ?", tenant, step_id)
    if row is None:
        raise NotFound(f"no step has the id '{step_id}'")
    return step_from_row(row)


async def of_run(view: View, tenant: str, run_id: str) -> list[Step]:
    sql = f"SELECT {_COLUMNS} FROM step WHERE tenant = ? AND run_id = ? ORDER BY number"
    return [step_from_row(row) for row in await view.fetch(sql, tenant, run_id)]


async def list_steps(
    view: View,
    tenant: str,
    page: Page,
    *,
    agent_id: str | None = None,
    run_id: str | None = None,
    model: str | None = None,
    feedback: Feedback | None = None,
    has_feedback: bool | None = None,
    tags: Sequence[str] = (),
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> list[Step]:
    """A page of steps in the order they were committed.

    tags                those that have any of them
    since_ms, until_ms  bounds on when the step began, both included
    """
    select, params = f"SELECT {_COLUMNS} FROM step WHERE tenant = ?", list[Any]([tenant])
    terms: tuple[tuple[str, Any], ...] = (
        ("agent_id = ?", agent_id),
        ("run_id = ?", run_id),
        ("model = ?", model),
        ("feedback = ?", feedback),
        ("started_at_ms >= ?", since_ms),
        ("started_at_ms <= ?", until_ms),
        (_TAGGED, msgspec.json.encode(list(tags)).decode() if tags else None),
    )
    for term, value in terms:
        if value is not None:
            select += f" AND {term}"
            params.append(value)
    if has_feedback is not None:
        select += f" AND feedback IS {'NOT ' if has_feedback else ''}NULL"
    sql, bound = paged(select, params, page, table="step", tenant=tenant)
    return [step_from_row(row) for row in await view.fetch(sql, *bound)]


async def calls_of(
    view: View, tenant: str, *, step_id: str | None = None, run_id: str | None = None, message_ids: Sequence[str] = ()
) -> list[Call]:
    """The calls of one step, of one run, or those that some tool messages answer."""
    if run_id is not None:
        sql = (
            f"SELECT {', '.join('c.' + name for name in _CALL_COLUMNS.split(', '))} FROM step s JOIN call c"
            " ON c.tenant = s.tenant AND c.step_id = s.id WHERE s.tenant = ? AND s.run_id = ?"
            " ORDER BY s.number, c.number"
        )
        return [call_from_row(row) for row in await view.fetch(sql, tenant, run_id)]
    if step_id is not None:
        sql = f"SELECT {_CALL_COLUMNS} FROM call WHERE tenant = ? AND step_id = ? ORDER BY number"
        return [call_from_row(row) for row in await view.fetch(sql, tenant, step_id)]
    marks = ",".join("?" * len(message_ids))
    sql = f"SELECT {_CALL_COLUMNS} FROM call WHERE tenant = ? AND result_message_id IN ({marks})"
    return [call_from_row(row) for row in await view.fetch(sql, tenant, *message_ids)]
