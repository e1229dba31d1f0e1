"""Whose turn it is in a group's run, and what that agent is told: read from what was stored."""

from collections.abc import Mapping, Sequence

import msgspec

from kelpie.agents import agent as agents
from kelpie.groups import limits
from kelpie.groups.records import Group
from kelpie.groups.runs import GroupRun, GroupTurn, Part
from kelpie.tools.others import CHOOSE
from kelpie.trajectories import limits as trajectory_limits
from kelpie.trajectories import messages, steps
from kelpie.trajectories.records import RunInput, RunStatus, StopReason
from umi.dst import Ids
from umi.storage import Page, View
from umi.wire.encoding import UNREADABLE
from umi.wire.types import Message

GO_ON = "[Nobody else has said anything since. Go on.]"


class Next(msgspec.Struct, frozen=True, kw_only=True):
    """Whose turn it is."""

    agent_id: str
    part: Part
    incoming: list[RunInput]


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody's: the group's run ends so."""

    status: RunStatus
    stop_reason: StopReason
    error: str | None = None


class _Choice(msgspec.Struct):
    next_speaker_agent_id: str


class Said(msgspec.Struct, frozen=True):
    turn: GroupTurn
    text: str


class Talked:
    """A group's run so far: who had a turn, and what was said."""

    def __init__(self, group: Group, run: GroupRun, said: Sequence[Said], names: Mapping[str, str]) -> None:
        self.group, self.run, self.said, self.names = group, run, said, names

    @classmethod
    async def read(cls, view: View, group: Group, run: GroupRun, turns: Sequence[GroupTurn]) -> "Talked":
        said = [Said(turn, await _words(view, run.tenant, turn)) for turn in turns]
        there = group.everybody
        page = Page(limit=max(1, len(there)))
        found = await agents.list_agents(view, run.tenant, page, ids=there) if there else []
        return cls(group, run, said, {one.id: one.name for one in found})

    @property
    def members(self) -> list[str]:
        """Those that are there."""
        return [one for one in self.group.agents if one in self.names]

    @property
    def spoken(self) -> list[Said]:
        return [one for one in self.said if one.turn.part == "speaker"]

    def name(self, agent_id: str) -> str:
        return self.names.get(agent_id, agent_id)

    def heard(self, ids: Ids, agent_id: str, instruction: str = "") -> list[RunInput]:
        """What an agent has not heard yet: what the run began with, and what others have said since its last turn."""
        before = [number for number, one in enumerate(self.said) if one.turn.agent_id == agent_id]
        since = self.said[before[-1] + 1 :] if before else self.said
        words = [one for one in since if one.turn.part == "speaker" and one.text and one.turn.agent_id != agent_id]
        told = [] if before else [RunInput(id=ids.new("message"), body=one.body) for one in self.run.input]
        room = trajectory_limits.RUN_INPUT_MESSAGES_MAX - len(told) - 1
        shown = ((one.turn.agent_id, one.text) for one in words[-room:])
        told += [_input(ids, f"{self.name(agent_id)}: {text}", agent_id) for agent_id, text in shown]
        if instruction:
            told.append(_input(ids, instruction, self.group.id))
        return told or [_input(ids, GO_ON, self.group.id)]


def _input(ids: Ids, text: str, sender: str) -> RunInput:
    """What no person says: nothing of it is remembered as if one had."""
    return RunInput(id=ids.new("message"), body=Message(role="user", content=text), sender=sender)


async def _words(view: View, tenant: str, turn: GroupTurn) -> str:
    bodies = [one.body for one in await messages.of_run(view, tenant, turn.run_id)]
    return "\n".join(body.text for body in bodies if body.role == "assistant" and body.text and not body.tool_calls)


async def following(view: View, ids: Ids, talked: Talked) -> Next | Over:
    """Whose turn comes after those that ended."""
    group = talked.group
    if not talked.members:
        return Over(status="failed", stop_reason="error", error="the group has no agents left")
    if group.kind == "round_robin":
        return _in_turn(ids, talked)
    if group.kind == "supervisor":
        if talked.said:
            return Over(status="completed", stop_reason="end_turn")
        manager = _manager(group)
        return Next(agent_id=manager, part="speaker", incoming=talked.heard(ids, manager))
    return await _as_chosen(view, ids, talked)


def _in_turn(ids: Ids, talked: Talked) -> Next | Over:
    members, spoken = talked.members, [one.turn.agent_id for one in talked.spoken]
    most = talked.group.turns_max
    # By who has spoken, and not by how often that was: one who has may be deleted since, and everybody else has a turn.
    left = members if most is not None else [one for one in members if one not in spoken]
    if not left or (most is not None and len(spoken) >= most):
        return Over(status="completed", stop_reason="end_turn")
    last = next((one for one in reversed(spoken) if one in members), None)
    place = 0 if last is None else members.index(last) + 1
    speaker = next(one for one in (*members[place:], *members[:place]) if one in left)
    return Next(agent_id=speaker, part="speaker", incoming=talked.heard(ids, speaker))


async def _as_chosen(view: View, ids: Ids, talked: Talked) -> Next | Over:
    """The manager says who speaks; it is asked anew after each speaker."""
    group, last = talked.group, talked.said[-1] if talked.said else None
    if last is not None and group.token and group.token in last.text:
        return Over(status="completed", stop_reason="end_turn")
    if last is not None and last.turn.part == "manager":
        speaker = await _chosen(view, talked, last)
        if speaker is None:
            why = f"its manager '{talked.name(last.turn.agent_id)}' chose nobody of the group to speak"
            return Over(status="failed", stop_reason="error", error=why)
        return Next(agent_id=speaker, part="speaker", incoming=talked.heard(ids, speaker))
    if len(talked.spoken) >= (group.turns_max or limits.GROUP_TURNS_DEFAULT):
        return Over(status="completed", stop_reason="max_steps")
    manager = _manager(group)
    return Next(agent_id=manager, part="manager", incoming=talked.heard(ids, manager, _instruction(talked)))


def _instruction(talked: Talked) -> str:
    there = "\n".join(f"- {talked.name(one)}, ID {one}" for one in talked.members)
    end = f" If nothing is left to be said, answer {talked.group.token} and call nothing." if talked.group.token else ""
    return f"[Choose who of the group speaks next, with {CHOOSE}. There are:\n{there}\n{end.strip()}]"


async def _chosen(view: View, talked: Talked, last: Said) -> str | None:
    """Whom the manager named in its last call that succeeded; or in its words, if they name just one."""
    members = talked.members
    for call in reversed(await steps.calls_of(view, talked.run.tenant, run_id=last.turn.run_id)):
        if call.tool == CHOOSE and call.state == "done" and not call.is_error:
            named = _named(call.arguments)
            return named if named in members else None
    told = [one for one in members if one in last.text or talked.name(one) in last.text]
    return told[0] if len(told) == 1 else None


def _named(arguments: str) -> str | None:
    """A tenant's own tool of that name may be called with anything."""
    try:
        return msgspec.json.decode(arguments, type=_Choice).next_speaker_agent_id
    except UNREADABLE:
        return None


def _manager(group: Group) -> str:
    assert group.manager is not None, "only a group in which each speaks in turn has none"
    return group.manager
