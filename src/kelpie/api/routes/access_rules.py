"""Access rules: which rows and columns whom may see. For keys that are not limited to people."""

from fastapi import APIRouter, Request, Response

from kelpie.analyst.access import records
from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.wire import people as wire
from kelpie.errors import MissingExtra

router = APIRouter(prefix="/v1/analyst/access-rules", tags=["analyst"])


@router.get("")
async def list_access_rules(request: Request) -> Response:
    """Every rule, by semantic model and name."""
    who = caller(request)
    return answer([wire.access_rule(one) for one in await records.list_all(who.view, who.tenant)])


@router.post("/apply")
async def apply_access_rules(request: Request, body: wire.ApplyFile) -> Response:
    """Apply a YAML file of rules as one change; each was tried on its table first, and the others stay."""
    who = caller(request)
    if who.house.analyst is None:
        raise MissingExtra("the analyst", "analyst")
    from kelpie.analyst.access.applying import plan_apply  # what it needs is imported when it is first asked

    applied, changes = await plan_apply(who.house.analyst, who.view, who.tenant, body.yaml)
    await who.workshop.database.commit(changes)
    return answer(applied)


@router.delete("/{rule_id}")
async def delete_access_rule(request: Request, rule_id: str) -> Response:
    """Remove a rule: what it withheld is shown from the next query on."""
    who = caller(request)
    await who.workshop.database.commit(await records.plan_delete(who.view, who.tenant, rule_id))
    return answer({"id": rule_id})
