"""Steps: single model calls with their tools."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.ids import StepId
from kelpie.api.paging import PageQuery, Window, refuse_filters
from kelpie.api.wire import runs as wire
from kelpie.trajectories import steps

router = APIRouter(tags=["runs"])
_UNSERVED_FILTERS = ("start_date", "end_date", "trace_ids", "feedback", "has_feedback", "tags", "project_id")


class StepsQuery(PageQuery):
    agent_id: str | None = None
    model: str | None = None


@router.get("/v1/steps")
async def list_steps(request: Request, query: Annotated[StepsQuery, Query()]) -> Response:
    """Steps, newest first; `model` is a handle."""
    refuse_filters(request, *_UNSERVED_FILTERS)
    who, window = caller(request), Window(query)
    found = await steps.list_steps(who.view, who.tenant, window.page, agent_id=query.agent_id, model=query.model)
    return answer([wire.step(step, strict=who.house.strict_letta) for step in window.ordered(found)])


@router.get("/v1/steps/{step_id}")
async def retrieve_step(request: Request, step_id: StepId) -> Response:
    """One step: model, tokens, how it ended."""
    who = caller(request)
    found = await steps.get(who.view, who.tenant, step_id)
    return answer(wire.step(found, strict=who.house.strict_letta))
