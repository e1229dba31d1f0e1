"""Archives: one that a single agent has is that agent's own memory; any other is a collection here, which the agents
that came over are given.

Facts are written before the collection itself: a run that is broken off leaves none, and the next one begins it anew.
"""

from collections.abc import Callable, Sequence

import msgspec

from kelpie.agents.agent import Agent
from kelpie.api.wire.agent_files.checking import check_texts
from kelpie.errors import CallerError, InvalidInput, NotFound
from kelpie.moving import limits
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.reading import Row, Source
from kelpie.moving.letta.report import Report
from kelpie.moving.letta.rows import kept_id, told_ms
from kelpie.tools import collections
from kelpie.tools.collections import Collection
from umi import archival, embed
from umi.archival import transfer
from umi.dst.ids import named_uuid
from umi.entity import Fact
from umi.storage import Changes

_DELETED = "it was deleted there"
_LOST = "its archive is not taken"
_OF_ARCHIVE = "archive_id = %s"


class Archives:
    """`has_agent` says of an id of theirs whether it came over. `embeddings` counts vectors, which are not taken."""

    def __init__(self, source: Source, here: Here, report: Report, has_agent: Callable[[str], bool]) -> None:
        self._source, self._here, self._report, self._has_agent = source, here, report, has_agent
        self._new: set[str] = set()  # that came as the memory of an agent, in this run
        self._known: set[str] = set()  # of an agent that was here already
        self.embeddings = 0

    # ---- of one agent

    async def bring_own(self, their_id: str, agent: Agent) -> None:
        """The passages of an archive that this agent alone has, as facts of its own memory."""
        async for link in self._source.rows("archives_agents", "agent_id = %s", their_id):
            self._report.taken["archives_agents"] += 1
            if len(await self._agents_of(link["archive_id"])) == 1:
                self._new.add(link["archive_id"])
                await self._bring_passages(link["archive_id"], agent.id)

    async def skip_own(self, their_id: str) -> None:
        """Those of an agent that is here already."""
        async for link in self._source.rows("archives_agents", "agent_id = %s", their_id):
            if len(await self._agents_of(link["archive_id"])) == 1:
                self._known.add(link["archive_id"])
                await self._skip_passages(link["archive_id"])

    async def _agents_of(self, archive_id: str) -> list[str]:
        return [row["agent_id"] async for row in self._source.rows("archives_agents", _OF_ARCHIVE, archive_id)]

    # ---- of several, or of none

    async def bring(self, where: str, params: tuple[str, ...]) -> None:
        """Every archive that is not one agent's own. The agents are there."""
        async for row in self._source.rows("archives", where, *params):
            if row["id"] in self._new:
                self._report.taken["archives"] += 1
            elif row["id"] in self._known or await self._is_here(row["id"]):
                self._report.already["archives"] += 1
                if row["id"] not in self._known:
                    await self._skip_passages(row["id"])
            else:
                await self._bring_one(row)

    async def _bring_one(self, row: Row) -> None:
        here, report = self._here, self._report
        try:
            made = self._collection(row)
        except CallerError as error:
            report.miss("archives", row["id"], str(error))
            async for key in self._source.keys("archival_passages", _OF_ARCHIVE, row["id"]):
                report.miss("archival_passages", key, _LOST)
            return
        clear = archival.plan_forget_scope(made.tenant, made.scope)
        await here.commit(clear.extend(embed.plan_forget_scope(made.tenant, made.scope)))
        await self._bring_passages(row["id"], made.scope)
        changes = collections.plan_create(made)
        for their_id in await self._agents_of(row["id"]):
            if self._has_agent(their_id):
                changes.extend(await self._plan_attach(kept_id("agent", their_id), made))
        await here.commit(changes)
        here.archive.wake(made.tenant, made.scope)
        report.taken["archives"] += 1

    async def _plan_attach(self, agent_id: str, made: Collection) -> Changes:
        try:
            return await collections.plan_attach(self._here.view, made.tenant, agent_id, made.id)
        except CallerError as error:
            self._report.remark("archives", made.id, f"not every agent has it: {error}")
            return Changes()

    def _collection(self, row: Row) -> Collection:
        """Raises CallerError."""
        check_texts("its row", row)
        if row["is_deleted"]:
            raise InvalidInput(_DELETED)
        made = Collection(
            tenant=self._here.tenant,
            id=kept_id("archive", row["id"]),
            name=row["name"] or "archive",
            description=row["description"],
            created_at_ms=told_ms(row, self._here.host.clock.now_ms()),
        )
        collections.check(made)
        return made

    async def _is_here(self, archive_id: str) -> bool:
        try:
            await collections.get(self._here.view, self._here.tenant, kept_id("archive", archive_id))
        except NotFound:
            return False
        return True

    # ---- passages

    async def _bring_passages(self, archive_id: str, scope: str) -> None:
        batch: list[Fact] = []
        async for row in self._source.rows("archival_passages", _OF_ARCHIVE, archive_id):
            fact = self._fact(row, scope)
            if fact is None:
                continue
            batch.append(fact)
            if len(batch) >= limits.DATABASE_BATCH_ROWS:
                await self._add(batch)
                batch = []
        await self._add(batch)

    def _fact(self, row: Row, scope: str) -> Fact | None:
        """None for a passage that can't be one; that is reported."""
        now_ms = self._here.host.clock.now_ms()
        at_ms = told_ms(row, now_ms)
        fact = Fact(
            tenant=self._here.tenant,
            id=kept_id("passage", row["id"]),
            scope=scope,
            text=row["text"] or "",
            tags=row["tags"] or [],
            metadata=row["metadata_"] or {},
            source={"kind": "import", "archive": row["archive_id"]},
            document_time_ms=at_ms,
            valid_from_ms=at_ms,
            known_from_ms=now_ms,
            created_at_ms=now_ms,
        )
        self.embeddings += bool(row["has_embedding"])
        try:
            if row["is_deleted"]:
                raise InvalidInput(_DELETED)
            archival.check(fact)
        except CallerError as error:
            self._report.miss("archival_passages", row["id"], str(error))
            return None
        self._report.taken["archival_passages"] += 1
        return fact

    async def _add(self, facts: Sequence[Fact]) -> None:
        """A fact whose id another memory has gets one of its own: an agent that was deleted here may have left it."""
        here = self._here
        held = await transfer.held(here.view, here.tenant, [fact.id for fact in facts])
        own = [
            msgspec.structs.replace(fact, id=f"passage-{named_uuid(f'{fact.id}/{fact.scope}')}")
            if fact.id in held
            else fact
            for fact in facts
        ]
        await here.commit(archival.plan_add(own, here.archive.why("add")))

    async def _skip_passages(self, archive_id: str) -> None:
        self._report.already["archival_passages"] += await self._source.count(
            "archival_passages", _OF_ARCHIVE, archive_id
        )
