"""Semantic models as rows: the YAML text a person wrote, under a name, standing on one connection."""

from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.errors import Conflict, LimitExceeded, NotFound
from umi.dst import Host
from umi.storage import Changes, View

_COLUMNS = "tenant, id, name, connection_id, yaml, created_at_ms"
_INSERT = f"INSERT INTO semantic_model ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_ONE = f"SELECT {_COLUMNS} FROM semantic_model WHERE tenant = ? AND id = ?"
_BY_NAME = f"SELECT {_COLUMNS} FROM semantic_model WHERE tenant = ? AND name = ?"
_ALL = f"SELECT {_COLUMNS} FROM semantic_model WHERE tenant = ? ORDER BY name"
_DELETE = "DELETE FROM semantic_model WHERE tenant = ? AND id = ?"


class SemanticModelRecord(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    id: str
    name: str
    connection_id: str
    yaml: str
    created_at_ms: int


def new_record(host: Host, tenant: str, name: str, connection_id: str, yaml_text: str) -> SemanticModelRecord:
    """A record that isn't stored yet. The caller has read and checked the text (Analyst.plan_model does)."""
    if len(name) > limits.SEMANTIC_MODEL_NAME_CHARS_MAX:
        raise LimitExceeded("the semantic model's name", len(name), limits.SEMANTIC_MODEL_NAME_CHARS_MAX, "characters")
    return SemanticModelRecord(
        tenant=tenant,
        id=host.ids.new("semantic-model"),
        name=name,
        connection_id=connection_id,
        yaml=yaml_text,
        created_at_ms=host.clock.now_ms(),
    )


async def plan_create(view: View, record: SemanticModelRecord) -> Changes:
    """Raises Conflict if the tenant has a semantic model of that name."""
    if await view.one(_BY_NAME, record.tenant, record.name):
        raise Conflict(
            f"there is a semantic model named '{record.name}' already; choose another name or delete that one"
        )
    return Changes().write(
        _INSERT, record.tenant, record.id, record.name, record.connection_id, record.yaml, record.created_at_ms
    )


async def get(view: View, tenant: str, model_id: str) -> SemanticModelRecord:
    """Raises NotFound."""
    row = await view.one(_ONE, tenant, model_id)
    if row is None:
        raise NotFound(f"no semantic model has the id '{model_id}'")
    return _from_row(row)


async def by_name(view: View, tenant: str, name: str) -> SemanticModelRecord | None:
    row = await view.one(_BY_NAME, tenant, name)
    return None if row is None else _from_row(row)


async def list_all(view: View, tenant: str) -> list[SemanticModelRecord]:
    """A tenant's semantic models by name."""
    return [_from_row(row) for row in await view.fetch(_ALL, tenant)]


async def plan_delete(view: View, tenant: str, model_id: str) -> Changes:
    """Raises NotFound. Results that were asked through it keep their rows."""
    await get(view, tenant, model_id)
    return Changes().guard("semantic model exists", _DELETE, tenant, model_id)


def _from_row(row: tuple[Any, ...]) -> SemanticModelRecord:
    tenant, model_id, name, connection_id, yaml_text, created_at_ms = row
    return SemanticModelRecord(
        tenant=tenant,
        id=model_id,
        name=name,
        connection_id=connection_id,
        yaml=yaml_text,
        created_at_ms=created_at_ms,
    )
