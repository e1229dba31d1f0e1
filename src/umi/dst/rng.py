"""Chance as an argument: every draw comes from a named fork of one seed."""

import hashlib
import os
import random

_DRAWN_AHEAD_BYTES = 1024


class Rng:
    """A seeded source of randomness.

    Forks are keyed by name, not by order, so that adding a draw in one place moves no draw in another.
    """

    def __init__(self, seed: int | str) -> None:
        self._seed = str(seed)
        # Seeding with a string goes through SHA-512: unlike hash(), equal in every process.
        self._random = random.Random(self._seed)

    def fork(self, name: str) -> "Rng":
        return Rng(f"{self._seed}/{name}")

    def share(self, key: str) -> float:
        """A float in [0, 1) that belongs to `key`, however many draws came before: chance keyed by content."""
        digest = hashlib.blake2b(f"{self._seed}/{key}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) / (1 << 53)

    def random(self) -> float:
        """A float in [0, 1)."""
        return self._random.random()

    def randint(self, low: int, high: int) -> int:
        """An integer in [low, high], both included."""
        return self._random.randint(low, high)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


class SystemRng(Rng):
    """The operating system's randomness: for production, where ids must be unguessable."""

    def __init__(self) -> None:
        super().__init__("system")
        self._random = random.SystemRandom()
        self._drawn = b""  # drawn ahead: a system call for every id costs more than storing what it names
        self._drawn_by = 0

    def fork(self, name: str) -> "Rng":  # noqa: ARG002 - the operating system's randomness has no forks
        return self

    def bytes(self, count: int) -> bytes:
        # A fork must not draw what its parent draws.
        if len(self._drawn) < count or self._drawn_by != os.getpid():
            self._drawn, self._drawn_by = os.urandom(max(count, _DRAWN_AHEAD_BYTES)), os.getpid()
        drawn, self._drawn = self._drawn[:count], self._drawn[count:]
        return drawn
