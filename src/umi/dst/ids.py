"""Names for things: a prefix and a version-4 UUID drawn from an Rng."""

import hashlib
import uuid

from umi.dst.rng import Rng


class Ids:
    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def uuid(self) -> str:
        """A version-4 UUID in its canonical lower-case form."""
        return str(uuid.UUID(bytes=self._rng.bytes(16), version=4))

    def new(self, prefix: str) -> str:
        """`prefix-<uuid4>`, for example `agent-123e4567-e89b-42d3-8456-426614174000`."""
        return f"{prefix}-{self.uuid()}"


def named_uuid(name: str) -> str:
    """The same UUID for the same name, everywhere. It has the form of version 4, which is all that our ids may have."""
    return str(uuid.UUID(bytes=hashlib.sha256(name.encode()).digest()[:16], version=4))
