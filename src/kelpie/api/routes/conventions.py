"""Conventions: what people, teams and the organisation hold to. Also for keys that speak for some people alone."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.analyst.conventions import holding, keeping, publishing
from kelpie.analyst.conventions.convention import Wish, wish
from kelpie.analyst.conventions.evidence import check_value
from kelpie.analyst.semantic import records
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller_for_people
from kelpie.api.wire import people as wire
from kelpie.errors import InvalidInput

router = APIRouter(prefix="/v1/analyst/conventions", tags=["analyst"])
As = Annotated[str | None, Query(alias="as", description="For whom: a person's handle or name, or a team's name.")]


@router.get("")
async def list_conventions(request: Request, as_: As = None) -> Response:
    """What holds for a speaker, one for each topic with those it overrides; and all that had a part in that."""
    who = caller_for_people(request)
    speaker = await who.speaker(as_)
    held = await holding.held(who.view, who.tenant, speaker)
    return answer(wire.conventions(speaker, publishing.publish(held), held))


@router.post("")
async def keep_convention(request: Request, body: wire.KeepConvention) -> Response:
    """Keep a convention: from now on it is its holder's only one of this topic."""
    who = caller_for_people(request)
    speaker, wanted = await who.speaker(body.as_), wish(body.kind, body.topic, body.value, body.weight)
    await _check_known(who, wanted)
    archive = who.workshop.archive
    kept = await keeping.keep(who.view, archive, who.tenant, speaker, wanted, scope=body.scope, team=body.team)
    return answer(wire.kept(kept))


async def _check_known(who: Caller, wanted: Wish) -> None:
    """Raise InvalidInput for a metric, dimension or time that no semantic model of the tenant has."""
    analyst, refusal = who.house.analyst, None
    if analyst is None:
        return
    for record in await records.list_all(who.view, who.tenant):
        model = (await analyst.load(who.view, who.tenant, record.id)).model
        try:
            check_value(wanted, model)
        except InvalidInput as error:
            refusal = error
        else:
            return
    if refusal is not None:
        raise refusal


@router.post("/{convention_id}/override")
async def override_convention(request: Request, convention_id: str, body: wire.OverrideConvention) -> Response:
    """Let another value hold for this speaker, for good; for everybody else the convention stays."""
    who = caller_for_people(request)
    speaker = await who.speaker(body.as_)
    archive = who.workshop.archive
    kept = await keeping.override(who.view, archive, who.tenant, speaker, convention_id, body.value, body.weight)
    return answer(wire.kept(kept))


@router.delete("/{convention_id}")
async def forget_convention(request: Request, convention_id: str, as_: As = None, *, hard: bool = False) -> Response:
    """Forget a convention: it has no effect on the next answer, nor has what it had replaced. `hard` leaves no byte."""
    who = caller_for_people(request)
    count = await keeping.forget(who.workshop, who.tenant, await who.speaker(as_), convention_id, hard=hard)
    return answer({"id": convention_id, "forgotten": count})
