"""Keys, tenants and quotas on the wire: they are ours, so they are the room's words."""

from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from kelpie.api.wire.times import iso, iso_or_none, moment_ms
from kelpie.errors import InvalidInput
from kelpie.tenants import limits
from kelpie.tenants.keys import KeyRecord
from kelpie.tenants.records import Quota, Tenant

Most = Field(default=None, ge=0, le=limits.QUOTA_NUMBER_MAX)
_EXPIRES_S_MAX = 3_153_600_000  # a century


class _Body(BaseModel):
    # What is ours has no fields of other versions to put up with, and a misspelt one must not mean everything.
    model_config = ConfigDict(extra="forbid")


class CreateKey(_Body):
    """`people` are handles and team names that the key speaks for alone. `expires_at` or `expires_in_s` end it."""

    name: str
    scope: Literal["read", "write", "admin"] = "write"
    people: list[str] = []
    expires_at: str | None = None
    expires_in_s: int | None = Field(default=None, ge=1, le=_EXPIRES_S_MAX)

    def expires_at_ms(self, now_ms: int) -> int | None:
        if self.expires_at is not None and self.expires_in_s is not None:
            raise InvalidInput("give 'expires_at' or 'expires_in_s', not both")
        if self.expires_in_s is not None:
            return now_ms + self.expires_in_s * 1000
        return moment_ms("expires_at", self.expires_at)


class GivenQuota(_Body):
    """How much of each a tenant may use; null for as much as there is."""

    agents: int | None = Most
    messages_per_minute: int | None = Most
    storage_bytes: int | None = Most
    open_runs: int | None = Most

    def quota(self) -> Quota:
        return Quota(**self.model_dump())


class CreateTenant(_Body):
    id: str
    quota: GivenQuota = GivenQuota()


class ModifyTenant(_Body):
    quota: GivenQuota


def key(one: KeyRecord, now_ms: int) -> dict[str, Any]:
    """Without the key itself: nobody has it but whom it was shown to."""
    ended = "revoked" if one.revoked_at_ms is not None else "expired"
    return {
        "id": one.id,
        "tenant": one.tenant,
        "name": one.name,
        "hint": one.hint,
        "scope": one.scope,
        "people": one.people,
        "status": "active" if one.opens_at(now_ms) else ended,
        "created_at": iso(one.created_at_ms),
        "expires_at": iso_or_none(one.expires_at_ms),
        "revoked_at": iso_or_none(one.revoked_at_ms),
    }


def tenant(one: Tenant, used: Quota | None = None) -> dict[str, Any]:
    shown = {"id": one.id, "quota": quota(one.quota), "created_at": iso_or_none(one.created_at_ms or None)}
    return shown if used is None else shown | {"used": quota(used)}


def quota(one: Quota) -> dict[str, Any]:
    return msgspec.structs.asdict(one)
