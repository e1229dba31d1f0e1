"""A tenant's own model providers, each with its own key: create, list, retrieve, modify, delete, check, refresh."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import ProviderId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.reaching import check_reachable
from kelpie.api.wire import providers as wire
from kelpie.errors import Conflict, GuardFailed
from kelpie.models import limits, rows
from kelpie.models.kinds import provider_of
from kelpie.models.providers import Provider
from kelpie.models.rows import Credentials, ProviderRow
from umi.storage import Changes

router = APIRouter(tags=["providers"])
_VALID = {"message": "Valid"}


class ProvidersQuery(PageQuery):
    name: str | None = None
    provider_type: str | None = None


async def _reachable(who: Caller, row: ProviderRow, credentials: Credentials) -> Provider:
    """How to reach it. Raises InvalidInput for what can't be, or may not."""
    rows.check(row, credentials)
    provider = provider_of(row, credentials)
    await check_reachable(who, provider.base_url)
    return provider


async def _stored(who: Caller, made: tuple[ProviderRow, Changes], credentials: Credentials) -> Response:
    """Commit it, and have it answer from then on."""
    row, changes = made
    give = who.workshop.models.giving(who.tenant, await _reachable(who, row, credentials))
    try:
        await who.workshop.database.commit(changes.after(give))
    except GuardFailed:
        raise Conflict(f"the provider '{row.name}' is being changed by somebody else; try again") from None
    return answer(wire.provider(row))


@router.post("/v1/providers")
async def create_provider(request: Request, body: wire.CreateProvider) -> Response:
    """Add a provider: its models' handles begin with its name. Its key is kept encrypted and shown nowhere."""
    who = caller(request)
    shop, credentials = who.workshop, body.credentials()
    planned = await rows.plan_create(who.view, shop.host, shop.seal, body.row(who.tenant), credentials)
    return await _stored(who, planned, credentials)


@router.get("/v1/providers")
async def list_providers(request: Request, query: Annotated[ProvidersQuery, Query()]) -> Response:
    """The tenant's own providers, newest first. Those that settings configure are no rows."""
    who, window = caller(request), Window(query)
    found = await rows.list_rows(who.view, who.tenant, window.page, name=query.name, provider_type=query.provider_type)
    return answer([wire.provider(row) for row in window.ordered(found)])


@router.post("/v1/providers/check")
async def check_provider(request: Request, body: wire.CheckProvider) -> Response:
    """Whether a provider would answer, before it is added: it is asked for its models."""
    who = caller(request)
    await who.workshop.models.check(await _reachable(who, body.row(who.tenant), body.credentials()))
    return answer(_VALID)


@router.get("/v1/providers/{provider_id}")
async def retrieve_provider(request: Request, provider_id: ProviderId) -> Response:
    """One provider, without its key."""
    who = caller(request)
    return answer(wire.provider(await rows.get(who.view, who.tenant, provider_id)))


@router.patch("/v1/providers/{provider_id}")
async def modify_provider(request: Request, provider_id: ProviderId, body: wire.ModifyProvider) -> Response:
    """Give it another key, address, region or version. It answers so from the next message on."""
    who = caller(request)
    shop, credentials = who.workshop, body.credentials()
    old = await rows.get(who.view, who.tenant, provider_id)
    return await _stored(who, rows.plan_update(shop.host, shop.seal, old, body.onto(old), credentials), credentials)


@router.delete("/v1/providers/{provider_id}")
async def delete_provider(request: Request, provider_id: ProviderId) -> Response:
    """Remove it with its key. Agents that name a model of it are refused, until they get another."""
    who = caller(request)
    row = await rows.get(who.view, who.tenant, provider_id)
    gone = rows.plan_delete(row).after(lambda: who.workshop.models.take_away(who.tenant, row.name))
    try:
        await who.workshop.database.commit(gone)
    except GuardFailed:  # somebody else was first
        await rows.get(who.view, who.tenant, provider_id)
    return answer({"message": f"Provider id={provider_id} successfully deleted"})


@router.post("/v1/providers/{provider_id}/check")
async def check_stored_provider(request: Request, provider_id: ProviderId) -> Response:
    """Whether the provider answers, with the key that it has."""
    who = caller(request)
    row = await rows.get(who.view, who.tenant, provider_id)
    credentials = await rows.credentials_of(who.view, who.workshop.seal, row)
    await who.workshop.models.check(await _reachable(who, row, credentials))
    return answer(_VALID)


@router.patch("/v1/providers/{provider_id}/refresh")
async def refresh_provider(request: Request, provider_id: ProviderId) -> Response:
    """Have it say anew which models it has."""
    who = caller(request)
    row = await rows.get(who.view, who.tenant, provider_id)
    await who.workshop.models.refresh(who.tenant, row.name)
    for _ in range(limits.PROVIDER_PLAN_ATTEMPTS_MAX):
        listed, changes = rows.plan_listed(row, who.now_ms())
        try:
            await who.workshop.database.commit(changes)
        except GuardFailed:
            row = await rows.get(who.view, who.tenant, provider_id)
            continue
        return answer(wire.provider(listed))
    raise Conflict(f"the provider '{row.name}' is being changed by too many writers at once; try again")
