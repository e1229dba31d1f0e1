"""How an actor is named."""

from typing import NamedTuple


class ActorId(NamedTuple):
    """A kind and a key, within a tenant: `ActorId("agent", "agent-123e…", "default")`."""

    kind: str
    key: str
    tenant: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"
