"""Background agents that are told, every so many turns, what another agent has talked about meanwhile.

The last commit of each of that agent's runs leaves an errand. It counts the turn, and each so many of them leaves one
errand for each background agent, with what was said: count, errands and the end of the first are one commit. What a
background agent is told is a run of its, accepted with the end of its errand. So a crash anywhere leaves each turn
counted once, and each background agent told once.
"""

import logging
from collections.abc import Sequence

import msgspec

from kelpie.actors import Errand, Outbox
from kelpie.actors.outbox import plan_done
from kelpie.agents import agent as agents
from kelpie.agents import limits
from kelpie.agents.agent import actor_id
from kelpie.agents.turn.scene import Workshop
from kelpie.errors import Conflict, GuardFailed, NotFound, NotPermitted
from kelpie.groups import limits as group_limits
from kelpie.groups import records as groups
from kelpie.groups.records import Group
from kelpie.tools.limits import CALL_DEPTH_MAX
from kelpie.trajectories import messages
from kelpie.trajectories.records import Caller, Run, RunInput, RunOptions, StoredMessage
from umi.storage import Changes, Page, View
from umi.wire.types import Message

log = logging.getLogger(__name__)

COUNT, TELL = "turn to count", "turns to tell"
_BEGIN = (
    "[What follows was said between '{name}' and its user since you were told last. It is shown to you so that you can"
    " keep the memory you share up to date; nobody waits for an answer.]\n"
)


class Turn(msgspec.Struct, frozen=True):
    """A run of the agent that is overheard."""

    agent_id: str
    callers: tuple[Caller, ...] = ()


class Overheard(msgspec.Struct, frozen=True):
    """What a background agent is told."""

    text: str
    group_id: str
    sender: str
    callers: tuple[Caller, ...]


def plan_errand(outbox: Outbox, run: Run, now_ms: int) -> Changes:
    """In a run's last commit. One that came through many agents is not counted: background agents that speak to the
    one they listen to would otherwise keep each other busy for ever."""
    if len(run.options.callers) >= CALL_DEPTH_MAX:
        return Changes()
    return outbox.put(
        Errand(
            tenant=run.tenant,
            topic=COUNT,
            id=run.id,
            lane=f"overheard {run.agent_id}",
            owner=str(actor_id(run.tenant, run.agent_id)),
            body=msgspec.to_builtins(Turn(run.agent_id, run.options.callers)),
            due_at_ms=now_ms,
            once=True,
        )
    )


class Overhearing:
    def __init__(self, workshop: Workshop) -> None:
        """Made once, before the outbox starts."""
        self._shop = workshop
        workshop.outbox.register(COUNT, self.count)
        workshop.outbox.register(TELL, self.tell)

    async def count(self, errand: Errand) -> None:
        turn, view = msgspec.convert(errand.body, Turn), View(self._shop.database)
        for _ in range(group_limits.GROUP_WRITE_ATTEMPTS_MAX):
            group = await groups.told_by(view, errand.tenant, turn.agent_id)
            changes = plan_done(errand)
            if group is not None and group.agents:
                changes.extend(await self._plan(view, errand, turn, group))
            try:
                await self._shop.database.commit(changes)
            except GuardFailed as error:
                if error.guard == groups.GUARD:
                    continue  # somebody changed the group since it was read
                log.info("the turn of run %s was counted by another process, or its agent is gone", errand.id)
            return
        raise Conflict(f"the group of agent '{turn.agent_id}' is being changed by too many writers at once")

    async def _plan(self, view: View, errand: Errand, turn: Turn, group: Group) -> Changes:
        now_ms, changes = self._shop.host.clock.now_ms(), Changes()
        turns = group.turns + 1
        fields: dict[str, int | str] = {"turns": turns}
        if turns % (group.frequency or group_limits.GROUP_FREQUENCY_DEFAULT) == 0:
            said = await _said_since(view, group, turn.agent_id, errand.id)
            if said:
                fields["told"] = said[-1].id
                changes.extend(await self._plan_told(view, errand, turn, group, said))
        _, update = groups.plan_update(group, fields, now_ms)
        return update.extend(changes)

    async def _plan_told(
        self, view: View, errand: Errand, turn: Turn, group: Group, said: Sequence[StoredMessage]
    ) -> Changes:
        agent = await agents.get(view, errand.tenant, turn.agent_id)
        from_, changes = Caller(agent_id=turn.agent_id, name=agent.name, run_id=errand.id), Changes()
        told = Overheard(transcript(from_.name, said), group.id, turn.agent_id, (*turn.callers, from_))
        for agent_id in group.agents:
            one = Errand(
                tenant=errand.tenant,
                topic=TELL,
                id=f"{errand.id}/{agent_id}",
                lane=f"telling {agent_id}",
                owner=str(actor_id(errand.tenant, agent_id)),
                body=msgspec.to_builtins(told),
                due_at_ms=self._shop.host.clock.now_ms(),
            )
            changes.extend(self._shop.outbox.put(one))
        return changes

    async def tell(self, errand: Errand) -> None:
        told, agent_id = msgspec.convert(errand.body, Overheard), errand.id.rpartition("/")[2]
        body = Message(role="user", content=told.text)
        incoming = RunInput(id=self._shop.host.ids.new("message"), body=body, sender=told.sender)
        options = RunOptions(background=True, callers=told.callers, group_id=told.group_id)
        inbox, done = self._shop.switchboard.inbox, plan_done(errand)
        try:
            await inbox.accept(errand.tenant, agent_id, [incoming], options, also=done)
        except GuardFailed:
            log.info("the background agent %s was told by another process, or is gone", agent_id)
        except (NotFound, NotPermitted) as error:
            log.warning("the background agent %s can't be told: %s", agent_id, error)
            await self._shop.database.commit(done)


async def _said_since(view: View, group: Group, agent_id: str, run_id: str) -> list[StoredMessage]:
    """What users and the agent said since the background agents were told last, up to the end of this run; the newest
    of it, if it is much."""
    page = Page(limit=limits.OVERHEARD_MESSAGES_MAX, before=await _there(view, group), ascending=False)
    newest = await messages.list_messages(view, group.tenant, page, agent_id=agent_id)
    while newest and newest[0].run_id != run_id and any(one.run_id == run_id for one in newest):
        del newest[0]  # of a turn that is counted after this one
    spoken = [
        one for one in newest if one.body.role in ("user", "assistant") and one.body.text and one.compacted is None
    ]
    return spoken[::-1]


async def _there(view: View, group: Group) -> str | None:
    """The last message that was told, unless the agent's messages were begun anew since: then all of them are new."""
    try:
        return None if group.told is None else (await messages.get(view, group.tenant, group.told)).id
    except NotFound:
        return None


def transcript(name: str, said: Sequence[StoredMessage]) -> str:
    """The newest of what was said, as one text."""
    lines: list[str] = []
    room = limits.OVERHEARD_BYTES_MAX
    for one in reversed(said):
        line = f"{name if one.body.role == 'assistant' else 'user'}: {one.body.text}"
        room -= len(line.encode("utf-8", "replace")) + 1
        if room < 0 and lines:
            break
        lines.insert(0, line[: limits.OVERHEARD_BYTES_MAX])
    return _BEGIN.format(name=name) + "\n".join(lines)
