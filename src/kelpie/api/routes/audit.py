"""The audit: who ran what, for whom, where it really ran, and which limits it hit."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import caller_for_people
from kelpie.api.paging import PageQuery, Window
from kelpie.api.wire import audit as wire
from kelpie.people.resolving import within
from kelpie.tools import audit

router = APIRouter(tags=["audit"])


class AuditQuery(PageQuery):
    agent_id: str | None = None
    run_id: str | None = None
    tool: str | None = None
    server: str | None = None
    trust: Literal["operator", "reviewed", "untrusted"] | None = None
    level: str | None = None
    state: audit.State | None = None
    killed_by: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def equal(self) -> dict[str, str]:
        return {name: value for name in audit.FILTERS if (value := getattr(self, name)) is not None}


@router.get("/v1/audit/tools")
async def list_tool_audit(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
    """Calls of sandboxes and MCP servers, newest first. A key for some people alone sees those made for them."""
    who, window = caller_for_people(request), Window(query)
    speakers = [one.key for one in await within(who.view, who.tenant, who.people)] if who.people else None
    found = await audit.list_rows(
        who.view,
        who.tenant,
        window.page,
        equal=query.equal(),
        speakers=speakers,
        since_ms=query.since_ms,
        until_ms=query.until_ms,
    )
    return answer([wire.row(one) for one in window.ordered(found)])
