"""Bearer keys, each of one tenant."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Generic, TypeVar

from umi import limits
from umi.errors import InvalidInput, NotAllowed

DEFAULT_TENANT = "default"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
_SCHEME = "bearer "
Owner = TypeVar("Owner")


class KeyRing(Generic[Owner]):
    """Whose a key is, by its hash, so that the keys themselves are held nowhere."""

    def __init__(self, keys: Iterable[tuple[str, Owner]]) -> None:
        self._owners = [(hashlib.sha256(key.encode()).digest(), owner) for key, owner in keys]

    def __bool__(self) -> bool:
        return bool(self._owners)

    def owner_of(self, authorization: str | None) -> Owner:
        """Whose the key of an Authorization header is. Raises NotAllowed, never naming what was sent."""
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise NotAllowed("a key is required: send the header 'Authorization: Bearer <key>'")
        given = hashlib.sha256(authorization[len(_SCHEME) :].strip().encode()).digest()
        found: Owner | None = None
        for digest, owner in self._owners:
            # Every key is compared, and each in constant time: how long it takes says nothing about any of them.
            if hmac.compare_digest(digest, given):
                found = owner
        if found is None:
            raise NotAllowed("the key is not known to this server")
        return found


class Keys:
    """Each is written "key", for the default tenant, or "tenant=key".

    Without keys whoever can connect may ask, for any tenant: `check_host` allows that on loopback only.
    Raises InvalidInput for one that is short enough to be guessed.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        pairs = []
        for number, written in enumerate(keys, 1):
            tenant, _, key = written.strip().rpartition("=")
            if len(key) < limits.SERVE_KEY_CHARS_MIN:
                raise InvalidInput(f"key {number} is shorter than {limits.SERVE_KEY_CHARS_MIN} characters")
            pairs.append((key, tenant or DEFAULT_TENANT))
        self._ring = KeyRing(pairs)

    @property
    def are_required(self) -> bool:
        return bool(self._ring)

    def check_host(self, host: str) -> None:
        """Raises InvalidInput if others than this machine could connect to `host` and would not be asked for a key."""
        if host not in LOOPBACK_HOSTS and not self.are_required:
            raise InvalidInput(
                f"binding to {host} lets others in: give a key with --key or UMI_KEYS ('key' or 'tenant=key', of"
                f" {limits.SERVE_KEY_CHARS_MIN} characters or more), or bind to 127.0.0.1"
            )

    def tenant_of(self, authorization: str | None) -> str | None:
        """The tenant of an Authorization header; None without keys: any. Raises NotAllowed, never naming what was
        sent."""
        return self._ring.owner_of(authorization) if self._ring else None
