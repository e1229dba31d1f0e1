"""Bearer keys, each of one tenant."""

import hashlib
import hmac
from collections.abc import Iterable

from umi import limits
from umi.errors import InvalidInput, NotAllowed

DEFAULT_TENANT = "default"
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
_SCHEME = "bearer "


class Keys:
    """Keys by their hash. Each is written "key", for the default tenant, or "tenant=key".

    Without keys whoever can connect may ask, for any tenant: `check_host` allows that on loopback only.
    Raises InvalidInput for one that is short enough to be guessed.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._tenants: list[tuple[bytes, str]] = []
        for number, written in enumerate(keys, 1):
            tenant, _, key = written.strip().rpartition("=")
            if len(key) < limits.SERVE_KEY_CHARS_MIN:
                raise InvalidInput(f"key {number} is shorter than {limits.SERVE_KEY_CHARS_MIN} characters")
            self._tenants.append((hashlib.sha256(key.encode()).digest(), tenant or DEFAULT_TENANT))

    @property
    def are_required(self) -> bool:
        return bool(self._tenants)

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
        if not self._tenants:
            return None
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise NotAllowed("a key is required: send the header 'Authorization: Bearer <key>'")
        given = hashlib.sha256(authorization[len(_SCHEME) :].strip().encode()).digest()
        found: str | None = None
        for digest, tenant in self._tenants:
            # Every key is compared, and each in constant time: how long it takes says nothing about any of them.
            if hmac.compare_digest(digest, given):
                found = tenant
        if found is None:
            raise NotAllowed("the key is not known to this server")
        return found
