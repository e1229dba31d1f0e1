"""Whose an issued key is. What was read of a key is believed for KEY_CACHE_MS: so a key costs a query every few
seconds, however many requests carry it, and one that another node revoked opens nothing here after that time. What
this node revokes is forgotten in the commit's own hook: at once.
"""

from typing import NamedTuple

from kelpie.config import KeyOwner
from kelpie.tenants import keys, limits
from kelpie.tenants.keys import KeyRecord
from umi.dst import Host
from umi.storage import Database, View


class _Known(NamedTuple):
    record: KeyRecord
    until_ms: float


class IssuedKeys:
    def __init__(self, database: Database, host: Host) -> None:
        self._view, self._host = View(database), host
        self._known: dict[bytes, _Known] = {}
        self._forgotten = 0  # how often something was forgotten: what was read before may be out of date

    async def owner_of(self, key: str) -> KeyOwner | None:
        """Whose a key is; None for one that nobody issued, that was revoked, or that has expired."""
        digest = keys.digest_of(key)
        record = self._remembered(digest) or await self._read(digest)
        if record is None or not record.opens_at(self._host.clock.now_ms()):
            return None
        return record.owner

    def forget(self, digest: bytes) -> None:
        """Read the key anew when it comes next: for the hook of the commit that changed it."""
        self._forgotten += 1
        self._known.pop(digest, None)

    def _remembered(self, digest: bytes) -> KeyRecord | None:
        known = self._known.get(digest)
        if known is None or known.until_ms <= self._host.clock.monotonic_ms():
            return None
        return known.record

    async def _read(self, digest: bytes) -> KeyRecord | None:
        """Keys that nobody issued are not remembered: there is no end to them, and looking one up is one step in an
        index."""
        before, began_ms = self._forgotten, self._host.clock.monotonic_ms()
        record = await keys.find(self._view, digest)
        if record is not None and before == self._forgotten:
            while len(self._known) >= limits.KEYS_CACHED_MAX:
                del self._known[next(iter(self._known))]
            self._known.pop(digest, None)
            self._known[digest] = _Known(record, began_ms + limits.KEY_CACHE_MS)
        return record
