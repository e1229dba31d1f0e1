"""Facts on the wire, where they are called passages."""

from typing import Any

from pydantic import BaseModel

from kelpie.api.wire.times import iso
from kelpie.people import scopes
from umi.entity import Fact, Recalled


class InsertPassage(BaseModel):
    text: str
    tags: list[str] | None = None
    created_at: str | None = None


def passage(fact: Fact) -> dict[str, Any]:
    """`created_at` is when the fact became true, which a client may have set. There are no embeddings: text is found
    by its words."""
    return {
        "id": fact.id,
        "text": fact.text,
        "tags": fact.tags,
        "metadata": fact.metadata,
        "created_at": iso(fact.valid_from_ms),
        "updated_at": None,
        "is_deleted": fact.known_to_ms is not None,
        "embedding": None,
        "embedding_config": None,
        "archive_id": scopes.collection_in(fact.scope),
        "source_id": None,
        "file_id": None,
        "file_name": None,
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def search_results(found: list[Recalled]) -> dict[str, Any]:
    results = [
        {
            "id": one.fact.id,
            "timestamp": iso(one.fact.valid_from_ms),
            "content": one.fact.text,
            "tags": one.fact.tags,
        }
        for one in found
    ]
    return {"results": results, "count": len(results)}
