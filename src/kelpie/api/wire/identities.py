"""Identities on the wire: whom a client says that its agents and blocks are for."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.ids import pattern
from kelpie.errors import InvalidInput
from kelpie.identities import limits as identity_limits
from kelpie.identities.records import Attached, Identity, Owner, Property

IdentityType = Literal["org", "user", "other"]
AgentIds = list[Annotated[str, Field(pattern=pattern("agent"))]]
BlockIds = list[Annotated[str, Field(pattern=pattern("block"))]]


class IdentityProperty(BaseModel):
    key: str = Field(max_length=identity_limits.IDENTITY_KEY_CHARS_MAX)
    value: str | bool | int | Annotated[float, Field(allow_inf_nan=False)] | dict[str, Any]
    type: Literal["string", "number", "boolean", "json"]

    def property(self) -> Property:
        return Property(key=self.key, value=self.value, type=self.type)


Properties = list[IdentityProperty]


def properties(given: Properties) -> list[Property]:
    """Raises InvalidInput for two of one key."""
    made = [one.property() for one in given]
    if len({one.key for one in made}) != len(made):
        raise InvalidInput("an identity has one property of a key")
    return made


class CreateIdentity(BaseModel):
    """Of a key that another identity has: 409; the same as an upsert changes that one."""

    identifier_key: str
    name: str
    identity_type: IdentityType
    agent_ids: AgentIds | None = Field(default=None, max_length=limits.IDENTITY_OWNERS_AT_ONCE_MAX)
    block_ids: BlockIds | None = Field(default=None, max_length=limits.IDENTITY_OWNERS_AT_ONCE_MAX)
    properties: Properties | None = None

    def identity(self, tenant: str, identity_id: str, now_ms: int) -> Identity:
        """Raises InvalidInput."""
        return Identity(
            tenant=tenant,
            id=identity_id,
            key=self.identifier_key,
            name=self.name,
            kind=self.identity_type,
            properties=properties(self.properties or []),
            created_at_ms=now_ms,
        )

    def fields(self) -> dict[str, Any]:
        """Raises InvalidInput."""
        return _fields(self.identifier_key, self.name, self.identity_type, self.properties)

    def attached(self) -> dict[Owner, Sequence[str]]:
        return _attached(self.agent_ids, self.block_ids)


class ModifyIdentity(BaseModel):
    """What is not given stays; lists replace what there is."""

    identifier_key: str | None = None
    name: str | None = None
    identity_type: IdentityType | None = None
    agent_ids: AgentIds | None = Field(default=None, max_length=limits.IDENTITY_OWNERS_AT_ONCE_MAX)
    block_ids: BlockIds | None = Field(default=None, max_length=limits.IDENTITY_OWNERS_AT_ONCE_MAX)
    properties: Properties | None = None

    def fields(self) -> dict[str, Any]:
        """Raises InvalidInput."""
        return _fields(self.identifier_key, self.name, self.identity_type, self.properties)

    def attached(self) -> dict[Owner, Sequence[str]]:
        return _attached(self.agent_ids, self.block_ids)


def _fields(key: str | None, name: str | None, kind: str | None, given: Properties | None) -> dict[str, Any]:
    fields = {"key": key, "name": name, "kind": kind, "properties": None if given is None else properties(given)}
    return {field: value for field, value in fields.items() if value is not None}


def _attached(agent_ids: AgentIds | None, block_ids: BlockIds | None) -> dict[Owner, Sequence[str]]:
    given: dict[Owner, Sequence[str]] = {}
    if agent_ids is not None:
        given["agent"] = agent_ids
    if block_ids is not None:
        given["block"] = block_ids
    return given


def identity(one: Identity, attached: Attached | None = None) -> dict[str, Any]:
    """`attached` is left out where an agent or a block shows its own identities."""
    return {
        "id": one.id,
        "identifier_key": one.key,
        "name": one.name,
        "identity_type": one.kind,
        "project_id": None,
        "agent_ids": attached.agents if attached else [],
        "block_ids": attached.blocks if attached else [],
        "properties": [{"key": part.key, "value": part.value, "type": part.type} for part in one.properties],
    }
