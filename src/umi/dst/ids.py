"""Names for things: a prefix and a version-4 UUID drawn from an Rng."""

import hashlib

from umi.dst.rng import Rng


class Ids:
    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def uuid(self) -> str:
        """A version-4 UUID in its canonical lower-case form."""
        return _version_4(self._rng.bytes(16))

    def new(self, prefix: str) -> str:
        """`prefix-<uuid4>`, for example `agent-123e4567-e89b-42d3-8456-426614174000`."""
        return f"{prefix}-{self.uuid()}"


def named_uuid(name: str) -> str:
    """The same UUID for the same name, everywhere. It has the form of version 4, which is all that our ids may have."""
    return _version_4(hashlib.sha256(name.encode()).digest()[:16])


def _version_4(drawn: bytes) -> str:
    """As the standard library writes it, which takes three times as long: every fact, entity and step has one."""
    digits = drawn.hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
