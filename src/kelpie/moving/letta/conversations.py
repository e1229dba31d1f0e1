"""Conversations beside an agent's own history, with the blocks that each has for itself.

There a fork names the messages it shares with others; here it shows stretches of positions. So an agent's conversations
are brought by age, one behind the other: what a fork goes back to has its positions then.
"""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

from kelpie.agents.agent import Agent
from kelpie.api.wire.agent_files.checking import check_texts
from kelpie.api.wire.agent_files.parts import validated
from kelpie.api.wire.conversations import CreateConversation
from kelpie.errors import CallerError, InvalidInput, NotFound
from kelpie.moving.letta.here import Here
from kelpie.moving.letta.histories import Histories
from kelpie.moving.letta.reading import Row, Source
from kelpie.moving.letta.report import Report
from kelpie.moving.letta.rows import kept_id, told_ms
from kelpie.tools.blocks import scope_of
from kelpie.trajectories import conversations, messages, stretches
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories.records import MAIN, Conversation, StoredMessage
from kelpie.trajectories.stretches import Stretch
from umi import core
from umi.storage import Changes, Page

_DELETED = "it was deleted there"
_LOST = "its conversation is not taken"
_ITS = "conversation_id = %s"
# What was said elsewhere and is shown there.
_SHARED = f"{_ITS} AND message_id IN (SELECT id FROM messages WHERE conversation_id IS DISTINCT FROM %s)"
_NOWHERE = (
    "agent_id = %s AND conversation_id IS NOT NULL"
    " AND conversation_id NOT IN (SELECT id FROM conversations WHERE agent_id = %s)"
)


class Conversations:
    """`has_block` says of an id of theirs whether it came over, now or before."""

    def __init__(
        self,
        source: Source,
        here: Here,
        report: Report,
        histories: Histories,
        has_block: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._source, self._here, self._report = source, here, report
        self._histories, self._has_block = histories, has_block

    async def bring(self, their_id: str, agent: Agent, position: int) -> None:
        """Those of an agent whose own history is there up to a position."""
        async for row in self._source.rows("conversations", "agent_id = %s", their_id):
            try:
                one = self._conversation(row, agent)
            except CallerError as error:
                await self._lose(row["id"], str(error))
                continue
            since, position = position, await self._histories.bring(their_id, agent, position, (row["id"], one.id))
            before = await self._shared(row["id"], agent, since)
            changes = conversations.plan_create(one, before)
            if any(part.source_id == MAIN for part in before):
                changes.extend(stretches.plan_keep_main(agent.tenant, agent.id))
            await self._here.commit(changes.extend(await self._plan_blocks(row["id"], one)))
            self._report.taken["conversations"] += 1
            self._report.taken["conversation_messages"] += await self._count(_ITS, row["id"])
        main = await self._count("agent_id = %s AND conversation_id IS NULL", their_id)
        self._report.taken["conversation_messages"] += main
        await self._histories.lose(_NOWHERE, their_id, their_id, why=_LOST)

    def _conversation(self, row: Row, agent: Agent) -> Conversation:
        """Raises CallerError."""
        check_texts("its row", row)
        if row["is_deleted"]:
            raise InvalidInput(_DELETED)
        at_ms, said = told_ms(row, self._here.host.clock.now_ms()), row["last_message_at"]
        one = Conversation(
            tenant=agent.tenant,
            id=kept_id("conv", row["id"]),
            agent_id=agent.id,
            summary=row["summary"],
            **self._asked(row),
            created_at_ms=at_ms,
            updated_at_ms=at_ms,
            last_message_at_ms=int(said.timestamp() * 1000) if isinstance(said, dt.datetime) else None,
        )
        conversations.check(one)
        return one

    def _asked(self, row: Row) -> dict[str, Any]:
        """Its model and how that is asked, where they are others than the agent's."""
        given = {"model": row["model"] or None, "model_settings": row["model_settings"] or None}
        try:
            return validated("its own model", CreateConversation, given).fields()
        except CallerError as error:
            self._report.remark("conversations", row["id"], f"its own model or its settings are not taken: {error}")
            return {}

    async def _shared(self, their_id: str, agent: Agent, since: int) -> list[Stretch]:
        """What it shows of other conversations, before its own messages, which begin at `since`."""
        parts: list[Stretch] = []
        if self._here.is_rehearsal:
            return parts
        async for link in self._source.rows("conversation_messages", _SHARED, their_id, their_id):
            try:
                found = await messages.get(self._here.view, agent.tenant, kept_id("message", link["message_id"]))
            except NotFound:
                continue  # it is reported as a message
            last = parts[-1] if parts else None
            if found.agent_id != agent.id or (last is not None and found.position <= last.until):
                continue
            until = await self._answered(found)
            if last is not None and last.source_id == found.conversation_id:
                parts[-1] = Stretch(last.source_id, last.since, until)
            else:
                parts.append(Stretch(found.conversation_id, found.position, until))
        if len(parts) > trajectory_limits.CONVERSATION_STRETCHES_MAX or (parts and parts[-1].until >= since):
            self._report.remark("conversations", their_id, "what it shares with other conversations is not shown in it")
            return []
        return parts

    async def _answered(self, message: StoredMessage) -> int:
        """The position of a message, or that of the last answer to its calls."""
        if message.body.role != "tool" and not message.body.tool_calls:
            return message.position
        until = message.position
        page = Page(limit=trajectory_limits.CONVERSATION_STEP_MESSAGES_MAX, after=message.id, ascending=True)
        for later in await messages.list_messages(
            self._here.view,
            message.tenant,
            page,
            agent_id=message.agent_id,
            conversation_id=message.conversation_id,
        ):
            if later.body.role != "tool":
                break
            until = later.position
        return until

    async def _plan_blocks(self, their_id: str, one: Conversation) -> Changes:
        """The blocks that it has for itself."""
        report, scope = self._report, scope_of(one.agent_id, one.id)
        changes = core.plan_detach_all(one.tenant, scope)  # a run that was broken off may have left some
        labels: set[str] = set()
        async for link in self._source.rows("blocks_conversations", _ITS, their_id):
            key, ours = f"{their_id}/{link['block_id']}", kept_id("block", link["block_id"])
            if not await self._has_block(link["block_id"]):
                report.miss("blocks_conversations", key, "its block is not taken")
                continue
            label = link["block_label"]
            if not self._here.is_rehearsal:
                label = (await core.get(self._here.view, one.tenant, ours)).label
            if label in labels:
                report.miss("blocks_conversations", key, f"another of its blocks has the label '{label[:64]}'")
                continue
            labels.add(label)
            changes.extend(core.plan_attach(one.tenant, scope, ours, label))
            report.taken["blocks_conversations"] += 1
        return changes

    async def _lose(self, their_id: str, why: str) -> None:
        report = self._report
        report.miss("conversations", their_id, why)
        await self._histories.lose(_ITS, their_id, why=_LOST)
        report.miss_all("conversation_messages", _LOST, await self._count(_ITS, their_id))
        async for key in self._source.keys("blocks_conversations", _ITS, their_id):
            report.miss("blocks_conversations", key, _LOST)

    async def _count(self, where: str, *params: str) -> int:
        return await self._source.count("conversation_messages", where, *params)
