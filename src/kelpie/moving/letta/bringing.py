"""Bringing a database over: tools, blocks, folders, then agents, each whole; then archives, identities and groups.

What is an agent's alone is written before the agent itself: a run that is broken off leaves nothing that anybody sees,
and the next one begins that agent anew.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from kelpie.agents import agent as agents
from kelpie.agents.agent import Agent
from kelpie.agents.create import first_message
from kelpie.api.wire.agent_files import parts
from kelpie.api.wire.agent_files.checking import check_texts
from kelpie.api.wire.agent_files.parts import Notes
from kelpie.errors import CallerError, Conflict, InvalidInput, LimitExceeded, NotFound
from kelpie.moving import limits
from kelpie.moving.letta.archives import Archives
from kelpie.moving.letta.conversations import Conversations
from kelpie.moving.letta.folders import Folders
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.histories import Histories
from kelpie.moving.letta.reading import Row, Source
from kelpie.moving.letta.report import Report
from kelpie.moving.letta.rows import agent_fields, block_fields, kept_id, told_ms
from kelpie.moving.letta.secrets import opened
from kelpie.moving.letta.tables import LEFT, TAKEN
from kelpie.moving.letta.together import Together
from kelpie.moving.parcel import Traveller
from kelpie.moving.unpacking import plan_agent
from kelpie.tools import custom
from kelpie.tools import limits as tool_limits
from kelpie.tools.secrets import NO_SECRETS, Secrets
from kelpie.tools.secrets import check as check_secrets
from kelpie.trajectories import messages
from kelpie.trajectories.schema import of_agent_deleted
from umi import archival, core, embed
from umi.entity import Block
from umi.storage import Changes

DELETED = "it was deleted there"
NO_AGENT = "its agent is not taken"
# What is an agent's alone, and how it says whose it is.
_ITS = "agent_id = %s"
_CHILDREN = {
    "agents_tags": _ITS,
    "agent_environment_variables": _ITS,
    "blocks_agents": _ITS,
    "tools_agents": _ITS,
    "archives_agents": _ITS,
    "sources_agents": _ITS,
    "files_agents": _ITS,
    "messages": _ITS,
    "conversations": _ITS,
    "conversation_messages": _ITS,
    "blocks_conversations": "conversation_id IN (SELECT id FROM conversations WHERE agent_id = %s)",
}
_EMBEDDINGS = "vectors of another embedder mean nothing here: texts are embedded anew"


class Bringing:
    """One run. `tell` is called with the number of rows that are done, and how many there are."""

    def __init__(
        self,
        source: Source,
        here: Here,
        report: Report,
        tell: Callable[[int, int], Any],
        *,
        organization: str | None = None,
        encryption_key: str | None = None,
    ) -> None:
        self._source, self._here, self._report, self._tell = source, here, report, tell
        self._organization = organization
        self._key = encryption_key
        self._tools: dict[str, str] = {}  # their id -> ours
        self._lost_blocks: set[str] = set()
        self._lost_agents: set[str] = set()
        self._agents_here: set[str] = set()  # their ids, of those that came now or before
        self._folders = Folders(source, here, report)
        self._histories = Histories(source, here, report, self._progress)
        self._conversations = Conversations(source, here, report, self._histories, self._has_block)
        self._archives = Archives(source, here, report, self._agents_here.__contains__)
        self._together = Together(source, here, report, self._agents_here.__contains__, self._has_block)
        self._done = 0

    async def run(self) -> None:
        """Raises InvalidInput (no such database, several organisations and none chosen), SourceUnavailable, and what
        the store raises."""
        unknown = await self._source.check()
        await self._choose()
        await self._count()
        await self._bring_tools()
        await self._bring_blocks()
        await self._folders.bring(*self._owned("sources"))
        await self._bring_agents()
        await self._archives.bring(*self._owned("archives"))
        await self._together.bring_identities(*self._owned("identities"))
        await self._together.bring_groups(*self._owned("groups"))
        await self._leave(unknown)

    # ---- what there is

    async def _choose(self) -> None:
        found = await self._source.organizations()
        if self._organization is not None and self._organization not in found:
            raise InvalidInput(
                f"no organisation of this database has the id '{self._organization[:64]}'; there are {_some(found)}"
            )
        if self._organization is None and len(found) > 1:
            raise InvalidInput(
                f"this database has {len(found)} organisations, and each is to be a tenant of its own: choose one with"
                f" --organization ({_some(found)}) and a --tenant for it"
            )
        if len(found) <= 1:
            self._organization = None  # all there is

    def _owned(self, table: str) -> tuple[str, tuple[str, ...]]:
        if self._organization is None:
            return "true", ()
        return TAKEN[table].owned, (self._organization,)

    async def _count(self) -> None:
        for table, taken in TAKEN.items():
            self._report.rows[table] = await self._source.count(table)
            if self._organization is not None:
                others = await self._source.count(table, f"NOT ({taken.owned})", self._organization)
                self._report.miss_all(table, "it is of another organisation", others)
        self._total = sum(self._report.rows[table] for table in ("agents", "block", "tools", "messages"))

    def _progress(self, rows: int = 1) -> None:
        self._done += rows
        self._tell(self._done, max(self._total, self._done))

    # ---- tools

    async def _bring_tools(self) -> None:
        where, params = self._owned("tools")
        async for row in self._source.rows("tools", where, *params):
            self._progress()
            if row["is_deleted"]:
                self._report.miss("tools", row["id"], DELETED)
                continue
            notes = Notes()
            try:
                ours = await self._tool(row, notes)
            except CallerError as error:
                self._report.miss("tools", row["id"], str(error))
                continue
            for line in notes.lines if ours else ():
                self._report.remark("tools", row["id"], line)
            if ours is None:
                self._report.miss("tools", row["id"], next(iter(notes.lines), "it is not part of this server"))
            else:
                self._tools[row["id"]] = ours

    async def _tool(self, row: Row, notes: Notes) -> str | None:
        here, report = self._here, self._report
        check_texts("its row", row)
        tool = parts.tool_of(row, here.builtins, notes, strict=False)
        if tool is None:
            return None
        if isinstance(tool, str):
            report.already["tools"] += 1
            return custom.builtin_id(tool)
        try:
            known = await custom.get_by_name(here.view, here.tenant, row["name"])
        except NotFound:
            tool_id = kept_id("tool", row["id"])
            record, changes = await custom.plan_create(here.view, here.host, here.tenant, tool, tool_id=tool_id)
            await here.commit(changes)
            report.taken["tools"] += 1
            return record.id
        report.already["tools"] += 1
        if known.id != row["id"]:
            notes.add("a tool of this name is here already: agents use that one")
        return known.id

    # ---- blocks

    async def _bring_blocks(self) -> None:
        where, params = self._owned("block")
        batch: list[Row] = []
        async for row in self._source.rows("block", where, *params):
            batch.append(row)
            if len(batch) >= limits.DATABASE_BATCH_ROWS:
                await self._bring_batch(batch)
                batch = []
        await self._bring_batch(batch)

    async def _bring_batch(self, rows: list[Row]) -> None:
        here, report, changes = self._here, self._report, Changes()
        there = await core.ids_taken(here.view, here.tenant, [kept_id("block", row["id"]) for row in rows])
        tags: dict[str, list[str]] = {row["id"]: [] for row in rows}
        async for row in self._source.rows("blocks_tags", "block_id = ANY(%s)", list(tags)):
            if row["is_deleted"]:
                report.miss("blocks_tags", f"{row['block_id']}/{row['tag']}", DELETED)
            else:
                tags[row["block_id"]].append(row["tag"])
        for row in rows:
            self._progress()
            block_id, count = kept_id("block", row["id"]), len(tags[row["id"]])
            if block_id in there:
                report.already["block"] += 1
                report.already["blocks_tags"] += count
                continue
            try:
                if row["is_deleted"]:
                    raise InvalidInput(DELETED)
                changes.extend(core.plan_create(self._block(row, block_id, tags[row["id"]])))
            except CallerError as error:
                report.miss("block", row["id"], str(error))
                report.miss_all("blocks_tags", "its block is not taken", count)
                self._lost_blocks.add(row["id"])
                continue
            report.taken["block"] += 1
            report.taken["blocks_tags"] += count
        await here.commit(changes)

    def _block(self, row: Row, block_id: str, tags: list[str]) -> Block:
        now_ms = self._here.host.clock.now_ms()
        made = parts.block_of(f"the block '{row['id']}'", block_fields(row, tags), now_ms)
        at_ms = told_ms(row, now_ms)
        return msgspec.structs.replace(made, tenant=self._here.tenant, id=block_id, created_at_ms=at_ms)

    # ---- agents

    async def _bring_agents(self) -> None:
        where, params = self._owned("agents")
        async for row in self._source.rows("agents", where, *params):
            self._progress()
            agent_id = kept_id("agent", row["id"])
            if await self._is_here(agent_id):
                self._agents_here.add(row["id"])
                await self._skip(row["id"])
                continue
            notes = Notes()
            try:
                if row["is_deleted"]:
                    raise InvalidInput(DELETED)
                await self._bring_agent(row, agent_id, notes)
            except CallerError as error:
                self._report.miss("agents", row["id"], str(error))
                await self._lose(row["id"])
                continue
            for line in notes.lines:
                self._report.remark("agents", row["id"], line)
            self._agents_here.add(row["id"])
            self._report.taken["agents"] += 1

    async def _is_here(self, agent_id: str) -> bool:
        try:
            await agents.get(self._here.view, self._here.tenant, agent_id)
        except NotFound:
            return False
        return True

    async def _skip(self, agent_id: str) -> None:
        """An agent that is here: so is all that is its alone, and what it has done since."""
        self._report.already["agents"] += 1
        for table, where in _CHILDREN.items():
            count = await self._source.count(table, where, agent_id)
            self._report.already[table] += count
            self._progress(count if table == "messages" else 0)
        await self._archives.skip_own(agent_id)

    async def _lose(self, agent_id: str) -> None:
        self._lost_agents.add(agent_id)
        for table, where in _CHILDREN.items():
            async for key in self._source.keys(table, where, agent_id):
                self._report.miss(table, key, NO_AGENT)

    async def _bring_agent(self, row: Row, agent_id: str, notes: Notes) -> None:
        """Raises CallerError for an agent that can't be here; nothing of it is counted then."""
        here, now_ms = self._here, self._here.host.clock.now_ms()
        check_texts("its row", row)
        tags = [one["tag"] async for one in self._source.rows("agents_tags", "agent_id = %s", row["id"])]
        made, _ = parts.agent_of(agent_fields(row, tags, notes), notes, name="agent", now_ms=now_ms)
        agent = msgspec.structs.replace(
            made, tenant=here.tenant, id=agent_id, created_at_ms=told_ms(row, now_ms), updated_at_ms=now_ms
        )
        agents.check(agent)
        blocks, tool_ids = await self._attached(row["id"])
        self._report.taken["agents_tags"] += len(tags)
        secrets = await self._secrets(row["id"])
        own: list[Block] = []
        if not here.is_rehearsal:
            own = [await core.get(here.view, here.tenant, block_id) for block_id in blocks]
        # The system message goes first: messages are listed in the order in which they were written.
        clear = self._plan_clear(agent)
        await here.commit(clear.extend(messages.plan_add([first_message(here.host, agent, own)])))
        await self._conversations.bring(row["id"], agent, await self._histories.bring(row["id"], agent, 1))
        await self._archives.bring_own(row["id"], agent)
        changes = plan_agent(here.host, agent, Traveller(agent=agent, secrets=secrets), own, tool_ids)
        await here.commit(changes.extend(await self._folders.plan_attach(row["id"], agent)))
        here.archive.wake(here.tenant, agent.id)

    def _plan_clear(self, agent: Agent) -> Changes:
        """What a run that was broken off left of the agent."""
        changes = Changes()
        for sql, params in of_agent_deleted(agent.tenant, agent.id):
            changes.write(sql, *params)
        changes.extend(archival.plan_forget_scope(agent.tenant, agent.id))
        return changes.extend(embed.plan_forget_scope(agent.tenant, agent.id))

    async def _attached(self, agent_id: str) -> tuple[list[str], list[str]]:
        """The ids of its blocks and tools here. Raises Conflict, LimitExceeded: nothing was counted then."""
        blocks: dict[str, str] = {}
        tools: list[str] = []
        missed: list[tuple[str, str, str]] = []
        async for row in self._source.rows("blocks_agents", "agent_id = %s", agent_id):
            if row["block_label"] in blocks:
                raise Conflict(f"two of its blocks have the label '{row['block_label'][:64]}'")
            if not await self._has_block(row["block_id"]):
                missed.append(("blocks_agents", row["block_id"], "its block is not taken"))
            else:
                blocks[row["block_label"]] = kept_id("block", row["block_id"])
        async for row in self._source.rows("tools_agents", "agent_id = %s", agent_id):
            if row["tool_id"] in self._tools:
                tools.append(self._tools[row["tool_id"]])
            else:
                missed.append(("tools_agents", row["tool_id"], "its tool is not taken"))
        if len(set(tools)) > tool_limits.TOOLS_PER_AGENT_MAX:
            raise LimitExceeded("its list of tools", len(set(tools)), tool_limits.TOOLS_PER_AGENT_MAX, "tools")
        for table, other, why in missed:
            self._report.miss(table, f"{agent_id}/{other}", why)
        self._report.taken["blocks_agents"] += len(blocks)
        self._report.taken["tools_agents"] += len(tools)
        return list(blocks.values()), tools

    async def _has_block(self, block_id: str) -> bool:
        """Of another organisation it may not. In a rehearsal nothing is there."""
        here, ours = self._here, kept_id("block", block_id)
        if block_id in self._lost_blocks:
            return False
        return here.is_rehearsal or bool(await core.ids_taken(here.view, here.tenant, [ours]))

    async def _secrets(self, agent_id: str) -> Secrets:
        found: dict[str, str] = {}
        async for row in self._source.rows("agent_environment_variables", "agent_id = %s", agent_id):
            value = None if row["is_deleted"] else opened(row["value"], row["value_enc"], self._key)
            why = DELETED if row["is_deleted"] else "it is encrypted: give --encryption-key, LETTA_ENCRYPTION_KEY there"
            try:
                if value is None:
                    raise InvalidInput(why)
                check_secrets({**found, row["key"]: value})
            except CallerError as error:
                self._report.miss("agent_environment_variables", row["id"], str(error))
                continue
            found[row["key"]] = value
            self._report.taken["agent_environment_variables"] += 1
        return check_secrets(found) if found else NO_SECRETS

    # ---- the rest

    async def _leave(self, unknown: list[str]) -> None:
        report = self._report
        report.miss_all("archival_passages (embedding)", _EMBEDDINGS, self._archives.embeddings)
        for table, left in LEFT.items():
            if not self._source.has(table):
                continue
            if left.listed:
                async for key in self._source.keys(table):
                    report.miss(table, key, left.why)
            else:
                report.miss_all(table, left.why, await self._source.count(table))
        for table in unknown:
            report.miss_all(table, "a table that is not known here", await self._source.count(table))


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:10]) + (" …" if len(ids) > 10 else "") if ids else "none"
