"""Whether the server lives, which version it is, and what isolation tools get here."""

from fastapi import APIRouter, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import House

router = APIRouter(tags=["health"])


@router.get("/v1/health")
@router.get("/v1/ready", include_in_schema=False)
@router.get("/health", include_in_schema=False)
async def health(request: Request) -> Response:
    """Whether the server lives. Open to everybody."""
    house: House = request.app.state.house
    return answer({"version": house.version, "status": "ok", **await house.levels()})
