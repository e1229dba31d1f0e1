"""Blocks on the wire."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from kelpie.api import limits
from kelpie.api.bounds import Tag, check_json_bytes
from umi import limits as umi_limits
from umi.entity import Block


class BlockFields(BaseModel):
    """What a client may set. Fields of Letta's that mean nothing here (templates, projects) are left out."""

    model_config = ConfigDict(extra="ignore")

    description: str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[Tag] | None = Field(default=None, max_length=umi_limits.ENTITY_TAGS_COUNT_MAX)
    hidden: bool | None = None


class CreateBlock(BlockFields):
    label: str
    value: str
    limit: int = Field(default=umi_limits.BLOCK_VALUE_CHARS_DEFAULT, ge=1)
    read_only: bool = False

    def block(self, tenant: str, block_id: str, now_ms: int) -> Block:
        """Raises LimitExceeded; umi.core checks the rest when it plans."""
        check_metadata(self.metadata)
        return Block(
            tenant=tenant,
            id=block_id,
            label=self.label,
            value=self.value,
            limit_chars=self.limit,
            description=self.description,
            read_only=self.read_only,
            hidden=bool(self.hidden),
            metadata=self.metadata or {},
            tags=self.tags or [],
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )


class ModifyBlock(BlockFields):
    label: str | None = None
    value: str | None = None
    limit: int | None = Field(default=None, ge=1)
    read_only: bool | None = None

    def fields(self) -> dict[str, Any]:
        """What to change, in umi's words. A field that is null is left as it is."""
        check_metadata(self.metadata)
        given = self.model_dump(exclude_none=True)
        if "limit" in given:
            given["limit_chars"] = given.pop("limit")
        return given


def check_metadata(metadata: dict[str, Any] | None) -> None:
    if metadata:
        check_json_bytes("the block's metadata", metadata, limits.BLOCK_METADATA_BYTES_MAX)


def block(one: Block) -> dict[str, Any]:
    return {
        "id": one.id,
        "label": one.label,
        "value": one.value,
        "limit": one.limit_chars,
        "description": one.description,
        "read_only": one.read_only,
        "hidden": one.hidden or None,
        "metadata": one.metadata,
        "tags": one.tags,
        "is_template": False,
        "preserve_on_migration": False,
        "project_id": None,
        "template_name": None,
        "template_id": None,
        "base_template_id": None,
        "deployment_id": None,
        "entity_id": None,
        "created_by_id": None,
        "last_updated_by_id": None,
    }
