"""A file of access rules, applied as one change: each rule it names becomes as it says, all others stay."""

import msgspec

from kelpie.analyst.access import records
from kelpie.analyst.access.registering import plan_rules
from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.access.yaml_rules import read_rules
from kelpie.analyst.semantic import records as models
from kelpie.analyst.service import Analyst
from kelpie.errors import InvalidInput
from umi.storage import Changes, View


class AppliedRules(msgspec.Struct, frozen=True, kw_only=True):
    """Names of rules, and what became of them."""

    added: list[str] = []
    replaced: list[str] = []
    unchanged: list[str] = []


async def plan_apply(analyst: Analyst, view: View, tenant: str, text: str) -> tuple[AppliedRules, Changes]:
    """Raises InvalidInput ("line 4: …"), NotFound, LimitExceeded, QueryFailed, MissingExtra."""
    written = read_rules(analyst.host, tenant, text)
    twice = sorted({rule.name for rule in written if sum(one.name == rule.name for one in written) > 1})
    if twice:
        raise InvalidInput(f"the access rule '{twice[0]}' is in the file twice")
    applied, changes, new = AppliedRules(), Changes(), list[AccessRule]()
    for rule in written:
        there = await _of_that_name(view, tenant, rule)
        if there is not None and _says(there) == _says(rule):
            applied.unchanged.append(rule.name)
            continue
        (applied.added if there is None else applied.replaced).append(rule.name)
        new.append(rule)
        if there is not None:
            changes.extend(await records.plan_delete(view, tenant, there.id))
    _, made = await plan_rules(analyst, View(view.database, changes), tenant, new)
    return applied, changes.extend(made)


async def _of_that_name(view: View, tenant: str, rule: AccessRule) -> AccessRule | None:
    model = await models.by_name(view, tenant, rule.semantic_model)
    model = model or await models.get(view, tenant, rule.semantic_model)
    return next((one for one in await records.of_model(view, tenant, model.name) if one.name == rule.name), None)


def _says(rule: AccessRule) -> AccessRule:
    """The same rule of any id, age and way to name its semantic model."""
    return msgspec.structs.replace(rule, id="", created_at_ms=0, semantic_model="")
