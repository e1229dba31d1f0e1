"""People and teams: whom questions can be asked for. For keys that are not limited to some of them."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from kelpie.analyst import leaving
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.wire import people as wire
from kelpie.errors import Conflict, GuardFailed, NotFound
from kelpie.people import applying, records
from umi.storage import Changes

router = APIRouter(tags=["people"])
T = TypeVar("T")


async def _committed(who: Caller, plan: Callable[[], Awaitable[tuple[T, Changes]]]) -> T:
    """What was planned, committed; planned anew while others change the same."""
    for _ in range(limits.PEOPLE_PLAN_ATTEMPTS_MAX):
        made, changes = await plan()
        try:
            await who.workshop.database.commit(changes)
        except (GuardFailed, Conflict):
            continue
        return made
    raise Conflict("people are being changed by too many writers at once; try again")


@router.get("/v1/people")
async def list_people(request: Request) -> Response:
    """Everybody, by handle."""
    who = caller(request)
    return answer([wire.person(one) for one in (await records.roster(who.view, who.tenant)).people])


@router.post("/v1/people")
async def create_person(request: Request, body: wire.CreatePerson) -> Response:
    """Add a person. 409 if the handle is a person's or a team's already."""
    who = caller(request)
    name = body.handle if body.name is None else body.name
    host = who.workshop.host
    return answer(
        wire.person(
            await _committed(
                who,
                lambda: records.plan_add_person(
                    who.view, host, who.tenant, handle=body.handle, name=name, teams=body.teams
                ),
            )
        )
    )


@router.post("/v1/people/apply")
async def apply_people(request: Request, body: wire.ApplyFile) -> Response:
    """Apply a YAML file of people and teams as one change; a mistake is named by its line, and nothing is applied."""
    who = caller(request)
    host = who.workshop.host
    made = await _committed(who, lambda: applying.plan_apply(who.view, host, who.tenant, body.yaml))
    return answer(wire.applied(made))


@router.get("/v1/people/{person}")
async def retrieve_person(request: Request, person: str) -> Response:
    """One person, by id or handle."""
    who = caller(request)
    found = (await records.named(who.view, who.tenant, [person])).person(person)
    if found is None:
        raise NotFound(f"no person has the id or handle '{person[:100]}'")
    return answer(wire.person(found))


@router.patch("/v1/people/{person}")
async def modify_person(request: Request, person: str, body: wire.ModifyPerson) -> Response:
    """Change a person's name or teams."""
    who = caller(request)
    made = await _committed(
        who, lambda: records.plan_change_person(who.view, who.tenant, person, name=body.name, teams=body.teams)
    )
    return answer(wire.person(made))


@router.delete("/v1/people/{person}")
async def delete_person(request: Request, person: str) -> Response:
    """Remove a person with their conversations with the analyst and their conventions, for good."""
    who = caller(request)
    gone = await leaving.remove_person(who.workshop, who.tenant, person)
    return answer({"id": gone.id})


@router.get("/v1/teams")
async def list_teams(request: Request) -> Response:
    """Every team, by name."""
    who = caller(request)
    return answer([wire.team(one) for one in (await records.roster(who.view, who.tenant)).teams])


@router.post("/v1/teams")
async def create_team(request: Request, body: wire.CreateTeam) -> Response:
    """Add a team. 409 if its name is a team's or a person's handle already."""
    who = caller(request)
    host = who.workshop.host
    made = await _committed(who, lambda: records.plan_add_team(who.view, host, who.tenant, body.name))
    return answer(wire.team(made))


@router.delete("/v1/teams/{team}")
async def delete_team(request: Request, team: str) -> Response:
    """Remove a team with the conversations it had as a team and its conventions, for good; its people stay."""
    who = caller(request)
    gone = await leaving.remove_team(who.workshop, who.tenant, team)
    return answer({"id": gone.id})
