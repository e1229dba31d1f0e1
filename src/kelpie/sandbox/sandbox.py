"""The sandbox as its callers see it: what to run, how far it is trusted, under which limits, and what came of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from kelpie.sandbox import limits

# Who answers for the code: it ships with the server, a person put it there by the API, or a model wrote it.
Trust = Literal["operator", "reviewed", "untrusted"]
# How far it is kept apart, weakest first.
LevelName = Literal["process", "microvm"]
LEVEL_NAMES: tuple[LevelName, ...] = ("process", "microvm")
MINIMUM: Mapping[Trust, LevelName] = {"operator": "process", "reviewed": "process", "untrusted": "microvm"}

Language = Literal["python", "javascript", "typescript", "shell"]
KilledBy = Literal["wall time", "cpu time", "memory", "output"]
# (operation, arguments) -> a JSON value. What it raises as CallerError is read by the tool as an error.
Asks = Callable[[str, dict[str, Any]], Awaitable[Any]]


class EgressRules(msgspec.Struct, frozen=True, kw_only=True):
    """Which hosts a call may reach through the server's proxy, and how much of that.

    hosts      "example.com" (that host alone), "*.example.com" (those below it), with ":8443" for a port other than
               80 and 443; an address in a private, link-local or mapped range is refused whatever is listed
    bytes_max  both ways together
    calls_max  connections and requests
    """

    hosts: tuple[str, ...]
    bytes_max: int = limits.EGRESS_BYTES_DEFAULT
    calls_max: int = limits.EGRESS_CALLS_DEFAULT


@dataclass(frozen=True, slots=True)
class SandboxCall:
    """A function of some source and what to call it with, or a program to run.

    source       what runs; it is read inside, never here
    function     the function to call; "" runs the source as a program, whose value is null
    arguments    JSON values by parameter name
    environment  variables it may read, by name; nothing else of ours is handed over
    files        what lies in its working folder when it starts, by path relative to it
    keeps_files  whether the files it leaves there are wanted in the result
    layer        a folder of packages it may import, read-only; "" for none
    egress       what it may reach; None for no network at all
    asks         what it may ask of the server while it runs; None for nothing
    domain       whose code it is: calls of two domains never share a warm process
    capabilities  names of parameters the runner fills in itself ("client": an object whose calls go to `asks`)

    A dataclass and not a Struct, so that neither arguments nor secrets show up when a call is printed.
    """

    source: str = field(repr=False)
    function: str
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    language: Language = "python"
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    keeps_files: bool = False
    layer: str = ""
    egress: EgressRules | None = None
    asks: Asks | None = field(default=None, repr=False)
    domain: str = ""
    capabilities: tuple[str, ...] = ()


class SandboxLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one call may use. CPU time and open files count per process, `processes` for the whole call, memory for
    the whole call where the machine has cgroups or the level is a machine of its own, else per process."""

    wall_ms: int = limits.SANDBOX_WALL_MS_DEFAULT
    cpu_ms: int = limits.SANDBOX_CPU_MS_DEFAULT
    memory_bytes: int = limits.SANDBOX_MEMORY_BYTES_DEFAULT
    processes: int = limits.SANDBOX_PROCESSES_DEFAULT
    open_files: int = limits.SANDBOX_OPEN_FILES_DEFAULT
    file_bytes: int = limits.SANDBOX_FILE_BYTES_DEFAULT
    tmp_bytes: int = limits.SANDBOX_TMP_BYTES_DEFAULT
    output_bytes: int = limits.SANDBOX_OUTPUT_BYTES_DEFAULT
    result_chars: int = limits.SANDBOX_RESULT_CHARS_DEFAULT


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a call took.

    cpu_ms        of the tool's process and the children it waited for; None if we killed it
    memory_bytes  the most it held at once; None where nobody counts it
    """

    duration_ms: float = 0.0
    cpu_ms: float | None = None
    memory_bytes: int | None = None


class SandboxResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call.

    value      what the function returned, as JSON; a string longer than `result_chars` is cut
    error      None, or why there is no value: "TypeError: ..." as the tool raised it, or what stopped it
    exit       the process's exit status, 128 + n for signal n; None if we killed it
    killed_by  the limit that ended the call
    level      the isolation the call really ran at
    backend    what gave that isolation: "bwrap", "firecracker", "qemu-kvm", "qemu-tcg"
    files      what it left in its working folder, if that was asked for and the call succeeded
    network    one line for each connection it was refused
    """

    value: Any = None
    error: str | None = None
    stdout: str = ""
    stderr: str = ""
    exit: int | None = None
    killed_by: KilledBy | None = None
    usage: Usage = Usage()
    level: str = "process"
    backend: str = ""
    files: dict[str, bytes] = {}
    network: list[str] = []


class LevelReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a level of isolation exists on this machine, as its self-test found it.

    reason   why it does not exist; empty if it does
    backend  what gives it
    holds    what the self-test saw hold
    gaps     what does not hold here and would on another machine or level
    tried    backends that were tried before and why they are not used, one sentence each
    """

    level: str
    exists: bool
    reason: str = ""
    backend: str = ""
    holds: list[str] = []
    gaps: list[str] = []
    tried: list[str] = []


class Level(Protocol):
    """One way to keep a call apart. It exists only after its own attempts to get out have failed."""

    name: LevelName

    async def report(self) -> LevelReport:
        """What the self-test found; runs it if none ran yet."""
        ...

    async def exec(self, call: SandboxCall, wanted: SandboxLimits | None = None) -> SandboxResult:
        """Run one call. Whatever the tool does is a result, not an exception.

        Raises ToolUnavailable if the level does not exist or can't serve this kind of call, SandboxBusy if all places
        are taken, LimitExceeded or InvalidInput if the call can't be handed over.
        """
        ...

    async def close(self) -> None:
        """End what is warm."""
        ...


class Sandbox(Protocol):
    async def exec(self, call: SandboxCall, trust: Trust, wanted: SandboxLimits | None = None) -> SandboxResult:
        """Run one call at the weakest level that is strong enough for `trust`, under the default limits unless others
        are `wanted`. Raises IsolationMissing where no such level exists, else what Level.exec raises."""
        ...

    async def reports(self) -> list[LevelReport]:
        """Every level, weakest first; runs the self-tests that did not run yet."""
        ...

    async def close(self) -> None: ...
