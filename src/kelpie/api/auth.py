"""Who is asking: bearer keys, each of one tenant, some of them for a few of its people alone."""

from collections.abc import Mapping

from kelpie.config import DEFAULT_TENANT, KeyOwner
from kelpie.errors import NotAuthenticated
from umi.errors import NotAllowed
from umi.serve.keys import KeyRing


class Keys:
    """Without keys everybody is the default tenant: the configuration allows that on loopback only.

    keys  key -> owner, as the configuration writes them. Raises InvalidInput for an owner that can't be
    """

    def __init__(self, keys: Mapping[str, str]) -> None:
        owners = {key: KeyOwner.of(owner) for key, owner in keys.items()}
        self._ring = KeyRing(owners.items())
        self.tenants = {DEFAULT_TENANT, *(owner.tenant for owner in owners.values())}

    @property
    def are_required(self) -> bool:
        return bool(self._ring)

    def owner_of(self, authorization: str | None) -> KeyOwner:
        """Whose the key of an Authorization header is. Raises NotAuthenticated, never naming what was sent."""
        if not self._ring:
            return KeyOwner(DEFAULT_TENANT)
        try:
            return self._ring.owner_of(authorization)
        except NotAllowed as error:
            raise NotAuthenticated(str(error)) from None
