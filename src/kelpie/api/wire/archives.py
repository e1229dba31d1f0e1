"""Archives on the wire: collections of facts that several agents share, and what is looked for in them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from kelpie.api import limits
from kelpie.api.bounds import Tag
from kelpie.api.wire.archival import passage
from kelpie.api.wire.times import iso, iso_or_none, moment_ms
from kelpie.tools.collections import Collection
from umi import limits as umi_limits
from umi.entity import Fact
from umi.memory import Draft


class CreateArchive(BaseModel):
    """Which embedder an archive has is the server's matter: what is said of it is ignored."""

    name: str
    description: str | None = None


class ModifyArchive(BaseModel):
    name: str | None = None
    description: str | None = None

    def fields(self) -> dict[str, Any]:
        """What is to change: a name that is null stays, a description is taken away."""
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None or name == "description"}


class CreatePassage(BaseModel):
    text: str
    metadata: dict[str, Any] | None = None
    tags: list[Tag] | None = None
    created_at: str | None = None

    def draft(self) -> Draft:
        """Raises InvalidInput."""
        return Draft(
            text=self.text,
            tags=list(dict.fromkeys(self.tags or [])),
            metadata=self.metadata or {},
            source={"kind": "client"},
            event_time=moment_ms("created_at", self.created_at),
        )


class CreatePassages(BaseModel):
    passages: list[CreatePassage] = Field(min_length=1, max_length=limits.PASSAGES_AT_ONCE_MAX)


class SearchPassages(BaseModel):
    """Without a query: the newest."""

    query: str | None = None
    agent_id: str | None = None
    archive_id: str | None = None
    tags: list[Tag] | None = None
    tag_match_mode: Literal["any", "all"] = "any"
    limit: int = Field(default=50, ge=1, le=umi_limits.MEMORY_RECALL_LIMIT_MAX)
    start_date: str | None = None
    end_date: str | None = None


def archive(one: Collection) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "created_at": iso(one.created_at_ms),
        "updated_at": iso_or_none(one.updated_at_ms),
        "vector_db_provider": "native",
        "embedding_config": None,
        "metadata": None,
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def found(fact: Fact, score: float) -> dict[str, Any]:
    return {"passage": passage(fact), "score": score, "metadata": {}}
