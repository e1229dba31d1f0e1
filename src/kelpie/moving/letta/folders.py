"""Folders and their files: brought before the agents, each of which comes with its folders and open files.

A file comes as the text that was read from it there. Its pieces are cut and embedded anew, by the server, once it runs.
"""

from collections import deque

import msgspec

from kelpie.agents.agent import Agent
from kelpie.agents.context.directories import bounds_of
from kelpie.api.wire.agent_files.checking import check_texts
from kelpie.api.wire.agent_files.folders import folder_of, holding
from kelpie.api.wire.agent_files.parts import Notes
from kelpie.errors import CallerError, InvalidInput, LimitExceeded, NotFound
from kelpie.files import arriving, files, folders, limits
from kelpie.files.arriving import Arrival
from kelpie.files.attached import Bounds
from kelpie.files.folders import Folder
from kelpie.moving.folders import Held, plan_give
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.reading import Row, Source
from kelpie.moving.letta.report import Report
from kelpie.moving.letta.rows import kept_id, told_ms
from umi.storage import Changes

_DELETED = "it was deleted there"
_LOST = "its folder is not taken"
_OF_FILE = "file_id = %s"


class Folders:
    """Those of one organisation."""

    def __init__(self, source: Source, here: Here, report: Report) -> None:
        self._source, self._here, self._report = source, here, report
        self._lost: set[str] = set()  # ids of theirs, of folders and files that did not come

    async def bring(self, where: str, params: tuple[str, ...]) -> None:
        """Every folder with its files. A run that was broken off goes on with the files that are missing."""
        here = self._here
        async for row in self._source.rows("sources", where, *params):
            folder = await self._known(row["id"])
            if folder is not None:
                self._report.already["sources"] += 1
            else:
                try:
                    folder = await self._folder(row)
                    await here.commit(await folders.plan_create(here.view, folder))
                except CallerError as error:
                    await self._lose(row["id"], str(error))
                    continue
                self._report.taken["sources"] += 1
            await self._bring_files(row["id"], folder)

    async def _known(self, their_id: str) -> Folder | None:
        try:
            return await folders.get(self._here.view, self._here.tenant, kept_id("source", their_id))
        except NotFound:
            return None

    async def _folder(self, row: Row) -> Folder:
        """Raises CallerError."""
        here, notes = self._here, Notes()
        check_texts("its row", row)
        if row["is_deleted"]:
            raise InvalidInput(_DELETED)
        at_ms = told_ms(row, here.host.clock.now_ms())
        made = folder_of({**row, "metadata": row["metadata_"]}, notes, at_ms)
        name = await folders.free_name(here.view, here.tenant, made.name)
        if name != made.name:
            notes.add("its name is taken here: it has another")
        for line in notes.lines:
            self._report.remark("sources", row["id"], line)
        return msgspec.structs.replace(made, tenant=here.tenant, id=kept_id("source", row["id"]), name=name)

    async def _lose(self, their_id: str, why: str) -> None:
        self._lost.add(their_id)
        self._report.miss("sources", their_id, why)
        async for row in self._source.rows("files", "source_id = %s", their_id):
            await self._lose_file(row["id"], _LOST)

    # ---- files

    async def _bring_files(self, their_id: str, folder: Folder) -> None:
        here, report = self._here, self._report
        async for row in self._source.rows("files", "source_id = %s", their_id):
            file_id = kept_id("file", row["id"])
            if await files.find(here.view, here.tenant, file_id) is not None:
                report.already["files"] += 1
                report.already["file_contents"] += await self._source.count("file_contents", _OF_FILE, row["id"])
                continue
            now_ms = here.host.clock.now_ms()
            try:
                file, text = arriving.drafted(folder, await self._arrival(row), file_id, now_ms)
                file, changes = await arriving.plan_add(here.view, folder, file, text, now_ms)
            except CallerError as error:
                await self._lose_file(row["id"], str(error))
                continue
            await here.commit(changes)
            report.taken["files"] += 1
            report.taken["file_contents"] += 1

    async def _arrival(self, row: Row) -> Arrival:
        """Raises CallerError."""
        check_texts("its row", row)
        if row["is_deleted"]:
            raise InvalidInput(_DELETED)
        size = row["file_size"]
        return Arrival(
            name=row["file_name"] or row["original_file_name"] or row["id"],
            text=await self._text(row),
            original_name=row["original_file_name"],
            media_type=row["file_type"] or "",
            bytes=size if size is not None and size >= 0 else None,
            created_at_ms=told_ms(row, self._here.host.clock.now_ms()),
        )

    async def _text(self, row: Row) -> str:
        """Raises InvalidInput for a file without a text, LimitExceeded; then nothing of it is read."""
        most = limits.FILE_TEXT_CHARS_MAX
        async for found in self._source.rows("file_contents", f"{_OF_FILE} AND length(text) <= %s", row["id"], most):
            return str(found["text"])
        if await self._source.count("file_contents", _OF_FILE, row["id"]):
            raise LimitExceeded("its text", most + 1, most, "characters")
        raise InvalidInput(f"no text of it is there: it is '{row['processing_status']}'. Upload it again")

    async def _lose_file(self, their_id: str, why: str) -> None:
        self._lost.add(their_id)
        self._report.miss("files", their_id, why)
        async for key in self._source.keys("file_contents", _OF_FILE, their_id):
            self._report.miss("file_contents", key, "its file is not taken")

    # ---- of agents

    async def plan_attach(self, their_id: str, agent: Agent) -> Changes:
        """The folders of an agent that comes, and the files it holds open. What of them isn't taken is reported."""
        here, report, wanted = self._here, self._report, list[str]()
        async for link in self._source.rows("sources_agents", "agent_id = %s", their_id):
            why = None if await self._has_folder(link["source_id"]) else _LOST
            if why is None and len(wanted) == limits.AGENT_FOLDERS_MAX:
                why = f"an agent has {limits.AGENT_FOLDERS_MAX} folders at most"
            if why is not None:
                report.miss("sources_agents", f"{their_id}/{link['source_id']}", why)
                continue
            wanted.append(link["source_id"])
        report.taken["sources_agents"] += len(wanted)
        bounds = bounds_of(agent, None)
        held = await self._held(their_id, set(wanted), bounds)
        if here.is_rehearsal:
            return Changes()
        known = [folder for one in wanted if (folder := await self._known(one)) is not None]
        opened = [file for link in held if (file := await self._held_file(link)) is not None]
        return await plan_give(here.view, agent, known, opened, here.host.clock.now_ms())

    async def _has_folder(self, their_id: str) -> bool:
        """Of another organisation it may not. In a rehearsal nothing is there."""
        return their_id not in self._lost and (self._here.is_rehearsal or await self._known(their_id) is not None)

    async def _held(self, their_id: str, attached_ids: set[str], bounds: Bounds) -> list[Row]:
        """The files that the agent holds open, those it looked at last; what is closed needs no row here."""
        report, held = self._report, deque[Row]()
        async for link in self._source.rows("files_agents", "agent_id = %s", their_id):
            if link["is_deleted"]:
                report.miss("files_agents", link["id"], _DELETED)
            elif link["source_id"] not in attached_ids:
                report.miss("files_agents", link["id"], "its folder is not one of the agent's")
            elif link["file_id"] in self._lost:
                report.miss("files_agents", link["id"], "its file is not taken")
            else:
                report.taken["files_agents"] += 1
                held.extend([link] if link["is_open"] else [])
                if len(held) > bounds.files_open:
                    closed = held.popleft()
                    report.remark("files_agents", closed["id"], "it is closed: the agent holds fewer files open here")
        return list(held)

    async def _held_file(self, link: Row) -> Held | None:
        """None for a file that can't be opened."""
        here = self._here
        folder = await self._known(link["source_id"])
        file = await files.find(here.view, here.tenant, kept_id("file", link["file_id"]))
        can_be_read = file is not None and file.state in ("indexing", "ready")
        if file is None or folder is None or file.folder_id != folder.id or not can_be_read:
            self._report.remark("files_agents", link["id"], "it is closed: it can't be opened here")
            return None
        wanted = holding(file.id, link["start_line"], link["end_line"])
        return Held(file=file, folder=folder, start=wanted.start, length=wanted.length)
