"""An agent's files: what its tools work on."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import AgentId
from kelpie.api.wire import workspace as wire
from kelpie.errors import Conflict, GuardFailed, NotFound
from kelpie.tools import limits as tool_limits
from kelpie.tools import workspace
from umi.storage import Changes

router = APIRouter(tags=["workspace"])
# A file is whatever a program left: a browser is not to look into it.
_AS_BYTES = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox; default-src 'none'"}


@router.get("/v1/agents/{agent_id}/workspace")
async def list_files(
    request: Request,
    agent_id: AgentId,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=tool_limits.WORKSPACE_FILES_MAX)] = tool_limits.WORKSPACE_FILES_MAX,
) -> Response:
    """The agent's files in the order of their paths, from the first one behind `after`."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    found = await workspace.listed(who.view, who.tenant, agent_id, after=after, limit=limit)
    return answer([wire.entry(file) for file in found])


@router.get("/v1/agents/{agent_id}/workspace/{path:path}")
async def read_file(request: Request, agent_id: AgentId, path: str) -> Response:
    """One file, as it is."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    file = await workspace.read(who.view, who.tenant, agent_id, path)
    name = quote(path.rpartition("/")[2], safe="")
    headers = {**_AS_BYTES, "content-disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(file.content, headers=headers, media_type="application/octet-stream")


@router.put("/v1/agents/{agent_id}/workspace/{path:path}")
async def put_file(request: Request, agent_id: AgentId, path: str) -> Response:
    """Write a file: the body, whatever its type. 409 where a file would have to be a folder."""
    who, content = caller(request), await request.body()
    workspace.checked_path(path)
    for _ in range(tool_limits.TOOL_UPSERT_ATTEMPTS_MAX):
        planned = await workspace.plan_put(who.view, who.tenant, agent_id, path, content, who.now_ms())
        if await _is_committed(who, agent_id, planned):
            file = await workspace.read(who.view, who.tenant, agent_id, path)
            entry = workspace.FileEntry(path, len(file.content), file.version, file.updated_at_ms)
            return answer(wire.entry(entry))
    raise Conflict(f"'{path}' is being changed by too many writers at once; try again")


@router.delete("/v1/agents/{agent_id}/workspace/{path:path}")
async def delete_file(request: Request, agent_id: AgentId, path: str) -> Response:
    """Remove a file."""
    who = caller(request)
    for _ in range(tool_limits.TOOL_UPSERT_ATTEMPTS_MAX):
        await agents.get(who.view, who.tenant, agent_id)
        planned = await workspace.plan_delete(who.view, who.tenant, agent_id, path)
        if await _is_committed(who, agent_id, planned):
            return answer({"message": f"File {path} successfully deleted"})
    raise Conflict(f"'{path}' is being changed by too many writers at once; try again")


async def _is_committed(who: Caller, agent_id: str, planned: Changes) -> bool:
    """Whether it was written; else somebody else wrote since it was planned. Raises NotFound without the agent."""
    there = agents.exists(agents.actor_id(who.tenant, agent_id))
    try:
        await who.workshop.database.commit(there.extend(planned))
    except GuardFailed as error:
        if error.guard == "agent":
            raise NotFound(f"no agent has the id '{agent_id}'") from None
        return False
    except Conflict:
        return False
    return True
