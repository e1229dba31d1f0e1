"""Tenants and what they may use. The operator's key looks after all of them; a tenant's own admin sees its own."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import keys as wire
from kelpie.errors import NotFound, NotPermitted
from kelpie.tenants import records
from kelpie.tenants.records import Tenant
from kelpie.tools import custom

router = APIRouter(tags=["tenants"])
TenantName = Annotated[str, Path(max_length=limits.HANDLE_CHARS_MAX)]


def _operator(request: Request) -> Caller:
    who = caller(request)
    if who.scope != "operator":
        raise NotPermitted("tenants are looked after with the operator's key: the one KELPIE_KEYS names '*'")
    return who


async def exists(who: Caller, name: str) -> str:
    """The name of a tenant that there is, by a row or by a configured key. Raises NotFound."""
    if name not in who.house.keys.tenants:
        await records.get(who.view, name)
    return name


@router.post("/v1/tenants", status_code=201)
async def create_tenant(request: Request, body: wire.CreateTenant) -> Response:
    """A tenant, with the tools that ship with the server. Make it a key with `POST /v1/keys?tenant=`."""
    who = _operator(request)
    host, quota = who.workshop.host, body.quota.quota()
    made, changes = await records.plan_create(who.view, host, body.id, quota)
    builtins = who.workshop.catalog.builtins.values()
    changes.extend(await custom.plan_builtins(who.view, made.id, host.clock.now_ms(), builtins))
    await who.workshop.database.commit(changes.after(lambda: who.house.quotas.taken(made.id, quota)))
    return answer(wire.tenant(made), 201)


@router.get("/v1/tenants")
async def list_tenants(request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """Tenants that are rows, newest first. Those of configured keys have one once they were given a quota."""
    who, window = _operator(request), Window(query)
    return answer([wire.tenant(one) for one in window.ordered(await records.page(who.view, window.page))])


@router.get("/v1/tenants/{tenant}")
async def retrieve_tenant(request: Request, tenant: TenantName) -> Response:
    """What one tenant may use, and what it uses. The one that asks is also called `me`."""
    who = caller(request)
    name = who.tenant if tenant == records.THE_ASKING_ONE else tenant
    if name != who.tenant and who.scope != "operator":
        raise NotFound(f"there is no tenant '{name[:100]}'")
    if name in who.house.keys.tenants:
        shown = Tenant(id=name, quota=who.house.quotas.of(name))
    else:
        shown = await records.get(who.view, name)
    return answer(wire.tenant(shown, await who.house.quotas.used(name)))


@router.patch("/v1/tenants/{tenant}")
async def modify_tenant(request: Request, tenant: TenantName, body: wire.ModifyTenant) -> Response:
    """Give a tenant another quota: it counts at once. What it does not name has no bound."""
    who = _operator(request)
    name, quota = await exists(who, tenant), body.quota.quota()
    await who.workshop.database.commit(who.house.quotas.plan_set(name, quota))
    return answer(wire.tenant(Tenant(id=name, quota=quota), await who.house.quotas.used(name)))
