"""The folders of one agent, and its files: which it has, and which it holds open."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import folders
from kelpie.api.answer import answer
from kelpie.api.house import caller, is_sdk_1
from kelpie.api.ids import AgentId, FileId, FolderId, SourceId
from kelpie.api.limits import PAGE_ITEMS_MAX
from kelpie.api.paging import PageQuery, Window
from kelpie.api.routes.agents import whole
from kelpie.api.wire import folders as wire
from kelpie.files import attached
from umi.storage import Page

router = APIRouter(tags=["agents"])
_PARTS_DEFAULT = 100


class FoldersQuery(PageQuery):
    order_by: Literal["created_at"] = "created_at"


class AgentFilesQuery(PageQuery):
    order_by: Literal["created_at"] = "created_at"
    cursor: str | None = None
    is_open: bool | None = None


@router.get("/v1/agents/{agent_id}/folders")
@router.get("/v1/agents/{agent_id}/sources", deprecated=True)
async def list_folders(request: Request, agent_id: AgentId, query: Annotated[FoldersQuery, Query()]) -> Response:
    """The agent's folders, the last attached first."""
    who, window = caller(request), Window(query, limit=_PARTS_DEFAULT)
    found = await attached.folders_of(who.view, who.tenant, agent_id)
    await agents.get(who.view, who.tenant, agent_id)
    return answer([wire.folder(one) for one in window.cut(found, [one.id for one in found], ascending=True)])


@router.patch("/v1/agents/{agent_id}/folders/attach/{folder_id}")
async def attach_folder(request: Request, agent_id: AgentId, folder_id: FolderId) -> Response:
    """Give the agent a folder, and with the first the tools for files. Null for clients of generation 1, else the whole
    agent."""
    who = caller(request)
    await folders.attach(who.workshop, who.tenant, agent_id, folder_id)
    return answer(None) if is_sdk_1(request) else await whole(who, agent_id)


@router.patch("/v1/agents/{agent_id}/folders/detach/{folder_id}")
async def detach_folder(request: Request, agent_id: AgentId, folder_id: FolderId) -> Response:
    """Take a folder from the agent, and with the last the tools for files. Null for clients of generation 1, else the
    whole agent."""
    who = caller(request)
    await folders.detach(who.workshop, who.tenant, agent_id, folder_id)
    return answer(None) if is_sdk_1(request) else await whole(who, agent_id)


@router.patch("/v1/agents/{agent_id}/sources/attach/{source_id}", deprecated=True)
async def attach_source(request: Request, agent_id: AgentId, source_id: SourceId) -> Response:
    """The same as attaching a folder; answers with the whole agent."""
    who = caller(request)
    await folders.attach(who.workshop, who.tenant, agent_id, source_id)
    return await whole(who, agent_id)


@router.patch("/v1/agents/{agent_id}/sources/detach/{source_id}", deprecated=True)
async def detach_source(request: Request, agent_id: AgentId, source_id: SourceId) -> Response:
    """The same as detaching a folder; answers with the whole agent."""
    who = caller(request)
    await folders.detach(who.workshop, who.tenant, agent_id, source_id)
    return await whole(who, agent_id)


@router.get("/v1/agents/{agent_id}/files")
async def list_files(request: Request, agent_id: AgentId, query: Annotated[AgentFilesQuery, Query()]) -> Response:
    """The files of the agent's folders, newest first, and which are open."""
    who = caller(request)
    after = wire.file_id_of(query.cursor or query.after)
    query = query.model_copy(update={"after": after, "before": wire.file_id_of(query.before)})
    window = Window(query, limit=_PARTS_DEFAULT)
    page = Page(min(window.limit + 1, PAGE_ITEMS_MAX), window.page.after, window.page.before, window.page.ascending)
    found = await attached.list_files(who.view, who.tenant, agent_id, page, is_open=query.is_open)
    await agents.get(who.view, who.tenant, agent_id)
    has_more = len(found) == page.limit
    shown = found[: page.limit - 1] if has_more else found
    entries = [wire.agent_file(one) for one in window.ordered(shown)]
    cursor = wire.agent_file(shown[-1])["id"] if has_more and shown else None
    return answer({"files": entries, "next_cursor": cursor, "has_more": has_more})


# Before the routes with an id, which would take "close-all" for one.
@router.patch("/v1/agents/{agent_id}/files/close-all")
async def close_all_files(request: Request, agent_id: AgentId) -> Response:
    """Close every file the agent holds open. Answers with their names."""
    who = caller(request)
    return answer(await folders.close_all(who.workshop, who.tenant, agent_id))


@router.patch("/v1/agents/{agent_id}/files/{file_id}/open")
async def open_file(request: Request, agent_id: AgentId, file_id: FileId) -> Response:
    """Open a file in the agent's context. Answers with the names of the files that were closed for it."""
    who = caller(request)
    return answer(await folders.open_file(who.workshop, who.tenant, agent_id, file_id))


@router.patch("/v1/agents/{agent_id}/files/{file_id}/close")
async def close_file(request: Request, agent_id: AgentId, file_id: FileId) -> Response:
    """Close a file, whether it is open or not."""
    who = caller(request)
    await folders.close_file(who.workshop, who.tenant, agent_id, file_id)
    return answer(None)
