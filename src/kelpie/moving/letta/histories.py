"""What an agent said and remembers: its messages and passages, a batch at a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from kelpie.agents.agent import Agent
from kelpie.api.wire.agent_files.messages import Lost, told_of
from kelpie.errors import CallerError
from kelpie.moving import limits
from kelpie.moving.history import Mender
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.reading import Row, Source
from kelpie.moving.letta.report import Report
from kelpie.moving.letta.rows import kept_id, message_fields, told_ms
from kelpie.moving.parcel import Told
from kelpie.moving.unpacking import plan_told
from umi import archival
from umi.archival import transfer
from umi.dst.ids import named_uuid
from umi.entity import Fact

_DELETED = "it was deleted there"
_SYSTEM = "the system message a history begins with is compiled anew"
_CONVERSATION = "it is of a conversation beside the agent's own history"
_NO_AGENT = "no agent that is taken has its archive"
_SHARED = "an archive that several agents share is copied for each of them"


class Histories:
    """`progress` is told of each message that is done. `embeddings` counts vectors, which are not taken."""

    def __init__(self, source: Source, here: Here, report: Report, progress: Callable[[int], Any]) -> None:
        self._source, self._here, self._report, self._progress = source, here, report, progress
        self._archives: set[str] = set()  # whose passages are accounted for
        self.embeddings = 0

    # ---- messages

    async def bring_messages(self, their_id: str, agent: Agent) -> None:
        """The agent's own history, from position 1 on: 0 is the system message."""
        mender, batch, position = Mender(), list[Told](), 1
        where = "agent_id = %s AND conversation_id IS NULL"
        is_first = True
        async for row in self._source.rows("messages", where, their_id):
            self._progress(1)
            if row["is_deleted"]:
                self._report.miss("messages", row["id"], _DELETED)
                continue
            if is_first and row["role"] == "system":
                self._report.miss("messages", row["id"], _SYSTEM)
                continue
            is_first = False
            batch += self._told(row, mender)
            if len(batch) >= limits.DATABASE_BATCH_ROWS:
                position = await self._add(agent, batch, position)
                batch = []
        await self._add(agent, [*batch, *mender.close()], position)
        async for key in self._source.keys("messages", "agent_id = %s AND conversation_id IS NOT NULL", their_id):
            self._progress(1)
            self._report.miss("messages", key, _CONVERSATION)

    def _told(self, row: Row, mender: Mender) -> list[Told]:
        """What one of their messages adds to the history; what it doesn't is reported."""
        lost: Lost = Counter()
        out: list[Told] = []
        try:
            parts = told_of(message_fields(row), lost, self._here.host.clock.now_ms())
            for told in parts:
                out += mender.feed(msgspec.structs.replace(told, ref=kept_id("message", told.ref)))
        except CallerError as error:
            self._report.miss("messages", row["id"], str(error))
            return out
        dropped, mender.dropped = mender.dropped, []
        if len(dropped) == len(parts):
            why = dropped[0].why if dropped else "there is no place here for what it says"
            self._report.miss("messages", row["id"], why)
            return out
        for one in dropped:
            self._report.remark("messages", row["id"], f"a part of it is not taken: {one.why}")
        for kind in lost:
            if lost[kind]:
                self._report.remark("messages", row["id"], f"{kind} are not taken")
        self._report.taken["messages"] += 1
        return out

    async def _add(self, agent: Agent, batch: Sequence[Told], position: int) -> int:
        await self._here.commit(plan_told(agent.tenant, agent.id, batch, position))
        return position + len(batch)

    # ---- passages

    async def bring_passages(self, their_id: str, agent: Agent) -> None:
        """Those of the agent's archive, as facts of its own memory."""
        async for link in self._source.rows("archives_agents", "agent_id = %s", their_id):
            archive_id = link["archive_id"]
            is_copy = archive_id in self._archives
            self._archives.add(archive_id)
            self._report.taken["archives_agents"] += 1
            if is_copy:
                self._report.remark("archives_agents", f"{their_id}/{archive_id}", _SHARED)
            batch: list[Fact] = []
            async for row in self._source.rows("archival_passages", "archive_id = %s", archive_id):
                fact = self._fact(row, agent, is_copy=is_copy)
                if fact is None:
                    continue
                batch.append(fact)
                if len(batch) >= limits.DATABASE_BATCH_ROWS:
                    await self._add_facts(batch)
                    batch = []
            await self._add_facts(batch)

    def _fact(self, row: Row, agent: Agent, *, is_copy: bool) -> Fact | None:
        """None for a passage that can't be one; that is reported once, also of an archive that is copied."""
        now_ms = self._here.host.clock.now_ms()
        at_ms = told_ms(row, now_ms)
        own_id = kept_id("passage", row["id"])
        fact = Fact(
            tenant=agent.tenant,
            id=f"passage-{named_uuid(f'{own_id}/{agent.id}')}" if is_copy else own_id,
            scope=agent.id,
            text=row["text"] or "",
            tags=row["tags"] or [],
            metadata=row["metadata_"] or {},
            source={"kind": "import", "archive": row["archive_id"]},
            document_time_ms=at_ms,
            valid_from_ms=at_ms,
            known_from_ms=now_ms,
            created_at_ms=now_ms,
        )
        try:
            archival.check(fact)
            refused = _DELETED if row["is_deleted"] else None
        except CallerError as error:
            refused = str(error)
        if not is_copy:
            self.embeddings += bool(row["has_embedding"])
            if refused:
                self._report.miss("archival_passages", row["id"], refused)
            else:
                self._report.taken["archival_passages"] += 1
        return None if refused else fact

    async def _add_facts(self, facts: Sequence[Fact]) -> None:
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

    async def skip_passages(self, their_id: str) -> None:
        """Those of an agent that is here already."""
        async for link in self._source.rows("archives_agents", "agent_id = %s", their_id):
            if link["archive_id"] not in self._archives:
                self._archives.add(link["archive_id"])
                count = await self._source.count("archival_passages", "archive_id = %s", link["archive_id"])
                self._report.already["archival_passages"] += count

    async def leave_passages(self, where: str, params: Sequence[Any]) -> None:
        """Report those of archives that no agent brought."""
        nobodys = f"{where} AND NOT archive_id = ANY(%s)"
        async for key in self._source.keys("archival_passages", nobodys, *params, sorted(self._archives)):
            self._report.miss("archival_passages", key, _NO_AGENT)
