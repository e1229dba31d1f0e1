"""What a tool is: a description for the model, a function, and how far it reaches."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from kelpie.people.speaker import NOBODY, Speaker
from kelpie.tools import limits
from kelpie.tools.audit import Ran, Sandboxed
from kelpie.trajectories.records import MAIN, RunInput
from umi.dst import Host
from umi.memory import Archive
from umi.storage import Changes, View
from umi.wire.types import ToolSpec

Reach = Literal["store", "outside"]


@dataclass(frozen=True, slots=True)
class Reached:
    """Another agent, as one may know of it."""

    id: str
    name: str


class Others(Protocol):
    """The other agents, as the run of one may reach them."""

    async def ask(self, agent_id: str, text: str, deadline_ms: float) -> str:
        """What the agent answers. Raises ToolFailed (a circle, too deep, too many at once, no answer in time, it
        failed), NotFound, NotPermitted, QueueFull."""
        ...

    async def tell(self, agent_id: str, text: str) -> str:
        """The run that the agent has of it. Raises ToolFailed (too deep), NotFound, NotPermitted, QueueFull."""
        ...

    async def tagged(self, every: Sequence[str], some: Sequence[str], most: int) -> list[Reached]:
        """The other agents with every tag of the one, and any of the other list if that has one."""
        ...

    async def of_group(self) -> list[Reached]:
        """The others of the agent's group. Raises ToolFailed if it is in none."""
        ...


@dataclass(slots=True)
class ToolContext:
    """Who calls, and what it may look at. `view` sees what earlier calls of the same step planned.

    speaker  whom the run is for: bound when it was accepted, whatever is said in it
    said     the run's own input, word for word: what a person asked for, and nothing that data or a model added
    model    the handle of the model that called and will read the outcome; "" if nobody says
    others   the other agents of the tenant; None for a call that no agent makes
    conversation_id  in which of the agent's conversations the run is
    agent    what a tool that asks for the state of its agent is shown of it, besides its blocks
    """

    tenant: str
    agent_id: str
    run_id: str
    step_id: str
    tool_call_id: str
    view: View
    host: Host
    archive: Archive
    agent_metadata: Mapping[str, Any] = field(default_factory=dict)
    speaker: Speaker = NOBODY
    said: Sequence[RunInput] = ()
    model: str = ""
    agent: Mapping[str, Any] = field(default_factory=dict)
    conversation_id: str = MAIN
    others: Others | None = None


@dataclass(slots=True)
class Outcome:
    """What a call came to.

    text       what the model reads; cut to the tool's `return_chars_max` by the turn
    changes    rows to write, committed together with the step
    says       text the user sees as the agent's own words (send_message, ask_user)
    ends_turn  no further model call in this turn
    level      the isolation the call really ran at
    ran        what the audit keeps of it, of a tool that is `sandboxed`
    """

    text: str
    is_error: bool = False
    changes: Changes = field(default_factory=Changes)
    says: str | None = None
    ends_turn: bool = False
    level: str = "in process"
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    ran: Ran | None = None


ToolFunction = Callable[[ToolContext, dict[str, Any]], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool an agent can call.

    A "store" tool only reads the view and plans changes: the turn may run it again before the commit. An "outside"
    tool acts on the world (a sandbox, a data source, another service): the turn writes an intent first, calls it
    once, and after a crash never repeats it. Raise ToolFailed for what the model should read as an error.

    sandboxed       of a tool whose calls are audited: what it runs is not ours
    needs_approval  a person is asked before each call, unless an agent's rules say otherwise
    """

    spec: ToolSpec
    run: ToolFunction
    reach: Reach
    return_chars_max: int = limits.TOOL_RETURN_CHARS_DEFAULT
    tool_type: str = "builtin"
    sandboxed: Sandboxed | None = None
    needs_approval: bool = False

    @property
    def name(self) -> str:
        return self.spec.name
