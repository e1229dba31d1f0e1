"""Groups as people outside know them, and what was said to them."""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from kelpie.simulate.clients.clients import Outcome
from kelpie.simulate.plans.drawing import call
from kelpie.simulate.plans.plan import Event, Team
from kelpie.tools.others import CHOOSE


@dataclass(slots=True)
class Addressed:
    """A message to a group, and what its sender knows of it.

    was_left   by a reader who had seen enough
    life       of the process that was to answer
    waited_until_ms  when its sender's patience ended, if that did, while the same process lived
    run_ids    of the turns, as an answer told them
    final_ids  of messages that were shown
    """

    event: Event
    team: int
    text: str
    life: str
    outcome: Outcome = "unknown"
    ended: str | None = None  # "completed" or "failed", as the client was told
    was_left: bool = False
    waited_until_ms: float | None = None
    run_ids: list[str] | None = None
    final_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Circle:
    """A group that is there. `team` has numbers of agents, `members` and `manager` have their ids."""

    team: Team
    id: str
    members: list[str]
    manager: str | None
    disbanded: Outcome | None = None

    def is_there(self, dismissed: Container[str]) -> bool:
        """Whether nobody deleted it, or may have: whoever deletes its manager does."""
        return self.disbanded is None and self.manager not in dismissed

    def ordering(self) -> dict[str, Any]:
        """How its turns are ordered, in the words of the API."""
        turns, manager = {"max_turns": self.team.turns}, {"manager_agent_id": self.manager}
        found: dict[str, Any] = {"manager_type": self.team.kind}
        if self.team.kind == "round_robin":
            return found | turns
        if self.team.kind == "dynamic":
            return found | turns | manager | {"termination_token": self.token}
        if self.team.kind == "sleeptime":
            return found | manager | {"sleeptime_agent_frequency": self.team.turns}
        return found | manager

    @property
    def token(self) -> str:
        """The word that ends a dynamic group's talk. Its manager is told of it in each of its turns, and the scripted
        model does what that says: so the first of the members is chosen again and again."""
        return call("tool", CHOOSE, next_speaker_agent_id=self.members[0])
