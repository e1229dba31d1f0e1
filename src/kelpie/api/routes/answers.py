"""Answers, later: read again, as a page or a file, checked, confirmed or corrected; and what their numbers stand on."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response

from kelpie.analyst import confirming, learned, results
from kelpie.analyst.answers import Answer
from kelpie.analyst.answers.keeping import feedback_of
from kelpie.analyst.provenance import provenance
from kelpie.analyst.provenance.checking import checked
from kelpie.analyst.provenance.crossing import cross_check
from kelpie.analyst.provenance.executing import reexecute, rerun
from kelpie.analyst.reports import as_csv, as_markdown, as_page
from kelpie.analyst.reports.csv import MEDIA_TYPE as CSV
from kelpie.analyst.reports.style import POLICY
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller, caller_for_people
from kelpie.api.ids import AgentId, RunId
from kelpie.api.routes.analyst import analyst_of
from kelpie.api.routes.questions import answer_of
from kelpie.api.wire import analyst as wire
from kelpie.errors import GuardFailed, NotFound
from kelpie.people.speaker import NOBODY, Speaker
from kelpie.trajectories import runs
from umi.storage import Page

router = APIRouter(prefix="/v1/analyst", tags=["analyst"])

Form = Annotated[Literal["json", "md", "html"], Query(alias="format")]
# A page of data may do nothing but be looked at, wherever it is opened from.
_PAGE_HEADERS = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}


@router.get("/answers/{run_id}")
async def show_answer(request: Request, run_id: RunId, form: Form = "json") -> Response:
    """An answer with all that it stands on: as JSON, Markdown, or one HTML file. Denied queries are in it too."""
    who = caller_for_people(request)
    await who.check_sees(run_id)
    made = await answer_of(who, run_id)
    if form == "json":
        said = await feedback_of(who.view, who.tenant, run_id)
        return answer(wire.answered(made) | {"feedback": msgspec.to_builtins(said)})
    return await _report(who, [made], form)


@router.get("/sessions/{agent_id}/answers")
async def show_session(request: Request, agent_id: AgentId, form: Form = "json") -> Response:
    """The latest answers of a session, the oldest of them first: the runs of its agent."""
    who = caller_for_people(request)
    page = Page(limit=limits.PAGE_MESSAGES_DEFAULT, ascending=False)
    found = (await runs.list_runs(who.view, who.tenant, page, agent_ids=[agent_id]))[::-1]
    if not found:
        raise NotFound(f"no question was asked of the agent '{agent_id}'")
    for run in found:
        await who.check_sees(run.id)
    made = [await answer_of(who, run.id) for run in found if run.completed_at_ms is not None]
    if form == "json":
        return answer([wire.answered(one) for one in made])
    return await _report(who, made, form)


async def _report(who: Caller, answers: list[Answer], form: Literal["md", "html"]) -> Response:
    if form == "md":
        return Response(as_markdown(answers), media_type="text/markdown; charset=utf-8")
    charts = [chart for one in answers for chart in one.charts]
    svgs = {chart.id: await analyst_of(who).render_svg(chart) for chart in charts}
    return Response(as_page(answers, svgs), media_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)


@router.post("/answers/{run_id}/reexecute")
async def reexecute_answer(request: Request, run_id: RunId) -> Response:
    """Ask for every number again: "same", "stale" because the data changed, or "differs", which is a bug's alarm."""
    who = caller_for_people(request)
    await who.check_sees(run_id)
    made = await answer_of(who, run_id)
    found = await reexecute(analyst_of(who), who.view, who.tenant, made.numbers)
    return answer({"run_id": run_id, "numbers": found})


@router.post("/answers/{run_id}/confirm")
async def confirm(request: Request, run_id: RunId, body: wire.ConfirmAnswer) -> Response:
    """Say that the answer is right: its SQL answers the question from now on, word for word."""
    who = caller_for_people(request)
    await who.check_sees(run_id)
    by = await _by(who, run_id, body.as_)
    made, changes = await confirming.plan_confirm(
        analyst_of(who), who.view, who.tenant, await answer_of(who, run_id), by, body.question, body.query_id
    )
    await who.workshop.database.commit(changes)
    return answer(wire.shown(made))


@router.post("/answers/{run_id}/reject")
async def reject(request: Request, run_id: RunId, body: wire.RejectAnswer) -> Response:
    """Say that the answer is wrong; with `sql`, what is right, which answers the question from now on."""
    who = caller_for_people(request)
    await who.check_sees(run_id)
    made, changes = await confirming.plan_reject(
        analyst_of(who),
        who.view,
        who.tenant,
        await answer_of(who, run_id),
        await _by(who, run_id, body.as_),
        reason=body.reason,
        sql=body.sql,
        question=body.question,
    )
    await who.workshop.database.commit(changes)
    return answer({"run_id": run_id, "verified_query": None if made is None else wire.shown(made)})


async def _by(who: Caller, run_id: str, as_: str | None) -> Speaker:
    """Who says so: the one named, or the one it was asked for."""
    if as_ is not None:
        return await who.speaker(as_)
    return (await runs.get(who.view, who.tenant, run_id)).options.speaker or NOBODY


@router.get("/verified-queries")
async def list_verified_queries(request: Request) -> Response:
    """Questions with the SQL that people confirmed or corrected, the oldest first."""
    who = caller(request)
    return answer([wire.shown(one) for one in await learned.list_all(who.view, who.tenant)])


@router.delete("/verified-queries/{learned_id}")
async def delete_verified_query(request: Request, learned_id: str) -> Response:
    """Forget one: it has no effect on the next answer."""
    who = caller(request)
    try:
        await who.workshop.database.commit(learned.plan_unlearn(who.tenant, learned_id))
    except GuardFailed:
        raise NotFound(f"there is no verified query '{learned_id}'") from None
    return answer({"id": learned_id})


@router.get("/queries/{query_id}")
async def show_query(request: Request, query_id: str) -> Response:
    """What the numbers of a query stand on: its SQL, rows, metric, connection and the state of the data."""
    who = caller_for_people(request)
    shown = await provenance(who.view, who.tenant, query_id)
    await who.check_sees(shown.query.run_id)
    return answer(wire.shown(shown))


@router.get("/queries/{query_id}/csv")
async def show_csv(request: Request, query_id: str) -> Response:
    """The result as CSV, cell for cell; texts that a spreadsheet would run begin with an apostrophe."""
    who = caller_for_people(request)
    query = await results.query_by_id(who.view, who.tenant, query_id)
    await who.check_sees(query.run_id)
    headers = {"content-disposition": f'attachment; filename="{query.id}.csv"', "x-content-type-options": "nosniff"}
    return Response(as_csv(query.columns, query.rows).encode(), media_type=CSV, headers=headers)


@router.post("/queries/{query_id}/rerun")
async def rerun_query(request: Request, query_id: str) -> Response:
    """Run the query again and compare; refused where other access rules hold now than then."""
    who = caller_for_people(request)
    await _check_sees_query(who, query_id)
    return answer(msgspec.to_builtins(await rerun(analyst_of(who), who.view, who.tenant, query_id)))


@router.post("/queries/{query_id}/check")
async def check_of_query(request: Request, query_id: str) -> Response:
    """Ask for the query's numbers another way, and keep what came of it: it decides the label of later answers too."""
    who = caller_for_people(request)
    await _check_sees_query(who, query_id)
    check, changes = await checked(analyst_of(who), who.view, who.tenant, query_id)
    await who.workshop.database.commit(changes)
    return answer(msgspec.to_builtins(check))


@router.post("/queries/{query_id}/cross-check")
async def cross_check_query(request: Request, query_id: str, body: wire.CrossCheck) -> Response:
    """Ask another connection the same, in its own SQL; a difference comes with its first row."""
    who = caller(request)
    found = await cross_check(analyst_of(who), who.view, who.tenant, query_id, body.connection_id)
    return answer(msgspec.to_builtins(found))


async def _check_sees_query(who: Caller, query_id: str) -> None:
    await who.check_sees((await results.query_by_id(who.view, who.tenant, query_id)).run_id)


@router.get("/charts/{chart_id}")
async def show_chart(
    request: Request, chart_id: str, form: Annotated[Literal["json", "png", "svg"], Query(alias="format")] = "json"
) -> Response:
    """A chart as Vega-Lite with its data, as a PNG or as SVG."""
    who = caller_for_people(request)
    chart = await results.chart_by_id(who.view, who.tenant, chart_id)
    await _check_sees_query(who, chart.query_id)
    if form == "json":
        return answer(wire.shown(chart))
    if form == "svg":
        svg = await analyst_of(who).render_svg(chart)
        return Response(svg, media_type="image/svg+xml", headers=_PAGE_HEADERS)
    return Response(await analyst_of(who).render(chart), media_type="image/png")
