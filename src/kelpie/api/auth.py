"""Who is asking: bearer keys, each of one tenant, some of them for a few of its people alone; or one password for all.

Configured keys (KELPIE_KEYS) are few and in memory. Keys that were issued are rows, and known by their beginning.
"""

import hmac
from collections.abc import Mapping

from kelpie.config import DEFAULT_TENANT, KeyOwner
from kelpie.errors import NotAuthenticated
from kelpie.tenants import KEY_PREFIX, IssuedKeys
from umi.errors import NotAllowed
from umi.serve.keys import KeyRing

_SCHEME = "bearer "
_PASSWORD_SCHEME = "password "  # noqa: S105 - how Letta's clients introduce one


class Keys:
    """Without keys and password everybody is the operator of the default tenant: the configuration allows that on
    loopback only.

    keys      key -> owner, as the configuration writes them. Raises InvalidInput for an owner that can't be
    password  of Letta's single-password mode: whoever has it administers the default tenant
    issued    the keys that are rows
    """

    def __init__(
        self, keys: Mapping[str, str], *, password: str | None = None, issued: IssuedKeys | None = None
    ) -> None:
        owners = {key: KeyOwner.of(owner) for key, owner in keys.items()}
        self._ring = KeyRing(owners.items())
        self._password, self._issued = password, issued
        self.tenants = {DEFAULT_TENANT, *(owner.tenant for owner in owners.values())}

    @property
    def are_required(self) -> bool:
        return bool(self._ring) or self._password is not None

    async def owner_of(self, authorization: str | None, bare_password: str | None = None) -> KeyOwner:
        """Whose the key of an Authorization header is, or the password of an X-BARE-PASSWORD header.

        Raises NotAuthenticated, never naming what was sent.
        """
        given = _bearer(authorization)
        if given.startswith(KEY_PREFIX) and self._issued is not None:
            owner = await self._issued.owner_of(given)
            if owner is not None:
                return owner
            if not self._ring:
                raise NotAuthenticated("the key is not known to this server, was revoked, or has expired")
        elif not self.are_required:
            return KeyOwner(DEFAULT_TENANT, (), "operator")
        if self._is_password(given) or self._is_password((bare_password or "").removeprefix(_PASSWORD_SCHEME)):
            return KeyOwner(DEFAULT_TENANT)
        try:
            return self._ring.owner_of(authorization)
        except NotAllowed as error:
            raise NotAuthenticated(str(error)) from None

    def forget(self, digest: bytes) -> None:
        """An issued key has changed: see IssuedKeys."""
        if self._issued is not None:
            self._issued.forget(digest)

    def _is_password(self, given: str) -> bool:
        return self._password is not None and hmac.compare_digest(given.encode(), self._password.encode())


def _bearer(authorization: str | None) -> str:
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return ""
    return authorization[len(_SCHEME) :].strip()
