"""Rows: what was shown of a run's last words, with the links of its numbers; and what people said of it."""

from typing import Any, Literal

import msgspec

from kelpie.analyst.provenance.numbers import Numbers
from kelpie.trajectories import runs
from umi.storage import Changes, View

_PUT = (
    "INSERT INTO analyst_answer (tenant, run_id, agent_id, text, numbers, unsourced, created_at_ms)"
    f" SELECT ?, ?, ?, ?, ?, ?, ? WHERE {runs.IS_THERE} ON CONFLICT (tenant, run_id) DO NOTHING"
)
_ONE = "SELECT text, numbers, unsourced FROM analyst_answer WHERE tenant = ? AND run_id = ?"
_FEEDBACK = "run_id, verdict, person, reason, created_at_ms"
_ADD_FEEDBACK = (
    "INSERT INTO analyst_feedback (tenant, agent_id, run_id, verdict, person, reason, created_at_ms)"
    f" SELECT ?, ?, ?, ?, ?, ?, ? WHERE {runs.IS_THERE}"
)
_FEEDBACK_OF_RUN = f"SELECT {_FEEDBACK} FROM analyst_feedback WHERE tenant = ? AND run_id = ? ORDER BY created_at_ms"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown. `unsourced` is the number because of which it is not the model's own words."""

    text: str
    numbers: Numbers
    unsourced: str | None = None


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """A thumb up or down. `person` is who said it, None for nobody in particular."""

    run_id: str
    verdict: Literal["confirmed", "rejected"]
    person: str | None
    reason: str
    created_at_ms: int


def plan_answer(tenant: str, run_id: str, agent_id: str, held: Held, now_ms: int) -> Changes:
    """Keep what was shown first: it is what a person saw, and doesn't change. Nothing, if the run was deleted since."""
    numbers = msgspec.json.encode(held.numbers).decode()
    row = (tenant, run_id, agent_id, held.text, numbers, held.unsourced, now_ms)
    return Changes().write(_PUT, *row, tenant, run_id)


async def held_of(view: View, tenant: str, run_id: str) -> Held | None:
    row = await view.one(_ONE, tenant, run_id)
    if row is None:
        return None
    text, numbers, unsourced = row
    return Held(text=text, numbers=msgspec.json.decode(numbers, type=Numbers), unsourced=unsourced)


def plan_feedback(tenant: str, agent_id: str, feedback: Feedback) -> Changes:
    return Changes().write(
        _ADD_FEEDBACK,
        tenant,
        agent_id,
        feedback.run_id,
        feedback.verdict,
        feedback.person,
        feedback.reason,
        feedback.created_at_ms,
        tenant,
        feedback.run_id,
    )


async def feedback_of(view: View, tenant: str, run_id: str) -> list[Feedback]:
    """In the order in which it was said."""
    return [_from_row(row) for row in await view.fetch(_FEEDBACK_OF_RUN, tenant, run_id)]


def _from_row(row: tuple[Any, ...]) -> Feedback:
    run_id, verdict, person, reason, created_at_ms = row
    return Feedback(run_id=run_id, verdict=verdict, person=person, reason=reason, created_at_ms=created_at_ms)
