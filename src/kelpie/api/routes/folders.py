"""Folders and their files. Each route has its old name beside it, under /v1/sources, and the same code behind both."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response, UploadFile
from fastapi import Path as FromPath

from kelpie.agents import folders as agent_folders
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import FileId, FolderId, SourceId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import folders as wire
from kelpie.errors import FileTooLarge, GuardFailed, NotFound
from kelpie.files import attached, files, folders
from kelpie.files import limits as file_limits
from kelpie.files.files import File, Upload, WhenTaken
from kelpie.files.folders import Folder
from umi import archival
from umi.storage import Page

router = APIRouter(tags=["folders"])
Endpoint = Callable[..., Awaitable[Response]]
_NEW, _OLD = "/v1/folders", "/v1/sources"
_OLD_NAMES = {"folder_id": SourceId, "folder_name": Annotated[str, FromPath(alias="source_name")]}


class FoldersQuery(PageQuery):
    order_by: Literal["created_at"] = "created_at"
    name: str | None = None


class FilesQuery(PageQuery):
    order_by: Literal["created_at"] = "created_at"
    include_content: bool = False


class PartsQuery(PageQuery):
    order_by: Literal["created_at"] = "created_at"


def route(method: str, path: str, status: int = 200) -> Callable[[Endpoint], Endpoint]:
    """Serve an endpoint under both names."""

    def both(endpoint: Endpoint) -> Endpoint:
        old_path = _OLD + path.replace("{folder_", "{source_")
        router.add_api_route(_NEW + path, endpoint, methods=[method], status_code=status)
        router.add_api_route(old_path, under_old_name(endpoint), methods=[method], status_code=status, deprecated=True)
        return endpoint

    return both


def under_old_name(endpoint: Endpoint) -> Endpoint:
    """The same endpoint for a path whose parameters have their old names."""

    async def old(**given: object) -> Response:
        return await endpoint(**given)

    signature = inspect.signature(endpoint)
    parameters = [
        one.replace(annotation=_OLD_NAMES.get(one.name, one.annotation)) for one in signature.parameters.values()
    ]
    old.__name__, old.__doc__ = f"{endpoint.__name__}_as_source", endpoint.__doc__
    old.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    return old


@route("POST", "")
async def create_folder(request: Request, body: wire.CreateFolder) -> Response:
    """An empty folder, of no agent yet."""
    who = caller(request)
    folder = body.folder(who.tenant, who.workshop.host.ids.new("source"), who.now_ms())
    await who.workshop.database.commit(await folders.plan_create(who.view, folder))
    return answer(wire.folder(folder))


@route("GET", "")
async def list_folders(request: Request, query: Annotated[FoldersQuery, Query()]) -> Response:
    """Folders, oldest first."""
    who = caller(request)
    # Under its old name the list had no pages.
    limit = limits.PAGE_ITEMS_MAX if request.url.path.startswith(_OLD) else limits.PAGE_ITEMS_DEFAULT
    window = Window(query, ascending=True, limit=limit)
    found = await folders.list_folders(who.view, who.tenant, window.page, name=query.name)
    return answer([wire.folder(one) for one in window.ordered(found)])


@route("GET", "/count")
async def count_folders(request: Request) -> Response:
    """How many folders there are."""
    who = caller(request)
    return answer(await folders.count(who.view, who.tenant))


@route("GET", "/metadata")
async def measure_folders(request: Request, include_detailed_per_source_metadata: bool = False) -> Response:
    """How many folders, files and bytes there are; also by folder and file if that is asked for."""
    who = caller(request)
    found, sizes = await _every_folder(who), await files.sizes(who.view, who.tenant)
    listed: dict[str, list[File]] = {}
    if include_detailed_per_source_metadata:
        listed = {one.id: await _every_file(who, one.id) for one in found}
    told = wire.totals(found, sizes, listed)
    return answer(told if include_detailed_per_source_metadata else {**told, "sources": []})


async def _every_folder(who: Caller) -> list[Folder]:
    found: list[Folder] = []
    while True:
        page = Page(limit=limits.PAGE_ITEMS_MAX, after=found[-1].id if found else None)
        part = await folders.list_folders(who.view, who.tenant, page)
        found += part
        if len(part) < limits.PAGE_ITEMS_MAX:
            return found


async def _every_file(who: Caller, folder_id: str) -> list[File]:
    found: list[File] = []
    while True:
        page = Page(limit=limits.PAGE_ITEMS_MAX, after=found[-1].id if found else None)
        part = await files.list_files(who.view, who.tenant, folder_id, page)
        found += part
        if len(part) < limits.PAGE_ITEMS_MAX:
            return found


@route("GET", "/name/{folder_name}")
async def find_folder(request: Request, folder_name: str) -> Response:
    """The id of the folder with this name."""
    who = caller(request)
    return answer((await folders.get_by_name(who.view, who.tenant, folder_name)).id)


@route("GET", "/{folder_id}")
async def retrieve_folder(request: Request, folder_id: FolderId) -> Response:
    """One folder."""
    who = caller(request)
    return answer(wire.folder(await folders.get(who.view, who.tenant, folder_id)))


@route("PATCH", "/{folder_id}")
async def modify_folder(request: Request, folder_id: FolderId, body: wire.ModifyFolder) -> Response:
    """Change some fields. How long its chunks are stays."""
    who = caller(request)
    return answer(wire.folder(await folders.edit(who.view, who.tenant, folder_id, who.now_ms(), body.fields())))


@route("DELETE", "/{folder_id}")
async def delete_folder(request: Request, folder_id: FolderId) -> Response:
    """Remove a folder with its files, and from every agent."""
    who = caller(request)
    await agent_folders.delete(who.workshop, who.tenant, folder_id)
    return answer(None)


@route("POST", "/{folder_id}/upload")
async def upload_file(
    request: Request,
    folder_id: FolderId,
    file: UploadFile,
    duplicate_handling: WhenTaken = "suffix",
    name: str | None = None,
) -> Response:
    """Put a file into a folder. It is kept when this answers; what it says is read a little later."""
    who = caller(request)
    folder = await folders.get(who.view, who.tenant, folder_id)
    if (file.size or 0) > file_limits.FILE_BYTES_MAX:
        raise FileTooLarge(f"the file is {file.size:,} bytes; at most {file_limits.FILE_BYTES_MAX:,} are taken")

    async def given() -> Upload:
        return Upload(
            file_name=file.filename or "",
            content=await file.read(),
            media_type=file.content_type or "",
            name=name,
            when_taken=duplicate_handling,
        )

    made, is_new = await who.house.uploads.upload(folder, given)
    headers = None if is_new else {"x-upload-result": "skipped", "x-existing-file-id": made.id}
    return answer(wire.file(made), headers=headers)


@route("GET", "/{folder_id}/files")
async def list_files(request: Request, folder_id: FolderId, query: Annotated[FilesQuery, Query()]) -> Response:
    """A folder's files, newest first; with `include_content` also what they say."""
    who, window = caller(request), Window(query, limit=limits.PAGE_ITEMS_MAX)
    await folders.get(who.view, who.tenant, folder_id)
    at, texts = (who.view, who.tenant, folder_id), dict[str, str]()
    if query.include_content:
        found, texts = await files.list_with_texts(*at, window.page)
    else:
        found = await files.list_files(*at, window.page)
    return answer([wire.file(one, texts.get(one.id)) for one in window.ordered(found)])


@route("GET", "/{folder_id}/files/{file_id}")
async def retrieve_file(
    request: Request, folder_id: FolderId, file_id: FileId, include_content: bool = False
) -> Response:
    """One file: how far it is, and with `include_content` what it says."""
    who = caller(request)
    at = who.view, who.tenant, folder_id, file_id
    file, text = await files.get_with_text(*at) if include_content else (await files.get(*at), None)
    return answer(wire.file(file, text))


@route("DELETE", "/{folder_id}/{file_id}", status=204)
async def delete_file(request: Request, folder_id: FolderId, file_id: FileId) -> Response:
    """Remove a file, what was read from it, and it from every agent."""
    who = caller(request)
    folder = await folders.get(who.view, who.tenant, folder_id)
    file = await files.get(who.view, who.tenant, folder_id, file_id)
    try:
        await who.workshop.database.commit(files.plan_delete(file, folder))
    except GuardFailed:
        raise NotFound(f"the folder has no file with the id '{file_id}'") from None
    return Response(status_code=204)


@route("GET", "/{folder_id}/agents")
async def list_agents(request: Request, folder_id: FolderId, query: Annotated[PartsQuery, Query()]) -> Response:
    """The ids of the agents that have the folder, the last that got it first."""
    who, window = caller(request), Window(query)
    await folders.get(who.view, who.tenant, folder_id)
    found = await attached.agents_of(who.view, who.tenant, folder_id)
    return answer(window.cut(found, found, ascending=True))


@route("GET", "/{folder_id}/passages")
async def list_passages(request: Request, folder_id: FolderId, query: Annotated[PartsQuery, Query()]) -> Response:
    """The chunks of a folder's files, newest first."""
    who, window = caller(request), Window(query, limit=limits.PAGE_MESSAGES_DEFAULT)
    folder = await folders.get(who.view, who.tenant, folder_id)
    found = await archival.list_facts(who.view, who.tenant, folder.scope, window.page)
    return answer([wire.passage(fact, folder) for fact in window.ordered(found)])
