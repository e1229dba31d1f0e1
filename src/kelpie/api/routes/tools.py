"""Tools: those people wrote and those that are built in."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from kelpie.agents import agent as agents
from kelpie.agents import trying
from kelpie.api import limits
from kelpie.api.answer import answer
from kelpie.api.house import Caller, caller
from kelpie.api.ids import AgentId, ToolId
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import tools as wire
from kelpie.errors import GuardFailed, InvalidInput, NotFound, NotServed
from kelpie.tools import custom
from kelpie.tools import limits as tool_limits
from kelpie.tools.custom import ToolRecord
from umi.storage import Page

router = APIRouter(tags=["tools"])
_WORD = re.compile(r"[^\W_]+")


class ToolsQuery(PageQuery):
    name: str | None = None
    names: list[str] | None = None
    tool_ids: list[str] | None = None
    search: str | None = None
    tool_types: list[str] | None = None
    exclude_tool_types: list[str] | None = None
    return_only_letta_tools: bool = False
    exclude_letta_tools: bool = False

    def filters(self, builtins: list[str]) -> dict[str, Any]:
        """The filters in our words: Letta's kinds of tools are names of built-in ones. Raises NotServed."""
        wanted = set(self.tool_types or wire.TOOL_TYPES) - set(self.exclude_tool_types or [])
        if self.return_only_letta_tools:
            wanted -= set(wire.PEOPLES)
        if self.exclude_letta_tools:
            wanted &= set(wire.PEOPLES)
        given = {"name": self.name, "names": self.names, "ids": self.tool_ids, "text": self.search}
        of_ours = wire.names_of(wanted, builtins)
        of_people = [kind for kind in wire.PEOPLES if kind in wanted]
        if not of_people:
            names = of_ours if self.names is None else [name for name in self.names if name in of_ours]
            return given | {"names": names}
        if not of_ours:
            return given | {"tool_types": of_people}
        if len(of_ours) < len(builtins) or len(of_people) < len(wire.PEOPLES):
            raise NotServed("people's tools together with some kinds of built-in ones can't be listed yet; ask twice")
        return given


@router.post("/v1/tools")
async def create_tool(request: Request, body: wire.CreateTool) -> Response:
    """A new tool from its Python source. 409 if there is one of its name."""
    who = caller(request)
    record, changes = await custom.plan_create(
        who.view, who.workshop.host, who.tenant, body.draft(strict=who.house.strict_letta)
    )
    await who.workshop.database.commit(changes)
    return answer(_shown(who, record))


@router.put("/v1/tools")
async def upsert_tool(request: Request, body: wire.CreateTool) -> Response:
    """The tool of this name, made or changed."""
    who = caller(request)
    draft = body.draft(strict=who.house.strict_letta)
    return answer(_shown(who, await custom.upsert(who.view, who.workshop.host, who.tenant, draft)))


@router.get("/v1/tools")
async def list_tools(request: Request, query: Annotated[ToolsQuery, Query()]) -> Response:
    """Tools, newest first."""
    who, window = caller(request), Window(query)
    filters = query.filters(list(who.workshop.catalog.builtins))
    found = await custom.list_tools(who.view, who.tenant, window.page, **filters)
    return answer([_shown(who, record) for record in window.ordered(found)])


@router.get("/v1/tools/count")
async def count_tools(request: Request, query: Annotated[ToolsQuery, Query()]) -> Response:
    """How many tools there are, or match."""
    who = caller(request)
    total = await custom.count(who.view, who.tenant, **query.filters(list(who.workshop.catalog.builtins)))
    return answer(total)


@router.post("/v1/tools/run")
async def run_tool(request: Request, body: wire.RunTool) -> Response:
    """Run a source once, with arguments, without an agent. 429 if every place is taken, 501 if nothing isolates it."""
    who = caller(request)
    record = custom.drafted(who.workshop.host, who.tenant, body.draft())
    if body.name not in (None, record.name):
        raise InvalidInput(f"the tool of this source is '{record.name}'; give a json_schema to run another function")
    call_id, outcome = await trying.run_once(who.workshop, record, body.args, body.variables())
    message_id = who.workshop.host.ids.new("message")
    return answer(wire.tool_return(message_id, call_id, record.name, who.now_ms(), outcome))


@router.post("/v1/tools/search")
async def search_tools(request: Request, body: wire.SearchTools) -> Response:
    """Tools by the words of their names, tags and descriptions, best first; without words, the newest."""
    who = caller(request)
    known = await _all_tools(who, body.tags)
    if body.tool_types is not None:
        known = [record for record in known if wire.tool_type(record) in body.tool_types]
    words = set(_WORD.findall((body.query or "").casefold()))
    if words:
        scored = [(_hits(record, words), record) for record in known]
        known = [record for hits, record in sorted(scored, key=lambda one: -one[0]) if hits]
    strict = who.house.strict_letta
    return answer([wire.found(one, rank, strict=strict) for rank, one in enumerate(known[: body.limit], 1)])


async def _all_tools(who: Caller, tags: list[str] | None) -> list[ToolRecord]:
    known: list[ToolRecord] = []
    while len(known) < limits.TOOLS_SEARCHED_MAX:
        after = known[-1].id if known else None
        page = Page(limit=limits.PAGE_ITEMS_MAX, after=after, ascending=False)
        found = await custom.list_tools(who.view, who.tenant, page, tags=tags)
        known += found
        if len(found) < limits.PAGE_ITEMS_MAX:
            break
    return known


def _hits(record: ToolRecord, words: set[str]) -> int:
    """How many of the words a tool has; one in its name counts twice."""
    named = set(_WORD.findall(record.name.casefold()))
    told = set(_WORD.findall(" ".join((record.description, *record.tags)).casefold()))
    return 2 * len(words & named) + len(words & told)


@router.post("/v1/tools/add-base-tools")
async def add_base_tools(request: Request) -> Response:
    """The tools that ship with this server. Every tenant has them: this makes anew those whose rows are gone."""
    who = caller(request)
    builtins = who.workshop.catalog.builtins
    changes = await custom.plan_builtins(who.view, who.tenant, who.now_ms(), builtins.values())
    if changes:
        await who.workshop.database.commit(changes)
    known = await _all_tools(who, None)
    return answer([_shown(who, record) for record in known if record.name in builtins])


@router.post("/v1/agents/{agent_id}/tools/{tool_name}/run")
async def run_tool_of_agent(
    request: Request,
    agent_id: AgentId,
    tool_name: Annotated[str, Path(max_length=limits.RULE_NAME_CHARS_MAX)],
    body: wire.RunForAgent | None = None,
) -> Response:
    """Call a tool of the agent as the agent would: with its secrets, its files and its memory."""
    who, arguments = caller(request), body.args if body is not None else {}
    outcome = await trying.call_for_agent(who.workshop, who.tenant, agent_id, tool_name, arguments)
    return answer(wire.executed(outcome))


@router.get("/v1/tools/{tool_id}")
async def retrieve_tool(request: Request, tool_id: ToolId) -> Response:
    """One tool, with its source and schema."""
    who = caller(request)
    return answer(_shown(who, await custom.get(who.view, who.tenant, tool_id)))


@router.patch("/v1/tools/{tool_id}")
async def modify_tool(request: Request, tool_id: ToolId, body: wire.ModifyTool) -> Response:
    """Change some fields; new source derives name and schema anew. 409 for a built-in tool."""
    who = caller(request)
    fields = body.fields(await custom.get(who.view, who.tenant, tool_id), strict=who.house.strict_letta)
    return answer(_shown(who, await custom.edit(who.view, who.tenant, tool_id, who.now_ms(), fields)))


@router.delete("/v1/tools/{tool_id}")
async def delete_tool(request: Request, tool_id: ToolId) -> Response:
    """Remove a tool; agents that have it lose it. 409 for a built-in tool."""
    await _delete(caller(request), tool_id)
    return answer({"message": f"Tool id={tool_id} successfully deleted"})


def _shown(who: Caller, record: ToolRecord) -> dict[str, Any]:
    return wire.tool(record, strict=who.house.strict_letta)


async def _delete(who: Caller, tool_id: str) -> None:
    for _ in range(tool_limits.TOOL_UPSERT_ATTEMPTS_MAX):
        changes = await custom.plan_delete(who.view, who.tenant, tool_id)
        try:
            await who.workshop.database.commit(changes.extend(agents.plan_forget_tool(who.tenant, tool_id)))
        except GuardFailed:
            continue  # somebody changed it since it was read
        return
    raise NotFound(f"no tool has the id '{tool_id}'")
