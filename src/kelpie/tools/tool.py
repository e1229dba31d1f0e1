"""What a tool is: a description for the model, a function, and how far it reaches."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kelpie.people.speaker import NOBODY, Speaker
from kelpie.tools import limits
from kelpie.tools.audit import Ran, Sandboxed
from kelpie.trajectories.records import RunInput
from umi.dst import Host
from umi.memory import Archive
from umi.storage import Changes, View
from umi.wire.types import ToolSpec

Reach = Literal["store", "outside"]


@dataclass(slots=True)
class ToolContext:
    """Who calls, and what it may look at. `view` sees what earlier calls of the same step planned.

    speaker  whom the run is for: bound when it was accepted, whatever is said in it
    said     the run's own input, word for word: what a person asked for, and nothing that data or a model added
    model    the handle of the model that called and will read the outcome; "" if nobody says
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

    sandboxed  of a tool whose calls are audited: what it runs is not ours
    """

    spec: ToolSpec
    run: ToolFunction
    reach: Reach
    return_chars_max: int = limits.TOOL_RETURN_CHARS_DEFAULT
    tool_type: str = "builtin"
    sandboxed: Sandboxed | None = None

    @property
    def name(self) -> str:
        return self.spec.name
