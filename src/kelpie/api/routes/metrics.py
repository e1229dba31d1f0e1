"""What the server counted, for Prometheus."""

from fastapi import APIRouter, Request, Response

from kelpie.api.house import House
from kelpie.errors import NotServed

router = APIRouter(tags=["health"])


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters and histograms in Prometheus' text format. Needs a key if the server has keys."""
    house: House = request.app.state.house
    if house.metrics is None:
        raise NotServed("this server was built without metrics")
    body, media_type = house.metrics()
    return Response(body, media_type=media_type)
