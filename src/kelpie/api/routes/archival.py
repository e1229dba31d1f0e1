"""An agent's long-term memory: facts it, or a client, wrote down."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.ids import AgentId, PassageId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import archival as wire
from kelpie.api.wire.times import moment_ms
from kelpie.errors import GuardFailed, NotFound
from kelpie.tools import collections
from kelpie.tools.memory import told_between
from umi import archival
from umi import limits as umi_limits
from umi.memory import Draft

router = APIRouter(tags=["archival memory"])


class PassagesQuery(PageQuery):
    search: str | None = None


@router.post("/v1/agents/{agent_id}/archival-memory")
async def insert_passage(request: Request, agent_id: AgentId, body: wire.InsertPassage) -> Response:
    """Remember a text. It is one fact as it stands: nothing is cut into pieces, and the same may be there twice."""
    who = caller(request)
    archive = who.workshop.archive
    draft = Draft(
        text=body.text,
        tags=body.tags or [],
        source={"kind": "client"},
        event_time=moment_ms("created_at", body.created_at),
    )
    scope, held = await collections.written(who.view, who.tenant, agent_id)
    (stated,) = archive.stated(who.tenant, scope, [draft])
    changes = agents.exists(agents.actor_id(who.tenant, agent_id)).extend(held)
    try:
        await who.workshop.database.commit(changes.extend(archival.plan_add([stated.fact], archive.why("add"))))
    except GuardFailed as error:
        gone = f"agent has the id '{agent_id}'" if error.guard == "agent" else "archive is there any more to write in"
        raise NotFound(f"no {gone}") from None
    finally:
        archive.wake(who.tenant, scope)
    return answer([wire.passage(stated.fact)])


@router.get("/v1/agents/{agent_id}/archival-memory")
async def list_passages(request: Request, agent_id: AgentId, query: Annotated[PassagesQuery, Query()]) -> Response:
    """What the agent has written down, oldest first; `search` is a substring."""
    who = caller(request)
    window = Window(query, ascending=True, limit=limits.PAGE_MESSAGES_DEFAULT)
    asked = await collections.searched(who.view, who.tenant, agent_id)
    found = await archival.list_facts(who.view, who.tenant, asked, window.page, text=query.search)
    await agents.get(
        who.view, who.tenant, agent_id
    )  # last: one that is deleted meanwhile has no list, not an empty one
    return answer([wire.passage(fact) for fact in window.ordered(found)])


@router.get("/v1/agents/{agent_id}/archival-memory/search")
async def search_passages(
    request: Request,
    agent_id: AgentId,
    query: str,
    tags: Annotated[list[str] | None, Query()] = None,
    tag_match_mode: Literal["any", "all"] = "any",
    top_k: Annotated[int | None, Query(ge=1, le=umi_limits.MEMORY_RECALL_LIMIT_MAX)] = None,
    start_datetime: str | None = None,
    end_datetime: str | None = None,
) -> Response:
    """What shares words with the query, best first."""
    who = caller(request)
    since_ms, until_ms = moment_ms("start_datetime", start_datetime), moment_ms("end_datetime", end_datetime)
    found = await collections.recall(
        who.workshop.archive,
        who.view,
        who.tenant,
        await collections.searched(who.view, who.tenant, agent_id),
        query,
        limit=top_k or umi_limits.MEMORY_RECALL_LIMIT_DEFAULT,
        tags=tags or [],
        match_all_tags=tag_match_mode == "all",
        filters=told_between(since_ms, until_ms),
        superseded=True,  # what is listed is found, also what holds no longer
    )
    await agents.get(who.view, who.tenant, agent_id)
    return answer(wire.search_results(found))


@router.delete("/v1/agents/{agent_id}/archival-memory/{memory_id}")
async def delete_passage(request: Request, agent_id: AgentId, memory_id: PassageId) -> Response:
    """Forget a fact: it is not found or listed any more."""
    who = caller(request)
    for scope in await collections.searched(who.view, who.tenant, agent_id):
        if await who.workshop.archive.forget(who.tenant, scope, [memory_id]):
            break
    else:
        raise NotFound(f"agent '{agent_id}' has no passage with the id '{memory_id}'")
    return answer({"message": f"Memory id={memory_id} successfully deleted"})
