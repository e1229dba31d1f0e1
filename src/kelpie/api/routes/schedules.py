"""Scheduled messages of an agent: create, list, retrieve, delete."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.ids import AgentId, pattern
from kelpie.api.wire import schedules as wire
from kelpie.errors import NotServed
from umi.storage import Page

router = APIRouter(tags=["schedules"])
ScheduleId = Annotated[str, Path(pattern=pattern("reminder"))]


class SchedulesQuery(BaseModel):
    limit: int = Field(default=limits.PAGE_ITEMS_DEFAULT, ge=1, le=limits.PAGE_ITEMS_MAX - 1)
    after: str | None = None


@router.post("/v1/agents/{agent_id}/schedule", status_code=201)
async def create_schedule(request: Request, agent_id: AgentId, body: wire.CreateSchedule) -> Response:
    """Have messages sent to the agent at a moment, or again and again."""
    who = caller(request)
    if who.house.strict_letta and body.is_ours():
        raise NotServed("Letta's schedules are one-time or recurring, in UTC, and this server keeps to that")
    scheduling = who.house.scheduling
    made = await scheduling.add(who.tenant, agent_id, body.schedule.when(who.now_ms()), body.mailing())
    return answer(wire.created(made), 201)


@router.get("/v1/agents/{agent_id}/schedule")
async def list_schedules(request: Request, agent_id: AgentId, query: Annotated[SchedulesQuery, Query()]) -> Response:
    """The agent's scheduled messages, oldest first. One that is sent once is gone when it was sent."""
    who = caller(request)
    found = await who.house.scheduling.page(who.tenant, agent_id, Page(limit=query.limit + 1, after=query.after))
    shown = [wire.schedule(one) for one in found[: query.limit]]
    return answer({"scheduled_messages": shown, "has_next_page": len(found) > query.limit})


@router.get("/v1/agents/{agent_id}/schedule/{scheduled_message_id}")
async def retrieve_schedule(request: Request, agent_id: AgentId, scheduled_message_id: ScheduleId) -> Response:
    """One scheduled message, and when it is sent next."""
    who = caller(request)
    return answer(wire.schedule(await who.house.scheduling.get(who.tenant, agent_id, scheduled_message_id)))


@router.delete("/v1/agents/{agent_id}/schedule/{scheduled_message_id}")
async def delete_schedule(request: Request, agent_id: AgentId, scheduled_message_id: ScheduleId) -> Response:
    """Send nothing of it any more. Runs that it began go on."""
    who = caller(request)
    await who.house.scheduling.delete(who.tenant, agent_id, scheduled_message_id)
    return answer({"success": True})
