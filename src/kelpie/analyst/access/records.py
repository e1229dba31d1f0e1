"""Access rules as rows of the table `access_rule`."""

from typing import Any

import msgspec

from kelpie.analyst import limits
from kelpie.analyst.access.rules import AccessRule
from kelpie.errors import Conflict, LimitExceeded, NotFound
from umi.storage import Changes, View

_COLUMNS = "tenant, id, name, semantic_model, source_table, who, unless, row_filter, mask, deny, says, created_at_ms"
_INSERT = f"INSERT INTO access_rule ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_ONE = f"SELECT {_COLUMNS} FROM access_rule WHERE tenant = ? AND id = ?"
_OF_MODEL = f"SELECT {_COLUMNS} FROM access_rule WHERE tenant = ? AND semantic_model = ? ORDER BY name"
_ALL = f"SELECT {_COLUMNS} FROM access_rule WHERE tenant = ? ORDER BY semantic_model, name"
_DELETE = "DELETE FROM access_rule WHERE tenant = ? AND id = ?"


async def plan_create(view: View, rule: AccessRule) -> Changes:
    """Store it; registering.plan_rules has checked it. Raises Conflict for a name the model has, LimitExceeded."""
    others = await of_model(view, rule.tenant, rule.semantic_model)
    if any(other.name == rule.name for other in others):
        raise Conflict(
            f"'{rule.semantic_model}' has an access rule named '{rule.name}' already; choose another name or delete"
            " that one"
        )
    if len(others) >= limits.ACCESS_RULES_MAX:
        what = f"the access rules of '{rule.semantic_model}'"
        raise LimitExceeded(what, len(others) + 1, limits.ACCESS_RULES_MAX, "rules")
    return Changes().write(
        _INSERT,
        rule.tenant,
        rule.id,
        rule.name,
        rule.semantic_model,
        rule.table,
        rule.who,
        msgspec.json.encode(rule.unless).decode(),
        rule.rows,
        msgspec.json.encode(rule.mask).decode(),
        int(rule.deny),
        rule.says,
        rule.created_at_ms,
    )


async def get(view: View, tenant: str, rule_id: str) -> AccessRule:
    """Raises NotFound."""
    row = await view.one(_ONE, tenant, rule_id)
    if row is None:
        raise NotFound(f"no access rule has the id '{rule_id}'")
    return _from_row(row)


async def list_all(view: View, tenant: str) -> list[AccessRule]:
    """A tenant's rules by semantic model and name."""
    return [_from_row(row) for row in await view.fetch(_ALL, tenant)]


async def of_model(view: View, tenant: str, semantic_model: str) -> list[AccessRule]:
    """Every rule of the model of that name, by name."""
    return [_from_row(row) for row in await view.fetch(_OF_MODEL, tenant, semantic_model)]


async def plan_delete(view: View, tenant: str, rule_id: str) -> Changes:
    """Raises NotFound. What was asked under it keeps saying so."""
    await get(view, tenant, rule_id)
    return Changes().guard("access rule exists", _DELETE, tenant, rule_id)


def _from_row(row: tuple[Any, ...]) -> AccessRule:
    tenant, rule_id, name, semantic_model, table, who, unless, rows, mask, deny, says, created_at_ms = row
    return AccessRule(
        tenant=tenant,
        id=rule_id,
        name=name,
        semantic_model=semantic_model,
        table=table,
        who=who,
        unless=msgspec.json.decode(unless, type=list[str]),
        rows=rows,
        mask=msgspec.json.decode(mask, type=list[str]),
        deny=bool(deny),
        says=says,
        created_at_ms=created_at_ms,
    )
