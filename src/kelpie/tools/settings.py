"""How far a custom tool is trusted, and what it is handed: the settings of its row.

Nothing is handed over that the row doesn't name, but two things that a reviewed tool has for Letta's sake: its agent's
secrets, and the state of its agent if its source has a parameter `agent_state`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.sandbox import EgressRules
from kelpie.sandbox import limits as sandbox_limits
from kelpie.sandbox.egress import AllowList
from kelpie.sandbox.layers.requirements import read_requirements
from kelpie.tools import limits

AGENT_STATE = "agent_state"
# What the object `client` may be asked to do, always for the very agent that made the call.
RIGHTS = ("blocks:read", "blocks:write", "archival:search", "archival:insert", "messages:read")
CAPABILITIES = (AGENT_STATE, *RIGHTS)
# Who may be chosen through the API; "operator" is for what ships with the server.
ChosenTrust = Literal["reviewed", "untrusted"]


class ToolSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Settings as they are stored.

    trust         who answers for the source: a person who read it, or nobody
    timeout_ms    wall time of a call; None for the sandbox's own
    requirements  packages it imports: "name==1.2"
    egress        the hosts it may reach; None for no network
    secrets       names of its agent's secrets it is handed; None for all of them if reviewed, for none if untrusted
    capabilities  some of CAPABILITIES; None for agent_state if reviewed, for nothing if untrusted
    workspace     whether it works on its agent's files
    needs_approval  a person is asked before each call
    """

    trust: ChosenTrust = "reviewed"
    timeout_ms: int | None = None
    requirements: list[str] = []
    egress: EgressRules | None = None
    secrets: list[str] | None = None
    capabilities: list[str] | None = None
    workspace: bool = False
    needs_approval: bool = False

    @property
    def granted(self) -> frozenset[str]:
        """The capabilities that hold."""
        if self.capabilities is not None:
            return frozenset(self.capabilities)
        return frozenset({AGENT_STATE} if self.trust == "reviewed" else ())


def changed(old: ToolSettings, given: Mapping[str, Any], source_type: str) -> ToolSettings:
    """`old` with what is given, checked. Raises InvalidInput, LimitExceeded, each naming the setting."""
    try:
        new = msgspec.convert({**msgspec.to_builtins(old), **given}, ToolSettings)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"a tool's settings: {error}") from None
    _check_timeout(new.timeout_ms)
    read_requirements(new.requirements)
    if new.requirements and source_type != "python":
        raise InvalidInput(f"packages are installed for tools in Python only, not in {source_type}")
    _check_list("secrets", new.secrets or [], limits.SECRETS_PER_AGENT_MAX, limits.SECRET_NAME_CHARS_MAX)
    for one in new.capabilities or []:
        if one not in CAPABILITIES:
            raise InvalidInput(f"a tool has no capability {one[:64]!r}; there are {', '.join(CAPABILITIES)}")
    if new.egress is not None:
        _check_egress(new.egress)
    return new


def _check_timeout(timeout_ms: int | None) -> None:
    low, high = limits.TOOL_TIMEOUT_MS_MIN, limits.TOOL_TIMEOUT_MS_MAX
    if timeout_ms is not None and not low <= timeout_ms <= high:
        raise InvalidInput(f"a tool's timeout_ms is from {low:,} to {high:,}; {timeout_ms:,} is not possible")


def _check_list(what: str, values: list[str], count_max: int, chars_max: int) -> None:
    if len(values) > count_max:
        raise LimitExceeded(f"a tool's list of {what}", len(values), count_max, "entries")
    longest = max(map(len, values), default=0)
    if longest > chars_max:
        raise LimitExceeded(f"an entry of a tool's {what}", longest, chars_max, "characters")


def _check_egress(egress: EgressRules) -> None:
    if not egress.hosts:
        raise InvalidInput("egress needs at least one host; leave it out, or null, for no network")
    AllowList(egress.hosts)
    for name, value, most in (
        ("bytes_max", egress.bytes_max, sandbox_limits.EGRESS_BYTES_MAX),
        ("calls_max", egress.calls_max, sandbox_limits.EGRESS_CALLS_MAX),
    ):
        if not 1 <= value <= most:
            raise InvalidInput(f"egress.{name} is from 1 to {most:,}; {value:,} is not possible")
