"""Identities: create, upsert, list, count, retrieve, modify, delete; what they are attached to."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import profile
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller, is_sdk_1
from kelpie.api.ids import AgentId, BlockId, IdentityId
from kelpie.api.paging import PageQuery, Window, refuse_filters, refuse_orders
from kelpie.api.routes.agents import whole
from kelpie.api.wire import agents as agent_wire
from kelpie.api.wire import blocks as block_wire
from kelpie.api.wire import identities as wire
from kelpie.errors import Conflict, GuardFailed, NotFound
from kelpie.identities import limits, records
from kelpie.identities.records import Identity, Owner
from umi import core
from umi.storage import Changes

router = APIRouter(tags=["identities"])


class IdentitiesQuery(PageQuery):
    name: str | None = None
    identifier_key: str | None = None
    identity_type: wire.IdentityType | None = None


class IncludeQuery(PageQuery):
    include: list[str] | None = None


async def _shown(who: Caller, one: Identity) -> Response:
    attached = await records.attached(who.view, who.tenant, [one])
    return answer(wire.identity(one, attached[one.id]))


async def _there(who: Caller, attached: Mapping[Owner, Sequence[str]]) -> Changes:
    """Guards that agents and blocks are there when an identity is attached to them. Raises NotFound."""
    changes = Changes()
    for agent_id in attached.get("agent", ()):
        await agents.get(who.view, who.tenant, agent_id)
        changes.extend(agents.exists(agents.actor_id(who.tenant, agent_id)))
    for block_id in attached.get("block", ()):
        await core.get(who.view, who.tenant, block_id)
    return changes


async def _create(who: Caller, body: wire.CreateIdentity) -> Identity:
    made = body.identity(who.tenant, who.workshop.host.ids.new("identity"), who.now_ms())
    there = await _there(who, body.attached())
    try:
        await records.create(who.view, made, body.attached(), there)
    except GuardFailed:
        raise NotFound("an agent that the identity was to be attached to is gone") from None
    return made


@router.post("/v1/identities")
async def create_identity(request: Request, body: wire.CreateIdentity) -> Response:
    """An identity, attached to agents and blocks that are there. Its key is its own."""
    who = caller(request)
    return await _shown(who, await _create(who, body))


@router.put("/v1/identities")
async def upsert_identity(request: Request, body: wire.CreateIdentity) -> Response:
    """The identity of this key, made or changed to what is given."""
    who = caller(request)
    for _ in range(limits.IDENTITY_WRITE_ATTEMPTS_MAX):
        known = await records.with_key(who.view, who.tenant, body.identifier_key)
        if known is not None:
            return await _change(who, known.id, body)
        try:
            return await _shown(who, await _create(who, body))
        except Conflict:
            continue  # somebody else has just made it
    raise Conflict("this identity is being made and deleted by too many writers at once; try again")


@router.get("/v1/identities")
async def list_identities(request: Request, query: Annotated[IdentitiesQuery, Query()]) -> Response:
    """Identities, newest first; `name` is a part of theirs."""
    refuse_filters(request, "project_id")
    refuse_orders(request)
    who, window = caller(request), Window(query)
    found = await records.list_identities(
        who.view, who.tenant, window.page, name=query.name, key=query.identifier_key, kind=query.identity_type
    )
    attached = await records.attached(who.view, who.tenant, found)
    return answer([wire.identity(one, attached[one.id]) for one in window.ordered(found)])


@router.get("/v1/identities/count")
async def count_identities(request: Request) -> Response:
    """How many identities there are."""
    who = caller(request)
    return answer(await records.count(who.view, who.tenant))


@router.get("/v1/identities/{identity_id}")
async def retrieve_identity(request: Request, identity_id: IdentityId) -> Response:
    """One identity."""
    who = caller(request)
    return await _shown(who, await records.get(who.view, who.tenant, identity_id))


@router.patch("/v1/identities/{identity_id}")
async def modify_identity(request: Request, identity_id: IdentityId, body: wire.ModifyIdentity) -> Response:
    """Change some fields. `agent_ids`, `block_ids` and `properties` replace what it has."""
    return await _change(caller(request), identity_id, body)


async def _change(who: Caller, identity_id: str, body: wire.CreateIdentity | wire.ModifyIdentity) -> Response:
    await records.get(who.view, who.tenant, identity_id)
    there, now_ms = await _there(who, body.attached()), who.now_ms()
    try:
        new = await records.edit(who.view, who.tenant, identity_id, now_ms, body.fields(), body.attached(), there)
    except GuardFailed:
        raise NotFound("an agent that the identity was to be attached to is gone") from None
    return await _shown(who, new)


@router.put("/v1/identities/{identity_id}/properties")
async def replace_properties(request: Request, identity_id: IdentityId, body: wire.Properties) -> Response:
    """Make these exactly the properties it has."""
    who = caller(request)
    fields = {"properties": wire.properties(body)}
    await records.edit(who.view, who.tenant, identity_id, who.now_ms(), fields)
    return answer(None)


@router.delete("/v1/identities/{identity_id}")
async def delete_identity(request: Request, identity_id: IdentityId) -> Response:
    """Remove an identity, and it from agents and blocks. Those stay."""
    who = caller(request)
    try:
        await who.workshop.database.commit(records.plan_delete(who.tenant, identity_id))
    except GuardFailed:
        raise NotFound(f"no identity has the id '{identity_id}'") from None
    return answer({"message": f"Identity id={identity_id} successfully deleted"})


@router.get("/v1/identities/{identity_id}/agents")
async def list_agents(request: Request, identity_id: IdentityId, query: Annotated[IncludeQuery, Query()]) -> Response:
    """The agents that have the identity, newest first."""
    refuse_orders(request)
    who, window = caller(request), Window(query)
    await records.get(who.view, who.tenant, identity_id)
    ids = await records.owners_of(who.view, "agent", who.tenant, ids=[identity_id])
    found = await agents.list_agents(who.view, who.tenant, window.page, ids=ids)
    profiles = await profile.read_all(who.view, who.tenant, window.ordered(found))
    shown = agent_wire.relations(query.include, is_sdk_1=is_sdk_1(request))
    return answer(agent_wire.states(profiles, who.card_of, shown, strict=who.house.strict_letta))


@router.get("/v1/identities/{identity_id}/blocks")
async def list_blocks(request: Request, identity_id: IdentityId, query: Annotated[PageQuery, Query()]) -> Response:
    """The blocks that have the identity, newest first."""
    refuse_orders(request)
    who, window = caller(request), Window(query)
    await records.get(who.view, who.tenant, identity_id)
    ids = await records.owners_of(who.view, "block", who.tenant, ids=[identity_id])
    found = await core.list_blocks(who.view, who.tenant, window.page, ids=ids)
    return answer([block_wire.block(block) for block in window.ordered(found)])


# ---- of agents and blocks


async def _attach(who: Caller, owner: Owner, identity_id: str, owner_id: str) -> None:
    """Raises NotFound, and Conflict where either of them has too many."""
    there = await _there(who, {owner: [owner_id]})
    await records.get(who.view, who.tenant, identity_id)
    try:
        changes = there.extend(records.plan_attach(owner, who.tenant, identity_id, owner_id))
        await who.workshop.database.commit(changes)
    except GuardFailed as error:
        await _there(who, {owner: [owner_id]})
        await records.get(who.view, who.tenant, identity_id)
        raise Conflict(
            f"{owner} '{owner_id}' has {limits.IDENTITIES_PER_OWNER_MAX} identities, or the identity has all the"
            f" {owner}s it can have"
        ) from error


async def _detach(who: Caller, owner: Owner, identity_id: str, owner_id: str) -> None:
    await _there(who, {owner: [owner_id]})
    await records.get(who.view, who.tenant, identity_id)
    await who.workshop.database.commit(records.plan_detach(owner, who.tenant, identity_id, owner_id))


@router.patch("/v1/agents/{agent_id}/identities/attach/{identity_id}")
async def attach_to_agent(request: Request, agent_id: AgentId, identity_id: IdentityId) -> Response:
    """Say that the agent is for this identity; twice is harmless. Null for clients of generation 1."""
    who = caller(request)
    await _attach(who, "agent", identity_id, agent_id)
    return answer(None) if is_sdk_1(request) else await whole(who, agent_id)


@router.patch("/v1/agents/{agent_id}/identities/detach/{identity_id}")
async def detach_from_agent(request: Request, agent_id: AgentId, identity_id: IdentityId) -> Response:
    """Take an identity from the agent, whether it has it or not. Null for clients of generation 1."""
    who = caller(request)
    await _detach(who, "agent", identity_id, agent_id)
    return answer(None) if is_sdk_1(request) else await whole(who, agent_id)


@router.patch("/v1/blocks/{block_id}/identities/attach/{identity_id}")
async def attach_to_block(request: Request, block_id: BlockId, identity_id: IdentityId) -> Response:
    """Say that the block is for this identity; twice is harmless."""
    who = caller(request)
    await _attach(who, "block", identity_id, block_id)
    return answer(block_wire.block(await core.get(who.view, who.tenant, block_id)))


@router.patch("/v1/blocks/{block_id}/identities/detach/{identity_id}")
async def detach_from_block(request: Request, block_id: BlockId, identity_id: IdentityId) -> Response:
    """Take an identity from the block, whether it has it or not."""
    who = caller(request)
    await _detach(who, "block", identity_id, block_id)
    return answer(block_wire.block(await core.get(who.view, who.tenant, block_id)))
