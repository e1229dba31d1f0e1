"""Who is asking: bearer keys, each of one tenant."""

from collections.abc import Mapping

from kelpie.errors import NotAuthenticated
from umi.errors import NotAllowed
from umi.serve.keys import KeyRing

DEFAULT_TENANT = "default"


class Keys:
    """Without keys everybody is the default tenant: the configuration allows that on loopback only."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._ring = KeyRing(keys.items())

    @property
    def are_required(self) -> bool:
        return bool(self._ring)

    def tenant_of(self, authorization: str | None) -> str:
        """The tenant of an Authorization header. Raises NotAuthenticated, never naming what was sent."""
        if not self._ring:
            return DEFAULT_TENANT
        try:
            return self._ring.tenant_of(authorization)
        except NotAllowed as error:
            raise NotAuthenticated(str(error)) from None
