"""What agents can think with."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.wire import models as wire

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def list_models(
    request: Request,
    provider_name: str | None = None,
    provider_type: str | None = None,
    provider_category: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Every model an agent can be given, by its handle."""
    cards = [wire.model(card) for card in await caller(request).workshop.models.list()]
    wanted = {"provider_name": provider_name, "provider_type": provider_type}
    found = [card for card in cards if all(value in (None, card[name]) for name, value in wanted.items())]
    if provider_category:
        found = [card for card in found if card["provider_category"] in provider_category]
    return answer(found)


@router.get("/v1/models/embedding")
async def list_embedding_models() -> Response:
    """None: archival memory is searched by words."""
    return answer([])
