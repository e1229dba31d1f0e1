"""Archives: facts that several agents share; passages, found in all memories; tags."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import profile
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller, is_sdk_1
from kelpie.api.ids import AgentId, ArchiveId, PassageId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import agents as agent_wire
from kelpie.api.wire import archives as wire
from kelpie.api.wire.archival import passage
from kelpie.api.wire.times import moment_ms
from kelpie.errors import GuardFailed, LimitExceeded, NotFound
from kelpie.people import scopes
from kelpie.tools import collections
from kelpie.tools.collections import Collection
from kelpie.tools.memory import told_between
from umi import archival, core
from umi.entity import Fact
from umi.storage import Page

router = APIRouter(tags=["archives"])


class ArchivesQuery(PageQuery):
    name: str | None = None
    agent_id: str | None = None


class ArchiveAgentsQuery(PageQuery):
    include: list[str] | None = None


class TagsQuery(PageQuery):
    query_text: str | None = None
    name: str | None = None


@router.post("/v1/archives")
async def create_archive(request: Request, body: wire.CreateArchive) -> Response:
    """An empty archive. Names need not be unique."""
    who = caller(request)
    made = Collection(
        tenant=who.tenant,
        id=who.workshop.host.ids.new("archive"),
        name=body.name,
        description=body.description,
        created_at_ms=who.now_ms(),
    )
    await who.workshop.database.commit(collections.plan_create(made))
    return answer(wire.archive(made))


@router.get("/v1/archives")
async def list_archives(request: Request, query: Annotated[ArchivesQuery, Query()]) -> Response:
    """Archives, newest first; of one name, or those of an agent."""
    who, window = caller(request), Window(query)
    if query.agent_id is not None:
        await agents.get(who.view, who.tenant, query.agent_id)
    found = await collections.list_collections(
        who.view, who.tenant, window.page, name=query.name, agent_id=query.agent_id
    )
    return answer([wire.archive(one) for one in window.ordered(found)])


@router.get("/v1/archives/{archive_id}")
async def retrieve_archive(request: Request, archive_id: ArchiveId) -> Response:
    """One archive."""
    who = caller(request)
    return answer(wire.archive(await collections.get(who.view, who.tenant, archive_id)))


@router.patch("/v1/archives/{archive_id}")
async def modify_archive(request: Request, archive_id: ArchiveId, body: wire.ModifyArchive) -> Response:
    """Change its name or description."""
    who = caller(request)
    new = await collections.edit(who.view, who.tenant, archive_id, who.now_ms(), body.fields())
    return answer(wire.archive(new))


@router.delete("/v1/archives/{archive_id}")
async def delete_archive(request: Request, archive_id: ArchiveId) -> Response:
    """Remove an archive with its passages; agents have it no longer."""
    who = caller(request)
    one = await collections.get(who.view, who.tenant, archive_id)
    try:
        await who.workshop.database.commit(collections.plan_delete(one))
    except GuardFailed:
        raise NotFound(f"no archive has the id '{archive_id}'") from None
    return Response(status_code=204)


@router.get("/v1/archives/{archive_id}/agents")
async def list_agents(
    request: Request, archive_id: ArchiveId, query: Annotated[ArchiveAgentsQuery, Query()]
) -> Response:
    """The agents that have the archive, newest first."""
    who, window = caller(request), Window(query)
    await collections.get(who.view, who.tenant, archive_id)
    ids = await collections.agents_of(who.view, who.tenant, archive_id)
    found = await agents.list_agents(who.view, who.tenant, window.page, ids=ids)
    profiles = await profile.read_all(who.view, who.tenant, window.ordered(found))
    shown = agent_wire.relations(query.include, is_sdk_1=is_sdk_1(request))
    return answer(agent_wire.states(profiles, who.card_of, shown, strict=who.house.strict_letta))


# ---- passages


@router.post("/v1/archives/{archive_id}/passages")
async def create_passage(request: Request, archive_id: ArchiveId, body: wire.CreatePassage) -> Response:
    """Write a text down. It is one fact as it stands, and the same may be there twice."""
    (fact,) = await _write(caller(request), archive_id, [body])
    return answer(passage(fact))


@router.post("/v1/archives/{archive_id}/passages/batch")
async def create_passages(request: Request, archive_id: ArchiveId, body: wire.CreatePassages) -> Response:
    """Write several texts down, all or none."""
    return answer([passage(fact) for fact in await _write(caller(request), archive_id, body.passages)])


async def _write(who: Caller, archive_id: str, texts: Sequence[wire.CreatePassage]) -> list[Fact]:
    archive, scope = who.workshop.archive, scopes.of_collection(archive_id)
    facts = [one.fact for one in archive.stated(who.tenant, scope, [text.draft() for text in texts])]
    changes = collections.exists(who.tenant, archive_id).extend(archival.plan_add(facts, archive.why("add")))
    try:
        await who.workshop.database.commit(changes)
    except GuardFailed:
        raise NotFound(f"no archive has the id '{archive_id}'") from None
    finally:
        archive.wake(who.tenant, scope)
    return facts


@router.delete("/v1/archives/{archive_id}/passages/{passage_id}")
async def delete_passage(request: Request, archive_id: ArchiveId, passage_id: PassageId) -> Response:
    """Forget a fact: it is not found or listed any more."""
    who = caller(request)
    one = await collections.get(who.view, who.tenant, archive_id)
    if not await who.workshop.archive.forget(who.tenant, one.scope, [passage_id]):
        raise NotFound(f"archive '{archive_id}' has no passage with the id '{passage_id}'")
    return Response(status_code=204)


@router.post("/v1/passages/search")
async def search_passages(request: Request, body: wire.SearchPassages) -> Response:
    """What bears on the query in an archive, in all that an agent looks through, or in every memory, best first;
    without a query, the newest."""
    who = caller(request)
    asked = await _asked(who, body)
    since_ms, until_ms = moment_ms("start_date", body.start_date), moment_ms("end_date", body.end_date)
    if body.query:
        found = await collections.recall(
            who.workshop.archive,
            who.view,
            who.tenant,
            asked,
            body.query,
            limit=body.limit,
            tags=body.tags or [],
            match_all_tags=body.tag_match_mode == "all",
            filters=told_between(since_ms, until_ms),
            superseded=True,
        )
        return answer([wire.found(one.fact, one.score) for one in found])
    newest = Page(limit=body.limit, ascending=False)
    facts = await archival.list_facts(
        who.view,
        who.tenant,
        asked,
        newest,
        tags=body.tags or (),
        match_all_tags=body.tag_match_mode == "all",
        since_ms=since_ms,
        until_ms=until_ms,
    )
    return answer([wire.found(fact, 0.0) for fact in facts])


async def _asked(who: Caller, body: wire.SearchPassages) -> list[str]:
    """The scopes to look through. Raises NotFound, and LimitExceeded where there are too many to look through all."""
    if body.agent_id is not None:
        await agents.get(who.view, who.tenant, body.agent_id)
    if body.archive_id is not None:
        return [(await collections.get(who.view, who.tenant, body.archive_id)).scope]
    if body.agent_id is not None:
        return await collections.searched(who.view, who.tenant, body.agent_id)
    most = limits.PASSAGE_SEARCH_SCOPES_MAX
    shared = await collections.list_collections(who.view, who.tenant, Page(limit=most + 1))
    there = [*(one.scope for one in shared), *await agents.ids(who.view, who.tenant)]
    filled = await archival.filled(who.view, who.tenant, there)
    if len(filled) > most or len(shared) > most:
        raise LimitExceeded(
            "the number of memories to search (name an agent or an archive)", len(filled), most, "memories"
        )
    return filled


# ---- of agents


@router.patch("/v1/agents/{agent_id}/archives/attach/{archive_id}")
async def attach_archive(request: Request, agent_id: AgentId, archive_id: ArchiveId) -> Response:
    """Let an agent look through an archive; what it writes down goes into its first one."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    changes = agents.exists(agents.actor_id(who.tenant, agent_id))
    changes.extend(await collections.plan_attach(who.view, who.tenant, agent_id, archive_id))
    try:
        await who.workshop.database.commit(changes)
    except GuardFailed as error:
        gone = f"agent has the id '{agent_id}'" if error.guard == "agent" else f"archive has the id '{archive_id}'"
        raise NotFound(f"no {gone}") from None
    return answer(None)


@router.patch("/v1/agents/{agent_id}/archives/detach/{archive_id}")
async def detach_archive(request: Request, agent_id: AgentId, archive_id: ArchiveId) -> Response:
    """Take an archive from an agent, whether it has it or not."""
    who = caller(request)
    await agents.get(who.view, who.tenant, agent_id)
    await collections.get(who.view, who.tenant, archive_id)
    await who.workshop.database.commit(collections.plan_detach(who.tenant, agent_id, archive_id))
    return answer(None)


@router.get("/v1/tags")
async def list_tags(request: Request, query: Annotated[TagsQuery, Query()]) -> Response:
    """Every tag of agents and blocks, by name; `query_text` is a part of it. Cursors are tags."""
    who, window = caller(request), Window(query, ascending=True)
    there = {*await agents.tags(who.view, who.tenant), *await core.tags(who.view, who.tenant)}
    wanted = sorted(
        tag for tag in there if query.name in (None, tag) and (query.query_text or "").lower() in tag.lower()
    )
    return answer(window.cut(wanted, wanted, ascending=True))
