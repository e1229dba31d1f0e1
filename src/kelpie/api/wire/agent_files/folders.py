"""Folders and files as agent files have them, and Letta's database: there a folder is a source.

A file travels as what was read from it. Whoever takes it cuts and embeds it anew.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from kelpie.api.wire import folders
from kelpie.api.wire.agent_files.parts import Notes, validated
from kelpie.api.wire.times import iso_or_none, moment_ms
from kelpie.errors import CallerError, InvalidInput, LimitExceeded
from kelpie.files import files, limits
from kelpie.files.arriving import Arrival
from kelpie.files.attached import AgentFile
from kelpie.files.files import File
from kelpie.files.folders import Folder
from kelpie.files.folders import check as check_folder
from kelpie.moving.parcel import Filed, Holding

_FOLDER = ("name", "description", "instructions", "metadata", "embedding", "embedding_chunk_size")


class _File(BaseModel):
    source_id: str
    file_name: str | None = None
    original_file_name: str | None = None
    file_type: str | None = None
    file_size: int | None = Field(default=None, ge=0)
    content: str | None = None


class _Holding(BaseModel):
    file_id: str
    source_id: str
    is_open: bool = True
    last_accessed_at: str | None = None
    start_line: int | None = None
    end_line: int | None = None


# theirs -> ours


def folder_of(fields: Mapping[str, Any], notes: Notes, now_ms: int) -> Folder:
    """Tenant and id are set where it arrives. Raises InvalidInput, LimitExceeded."""
    what = f"the folder '{str(fields.get('name'))[:64]}'"
    given = {name: fields[name] for name in _FOLDER if fields.get(name) is not None}
    config = fields.get("embedding_config")
    if config is not None:
        try:
            known = config if isinstance(config, Mapping) else {}  # which is refused
            given["embedding_config"] = validated(what, folders.EmbeddingConfig, known)
        except InvalidInput:
            notes.add(f"{what}: what it says of embeddings is not taken")
    made = validated(what, folders.CreateFolder, given).folder("", "", now_ms)
    if "/" in made.name:
        notes.add(f"{what}: its name is another here, as it has a slash")
        made = msgspec.structs.replace(made, name=made.name.replace("/", "-"))
    check_folder(made)
    return made


def files_of(items: Sequence[Mapping[str, Any]], notes: Notes) -> dict[str, Filed]:
    """Those that can be taken, by their ids; of the others the notes say why. Raises InvalidInput."""
    found: dict[str, Filed] = {}
    names: set[tuple[str, str]] = set()
    for one in items:
        shown = str(one.get("file_name") or one.get("original_file_name") or one["id"])
        asked = validated(f"the file '{shown[:64]}'", _File, one)
        try:
            filed = Filed(folder=asked.source_id, arrival=_arrival(shown, asked))
        except CallerError as error:
            notes.add(f"the file '{shown[:64]}' is not taken: {error}")
            continue
        at = filed.folder, filed.arrival.name
        if at in names:
            raise InvalidInput(f"two files of one source of the agent file have the name '{at[1][:64]}'")
        names.add(at)
        found[one["id"]] = filed
    return found


def _arrival(name: str, asked: _File) -> Arrival:
    """Raises InvalidInput, LimitExceeded."""
    if asked.content is None:
        raise InvalidInput("no text of it is there")
    if len(asked.content) > limits.FILE_TEXT_CHARS_MAX:
        raise LimitExceeded("its text", len(asked.content), limits.FILE_TEXT_CHARS_MAX, "characters")
    original = asked.original_file_name
    return Arrival(
        name=files.checked_name(name),
        original_name=None if original is None else files.checked_name(original),
        text=asked.content,
        media_type=asked.file_type or "",
        bytes=asked.file_size,
    )


def folders_of_agent(agent: Mapping[str, Any]) -> list[str]:
    """The references of an agent to folders, each once; files it has are in some of them."""
    held = [one["source_id"] for one in agent.get("files_agents") or []]
    return [*dict.fromkeys([*(agent.get("source_ids") or []), *(agent.get("folder_ids") or []), *held])]


def held_by(agent: Mapping[str, Any], taken: Mapping[str, Filed]) -> list[Holding]:
    """The files that an agent holds open, of those that are taken, the one it looked at last as the last.

    Raises InvalidInput.
    """
    what = f"files_agents of the agent '{agent['id'][:64]}'"
    asked = [validated(what, _Holding, one) for one in agent.get("files_agents") or []]
    asked.sort(key=lambda one: moment_ms("last_accessed_at", one.last_accessed_at) or 0)
    for one in asked:
        if one.file_id in taken and taken[one.file_id].folder != one.source_id:
            raise InvalidInput(f"{what}: the file '{one.file_id[:64]}' is not in the source '{one.source_id[:64]}'")
    open_ones = {one.file_id: one for one in asked if one.is_open and one.file_id in taken}
    return [holding(one.file_id, one.start_line, one.end_line) for one in open_ones.values()]


def holding(file: str, start_line: int | None, end_line: int | None) -> Holding:
    """Lines count from 1, the last is included."""
    start = max(0, (start_line or 1) - 1)
    return Holding(file=file, start=start, length=None if end_line is None else max(1, end_line - start))


# ours -> theirs


def source(one: Folder, ref: str) -> dict[str, Any]:
    shown = folders.folder(one)
    names = ("name", "description", "instructions", "metadata", "embedding_config")
    return {name: shown[name] for name in names} | {
        "id": ref,
        "embedding": None,
        "embedding_chunk_size": one.chunk_tokens,
    }


def file(one: File, text: str, ref: str, folder: tuple[Folder, str]) -> dict[str, Any]:
    """`folder`: where it is, and the reference to that."""
    shown = folders.file(one, text)
    indexed = {"processing_status": "completed", "total_chunks": None, "chunks_embedded": None}
    return {name: value for name, value in shown.items() if name not in ("created_at", "updated_at")} | {
        "id": ref,
        "source_id": folder[1],
        "file_name": f"{folder[0].name}/{one.name}",
        **indexed,
    }


def entry(one: AgentFile, ref: str, refs: Mapping[str, str], agent_ref: str) -> dict[str, Any]:
    """A file as an agent has it, open or closed."""
    return {
        "id": ref,
        "agent_id": agent_ref,
        "file_id": refs[one.id],
        "source_id": refs[one.folder_id],
        "file_name": one.path,
        "is_open": one.is_open,
        "visible_content": one.shown or None,
        "last_accessed_at": iso_or_none(one.opened_at_ms),
        "start_line": one.first_line,
        "end_line": one.last_line,
    }
