"""Steps: single model calls with their tools."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.bounds import Tag
from kelpie.api.house import caller
from kelpie.api.ids import StepId
from kelpie.api.paging import PageQuery, Window, refuse_filters
from kelpie.api.routes.messages import calls_of
from kelpie.api.wire import messages as message_wire
from kelpie.api.wire import runs as wire
from kelpie.api.wire import traces
from kelpie.api.wire.times import moment_ms
from kelpie.errors import GuardFailed, NotFound
from kelpie.trajectories import content, messages, steps
from kelpie.trajectories.records import Feedback

router = APIRouter(tags=["runs"])
_UNSERVED_FILTERS = ("trace_ids", "project_id")


class StepsQuery(PageQuery):
    agent_id: str | None = None
    model: str | None = None
    feedback: Feedback | None = None
    has_feedback: bool | None = None
    tags: list[Tag] | None = None
    start_date: str | None = None
    end_date: str | None = None


@router.get("/v1/steps")
async def list_steps(request: Request, query: Annotated[StepsQuery, Query()]) -> Response:
    """Steps, newest first; `model` is a handle."""
    refuse_filters(request, *_UNSERVED_FILTERS)
    who, window = caller(request), Window(query)
    found = await steps.list_steps(
        who.view,
        who.tenant,
        window.page,
        agent_id=query.agent_id,
        model=query.model,
        feedback=query.feedback,
        has_feedback=query.has_feedback,
        tags=query.tags or (),
        since_ms=moment_ms("start_date", query.start_date),
        until_ms=moment_ms("end_date", query.end_date),
    )
    return answer([wire.step(step, strict=who.house.strict_letta) for step in window.ordered(found)])


@router.get("/v1/steps/{step_id}")
async def retrieve_step(request: Request, step_id: StepId) -> Response:
    """One step: model, tokens, how it ended."""
    who = caller(request)
    found = await steps.get(who.view, who.tenant, step_id)
    return answer(wire.step(found, strict=who.house.strict_letta))


@router.get("/v1/steps/{step_id}/metrics")
async def retrieve_metrics(request: Request, step_id: StepId) -> Response:
    """How long the step took: its model call, its tools."""
    who = caller(request)
    step = await steps.get(who.view, who.tenant, step_id)
    return answer(traces.step_metrics(step, await steps.calls_of(who.view, who.tenant, step_id=step_id)))


@router.get("/v1/telemetry/{step_id}")
@router.get("/v1/steps/{step_id}/trace")
async def retrieve_trace(request: Request, step_id: StepId) -> Response:
    """The exact request that the model was sent, and what came back. Null if the model is one of this process."""
    who = caller(request)
    step = await steps.get(who.view, who.tenant, step_id)
    sent = await content.get(who.view, who.tenant, step.request)
    received = await content.get(who.view, who.tenant, [step.response] if step.response else [])
    return answer(traces.provider_trace(step, sent, received) if sent else None)


@router.get("/v1/steps/{step_id}/messages")
async def list_messages(request: Request, step_id: StepId, query: Annotated[PageQuery, Query()]) -> Response:
    """What the step added to the history, oldest first."""
    who, window = caller(request), Window(query, ascending=True, limit=limits.PAGE_MESSAGES_DEFAULT)
    stored = window.ordered(await messages.list_messages(who.view, who.tenant, window.page, step_id=step_id))
    shown = message_wire.shown(stored, await calls_of(who, stored), message_wire.Fashion())
    await steps.get(who.view, who.tenant, step_id)
    return answer(shown)


@router.patch("/v1/steps/{step_id}/feedback")
async def judge_step(request: Request, step_id: StepId, body: wire.JudgeStep) -> Response:
    """Say that a step was good or bad, with tags; null takes the word back."""
    who = caller(request)
    await steps.get(who.view, who.tenant, step_id)
    try:
        await who.workshop.database.commit(steps.plan_judge(who.tenant, step_id, body.feedback, body.tags))
    except GuardFailed:
        raise NotFound(f"no step has the id '{step_id}'") from None
    step = await steps.get(who.view, who.tenant, step_id)
    return answer(wire.step(step, strict=who.house.strict_letta))
