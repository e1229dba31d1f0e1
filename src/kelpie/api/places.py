"""Which conversation of which agent a request means."""

from typing import NamedTuple

from kelpie.agents import agent as agents
from kelpie.api.house import Caller
from kelpie.errors import InvalidInput
from kelpie.trajectories import conversations
from kelpie.trajectories.records import MAIN

DEFAULT = "default"  # what Letta calls an agent's main conversation


class Place(NamedTuple):
    agent_id: str
    conversation_id: str


async def place_of(who: Caller, conversation_id: str, agent_id: str | None = None) -> Place:
    """A conversation by its id; an agent's main one by "default" and the agent, or by the agent's own id.

    Raises NotFound for one that isn't there, or is another agent's; InvalidInput for "default" of nobody.
    """
    if conversation_id == DEFAULT and agent_id is None:
        raise InvalidInput("the conversation 'default' is an agent's: say whose with agent_id")
    if conversation_id == DEFAULT or conversation_id.startswith("agent-"):
        named = agent_id if conversation_id == DEFAULT and agent_id is not None else conversation_id
        return Place((await agents.get(who.view, who.tenant, named)).id, MAIN)
    one = await conversations.get(who.view, who.tenant, conversation_id, agent_id=agent_id)
    return Place(one.agent_id, one.id)


async def still_there(who: Caller, place: Place) -> None:
    """Raises NotFound if it was deleted meanwhile."""
    if place.conversation_id == MAIN:
        await agents.get(who.view, who.tenant, place.agent_id)
    else:
        await conversations.get(who.view, who.tenant, place.conversation_id)
