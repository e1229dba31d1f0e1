"""What a server did wrong, as an error that the model, or a client of the API, reads."""

from typing import Literal

from kelpie.tools.audit import Failed, Ran

# "consent" is a person's, that is wanted and missing; "asked" is for what no client of ours gives.
FaultKind = Literal["unreachable", "consent", "hung", "flooded", "died", "changed", "invalid", "asked"]
# What a sandbox calls these, in the audit; the others keep their names there.
_LIMITS = {"hung": "wall time", "flooded": "output"}


class McpFault(Failed):
    """A server's fault: the turn goes on with it as an error.

    fault  its kind, as the server's report has it; None for an error a server may well answer with
    said   what it did
    """

    http_status = 502

    def __init__(self, fault: FaultKind | None, server: str, said: str) -> None:
        # Some of it may be the server's own words: nothing of them may move a cursor or forge a line.
        said = "".join(letter if letter.isprintable() else " " for letter in said)
        super().__init__(f"the MCP server '{server}' {said}")
        self.fault, self.server, self.said = fault, server, said

    def saying(self, said: str) -> "McpFault":
        """The same fault in other words."""
        if said == self.said:
            return self
        other = McpFault(self.fault, self.server, said)
        other.ran = self.ran
        return other

    def during(self, level: str, transport: str, duration_ms: float) -> None:
        """Make it known that the call was made, and how: the server may have done what it was asked to."""
        killed_by = None if self.fault is None else _LIMITS.get(self.fault, self.fault)
        self.ran = Ran(level=level, backend=transport, killed_by=killed_by, duration_ms=duration_ms)


class McpHung(McpFault):
    """It did not answer in time."""

    http_status = 408

    def __init__(self, server: str, said: str) -> None:
        super().__init__("hung", server, said)
