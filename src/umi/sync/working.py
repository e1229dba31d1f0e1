"""Working whose methods block.

Made from umi.working by tests/tidy/faces.py: change that, not this.
"""

import umi.working
from umi.sync.loop import Loop


class Working:
    """As umi.Memory's Working, for code without an event loop. See umi.sync."""

    def __init__(self, loop: Loop, working: umi.working.Working) -> None:
        self._loop = loop
        self._working = working

    def get(self, key: str) -> bytes | str | None:
        """What was last written under `key`, or None. Raises InvalidInput, LimitExceeded for what can't be a key."""
        return self._loop.call(self._working.get, key)

    def exists(self, key: str) -> bool:
        return self._loop.call(self._working.exists, key)

    def keys(self) -> list[str]:
        """Every key, sorted by code points."""
        return self._loop.call(self._working.keys)

    def entries(self) -> list[tuple[str, bytes | str, int]]:
        """Every key with its value and the moment (ms since 1970) at which it expires, sorted as `keys` is."""
        return self._loop.call(self._working.entries)

    def used_bytes(self) -> int:
        """UTF-8 bytes of all keys and values together."""
        return self._loop.call(self._working.used_bytes)

    def available_bytes(self) -> int:
        """Bytes left of `bytes_max`; 0 where somebody else was allowed more than this."""
        return self._loop.call(self._working.available_bytes)

    def entry_count(self) -> int:
        return self._loop.call(self._working.entry_count)

    def is_empty(self) -> bool:
        return self._loop.call(self._working.is_empty)

    def set(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> None:
        """Write `value` under `key`, over whatever was there; its time to live begins anew.

        Raises LimitExceeded (key, value, TTL, working memory in bytes or entries) and InvalidInput.
        """
        return self._loop.call(self._working.set, key, value, ttl_ms)

    def delete(self, key: str) -> bool:
        """Whether there was such an entry; one that has expired counts as gone already."""
        return self._loop.call(self._working.delete, key)

    def incr(self, key: str, delta: int = 1, ttl_ms: int | None = None) -> int:
        """Add `delta` to the number under `key` (0 if absent) and return the sum; its time to live begins anew.

        Raises TypeMismatch unless the value is the plain decimal form of a number, Overflow beyond 64 bits signed,
        LimitExceeded and InvalidInput as `set`.
        """
        return self._loop.call(self._working.incr, key, delta, ttl_ms)

    def append(self, key: str, value: bytes | str, ttl_ms: int | None = None) -> None:
        """Add `value` to the end of the one under `key`, or begin it; its time to live begins anew.

        Raises TypeMismatch for text to bytes or bytes to text, LimitExceeded and InvalidInput as `set`.
        """
        return self._loop.call(self._working.append, key, value, ttl_ms)

    def touch(self, key: str, ttl_ms: int | None = None) -> None:
        """Begin the time to live of `key` anew. Raises NotFound if it is absent or has expired."""
        return self._loop.call(self._working.touch, key, ttl_ms)

    def compare_and_set(
        self, key: str, expected: bytes | str | None, value: bytes | str, ttl_ms: int | None = None
    ) -> bool:
        """Write `value` if what is there equals `expected` (None: if nothing is there); whether it was written.

        Text never equals bytes. Raises LimitExceeded and InvalidInput as `set`.
        """
        return self._loop.call(self._working.compare_and_set, key, expected, value, ttl_ms)

    def clear(self) -> int:
        """Remove every entry; how many there were."""
        return self._loop.call(self._working.clear)

    def cleanup_expired(self) -> int:
        """Remove this scope's expired entries, which no call shows; how many there were. Writers do it on their way."""
        return self._loop.call(self._working.cleanup_expired)
