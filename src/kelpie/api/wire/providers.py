"""Providers on the wire. What opens them comes in, and never goes out."""

from typing import Any

import msgspec
from pydantic import BaseModel, ConfigDict

from kelpie.api.wire.times import iso, iso_or_none
from kelpie.models.rows import Credentials, ProviderRow


class _Body(BaseModel):
    # A misspelt address must not send a key to the usual one.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    access_key: str | None = None
    region: str | None = None
    base_url: str | None = None
    api_version: str | None = None


class CheckProvider(_Body):
    provider_type: str
    api_key: str

    def row(self, tenant: str) -> ProviderRow:
        return ProviderRow(
            tenant=tenant,
            id="",
            name="checked",
            provider_type=self.provider_type,
            base_url=self.base_url or None,
            region=self.region or None,
            api_version=self.api_version or None,
        )

    def credentials(self) -> Credentials:
        return Credentials(self.api_key, self.access_key or "")


class CreateProvider(CheckProvider):
    """`api_key` is "" for a server that wants none. `base_url` is for what has no usual address, or another."""

    name: str

    def row(self, tenant: str) -> ProviderRow:
        return msgspec.structs.replace(super().row(tenant), name=self.name)


class ModifyProvider(_Body):
    """What is not given stays, but for the keys: they are given anew with every change, or an address that is changed
    could have them sent elsewhere."""

    api_key: str

    def onto(self, old: ProviderRow) -> ProviderRow:
        given = self.model_dump(include={"base_url", "region", "api_version"}, exclude_unset=True)
        return msgspec.structs.replace(old, **{name: value or None for name, value in given.items()})

    def credentials(self) -> Credentials:
        return Credentials(self.api_key, self.access_key or "")


def provider(row: ProviderRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "provider_type": row.provider_type,
        "provider_category": "byok",
        "api_key": None,
        "access_key": None,
        "api_key_enc": None,
        "access_key_enc": None,
        "base_url": row.base_url,
        "region": row.region,
        "api_version": row.api_version,
        "updated_at": iso(row.updated_at_ms),
        "last_synced": iso_or_none(row.listed_at_ms),
    }
