"""What agents can think with."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from kelpie.api.answer import answer
from kelpie.api.house import caller
from kelpie.api.wire import models as wire
from kelpie.models.vectors import dimensions_of

router = APIRouter(tags=["models"])


@router.get("/v1/models")
async def list_models(
    request: Request,
    provider_name: str | None = None,
    provider_type: str | None = None,
    provider_category: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Every model an agent can be given, by its handle."""
    who = caller(request)
    cards = [wire.model(card) for card in await who.workshop.models.list(who.tenant)]
    wanted = {"provider_name": provider_name, "provider_type": provider_type}
    found = [card for card in cards if all(value in (None, card[name]) for name, value in wanted.items())]
    if provider_category:
        found = [card for card in found if card["provider_category"] in provider_category]
    return answer(found)


@router.get("/v1/models/embedding")
async def list_embedding_models(request: Request) -> Response:
    """What makes vectors: this server's own model, which archival memory is searched with where it is installed, then
    those of providers, which nothing here uses."""
    who = caller(request)
    own = who.workshop.archive.embedder
    cards = await who.workshop.models.vectors(who.tenant)
    found = [] if own is None else [wire.own_embedding(own.name, own.dimensions)]
    return answer(found + [wire.embedding(card, dimensions_of(card.name) or 0) for card in cards])
