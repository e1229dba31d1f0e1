"""Runs: what became of the messages sent to agents."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import sweeping
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.ids import CONVERSATION, RunId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.places import DEFAULT, place_of
from kelpie.api.routes.messages import MessagesQuery, calls_of, watched
from kelpie.api.wire import messages as message_wire
from kelpie.api.wire import runs as wire
from kelpie.api.wire import traces
from kelpie.errors import Conflict, GuardFailed
from kelpie.tools import custom
from kelpie.trajectories import messages, runs, steps
from kelpie.trajectories.records import MAIN, OPEN_STATUSES
from umi.storage import Page

router = APIRouter(tags=["runs"])


class RunsQuery(PageQuery):
    agent_id: str | None = None
    agent_ids: list[str] | None = None
    statuses: list[Literal["created", "running", "completed", "failed", "cancelled"]] | None = None
    stop_reason: str | None = None
    background: bool | None = None
    active: bool = False
    conversation_id: Annotated[str | None, Query(pattern=CONVERSATION)] = None


@router.get("/v1/runs")
async def list_runs(request: Request, query: Annotated[RunsQuery, Query()]) -> Response:
    """Runs, newest first."""
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    if query.conversation_id not in (None, DEFAULT):
        await place_of(who, query.conversation_id)
    asked: list[str] = [*(query.statuses or []), *(OPEN_STATUSES if query.active else ())]
    found = await runs.list_runs(
        who.view,
        who.tenant,
        window.page,
        agent_ids=[*(query.agent_ids or []), *([query.agent_id] if query.agent_id else [])],
        statuses=asked,
        stop_reason=query.stop_reason,
        background=query.background,
        conversation_id=MAIN if query.conversation_id == DEFAULT else query.conversation_id,
    )
    return answer([wire.run(run) for run in window.ordered(found)])


@router.get("/v1/runs/active")
async def list_active_runs(request: Request, agent_id: str | None = None, background: bool | None = None) -> Response:
    """Runs that have not ended, newest first."""
    who = caller(request)
    page, ids = Page(limit=limits.PAGE_ITEMS_MAX, ascending=False), [agent_id] if agent_id else []
    found = await runs.list_runs(
        who.view, who.tenant, page, agent_ids=ids, statuses=[*OPEN_STATUSES], background=background
    )
    return answer([wire.run(run) for run in found])


@router.get("/v1/runs/{run_id}")
async def retrieve_run(request: Request, run_id: RunId) -> Response:
    """One run: its status, how it ended, and why if it failed."""
    who = caller(request)
    return answer(wire.run(await runs.get(who.view, who.tenant, run_id)))


@router.get("/v1/runs/{run_id}/messages")
async def list_messages(request: Request, run_id: RunId, query: Annotated[MessagesQuery, Query()]) -> Response:
    """The run's messages, oldest first, what was sent to the agent included."""
    who = caller(request)
    window = Window(query, ascending=True, limit=limits.PAGE_MESSAGES_DEFAULT)
    stored = window.ordered(await messages.list_messages(who.view, who.tenant, window.page, run_id=run_id))
    shown = message_wire.shown(stored, await calls_of(who, stored), query.fashion())
    await runs.get(who.view, who.tenant, run_id)  # last: one that is deleted meanwhile has no list, not an empty one
    return answer(shown)


@router.get("/v1/runs/{run_id}/usage")
async def retrieve_usage(request: Request, run_id: RunId) -> Response:
    """The tokens of all the run's model calls."""
    who = caller(request)
    usage = wire.run_usage(await steps.of_run(who.view, who.tenant, run_id))
    await runs.get(who.view, who.tenant, run_id)
    return answer(usage)


@router.get("/v1/runs/{run_id}/steps")
async def list_steps(request: Request, run_id: RunId, query: Annotated[PageQuery, Query()]) -> Response:
    """The run's steps, newest first."""
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    found = await steps.list_steps(who.view, who.tenant, window.page, run_id=run_id)
    await runs.get(who.view, who.tenant, run_id)
    return answer([wire.step(step, strict=who.house.strict_letta) for step in window.ordered(found)])


@router.get("/v1/runs/{run_id}/metrics")
async def retrieve_metrics(request: Request, run_id: RunId) -> Response:
    """How long the run took, in how many steps, with which tools."""
    who = caller(request)
    run = await runs.get(who.view, who.tenant, run_id)
    calls = await steps.calls_of(who.view, who.tenant, run_id=run_id)
    tool_ids = await custom.ids_of(who.view, who.tenant, [call.tool for call in calls])
    return answer(traces.run_metrics(run, await steps.of_run(who.view, who.tenant, run_id), tool_ids))


@router.get("/v1/runs/{run_id}/trace")
async def retrieve_trace(
    request: Request,
    run_id: RunId,
    limit: Annotated[int, Query(ge=1, le=limits.PAGE_ITEMS_MAX)] = limits.PAGE_ITEMS_MAX,
) -> Response:
    """The run as spans: itself, its steps, their model calls and tool calls."""
    who = caller(request)
    run = await runs.get(who.view, who.tenant, run_id)
    calls = await steps.calls_of(who.view, who.tenant, run_id=run_id)
    return answer(traces.spans(run, await steps.of_run(who.view, who.tenant, run_id), calls)[:limit])


@router.post("/v1/runs/{run_id}/stream")
async def watch_run(request: Request, run_id: RunId, body: wire.WatchRun | None = None) -> Response:
    """The run's events from any of them on, as often as anybody asks: also of one that ended, and after a restart."""
    who, asked = caller(request), body or wire.WatchRun()
    stream = await who.house.inbox.resume(who.tenant, run_id)
    return watched(who, stream, pings=asked.include_pings is not False, after=asked.starting_after)


@router.delete("/v1/runs/{run_id}")
async def delete_run(request: Request, run_id: RunId) -> Response:
    """Remove the record of a run that ended, with its steps. Its messages stay in the agent's history."""
    who = caller(request)
    run, shop = await runs.get(who.view, who.tenant, run_id), who.workshop
    gone = runs.plan_delete(who.tenant, run_id)
    gone.extend(sweeping.plan_errand(shop.outbox, who.tenant, run.agent_id, shop.host.clock.now_ms()))
    try:
        await shop.database.commit(gone)
    except GuardFailed:
        raise Conflict(f"run '{run_id}' has not ended yet; delete it afterwards") from None
    return answer({"message": f"Run id={run_id} successfully deleted"})
