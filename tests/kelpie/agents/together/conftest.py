"""Agents of several parts: one scripted model that is somebody else in each agent's request."""

import json

import pytest

from kelpie.agents.together.overhearing import Overhearing
from kelpie.agents.together.talking import Talking
from kelpie.tools import others as tools
from kelpie.tools.others import OTHERS_TOOLS
from kelpie.tools.rewriting import REWRITING_TOOLS
from kelpie.trajectories import runs
from umi.storage import Page


@pytest.fixture
def extra_tools():
    return [*OTHERS_TOOLS, *REWRITING_TOOLS]


async def ask(house, name, **fields):
    return await house.agent(*(one.name for one in OTHERS_TOOLS), name=name, **fields)


def wait_for(house, other, text="hello", **more):
    return house.call((tools.WAIT, json.dumps({"message": text, "other_agent_id": other.id, **more})))


class Cast:
    """A model that is somebody else in each agent's request: by the name of the agent in its system prompt."""

    def __init__(self, house):
        self.house, self.parts = house, {}
        house.model.script = [self.answer] * 200

    def play(self, agent, *answers):
        self.parts[agent.system] = list(answers)

    def answer(self, request, on_delta):
        answers = next(part for system, part in self.parts.items() if system in request.messages[0].text)
        answer = answers.pop(0)
        return answer(request, on_delta) if callable(answer) else answer


@pytest.fixture
def cast(house):
    return Cast(house)


@pytest.fixture
async def ada(house):
    return await ask(house, "Ada", system="I am Ada.")


@pytest.fixture
async def bob(house):
    return await ask(house, "Bob", system="I am Bob.", tags=["depot", "night"])


async def returned(house, agent):
    """What the calls of an agent came to, oldest first."""
    return [text for role, text in await house.history(agent) if role == "tool"]


async def run_of(house, agent):
    (found,) = await runs.list_runs(house.view, "t", Page(), agent_ids=[agent.id])
    return found


async def rest(house):
    """Until nothing is left to do."""
    while house.inbox.open or house.outbox.known:
        await house.view.fetch("SELECT 1")


@pytest.fixture
def furnish(open_house):
    """Opens the house with what groups need; `house.talking` is spoken to."""

    async def open_one():
        house = await open_house()
        house.talking = Talking(house.workshop, house.inbox)
        Overhearing(house.workshop)
        return house

    return open_one


@pytest.fixture
async def house(furnish):
    return await furnish()
