"""Keys of a tenant, for whoever administers it: create, list, retrieve, revoke."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import pattern
from kelpie.api.paging import PageQuery, Window
from kelpie.api.routes.tenants import exists
from kelpie.api.wire import keys as wire
from kelpie.errors import NotFound
from kelpie.people import records as people
from kelpie.tenants import keys

router = APIRouter(tags=["keys"])
KeyId = Annotated[str, Path(pattern=pattern("key"))]
OfTenant = Annotated[
    str | None, Query(max_length=limits.HANDLE_CHARS_MAX, description="Another tenant's; for the operator's key alone.")
]
_NO_STORE = {"cache-control": "no-store"}


async def _tenant(who: Caller, asked: str | None) -> str:
    """Whose keys are meant. Another tenant is one that isn't there, to whoever isn't the operator."""
    if asked is None or asked == who.tenant:
        return who.tenant
    if who.scope != "operator":
        raise NotFound(f"there is no tenant '{asked[:100]}'")
    return await exists(who, asked)


@router.post("/v1/keys", status_code=201)
async def create_key(request: Request, body: wire.CreateKey, tenant: OfTenant = None) -> Response:
    """A new key. It is in this answer and nowhere else: of it only a hash is kept."""
    who = caller(request)
    owner = await _tenant(who, tenant)
    named = await people.roster(who.view, owner) if body.people else None
    for one in body.people:
        if named is not None and named.person(one) is None and named.team(one) is None:
            raise NotFound(f"there is nobody, and no team, named '{one[:100]}'")
    made, key, changes = await keys.plan_create(
        who.view,
        who.workshop.host,
        owner,
        name=body.name,
        scope=body.scope,
        people=body.people,
        expires_at_ms=body.expires_at_ms(who.now_ms()),
    )
    await who.workshop.database.commit(changes)
    return answer(wire.key(made, who.now_ms()) | {"key": key}, 201, dict(_NO_STORE))


@router.get("/v1/keys")
async def list_keys(request: Request, query: Annotated[PageQuery, Query()], tenant: OfTenant = None) -> Response:
    """The tenant's keys, newest first, those that ended in the last 90 days included."""
    who, window = caller(request), Window(query)
    found = window.ordered(await keys.list_keys(who.view, await _tenant(who, tenant), window.page))
    return answer([wire.key(one, who.now_ms()) for one in found])


@router.get("/v1/keys/{key_id}")
async def retrieve_key(request: Request, key_id: KeyId, tenant: OfTenant = None) -> Response:
    """What is known of one key."""
    who = caller(request)
    return answer(wire.key(await keys.get(who.view, await _tenant(who, tenant), key_id), who.now_ms()))


@router.delete("/v1/keys/{key_id}")
async def revoke_key(request: Request, key_id: KeyId, tenant: OfTenant = None) -> Response:
    """End a key: from this answer on it opens nothing here. Requests that it has begun go on to their end."""
    who = caller(request)
    now_ms = who.now_ms()
    found, changes = await keys.plan_revoke(who.view, await _tenant(who, tenant), key_id, now_ms)
    await who.workshop.database.commit(changes.after(lambda: who.house.keys.forget(found.digest)))
    return answer(wire.key(found.record, now_ms))
