"""What an agent said: its messages, a batch at a time."""

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
from kelpie.moving.letta.rows import kept_id, message_fields
from kelpie.moving.parcel import Told
from kelpie.moving.unpacking import plan_told
from kelpie.trajectories.records import MAIN

_DELETED = "it was deleted there"
_SYSTEM = "the system message a history begins with is compiled anew"


class Histories:
    """`progress` is told of each message that is done."""

    def __init__(self, source: Source, here: Here, report: Report, progress: Callable[[int], Any]) -> None:
        self._source, self._here, self._report, self._progress = source, here, report, progress

    async def bring(
        self, their_id: str, agent: Agent, position: int, conversation: tuple[str, str] | None = None
    ) -> int:
        """The messages of one conversation of the agent, from a position on. Returns the position behind them.

        conversation  its id there and its id here; None: the main one
        """
        mender, batch = Mender(), list[Told]()
        theirs, ours = conversation or (None, MAIN)
        where = "agent_id = %s AND conversation_id IS NOT DISTINCT FROM %s"
        is_first = True
        async for row in self._source.rows("messages", where, their_id, theirs):
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
                position = await self._add(agent, batch, position, ours)
                batch = []
        return await self._add(agent, [*batch, *mender.close()], position, ours)

    async def lose(self, where: str, *params: Any, why: str) -> None:
        """Messages of what is not taken."""
        async for key in self._source.keys("messages", where, *params):
            self._progress(1)
            self._report.miss("messages", key, why)

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

    async def _add(self, agent: Agent, batch: Sequence[Told], position: int, conversation_id: str) -> int:
        await self._here.commit(plan_told(agent.tenant, agent.id, batch, position, conversation_id))
        return position + len(batch)
