"""Trajectories: what agents did, in the form other tools read."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from kelpie.api.house import caller
from kelpie.trajectories.export import chat_lines

router = APIRouter(tags=["trajectories"])


@router.get("/v1/trajectories/export")
async def export(request: Request, agent_id: Annotated[list[str] | None, Query()] = None) -> StreamingResponse:
    """Completed runs as chat-format JSONL, oldest first; of some agents, or of all."""
    who = caller(request)
    lines = chat_lines(who.view, who.tenant, agent_ids=agent_id)
    return StreamingResponse(lines, media_type="application/x-ndjson")
