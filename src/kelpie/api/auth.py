"""Who is asking: bearer keys, each of one tenant."""

import hashlib
import hmac
from collections.abc import Mapping

from kelpie.errors import NotAuthenticated

DEFAULT_TENANT = "default"
_SCHEME = "bearer "


class Keys:
    """Keys by the hash of their text, so that the keys themselves are held nowhere in the server's routes.

    Without keys everybody is the default tenant: the configuration allows that on loopback only.
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._tenants = [(hashlib.sha256(key.encode()).digest(), tenant) for key, tenant in keys.items()]

    @property
    def are_required(self) -> bool:
        return bool(self._tenants)

    def tenant_of(self, authorization: str | None) -> str:
        """The tenant of an Authorization header. Raises NotAuthenticated, never naming what was sent."""
        if not self._tenants:
            return DEFAULT_TENANT
        if authorization is None or not authorization[: len(_SCHEME)].lower() == _SCHEME:
            raise NotAuthenticated("a key is required: send the header 'Authorization: Bearer <key>'")
        given = hashlib.sha256(authorization[len(_SCHEME) :].strip().encode()).digest()
        found: str | None = None
        for digest, tenant in self._tenants:
            # Every key is compared, and each in constant time: how long it takes says nothing about any of them.
            if hmac.compare_digest(digest, given):
                found = tenant
        if found is None:
            raise NotAuthenticated("the key is not known to this server")
        return found
