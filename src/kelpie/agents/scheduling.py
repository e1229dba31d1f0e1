"""Messages that are sent to an agent later: reminders (kelpie.actors) whose effect is a run.

The run is accepted in the commit that notes the reminder as done, so that each time it was due becomes one run.
"""

from typing import Any

import msgspec

from kelpie.actors import Reminder, Reminders
from kelpie.actors.limits import REMINDERS_PER_ACTOR_MAX
from kelpie.actors.recurrence import When
from kelpie.actors.reminders import get, list_reminders, new_reminder, plan_delete
from kelpie.agents import agent as agents
from kelpie.agents.agent import actor_id
from kelpie.agents.inbox import Inbox
from kelpie.errors import GuardFailed, LimitExceeded, NotFound, NotPermitted
from kelpie.people import NOBODY
from kelpie.trajectories.records import RunInput, RunOptions
from umi.dst import Host
from umi.storage import Changes, Database, Page, View
from umi.wire.types import Message

TOPIC = "messages"


class Mailing(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent each time, and `wire`: how the client wrote it, given back and not acted on."""

    messages: list[Message]
    options: RunOptions
    wire: dict[str, Any] = {}


class Schedule(msgspec.Struct, frozen=True):
    """A reminder whose effect is a run, and what it sends."""

    reminder: Reminder
    mailing: Mailing


class Scheduling:
    def __init__(self, database: Database, host: Host, inbox: Inbox, reminders: Reminders) -> None:
        """Made once, before the reminders start."""
        self._database, self._host, self._inbox, self._reminders = database, host, inbox, reminders
        reminders.register(TOPIC, self._send)

    async def add(self, tenant: str, agent_id: str, when: When, mailing: Mailing) -> Schedule:
        """Raises NotFound, NotPermitted (the agent is somebody's conversation), InvalidInput, LimitExceeded,
        MissingExtra."""
        who = actor_id(tenant, agent_id)
        made = new_reminder(self._host, who, TOPIC, when, msgspec.to_builtins(mailing))
        try:
            await self._database.commit(agents.belongs_to(who, NOBODY).extend(self._reminders.add(made)))
        except GuardFailed as refused:
            await agents.get(View(self._database), tenant, agent_id)
            if refused.guard != "reminders":
                raise NotPermitted(f"agent '{agent_id}' is the conversation of somebody else") from None
            most = REMINDERS_PER_ACTOR_MAX
            raise LimitExceeded("the agent's list of scheduled messages", most + 1, most, "schedules") from None
        return Schedule(made, mailing)

    def plan_add(self, tenant: str, agent_id: str, when: When, mailing: Mailing) -> Changes:
        """The same as part of a larger commit that makes the agent as well. Raises InvalidInput, LimitExceeded,
        MissingExtra."""
        made = new_reminder(self._host, actor_id(tenant, agent_id), TOPIC, when, msgspec.to_builtins(mailing))
        return self._reminders.add(made)

    async def get(self, tenant: str, agent_id: str, schedule_id: str) -> Schedule:
        """Raises NotFound: the agent, or no such schedule of its."""
        view = View(self._database)
        await agents.get(view, tenant, agent_id)
        return _schedule(await get(view, actor_id(tenant, agent_id), TOPIC, schedule_id))

    async def page(self, tenant: str, agent_id: str, page: Page) -> list[Schedule]:
        """A page of the agent's schedules by age. Raises NotFound."""
        view = View(self._database)
        await agents.get(view, tenant, agent_id)
        return [_schedule(one) for one in await list_reminders(view, actor_id(tenant, agent_id), TOPIC, page)]

    async def delete(self, tenant: str, agent_id: str, schedule_id: str) -> None:
        """From now on nothing of it is sent. Raises NotFound."""
        try:
            await self._database.commit(plan_delete(actor_id(tenant, agent_id), TOPIC, schedule_id))
        except GuardFailed:
            raise NotFound(f"agent '{agent_id}' has no scheduled message of the id '{schedule_id}'") from None

    async def _send(self, reminder: Reminder, fired: Changes) -> None:
        mailing, ids = _schedule(reminder).mailing, self._host.ids
        # Without an otid: that names one message, and this is another each time.
        incoming = [RunInput(id=ids.new("message"), body=body) for body in mailing.messages]
        await self._inbox.accept(reminder.actor.tenant, reminder.actor.key, incoming, mailing.options, also=fired)


def _schedule(reminder: Reminder) -> Schedule:
    return Schedule(reminder, msgspec.convert(reminder.body, Mailing))
