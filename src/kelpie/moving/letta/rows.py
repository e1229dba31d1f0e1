"""Rows of the database as what agent files say."""

import datetime as dt
import re
from typing import Any

from kelpie.api.ids import pattern
from kelpie.api.wire.agent_files.parts import Notes
from kelpie.moving.letta.reading import Row
from umi.dst.ids import named_uuid

_SAME = (
    "agent_type description system response_format llm_config embedding_config compaction_settings tool_rules"
    " message_buffer_autoclear enable_sleeptime timezone max_files_open per_file_view_window_char_limit hidden"
    " project_id template_id base_template_id"
).split()
_NAME_REFUSED = re.compile(r"[^\w '\-.,:()]+")


def kept_id(prefix: str, row_id: str) -> str:
    """The id of a row, which it keeps if it has the form of ours; else one that is made of it, the same each time."""
    return row_id if re.fullmatch(pattern(prefix), row_id) else f"{prefix}-{named_uuid(row_id)}"


def told_ms(row: Row, now_ms: int) -> int:
    """When the row was made."""
    at = row["created_at"]
    if not isinstance(at, dt.datetime):
        return now_ms
    aware = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return int(aware.timestamp() * 1000)


def agent_fields(row: Row, tags: list[str], notes: Notes) -> dict[str, Any]:
    name = row["name"] or ""
    if (plain := _NAME_REFUSED.sub("-", name).strip()) != name:
        notes.add("its name had characters that names here don't have")
    fields = {name: row[name] for name in _SAME}
    return fields | {"name": plain or None, "metadata": row["metadata_"], "tags": tags}


def block_fields(row: Row, tags: list[str]) -> dict[str, Any]:
    same = ("label", "value", "limit", "description", "read_only", "hidden")
    return {name: row[name] for name in same} | {"metadata": row["metadata_"], "tags": tags}


def message_fields(row: Row) -> dict[str, Any]:
    """As in a file, where moments are texts."""
    at = row["created_at"]
    return {**row, "created_at": at.isoformat() if isinstance(at, dt.datetime) else None}
