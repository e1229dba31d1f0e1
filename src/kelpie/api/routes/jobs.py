"""Jobs, the older word for runs: list, retrieve, cancel, delete. With a folder, the reading of its files."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.agents import batches
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import pattern
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import jobs as wire
from kelpie.errors import Conflict, GuardFailed, NotFound
from kelpie.files import files, folders
from kelpie.files.files import File
from kelpie.trajectories import runs
from kelpie.trajectories.records import OPEN_STATUSES, Run

router = APIRouter(tags=["jobs"])
JobId = Annotated[str, Path(pattern=pattern("(job|run)"))]
Job = Run | batches.Batch | File


class JobsQuery(PageQuery):
    source_id: Annotated[str | None, Query(pattern=pattern("source"))] = None
    active: bool = False
    order_by: Literal["created_at"] = "created_at"


async def _found(who: Caller, job_id: str) -> Job:
    """A run by its own id; a batch; or the reading of a file, by the file's UUID. Raises NotFound."""
    if job_id.startswith("run-"):
        return await runs.get(who.view, who.tenant, job_id)
    try:
        return await batches.get(who.view, who.tenant, job_id)
    except NotFound:
        file = await files.find(who.view, who.tenant, wire.file_of_id(job_id))
    if file is None:
        raise NotFound(f"no job has the id '{job_id}'")
    return file


def _shown(job: Job) -> Response:
    if isinstance(job, Run):
        return answer(wire.of_run(job))
    return answer(wire.of_batch(job) if isinstance(job, batches.Batch) else wire.of_file(job))


async def _listed(request: Request, query: JobsQuery, *, active: bool) -> Response:
    who, window = caller(request), Window(query)
    if query.source_id is not None:
        await folders.get(who.view, who.tenant, query.source_id)
        page = files.list_files(who.view, who.tenant, query.source_id, window.page)
        jobs = [wire.of_file(file) for file in window.ordered(await page)]
        return answer([job for job in jobs if not active or job["completed_at"] is None])
    statuses: list[str] | None = [*OPEN_STATUSES] if active else None
    found = await runs.list_runs(who.view, who.tenant, window.page, statuses=statuses)
    return answer([wire.of_run(run) for run in window.ordered(found)])


@router.get("/v1/jobs")
async def list_jobs(request: Request, query: Annotated[JobsQuery, Query()]) -> Response:
    """Runs, newest first; with `source_id` the reading of that folder's files, paged by them."""
    return await _listed(request, query, active=query.active)


@router.get("/v1/jobs/active")
async def list_active_jobs(request: Request, query: Annotated[JobsQuery, Query()]) -> Response:
    """The same of those that have not ended."""
    return await _listed(request, query, active=True)


@router.get("/v1/jobs/{job_id}")
async def retrieve_job(request: Request, job_id: JobId) -> Response:
    """One job."""
    return _shown(await _found(caller(request), job_id))


@router.patch("/v1/jobs/{job_id}/cancel")
async def cancel_job(request: Request, job_id: JobId) -> Response:
    """End it. 409 if it has ended, or is the reading of a file, which ends by itself or with its file."""
    who = caller(request)
    job = await _found(who, job_id)
    if isinstance(job, File):
        raise Conflict("the reading of a file can't be cancelled: delete the file")
    if isinstance(job, batches.Batch):
        return _shown(await who.house.batching.cancel(who.tenant, job.id))
    return _shown(await who.house.inbox.cancel(who.tenant, job.id))


@router.delete("/v1/jobs/{job_id}")
async def delete_job(request: Request, job_id: JobId) -> Response:
    """Forget one that ended: what it made stays. 409 if it has not ended, or is the reading of a file."""
    who = caller(request)
    job = await _found(who, job_id)
    if isinstance(job, File):
        raise Conflict("the reading of a file goes with its file: delete that")
    gone = runs.plan_delete(who.tenant, job.id) if isinstance(job, Run) else batches.plan_delete(job)
    try:
        await who.workshop.database.commit(gone)
    except GuardFailed:
        raise Conflict(f"job '{job_id}' has not ended yet; cancel it, or delete it afterwards") from None
    return _shown(job)
