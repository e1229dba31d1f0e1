"""What must hold of folders after everything has healed: each file is at its end, is all there, and what replaced it is
what is found; nothing is left of what was deleted; an agent sees the files of its folders and no others.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from kelpie.simulate.clients.clients import Clients, Reply
from kelpie.simulate.clients.looking import WHOLE, Looking, faults_of_passages
from kelpie.simulate.clients.versions import NEVER
from kelpie.simulate.plans.drawing import call
from kelpie.simulate.plans.plan import Event
from kelpie.simulate.promises.consulted import Consulted
from kelpie.tools.files import FILE_TOOLS

ENDS = "every upload reaches an end"
GONE = "nothing is left of a deleted file"
GIVEN = "an agent sees the files of its folders"
_LONGEST_PAUSE_MS = 660_000.0  # between two attempts of anything that is done in the background
_PATIENCE_MS = 60_000
_OPENED = 3  # files that each agent opens in the end
_OF_FILE = "NOT EXISTS (SELECT 1 FROM file WHERE file.tenant = x.tenant AND file.id = x.file_id)"
_UNDONE = {
    "files that are not at their end": "SELECT id FROM file WHERE state NOT IN ('ready', 'failed')",
    "errands for files": "SELECT id FROM outbox WHERE topic = 'file'",
    "contents that were read": "SELECT file_id FROM file_content",
}
_LEFT = {
    "texts of no file": f"SELECT file_id FROM file_text x WHERE {_OF_FILE}",
    "open files that are none": f"SELECT file_id FROM agent_file x WHERE {_OF_FILE}",
    "open files of no folder of the agent": "SELECT file_id FROM agent_file x WHERE is_open = 1 AND NOT EXISTS"
    " (SELECT 1 FROM agent_folder a WHERE a.tenant = x.tenant AND a.agent_id = x.agent_id"
    " AND a.folder_id = x.folder_id)",
    "files of no folder": "SELECT id FROM file x WHERE NOT EXISTS"
    " (SELECT 1 FROM folder WHERE folder.tenant = x.tenant AND folder.id = x.folder_id)",
    "agents' folders that are none": "SELECT folder_id FROM agent_folder x WHERE NOT EXISTS"
    " (SELECT 1 FROM folder WHERE folder.tenant = x.tenant AND folder.id = x.folder_id)",
    "chunks of no file": "SELECT id FROM fact x WHERE json_extract(source, '$.kind') = 'file' AND NOT EXISTS"
    " (SELECT 1 FROM file WHERE file.tenant = x.tenant AND file.id = x.session)",
    "vectors of no fact": "SELECT fact_seq FROM fact_vector x WHERE NOT EXISTS"
    " (SELECT 1 FROM fact WHERE fact.seq = x.fact_seq)",
    "claims of no fact": "SELECT fact_seq FROM claim x WHERE NOT EXISTS (SELECT 1 FROM fact WHERE seq = x.fact_seq)",
}
_TOOLS = {tool.name for tool in FILE_TOOLS}


class Filed:
    """`consult` has an agent look into its files, as an event says."""

    def __init__(
        self,
        clients: Clients,
        looking: Looking,
        consult: Callable[[Event], Awaitable[None]],
        breaks: Callable[[str, str], None],
    ) -> None:
        self._clients, self._world, self._looking, self._breaks = clients, clients.world, looking, breaks
        self._consult = consult
        self._shelves = looking.shelves
        self._look = Event(id="op-filed", at_ms=0.0, kind="browse", lane="client-0")

    async def check(self) -> None:
        """Look at everything; agents look as well."""
        await self._all_is_read()
        folders = {number: await self._folder(number) for number in range(len(self._looking.ids))}
        await self._totals(folders)
        for agent in range(len(self._clients.agents)):
            await self._agent(agent, folders)
        for promise, wrong in ((ENDS, _UNDONE), (GONE, _LEFT)):
            for what, sql in wrong.items():
                if rows := await self._world.rows(sql):
                    self._breaks(promise, f"{what}: {', '.join(str(row[0]) for row in rows[:5])}")
        await Consulted(self._clients, self._looking, self._breaks).check()

    async def _all_is_read(self) -> None:
        """Every upload reaches an end: work that is left is tried again, at its own pace."""
        until_ms = self._world.loop.virtual_ms + _LONGEST_PAUSE_MS
        sql = " UNION ALL ".join(_UNDONE.values())
        while await self._world.rows(sql) and self._world.loop.virtual_ms < until_ms:
            await self._world.host.clock.sleep(1_000)

    # ---- folders

    async def _folder(self, number: int) -> list[dict[str, Any]] | None:
        """Its files; None if it was deleted."""
        removals = [one for one in self._shelves.removals if one.file_id is None and one.folder == number]
        since_ms = self._world.loop.virtual_ms
        there = await self._asked(self._looking.path(number))
        if there.status == 404 and removals:
            return None
        if there.status != 200 or any(one.outcome == "ok" for one in removals):
            self._breaks(GONE, f"folder-{number} answers {there.status}, after {len(removals)} deletions")
            return None
        entries = await self._looking.entries(self._look, number)
        if entries is None:
            self._breaks(WHOLE, f"folder-{number} can't be listed")
            return None
        found = [self._looking.note(entry, since_ms) for entry in entries]
        for event_id in sorted({one for one in found if found.count(one) > 1}):
            self._breaks(WHOLE, f"{event_id} put a file into folder-{number} and {found.count(event_id)} are there")
        self._what_must_be_there(number, entries, found)
        passages = await self._asked(f"{self._looking.path(number)}/passages?limit=1000")
        whole = faults_of_passages(
            self._shelves, number, passages.json, self._world.loop.virtual_ms + 1.0, NEVER, found
        )
        for fault in whole:
            self._breaks(WHOLE, fault)
        return entries

    def _what_must_be_there(self, folder: int, entries: Sequence[dict[str, Any]], found: Sequence[str]) -> None:
        names = {entry["file_name"] for entry in entries}
        for version in self._shelves.in_folder(folder):
            if version.event.id not in found and self._shelves.is_there(version, NEVER, NEVER):
                self._breaks(WHOLE, f"{version.word} was acknowledged, nobody removed it, and it is not there")
        for name in sorted({one.as_name for one in self._shelves.in_folder(folder) if one.as_name} - names):
            if self._shelves.is_kept(folder, name):
                self._breaks(WHOLE, f"{name} of folder-{folder} was only replaced, and there is no such file")

    async def _totals(self, folders: dict[int, list[dict[str, Any]] | None]) -> None:
        """What a tenant is said to have is what it has."""
        told = (await self._asked("/v1/folders/metadata")).json
        there = [entry for entries in folders.values() for entry in entries or ()]
        wanted = (
            sum(entries is not None for entries in folders.values()),
            len(there),
            sum(entry["file_size"] for entry in there),
        )
        if (told["total_sources"], told["total_files"], told["total_size"]) != wanted:
            self._breaks(WHOLE, f"folders, files and bytes should be {wanted}, and are told as {told}")

    # ---- agents

    async def _agent(self, agent: int, folders: dict[int, list[dict[str, Any]] | None]) -> None:
        """Which folders it has, with which files and tools; then it looks into them itself."""
        path = f"/v1/agents/{self._clients.agents[agent]}"
        ids = {one["id"] for one in (await self._asked(f"{path}/folders?limit=1000")).json}
        has = {number for number, folder_id in enumerate(self._looking.ids) if folder_id in ids}
        for number, entries in folders.items():
            if entries is not None:
                key = f"agent-{agent} has folder-{number}"
                operation = self._clients.history.invoke(key, "read", client="the end")
                self._clients.history.returned(operation, "given" if number in has else "")
        wanted = {entry["id"] for number in has for entry in folders[number] or ()}
        shown = {one["file_id"] for one in (await self._asked(f"{path}/files?limit=1000")).json["files"]}
        if shown != wanted or len(ids) != len(has):
            self._breaks(GIVEN, f"agent-{agent} has {sorted(has)}, and lists {sorted(shown ^ wanted)} wrongly")
        tools = {one["name"] for one in (await self._asked(f"{path}/tools?limit=1000")).json} & _TOOLS
        if tools != (_TOOLS if has else set()):
            self._breaks(GIVEN, f"agent-{agent} has {sorted(has)}, and of the tools for files {sorted(tools)}")
        if has:
            there = [(number, entry) for number in sorted(has) for entry in folders[number] or ()]
            await self._consult(self._last_look(agent, there))

    def _last_look(self, agent: int, there: Sequence[tuple[int, dict[str, Any]]]) -> Event:
        readable = [(number, entry) for number, entry in there if entry["processing_status"] == "completed"]
        names = [f"folder-{number}/{entry['file_name']}" for number, entry in readable][:_OPENED]
        calls = [call("par", "grep_files", pattern="^head ")]
        calls += [
            call("par", "semantic_search_files", query=version.word) for version in self._shelves.versions.values()
        ]
        if names:
            calls.append(call("par", "open_files", file_requests=[{"file_name": name} for name in names]))
        text = " ".join([*calls, "[[say:done]]"])
        args = {"agent": agent, "mode": "wait", "text": text}
        return Event(id=f"op-filed{agent}", at_ms=0.0, kind="consult", lane="client-0", args=args)

    async def _asked(self, path: str) -> Reply:
        return await self._clients.call("client-0", self._world.silos[0], "GET", path, None, _PATIENCE_MS)
