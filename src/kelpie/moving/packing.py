"""An agent as it leaves: all that belongs to it, read page by page, its messages newest first until it is full."""

from collections.abc import Callable

import msgspec

from kelpie.actors.reminders import list_reminders
from kelpie.agents import profile
from kelpie.agents.agent import Agent, actor_id
from kelpie.agents.context import compacting
from kelpie.agents.context.context import estimate_tokens
from kelpie.agents.profile import Profile
from kelpie.agents.scheduling import TOPIC, Mailing, Schedule
from kelpie.models.model import ModelCard
from kelpie.moving import limits
from kelpie.moving.folders import PackedFile, pack_files
from kelpie.trajectories import messages
from kelpie.trajectories.records import MAIN, StoredMessage
from umi import archival
from umi.entity import Fact
from umi.storage import Page, View


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """
    recent    the messages that its model is shown now, the system message first; `older` those before, oldest first
    files     of its folders, with what they say
    left_out  how many messages, facts and files had no room, or no text: {"messages": 12}
    """

    profile: Profile
    recent: list[StoredMessage] = []
    older: list[StoredMessage] = []
    facts: list[Fact] = []
    schedules: list[Schedule] = []
    files: list[PackedFile] = []
    left_out: dict[str, int] = {}


async def pack(
    view: View,
    tenant: str,
    agent_id: str,
    card_of: Callable[[Agent], ModelCard],
    *,
    conversation_id: str = MAIN,
    without_messages: bool = False,
) -> Packed:
    """The agent with the history of one of its conversations. Facts of a memory that it shares with others stay where
    they are. Raises NotFound."""
    found = await profile.read(view, tenant, agent_id)
    room = limits.PACKED_BYTES_MAX
    facts, left_out, room = await _facts(view, tenant, agent_id, room)
    told: list[StoredMessage] = []
    if not without_messages:
        told, missing, room = await _messages(view, tenant, agent_id, conversation_id, room)
        left_out |= {"messages": missing} if missing else {}
    packed_files, missing = await pack_files(view, tenant, agent_id, found.folders, room)
    left_out |= {"files": missing} if missing else {}
    summary, told = _apart(told)
    start = _recent_from(found, told, card_of(found.agent), summary)
    begins = start > 0 and told[0].body.role == "system" and "messages" not in left_out
    first = [told[0]] if begins else []
    return Packed(
        profile=found,
        recent=[*first, *summary, *told[start:]],
        older=told[len(first) : start],
        facts=facts,
        schedules=await _schedules(view, tenant, agent_id),
        files=packed_files,
        left_out=left_out,
    )


def _apart(told: list[StoredMessage]) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """The newest summary as the model is shown it, if there is one, and the messages without any. Elsewhere it is a
    message like any other: what it stands for has no positions there."""
    made = [one for one in told if one.compacted is not None]
    newest = [
        msgspec.structs.replace(one, body=compacting.shown(one.body.text, one.compacted))
        for one in made[-1:]
        if one.compacted is not None
    ]
    return newest, [one for one in told if one.compacted is None]


def _recent_from(found: Profile, told: list[StoredMessage], card: ModelCard, summary: list[StoredMessage]) -> int:
    """Where the context begins: behind what a summary stands for, or as `agents.context` fills it, but for what prompt
    and tools take."""
    for record in (one.compacted for one in summary):
        if record is not None:
            return sum(one.position <= record.upto_position for one in told)
    budget, start = found.agent.context_window_tokens or card.context_window_tokens, len(told)
    while start > 0 and (budget := budget - estimate_tokens(told[start - 1].body)) >= 0:
        start -= 1
    while start < len(told) and told[start].body.role == "tool":
        start += 1
    return start


async def _messages(
    view: View, tenant: str, agent_id: str, conversation_id: str, room: int
) -> tuple[list[StoredMessage], int, int]:
    """The newest messages that have room, oldest first, how many have none, and the room that is left. What is taken
    never begins with the answer to a call that is not there."""
    taken: list[StoredMessage] = []
    before: str | None = None
    while len(taken) < limits.PARCEL_MESSAGES_MAX:
        page = Page(limit=limits.PACKED_PAGE_ITEMS, after=before, ascending=False)
        found = await messages.list_messages(view, tenant, page, agent_id=agent_id, conversation_id=conversation_id)
        for one in found:
            room -= len(msgspec.json.encode(one.body))
            if room < 0 or len(taken) >= limits.PARCEL_MESSAGES_MAX:
                break
            taken.append(one)
        if room < 0 or len(found) < limits.PACKED_PAGE_ITEMS:
            break
        before = found[-1].id
    while taken and taken[-1].body.role == "tool":
        taken.pop()
    told = await messages.count(view, tenant, agent_id, conversation_id)
    return taken[::-1], told - len(taken), max(room, 0)


async def _facts(view: View, tenant: str, agent_id: str, room: int) -> tuple[list[Fact], dict[str, int], int]:
    taken: list[Fact] = []
    after: str | None = None
    while len(taken) < limits.PARCEL_FACTS_MAX:
        page = Page(limit=limits.PACKED_PAGE_ITEMS, after=after)
        found = await archival.list_facts(view, tenant, agent_id, page)
        for one in found:
            room -= len(msgspec.json.encode(one))
            if room < 0 or len(taken) >= limits.PARCEL_FACTS_MAX:
                break
            taken.append(one)
        if room < 0 or len(found) < limits.PACKED_PAGE_ITEMS:
            break
        after = found[-1].id
    missing = await archival.count(view, tenant, agent_id) - len(taken)
    return taken, {"facts": missing} if missing else {}, max(room, 0)


async def _schedules(view: View, tenant: str, agent_id: str) -> list[Schedule]:
    page = Page(limit=limits.PARCEL_SCHEDULES_MAX)
    found = await list_reminders(view, actor_id(tenant, agent_id), TOPIC, page)
    return [Schedule(one, msgspec.convert(one.body, Mailing)) for one in found]
